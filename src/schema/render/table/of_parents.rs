//! What a table has of its parents' columns or of its type's, and what it says of them otherwise.

use super::{Parts, Place, set_default};
use crate::pg::{Ident, Oid, Sql};
use crate::schema::model::column::Column;
use crate::schema::render::inheritance::{self, Way};
use crate::sql;

impl<'a> Place<'a> {
    /// Whether the column stands in CREATE TABLE: not if it comes from a parent or from the table's type.
    pub(super) fn is_written(&self, column: &Column) -> bool {
        match (&self.table.of_type, self.way) {
            (Some(_), _) => {
                column.not_null.is_some() || column.default.is_some() || column.identity.is_some()
            }
            (None, Way::OwnColumns) => column.is_local,
            (None, Way::Whole | Way::AllColumns) => true,
        }
    }

    /// Whether a column that the table declares has its parent's expression, which before 16 it must not say again.
    pub(super) fn inherits_expression(&self, column: &Column) -> bool {
        self.way == Way::OwnColumns
            && !self.options.destination_version.at_least(16)
            && self.parents_columns(column).iter().any(|parent| parent.generated.is_some())
    }

    /// Whether the column's NOT NULL comes from a parent. Before 18 no server knew: then it does wherever a parent
    /// has it, as pg_dump sees it too.
    pub(super) fn inherits_not_null(&self, column: &Column) -> bool {
        column.not_null.as_ref().is_some_and(|not_null| match not_null.constraint {
            Some(_) => !not_null.is_local,
            None => self.parents_columns(column).iter().any(|parent| parent.not_null.is_some()),
        })
    }

    /// NOT NULL that the table puts on a column of its parents (18; before, it is set afterwards), and such that is
    /// not validated.
    pub(super) fn own_not_null(&self, column: &Column) -> Option<Sql> {
        let not_null = column.not_null.as_ref()?;
        let (_, name) = not_null.constraint.as_ref()?;
        let on_inherited = !self.is_written(column) && not_null.is_local && not_null.validated;
        if !on_inherited || !self.options.destination_version.at_least(18) {
            return None;
        }
        let mut text = sql!("CONSTRAINT {name} NOT NULL {column}", name = name, column = column.name);
        if not_null.no_inherit {
            text.push_fixed(" NO INHERIT");
        }
        Some(text)
    }

    /// What a child says differently of its parents' columns, and NOT NULL that is not validated.
    pub(super) fn overrides(&self, parts: Parts) -> Vec<Sql> {
        let mut actions = Vec::new();
        for column in &self.table.columns {
            if let Some((_, name)) = self.unvalidated_not_null(column) {
                actions.push(sql!(
                    "ADD CONSTRAINT {name} NOT NULL {column} NOT VALID",
                    name = name,
                    column = column.name
                ));
            }
            if self.table.of_type.is_some() {
                continue;
            }
            if self.is_written(column) {
                if self.lacks_default_of_parents(column) {
                    actions.push(sql!("ALTER COLUMN {column} DROP DEFAULT", column = column.name));
                }
                continue;
            }
            let parents: Vec<&Column> = self.parents_columns(column);
            if column.generated.is_none() {
                let inherited = parents.iter().filter_map(|parent| parent.default.as_ref());
                let same = inherited.clone().map(|default| &default.expression);
                let stays = parts == Parts::Inside || !self.is_separable(column);
                match &column.default {
                    Some(default) if stays && !(parents.len() == 1 && same.eq([&default.expression])) => {
                        actions.push(set_default(column, &default.expression));
                    }
                    None if inherited.count() > 0 => {
                        actions.push(sql!("ALTER COLUMN {column} DROP DEFAULT", column = column.name));
                    }
                    _ => {}
                }
            }
            let flag_only = column.not_null.as_ref().is_some_and(|not_null| not_null.constraint.is_none());
            if flag_only && parents.iter().all(|parent| parent.not_null.is_none()) {
                actions.push(sql!("ALTER COLUMN {column} SET NOT NULL", column = column.name));
            }
        }
        actions
    }

    /// Whether a column that the table declares has no default where a parent has one.
    fn lacks_default_of_parents(&self, column: &Column) -> bool {
        let plain = column.default.is_none() && column.identity.is_none();
        let has_default = |parent: &&Column| parent.default.is_some() && parent.generated.is_none();
        self.way == Way::OwnColumns && plain && self.parents_columns(column).iter().any(has_default)
    }

    /// Whether its parents have different defaults for a column that the table declares: the server wants one to be said.
    pub(super) fn parents_disagree(&self, column: &Column) -> bool {
        self.way == Way::OwnColumns && inheritance::disagree(self.parents_columns(column))
    }

    fn unvalidated_not_null<'c>(&self, column: &'c Column) -> Option<&'c (Oid, Ident)> {
        let not_null = column.not_null.as_ref().filter(|not_null| !not_null.validated)?;
        let comes_from_parent = !not_null.is_local && self.way != Way::AllColumns;
        not_null.constraint.as_ref().filter(|_| !comes_from_parent)
    }

    /// The columns of that name in the table's direct parents.
    fn parents_columns(&self, column: &Column) -> Vec<&'a Column> {
        let parents = self.table.inherits.iter().filter_map(|parent| self.relations.tables.get(parent));
        parents
            .filter_map(|parent| parent.columns.iter().find(|of_parent| of_parent.name == column.name))
            .collect()
    }

    /// Columns that may be NULL where a parent's may not.
    pub(super) fn looser(&self) -> impl Iterator<Item = &'a Column> {
        self.table.columns.iter().filter(|column| self.is_looser(column))
    }

    pub(super) fn is_looser(&self, column: &Column) -> bool {
        self.table.is_looser(column, &self.relations.tables)
    }
}

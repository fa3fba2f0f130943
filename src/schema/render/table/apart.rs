//! Defaults and checks that can be made apart from their table, where a circle of dependencies asks for it.

use super::{Parts, Place, set_default};
use crate::pg::Sql;
use crate::schema::model::column::Column;
use crate::schema::model::constraint::Constraint;
use crate::schema::model::{Address, Rank, class};
use crate::schema::script::{Phase, Piece};
use crate::sql;

impl<'a> Place<'a> {
    pub(super) fn is_separable(&self, column: &Column) -> bool {
        let reaches_out = column.default.as_ref().is_some_and(|default| {
            self.relations.reaches_out(Address::new(class::COLUMN_DEFAULT, default.oid))
        });
        reaches_out && column.generated.is_none()
    }

    pub(super) fn separable_defaults(&self) -> impl Iterator<Item = &'a Column> {
        self.table.columns.iter().filter(|column| self.is_separable(column))
    }

    pub(super) fn separable_checks(&self) -> impl Iterator<Item = &'a Constraint> {
        self.constraints().filter(|constraint| {
            self.is_inline(constraint, Parts::Inside) && !self.is_inline(constraint, Parts::Separate)
        })
    }

    pub(super) fn separate_default(&self, column: &Column) -> Piece {
        let (oid, expression) = match &column.default {
            Some(default) => (default.oid, default.expression.clone()),
            None => (0, Sql::fixed("NULL")),
        };
        let label = ["default of ", &self.table.name.to_string(), ".", column.name.as_str()].concat();
        let makes = Address::new(class::COLUMN_DEFAULT, oid);
        let mut piece = Piece::new(makes, Rank::ColumnDefault, Phase::PreData, label);
        piece.sql.push(sql!(
            "ALTER TABLE ONLY {table} {action}",
            table = self.table.name,
            action = set_default(column, &expression)
        ));
        piece.part_of = Some(self.table.address());
        piece.needs.push(self.table.address());
        piece
    }

    pub(super) fn separate_check(&self, check: &Constraint) -> Piece {
        let label = ["check constraint ", check.name.as_str(), " on ", &self.table.name.to_string()].concat();
        let mut piece = Piece::new(check.address(), Rank::Check, Phase::PreData, label);
        piece.sql.push(sql!(
            "ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
            table = self.table.name,
            name = check.name,
            definition = check.definition
        ));
        piece.part_of = Some(self.table.address());
        piece.needs.push(self.table.address());
        piece
    }
}

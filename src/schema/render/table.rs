//! SQL of tables: one CREATE TABLE with all that it can say, one ALTER TABLE with the rest.

use crate::pg::Sql;
use crate::pg::name::for_people;
use crate::schema::model::column::Column;
use crate::schema::model::constraint::{Constraint, Kind};
use crate::schema::model::relation::{ReplicaIdentity, Table};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::column::{self, Form};
use crate::schema::render::inheritance::{self, Way};
use crate::schema::render::relations::Relations;
use crate::schema::render::{Rendering, index, outer_partition, tablespace};
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, relations: &Relations<'_>, options: &Options, to: &mut Rendering) {
    for table in &catalog.tables {
        let place = Place {
            table,
            relations,
            options,
            way: inheritance::way(table, &relations.tables, options.destination_version),
        };
        let piece = place.piece();
        if let Some(method) = table.access_method.as_ref().filter(|_| !place.takes_access_method()) {
            let object = ["access method ", &for_people(method.as_str()), " of ", &piece.label].concat();
            to.skip(object, "a partitioned table has none before PostgreSQL 17");
        }
        tablespace::note(table.tablespace.as_ref(), &piece.label, options, to);
        to.push(piece);
        to.pieces.extend(outer_partition::attachment(table, relations));
    }
}

/// A table in its surroundings.
struct Place<'a> {
    table: &'a Table,
    relations: &'a Relations<'a>,
    options: &'a Options,
    way: Way,
}

/// Whether defaults and checks that could also be made separately stand in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    Inside,
    Separate,
}

impl<'a> Place<'a> {
    fn piece(&self) -> Piece {
        let whole = self.form(Parts::Inside);
        let separable =
            self.separable_defaults().next().is_some() || self.separable_checks().next().is_some();
        if !separable {
            return whole;
        }
        let mut steps = vec![self.form(Parts::Separate)];
        steps.extend(self.separable_defaults().map(|column| self.separate_default(column)));
        steps.extend(self.separable_checks().map(|check| self.separate_check(check)));
        Piece { fallback: Some(steps), ..whole }
    }

    fn form(&self, parts: Parts) -> Piece {
        let table = self.table;
        let mut piece = Piece::new(
            table.address(),
            Rank::Table,
            Phase::PreData,
            [if table.foreign.is_some() { "foreign table " } else { "table " }, &table.name.to_string()]
                .concat(),
        );
        piece.also_makes = self.also_makes(parts);
        piece.sql.push(self.create(parts));
        let mut actions: Vec<Sql> = table.columns.iter().flat_map(column::actions).collect();
        actions.extend(self.overrides(parts));
        match table.replica_identity {
            ReplicaIdentity::Default | ReplicaIdentity::Index => {}
            // A foreign table has none.
            ReplicaIdentity::Nothing if table.foreign.is_some() => {}
            ReplicaIdentity::Nothing => actions.push(Sql::fixed("REPLICA IDENTITY NOTHING")),
            ReplicaIdentity::Full => actions.push(Sql::fixed("REPLICA IDENTITY FULL")),
        }
        if self.way == Way::AllColumns {
            let parents =
                table.inherits.iter().filter_map(|parent| self.relations.parent_name(table, *parent));
            actions.extend(parents.map(|parent| sql!("INHERIT {parent}", parent = *parent)));
        }
        if !actions.is_empty() {
            piece.sql.push(sql!(
                "ALTER TABLE ONLY {table} {actions}",
                table = table.name,
                actions = Sql::join(actions, ", ")
            ));
        }
        piece.sql.extend(self.identity_persistence());
        piece.sql.extend(
            self.inline_keys()
                .filter_map(|key| self.relations.indexes.get(&key.index?))
                .filter_map(|index| index::marks(index)),
        );
        if let Some((partition, parent)) = self.partition() {
            piece.sql.push(sql!(
                "ALTER TABLE ONLY {parent} ATTACH PARTITION {table} {bound}",
                parent = parent.name,
                table = table.name,
                bound = partition
            ));
            piece.locks.push(Lock { table: parent.oid, mode: LockMode::AccessExclusive });
        }
        piece
    }

    fn partition(&self) -> Option<(&Sql, &Table)> {
        let partition = self.table.partition_of.as_ref()?;
        Some((&partition.bound, self.relations.tables.get(&partition.parent)?))
    }

    fn create(&self, parts: Parts) -> Sql {
        let table = self.table;
        // Before 18 a partitioned table could be called unlogged, which never had a meaning; 18 refuses it.
        let unlogged =
            table.unlogged && !(table.partitioned && self.options.destination_version.at_least(18));
        let mut text = sql!(
            "CREATE {sort}TABLE {name}",
            sort = Sql::fixed(match &table.foreign {
                Some(_) => "FOREIGN ",
                None if unlogged => "UNLOGGED ",
                None => "",
            }),
            name = table.name
        );
        let elements = self.elements(parts);
        match &table.of_type {
            Some(of_type) => {
                text.push(&sql!(" OF {of_type}", of_type = of_type));
                if !elements.is_empty() {
                    text.push(&sql!(" ({elements})", elements = Sql::join(elements, ", ")));
                }
            }
            None => text.push(&sql!(" ({elements})", elements = Sql::join(elements, ", "))),
        }
        if self.way == Way::OwnColumns {
            let parents = table.inherits.iter().filter_map(|parent| self.relations.tables.get(parent));
            let parents = Sql::join(parents.map(|parent| &parent.name), ", ");
            text.push(&sql!(" INHERITS ({parents})", parents = parents));
        }
        if let Some(foreign) = &table.foreign {
            text.push(&sql!(" SERVER {server}", server = foreign.server));
            if let Some(options) = &foreign.options {
                text.push(&sql!(" OPTIONS ({options})", options = options));
            }
        }
        if let Some(key) = &table.partition_key {
            text.push(&sql!(" PARTITION BY {key}", key = key));
        }
        if let Some(method) = table.access_method.as_ref().filter(|_| self.takes_access_method()) {
            text.push(&sql!(" USING {method}", method = method));
        }
        if !table.options.is_empty() {
            text.push(&sql!(" WITH ({options})", options = column::parameters(&table.options)));
        }
        text.push(&tablespace::clause(table.tablespace.as_ref(), self.options));
        text
    }

    /// Before 17 a partitioned table has none, and the server refuses one.
    fn takes_access_method(&self) -> bool {
        !self.table.partitioned || self.options.destination_version.at_least(17)
    }

    /// Columns and constraints between the parentheses.
    fn elements(&self, parts: Parts) -> Vec<Sql> {
        let mut elements: Vec<Sql> = self
            .table
            .columns
            .iter()
            .filter(|column| self.is_written(column))
            .map(|column| {
                let form = Form {
                    with_type: self.table.of_type.is_none(),
                    with_default: parts == Parts::Inside || !self.is_separable(column),
                    identity: self.relations.identities.get(&(self.table.oid, column.number)).copied(),
                    inherits_not_null: self.way == Way::OwnColumns && self.inherits_not_null(column),
                    not_null_name: self.relations.not_null_names.get(&(self.table.oid, column.number)),
                };
                column::definition(column, form, self.options)
            })
            .collect();
        elements.extend(self.table.columns.iter().filter_map(|column| self.own_not_null(column)));
        let inline = self.constraints().filter(|constraint| self.is_inline(constraint, parts));
        elements.extend(inline.map(|constraint| {
            sql!("CONSTRAINT {name} {definition}", name = constraint.name, definition = constraint.definition)
        }));
        elements
    }

    /// Whether the column stands in CREATE TABLE: not if it comes from a parent or from the table's type.
    fn is_written(&self, column: &Column) -> bool {
        match (&self.table.of_type, self.way) {
            (Some(_), _) => {
                column.not_null.is_some() || column.default.is_some() || column.identity.is_some()
            }
            (None, Way::OwnColumns) => column.is_local,
            (None, Way::Whole | Way::AllColumns) => true,
        }
    }

    /// Whether the column's NOT NULL comes from a parent. Before 18 no server knew: then it does wherever a parent
    /// has it, as pg_dump sees it too.
    fn inherits_not_null(&self, column: &Column) -> bool {
        column.not_null.as_ref().is_some_and(|not_null| match not_null.constraint {
            Some(_) => !not_null.is_local,
            None => self.parents_columns(column).iter().any(|parent| parent.not_null.is_some()),
        })
    }

    /// NOT NULL that the table puts on a column of its parents (18; before, it is set afterwards), and such that is
    /// not validated.
    fn own_not_null(&self, column: &Column) -> Option<Sql> {
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
    fn overrides(&self, parts: Parts) -> Vec<Sql> {
        let mut actions = Vec::new();
        for column in &self.table.columns {
            if let Some((_, name)) = self.unvalidated_not_null(column) {
                actions.push(sql!(
                    "ADD CONSTRAINT {name} NOT NULL {column} NOT VALID",
                    name = name,
                    column = column.name
                ));
            }
            if self.is_written(column) || self.table.of_type.is_some() {
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

    fn unvalidated_not_null<'c>(&self, column: &'c Column) -> Option<&'c (crate::pg::Oid, crate::pg::Ident)> {
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

    fn constraints(&self) -> impl Iterator<Item = &'a Constraint> {
        self.relations.constraints_of.get(&self.table.oid).into_iter().flatten().copied()
    }

    fn is_inline(&self, constraint: &Constraint, parts: Parts) -> bool {
        let comes_from_parent =
            constraint.kind == Kind::Check && !constraint.is_local && self.way == Way::OwnColumns;
        let separate = parts == Parts::Separate
            && constraint.kind == Kind::Check
            && self.relations.reaches_out(constraint.address());
        !comes_from_parent && !separate && self.relations.is_inline(constraint, self.options)
    }

    fn inline_keys(&self) -> impl Iterator<Item = &'a Constraint> {
        self.constraints().filter(|constraint| {
            constraint.kind != Kind::Check && self.relations.is_inline(constraint, self.options)
        })
    }

    fn is_separable(&self, column: &Column) -> bool {
        let reaches_out = column.default.as_ref().is_some_and(|default| {
            self.relations.reaches_out(Address::new(class::COLUMN_DEFAULT, default.oid))
        });
        reaches_out && column.generated.is_none()
    }

    fn separable_defaults(&self) -> impl Iterator<Item = &'a Column> {
        self.table.columns.iter().filter(|column| self.is_separable(column))
    }

    fn separable_checks(&self) -> impl Iterator<Item = &'a Constraint> {
        self.constraints().filter(|constraint| {
            self.is_inline(constraint, Parts::Inside) && !self.is_inline(constraint, Parts::Separate)
        })
    }

    fn separate_default(&self, column: &Column) -> Piece {
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

    fn separate_check(&self, check: &Constraint) -> Piece {
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

    fn also_makes(&self, parts: Parts) -> Vec<Address> {
        let table = self.table;
        let types = [table.row_type, table.row_array_type].map(|oid| Address::new(class::TYPE, oid));
        let defaults = table
            .columns
            .iter()
            .filter(|column| parts == Parts::Inside || !self.is_separable(column))
            .filter_map(|column| column.default.as_ref())
            .map(|default| Address::new(class::COLUMN_DEFAULT, default.oid));
        let not_nulls = table
            .columns
            .iter()
            .filter_map(|column| column.not_null.as_ref()?.constraint.as_ref())
            .map(|(oid, _)| Address::new(class::CONSTRAINT, *oid));
        let identities = table
            .columns
            .iter()
            .filter_map(|column| self.relations.identities.get(&(table.oid, column.number)))
            .map(|sequence| sequence.address());
        let keys = self.inline_keys().filter_map(|key| key.index);
        let inline = self.constraints().filter(|constraint| {
            // An inherited check comes with the table as well, for who asks.
            let inherited = constraint.kind == Kind::Check && !constraint.is_local;
            self.is_inline(constraint, parts) || inherited
        });
        types
            .into_iter()
            .filter(|address| address.object != 0)
            .chain(defaults)
            .chain(not_nulls)
            .chain(identities)
            .chain(keys.map(|index| Address::new(class::RELATION, index)))
            .chain(inline.map(Constraint::address))
            .collect()
    }

    /// An identity sequence that was set LOGGED or UNLOGGED against its table (15 and newer).
    fn identity_persistence(&self) -> Vec<Sql> {
        let table = self.table;
        let sequences = table
            .columns
            .iter()
            .filter_map(|column| self.relations.identities.get(&(table.oid, column.number)));
        sequences
            .filter(|sequence| sequence.unlogged != table.unlogged && !table.partitioned)
            .filter(|sequence| sequence.unlogged || self.options.destination_version.at_least(15))
            .map(|sequence| {
                let persistence = Sql::fixed(if sequence.unlogged { "UNLOGGED" } else { "LOGGED" });
                sql!(
                    "ALTER SEQUENCE {sequence} SET {persistence}",
                    sequence = sequence.name,
                    persistence = persistence
                )
            })
            .collect()
    }
}

fn set_default(column: &Column, expression: &Sql) -> Sql {
    sql!("ALTER COLUMN {column} SET DEFAULT {expression}", column = column.name, expression = expression)
}

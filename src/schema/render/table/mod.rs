//! SQL of tables: one CREATE TABLE with all that it can say, one ALTER TABLE with the rest.

mod apart;
mod of_parents;

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
        // Not with the actions above: INHERIT wants NOT NULL, and in one statement DROP would come first.
        let loosened =
            self.looser().map(|column| sql!("ALTER COLUMN {column} DROP NOT NULL", column = column.name));
        let loosened = Sql::join(loosened, ", ");
        if !loosened.is_empty() {
            piece.sql.push(sql!(
                "ALTER TABLE ONLY {table} {loosened}",
                table = table.name,
                loosened = loosened
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
                    null_without_default: self.parents_disagree(column),
                    identity: self.relations.identities.get(&(self.table.oid, column.number)).copied(),
                    inherits_expression: self.inherits_expression(column),
                    inherits_not_null: self.way == Way::OwnColumns && self.inherits_not_null(column),
                    not_null_name: self.relations.not_null_names.get(&(self.table.oid, column.number)),
                };
                let mut definition = column::definition(column, form, self.options);
                if self.way == Way::AllColumns && self.is_looser(column) {
                    definition.push_fixed(" NOT NULL");
                }
                definition
            })
            .collect();
        elements.extend(self.table.columns.iter().filter_map(|column| self.own_not_null(column)));
        let inline = self.constraints().filter(|constraint| self.is_inline(constraint, parts));
        elements.extend(inline.map(|constraint| {
            sql!("CONSTRAINT {name} {definition}", name = constraint.name, definition = constraint.definition)
        }));
        elements
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

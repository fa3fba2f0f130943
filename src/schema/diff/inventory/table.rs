//! Tables, their columns with identity sequences, and indexes.

use std::collections::HashMap;

use super::Inventory;
use crate::pg::{Ident, Oid, QualifiedName};
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::column::{Column, Default, Generated, Identity, NotNull};
use crate::schema::model::index::Index;
use crate::schema::model::relation::{Foreign, ReplicaIdentity, RowSecurity, Table};
use crate::schema::model::sequence::Sequence;
use crate::schema::model::{Address, Catalog, class};

/// Tables by their oid.
pub(super) struct TableNames<'a>(HashMap<Oid, &'a Table>);

pub(super) fn table_names(catalog: &Catalog) -> TableNames<'_> {
    TableNames(catalog.tables_by_oid())
}

impl TableNames<'_> {
    pub(super) fn name(&self, table: Oid) -> Option<&QualifiedName> {
        self.0.get(&table).map(|table| &table.name)
    }

    pub(super) fn column(&self, table: Oid, number: i16) -> Option<(&QualifiedName, &Ident)> {
        let table = self.0.get(&table)?;
        Some((&table.name, &table.column(number)?.name))
    }
}

pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    let tables = table_names(catalog);
    let identities: HashMap<(Oid, i16), &Sequence> =
        catalog.sequences.iter().filter_map(|sequence| Some((sequence.identity_of()?, sequence))).collect();
    let by_index = catalog.indexes.iter().filter(|index| index.replica_identity);
    let by_index: HashMap<Oid, &Index> = by_index.map(|index| (index.table, index)).collect();
    for table in &catalog.tables {
        let object = Object::named(Kind::Table, &table.name);
        let members = of_table(table, &tables, by_index.get(&table.oid).copied());
        to.add(object.clone(), table.address(), members, Vec::new());
        for address in [table.row_type, table.row_array_type].map(|oid| Address::new(class::TYPE, oid)) {
            to.also(address, &object);
        }
        let parents: Vec<Oid> = parents(table).collect();
        for column in &table.columns {
            let identity = identities.get(&(table.oid, column.number)).copied();
            let inherited = parents
                .iter()
                .filter_map(|parent| tables.0.get(parent))
                .filter(|parent| parent.columns.iter().any(|other| other.name == column.name))
                .map(|parent| Object::part(Kind::Column, &parent.name, &column.name));
            let within = std::iter::once(object.clone()).chain(inherited).collect();
            of_column(table, column, identity, within, to);
        }
    }
    let names: HashMap<Oid, &Index> = catalog.indexes.iter().map(|index| (index.oid, index)).collect();
    for index in &catalog.indexes {
        of_index(index, &names, to);
    }
}

/// The tables directly above a table.
pub(super) fn parents(table: &Table) -> impl Iterator<Item = Oid> {
    table.inherits.iter().copied().chain(table.partition_of.as_ref().map(|place| place.parent))
}

fn of_table(table: &Table, tables: &TableNames<'_>, identity_index: Option<&Index>) -> Members {
    let Table {
        oid: _,
        name: _,
        owner: _,
        partitioned,
        unlogged,
        foreign,
        columns: _,
        row_type: _,
        row_array_type: _,
        of_type,
        access_method,
        tablespace,
        options,
        inherits,
        partition_of,
        outer_parents,
        partition_key,
        replica_identity,
        row_security: RowSecurity { enabled, forced },
        placing: _,
        load_through: _,
        binary_safe: _,
    } = table;
    let mut members = Members::default();
    members.plain(
        Aspect::Form,
        match (foreign, partitioned) {
            (Some(_), _) => "foreign",
            (None, true) => "partitioned",
            (None, false) => "ordinary",
        },
    );
    // Of a partitioned table it never meant anything, and 18 does not take it any more.
    members.flag(Aspect::Unlogged, *unlogged && !partitioned);
    if let Some(Foreign { server, options }) = foreign {
        members.plain(Aspect::Server, server.as_str());
        if let Some(options) = options {
            members.sql(Aspect::ForeignOptions, options);
        }
    }
    for (aspect, value) in [(Aspect::OfType, of_type), (Aspect::PartitionKey, partition_key)] {
        if let Some(value) = value {
            members.sql(aspect, value);
        }
    }
    for (aspect, value) in [(Aspect::AccessMethod, access_method), (Aspect::Tablespace, tablespace)] {
        if let Some(value) = value {
            members.plain(aspect, value.as_str());
        }
    }
    members.options(options);
    let name_of = |parent: Oid| {
        let of_extension = || outer_parents.get(&parent).map(ToString::to_string);
        tables.name(parent).map(ToString::to_string).or_else(of_extension)
    };
    let names: Vec<String> = inherits.iter().filter_map(|parent| name_of(*parent)).collect();
    if !names.is_empty() {
        members.plain(Aspect::Inherits, names.join(", "));
    }
    if let Some(place) = partition_of {
        if let Some(parent) = name_of(place.parent) {
            members.plain(Aspect::PartitionOf, parent);
        }
        members.sql(Aspect::Bound, &place.bound);
    }
    match (replica_identity, identity_index) {
        (ReplicaIdentity::Default, _) => {}
        (ReplicaIdentity::Nothing, _) if foreign.is_some() => {}
        (ReplicaIdentity::Nothing, _) => members.plain(Aspect::ReplicaIdentity, "nothing"),
        (ReplicaIdentity::Full, _) => members.plain(Aspect::ReplicaIdentity, "full"),
        (ReplicaIdentity::Index, Some(index)) => {
            members.plain(
                Aspect::ReplicaIdentity,
                format!("index {}", crate::pg::name::for_people(index.name.name.as_str())),
            );
        }
        // Its index was dropped: the server takes it for nothing.
        (ReplicaIdentity::Index, None) => members.plain(Aspect::ReplicaIdentity, "an index that is gone"),
    }
    members.flag(Aspect::RowSecurity, *enabled);
    members.flag(Aspect::ForcedRowSecurity, *forced);
    members
}

fn of_column(
    table: &Table,
    column: &Column,
    sequence: Option<&Sequence>,
    within: Vec<Object>,
    to: &mut Inventory,
) {
    let Column {
        number,
        name,
        type_oid: _,
        type_name,
        collation,
        not_null,
        default,
        generated,
        identity,
        storage,
        compression,
        statistics,
        options,
        foreign_options,
        is_local: _,
    } = column;
    let object = Object::part(Kind::Column, &table.name, name);
    let mut members = Members::default();
    let mut also = Vec::new();
    members.sql(Aspect::Type, type_name);
    if let Some(collation) = collation {
        members.plain(Aspect::Collation, collation);
    }
    if let Some(NotNull { constraint, is_local: _, no_inherit, validated }) = not_null {
        let no_inherit = if *no_inherit { ", not inherited" } else { "" };
        let not_valid = if *validated { "" } else { ", not valid" };
        members.plain(Aspect::NotNull, format!("yes{no_inherit}{not_valid}"));
        if let Some((oid, name)) = constraint {
            members.plain(Aspect::NotNullName, name.as_str());
            also.push(Address::new(class::CONSTRAINT, *oid));
        }
    }
    if let Some(Default { oid, expression }) = default {
        also.push(Address::new(class::COLUMN_DEFAULT, *oid));
        let aspect = if generated.is_some() { Aspect::Generated } else { Aspect::Default };
        match generated {
            None => members.sql(aspect, expression),
            Some(Generated::Stored) => members.put(aspect, Value::Sql(format!("({expression}) STORED"))),
            Some(Generated::Virtual) => members.put(aspect, Value::Sql(format!("({expression}) VIRTUAL"))),
        }
    }
    // From 17 on a partition shares its parent's identity, and no sequence of its own is behind it.
    if let (Some(identity), true) = (identity, sequence.is_some() || table.partition_of.is_none()) {
        members.plain(
            Aspect::Identity,
            match identity {
                Identity::Always => "always",
                Identity::ByDefault => "by default",
            },
        );
    }
    if let Some(sequence) = sequence {
        members.plain(Aspect::SequenceName, &sequence.name);
        sequence_members(sequence, &mut members);
        members.flag(Aspect::Unlogged, sequence.unlogged != table.unlogged && !table.partitioned);
        also.push(sequence.address());
    }
    for (aspect, value) in [(Aspect::Storage, storage), (Aspect::Compression, compression)] {
        if let Some(value) = value {
            members.plain(aspect, value);
        }
    }
    if let Some(target) = statistics {
        members.plain(Aspect::Statistics, target);
    }
    members.options(options);
    if let Some(options) = foreign_options {
        members.sql(Aspect::ForeignOptions, options);
    }
    for address in also {
        to.also(address, &object);
    }
    to.add(object, Address::column(table.oid, *number), members, within);
}

/// Everything of a sequence but its name, owner and persistence.
pub(super) fn sequence_members(sequence: &Sequence, members: &mut Members) {
    let Sequence {
        oid: _,
        name: _,
        owner: _,
        type_name,
        start,
        increment,
        minimum,
        maximum,
        cache,
        cycle,
        unlogged: _,
        owned_by,
        owner_column: _,
    } = sequence;
    // An identity column gives its sequence its own type.
    if owned_by.is_none_or(|owner| !owner.identity) {
        members.sql(Aspect::Type, type_name);
    }
    members.plain(Aspect::Start, start);
    members.plain(Aspect::Increment, increment);
    members.plain(Aspect::Minimum, minimum);
    members.plain(Aspect::Maximum, maximum);
    members.plain(Aspect::Cache, cache);
    members.flag(Aspect::Cycle, *cycle);
}

/// One that could not be built (a CREATE INDEX CONCURRENTLY failed) is none, and a note.
pub fn is_wreck(index: &Index) -> bool {
    !index.valid && !index.partitioned && index.constraint.is_none()
}

fn of_index(index: &Index, names: &HashMap<Oid, &Index>, to: &mut Inventory) {
    let Index {
        oid: _,
        table: _,
        table_name,
        name,
        method: _,
        definition,
        constraint,
        partitioned,
        parent,
        valid,
        clustered,
        replica_identity: _,
        statistics,
        options,
        tablespace,
    } = index;
    if is_wreck(index) {
        return;
    }
    let object = Object::part(Kind::Index, table_name, &name.name);
    let mut members = Members::default();
    match (constraint, definition) {
        (None, Some(definition)) => members.sql(Aspect::Definition, definition),
        // A constraint's definition says all but these.
        _ => members.options(options),
    }
    if *partitioned {
        members.plain(Aspect::Valid, valid);
    }
    let parent = parent.and_then(|parent| names.get(&parent));
    let parent = parent.map(|parent| Object::part(Kind::Index, &parent.table_name, &parent.name.name));
    if let Some(parent) = &parent {
        members.plain(Aspect::AttachedTo, parent.name.as_str());
    }
    members.flag(Aspect::Clustered, *clustered);
    for (column, target) in statistics {
        members.one_of(Aspect::Statistics, format!("column {column}"), Value::Plain(target.to_string()));
    }
    if let Some(tablespace) = tablespace {
        members.plain(Aspect::Tablespace, tablespace.as_str());
    }
    let table = Object::named(Kind::Table, table_name);
    let relation = to.by_address.get(&Address::new(class::RELATION, index.table)).cloned().unwrap_or(table);
    let within = std::iter::once(relation).chain(parent).collect();
    to.add(object, index.address(), members, within);
    if let Some(attachment) = index.attachment() {
        let object = Object::part(Kind::Index, table_name, &name.name);
        to.also(attachment, &object);
    }
}

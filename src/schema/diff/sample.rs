//! Small catalogs for tests, built by hand: the same database as two servers would show it, with other numbers.

use std::collections::HashMap;

use crate::pg::{Ident, Oid, QualifiedName, Sql, Version};
use crate::schema::model::column::{Column, Default, NotNull};
use crate::schema::model::constraint::{Constraint, Kind};
use crate::schema::model::index::Index;
use crate::schema::model::namespace::Namespace;
use crate::schema::model::relation::{Placing, ReplicaIdentity, RowSecurity, Table};
use crate::schema::model::types::{self, Type};
use crate::schema::model::view::View;
use crate::schema::model::{Address, Catalog, Dependency, class};

/// A database with schema public.
pub(in crate::schema) fn catalog(major: i32) -> Catalog {
    let mut catalog = Catalog::empty(Version::from_number(u32::try_from(major).unwrap() * 10_000));
    let public = Ident::from("public");
    let namespace =
        Namespace { oid: 2200, name: public, owner: Ident::from("pg_database_owner"), comment: None };
    catalog.namespaces.push(namespace);
    catalog
}

/// What a server printed.
pub(in crate::schema) fn printed(text: &str) -> Sql {
    Sql::printed_by_server(text)
}

/// A name in schema public.
pub(in crate::schema) fn name(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

/// A plain column; its number is given by the table.
pub(in crate::schema) fn column(name: &str, type_name: &str) -> Column {
    Column {
        number: 0,
        name: Ident::from(name),
        type_oid: 0,
        type_name: printed(type_name),
        collation: None,
        not_null: None,
        default: None,
        generated: None,
        identity: None,
        storage: None,
        compression: None,
        statistics: None,
        options: Vec::new(),
        foreign_options: None,
        is_local: true,
    }
}

/// NOT NULL, with a name as from 18 on.
pub(in crate::schema) fn not_null(named: Option<(Oid, &str)>) -> Option<NotNull> {
    let constraint = named.map(|(oid, name)| (oid, Ident::from(name)));
    Some(NotNull { constraint, is_local: true, no_inherit: false, validated: true })
}

/// A default.
pub(in crate::schema) fn default(oid: Oid, expression: &str) -> Option<Default> {
    Some(Default { oid, expression: printed(expression) })
}

/// An ordinary table in schema public, its columns numbered from one.
pub(in crate::schema) fn table(oid: Oid, named: &str, columns: Vec<Column>) -> Table {
    let numbered = columns.into_iter().zip(1..).map(|(column, number)| Column { number, ..column });
    Table {
        oid,
        name: name(named),
        owner: Ident::from("me"),
        partitioned: false,
        unlogged: false,
        foreign: None,
        columns: numbered.collect(),
        row_type: oid + 1,
        row_array_type: oid + 2,
        of_type: None,
        access_method: None,
        tablespace: None,
        options: Vec::new(),
        inherits: Vec::new(),
        partition_of: None,
        outer_parents: HashMap::new(),
        partition_key: None,
        replica_identity: ReplicaIdentity::Default,
        row_security: RowSecurity::default(),
        placing: Placing::default(),
        load_through: None,
        binary_safe: true,
    }
}

/// An index on a table.
pub(in crate::schema) fn index(oid: Oid, on: &Table, named: &str, definition: &str) -> Index {
    Index {
        oid,
        table: on.oid,
        table_name: on.name.clone(),
        name: name(named),
        method: Ident::from("btree"),
        definition: Some(printed(definition)),
        constraint: None,
        partitioned: false,
        parent: None,
        valid: true,
        clustered: false,
        replica_identity: false,
        statistics: Vec::new(),
        options: Vec::new(),
        tablespace: None,
    }
}

/// A constraint without an index.
pub(in crate::schema) fn constraint(
    oid: Oid,
    on: &Table,
    named: &str,
    kind: Kind,
    definition: &str,
) -> Constraint {
    Constraint {
        oid,
        table: on.oid,
        name: Ident::from(named),
        kind,
        definition: printed(definition),
        columns: Vec::new(),
        validated: !definition.ends_with("NOT VALID"),
        is_local: true,
        parent: None,
        index: None,
        deferrable: false,
        deferred: false,
        references: None,
        excluding: false,
    }
}

/// A view without settings on its columns.
pub(in crate::schema) fn view(oid: Oid, named: &str, query: &str) -> View {
    View {
        oid,
        name: name(named),
        row_type: oid + 1,
        array_type: oid + 2,
        rule: oid + 3,
        query: printed(query),
        options: Vec::new(),
        columns: Vec::new(),
        materialized: None,
    }
}

/// An enum.
pub(in crate::schema) fn enumeration(oid: Oid, named: &str, labels: &[&str]) -> Type {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Type { oid, name: name(named), array_type: oid + 1, kind: types::Kind::Enum(labels) }
}

/// `pg_depend`: of two relations, or what else the classes say.
pub(in crate::schema) fn depends(dependent: (Oid, Oid), referenced: (Oid, Oid), kind: char) -> Dependency {
    let address = |(class, object)| Address::new(class, object);
    Dependency { dependent: address(dependent), referenced: address(referenced), kind }
}

/// A view's query reads a relation: the dependency of its rule, and of the rule on the view.
pub(in crate::schema) fn reads(view: &View, relation: Oid) -> [Dependency; 2] {
    [
        depends((class::RULE, view.rule), (class::RELATION, relation), 'n'),
        depends((class::RULE, view.rule), (class::RELATION, view.oid), 'i'),
    ]
}

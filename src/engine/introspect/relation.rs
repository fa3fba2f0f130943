//! Reads tables and puts their columns into them.

use std::collections::{HashMap, HashSet};

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, printed, printed_option, qualified, query};
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::binary::{TypeForm, unsafe_types};
use crate::schema::model::column::Column;
use crate::schema::model::extension::Configuration;
use crate::schema::model::relation::{Foreign, Partition, Placing, ReplicaIdentity, RowSecurity, Table};
use crate::schema::placing::{self, hashed_apart};

const SQL: &str = include_str!("../../../sql/catalog/relation.sql");

/// What the query of tables alone tells.
pub(super) struct Tables {
    tables: Vec<Table>,
    /// Those that belong to an extension: its oid and the condition on the user's rows.
    of_extensions: HashMap<Oid, (Oid, Sql)>,
    /// The types that a partitioned table hashes.
    hashed_types: HashMap<Oid, Vec<Oid>>,
}

pub(super) async fn read(client: &Client) -> Result<Tables, Error> {
    let rows = query(client, "tables", SQL).await?;
    let tables = rows.iter().map(table).collect::<Result<_, _>>()?;
    let (mut hashed_types, mut of_extensions) = (HashMap::new(), HashMap::new());
    for row in &rows {
        if let Some(extension) = get::<Option<Oid>>(row, "extension")? {
            of_extensions.insert(get(row, "oid")?, (extension, printed(row, "condition")?));
        }
        hashed_types.insert(get(row, "oid")?, get(row, "hashed_types")?);
    }
    Ok(Tables { tables, of_extensions, hashed_types })
}

/// Gives each table its columns and finds what each partition is loaded through; apart from them, those of extensions.
pub(super) fn assemble(
    Tables { mut tables, mut of_extensions, hashed_types }: Tables,
    columns: Vec<(Oid, Column)>,
    types: &[TypeForm],
) -> (Vec<Table>, Vec<Configuration>) {
    let (unsafe_types, hashed_apart) = (unsafe_types(types), hashed_apart(types));
    let hashes_apart = |table: Oid| {
        let types: Option<&Vec<Oid>> = hashed_types.get(&table);
        types.is_some_and(|types| types.iter().any(|one| hashed_apart.contains(one)))
    };
    let mut of_table: HashMap<Oid, Vec<Column>> = HashMap::with_capacity(tables.len());
    for (table, column) in columns {
        of_table.entry(table).or_default().push(column);
    }
    for table in &mut tables {
        table.columns = of_table.remove(&table.oid).unwrap_or_default();
        table.placing.hashed_apart |= hashes_apart(table.oid);
        let safe = table.copied_columns().all(|column| !unsafe_types.contains(&column.type_oid));
        table.binary_safe = safe;
    }
    placing::load_through(&mut tables, &HashSet::new());
    let (configurations, tables) =
        tables.into_iter().partition::<Vec<_>, _>(|table| of_extensions.contains_key(&table.oid));
    let known: HashSet<Oid> = tables.iter().map(|table| table.oid).collect();
    let tables = tables.into_iter().map(|mut table| {
        table.outer_parents.retain(|parent, _| !known.contains(parent));
        table
    });
    let configurations = configurations.into_iter().filter_map(|table| {
        let (extension, condition) = of_extensions.remove(&table.oid)?;
        Some(Configuration { extension, table, condition })
    });
    (tables.collect(), configurations.collect())
}

fn table(row: &Row) -> Result<Table, Error> {
    let oid: Oid = get(row, "oid")?;
    let mut options = get::<Option<Vec<String>>>(row, "options")?.unwrap_or_default();
    let toast = get::<Option<Vec<String>>>(row, "toast_options")?.unwrap_or_default();
    options.extend(toast.into_iter().map(|option| format!("toast.{option}")));
    let parents: Vec<Oid> = get(row, "parents")?;
    let (schemas, names): (Vec<String>, Vec<String>) =
        (get(row, "parents_schemas")?, get(row, "parents_names")?);
    let names = schemas.into_iter().zip(names).map(|(schema, name)| QualifiedName::new(schema, name));
    let outer_parents = parents.iter().copied().zip(names).collect();
    let (inherits, partition_of) = match get::<Option<String>>(row, "bound")? {
        Some(bound) => {
            let place = |parent: &Oid| Partition { parent: *parent, bound: Sql::printed_by_server(bound) };
            (Vec::new(), parents.first().map(place))
        }
        None => (parents, None),
    };
    let partitioned = get::<&str>(row, "kind")? == "p";
    Ok(Table {
        oid,
        name: qualified(row, "schema", "name")?,
        owner: Ident::new(get::<String>(row, "owner")?),
        partitioned,
        unlogged: get(row, "unlogged")?,
        foreign: match get::<Option<String>>(row, "server")? {
            Some(server) => {
                Some(Foreign { server: Ident::new(server), options: printed_option(row, "foreign_options")? })
            }
            None => None,
        },
        columns: Vec::new(),
        row_type: get(row, "row_type")?,
        row_array_type: get(row, "row_array_type")?,
        of_type: get::<Option<String>>(row, "of_type")?.map(Sql::printed_by_server),
        access_method: get::<Option<String>>(row, "access_method")?
            // Of a partitioned table (17 on) it is what was said; of others, heap is what there is if nothing is said.
            .filter(|method| partitioned || method != "heap")
            .map(Ident::new),
        tablespace: get::<Option<String>>(row, "tablespace")?.map(Ident::new),
        options,
        inherits,
        partition_of,
        outer_parents,
        partition_key: get::<Option<String>>(row, "partition_key")?.map(Sql::printed_by_server),
        replica_identity: match get(row, "replica_identity")? {
            "d" => ReplicaIdentity::Default,
            "n" => ReplicaIdentity::Nothing,
            "f" => ReplicaIdentity::Full,
            "i" => ReplicaIdentity::Index,
            other => {
                return Err(Error::Unknown { what: "pg_class.relreplident", value: other.to_owned() });
            }
        },
        row_security: RowSecurity {
            enabled: get(row, "row_security")?,
            forced: get(row, "row_security_forced")?,
        },
        placing: Placing {
            hashed_apart: get(row, "places_apart")?,
            collations: get(row, "placing_collations")?,
        },
        load_through: None,
        binary_safe: false,
    })
}

//! A table as both sides know it: the columns that the source sends, matched by name with those of the destination.

use tokio_postgres::{Client, Row, Statement};

use super::equality::Equality;
use super::form::Form;
use super::types::Types;
use super::unlike::{Type, Unlike};
use super::{Error, Result};
use crate::change::{self, Relation, ReplicaIdentity};
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::binary;

/// A column of the destination's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: Ident,
    /// Its type's name, qualified and without a modifier: a modifier in a cast would cut values off silently.
    pub of: Sql,
    /// Its type's number here.
    pub type_oid: Oid,
    /// Whether its values travel as text and are cast: arrays of the type do not hold them one by one.
    pub as_text: bool,
    /// Its type as people and comparisons know it.
    pub kind: Type,
    /// What that is made of: the source's is held against it.
    pub form: Form,
    /// A row that does not have it is refused.
    pub required: bool,
    /// The destination computes it.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: no UPDATE may set it, not even to what it is.
    pub always_identity: bool,
    /// The equality of the unique index that has it.
    pub equality: Option<Equality>,
}

/// A column of the destination that the source sends values for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where its value stands in a tuple.
    pub at: usize,
    /// Its type's number on the source.
    pub from: Oid,
    pub column: Column,
}

/// The pair of a relation as the source sends it and the destination's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: QualifiedName,
    /// It has partitions and no rows of its own.
    pub partitioned: bool,
    /// Those that are written, in the order of the source.
    pub sent: Vec<Sent>,
    /// Positions in `sent` of the columns that identify a row.
    pub key: Vec<usize>,
    /// Positions in a tuple of the same.
    pub identity: Vec<usize>,
    /// All columns identify a row.
    pub full: bool,
    /// Columns that only the destination has, and does not compute.
    pub own: Vec<Ident>,
    /// The first of those that are written whose values mean something else here in binary form, if there is one.
    pub text_only: Option<Ident>,
}

/// The destination's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    pub partitioned: bool,
    pub columns: Vec<Column>,
}

/// Reads tables of the destination. The server plans for longer than it reads: it does so once for a session.
#[derive(Debug, Default)]
pub(super) struct Reader(Option<Statement>);

impl Reader {
    /// As [`read`].
    pub(super) async fn read(&mut self, client: &Client, name: &QualifiedName) -> Result<Option<Here>> {
        let statement = match &self.0 {
            Some(prepared) => prepared.clone(),
            None => {
                let query = include_str!("../../../sql/destination/apply_table.sql");
                self.0.insert(client.prepare(query).await.map_err(unread)?).clone()
            }
        };
        let rows = client.query(&statement, &[&name.schema.as_str(), &name.name.as_str()]).await;
        here(client, &rows.map_err(unread)?).await
    }
}

fn unread(source: tokio_postgres::Error) -> Error {
    Error::Destination { doing: "reading the columns of a table", source }
}

/// Reads a table of the destination; `None` where there is none of this name.
pub async fn read(client: &Client, name: &QualifiedName) -> Result<Option<Here>> {
    Reader::default().read(client, name).await
}

async fn here(client: &Client, rows: &[Row]) -> Result<Option<Here>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let partitioned = first.try_get::<_, &str>("kind").map_err(unread)? == "p";
    let read = |row: &Row| {
        Ok(Column {
            name: Ident::new(row.try_get::<_, &str>("name")?),
            of: Sql::printed_by_server(row.try_get::<_, String>("type")?),
            type_oid: row.try_get("type_oid")?,
            as_text: row.try_get("as_text")?,
            kind: Type {
                oid: row.try_get("base_oid")?,
                modifier: row.try_get("base_modifier")?,
                printed: row.try_get("printed")?,
            },
            form: Form::BuiltIn { oid: row.try_get("type_oid")?, modifier: row.try_get("modifier")? },
            required: row.try_get("required")?,
            generated: row.try_get("generated")?,
            always_identity: row.try_get("always_identity")?,
            equality: equality(row, "equality")?,
        })
    };
    // A table without columns is one row of nothing else.
    let rows = rows.iter().filter(|row| !matches!(row.try_get::<_, Option<&str>>("name"), Ok(None)));
    let mut columns: Vec<Column> = rows.map(read).collect::<std::result::Result<_, _>>().map_err(unread)?;
    let types: Vec<Oid> = columns.iter().map(|column| column.type_oid).collect();
    if types.iter().any(|oid| !binary::ONE_BY_ONE.contains(oid)) {
        let types = Types::of(client, &types).await.map_err(unread)?;
        for column in &mut columns {
            let Form::BuiltIn { oid, modifier } = column.form else { continue };
            column.form = types.form(oid, modifier).unwrap_or(Form::Gone);
        }
    }
    Ok(Some(Here { partitioned, columns }))
}

/// The columns of a unique index, each with the index's own equality, if it is over whole columns and all rows; else none.
pub(super) async fn index_columns(
    client: &Client,
    index: &QualifiedName,
) -> Result<Vec<(Ident, Option<Equality>)>> {
    let failed = |source| Error::Destination { doing: "reading the columns of an index", source };
    let query = include_str!("../../../sql/destination/index_columns.sql");
    let rows = client.query(query, &[&index.quoted()]).await.map_err(failed)?;
    let read = |row: &Row| Ok((Ident::new(row.try_get::<_, &str>("name")?), equality(row, "operator")?));
    rows.iter().map(read).collect::<std::result::Result<_, _>>().map_err(failed)
}

fn equality(row: &Row, operator: &str) -> std::result::Result<Option<Equality>, tokio_postgres::Error> {
    let collation = row.try_get::<_, Option<String>>("collation")?.map(Sql::printed_by_server);
    let operator = row.try_get::<_, Option<String>>(operator)?.map(Sql::printed_by_server);
    Ok(operator.map(|operator| Equality { operator, collation }))
}

/// What of a table here is not as columns of the source need it, whose table has the number `id` there.
///
/// # Errors
/// A type of the source is not known.
pub(super) fn unlike(
    table: &QualifiedName,
    id: Oid,
    there: &[change::Column],
    here: &Here,
    types: &Types,
) -> Result<Unlike> {
    let mut unlike = Unlike::default();
    for column in there {
        let Some(here) = here.columns.iter().find(|here| here.name.as_str() == column.name) else {
            unlike.missing.push(column.clone());
            continue;
        };
        // What is computed here takes no value of the source's, and needs none that is computed there.
        if here.generated && !types.computes(id, &column.name) {
            unlike.computed.push(here.name.clone());
            continue;
        }
        // It is not written; a row is found by it all the same.
        if here.generated && !column.key {
            continue;
        }
        if !here.form.holds(&form(table, column, types)?) {
            unlike.types.push((column.clone(), here.kind.printed.clone()));
        }
    }
    let comes = |here: &Column| there.iter().any(|column| column.name == here.name.as_str());
    let required = here.columns.iter().filter(|here| here.required && !comes(here));
    unlike.required = required.map(|here| here.name.clone()).collect();
    Ok(unlike)
}

fn form(table: &QualifiedName, column: &change::Column, types: &Types) -> Result<Form> {
    let (table, oid) = (table.clone(), column.type_id);
    types.form(oid, column.type_modifier).ok_or(Error::TypeUnknown { table, oid })
}

/// Matches what the source sends with what the destination has, by name. `types` are the source's.
///
/// # Errors
/// The table is missing here, or is such that values would be lost, changed or refused: all that is not alike is named. Or a
/// type of the source is not known.
pub fn pair(relation: &Relation, here: Option<&Here>, types: &Types) -> Result<Table> {
    let (name, id) = (relation.name.clone(), relation.id);
    let Some(here) = here else {
        return Err(Error::TableMissing { table: name, id });
    };
    let unlike = unlike(&name, id, &relation.columns, here, types)?;
    if !unlike.is_empty() {
        return Err(Error::Unlike { table: name, id, unlike: Box::new(unlike) });
    }
    let full = relation.identity == ReplicaIdentity::Full;
    let (mut sent, mut key, mut identity) = (Vec::new(), Vec::new(), Vec::new());
    let mut text_only = None;
    for (at, column) in relation.columns.iter().enumerate() {
        let Some(here) = here.columns.iter().find(|here| here.name.as_str() == column.name) else { continue };
        let is_key = column.key && !full;
        if here.generated && !is_key {
            continue;
        }
        let in_binary = here.type_oid == column.type_id && binary::ONE_BY_ONE.contains(&here.type_oid);
        if text_only.is_none() && (here.as_text || !in_binary) {
            text_only = Some(here.name.clone());
        }
        if is_key {
            key.push(sent.len());
            identity.push(at);
        }
        let from = form(&name, column, types)?.built_in().unwrap_or(column.type_id);
        sent.push(Sent { at, from, column: here.clone() });
    }
    let is_own = |here: &&Column| {
        !here.generated && relation.columns.iter().all(|column| column.name != here.name.as_str())
    };
    let own = here.columns.iter().filter(is_own).map(|here| here.name.clone()).collect();
    Ok(Table { name, partitioned: here.partitioned, sent, key, identity, full, own, text_only })
}

//! The publication on the source: which tables' changes the slot gives out. It has to exist before the slot: a slot
//! decodes with the catalog of each change's time (manual, "Logical Decoding Output Plugins").

use super::{Error, Result};
use crate::change::members::Member;
use crate::connect::Connection;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::binary;
use crate::sql;

/// A table of the source that might be mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub oid: Oid,
    pub name: QualifiedName,
    /// It has partitions and no rows of its own.
    pub partitioned: bool,
    /// Of a partition, the table that it is a part of in the end.
    pub root: Option<QualifiedName>,
    /// Whether the publication that was asked about has it.
    pub published: bool,
    /// Whether our role owns it: only owners may publish.
    pub owned: bool,
    /// Whether updates and deletes name their row. **A table without, published for updates, makes the application's own
    /// UPDATEs fail** (manual, `CREATE PUBLICATION`, notes).
    pub identified: bool,
    /// All columns identify a row, one of them is generated, and the server (18 or newer) would refuse updates.
    pub generated_in_full: bool,
}

/// What is published, and what is not with the reason, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub published: Vec<QualifiedName>,
    /// The tables with rows among them, and the partitions of those that have none.
    pub followed: Vec<Member>,
    pub left_out: Vec<(QualifiedName, &'static str)>,
}

/// Whether every value that the publication gives out can come in binary form (pgoutput's `binary`), which is asked for the
/// stream as a whole: each column's type is one that means the same here and there, alone and in an array.
pub async fn goes_in_binary(connection: &Connection, publication: &Ident) -> Result<bool> {
    let failed = |source| Error::Source { doing: "looking at the types of the published columns", source };
    let query = Sql::fixed(include_str!("../../../sql/source/published_types.sql"));
    let rows = connection.query(&query, &[&publication.as_str()]).await.map_err(failed)?;
    let types =
        rows.iter().map(|row| row.try_get::<_, Oid>("type")).collect::<std::result::Result<Vec<_>, _>>();
    let types = types.map_err(|error| failed(connection.error(error)))?;
    Ok(types.iter().all(|oid| binary::ONE_BY_ONE.contains(oid)))
}

/// Chooses among the tables that the caller keeps. A partitioned table is published whole where that can be, so that partitions
/// made later belong to it; its changes come under the partitions' names all the same.
pub fn choose(tables: &[Table], kept: impl Fn(&QualifiedName) -> bool) -> Choice {
    let mut choice = Choice::default();
    let mut whole: Vec<&QualifiedName> = Vec::new();
    for root in tables.iter().filter(|table| table.partitioned && kept(&table.name)) {
        let mut parts = tables.iter().filter(|table| table.root.as_ref() == Some(&root.name));
        let why_not = match root {
            Table { owned: false, .. } => "our role does not own it",
            Table { identified: false, .. } => "it has no primary key that they would get",
            _ if parts.all(|part| kept(&part.name) && why_not(part).is_none()) => {
                whole.push(&root.name);
                choice.published.push(root.name.clone());
                continue;
            }
            _ => "some of its partitions cannot be followed",
        };
        choice.left_out.push((root.name.clone(), why_not));
    }
    for table in tables.iter().filter(|table| !table.partitioned && kept(&table.name)) {
        match why_not(table) {
            Some(why_not) => choice.left_out.push((table.name.clone(), why_not)),
            None => {
                choice.followed.push(Member { oid: table.oid, name: table.name.clone() });
                if table.root.as_ref().is_none_or(|root| !whole.contains(&root)) {
                    choice.published.push(table.name.clone());
                }
            }
        }
    }
    choice
}

fn why_not(table: &Table) -> Option<&'static str> {
    match table {
        Table { owned: false, .. } => Some("our role does not own it, so it cannot publish it"),
        Table { generated_in_full: true, .. } => Some(
            "all of its columns identify a row, and one of them is a generated column: published, the application's own \
             updates of it would fail. Give it a primary key, and REPLICA IDENTITY DEFAULT",
        ),
        Table { identified: false, .. } => Some(
            "nothing identifies its rows: published, the application's own updates of it would fail. Give it a primary key, \
             or REPLICA IDENTITY FULL",
        ),
        _ => None,
    }
}

/// The tables of the source that changes can come from: ordinary ones and partitions, logged, not of extensions; and
/// partitioned ones that are no partitions themselves. With whether `publication` has each.
pub async fn tables(connection: &Connection, publication: &Ident) -> Result<Vec<Table>> {
    let doing = "reading the tables to publish";
    let failed = |source| Error::Source { doing, source };
    let query = Sql::fixed(include_str!("../../../sql/source/publishable_tables.sql"));
    let rows = connection.query(&query, &[&publication.as_str()]).await.map_err(failed)?;
    let tables = rows.iter().map(|row| {
        let root = row.try_get::<_, Option<&str>>("root_schema")?.zip(row.try_get("root_name")?);
        Ok(Table {
            // It was an oid when it was read.
            oid: Oid::try_from(row.try_get::<_, i64>("oid")?).unwrap_or_default(),
            published: row.try_get("published")?,
            name: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
            partitioned: row.try_get("partitioned")?,
            root: root.map(|(schema, name): (&str, &str)| QualifiedName::new(schema, name)),
            owned: row.try_get("owned")?,
            identified: row.try_get("identified")?,
            generated_in_full: row.try_get("generated_in_full")?,
        })
    });
    tables.collect::<std::result::Result<_, _>>().map_err(|error| failed(connection.error(error)))
}

/// Adds tables to it, as [`create`] does.
pub async fn add(connection: &Connection, name: &Ident, tables: &[QualifiedName]) -> Result<()> {
    let statement =
        sql!("BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'{a}; COMMIT", a = adding(name, tables));
    let Err(source) = connection.batch(&statement).await else { return Ok(()) };
    roll_back(connection).await;
    Err(Error::Source { doing: "adding tables to the publication", source })
}

fn adding(name: &Ident, tables: &[QualifiedName]) -> Sql {
    if tables.is_empty() {
        return Sql::default();
    }
    let tables = Sql::join(tables.iter().map(|table| sql!("ONLY {t}", t = *table)), ", ");
    sql!("; ALTER PUBLICATION {p} ADD TABLE {t}", p = name, t = tables)
}

/// Creates it, in the one kind of write transaction that a source sees from us. Each table is locked for a moment in SHARE
/// UPDATE EXCLUSIVE, which is waited for no longer than five seconds.
pub async fn create(connection: &Connection, name: &Ident, tables: &[QualifiedName]) -> Result<()> {
    let doing = "creating the publication";
    let mut statement = sql!(
        "BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'; CREATE PUBLICATION {p} WITH (publish = 'insert, update, delete, truncate')",
        p = name
    );
    statement.push(&adding(name, tables));
    statement.push_fixed("; COMMIT");
    let Err(source) = connection.batch(&statement).await else { return Ok(()) };
    roll_back(connection).await;
    Err(Error::Source { doing, source })
}

/// Drops it, if it is there.
pub async fn drop(connection: &Connection, name: &Ident) -> Result<()> {
    let statement = sql!(
        "BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'; DROP PUBLICATION IF EXISTS {p}; COMMIT",
        p = name
    );
    let Err(source) = connection.batch(&statement).await else { return Ok(()) };
    roll_back(connection).await;
    Err(Error::Source { doing: "dropping the publication", source })
}

async fn roll_back(connection: &Connection) {
    if let Err(error) = connection.batch(&Sql::fixed("ROLLBACK")).await {
        tracing::debug!(%error, "could not end a failed transaction on the source");
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, Table, choose};
    use crate::pg::QualifiedName;

    fn name(text: &str) -> QualifiedName {
        QualifiedName::new("s", text)
    }

    fn table(text: &str, root: Option<&str>) -> Table {
        Table {
            oid: 0,
            published: false,
            name: name(text),
            partitioned: text.ends_with("_root"),
            root: root.map(name),
            owned: true,
            identified: true,
            generated_in_full: false,
        }
    }

    #[test]
    fn a_partitioned_table_is_published_whole_or_by_its_partitions() {
        let all = [
            table("plain", None),
            table("a_root", None),
            table("a1", Some("a_root")),
            table("a2", Some("a_root")),
            Table { identified: false, ..table("b_root", None) },
            table("b1", Some("b_root")),
            table("c_root", None),
            table("c1", Some("c_root")),
            Table { identified: false, ..table("c2", Some("c_root")) },
            table("empty_root", None),
            Table { owned: false, ..table("theirs", None) },
            Table { identified: false, generated_in_full: true, ..table("full", None) },
        ];
        let Choice { published, left_out, followed } = choose(&all, |_| true);
        let followed: Vec<&str> = followed.iter().map(|member| member.name.name.as_str()).collect();
        assert_eq!(followed, ["plain", "a1", "a2", "b1", "c1"]);
        let expected = ["a_root", "empty_root", "plain", "b1", "c1"];
        assert_eq!(published, expected.map(name));
        let left_out: Vec<&str> = left_out.iter().map(|(table, _)| table.name.as_str()).collect();
        assert_eq!(left_out, ["b_root", "c_root", "c2", "theirs", "full"]);
        // What is not wanted is neither published nor spoken of, and with it no whole.
        let Choice { published, left_out, .. } = choose(&all[1..4], |table| table.name.as_str() != "a2");
        assert_eq!(published, [name("a1")]);
        assert_eq!(left_out.len(), 1);
    }
}

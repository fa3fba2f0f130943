//! The publication on the source: which tables' changes the slot gives out. It has to exist before the slot: a slot
//! decodes with the catalog of each change's time (manual, "Logical Decoding Output Plugins").

use super::{Error, Result};
use crate::change::given::Given;
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
    /// Whether its changes are in the log, as a table's.
    pub stored: Stored,
    /// Of a partition, the table that it is a part of in the end.
    pub root: Option<QualifiedName>,
    /// Whether the publication that was asked about has it, or the partitioned table that it belongs to.
    pub published: bool,
    /// Whether it has the table itself.
    pub listed: bool,
    /// Whether our role owns it: only owners may publish.
    pub owned: bool,
    /// Whether updates and deletes name their row. **A table without, published for updates, makes the application's own
    /// UPDATEs fail** (manual, `CREATE PUBLICATION`, notes).
    pub identified: bool,
    /// It has a primary key, which is deferrable: none for the server.
    pub deferrable: bool,
    /// All columns identify a row, one of them is generated, and the server (18 or newer) would refuse updates.
    pub generated_in_full: bool,
}

/// How a table's rows come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Logged,
    /// Its changes are in no log: no publication has it.
    Unlogged,
    /// A materialized view, which is made anew.
    View,
}

/// What is published, and what is not with the reason, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub published: Vec<QualifiedName>,
    /// The tables with rows among them, and the partitions of those that have none.
    pub followed: Vec<Member>,
    pub left_out: Vec<(QualifiedName, &'static str)>,
}

/// Whether every value of these tables can come in binary form (pgoutput's `binary`), which is asked for the stream as a
/// whole: each column's type is one that means the same here and there, alone and in an array.
pub async fn goes_in_binary(connection: &Connection, tables: &[Given]) -> Result<bool> {
    let failed = |source| Error::Source { doing: "looking at the types of the published columns", source };
    let query = Sql::fixed(include_str!("../../../sql/source/published_types.sql"));
    let oids: Vec<Oid> = tables.iter().map(|table| table.member.oid).collect();
    let rows = connection.query(&query, &[&oids]).await.map_err(failed)?;
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
        let parts = tables.iter().filter(|table| table.root.as_ref() == Some(&root.name));
        // No change of one that is not logged comes with the whole either.
        let mut parts = parts.filter(|part| part.stored == Stored::Logged);
        let why_not = match root {
            Table { owned: false, .. } => "our role does not own it",
            Table { identified: false, deferrable: true, .. } => {
                "its primary key, which they would get, is DEFERRABLE and identifies no row"
            }
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

/// What has to go out of the publication again, for the application's own updates fail by it; and what comes in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Tables whose rows nothing identifies any more.
    pub tables: Vec<Member>,
    /// Of these and of what they are a part of, what the publication lists.
    pub out: Vec<QualifiedName>,
    /// The partitions that are listed in the place of what they are a part of.
    pub instead: Vec<QualifiedName>,
}

/// Looks for tables that lost their identity since they were published.
pub fn harm(tables: &[Table], chosen: &Choice) -> Harm {
    let fails =
        |table: &Table| table.stored == Stored::Logged && (!table.identified || table.generated_in_full);
    let mut harm = Harm::default();
    for table in tables.iter().filter(|table| table.listed) {
        let parts = || tables.iter().filter(|part| part.root.as_ref() == Some(&table.name));
        if !fails(table) && !parts().any(fails) {
            continue;
        }
        harm.out.push(table.name.clone());
        let goes_on =
            |part: &&Table| !part.listed && chosen.followed.iter().any(|member| member.oid == part.oid);
        harm.instead.extend(parts().filter(goes_on).map(|part| part.name.clone()));
    }
    let lost = tables.iter().filter(|table| table.published && !table.partitioned && fails(table));
    harm.tables = lost.map(|table| Member { oid: table.oid, name: table.name.clone() }).collect();
    harm
}

fn why_not(table: &Table) -> Option<&'static str> {
    match table {
        Table { stored: Stored::Unlogged, .. } => Some(
            "an unlogged table's changes are in no log. ALTER TABLE .. SET LOGGED on the source would let it follow",
        ),
        Table { stored: Stored::View, .. } => {
            Some("a materialized view is no table whose changes are sent: REFRESH it on the destination")
        }
        Table { owned: false, .. } => Some("our role does not own it, so it cannot publish it"),
        Table { generated_in_full: true, .. } => Some(
            "all of its columns identify a row, and one of them is a generated column: published, the application's own \
             updates of it would fail. Give it a primary key, and REPLICA IDENTITY DEFAULT",
        ),
        Table { identified: false, deferrable: true, .. } => Some(
            "its primary key is DEFERRABLE, which identifies no row: published, the application's own updates of it would fail. \
             Make the key anew without DEFERRABLE, or give the table REPLICA IDENTITY FULL",
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
            listed: row.try_get("listed")?,
            name: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
            partitioned: row.try_get("partitioned")?,
            stored: match (row.try_get("is_view")?, row.try_get("unlogged")?) {
                (true, _) => Stored::View,
                (_, true) => Stored::Unlogged,
                _ => Stored::Logged,
            },
            root: root.map(|(schema, name): (&str, &str)| QualifiedName::new(schema, name)),
            owned: row.try_get("owned")?,
            identified: row.try_get("identified")?,
            deferrable: row.try_get("deferrable")?,
            generated_in_full: row.try_get("generated_in_full")?,
        })
    });
    tables.collect::<std::result::Result<_, _>>().map_err(|error| failed(connection.error(error)))
}

/// Whether the source still has a table of this oid.
pub async fn is_there(connection: &Connection, table: Oid) -> Result<bool> {
    let failed = |source| Error::Source { doing: "looking for a table", source };
    let query = Sql::fixed("SELECT FROM pg_catalog.pg_class WHERE oid = $1");
    Ok(connection.query_opt(&query, &[&table]).await.map_err(failed)?.is_some())
}

/// Takes tables out of it that the application could not update any more, and adds others, at once.
pub async fn take_out(
    connection: &Connection,
    name: &Ident,
    out: &[QualifiedName],
    add: &[QualifiedName],
) -> Result<()> {
    let out = Sql::join(out.iter().map(|table| sql!("ONLY {t}", t = *table)), ", ");
    let statement = sql!(
        "BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'; ALTER PUBLICATION {p} DROP TABLE {o}{a}; COMMIT",
        p = name,
        o = out,
        a = adding(name, add)
    );
    let Err(source) = connection.batch(&statement).await else { return Ok(()) };
    roll_back(connection).await;
    Err(Error::Source { doing: "taking tables out of the publication", source })
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

/// Drops it, if it is there: where nothing can be written, on a standby, none of ours is.
pub async fn drop(connection: &Connection, name: &Ident) -> Result<()> {
    let query = Sql::fixed("SELECT FROM pg_catalog.pg_publication WHERE pubname = $1");
    let found = connection.query_opt(&query, &[&name.as_str()]).await;
    if found.map_err(|source| Error::Source { doing: "looking for the publication", source })?.is_none() {
        return Ok(());
    }
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
    use super::{Choice, Harm, Stored, Table, choose, harm};
    use crate::pg::QualifiedName;

    fn name(text: &str) -> QualifiedName {
        QualifiedName::new("s", text)
    }

    fn table(text: &str, root: Option<&str>) -> Table {
        Table {
            oid: 0,
            published: false,
            listed: false,
            name: name(text),
            partitioned: text.ends_with("_root"),
            stored: Stored::Logged,
            root: root.map(name),
            owned: true,
            identified: true,
            deferrable: false,
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
            Table { stored: Stored::Unlogged, ..table("a3", Some("a_root")) },
            Table { stored: Stored::View, ..table("view", None) },
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
        assert_eq!(left_out, ["b_root", "c_root", "a3", "view", "c2", "theirs", "full"]);
        // What is not wanted is neither published nor spoken of, and with it no whole.
        let Choice { published, left_out, .. } = choose(&all[1..4], |table| table.name.as_str() != "a2");
        assert_eq!(published, [name("a1")]);
        assert_eq!(left_out.len(), 1);
    }

    #[test]
    fn a_table_that_lost_its_identity_goes_out_and_its_siblings_stay() {
        let numbered = |(oid, table): (u32, Table)| Table { oid, published: true, ..table };
        let tables: Vec<Table> = (1..)
            .zip([
                Table { listed: true, ..table("a_root", None) },
                table("a1", Some("a_root")),
                Table { identified: false, ..table("a2", Some("a_root")) },
                Table { listed: true, ..table("plain", None) },
                Table { listed: true, generated_in_full: true, ..table("full", None) },
                Table { listed: true, ..table("b_root", None) },
                table("b1", Some("b_root")),
            ])
            .map(numbered)
            .collect();
        let Harm { tables: lost, out, instead } = harm(&tables, &choose(&tables, |_| true));
        let lost: Vec<&str> = lost.iter().map(|member| member.name.name.as_str()).collect();
        assert_eq!(lost, ["a2", "full"]);
        assert_eq!((out, instead), (vec![name("a_root"), name("full")], vec![name("a1")]));
    }
}

//! Which tables of the source a mirror follows, as the destination has it on record: written in the transactions that make it
//! true.

use tokio_postgres::Client;

use super::table::{self, Here};
use super::{Error, Result};
use crate::change::given::{Entry, Recorded};
use crate::change::members::{Member, Stand};
use crate::pg::{Oid, QualifiedName, Sql, sqlstate};
use crate::sql;

/// Records that tables follow from now on, as what they are in the publication, in whatever transaction is open.
pub(super) async fn follow(
    client: &Client,
    mirror: &str,
    members: &[(Member, Entry)],
) -> std::result::Result<(), tokio_postgres::Error> {
    let entries: Vec<Option<String>> = members.iter().map(|(_, entry)| Some(entry.to_string())).collect();
    let members: Vec<&Member> = members.iter().map(|(member, _)| member).collect();
    set(client, mirror, &members, true, &entries).await
}

/// Records that tables stand aside, in whatever transaction is open.
pub(super) async fn leave(
    client: &Client,
    mirror: &str,
    members: &[Member],
) -> std::result::Result<(), tokio_postgres::Error> {
    let members: Vec<&Member> = members.iter().collect();
    let entries = vec![Some(String::new()); members.len()];
    set(client, mirror, &members, false, &entries).await
}

async fn set(
    client: &Client,
    mirror: &str,
    members: &[&Member],
    follows: bool,
    entries: &[Option<String>],
) -> std::result::Result<(), tokio_postgres::Error> {
    let set = "INSERT INTO multiboard_sync.member (mirror, source_oid, schema_name, table_name, follows, entry, destination_oid) \
        SELECT $1, u.source_oid, u.schema_name, u.table_name, $5, u.entry, \
               CASE WHEN $5 THEN pg_catalog.to_regclass(pg_catalog.format('%I.%I', u.schema_name, u.table_name))::pg_catalog.oid END \
          FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[]), \
                          pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($6::pg_catalog.text[])) \
            AS u (source_oid, schema_name, table_name, entry) \
        ON CONFLICT (mirror, source_oid) DO UPDATE \
           SET schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, follows = EXCLUDED.follows, \
               entry = CASE WHEN EXCLUDED.entry = '' AND member.entry = '-' THEN '-' ELSE EXCLUDED.entry END, since = pg_catalog.now(), \
               destination_oid = COALESCE(EXCLUDED.destination_oid, member.destination_oid)";
    let oids = oids(members.iter().copied());
    let schemas: Vec<&str> = members.iter().map(|member| member.name.schema.as_str()).collect();
    let tables: Vec<&str> = members.iter().map(|member| member.name.name.as_str()).collect();
    client.execute(set, &[&mirror, &oids, &schemas, &tables, &follows, &entries]).await.map(drop)
}

/// Says, for the life of the open transaction, that it brings tables of the mirror in.
pub(super) async fn joins(client: &Client, mirror: &str) -> Result<()> {
    let failed = |source| Error::Destination { doing: "saying that tables are brought in", source };
    let lock = "SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('multiboard-sync join ' || $1, 0))";
    client.query_one(lock, &[&mirror]).await.map(drop).map_err(failed)
}

/// Waits until nobody brings tables in any more. The COMMIT of a process that has died may be on its way still: it would say that
/// a table follows after somebody read that it does not, and whose changes are dropped since. Who has the right to apply the mirror
/// ends whoever is left: the removal of old rows may take hours, and nobody waits for it any more.
pub async fn nobody_joins(client: &Client, mirror: &str) -> Result<()> {
    let failed = |source| Error::Destination { doing: "waiting for who brought tables in before", source };
    let end = include_str!("../../../sql/destination/end_joining.sql");
    let ended = client.query(end, &[&mirror]).await.map_err(failed)?;
    if !ended.is_empty() {
        tracing::info!(
            sessions = ended.len(),
            "sessions that brought tables in were left from before: they were ended"
        );
    }
    let wait = "SELECT pg_catalog.pg_advisory_lock(k.key), pg_catalog.pg_advisory_unlock(k.key) \
         FROM (SELECT pg_catalog.hashtextextended('multiboard-sync join ' || $1, 0) AS key) AS k";
    client.query_one(wait, &[&mirror]).await.map(drop).map_err(failed)
}

/// Records that the publication gives these tables no more.
pub async fn take_out(client: &Client, mirror: &str, members: &[Member]) -> Result<()> {
    let failed =
        |source| Error::Destination { doing: "recording that tables do not follow any more", source };
    let members: Vec<&Member> = members.iter().collect();
    set(client, mirror, &members, false, &vec![None; members.len()]).await.map_err(failed)
}

/// Records that tables are not in the publication, and that it is for us to put them in: they have no place here yet, or we took
/// them out. It stays so while they stand aside.
pub async fn wait_for_publication(client: &Client, mirror: &str, members: &[Member]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording that tables wait to be published", source };
    if members.is_empty() {
        return Ok(());
    }
    let wait = "INSERT INTO multiboard_sync.member (mirror, source_oid, schema_name, table_name, follows, entry) \
        SELECT $1, u.source_oid, u.schema_name, u.table_name, false, '-' \
          FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[]), \
                          pg_catalog.unnest($4::pg_catalog.text[])) AS u (source_oid, schema_name, table_name) \
        ON CONFLICT (mirror, source_oid) DO UPDATE SET entry = '-'";
    let schemas: Vec<&str> = members.iter().map(|member| member.name.schema.as_str()).collect();
    let tables: Vec<&str> = members.iter().map(|member| member.name.name.as_str()).collect();
    client.execute(wait, &[&mirror, &oids(members), &schemas, &tables]).await.map(drop).map_err(failed)
}

/// Records that those of these tables that stand aside and waited for it are in the publication.
pub async fn published(client: &Client, mirror: &str, tables: &[Oid]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording that tables are published", source };
    let published = "UPDATE multiboard_sync.member SET entry = '' \
         WHERE mirror = $1 AND entry = '-' AND NOT follows AND source_oid = ANY ($2)";
    let tables: Vec<i64> = tables.iter().map(|oid| i64::from(*oid)).collect();
    client.execute(published, &[&mirror, &tables]).await.map(drop).map_err(failed)
}

/// Records that tables that follow are something else in the publication by now, and were in it all the time.
pub async fn renew(client: &Client, mirror: &str, entries: &[(Oid, Entry)]) -> Result<()> {
    let failed =
        |source| Error::Destination { doing: "recording what tables are in the publication", source };
    let renew = "UPDATE multiboard_sync.member AS m SET entry = u.entry \
          FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[])) AS u (source_oid, entry) \
         WHERE m.mirror = $1 AND m.source_oid = u.source_oid AND m.follows";
    let (oids, entries): (Vec<i64>, Vec<String>) =
        entries.iter().map(|(oid, entry)| (i64::from(*oid), entry.to_string())).unzip();
    client.execute(renew, &[&mirror, &oids, &entries]).await.map(drop).map_err(failed)
}

/// Marks tables to stand aside, while nobody applies the mirror: whoever applies it next brings copies of them in.
pub async fn stand_aside(client: &Client, mirror: &str, members: &[Member]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "marking tables to be copied again", source };
    leave(client, mirror, members).await.map_err(failed)?;
    let give = "UPDATE multiboard_sync.member AS m SET destination_oid = t.oid \
          FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace \
         WHERE m.mirror = $1 AND m.source_oid = ANY ($2) AND n.nspname = m.schema_name AND t.relname = m.table_name AND t.relkind IN ('r', 'p')";
    client.execute(give, &[&mirror, &oids(members)]).await.map(drop).map_err(failed)
}

/// Whose a table of the destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is none of this name.
    Missing,
    /// The mirror's: a copy went into it before, or a person gave it to this table.
    Ours,
    /// The one that another table of the source was copied into.
    OfAnother(Oid),
    /// It has no rows, and nobody's copy went into it.
    Empty,
    /// It has rows that no mirror brought.
    Taken,
}

/// Whose the destination's table of this name is, for a table of the source. Where that is nobody's copy its rows are looked
/// for, and with `lock` nobody adds any before the end of the open transaction.
pub async fn place(client: &Client, mirror: &str, member: &Member, lock: bool) -> Result<Place> {
    let failed = |source| Error::Destination { doing: "looking whose a table is", source };
    let Some(Here { partitioned, .. }) = table::read(client, &member.name).await? else {
        return Ok(Place::Missing);
    };
    let query = "SELECT m.source_oid FROM multiboard_sync.member AS m \
         WHERE m.mirror = $1 AND m.destination_oid = pg_catalog.to_regclass($2) ORDER BY m.source_oid = $3 DESC LIMIT 1";
    let (name, id) = (member.name.quoted(), i64::from(member.oid));
    if let Some(row) = client.query_opt(query, &[&mirror, &name, &id]).await.map_err(failed)? {
        let of: i64 = row.try_get(0).map_err(failed)?;
        // It was an oid when it was written.
        return Ok(if of == id {
            Place::Ours
        } else {
            Place::OfAnother(Oid::try_from(of).unwrap_or_default())
        });
    }
    let only = Sql::fixed(if partitioned { "" } else { "ONLY " });
    if lock {
        let lock = sql!("LOCK TABLE {o}{t} IN SHARE ROW EXCLUSIVE MODE", o = only, t = member.name);
        client.batch_execute(lock.as_str()).await.map_err(|source| {
            match source.code().is_some_and(|code| code.code() == sqlstate::LOCK_NOT_AVAILABLE) {
                true => Error::Locked { by: format!("a session that writes to {}", member.name) },
                false => failed(source),
            }
        })?;
    }
    let rows = sql!("SELECT EXISTS (SELECT FROM {o}{t})", o = only, t = member.name);
    let row = client.query_one(rows.as_str(), &[]).await.map_err(failed)?;
    Ok(if row.try_get(0).map_err(failed)? { Place::Taken } else { Place::Empty })
}

/// Forgets tables that the source has not got any more.
pub async fn forget(client: &Client, mirror: &str, members: &[Member]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "forgetting tables that are gone", source };
    let forget = "DELETE FROM multiboard_sync.member WHERE mirror = $1 AND source_oid = ANY ($2)";
    client.execute(forget, &[&mirror, &oids(members)]).await.map(drop).map_err(failed)
}

/// Forgets other tables of the source whose copies went into the tables of these: they are gone there.
pub(super) async fn replace(
    client: &Client,
    mirror: &str,
    members: &[Member],
) -> std::result::Result<(), tokio_postgres::Error> {
    let forget = "DELETE FROM multiboard_sync.member AS o USING multiboard_sync.member AS m \
         WHERE o.mirror = $1 AND m.mirror = $1 AND m.source_oid = ANY ($2) AND o.source_oid <> ALL ($2) AND o.destination_oid = m.destination_oid";
    client.execute(forget, &[&mirror, &oids(members)]).await.map(drop)
}

fn oids<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<i64> {
    members.into_iter().map(|member| i64::from(member.oid)).collect()
}

/// The tables of a mirror, and how each stands.
pub async fn read(client: &Client, mirror: &str) -> Result<Vec<Recorded>> {
    let failed = |source| Error::Destination { doing: "reading the tables of the mirror", source };
    let query = "SELECT source_oid, schema_name, table_name, follows, entry FROM multiboard_sync.member WHERE mirror = $1 ORDER BY source_oid";
    let rows = client.query(query, &[&mirror]).await.map_err(failed)?;
    let members = rows.iter().map(|row| {
        let name = QualifiedName::new(row.try_get::<_, &str>(1)?, row.try_get::<_, &str>(2)?);
        // It was an oid when it was written.
        let oid = Oid::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default();
        let entry: Option<&str> = row.try_get(4)?;
        let stand = match (row.try_get(3)?, entry) {
            (_, None) => Stand::Absent,
            (true, Some(_)) => Stand::Follows,
            (false, Some(_)) => Stand::Aside,
        };
        let unpublished = stand == Stand::Aside && entry == Some("-");
        let entry = Entry::parse(entry.unwrap_or_default());
        Ok(Recorded { member: Member { oid, name }, stand, entry, unpublished })
    });
    members.collect::<std::result::Result<_, _>>().map_err(failed)
}

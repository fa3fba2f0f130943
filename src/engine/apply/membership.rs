//! Which tables of the source a mirror follows, as the destination has it on record: written in the transactions that make it
//! true.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::change::members::Member;
use crate::pg::{Oid, QualifiedName};

/// Records that tables follow from now on, or stand aside, in whatever transaction is open.
pub(super) async fn set(
    client: &Client,
    mirror: &str,
    members: &[Member],
    follows: bool,
) -> std::result::Result<(), tokio_postgres::Error> {
    let set = "INSERT INTO multiboard_sync.member (mirror, source_oid, schema_name, table_name, follows) \
        SELECT $1, u.source_oid, u.schema_name, u.table_name, $5 \
          FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[]), \
                          pg_catalog.unnest($4::pg_catalog.text[])) AS u (source_oid, schema_name, table_name) \
        ON CONFLICT (mirror, source_oid) DO UPDATE \
           SET schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, follows = EXCLUDED.follows, since = pg_catalog.now()";
    let oids: Vec<i64> = members.iter().map(|member| i64::from(member.oid)).collect();
    let schemas: Vec<&str> = members.iter().map(|member| member.name.schema.as_str()).collect();
    let tables: Vec<&str> = members.iter().map(|member| member.name.name.as_str()).collect();
    client.execute(set, &[&mirror, &oids, &schemas, &tables, &follows]).await.map(drop)
}

/// Marks tables to stand aside, while nobody applies the mirror: whoever applies it next brings copies of them in.
pub async fn stand_aside(client: &Client, mirror: &str, members: &[Member]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "marking tables to be copied again", source };
    set(client, mirror, members, false).await.map_err(failed)
}

/// The tables of a mirror, and whether each follows.
pub async fn read(client: &Client, mirror: &str) -> Result<Vec<(Member, bool)>> {
    let failed = |source| Error::Destination { doing: "reading the tables of the mirror", source };
    let query = "SELECT source_oid, schema_name, table_name, follows FROM multiboard_sync.member WHERE mirror = $1 ORDER BY source_oid";
    let rows = client.query(query, &[&mirror]).await.map_err(failed)?;
    let members = rows.iter().map(|row| {
        let name = QualifiedName::new(row.try_get::<_, &str>(1)?, row.try_get::<_, &str>(2)?);
        // It was an oid when it was written.
        let oid = Oid::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default();
        Ok((Member { oid, name }, row.try_get(3)?))
    });
    members.collect::<std::result::Result<_, _>>().map_err(failed)
}

//! Large objects travel through the same relay as rows: read in parts by `lo_get`, written by a trigger's `lo_put`.
//!
//! `pg_largeobject` itself can be read only by superusers and written by nobody; these functions need no more than
//! the objects' own privileges. An object of any size passes in parts, never whole.

use tokio_postgres::Client;

use super::plan::Format;
use super::{Error, Result, Transfer};
use crate::pg::{Oid, Sql};
use crate::sql;

/// Large objects with oids from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: Oid,
    pub last: Oid,
    pub objects: i64,
    pub bytes: u64,
}

/// Bytes of one part: a multiple of the 2,048-byte pages, small beside the relay's buffers and the servers' memory.
const PART: i32 = 256 << 10;

/// All large objects under the snapshot, in ranges of about 64 MiB. The objects themselves are made by the script.
pub async fn ranges(holder: &Client) -> Result<Vec<Range>> {
    let doing = "measuring the large objects";
    let rows = holder.query(include_str!("../../../sql/source/large_object_ranges.sql"), &[]).await;
    let rows = rows.map_err(|source| Error::Source { doing, source })?;
    rows.iter()
        .map(|row| {
            let bytes: i64 = row.try_get("bytes")?;
            Ok(Range {
                first: row.try_get("first")?,
                last: row.try_get("last")?,
                objects: row.try_get("objects")?,
                bytes: u64::try_from(bytes).unwrap_or_default(),
            })
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|source| Error::Source { doing, source })
}

/// The transfer of one range; `table` is the position under which progress counts large objects.
pub fn transfer(range: Range, table: usize) -> Transfer {
    let out = sql!(
        "COPY (SELECT o.oid, p.start, pg_catalog.lo_get(o.oid, p.start, {part}) FROM (SELECT z.oid, \
         pg_catalog.lo_lseek64(z.fd, 0, 2) AS bytes, pg_catalog.lo_close(z.fd) AS closed FROM (SELECT m.oid, \
         pg_catalog.lo_open(m.oid, 262144) AS fd FROM pg_catalog.pg_largeobject_metadata AS m \
         WHERE m.oid BETWEEN {first} AND {last} OFFSET 0) AS z OFFSET 0) AS o \
         CROSS JOIN LATERAL pg_catalog.generate_series(0, o.bytes - 1, {part}) AS p (start)) \
         TO STDOUT (FORMAT binary)",
        part = PART,
        first = range.first,
        last = range.last
    );
    let into =
        Sql::fixed("COPY multiboard_sync.large_object_part (loid, start, data) FROM STDIN (FORMAT binary)");
    let label = format!("COPY large objects {} to {}", range.first, range.last);
    Transfer {
        table,
        out,
        into,
        label,
        weight: range.bytes,
        share: 0.0,
        format: Format::Binary,
        keeps_rows: false,
    }
}

//! Cuts a database's rows into chunks: pure arithmetic over table sizes, no server.
//!
//! A chunk is one COPY from the source and one transaction on the destination. Most tables are one chunk, which
//! may then be frozen; a table is split by ctid block ranges only where that keeps workers busy.

use super::Transfer;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::sql;

/// How rows travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The types' own send and receive functions; every type of the table is safe that way.
    Binary,
    /// Text, for types whose binary form holds numbers that mean something else on another server.
    Text,
}

/// A table whose rows are to be copied.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its oid on the source.
    pub oid: Oid,
    /// Its name, on both sides.
    pub name: QualifiedName,
    /// Where its rows are written: itself, or the root of its partition tree where a row's leaf may differ on the
    /// destination (hash partitions on types whose hash depends on oids).
    pub into: QualifiedName,
    /// The columns that are sent: all but generated ones, in order.
    pub columns: Vec<Ident>,
    pub format: Format,
    /// Bytes of the heap with TOAST: the table's weight in the queue and in the percentage.
    pub bytes: u64,
    /// Blocks of the heap itself, from `pg_relation_size` under the lock; ranges are planned over them.
    pub blocks: u32,
    /// Whether the access method is heap: only of that it is known that rows lie at ctids in the order of blocks, and
    /// that they can be frozen.
    pub heap: bool,
    /// Where `CREATE EXTENSION` made it, and perhaps put rows into it: which of them are the user's.
    pub configuration: Option<Configuration>,
    /// A condition, where only some of its rows are copied.
    pub rows: Option<Sql>,
}

/// The user's rows in a table of an extension.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// A WHERE clause, or nothing for all rows.
    pub condition: Sql,
    /// Whether our role on the destination may keep the extension's triggers and foreign keys from acting on each row
    /// as it comes (`session_replication_role`, superusers only).
    pub as_replica: bool,
}

impl Table {
    /// Whether its rows can be, and are worth being, frozen as they come when it is copied as a whole.
    fn frozen(&self) -> bool {
        self.heap && self.into == self.name && self.bytes > SMALL_TABLE && self.configuration.is_none()
    }
}

/// A range of heap blocks; the first has no lower bound and the last no upper one, so that blocks added since the
/// plan, or a wrong plan, cost balance and never rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// First block of the range, `None` from the start.
    pub from: Option<u32>,
    /// First block after the range, `None` to the end.
    pub to: Option<u32>,
}

/// One unit of copying.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Position of its table in the list that was planned.
    pub table: usize,
    /// `None` for a whole table.
    pub blocks: Option<Blocks>,
    /// Which part of how many, from 1: for people.
    pub part: (u32, u32),
    /// Estimated bytes.
    pub weight: u64,
}

/// When to split a table.
#[derive(Clone, Copy, Debug)]
pub struct Splitting {
    /// Copy workers.
    pub workers: usize,
    /// Split every table of more bytes than this, whatever the workers do. `None`: only where workers would idle.
    pub above_bytes: Option<u64>,
}

/// A table of at most this many bytes gets its keys inside CREATE TABLE, because loading into them costs less than the
/// statements that build them later (1.2 ms of server CPU each). And it is not frozen, because the TRUNCATE before
/// costs more (2 ms: new files for the table, its TOAST and its indexes) than the VACUUM it saves.
pub const SMALL_TABLE: u64 = 1 << 20;

/// A table below this many bytes is never split by itself: the second stream costs more than it brings.
const WORTH_SPLITTING: u64 = 256 << 20;

/// With fewer workers than this a split loses: two streams into one table contend for relation extension and give
/// up COPY FREEZE (measured 20-25 s of server CPU against 16 s unsplit on two cores; docs/decisions).
const WORKERS_WORTH_SPLITTING: usize = 4;

/// Cuts the tables into chunks, heaviest first.
pub fn plan(tables: &[Table], splitting: Splitting) -> Vec<Chunk> {
    let total: u64 = tables.iter().map(|table| table.bytes).sum();
    let fair_share = total / splitting.workers.max(1) as u64;
    let mut chunks = Vec::with_capacity(tables.len());
    for (index, table) in tables.iter().enumerate() {
        let parts = parts(table, fair_share, splitting);
        for part in 0..parts {
            let at =
                |part: u32| u32::try_from(u64::from(table.blocks) * u64::from(part) / u64::from(parts)).ok();
            let blocks = (parts > 1).then(|| Blocks {
                from: if part == 0 { None } else { at(part) },
                to: if part + 1 == parts { None } else { at(part + 1) },
            });
            chunks.push(Chunk {
                table: index,
                blocks,
                part: (part + 1, parts),
                weight: table.bytes / u64::from(parts),
            });
        }
    }
    chunks.sort_by_key(|chunk| std::cmp::Reverse(chunk.weight));
    chunks
}

fn parts(table: &Table, fair_share: u64, splitting: Splitting) -> u32 {
    if table.configuration.is_some() || !table.heap {
        return 1;
    }
    let wanted = match splitting.above_bytes {
        Some(limit) if table.bytes > limit => table.bytes.div_ceil(limit.max(1)),
        Some(_) => 1,
        None if splitting.workers < WORKERS_WORTH_SPLITTING || table.bytes < WORTH_SPLITTING => 1,
        // A table of more than a fair share would leave the other workers idle at the end.
        None if table.bytes > fair_share => table.bytes.div_ceil((fair_share / 2).max(WORTH_SPLITTING / 4)),
        None => 1,
    };
    let bounded = wanted.min(1024).min(u64::from(table.blocks.max(1)));
    u32::try_from(bounded).unwrap_or(1)
}

/// The statements of a chunk on both sides.
pub fn transfer(table: &Table, chunk: &Chunk) -> Transfer {
    let label = match chunk.part {
        (_, 1) => format!("COPY {}", table.name),
        (part, of) => format!("COPY {}, chunk {part} of {of}", table.name),
    };
    Transfer {
        table: chunk.table,
        out: copy_out(table, chunk),
        into: copy_in(table, chunk),
        label,
        weight: chunk.weight,
        share: 1.0 / f64::from(chunk.part.1),
        format: table.format,
        keeps_rows: true,
    }
}

/// `COPY .. TO STDOUT` on the source. `FROM ONLY`: children are tables of their own.
fn copy_out(table: &Table, chunk: &Chunk) -> Sql {
    let format = format_option(table.format);
    if table.columns.is_empty() {
        // COPY refuses an empty column list; without one it sends the columns there are: none.
        return sql!(
            "COPY (SELECT FROM ONLY {t}{r}) TO STDOUT ({f})",
            t = table.name,
            r = filter(table, chunk),
            f = format
        );
    }
    let columns = Sql::join(&table.columns, ", ");
    if let Some(Configuration { condition, .. }) = &table.configuration {
        return sql!(
            "COPY (SELECT {c} FROM ONLY {t} {w}) TO STDOUT ({f})",
            c = columns,
            t = table.name,
            w = condition,
            f = format
        );
    }
    if chunk.blocks.is_none() && table.rows.is_none() {
        return sql!("COPY {t} ({c}) TO STDOUT ({f})", t = table.name, c = columns, f = format);
    }
    let r = filter(table, chunk);
    sql!("COPY (SELECT {c} FROM ONLY {t}{r}) TO STDOUT ({f})", c = columns, t = table.name, r = r, f = format)
}

/// The destination's part: for a whole table that is not small TRUNCATE and a frozen COPY, else a plain one.
///
/// FREEZE is legal where the table was truncated in the same transaction (manual, COPY) and right because nobody
/// else can see the staging database.
fn copy_in(table: &Table, chunk: &Chunk) -> Sql {
    let format = format_option(table.format);
    let columns = if table.columns.is_empty() {
        Sql::default()
    } else {
        sql!(" ({c})", c = Sql::join(&table.columns, ", "))
    };
    if chunk.blocks.is_none() && table.frozen() {
        return sql!(
            "TRUNCATE ONLY {t}; COPY {t}{c} FROM STDIN ({f}, FREEZE)",
            t = table.into,
            c = columns,
            f = format
        );
    }
    let copy = sql!("COPY {t}{c} FROM STDIN ({f})", t = table.into, c = columns, f = format);
    let Some(Configuration { condition, as_replica }) = &table.configuration else { return copy };
    // The extension's own script may have put some there.
    let replace = sql!("DELETE FROM ONLY {t} {w}; {copy}", t = table.into, w = condition, copy = copy);
    match as_replica {
        true => sql!("SET LOCAL session_replication_role = replica; {replace}", replace = replace),
        false => replace,
    }
}

fn format_option(format: Format) -> Sql {
    match format {
        Format::Binary => Sql::fixed("FORMAT binary"),
        Format::Text => Sql::fixed("FORMAT text"),
    }
}

/// The WHERE clause for the rows of a chunk.
fn filter(table: &Table, chunk: &Chunk) -> Sql {
    match (&table.rows, range(chunk)) {
        (None, range) => range,
        (Some(rows), range) if range.is_empty() => sql!(" WHERE ({w})", w = rows),
        (Some(rows), range) => sql!("{r} AND ({w})", r = range, w = rows),
    }
}

fn range(chunk: &Chunk) -> Sql {
    match chunk.blocks {
        None | Some(Blocks { from: None, to: None }) => Sql::default(),
        Some(Blocks { from: None, to: Some(to) }) => {
            sql!(" WHERE ctid < '({to},0)'::pg_catalog.tid", to = to)
        }
        Some(Blocks { from: Some(from), to: None }) => {
            sql!(" WHERE ctid >= '({from},0)'::pg_catalog.tid", from = from)
        }
        Some(Blocks { from: Some(from), to: Some(to) }) => sql!(
            " WHERE ctid >= '({from},0)'::pg_catalog.tid AND ctid < '({to},0)'::pg_catalog.tid",
            from = from,
            to = to
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(bytes: u64, blocks: u32) -> Table {
        let name = QualifiedName::new("public", "t");
        Table {
            oid: 1,
            into: name.clone(),
            name,
            columns: vec![Ident::new("a")],
            format: Format::Binary,
            bytes,
            blocks,
            heap: true,
            configuration: None,
            rows: None,
        }
    }

    #[test]
    fn a_table_of_another_access_method_is_neither_split_nor_frozen() {
        let tables = [Table { heap: false, ..table(4 << 30, 524_288) }];
        let chunks = plan(&tables, Splitting { workers: 8, above_bytes: Some(SMALL_TABLE) });
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].blocks, None);
        assert_eq!(
            copy_in(&tables[0], &chunks[0]).as_str(),
            "COPY \"public\".\"t\" (\"a\") FROM STDIN (FORMAT binary)"
        );
    }

    #[test]
    fn a_condition_stands_beside_the_range_of_a_chunk() {
        let rows = Some(Sql::printed_by_server("(a > 1) OR (a < 0)"));
        let tables = [Table { rows, ..table(2 * SMALL_TABLE, 256) }];
        let whole = plan(&tables, Splitting { workers: 1, above_bytes: None });
        let out = |chunk: &Chunk| copy_out(&tables[0], chunk).as_str().to_owned();
        assert_eq!(
            out(&whole[0]),
            "COPY (SELECT \"a\" FROM ONLY \"public\".\"t\" WHERE ((a > 1) OR (a < 0))) TO STDOUT (FORMAT binary)"
        );
        let split = plan(&tables, Splitting { workers: 1, above_bytes: Some(SMALL_TABLE) });
        assert_eq!(
            out(split.iter().find(|chunk| chunk.part.0 == 2).unwrap()),
            "COPY (SELECT \"a\" FROM ONLY \"public\".\"t\" WHERE ctid >= '(128,0)'::pg_catalog.tid AND ((a > 1) OR (a < 0))) TO \
             STDOUT (FORMAT binary)"
        );
    }

    #[test]
    fn two_workers_leave_a_big_table_whole_and_eight_split_it() {
        let tables = [table(4 << 30, 524_288), table(1 << 20, 128)];
        assert_eq!(plan(&tables, Splitting { workers: 2, above_bytes: None }).len(), 2);
        assert!(plan(&tables, Splitting { workers: 8, above_bytes: None }).len() > 8);
    }

    #[test]
    fn whole_tables_are_frozen_and_ranges_and_small_ones_are_not() {
        let tables = [table(2 * SMALL_TABLE, 256), table(100, 1)];
        let whole = plan(&tables, Splitting { workers: 1, above_bytes: None });
        assert_eq!(
            copy_in(&tables[0], &whole[0]).as_str(),
            "TRUNCATE ONLY \"public\".\"t\"; COPY \"public\".\"t\" (\"a\") FROM STDIN (FORMAT binary, FREEZE)"
        );
        let split = plan(&tables, Splitting { workers: 1, above_bytes: Some(SMALL_TABLE) });
        assert_eq!(split.len(), 3);
        assert_eq!(
            copy_in(&tables[0], &split[0]).as_str(),
            "COPY \"public\".\"t\" (\"a\") FROM STDIN (FORMAT binary)"
        );
        assert_eq!(
            copy_in(&tables[1], &whole[1]).as_str(),
            "COPY \"public\".\"t\" (\"a\") FROM STDIN (FORMAT binary)"
        );
    }

    proptest! {
        #[test]
        fn ranges_cover_every_block_once(blocks in 0_u32..5_000_000, bytes in 0_u64..1 << 42, limit in 1_u64..1 << 34) {
            let tables = [table(bytes, blocks)];
            let mut chunks = plan(&tables, Splitting { workers: 3, above_bytes: Some(limit) });
            chunks.sort_by_key(|chunk| chunk.part.0);
            let mut next = None;
            for (index, chunk) in chunks.iter().enumerate() {
                let (from, to) = chunk.blocks.map_or((None, None), |b| (b.from, b.to));
                prop_assert_eq!(from, next);
                prop_assert_eq!(to.is_none(), index + 1 == chunks.len());
                if let (Some(from), Some(to)) = (from, to) {
                    prop_assert!(from < to);
                }
                next = to;
            }
        }
    }
}

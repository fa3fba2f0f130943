//! Whether a contender did the work: the destination has the source's tables with as many rows, its indexes,
//! constraints and sequence positions, and statistics for as many columns.

use crate::contender::{Contender, Kind};
use crate::pair::Pair;
use crate::support::Session;

/// Sorted lines of `name: value`. Counting rows is the one query that is made for each table.
const TABLES: &str = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c \
    WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

const OBJECTS: &str = "SELECT 'indexes', pg_catalog.count(*)::text FROM pg_catalog.pg_index i WHERE i.indexrelid >= 16384 AND i.indisvalid \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.oid = i.indrelid AND t.relkind = 't') \
    UNION ALL SELECT 'constraints', pg_catalog.count(*)::text FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND convalidated \
    UNION ALL SELECT 'functions', pg_catalog.count(*)::text FROM pg_catalog.pg_proc WHERE oid >= 16384 \
    UNION ALL SELECT 'triggers', pg_catalog.count(*)::text FROM pg_catalog.pg_trigger WHERE NOT tgisinternal \
    UNION ALL SELECT 'comments', pg_catalog.count(*)::text FROM pg_catalog.pg_description WHERE objoid >= 16384 \
    UNION ALL SELECT 'sequence ' || schemaname || '.' || sequencename, last_value::text FROM pg_catalog.pg_sequences";

/// Columns with statistics; their number tells that ANALYZE ran everywhere. Those of expression indexes do not count:
/// pgcopydb analyzes a table while its indexes are still being built and leaves them out.
const STATISTICS: &str = "SELECT 'columns with statistics', pg_catalog.count(*)::text \
    FROM pg_catalog.pg_statistic s JOIN pg_catalog.pg_class c ON c.oid = s.starelid \
    WHERE c.oid >= 16384 AND c.relkind = 'r'";

/// Ends the bench with what differs, if anything does.
pub(crate) async fn check(pair: &Pair, contender: &Contender) {
    let everything = contender.kind != Kind::Floor;
    let (source, destination) =
        (look(&pair.source_url(), everything).await, look(&pair.destination_url(), everything).await);
    let missing: Vec<&String> = source.iter().filter(|line| !destination.contains(line)).collect();
    let extra: Vec<&String> = destination.iter().filter(|line| !source.contains(line)).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{} made another database\nonly in the source: {missing:#?}\nonly in the destination: {extra:#?}",
        contender.name
    );
}

async fn look(url: &str, everything: bool) -> Vec<String> {
    let session = Session::open(url).await;
    session.execute_all("SET search_path = ''").await;
    let mut lines = Vec::new();
    for table in session.query_rows(TABLES).await.into_iter().flatten().flatten() {
        // The server has quoted the name (regclass).
        let count = session.query_text(&format!("SELECT pg_catalog.count(*) FROM {table}")).await;
        lines.push(format!("{table}: {count}"));
    }
    if everything {
        for query in [OBJECTS, STATISTICS] {
            for row in session.query_rows(query).await {
                lines.push(row.into_iter().flatten().collect::<Vec<_>>().join(": "));
            }
        }
    }
    lines
}

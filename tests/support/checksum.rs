//! Everything a database holds as short text, row by row independent of the product's own hashes: two databases
//! with equal text hold equal rows, sequences and large objects.

use multiboard_sync::pg::{Literal, QualifiedName};
use multiboard_sync::sql;

use super::{Database, Session};

/// The whole schema with which row texts of different sessions and servers are equal for equal values.
const SETTINGS: &str = "SET search_path = ''; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
    SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
    SET xmloption = 'content'; SET row_security = off; SET statement_timeout = 0";

/// User tables with rows of their own; not those of extensions.
const TABLES: &str = "SELECT n.nspname, c.relname, c.relkind = 'm' AND NOT c.relispopulated, c.relkind <> 'm' \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' \
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                      AND d.objid = c.oid AND d.deptype = 'e')";

/// Sequences, those behind identity columns too.
const SEQUENCES: &str = "SELECT n.nspname, c.relname \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' \
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                      AND d.objid = c.oid AND d.deptype = 'e')";

const LARGE_OBJECTS: &str =
    "SELECT oid, pg_catalog.md5(pg_catalog.lo_get(oid)) FROM pg_catalog.pg_largeobject_metadata";

/// One sorted line for each table (count and sum of row hashes), sequence (position) and large object (hash).
pub async fn of(database: &Database<'_>) -> Vec<String> {
    of_session(&database.session().await).await
}

/// [`of`] in a session that the test opened itself, for a snapshot of its own.
pub async fn of_session(session: &Session) -> Vec<String> {
    session.execute_all(SETTINGS).await;
    let mut lines = Vec::new();
    for row in session.query_rows(TABLES).await {
        let [Some(schema), Some(table), Some(empty_view), Some(may_have_children)] = row.as_slice() else {
            panic!("not a table: {row:?}")
        };
        let name = QualifiedName::new(schema, table);
        if empty_view == "t" {
            lines.push(format!("{name:?}: not populated"));
            continue;
        }
        let only = if may_have_children == "t" { "ONLY" } else { "" };
        // Summed, so that the order of rows does not matter; the count tells rows whose hashes cancel out. `r.*`, as a
        // column of that name would win over plain `r`.
        let query = format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum(('x' || pg_catalog.left(pg_catalog.md5((\"r\".*)::text), 16))\
             ::bit(64)::int8::numeric) FROM {only} {} AS \"r\"",
            name.quoted()
        );
        let answer = session.query_rows(&query).await;
        lines.push(format!("table {}: {}", name.quoted(), joined(&answer)));
    }
    for row in session.query_rows(SEQUENCES).await {
        let [Some(schema), Some(sequence)] = row.as_slice() else { panic!("not a sequence: {row:?}") };
        let name = QualifiedName::new(schema, sequence);
        let answer =
            session.query_rows(&format!("SELECT last_value, is_called FROM {}", name.quoted())).await;
        lines.push(format!("sequence {}: {}", name.quoted(), joined(&answer)));
    }
    for row in session.query_rows(LARGE_OBJECTS).await {
        lines.push(format!("large object {}", joined(&[row])));
    }
    lines.sort();
    lines
}

/// The rows of one table as sorted text, for a message that shows which differ.
pub async fn rows_of(database: &Database<'_>, schema: &str, table: &str) -> Vec<String> {
    let session = database.session().await;
    session.execute_all(SETTINGS).await;
    let name = QualifiedName::new(schema, table);
    let query =
        format!("SELECT (\"r\".*)::text COLLATE \"C\" FROM ONLY {} AS \"r\" ORDER BY 1", name.quoted());
    session.query_rows(&query).await.into_iter().flatten().flatten().collect()
}

/// Whether a relation of that name is there.
pub async fn has_relation(database: &Database<'_>, schema: &str, relation: &str) -> bool {
    let query = sql!(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
         ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = {relation}",
        schema = Literal(schema),
        relation = Literal(relation)
    );
    database.query_text(query.as_str()).await == "1"
}

fn joined(rows: &[Vec<Option<String>>]) -> String {
    let cells = rows.iter().flatten().map(|cell| cell.as_deref().unwrap_or("-"));
    cells.collect::<Vec<_>>().join(" ")
}

//! `032_subscribe_use_index.pl`: rows that nothing but all of their columns identifies, and no index finds.

use super::on_both;

/// Some with an index that finds a row, and some with one that would find the wrong rows, or none.
const TABLES: &str = "CREATE TABLE pk (a int PRIMARY KEY, b text, c int); CREATE TABLE uniq (a int UNIQUE, b text, c int);
    CREATE TABLE bare (a int, b text, c int); CREATE TABLE plain (a int, b text, c int); CREATE INDEX ON plain (a);
    CREATE TABLE partial (a int, b text, c int); CREATE UNIQUE INDEX ON partial (a) WHERE c > 5;
    CREATE TABLE expression (a int, b text, c int); CREATE UNIQUE INDEX ON expression ((a / 2), b, c);
    CREATE TABLE keyed (a int PRIMARY KEY, b text, c int)";

const FULL: [&str; 6] = ["pk", "uniq", "bare", "plain", "partial", "expression"];

#[tokio::test]
async fn s032_use_index_a_table_that_is_searched_whole_for_each_row_is_warned_of() {
    on_both("warned", TABLES, async |mirror| {
        for table in FULL {
            mirror.source(&format!("ALTER TABLE {table} REPLICA IDENTITY FULL; INSERT INTO {table} SELECT g, 'r', g % 5 FROM generate_series(1, 20) g")).await;
        }
        // To the partial index they are one row, or no row at all.
        mirror.source("INSERT INTO partial SELECT g, 's', 6 FROM generate_series(1, 20) g").await;
        mirror.start().await;
        for table in FULL {
            mirror.source(&format!("UPDATE {table} SET b = 'x' WHERE a % 4 = 0; DELETE FROM {table} WHERE a % 4 = 1")).await;
            mirror.source(&format!("BEGIN; UPDATE {table} SET c = NULL WHERE a = 2; UPDATE {table} SET c = 9, a = a + 100 WHERE a = 3 AND b = 'r'; DELETE FROM {table} WHERE c IS NULL; COMMIT")).await;
        }
        mirror.same().await;
        let outcome = mirror.stop().await;
        let mut warned: Vec<&str> =
            outcome.warnings("searched_whole").iter().filter_map(|warning| warning["object"].as_str()).collect();
        warned.sort_unstable();
        assert_eq!(warned, ["public.bare", "public.expression", "public.partial", "public.plain"]);
    })
    .await;
}

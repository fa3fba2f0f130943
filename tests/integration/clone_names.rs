//! Functions that find what they read by `search_path`: under the empty one they fail, as they do for pg_dump. What calls
//! them is named and left, and the rest arrives.

use crate::support::cloning::clone_of;
use crate::support::{Binary, clone, destination, source};

/// A function that reads a table by its bare name, in everything that is made after the rows. Only servers before 17 let
/// one build an index with it.
const CALLERS: &str = "CREATE TABLE rates (factor integer); INSERT INTO rates VALUES (3);
    CREATE FUNCTION rate(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n * (SELECT factor FROM rates); END';
    CREATE TABLE t (id integer PRIMARY KEY, n integer); INSERT INTO t SELECT g, g FROM generate_series(1, 100) AS g;
    CREATE INDEX rated ON t (rate(n)); CREATE INDEX plain ON t (n); CREATE UNIQUE INDEX rated_once ON t (rate(id)) WHERE n > 0;
    ALTER TABLE t ADD CONSTRAINT positive CHECK (rate(n) > 0);
    CREATE TABLE parted (id integer, k integer) PARTITION BY LIST (k);
    CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE part_2 PARTITION OF parted FOR VALUES IN (2);
    INSERT INTO parted VALUES (1, 1), (2, 2); CREATE INDEX parted_rated ON parted (rate(id)); CREATE INDEX parted_plain ON parted (id);
    CREATE STATISTICS of_rate ON (rate(n)), id FROM t;
    CREATE MATERIALIZED VIEW m AS SELECT rate(id) AS r FROM t; CREATE INDEX of_m ON m (r);
    CREATE VIEW v AS SELECT rate(n) AS r FROM t";

#[tokio::test]
async fn what_calls_a_function_that_needs_a_search_path_is_named_and_the_rest_arrives() {
    for (from_major, to_major) in [(15, 15), (15, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let (from, to) = (on_source.database("names").await, on_destination.absent_database("names"));
        from.execute(CALLERS).await;
        to.announce("relation \"rates\" does not exist");
        to.announce("part_1_rate_idx\" does not exist");
        to.announce("part_2_rate_idx\" does not exist");

        let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

        let warnings = outcome.warnings("not_created");
        let mut named: Vec<&str> =
            warnings.iter().map(|warning| warning["object"].as_str().unwrap()).collect();
        named.sort_unstable();
        assert_eq!(
            named,
            [
                "check constraint positive on public.t",
                "index public.part_1_rate_idx",
                "index public.part_2_rate_idx",
                "index public.rated",
                "index public.rated_once",
                "place of index public.part_1_rate_idx below its partitioned one",
                "place of index public.part_2_rate_idx below its partitioned one",
                "rows of materialized view public.m",
            ]
        );
        assert!(warnings[0].to_string().contains("does not exist"), "{}", warnings[0]);
        let indexes = "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public'";
        assert_eq!(
            to.query_text(indexes).await,
            "of_m part_1_id_idx part_2_id_idx parted_plain parted_rated plain t_pkey"
        );
        assert_eq!(
            to.query_text("SELECT concat((SELECT sum(r) FROM v), ' ', (SELECT count(*) FROM parted))").await,
            "15150 2"
        );
    }
}

/// Nobody can foresee it, so it is no matter of preflight; with `--strict` the database that stands there stays.
#[tokio::test]
async fn with_strict_nothing_is_replaced_where_something_of_it_fails() {
    let (Some(on_source), Some(on_destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (on_source.database("names").await, on_destination.database("names").await);
    from.execute(
        "CREATE TABLE rates (factor integer); INSERT INTO rates VALUES (3);
         CREATE FUNCTION rate(n integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN n * (SELECT factor FROM rates); END';
         CREATE MATERIALIZED VIEW m AS SELECT rate(7) AS r",
    )
    .await;
    to.execute("CREATE TABLE old (a integer)").await;
    to.announce("relation \"rates\" does not exist");

    let more = ["--strict", "--confirm", to.name()];
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(1);

    outcome.expect_error(&["rows of materialized view public.m", "does not exist", "server_error"]);
    assert_eq!(to.related_databases().await, [to.name()]);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "0");
}

//! 006_rewrite, 008_diff_schema: what changes on the source without any change of a row or of a column's name and type. The mirror
//! stops before, or soon after, rows are not what they are there.

use super::s006_schema_changes::statements;
use super::{Mirror, scenario};

#[tokio::test]
async fn s006_rewrite_a_column_that_is_computed_no_more() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1), (2)";
    scenario("computed_no_more", schema, async |mirror| {
        mirror.source("ALTER TABLE t ALTER b DROP EXPRESSION; UPDATE t SET b = 77 WHERE a = 1; INSERT INTO t VALUES (3, 99)").await;
        let words = ["mirror_table_differs", "public.t", "column b is computed there", "DROP EXPRESSION"];
        mirror.stops_and_is_mended(&words).await;
        mirror.source("UPDATE t SET b = b + 1").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s011_generated_columns_that_are_sent() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1);
        CREATE PUBLICATION p FOR TABLE fence, t WITH (publish_generated_columns = stored)";
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare(major, "computed_sent", schema).await else { return };
        mirror.follow_p().await;
        mirror.source("INSERT INTO t VALUES (3); UPDATE t SET a = 4 WHERE a = 1").await;
        mirror.same().await;
        // They are not for a while, and are again: neither stops it, as both sides compute them.
        for sends in ["none", "stored"] {
            let sends = format!("ALTER PUBLICATION p SET (publish_generated_columns = {sends})");
            mirror.source(&sends).await;
            mirror.source("INSERT INTO t SELECT max(a) + 1 FROM t; UPDATE t SET a = a + 100").await;
            mirror.same().await;
        }
        mirror.end().await;
    };
    // The first version that sends them.
    on(18).await;
}

#[tokio::test]
async fn s011_generated_columns_that_come_to_be_sent() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1);
        CREATE PUBLICATION p FOR TABLE fence, t";
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare(major, "computed_later", schema).await else { return };
        mirror.follow_p().await;
        mirror.source("INSERT INTO t VALUES (3)").await;
        mirror.same().await;
        mirror.source("ALTER PUBLICATION p SET (publish_generated_columns = stored)").await;
        mirror.source("INSERT INTO t VALUES (5); UPDATE t SET a = 4 WHERE a = 1").await;
        mirror.same().await;
        // As its values are known to be computed, none is taken as it comes once they are not any more.
        mirror.source("ALTER TABLE t ALTER b DROP EXPRESSION; UPDATE t SET b = 77 WHERE a = 5").await;
        let words = [
            "mirror_table_differs",
            "column b is computed here",
            "DROP EXPRESSION",
            "mirror resync NAME public.t",
        ];
        let outcome = mirror.ends(&words).await;
        mirror.destination(&statements(&outcome)).await;
        mirror.resync(&["public.t"]).await;
        mirror.follow_p().await;
        mirror.all_follow().await;
        mirror.same().await;
        mirror.end().await;
    };
    // The first version that sends them.
    on(18).await;
}

#[tokio::test]
async fn s008_diff_schema_attributes_of_a_composite_that_change_places() {
    let schema = "CREATE TYPE pt AS (a int, b int); CREATE TABLE t (id int PRIMARY KEY, p pt); INSERT INTO t VALUES (1, ROW(1, 2))";
    scenario("attributes", schema, async |mirror| {
        mirror.stop().await;
        let anew = "ALTER TYPE pt DROP ATTRIBUTE a; ALTER TYPE pt ADD ATTRIBUTE a int";
        mirror.source(&format!("{anew}; UPDATE t SET p = ROW(20, 10)")).await;
        mirror.running = Some(mirror.begin(&[]));
        // What it had come to when that was done nobody knows.
        let words = [
            "mirror_table_differs",
            "public.t",
            "type public.pt (column p) has the attributes b, a there, and had a, b",
        ];
        mirror.ends(&words).await;
        mirror.destination(anew).await;
        mirror.resync(&["public.t"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

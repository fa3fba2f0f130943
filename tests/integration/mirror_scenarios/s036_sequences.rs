//! `036_sequences.pl`: sequences, which the stream does not tell of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::on_both;
use crate::support::{Outcome, eventually};

#[tokio::test]
async fn s036_sequences_of_tables_that_were_left_out_stay_as_the_destination_has_them() {
    let own = "CREATE TABLE own (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)";
    let schema = format!(
        "CREATE TABLE kept (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE free; {own}"
    );
    on_both("left_out", &schema, async |mirror| {
        let mut running = mirror.begin(&["--exclude", "public.own"]);
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        mirror.running = Some(running);
        mirror.destination(&format!("{own}; SELECT setval('own_id_seq', 3), setval('own_n_seq', 4)")).await;
        mirror
            .source("SELECT setval(s::regclass, 500) FROM unnest(ARRAY['kept_id_seq', 'kept_n_seq', 'free', 'own_id_seq', 'own_n_seq']) AS s")
            .await;
        // At a stop they are looked at once more.
        mirror.stop().await;
        let values = "SELECT concat_ws(' ', (SELECT last_value FROM kept_id_seq), (SELECT last_value FROM kept_n_seq), \
            (SELECT last_value FROM free), (SELECT last_value FROM own_id_seq), (SELECT last_value FROM own_n_seq))";
        assert_eq!(mirror.here(values).await, "500 500 500 3 4");
        // Nor does a comparison miss them.
        mirror.program.run(&["verify", "m"]).await.expect_code(0);
    })
    .await;
}

#[tokio::test]
async fn s036_sequences_that_the_destination_has_not_are_said() {
    let schema = "CREATE TABLE t (id serial PRIMARY KEY); CREATE SEQUENCE alone";
    on_both("not_here", schema, async |mirror| {
        mirror.start().await;
        mirror.source("CREATE SEQUENCE later; SELECT setval('alone', 9), setval('later', 5)").await;
        // A table that is not here is said by itself.
        mirror.source("CREATE TABLE elsewhere (id serial PRIMARY KEY)").await;
        mirror.caught_up().await;
        let outcome = mirror.stop().await;
        assert_eq!(said(&outcome, "sequences_not_followed"), ["public.later"], "{}", outcome.text());
        assert_eq!(mirror.here("SELECT last_value FROM alone").await, "9");
    })
    .await;
}

#[tokio::test]
async fn s036_sequences_that_are_renamed_on_the_source_follow_under_their_old_names() {
    let schema =
        "CREATE SCHEMA later; CREATE TABLE t (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY);
        CREATE SEQUENCE alone; CREATE SEQUENCE x; CREATE SEQUENCE y";
    on_both("renamed", schema, async |mirror| {
        for database in [&mirror.from, &mirror.to] {
            database.announce("does not exist");
        }
        mirror.start().await;
        let to = mirror.to.session().await;
        let recorded = "SELECT count(*) FROM multiboard_sync.sequence";
        eventually("sequences on record", async || match to.query_text(recorded).await.as_str() {
            "5" => Ok(()),
            count => Err(count.to_owned()),
        })
        .await;
        mirror
            .source(
                "ALTER SEQUENCE t_id_seq RENAME TO \"T\"; ALTER SEQUENCE t_n_seq RENAME TO numbers;
                 ALTER SEQUENCE alone SET SCHEMA later; ALTER SEQUENCE later.alone RENAME TO single;
                 ALTER SEQUENCE x RENAME TO z; ALTER SEQUENCE y RENAME TO x; ALTER SEQUENCE z RENAME TO y;
                 SELECT setval('\"T\"', 5), setval('numbers', 6), setval('later.single', 7), setval('y', 8), setval('x', 9)",
            )
            .await;
        let outcome = mirror.stop().await;
        let renamed = ["later.single", "public.\"T\"", "public.numbers", "public.x", "public.y"];
        assert_eq!(said(&outcome, "sequence_renamed"), renamed, "{}", outcome.text());
        assert!(said(&outcome, "sequences_not_followed").is_empty(), "{}", outcome.text());
        let here = "SELECT concat_ws(' ', (SELECT last_value FROM t_id_seq), (SELECT last_value FROM t_n_seq), \
            (SELECT last_value FROM alone), (SELECT last_value FROM x), (SELECT last_value FROM y))";
        assert_eq!(mirror.here(here).await, "5 6 7 8 9");
        // What is said of them mends it.
        for warning in outcome.warnings("sequence_renamed") {
            let message = warning["message"].as_str().unwrap();
            let (_, statements) = message.split_once("follows there: ").unwrap();
            let statements = statements.strip_suffix(" gives it the name that it has on the source").unwrap();
            if !matches!(warning["object"].as_str(), Some("public.x" | "public.y")) {
                mirror.destination(statements).await;
            }
        }
        mirror
            .destination("ALTER SEQUENCE x RENAME TO z; ALTER SEQUENCE y RENAME TO x; ALTER SEQUENCE z RENAME TO y")
            .await;
        mirror.source("SELECT setval('\"T\"', 50), setval('later.single', 70), setval('x', 90)").await;
        mirror.start().await;
        let outcome = mirror.stop().await;
        assert!(said(&outcome, "sequence_renamed").is_empty(), "{}", outcome.text());
        let here = "SELECT concat_ws(' ', (SELECT last_value FROM \"T\"), (SELECT last_value FROM numbers), \
            (SELECT last_value FROM later.single), (SELECT last_value FROM x), (SELECT last_value FROM y))";
        assert_eq!(mirror.here(here).await, "50 6 70 90 8");
    })
    .await;
}

/// What warnings of this code are about, by name. One of a look that met a change in its middle names nothing: the next look
/// sees what there is then.
fn said(outcome: &Outcome, code: &str) -> Vec<String> {
    let about = |warning: &Value| warning["object"].as_str().map(str::to_owned);
    let objects: BTreeSet<String> = outcome.warnings(code).into_iter().filter_map(about).collect();
    objects.into_iter().collect()
}

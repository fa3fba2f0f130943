//! `036_sequences.pl`: sequences, which the stream does not tell of.

use std::collections::BTreeSet;

use super::on_both;
use crate::support::Outcome;

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
        mirror
            .source("ALTER SEQUENCE t_id_seq RENAME TO t_number; CREATE SEQUENCE later; SELECT setval('alone', 9), setval('later', 5)")
            .await;
        // A table that is not here is said by itself.
        mirror.source("CREATE TABLE elsewhere (id serial PRIMARY KEY)").await;
        mirror.caught_up().await;
        let running = mirror.running.take().unwrap();
        running.interrupt();
        let outcome = Outcome::of(running.finish().await).expect_code(0);
        let warnings = outcome.all("warning");
        let said = warnings.iter().filter(|warning| warning["code"] == "sequences_not_followed");
        let said: BTreeSet<&str> = said.map(|warning| warning["object"].as_str().unwrap()).collect();
        assert_eq!(said, BTreeSet::from(["public.later", "public.t_number"]), "{}", outcome.text());
        assert_eq!(mirror.here("SELECT last_value FROM alone").await, "9");
    })
    .await;
}

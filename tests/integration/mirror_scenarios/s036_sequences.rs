//! `036_sequences.pl`: sequences, which the stream does not tell of.

use super::on_both;

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

//! `025_rep_changes_for_schema.pl` and `100_bugs.pl`: tables that get other names, and one another's. Rows never go into the table
//! that has the name by chance, and what the hint says lets the mirror go on.

use super::{Mirror, scenario};

const TABLES: &str = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY);
    INSERT INTO a SELECT generate_series(1, 5); INSERT INTO b SELECT generate_series(11, 15); INSERT INTO c SELECT generate_series(21, 25)";

#[tokio::test]
async fn s025_a_table_that_takes_the_place_of_another() {
    scenario("takes_place", TABLES, async |mirror| {
        let before = mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM a").await;
        mirror.source("BEGIN; ALTER TABLE a RENAME TO a_old; ALTER TABLE b RENAME TO a; COMMIT; INSERT INTO a VALUES (100)").await;
        let outcome = mirror.fails(&["mirror_table_differs", "public.a", "it is public.b there"]).await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM a").await, before);
        mirror.destination(&super::s006_schema_changes::statements(&outcome)).await;
        mirror.start().await;
        mirror.same().await;
        // The other one is known again too, and over a restart.
        mirror.source("INSERT INTO a_old VALUES (101); DELETE FROM a WHERE id = 11").await;
        mirror.same().await;
        mirror.stop().await;
        mirror.start().await;
        mirror.source("INSERT INTO a_old VALUES (102); INSERT INTO a VALUES (103)").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s025_tables_that_change_places_and_change_back() {
    let swap =
        "BEGIN; ALTER TABLE a RENAME TO tmp; ALTER TABLE b RENAME TO a; ALTER TABLE tmp RENAME TO b; COMMIT";
    scenario("places", TABLES, async |mirror| {
        mirror.source(&format!("{swap}; INSERT INTO b VALUES (200); INSERT INTO a VALUES (201)")).await;
        mirror.stops_and_is_mended(&["mirror_table_differs", "public.b", "it is public.a there", "RENAME TO"]).await;
        // By the time it is looked at they have changed back.
        mirror.source(&format!("{swap}; INSERT INTO b VALUES (202); {swap}; INSERT INTO a VALUES (203)")).await;
        let outcome = mirror.fails(&["mirror_table_differs", "public.b"]).await;
        mirror.destination(&super::s006_schema_changes::statements(&outcome)).await;
        mirror.running = Some(mirror.begin(&[]));
        mirror.stops_and_is_mended(&["mirror_table_differs", "public.a"]).await;
        // Three in a circle, one of them by TRUNCATE.
        mirror.source("BEGIN; ALTER TABLE a RENAME TO tmp; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b; ALTER TABLE tmp RENAME TO c; COMMIT; TRUNCATE c; INSERT INTO a VALUES (204); INSERT INTO b VALUES (205)").await;
        mirror.stops_and_is_mended(&["mirror_table_differs", "public.c", "it is public.a there"]).await;
    })
    .await;
}

#[tokio::test]
async fn s025_a_name_that_only_the_destination_has_a_table_of() {
    scenario("local_name", TABLES, async |mirror| {
        mirror.destination("CREATE TABLE local (id int PRIMARY KEY); INSERT INTO local VALUES (7)").await;
        mirror.source("ALTER TABLE a RENAME TO local; INSERT INTO local VALUES (300)").await;
        let outcome = mirror.fails(&["mirror_table_differs", "public.local", "no table of the mirror"]).await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',') FROM local").await, "7");
        mirror.destination(&super::s006_schema_changes::statements(&outcome)).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) || ',' || max(id) FROM local").await, "6,300");
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',') FROM local_aside_1").await, "7");
    })
    .await;
}

#[tokio::test]
async fn s025_tables_that_changed_places_are_copied_again_instead() {
    scenario("again", TABLES, async |mirror| {
        mirror.source("BEGIN; ALTER TABLE a RENAME TO tmp; ALTER TABLE b RENAME TO a; ALTER TABLE tmp RENAME TO b; COMMIT; INSERT INTO b VALUES (400)").await;
        mirror.fails(&["mirror_table_differs", "public.b"]).await;
        mirror.resync(&["public.a", "public.b"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.source("INSERT INTO a VALUES (401); INSERT INTO b VALUES (402)").await;
        mirror.same().await;
    })
    .await;
}

impl Mirror {
    /// Waits for the table's rows here.
    pub(super) async fn has_rows(&mut self, table: &str, rows: &str) {
        let session = self.to.session().await;
        let query = format!("SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM {table}");
        crate::support::eventually("rows of a table", async || {
            let found = session.query_text(&query).await;
            if found == rows { Ok(()) } else { Err(found) }
        })
        .await;
    }
}

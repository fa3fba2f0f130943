//! `024_add_drop_pub.pl`, `025_rep_changes_for_schema.pl`, and what `001_rep_changes.pl` does with publications: mirrors of a
//! publication that the owner made, and tables that come into one and leave it.

use serde_json::Value;

use super::{Mirror, on_both, scenario};
use crate::support::{Outcome, eventually};

impl Mirror {
    /// Starts it over publication `p`, and waits until it streams.
    pub(super) async fn follow_p(&mut self) {
        let mut running = self.begin(&["--publication", "p"]);
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        self.running = Some(running);
    }

    /// Waits until a query of the destination answers so.
    pub(super) async fn comes_to(&mut self, query: &str, expected: &str) {
        let session = self.to.session().await;
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually(&format!("{query}: {expected}"), async || {
            assert!(!running.is_over(), "the mirror ended\n{}", running.printed());
            let found = session.query_text(query).await;
            if found == expected { Ok(()) } else { Err(format!("{found}\n{}", super::said(running))) }
        })
        .await;
    }

    /// Waits until a table follows, or until it does no more.
    pub(super) async fn follows(&mut self, table: &str, follows: bool) {
        let query = format!(
            "SELECT count(*) FROM multiboard_sync.member WHERE table_name = '{table}' AND follows AND entry IS NOT NULL"
        );
        self.comes_to(&query, if follows { "1" } else { "0" }).await;
    }

    /// Waits until it has warned so often by this code; what it said, with what each is about, in order.
    pub(super) async fn warned(&self, code: &str, times: usize) -> Vec<String> {
        eventually(&format!("{times} warnings {code}"), async || {
            let mut said = self.warnings(code);
            said.sort();
            if said.len() == times { Ok(said) } else { Err(format!("{said:#?}")) }
        })
        .await
    }

    fn warnings(&self, code: &str) -> Vec<String> {
        let printed = self.running.as_ref().expect("a mirror that runs").printed();
        let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let warnings = lines.filter(|line| line["event"] == "warning" && line["data"]["code"] == code);
        let text = |line: &Value, of: &str| line["data"][of].as_str().unwrap_or_default().to_owned();
        warnings.map(|line| format!("{} {}", text(&line, "object"), text(&line, "message"))).collect()
    }

    /// Compares its two sides; what was left out, by name and reason.
    pub(super) async fn verified(&self) -> Vec<String> {
        let outcome = self.program.run(&["verify", "m", "--json", "--mode", "checksum"]).await;
        let events = Outcome::of(outcome).expect_code(0).events;
        let report = events.iter().find(|line| line["event"] == "job.report").expect("a report");
        let left_out = report["data"]["verification"]["left_out"].as_array().expect("a list");
        let text = |one: &Value, of: &str| one[of].as_str().unwrap_or_default().to_owned();
        left_out.iter().map(|one| format!("{}: {}", text(one, "object"), text(one, "reason"))).collect()
    }
}

const TABLES: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT g, 'a' FROM generate_series(1, 10) AS g;
    CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT g, 'b' FROM generate_series(1, 10) AS g;
    CREATE TABLE points (id int PRIMARY KEY, b int REFERENCES b); INSERT INTO points VALUES (1, 1)";

#[tokio::test]
async fn s024_add_drop_pub_tables_come_into_a_publication_and_leave_it() {
    let schema = format!("{TABLES}; CREATE PUBLICATION p FOR TABLE fence, a, points");
    on_both("pub", &schema, async |mirror| {
        mirror.follow_p().await;
        // Definitions come, rows only of what is published; a key that points to the others' rows cannot be.
        assert_eq!(mirror.here("SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)").await, "10 0");
        assert_eq!(mirror.here("SELECT count(*) FROM pg_constraint WHERE conname = 'points_b_fkey'").await, "0");
        let said = mirror.warned("not_published", 1).await;
        assert!(said[0].contains("1 table is not in publication p"), "{said:?}");
        let left_out = mirror.verified().await;
        assert_eq!(left_out, ["table public.b: the mirror does not follow it"]);

        mirror.source("INSERT INTO b VALUES (11, 'before'); ALTER PUBLICATION p ADD TABLE b; INSERT INTO b VALUES (12, 'after')").await;
        mirror.follows("b", true).await;
        mirror.source("UPDATE b SET v = 'changed' WHERE id < 3; DELETE FROM b WHERE id = 5; UPDATE a SET v = 'changed'").await;
        mirror.same().await;

        mirror.source("UPDATE a SET v = 'last' WHERE id = 1; ALTER PUBLICATION p DROP TABLE a; UPDATE a SET v = 'unseen' WHERE id > 1; INSERT INTO a VALUES (11, 'unseen')").await;
        mirror.follows("a", false).await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(DISTINCT v, ',' ORDER BY v) FROM a").await, "changed,last");
        let said = mirror.warned("mirror_table_left", 1).await;
        assert!(said[0].contains("public.a publication p gives it no more"), "{said:?}");
        assert_eq!(mirror.verified().await, ["table public.a: the mirror does not follow it"]);

        // As a whole another list: what is in it again is copied again.
        mirror.source("ALTER PUBLICATION p SET TABLE fence, a, b; DELETE FROM a WHERE id = 2").await;
        mirror.follows("a", true).await;
        mirror.follows("points", false).await;
        mirror.source("INSERT INTO a VALUES (12, 'again'); INSERT INTO b VALUES (13, 'still')").await;
        mirror.same().await;
        assert_eq!(mirror.verified().await, ["table public.points: the mirror does not follow it"]);
    })
    .await;
}

#[tokio::test]
async fn s024_add_drop_pub_a_table_that_was_out_of_it_for_a_while() {
    let schema = format!("{TABLES}; CREATE PUBLICATION p FOR TABLE fence, a, b, points");
    on_both("pubout", &schema, async |mirror| {
        mirror.follow_p().await;
        mirror.caught_up().await;
        mirror.stop().await;
        // Whoever takes up the stream by itself would miss the row that the last one changes.
        mirror
            .source(
                "ALTER PUBLICATION p DROP TABLE a; INSERT INTO a VALUES (11, 'unseen'); ALTER PUBLICATION p ADD TABLE a;
                 UPDATE a SET v = 'seen' WHERE id = 11; UPDATE b SET v = 'seen'",
            )
            .await;
        // Its publication is on record: nobody has to name it again.
        mirror.start().await;
        mirror.follows("a", true).await;
        mirror.same().await;
        assert_eq!(mirror.verified().await, [] as [&str; 0]);
        // While it runs the next look finds it.
        mirror.source("ALTER PUBLICATION p DROP TABLE a; DELETE FROM a WHERE id < 5; ALTER PUBLICATION p ADD TABLE a").await;
        mirror.comes_to("SELECT count(*) FROM a", "7").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s024_add_drop_pub_a_table_that_is_taken_out_of_our_publication_stays_out() {
    scenario("pubours", TABLES, async |mirror| {
        mirror.caught_up().await;
        let ours = mirror.from.query_text("SELECT pubname FROM pg_publication").await;
        mirror
            .source(&format!(
                "UPDATE a SET v = 'last'; ALTER PUBLICATION {ours} DROP TABLE a; UPDATE a SET v = 'unseen'"
            ))
            .await;
        mirror.follows("a", false).await;
        mirror.warned("mirror_table_left", 1).await;
        mirror.stop().await;
        mirror.start().await;
        // The look that finds the new table would have taken the other one in.
        mirror.destination("CREATE TABLE c (id int PRIMARY KEY)").await;
        mirror.source("CREATE TABLE c (id int PRIMARY KEY)").await;
        mirror.follows("c", true).await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(DISTINCT v, ',') FROM a").await, "last");
        assert_eq!(mirror.verified().await, ["table public.a: the mirror does not follow it"]);
        mirror.source(&format!("ALTER PUBLICATION {ours} ADD TABLE a")).await;
        mirror.follows("a", true).await;
        mirror.source("UPDATE a SET v = 'seen' WHERE id = 1; DROP TABLE c").await;
        mirror.follows("c", false).await;
        mirror.warned("mirror_table_gone", 1).await;
        mirror.destination("DROP TABLE c").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s024_a_publication_that_is_the_owner_s_stays_as_it_is() {
    let describe = "SELECT concat_ws(' ', p.oid, p.pubname, p.puballtables, p.pubinsert, p.pubtruncate, (SELECT string_agg(r::text, ',' ORDER BY r.oid) FROM pg_publication_rel r)) FROM pg_publication p";
    on_both("pubstays", TABLES, async |mirror| {
        // Before it is there nothing is made.
        let outcome = Outcome::of(mirror.begin(&["--publication", "p"]).finish().await).expect_code(3);
        outcome.expect_error(&["no publication p", "CREATE PUBLICATION"]);
        assert_eq!(mirror.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
        let bad = "CREATE FUNCTION fine(int) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE TABLE bad (id int PRIMARY KEY, v int CHECK (fine(v)));
            INSERT INTO bad VALUES (1, 1); CREATE OR REPLACE FUNCTION fine(int) RETURNS bool LANGUAGE sql AS 'SELECT false'";
        mirror.source(&format!("{bad}; CREATE PUBLICATION p FOR TABLE fence, a, bad WITH (publish = 'insert, update')")).await;
        let before = mirror.from.query_text(describe).await;
        // A first copy that fails.
        mirror.to.announce("violates check constraint");
        mirror.to.announce("is violated by some row");
        Outcome::of(mirror.begin(&["--publication", "p"]).finish().await).expect_code(1).expect_error(&["bad_v_check"]);
        assert_eq!(mirror.from.query_text(describe).await, before);
        assert_eq!(mirror.from.query_text("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").await, "0");
        mirror.source("DELETE FROM bad").await;
        mirror.follow_p().await;
        mirror.caught_up().await;
        let shown = mirror.program.run(&["mirror", "status", "m", "--json"]).await.expect_code(0).stdout.clone();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["publication"], &shown["own_publication"]), (&"p".into(), &false.into()));
        mirror.stop().await;
        let other = Outcome::of(mirror.begin(&["--publication", "q"]).finish().await).expect_code(2);
        other.expect_error(&["mirror_is_another", "follows publication", "without --publication"]);
        mirror.program.run(&["mirror", "drop", "m"]).await.expect_code(0);
        assert_eq!(mirror.from.query_text(describe).await, before);
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_a_publication_of_inserts_and_a_change_of_what_it_publishes() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'old' FROM generate_series(1, 10) AS g;
        CREATE TABLE no_key (a int); INSERT INTO no_key VALUES (1), (1);
        CREATE PUBLICATION p FOR TABLE fence, t, no_key WITH (publish = 'insert')";
    on_both("pubinsert", schema, async |mirror| {
        mirror.follow_p().await;
        let said = mirror.warned("mirrored_in_part", 1).await;
        assert!(said[0].contains("publication p gives no update, no delete and no truncate out"), "{said:?}");
        let rows = "SELECT string_agg(id || v, ',' ORDER BY id) FROM t WHERE id < 3 OR id > 9";
        mirror.source("UPDATE t SET v = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (11, 'new'); INSERT INTO no_key VALUES (1); TRUNCATE no_key; INSERT INTO no_key VALUES (2)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here(rows).await, "1old,2old,10old,11new");
        assert_eq!(mirror.here("SELECT string_agg(a::text, '' ORDER BY a) FROM no_key").await, "1112");
        let left_out = mirror.verified().await;
        assert_eq!(left_out.len(), 3, "{left_out:?}");
        assert!(left_out[1].contains("gives no update and no delete out"), "{left_out:?}");
        mirror.source("ALTER PUBLICATION p SET (publish = 'insert, delete')").await;
        mirror.source("DELETE FROM t WHERE id = 10; UPDATE t SET v = 'new' WHERE id = 9; DELETE FROM t WHERE id = 1").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here(rows).await, "2old,11new");
        mirror.source("ALTER PUBLICATION p DROP TABLE no_key; ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate')").await;
        mirror.source("UPDATE t SET v = 'all'").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(DISTINCT v, ',' ORDER BY v) FROM t").await, "all,old");
        mirror.source("TRUNCATE t; INSERT INTO t VALUES (1, 'first')").await;
        mirror.caught_up().await;
        mirror.follows("no_key", false).await;
        assert_eq!(mirror.verified().await, ["table public.no_key: the mirror does not follow it"]);
    })
    .await;
}

#[tokio::test]
async fn s025_rep_changes_for_schema_a_publication_of_schemas() {
    let schema = "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.t (id int PRIMARY KEY, v text); INSERT INTO one.t VALUES (1, 'copied');
        CREATE TABLE two.u (id int PRIMARY KEY); INSERT INTO two.u VALUES (1);
        CREATE TABLE one.parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE two.low PARTITION OF one.parted FOR VALUES FROM (0) TO (10);
        CREATE TABLE one.high PARTITION OF one.parted FOR VALUES FROM (10) TO (20); INSERT INTO one.parted VALUES (1), (11);
        CREATE PUBLICATION p FOR TABLE fence, TABLES IN SCHEMA one";
    on_both("pubschema", schema, async |mirror| {
        mirror.follow_p().await;
        assert_eq!(mirror.here("SELECT (SELECT v FROM one.t) || (SELECT count(*) FROM two.u) || (SELECT string_agg(id::text, ',' ORDER BY id) FROM one.parted)").await, "copied01,11");
        mirror.source("INSERT INTO one.t VALUES (2, 'sent'); INSERT INTO two.u VALUES (2); INSERT INTO one.parted VALUES (2), (12)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT (SELECT count(*) FROM one.t) || ' ' || (SELECT count(*) FROM two.u) || ' ' || (SELECT count(*) FROM one.parted)").await, "2 0 4");
        // One that is made there.
        let table = "CREATE TABLE one.later (id int PRIMARY KEY)";
        mirror.destination(table).await;
        mirror.source(&format!("{table}; INSERT INTO one.later VALUES (1)")).await;
        mirror.follows("later", true).await;
        mirror.comes_to("SELECT count(*) FROM one.later", "1").await;
        // One that moves in, and is here under its new name.
        mirror.destination("ALTER TABLE two.u SET SCHEMA one").await;
        mirror.source("ALTER TABLE two.u SET SCHEMA one; INSERT INTO one.u VALUES (3)").await;
        mirror.follows("u", true).await;
        mirror.comes_to("SELECT count(*) FROM one.u", "3").await;
        // One that moves out.
        mirror.source("INSERT INTO one.t VALUES (3, 'last'); ALTER TABLE one.t SET SCHEMA two; INSERT INTO two.t VALUES (4, 'unseen')").await;
        mirror.follows("t", false).await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(v, ',' ORDER BY id) FROM one.t").await, "copied,sent,last");
        mirror.source("DROP TABLE one.later; ALTER PUBLICATION p DROP TABLES IN SCHEMA one; INSERT INTO one.u VALUES (4)").await;
        mirror.follows("u", false).await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) FROM one.u").await, "3");
    })
    .await;
}

//! `024_add_drop_pub.pl`, tables that are taken out of a publication while they wait to be copied again.

use super::s004_joins::alone;
use super::{Mirror, on_both, scenario};

const TABLES: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT g, 'a' FROM generate_series(1, 10) AS g";

impl Mirror {
    /// Has `a` copied again, and runs `change` on the source while the copy waits for a transaction there.
    async fn changed_while_it_waits(&mut self, change: &str) {
        let _alone = alone(self).await;
        let session = self.from.session().await;
        session.execute_all("BEGIN; SELECT pg_current_xact_id()").await;
        self.resync(&["public.a"]).await;
        self.slot_waits_for(&session).await;
        self.source(change).await;
        session.execute_all("COMMIT").await;
    }
}

#[tokio::test]
async fn s024_add_drop_pub_a_table_that_leaves_it_while_it_waits_is_copied_when_it_is_back() {
    let schema = format!("{TABLES}; CREATE PUBLICATION p FOR TABLE fence, a");
    on_both("pubaside", &schema, async |mirror| {
        mirror.follow_p().await;
        let leaves = "ALTER PUBLICATION p DROP TABLE a; INSERT INTO a VALUES (11, 'unseen')";
        mirror.changed_while_it_waits(leaves).await;
        mirror.warns("mirror_table_left", "publication p gives it no more").await;
        mirror.source("ALTER PUBLICATION p ADD TABLE a; INSERT INTO a VALUES (12, 'seen')").await;
        mirror.follows("a", true).await;
        mirror.source("UPDATE a SET v = 'changed'").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s024_add_drop_pub_what_is_taken_out_of_our_publication_while_it_waits_stays_out() {
    scenario("ouraside", TABLES, async |mirror| {
        let ours = mirror.from.query_text("SELECT pubname FROM pg_publication").await;
        mirror.changed_while_it_waits(&format!("ALTER PUBLICATION {ours} DROP TABLE a")).await;
        mirror.warns("mirror_table_left", "gives it no more").await;
        // A table that comes is seen by the next look for them.
        for statement in ["CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (11, 'unseen')"] {
            mirror.source(statement).await;
        }
        mirror.destination("CREATE TABLE b (id int PRIMARY KEY)").await;
        mirror.follows("b", true).await;
        let published = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables";
        assert_eq!(mirror.from.query_text(published).await, "b fence");
        mirror
            .source(&format!("ALTER PUBLICATION {ours} ADD TABLE a; INSERT INTO a VALUES (12, 'seen')"))
            .await;
        mirror.follows("a", true).await;
        mirror.same().await;
    })
    .await;
}

/// It was let go from the turn in which it was to come, and stands aside anew when that is tried again.
#[tokio::test]
async fn s024_a_table_that_is_made_here_while_the_copy_of_another_waits_comes_in_whole() {
    let tables = "CREATE TABLE first (id int PRIMARY KEY); INSERT INTO first VALUES (1); CREATE PUBLICATION p FOR ALL TABLES";
    on_both("made_meanwhile", tables, async |mirror| {
        mirror.to.announce("canceling statement due to lock timeout");
        mirror.follow_p().await;
        mirror.source("CREATE TABLE third (id int PRIMARY KEY); INSERT INTO third VALUES (1)").await;
        mirror.comes_to("SELECT count(*) FROM multiboard_sync.member WHERE table_name = 'third'", "1").await;
        let (owner, here) = (mirror.to.session().await, mirror.to.session().await);
        owner.execute_all("BEGIN; LOCK TABLE first").await;
        mirror.resync(&["public.first"]).await;
        mirror.warns("mirror_copies_later", "public.first").await;
        let waits = "CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN NULL; END';
            CREATE TRIGGER waits BEFORE INSERT ON first FOR EACH STATEMENT EXECUTE FUNCTION public.waits();
            ALTER TABLE first ENABLE ALWAYS TRIGGER waits";
        owner.execute_all(&format!("CREATE TABLE third (id int PRIMARY KEY); {waits}")).await;
        here.execute_all("SELECT pg_advisory_lock(42)").await;
        owner.execute_all("COMMIT").await;
        mirror.eventually_waits(&here, "locktype = 'advisory' AND objid = 42").await;
        mirror.source("INSERT INTO third SELECT generate_series(2, 100)").await;
        mirror.caught_up().await;
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        mirror.follows("first", true).await;
        mirror.follows("third", true).await;
        mirror.source("INSERT INTO third VALUES (101)").await;
        mirror.same().await;
    })
    .await;
}

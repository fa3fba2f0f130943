//! `004_sync.pl`, copies whose tables somebody reads on the destination: what they wait for is shown, and nobody else waits.

use super::{Mirror, scenario};
use crate::support::eventually;

const TABLES: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g";

impl Mirror {
    /// Waits until `mirror status` shows that these tables stand aside, and that they wait for something of these words.
    async fn shows(&self, aside: &[&str], waits: &str) {
        eventually(&format!("{aside:?} aside, waiting for {waits:?}"), async || {
            let output = self.program.run(&["mirror", "status", "m", "--json"]).await;
            let status: serde_json::Value = serde_json::from_str(&output.expect_code(0).stdout).unwrap();
            let said = status["waits"].as_str().unwrap_or_default();
            let is_so = status["aside"] == serde_json::json!(aside) && said.contains(waits);
            if is_so { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }
}

#[tokio::test]
async fn s004_who_reads_a_table_that_is_to_be_copied_keeps_nobody_else_waiting() {
    scenario("locked", TABLES, async |mirror| {
        mirror.to.announce("canceling statement due to lock timeout");
        let (reads, look) = (mirror.to.session().await, mirror.to.session().await);
        reads.execute_all("BEGIN; SELECT count(*) FROM t").await;
        let pid = reads.query_text("SELECT pg_backend_pid()").await;
        mirror.resync(&["public.t"]).await;
        mirror.shows(&["public.t"], &format!("process {pid}, of")).await;
        let page = mirror.program.run(&["mirror", "status", "m"]).await;
        assert!(page.stdout.contains("public.t"), "{}", page.stdout);
        // Whoever comes behind the copy waits for its turn, and not for the first one.
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass \
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        eventually("copy that waits", async || match look.query_text(waits).await.as_str() {
            "1" => Ok(()),
            count => Err(count.to_owned()),
        })
        .await;
        look.execute_all("SET lock_timeout = '5s'; SELECT count(*) FROM t").await;
        // What is written meanwhile comes too.
        mirror.source("UPDATE t SET v = v + 1; INSERT INTO t VALUES (2000, 1)").await;
        mirror.caught_up().await;
        reads.execute_all("COMMIT").await;
        mirror.all_follow().await;
        mirror.shows(&[], "").await;
        mirror.same().await;
    })
    .await;
}

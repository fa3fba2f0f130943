//! `026_stats.pl`: what a mirror has done and what went wrong is counted, over errors and restarts, until it is dropped.

use serde_json::{Value, json};

use super::{Mirror, on_both, said};
use crate::support::binary::Running;
use crate::support::{Outcome, eventually};

impl Mirror {
    /// As `mirror status --json` shows it.
    async fn status(&self) -> Value {
        let shown = self.program.run(&["mirror", "status", "m", "--json"]).await;
        serde_json::from_str(&shown.expect_code(0).stdout).unwrap()
    }

    /// Waits until it streams and has counted so many rows; how it stands then.
    async fn counted(&self, rows: u64) -> Value {
        let running = self.running.as_ref().expect("a mirror that runs");
        eventually("rows that are counted", async || {
            let status = self.status().await;
            let counted = status["counters"]["rows"] == rows && status["phase"] == "streaming";
            if counted { Ok(status) } else { Err(format!("{status}\n{}", said(running))) }
        })
        .await
    }

    async fn asked(&self, word: &str) {
        self.program.run(&["mirror", word, "m"]).await.expect_code(0);
    }

    async fn streams(&mut self, mut running: Running) {
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        self.running = Some(running);
    }
}

#[tokio::test]
async fn s026_stats_count_on_over_errors_and_restarts() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 10) AS g";
    on_both("stats", tables, async |mirror| {
        let none = json!({"insert_exists": 0, "update_exists": 0, "update_missing": 0, "delete_missing": 0});
        let some = json!({"insert_exists": 1, "update_exists": 0, "update_missing": 2, "delete_missing": 1});
        let running = mirror.begin(&["--on-conflict", "skip"]);
        mirror.streams(running).await;
        mirror.to.announce("duplicate key value violates unique constraint");
        mirror.to.announce("current transaction is aborted");
        mirror.source("INSERT INTO t SELECT g, 'v' FROM generate_series(11, 15) AS g").await;
        mirror.source("UPDATE t SET v = 'w' WHERE id < 5").await;
        mirror.source("DELETE FROM t WHERE id = 5").await;
        let status = mirror.counted(10).await;
        let counters = json!({"transactions": 3, "rows": 10, "conflicts": none, "reconnects": 0, "errors": 0});
        assert_eq!(status["counters"], counters, "{status}");
        assert_eq!((&status["status"], &status["error"]), (&json!("running"), &Value::Null), "{status}");
        assert!(status["lag"]["bytes"].is_u64() && status["wal"]["retained_bytes"].is_u64(), "{status}");

        // Conflicts by their kind, and a connection that breaks.
        mirror.destination("INSERT INTO t VALUES (20, 'here'); DELETE FROM t WHERE id IN (1, 2, 3)").await;
        mirror.source("INSERT INTO t VALUES (20, 'there')").await;
        mirror.source("UPDATE t SET v = 'x' WHERE id IN (1, 2)").await;
        mirror.source("DELETE FROM t WHERE id = 3").await;
        let status = mirror.counted(14).await;
        let counters = json!({"transactions": 6, "rows": 14, "conflicts": some, "reconnects": 0, "errors": 0});
        assert_eq!(status["counters"], counters, "{status}");
        for text in ["terminating connection", "connection to client lost"] {
            mirror.from.announce(text);
        }
        mirror.source("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()").await;
        mirror.source("INSERT INTO t VALUES (21, 'v')").await;
        let status = mirror.counted(15).await;
        assert_eq!(status["counters"]["reconnects"], 1, "{status}");

        // An error; what was applied in the moment before it is counted, and what was not is not. They come together.
        mirror.asked("pause").await;
        mirror.source("INSERT INTO t VALUES (22, 'v')").await;
        mirror.source("ALTER TABLE t ADD n int").await;
        mirror.source("UPDATE t SET n = 1 WHERE id = 11").await;
        mirror.asked("resume").await;
        let outcome = Outcome::of(mirror.running().finish().await).expect_code(1);
        let status = mirror.status().await;
        assert_eq!((&status["phase"], &status["status"]), (&json!("error"), &json!("failed")), "{status}");
        let error = outcome.error();
        assert_eq!(error["code"], "mirror_table_differs", "{}", outcome.text());
        assert_eq!(status["error"], *error, "{status}");
        let counters = json!({"transactions": 8, "rows": 16, "conflicts": some, "reconnects": 1, "errors": 1});
        assert_eq!(status["counters"], counters, "{status}");
        let page = mirror.program.run(&["mirror", "status", "m"]).await.expect_code(0).stdout.clone();
        let message = error["message"].as_str().unwrap();
        for part in [message, "ALTER TABLE", "8 transactions, 16 rows, 4 conflicts (insert_exists 1, update_missing 2, delete_missing 1); 1 reconnects, 1 errors"] {
            assert!(page.contains(part), "{part} in {page}");
        }

        // Again the same, counted again; mended, it goes on, and so do the counts.
        let resume = ["mirror", "resume", "m", "--json"];
        mirror.program.run(&resume).await.expect_code(1);
        let status = mirror.status().await;
        assert_eq!((&status["error"], &status["counters"]["errors"]), (error, &json!(2)), "{status}");
        mirror.destination("ALTER TABLE t ADD n int").await;
        let running = mirror.program.start(&resume);
        mirror.streams(running).await;
        let status = mirror.counted(17).await;
        let counters = json!({"transactions": 9, "rows": 17, "conflicts": some, "reconnects": 1, "errors": 2});
        assert_eq!(status["counters"], counters, "{status}");
        assert_eq!((&status["status"], &status["error"]), (&json!("running"), &Value::Null), "{status}");
        mirror.stop().await;
        let counted = mirror.status().await["counters"].clone();
        assert_eq!(counted, counters);

        // A new one of the name has done nothing yet.
        mirror.program.run(&["mirror", "drop", "m"]).await.expect_code(0);
        mirror.program.run(&["mirror", "status", "m"]).await.expect_code(2);
        let running = mirror.begin(&["--confirm", mirror.to.name()]);
        mirror.streams(running).await;
        let counters = json!({"transactions": 0, "rows": 0, "conflicts": none, "reconnects": 0, "errors": 0});
        assert_eq!(mirror.status().await["counters"], counters);
        mirror.same().await;
    })
    .await;
}

/// What was decided about a transaction that is not here in the end was not done.
#[tokio::test]
async fn s026_stats_of_what_was_rolled_back_are_not_counted() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 5) AS g";
    on_both("stats_back", tables, async |mirror| {
        let running = mirror.begin(&["--on-conflict", "skip"]);
        mirror.streams(running).await;
        mirror.to.announce("violates check constraint");
        mirror.to.announce("current transaction is aborted");
        mirror
            .destination("DELETE FROM t WHERE id = 1; ALTER TABLE t ADD CONSTRAINT good CHECK (v <> 'bad')")
            .await;
        mirror.asked("pause").await;
        mirror.source("UPDATE t SET v = 'w' WHERE id = 1").await;
        mirror
            .source("BEGIN; UPDATE t SET v = 'x' WHERE id < 5; UPDATE t SET v = 'bad' WHERE id = 5; COMMIT")
            .await;
        mirror.asked("resume").await;
        let outcome = Outcome::of(mirror.running().finish().await).expect_code(1);
        outcome.expect_error(&["mirror_conflict", "id = 5", "good"]);
        let missing = |status: &Value| status["counters"]["conflicts"]["update_missing"].as_u64();
        for errors in [1, 2] {
            let status = mirror.status().await;
            let counters = &status["counters"];
            assert_eq!((missing(&status), &counters["rows"]), (Some(1), &json!(1)), "{status}");
            assert_eq!(counters["errors"], errors, "{status}");
            if errors == 1 {
                mirror.program.run(&["mirror", "resume", "m"]).await.expect_code(1);
            }
        }
        mirror.destination("ALTER TABLE t DROP CONSTRAINT good").await;
        let running = mirror.program.start(&["mirror", "resume", "m", "--json"]);
        mirror.streams(running).await;
        let status = mirror.counted(6).await;
        assert_eq!(missing(&status), Some(2), "{status}");
        assert_eq!(mirror.here("SELECT string_agg(v, ',' ORDER BY id) FROM t").await, "x,x,x,bad");
    })
    .await;
}

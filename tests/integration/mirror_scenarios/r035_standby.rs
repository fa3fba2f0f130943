//! `035_standby_logical_decoding.pl`: a standby as the source. Before 16, or without a publication from its primary, nothing is
//! begun there; else the mirror follows it, for as long as the primary keeps what that needs.

use crate::support::binary::Running;
use crate::support::mirroring::{Pair, stop, streams};
use crate::support::{Outcome, Server, Session, Settings, eventually};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'copied' FROM generate_series(1, 100) g;
    CREATE SEQUENCE s; SELECT setval('s', 7); CREATE PUBLICATION p FOR TABLE t";

const SLOTS: &str = "SELECT count(*) FROM pg_replication_slots";

/// A primary with a standby; the mirror is of the standby.
struct Standby {
    pair: Pair,
    server: Server,
}

impl Standby {
    async fn prepare(major: u16, feedback: &str) -> Option<Self> {
        // It does not log by itself what runs on it: the test says when.
        let settings = Settings::new().set("checkpoint_timeout", "1h").set("autovacuum", "off");
        let primary: &'static Server = Box::leak(Box::new(Server::with(major, settings)?));
        let pair = Pair::prepare_on(primary, "standby", TABLE).await?;
        let follows = Settings::new().standby_of(primary).set("hot_standby_feedback", feedback);
        let server = Server::with(major, follows)?;
        let standby = Self { pair, server };
        standby.caught_up().await;
        Some(standby)
    }

    fn url(&self) -> String {
        self.server.url(self.pair.from.name())
    }

    async fn session(&self) -> Session {
        Session::open(&self.url()).await
    }

    fn start(&self, more: &[&str]) -> Running {
        self.pair.start_between(&self.url(), &self.pair.to.url(), more)
    }

    async fn caught_up(&self) {
        let written = self.pair.from.query_text("SELECT pg_current_wal_flush_lsn()").await;
        eventually("standby at its primary's position", async || {
            let look = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
            match self.server.query_text(&look).await.as_str() {
                "t" => Ok(()),
                other => Err(other.to_owned()),
            }
        })
        .await;
    }

    /// Has the mirror cloned and following; meanwhile the standby hears nothing from its primary until the mirror has said
    /// that it waits for that.
    async fn streaming(&self) -> Running {
        let session = self.session().await;
        session.execute_all("SELECT pg_wal_replay_pause()").await;
        let mut running = self.start(&["--publication", "p"]);
        let waits = |line: &serde_json::Value| line["data"]["code"] == "waits_for_primary";
        let warning = running.event("that it waits for the primary", waits).await;
        let message = warning["data"]["message"].as_str().unwrap();
        assert!(message.contains("SELECT pg_log_standby_snapshot()"), "{message}");
        session.execute_all("SELECT pg_wal_replay_resume()").await;
        // A transaction that ran at that moment, and has ended since, asks for another word.
        eventually("slot that begins", async || {
            self.pair.from.execute("SELECT pg_log_standby_snapshot()").await;
            let begun = "SELECT count(confirmed_flush_lsn) || ' of ' || count(*) FROM pg_replication_slots";
            match session.query_text(begun).await.as_str() {
                "1 of 1" => Ok(()),
                other => Err(format!("{} of {}", other, self.server.major())),
            }
        })
        .await;
        streams(&mut running).await;
        running
    }

    /// The mirror is gone from everywhere, and the publication is its owner's.
    async fn end(self) {
        self.pair.ask("drop").await;
        assert_eq!(self.server.query_text(SLOTS).await, "0");
        assert_eq!(
            self.pair.from.query_text("SELECT string_agg(pubname, ',') FROM pg_publication").await,
            "p"
        );
    }
}

/// Fails before anything is made, on either side.
async fn is_refused(standby: &Standby, more: &[&str], words: &[&str]) {
    let outcome = Outcome::of(standby.start(more).finish().await).expect_code(3);
    outcome.expect_error(words);
    assert_eq!(standby.server.query_text(SLOTS).await, "0");
    let publications = "SELECT string_agg(pubname, ',') FROM pg_publication";
    assert_eq!(standby.pair.from.query_text(publications).await, "p");
    assert!(standby.pair.to.related_databases().await.is_empty());
    let list = standby.pair.program.run(&["mirror", "list"]).await;
    assert_eq!(list.expect_code(0).stdout, "no mirrors yet\n");
}

#[tokio::test]
async fn r035_standby_logical_decoding_is_not_begun_where_it_cannot_be() {
    let on = async |major| {
        let Some(standby) = Standby::prepare(major, "on").await else { return };
        let words: [&[&str]; 2] = match major {
            15 => [&["standby_cannot_decode", "begins with 16", "mirror from its primary"]; 2],
            _ => [
                &["standby_cannot_publish", "CREATE PUBLICATION", "--publication"],
                &["no_publication", "none_of_this"],
            ],
        };
        is_refused(&standby, &[], words[0]).await;
        is_refused(&standby, &["--publication", "none_of_this"], words[1]).await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r035_standby_logical_decoding_follows_what_the_primary_writes() {
    let on = async |major| {
        let Some(standby) = Standby::prepare(major, "on").await else { return };
        let running = standby.streaming().await;
        let primary = &standby.pair.from;
        primary.execute("INSERT INTO t VALUES (101, 'sent'); UPDATE t SET v = 'changed' WHERE id < 10; DELETE FROM t WHERE id = 50").await;
        standby.pair.same(&running).await;
        primary.execute("BEGIN; INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1000, 6000) g; COMMIT; SELECT setval('s', 70)").await;
        standby.pair.same(&running).await;
        // Stopped and started it goes on, without a word from the primary.
        let outcome = stop(running).await.expect_code(0);
        assert!(outcome.warnings("standby_keeps_no_rows").is_empty());
        primary.execute("INSERT INTO t VALUES (7000, 'meanwhile')").await;
        standby.caught_up().await;
        let mut running = standby.start(&[]);
        streams(&mut running).await;
        standby.pair.same(&running).await;
        stop(running).await.expect_code(0);
        assert_eq!(standby.pair.to.query_text("SELECT last_value FROM s").await, "70");
        standby.end().await;
    };
    tokio::join!(on(16), on(18));
}

/// The standby removes with its primary what the slot needs, and the slot with it.
#[tokio::test]
async fn r035_standby_logical_decoding_without_feedback() {
    let on = async |major| {
        let Some(standby) = Standby::prepare(major, "off").await else { return };
        let outcome = stop(standby.streaming().await).await.expect_code(0);
        assert_eq!(outcome.warnings("standby_keeps_no_rows").len(), 1, "{}", outcome.text());
        let session = standby.session().await;
        let primary = standby.pair.from.session().await;
        let lost = "SELECT concat_ws(' ', wal_status, to_jsonb(s) ->> 'invalidation_reason') FROM pg_replication_slots s";
        eventually("slot that is given up", async || {
            for statement in
                ["CREATE TABLE gone (a int)", "DROP TABLE gone", "VACUUM pg_class", "VACUUM pg_attribute"]
            {
                primary.execute_all(statement).await;
            }
            let stands = session.query_text(lost).await;
            if stands.starts_with("lost") { Ok(()) } else { Err(stands) }
        })
        .await;
        let word = if major == 16 { "conflicting" } else { "rows_removed" };
        let status = standby.pair.status().await;
        assert_eq!(
            (&status["phase"], &status["wal"]["reason"]),
            (&"resync_required".into(), &word.into()),
            "{status}"
        );
        let outcome = Outcome::of(standby.start(&[]).finish().await).expect_code(4);
        outcome.expect_error(&[
            "resync_required",
            "primary removed rows of catalogs",
            "hot_standby_feedback = on",
        ]);
        standby.end().await;
    };
    tokio::join!(on(16), on(18));
}

/// The primary stops logging what decoding needs.
#[tokio::test]
async fn r035_standby_logical_decoding_ends_with_the_primary_s_wal_level() {
    let Some(standby) = Standby::prepare(18, "on").await else { return };
    let standby = Standby { pair: standby.pair.breaking(), ..standby };
    for text in ["terminating", "shutting down", "replication slot"] {
        standby.pair.from.announce(text);
    }
    let running = standby.streaming().await;
    standby.pair.from.server().execute("ALTER SYSTEM SET wal_level = replica").await;
    standby.pair.from.server().restart("fast");
    let outcome = Outcome::of(running.finish().await).expect_code(4);
    outcome.expect_error(&["resync_required", "primary's wal_level", "has to stay logical"]);
    standby.end().await;
}

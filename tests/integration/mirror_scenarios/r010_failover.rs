//! `010_logical_decoding_timelines.pl` and `040_standby_failover_slots_sync.pl`: behind the source's address there is another
//! server by now, its promoted standby or a stranger. A slot does not go there with the rows: the mirror says that it needs a
//! new copy, and leaves what is there alone.

use crate::support::binary::Output;
use crate::support::mirroring::{Pair, stop, streams};
use crate::support::{FaultProxy, Outcome, Server, Session, Settings, eventually};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)";

/// A mirror whose source is reached by an address that can lead elsewhere.
struct Moving {
    pair: Pair,
    address: FaultProxy,
}

impl Moving {
    async fn prepare(major: u16) -> Option<Self> {
        let primary: &'static Server = Box::leak(Box::new(Server::with(major, Settings::new())?));
        let pair = Pair::prepare_on(primary, "moving", TABLE).await?.breaking();
        for text in ["replication slot", "the database system is shutting down"] {
            pair.from.announce(text);
        }
        let address = FaultProxy::start(primary);
        Some(Self { pair, address })
    }

    fn primary(&self) -> &'static Server {
        self.pair.from.server()
    }

    fn start(&self, more: &[&str]) -> crate::support::binary::Running {
        self.pair.start_between(&self.address.url(self.pair.from.name()), &self.pair.to.url(), more)
    }

    /// Started, following, and with a row of its own.
    async fn streaming(&self) -> crate::support::binary::Running {
        let mut running = self.start(&[]);
        streams(&mut running).await;
        self.pair.from.execute("INSERT INTO t VALUES (2)").await;
        self.pair.same(&running).await;
        running
    }

    /// A standby that has all that the primary has.
    async fn standby(&self) -> Option<Server> {
        let standby = Server::with(self.primary().major(), Settings::new().standby_of(self.primary()))?;
        caught_up(self.primary(), &standby).await;
        Some(standby)
    }

    /// The primary is gone for good, and the standby is what the address leads to.
    async fn fails_over_to(&self, standby: &Server) -> Session {
        caught_up(self.primary(), standby).await;
        self.primary().stop("fast");
        assert_eq!(standby.query_text("SELECT pg_promote()").await, "t");
        self.address.lead_to(standby.address());
        self.address.cut_all();
        Session::open(&standby.url(self.pair.from.name())).await
    }

    /// The name of its slot and publication.
    async fn slot(&self) -> String {
        self.pair.status().await["slot"].as_str().unwrap().to_owned()
    }

    /// What was made is dropped where the address leads to, and a new copy from there follows.
    async fn is_made_anew(&self, there: &Session) {
        self.pair.ask("drop").await;
        let left = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) + (SELECT count(*) FROM pg_publication)";
        assert_eq!(there.query_text(left).await, "0");
        let mut running = self.start(&["--confirm", self.pair.to.name()]);
        streams(&mut running).await;
        there.execute_all("INSERT INTO t VALUES (3)").await;
        eventually("row of the new source", async || {
            let rows = self.pair.to.query_text("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await;
            if rows == "1,2,3" { Ok(()) } else { Err(rows) }
        })
        .await;
        stop(running).await.expect_code(0);
        self.pair.ask("drop").await;
        assert_eq!(there.query_text(left).await, "0");
    }

    /// The first source is here again, and goes as tests leave it.
    async fn end(self) {
        self.primary().start();
        let slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()";
        self.pair.from.execute(slots).await;
    }
}

async fn caught_up(primary: &Server, standby: &Server) {
    let written = primary.query_text("SELECT pg_current_wal_flush_lsn()").await;
    eventually("standby at its primary's position", async || {
        let look = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        match standby.query_text(&look).await.as_str() {
            "t" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}

fn ends(output: Output, words: &[&str]) {
    let outcome = Outcome::of(output).expect_code(4);
    outcome.expect_error(&["resync_required", "drop the mirror and set it up again"]);
    outcome.expect_error(words);
}

const TIMELINE: &str = "the source's timeline is 2, and was 1";

#[tokio::test]
async fn r010_logical_decoding_timelines_a_mirror_that_was_away() {
    let on = async |major| {
        let Some(moving) = Moving::prepare(major).await else { return };
        let running = moving.streaming().await;
        let Some(standby) = moving.standby().await else { return };
        stop(running).await.expect_code(0);
        let there = moving.fails_over_to(&standby).await;
        ends(moving.start(&[]).finish().await, &[TIMELINE]);
        assert_eq!(there.query_text("SELECT count(*) FROM pg_replication_slots").await, "0");
        assert_eq!(moving.pair.status().await["phase"], "resync_required");
        // Nor the next time.
        ends(moving.start(&[]).finish().await, &[TIMELINE]);
        moving.is_made_anew(&there).await;
        moving.end().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r040_standby_failover_under_a_mirror_that_runs() {
    let on = async |major| {
        let Some(moving) = Moving::prepare(major).await else { return };
        let running = moving.streaming().await;
        let Some(standby) = moving.standby().await else { return };
        let there = moving.fails_over_to(&standby).await;
        ends(running.finish().await, &[TIMELINE]);
        assert_eq!(there.query_text("SELECT count(*) FROM pg_replication_slots").await, "0");
        moving.is_made_anew(&there).await;
        moving.end().await;
    };
    tokio::join!(on(15), on(18));
}

/// Whatever makes a slot of its name there (an operator, or from 17 on a synchronisation), it is another one.
#[tokio::test]
async fn r040_standby_failover_to_where_a_slot_of_its_name_is() {
    let on = async |major| {
        let Some(moving) = Moving::prepare(major).await else { return };
        let running = moving.streaming().await;
        let Some(standby) = moving.standby().await else { return };
        stop(running).await.expect_code(0);
        let (there, slot) = (moving.fails_over_to(&standby).await, moving.slot().await);
        there.execute_all(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        there.execute_all("INSERT INTO t VALUES (9); DELETE FROM t WHERE id = 9").await;
        is_left_alone(&moving, &there, &[TIMELINE]).await;
        moving.is_made_anew(&there).await;
        moving.end().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r010_another_cluster_behind_the_same_address() {
    let on = async |major| {
        let Some(moving) = Moving::prepare(major).await else { return };
        let running = moving.streaming().await;
        stop(running).await.expect_code(0);
        let Some(stranger) = Server::with(major, Settings::new()) else { return };
        let (name, slot) = (moving.pair.from.name(), moving.slot().await);
        stranger.execute(&format!("CREATE DATABASE \"{name}\"")).await;
        let there = Session::open(&stranger.url(name)).await;
        let same = format!("{TABLE}; INSERT INTO t VALUES (2); CREATE PUBLICATION {slot} FOR TABLE t");
        there.execute_all(&same).await;
        there.execute_all(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        let identifier = "SELECT system_identifier FROM pg_control_system()";
        let (known, found) =
            (moving.primary().query_text(identifier).await, there.query_text(identifier).await);
        moving.primary().stop("fast");
        moving.address.lead_to(stranger.address());
        is_left_alone(&moving, &there, &["another cluster", &known, &found]).await;
        moving.is_made_anew(&there).await;
        moving.end().await;
    };
    tokio::join!(on(15), on(18));
}

/// The slot that is there stays where it is.
async fn is_left_alone(moving: &Moving, there: &Session, words: &[&str]) {
    let stands = "SELECT slot_name || ' ' || confirmed_flush_lsn || ' ' || active FROM pg_replication_slots";
    let before = there.query_text(stands).await;
    ends(moving.start(&[]).finish().await, words);
    assert_eq!(there.query_text(stands).await, before);
}

//! The destination's server crashes while a clone is at work: what it does not keep over that is never swapped in empty.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::binary::Running;
use crate::support::cloning::start_clone;
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Server, Session, Settings, destination,
};

/// The unlogged table comes first, being the largest.
const TABLES: &str = "CREATE UNLOGGED TABLE cache (id int PRIMARY KEY, t text);
    INSERT INTO cache SELECT g, repeat('c', 200) || g FROM generate_series(1, 5000) g;
    CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept SELECT generate_series(1, 500)";

/// The frame CopyDone.
const COPY_DONE: &[u8] = b"c\0\0\0\x04";

/// A server of the test's own, with the source and the destination on it.
struct Pair<'s> {
    server: &'s Server,
    from: Database<'s>,
    to: Database<'s>,
}

impl<'s> Pair<'s> {
    async fn on(server: &'s Server) -> Self {
        let (from, to) = (server.database("crashed").await, server.database("crashed").await);
        from.execute(TABLES).await;
        to.execute("CREATE TABLE old AS SELECT 1 AS a").await;
        for database in [&from, &to] {
            for text in ["terminating connection", "database system is", "unexpected EOF", "client lost"] {
                database.announce(text);
            }
        }
        Self { server, from, to }
    }

    /// A clone that waits before the swap for a session that is in the way.
    async fn waiting(&self, program: &Binary, more: &[&str]) -> (Running, Session) {
        let in_the_way = self.to.session().await;
        let more = [&["--confirm", self.to.name()], more].concat();
        let mut running = start_clone(program, &self.from.url(), &self.to.url(), &more);
        let told = |line: &serde_json::Value| line["data"]["code"] == "sessions_in_the_way";
        running.event("the wait before the swap", told).await;
        (running, in_the_way)
    }

    /// The clone has failed, and says why; the old database stands alone.
    async fn expect_refused(&self, running: Running) {
        let outcome = Outcome::of(running.finish().await).expect_code(1);
        outcome.expect_error(&["destination_restarted", "public.cache"]);
        assert_eq!(self.to.query_text("SELECT a FROM old").await, "1");
        assert_eq!(self.to.related_databases().await, [self.to.name()], "{}", outcome.text());
    }
}

#[tokio::test]
async fn unlogged_tables_that_a_crash_emptied_before_the_swap_are_not_swapped_in() {
    for major in [14, 15, 16, 17, 18] {
        let Some(server) = Server::with(major, Settings::new()) else { continue };
        let pair = Pair::on(&server).await;
        for verify in ["none", "counts"] {
            let (running, _in_the_way) = pair.waiting(&Binary::new(), &["--verify", verify]).await;
            server.restart("immediate");
            pair.expect_refused(running).await;
        }
    }
}

#[tokio::test]
async fn a_crash_of_one_process_counts_though_the_server_was_not_started_again() {
    let Some(server) = Server::with(15, Settings::new()) else { return };
    let pair = Pair::on(&server).await;
    let started = server.query_text("SELECT pg_postmaster_start_time()").await;
    let (running, in_the_way) = pair.waiting(&Binary::new(), &["--verify", "none"]).await;
    let pid = in_the_way.query_text("SELECT pg_backend_pid()").await.parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    pair.expect_refused(running).await;
    assert_eq!(server.query_text("SELECT pg_postmaster_start_time()").await, started);
}

#[tokio::test]
async fn unlogged_tables_that_a_crash_emptied_during_the_copy_are_not_swapped_in() {
    let Some(server) = Server::with(15, Settings::new()) else { return };
    let Some(elsewhere) = destination(15) else { return };
    let pair = Pair::on(&server).await;
    let from = elsewhere.database("crashed").await;
    from.announce("canceling statement due to user request");
    from.execute(TABLES).await;
    let far = FaultProxy::start(&server);
    let armed = far.arm(Fault::stall_before(Point::ClientSends(COPY_DONE.to_vec())).nth(2));
    let more = ["--confirm", pair.to.name(), "--verify", "none", "--jobs", "1"];
    let program = Binary::new();
    let running = start_clone(&program, &from.url(), &far.url(pair.to.name()), &more);
    armed.fired().await;
    // The ledger has it that the table is in, and is on disk.
    server.execute("CHECKPOINT").await;
    server.restart("immediate");
    far.resume();
    pair.expect_refused(running).await;
}

#[tokio::test]
async fn a_server_that_is_restarted_in_order_keeps_unlogged_tables_and_the_clone_goes_on() {
    for major in [14, 15, 16, 17, 18] {
        let Some(server) = Server::with(major, Settings::new()) else { continue };
        let pair = Pair::on(&server).await;
        let (running, _in_the_way) = pair.waiting(&Binary::new(), &["--verify", "none"]).await;
        server.restart("fast");
        Outcome::of(running.finish().await).expect_code(0);
        assert_eq!(pair.to.query_text("SELECT count(*) FROM cache").await, "5000");
        assert_eq!(pair.server.major(), major);
    }
}

#[tokio::test]
async fn a_crash_takes_nothing_from_an_unlogged_table_whose_rows_were_left_out() {
    for major in [15, 18] {
        let Some(server) = Server::with(major, Settings::new()) else { continue };
        let pair = Pair::on(&server).await;
        let more = ["--verify", "none", "--exclude-data", "public.cache"];
        let (running, _in_the_way) = pair.waiting(&Binary::new(), &more).await;
        server.restart("immediate");
        Outcome::of(running.finish().await).expect_code(0);
        let found = "SELECT concat((SELECT count(*) FROM cache), ' ', (SELECT count(*) FROM kept))";
        assert_eq!(pair.to.query_text(found).await, "0 500");
    }
}

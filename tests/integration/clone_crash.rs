//! Clones that are ended: Ctrl-C, `kill -9`. The destination database is as it was, and what is left is ours and named.

use std::time::{Duration, Instant};

use crate::support::bank::Moments;
use crate::support::cloning::{clone, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, checksum, destination, eventually, say, source,
};

const SOURCE: &str = "CREATE TABLE fresh (id int PRIMARY KEY, t text);
    INSERT INTO fresh SELECT g, repeat('x', 300) || g FROM generate_series(1, 8000) g;
    CREATE INDEX ON fresh (t); CREATE TABLE other (id int REFERENCES fresh, u text UNIQUE);
    INSERT INTO other SELECT g, 'u' || g FROM generate_series(1, 3000) g;
    CREATE VIEW v AS SELECT count(*) FROM fresh; CREATE MATERIALIZED VIEW m AS SELECT * FROM v;
    CREATE SEQUENCE s; SELECT nextval('s'); SELECT lo_from_bytea(9, 'nine')";
pub(super) const OLD: &str = "CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)";

pub(super) struct Pair {
    pub(super) from: Database<'static>,
    pub(super) to: Database<'static>,
    before: Vec<String>,
}

pub(super) async fn pair(hint: &str) -> Option<Pair> {
    pair_of(hint, SOURCE).await
}

async fn pair_of(hint: &str, statements: &str) -> Option<Pair> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database(hint).await, destination.database(hint).await);
    from.execute(statements).await;
    to.execute(OLD).await;
    for database in [&from, &to] {
        // What the servers say when a client is gone, or is told to stop.
        for text in [
            "canceling statement due to user request",
            "current transaction is aborted",
            "connection to client lost",
            "terminating connection",
            "COPY from stdin failed",
            "unexpected EOF on client connection",
            // The snapshot's holder was gone before a worker's message was read.
            "invalid snapshot identifier",
        ] {
            database.announce(text);
        }
    }
    let before = checksum::of(&to).await;
    Some(Pair { from, to, before })
}

impl Pair {
    /// Waits until no session does anything about the destination or what is made of it.
    async fn expect_no_session(&self) {
        let server = self.to.server().session().await;
        let query = format!(
            "SELECT coalesce(string_agg(query, '; '), '') FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND strpos(concat(datname, query), '{}') > 0",
            self.to.name()
        );
        eventually("the end of the killed program's sessions", async || {
            match server.query_text(&query).await {
                none if none.is_empty() => Ok(()),
                some => Err(some),
            }
        })
        .await;
    }

    /// The destination is what it was, and nothing was made of it that is still there.
    pub(super) async fn expect_untouched(&self, why: &str) {
        assert_eq!(checksum::of(&self.to).await, self.before, "{why}");
        assert_eq!(self.to.related_databases().await, [self.to.name()], "{why}");
    }
}

#[tokio::test]
async fn ctrl_c_in_any_phase_leaves_the_destination_as_it_was() {
    let Some(pair) = pair("interrupted").await else { return };
    // A slow way to the destination, so that a phase is not over before the signal arrives; and a session that
    // keeps the swap waiting.
    let slow = FaultProxy::start(pair.to.server());
    slow.delay(Duration::from_millis(2));
    let session = pair.to.session().await;
    for phase in ["preflight", "plan", "stage", "pre-data", "copy", "post-data", "analyze", "verify", "swap"]
    {
        let program = Binary::new();
        let more = ["--confirm", pair.to.name(), "--verify", "checksum"];
        let mut running = start_clone(&program, &pair.from.url(), &slow.url(pair.to.name()), &more);
        running.event(phase, |line| line["data"]["phase"] == phase).await;
        running.interrupt();
        let outcome = Outcome::of(running.finish().await).expect_code(130);
        assert_eq!(outcome.all("job.status").last().unwrap()["status"], "cancelled", "{phase}");
        pair.expect_untouched(phase).await;
    }
    drop(session);
}

/// Phases that may be over before a signal arrives are held at a statement of theirs.
#[tokio::test]
async fn ctrl_c_while_a_phase_does_its_work_leaves_the_destination_as_it_was() {
    // One table, so that no other one's rows are on their way when its index is built.
    let tree = "CREATE TABLE fresh (id int PRIMARY KEY, above int REFERENCES fresh, t text);
        INSERT INTO fresh SELECT g, nullif(g - 1, 0), 't' || g FROM generate_series(1, 500) g;
        CREATE INDEX ON fresh (t)";
    let jobs = "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid int, active bool); INSERT INTO cron.job VALUES (1, true)";
    let Some(pair) = pair_of("held", tree).await else { return };
    let far = FaultProxy::start(pair.to.server());
    for (phase, more_of_it, statement) in [
        ("indexes", "", "CREATE INDEX"),
        ("constraints", "", "FOREIGN KEY"),
        ("neutralize", jobs, "SET active = FALSE"),
    ] {
        pair.from.execute(more_of_it).await;
        let armed = far.arm(Fault::stall_before(Point::ClientSends(statement.as_bytes().to_vec())));
        let program = Binary::new();
        let more = ["--confirm", pair.to.name()];
        let mut running = start_clone(&program, &pair.from.url(), &far.url(pair.to.name()), &more);
        armed.fired().await;
        running.event(phase, |line| line["data"]["phase"] == phase).await;
        running.interrupt();
        eventually("its answer", async || match running.printed().contains("cancelling") {
            true => Ok(()),
            false => Err(running.printed()),
        })
        .await;
        far.resume();
        let outcome = Outcome::of(running.finish().await).expect_code(130);
        assert_eq!(outcome.phases().last(), Some(&phase));
        pair.expect_untouched(phase).await;
    }
}

#[tokio::test]
async fn a_termination_signal_is_a_cancel_too() {
    let Some(pair) = pair("terminated").await else { return };
    let session = pair.to.session().await;
    let program = Binary::new();
    let mut running = start_clone(&program, &pair.from.url(), &pair.to.url(), &["--confirm", pair.to.name()]);
    running.event("the swap", |line| line["data"]["phase"] == "swap").await;
    running.terminate();
    Outcome::of(running.finish().await).expect_code(130);
    drop(session);
    pair.expect_untouched("SIGTERM").await;
}

#[tokio::test]
async fn the_second_ctrl_c_ends_it_at_once() {
    let Some(pair) = pair("twice").await else { return };
    let stuck = FaultProxy::start(pair.to.server());
    let program = Binary::new();
    let more = ["--confirm", pair.to.name()];
    let mut running = start_clone(&program, &pair.from.url(), &stuck.url(pair.to.name()), &more);
    running.event("the copy", |line| line["data"]["phase"] == "copy").await;
    // The first asks for a clean end, which a destination that answers nothing keeps from coming.
    stuck.stall();
    running.interrupt();
    eventually("its answer to the first", async || match running.printed().contains("cancelling") {
        true => Ok(()),
        false => Err(running.printed()),
    })
    .await;
    running.interrupt();
    let output = running.finish().await;
    assert!(output.code == Some(130) || output.signal == Some(2), "{output:?}");
    stuck.resume();
    drop(stuck);
    // What it could not drop any more is known, and removed.
    program.run(&["clean", "--of", &pair.to.url()]).await.expect_code(0);
    pair.expect_untouched("twice").await;
}

/// How many random moments; 20 for the figures.
fn rounds() -> u32 {
    std::env::var("MULTIBOARD_TEST_CRASH_ROUNDS").map_or(4, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn kill_9_at_any_moment_leaves_the_old_database_and_clean_finds_the_rest() {
    let Some(pair) = pair("killed").await else { return };
    let (from, to) = (&pair.from, &pair.to);
    // Somebody else's database with a name like ours, and one with a comment like ours.
    let foreign = to.server().database("foreign").await;
    let (foreign_name, alike) = (format!("mbs_{}", foreign.name()), format!("mbs_x_{}", foreign.name()));
    to.server().execute(&format!("CREATE DATABASE {foreign_name}")).await;
    to.server().execute(&format!("CREATE DATABASE {alike}")).await;
    to.server().execute(&format!("COMMENT ON DATABASE {alike} IS 'multiboard-sync: not really'")).await;

    let program = Binary::new();
    let more = ["--confirm", to.name(), "--keep-old", "1"];
    let start = Instant::now();
    let outcome = clone(&program, &from.url(), &to.url(), &more).await.expect_code(0);
    let whole = start.elapsed();
    program.run(&["undo", outcome.job()]).await.expect_code(0);
    program.run(&["clean", "--of", &to.url()]).await.expect_code(0);
    pair.expect_untouched("after undo and clean").await;

    let seed = u64::from(std::process::id()) << 20 | u64::from(start.elapsed().subsec_nanos());
    say(&format!("kill -9: seed {seed}, a clone takes {whole:?}"));
    let mut moments = Moments::new(seed);
    let mut left_something = 0;
    for round in 0..rounds() {
        let moment = moments.next(whole);
        let running = start_clone(&program, &from.url(), &to.url(), &more);
        tokio::time::sleep(moment).await;
        running.kill();
        let output = running.finish().await;
        // A server that is in the middle of CREATE DATABASE ends it before it sees that its client is gone.
        pair.expect_no_session().await;
        let why = format!("round {round}, killed after {moment:?}, code {:?}", output.code);
        let swapped = checksum::has_relation(to, "public", "fresh").await;
        if swapped {
            assert_eq!(checksum::of(to).await, checksum::of(from).await, "{why}");
        } else {
            assert_eq!(checksum::of(to).await, pair.before, "{why}");
        }
        let left = to.related_databases().await;
        let leftovers: Vec<&String> =
            left.iter().filter(|name| *name != to.name() && !name.contains("_old_")).collect();
        left_something += u32::from(!leftovers.is_empty());
        let cleaned = program.run(&["clean", "--of", &to.url()]).await;
        cleaned.expect_code(0);
        for name in &leftovers {
            assert!(cleaned.stdout.contains(*name), "{name} is not named: {cleaned:?} ({why})");
        }
        let now = to.related_databases().await;
        let jobs = program.run(&["jobs", "list", "--json"]).await;
        let newest: serde_json::Value = serde_json::from_str(jobs.stdout.lines().next().unwrap()).unwrap();
        if output.code.is_none() && newest["status"] != "succeeded" {
            assert_eq!(
                (&newest["status"], &newest["error"]["code"]),
                (&"failed".into(), &"process_gone".into())
            );
        }
        if swapped {
            // The replaced database is a backup and no leftover: it takes its place again.
            assert_eq!(now.len(), 2, "{now:?} ({why})");
            program.run(&["undo", newest["id"].as_str().unwrap()]).await.expect_code(0);
            program.run(&["clean", "--of", &to.url()]).await.expect_code(0);
        }
        pair.expect_untouched(&why).await;
    }
    say(&format!("kill -9: {} rounds, {left_something} left something to clean", rounds()));
    let names = foreign.related_databases().await;
    assert!(names.contains(&foreign_name) && names.contains(&alike), "{names:?}");
}

#[tokio::test]
async fn a_staging_database_whose_record_is_lost_is_named_and_left_alone() {
    let Some(pair) = pair("stranger").await else { return };
    let slow = FaultProxy::start(pair.to.server());
    let first = Binary::new();
    let mut running =
        start_clone(&first, &pair.from.url(), &slow.url(pair.to.name()), &["--confirm", pair.to.name()]);
    running.event("the copy", |line| line["data"]["phase"] == "copy").await;
    slow.stall();
    running.kill();
    running.finish().await;
    drop(slow);
    let left = pair.to.related_databases().await;
    assert_eq!(left.len(), 2);
    // Another installation made it: it carries a mark, but nothing here says that it is ours.
    let other = Binary::new().run(&["clean", "--of", &pair.to.url()]).await;
    other.expect_code(0);
    assert_eq!(pair.to.related_databases().await, left, "{other:?}");
    first.run(&["clean", "--of", &pair.to.url()]).await.expect_code(0);
    pair.expect_untouched("after clean").await;
    let again = first.run(&["clean", "--of", &pair.to.url()]).await;
    again.expect_code(0);
}

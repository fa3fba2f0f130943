//! One job at a time writes to a destination database, whoever runs it and wherever: the next one waits, or is refused.

use serde_json::json;

use crate::support::cloning::start_clone;
use crate::support::mirroring::{Pair, stop};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Serving, Session, destination, eventually, source,
};

const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)";

/// What a COPY in binary form begins with.
const ROWS_COME: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Where a clone's rows are about to come: that connection stands still.
fn rows_come() -> Fault {
    Fault::stall_before(Point::ServerSends(ROWS_COME.to_vec())).on_this_connection()
}

async fn databases(major: u16) -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(major)?, destination(major)?);
    let (from, to) = (source.database("writers").await, destination.database("writers").await);
    from.execute(ROWS).await;
    to.execute("CREATE TABLE before (a int)").await;
    Some((from, to))
}

/// The session that has the right to write to the database.
fn holder(of: &Database<'_>) -> String {
    format!(
        "SELECT a.pid FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory' AND l.granted
            AND (l.classid::int8 << 32) | l.objid::int8 = hashtextextended('multiboard-sync writes {}', 0)",
        of.name()
    )
}

async fn waits_for(look: &Session, query: &str, expected: impl Fn(&str) -> bool) -> String {
    eventually(query, async || {
        let found = look.query_rows(query).await;
        let found = found.first().and_then(|row| row[0].clone()).unwrap_or_default();
        if expected(&found) { Ok(found) } else { Err(found) }
    })
    .await
}

#[tokio::test]
async fn the_second_clone_is_refused_or_waits_and_each_program_has_records_of_its_own() {
    for major in [15, 18] {
        let Some((from, to)) = databases(major).await else { return };
        let far = FaultProxy::start(from.server());
        let rows = far.arm(rows_come());
        let confirm = ["--confirm", to.name()];
        let (one, other) = (Binary::new(), Binary::new());
        let first = start_clone(&one, &far.url(from.name()), &to.url(), &confirm);
        rows.fired().await;
        let refused =
            start_clone(&other, &from.url(), &to.url(), &[&confirm[..], &["--if-busy", "refuse"]].concat());
        let outcome = Outcome::of(refused.finish().await).expect_code(3);
        outcome.expect_error(&["destination_busy", "clone job_", to.name(), "--if-busy wait"]);
        let mut second = start_clone(&other, &from.url(), &to.url(), &confirm);
        let told = |line: &serde_json::Value| {
            line["data"]["code"] == "waits_for_writer"
                && line["data"]["message"].to_string().contains("clone job_")
        };
        second.event("whom it waits for", told).await;
        // It can be ended while it waits.
        second.interrupt();
        Outcome::of(second.finish().await).expect_code(130);
        let mut third = start_clone(&other, &from.url(), &to.url(), &confirm);
        third.event("whom it waits for", told).await;
        far.resume();
        Outcome::of(first.finish().await).expect_code(0);
        Outcome::of(third.finish().await).expect_code(0);
        assert_eq!(to.query_rows("SELECT count(*) FROM t").await[0][0].as_deref(), Some("1000"));
        let left = to.server().session().await.query_rows(&holder(&to)).await;
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn the_right_of_a_clone_that_was_killed_is_there_for_the_next_one() {
    let Some((from, to)) = databases(15).await else { return };
    for text in ["unexpected EOF", "client lost", "terminating connection"] {
        to.announce(text);
        from.announce(text);
    }
    let far = FaultProxy::start(from.server());
    // Its server does not notice that the process has gone.
    let near = FaultProxy::start(to.server());
    let rows = far.arm(rows_come());
    let confirm = ["--confirm", to.name()];
    let program = Binary::new();
    let first = start_clone(&program, &far.url(from.name()), &near.url(to.name()), &confirm);
    rows.fired().await;
    first.kill();
    first.finish().await;
    near.lose_clients();
    far.resume();
    let refuse = [&confirm[..], &["--if-busy", "refuse"]].concat();
    let next = start_clone(&program, &from.url(), &to.url(), &refuse);
    Outcome::of(next.finish().await).expect_code(0);
}

#[tokio::test]
async fn a_right_whose_connection_broke_is_taken_again_or_the_work_is_stopped() {
    let Some((from, to)) = databases(15).await else { return };
    for text in [
        "terminating connection",
        "canceling statement due to user request",
        "COPY file signature",
        "client lost",
    ] {
        to.announce(text);
        from.announce(text);
    }
    let look = to.server().session().await;
    let far = FaultProxy::start(from.server());
    let rows = far.arm(rows_come());
    let confirm = ["--confirm", to.name()];
    let program = Binary::new();
    let first = start_clone(&program, &far.url(from.name()), &to.url(), &confirm);
    rows.fired().await;
    let pid = waits_for(&look, &holder(&to), |pid| !pid.is_empty()).await;
    look.query_text(&format!("SELECT pg_terminate_backend({pid})::text")).await;
    let again = waits_for(&look, &holder(&to), |now| !now.is_empty() && now != pid).await;
    // Somebody else is faster.
    let other = to.server().session().await;
    other.execute_all("SET application_name = 'multiboard-sync clone job_01ARZ3NDEKTSV4RRFFQ69G5FAV'").await;
    let take =
        format!("SELECT pg_advisory_lock(hashtextextended('multiboard-sync writes {}', 0))", to.name());
    let taking = other.execute_all(&take);
    let ending = async {
        waits_for(&look, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", |count| count == "1").await;
        look.query_text(&format!("SELECT pg_terminate_backend({again})::text")).await;
    };
    tokio::join!(taking, ending);
    let outcome = Outcome::of(first.finish().await).expect_code(1);
    outcome.expect_error(&["destination_taken_over", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV", to.name()]);
    far.resume();
    assert_eq!(to.related_databases().await, [to.name()]);
    assert_eq!(to.query_rows("SELECT count(*) FROM before").await[0][0].as_deref(), Some("0"));
}

#[tokio::test]
async fn a_mirror_has_the_right_for_as_long_as_it_runs_and_over_a_restart_of_its_server() {
    let Some(pair) = Pair::prepare(15, "writers", ROWS).await else { return };
    let pair = pair.breaking();
    let running = pair.streaming().await;
    let look = pair.to.server().session().await;
    let pid = waits_for(&look, &holder(&pair.to), |pid| !pid.is_empty()).await;
    // Anybody else is told, and not made to wait for ever.
    let from = source(15).unwrap().database("writers_other").await;
    from.execute(ROWS).await;
    let program = Binary::new();
    let other = start_clone(&program, &from.url(), &pair.to.url(), &["--confirm", pair.to.name()]);
    Outcome::of(other.finish().await).expect_code(6).expect_error(&["destination_is_mirrored"]);
    look.query_text(&format!("SELECT pg_terminate_backend({pid})::text")).await;
    waits_for(&look, &holder(&pair.to), |now| !now.is_empty() && now != pid).await;
    pair.from.execute("INSERT INTO t VALUES (5000)").await;
    pair.same(&running).await;
    // The next process goes on at once, though the server does not notice that this one has gone.
    running.kill();
    running.finish().await;
    stop(pair.streaming().await).await.expect_code(0);
    assert!(look.query_rows(&holder(&pair.to)).await.is_empty());
}

#[tokio::test]
async fn two_names_of_one_database_do_not_write_to_it_at_once() {
    let Some((from, to)) = databases(15).await else { return };
    let far = FaultProxy::start(from.server());
    let rows = far.arm(rows_come());
    let program = Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
         [connections.one]\nurl = \"{to}\"\nrole = \"destination\"\n[connections.two]\nurl = \"{to}\"\nrole = \"destination\"\n",
        far.url(from.name()),
        to = to.url()
    ));
    let server = Serving::start(&program).await;
    let clone = |destination: &str, if_busy: &str| json!({"type": "clone", "source": "staging", "destination": destination, "confirm": to.name(), "options": {"if_busy": if_busy}});
    let first = server.ask(&clone("one", "wait")).await;
    rows.fired().await;
    // The same name waits in the queue, or is started to say why not; the other one finds out on the server.
    for name in ["one", "two"] {
        let refused = server.ask(&clone(name, "refuse")).await;
        let refused = server.job_is(&refused, "failed").await;
        assert_eq!(refused["error"]["code"], "destination_busy", "{refused}");
        assert!(refused["error"].to_string().contains(&first), "{refused}");
    }
    let waiting = server.ask(&clone("two", "wait")).await;
    let is_said = |job: &serde_json::Value| job["progress"]["operation"].to_string().contains(&first);
    server.job_that(&waiting, "a job that says whom it waits for", is_said).await;
    far.resume();
    server.job_is(&first, "succeeded").await;
    server.job_is(&waiting, "succeeded").await;
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}

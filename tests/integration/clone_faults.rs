//! Connections that break in the middle of a clone: no row is doubled, none is missed.

use crate::support::cloning::{clone, start_clone};
use crate::support::fault::{Armed, command_complete};
use crate::support::{Binary, Database, Fault, FaultProxy, Outcome, Point, checksum, destination, source};

/// The first bytes of a binary COPY (manual, COPY, "File Formats").
const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// The frame CopyDone. No row of the tables below holds its bytes.
const COPY_DONE: &[u8] = b"c\0\0\0\x04";

/// Five tables of many sizes; one, with a column that only text carries, is split when splitting is asked for.
const TABLES: &str = "CREATE TABLE wide (id bigint PRIMARY KEY, t text);
    INSERT INTO wide SELECT g, repeat('w', 500) || g FROM generate_series(1, 6000) g;
    CREATE TABLE narrow (id int); INSERT INTO narrow SELECT generate_series(1, 3000);
    CREATE TABLE as_text (id int, c regclass); INSERT INTO as_text SELECT g, 'narrow' FROM generate_series(1, 2000) g;
    CREATE TABLE keyed (id int PRIMARY KEY, other int UNIQUE);
    INSERT INTO keyed SELECT g, -g FROM generate_series(1, 1000) g;
    CREATE TABLE empty (id int); CREATE TABLE pair (a int, b int); INSERT INTO pair VALUES (1, 2), (3, 4);
    CREATE INDEX ON wide (t); CREATE INDEX ON narrow (id);
    ALTER TABLE keyed ADD FOREIGN KEY (id) REFERENCES wide (id);
    SELECT lo_from_bytea(g, convert_to(repeat('o', g * 1000), 'UTF8')) FROM generate_series(1, 20) g";

/// The largest table is split, at every megabyte.
const SPLIT: &[&str] = &["--split-tables-larger-than", "1", "--jobs", "3", "--verify", "checksum"];
const WHOLE: &[&str] = &["--jobs", "2", "--verify", "checksum"];

/// Clones through a proxy before the destination, with the fault armed when the first table begins, and compares everything.
async fn survives(fault: Fault, more: &[&str]) -> Option<Outcome> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("faults").await, destination.absent_database("faults"));
    announce_cuts(&[&from, &to]);
    from.execute(TABLES).await;
    let far = FaultProxy::start(destination);
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &far.url(to.name()), more);
    running.event("phase pre-data", |line| line["data"]["phase"] == "pre-data").await;
    let armed = far.arm(fault);
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert!(armed.has_fired(), "the fault never struck\n{}", outcome.text());
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await, "{}", outcome.text());
    assert_eq!(to.related_databases().await, [to.name()]);
    // Each table is told once, with its rows, however often it took.
    let told: Vec<(&str, u64)> = outcome
        .all("table.finished")
        .into_iter()
        .map(|data| (data["table"].as_str().unwrap(), data["rows"].as_u64().unwrap()))
        .collect();
    assert_eq!(told.len(), 6, "{told:?}");
    for (table, rows) in told {
        let counted = from.query_text(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(counted, rows.to_string(), "{table}\n{}", outcome.text());
    }
    Some(outcome)
}

/// What servers say when a connection is cut, and when the ledger answers that a chunk is there already.
fn announce_cuts(databases: &[&Database<'_>]) {
    for database in databases {
        for text in [
            "connection to client lost",
            "unexpected EOF on client connection",
            "protocol synchronization was lost",
            "COPY from stdin failed",
            "canceling statement due to user request",
            "terminating connection due to administrator command",
            "ledger_pkey",
            // The frame in which a cut falls is filled up with zeros before the copy is given up; whatever the server
            // makes of them is never committed.
            "invalid byte sequence for encoding \"UTF8\": 0x00",
            "COPY file signature not recognized",
            "unexpected EOF in COPY data",
            "row field count is",
            "insufficient data left in message",
        ] {
            database.announce(text);
        }
    }
}

/// A cut of the destination's connection at the n-th occurrence of these bytes.
fn before(point: Point, nth: u64) -> Fault {
    Fault::cut_before(point).nth(nth)
}

#[tokio::test]
async fn a_cut_before_the_end_of_a_chunk_repeats_it() {
    for (nth, more) in [(1, WHOLE), (2, WHOLE), (3, SPLIT)] {
        let fault = before(Point::ClientSends(COPY_DONE.to_vec()), nth);
        if let Some(outcome) = survives(fault, more).await {
            assert!(!outcome.warnings("repeated").is_empty(), "{}", outcome.text());
        }
    }
}

#[tokio::test]
async fn a_cut_while_a_chunk_is_committed_leaves_no_row_twice() {
    // The last bytes that arrive end the chunk; the server commits it or not, and nobody hears which.
    for (nth, more) in [(1, WHOLE), (4, SPLIT)] {
        let fault = Fault::cut_after(Point::ClientSends(COPY_DONE.to_vec())).nth(nth);
        survives(fault, more).await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_copy_leaves_no_row_twice() {
    for (tag, more) in [("COPY 3000", WHOLE), ("COPY 2", WHOLE), ("COPY 1000", SPLIT)] {
        let fault = Fault::cut_before(Point::ServerSends(command_complete(tag)));
        survives(fault, more).await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_commit_leaves_no_row_twice() {
    for (nth, more) in [(1, WHOLE), (3, WHOLE), (5, SPLIT)] {
        let fault = before(Point::ServerSends(command_complete("COMMIT")), nth);
        survives(fault, more).await;
    }
}

#[tokio::test]
async fn a_chunk_that_was_committed_without_an_answer_is_known_by_the_ledger() {
    // Rows as binary and frozen, as text, and of a small table; counted by us, since nobody else tells their number.
    for (rows, verify) in [("6000", "counts"), ("2000", "counts"), ("2", "counts"), ("2000", "checksum")] {
        let Some(destination) = destination(15).filter(|server| server.is_private()) else { return };
        let mark = destination.mark();
        // The chunk's last answers: those of COPY and of COMMIT, so it is committed when they are lost.
        let mut answers = command_complete(&format!("COPY {rows}"));
        answers.extend(command_complete("COMMIT"));
        let fault = Fault::cut_before(Point::ServerSends(answers));
        let Some(outcome) = survives(fault, &["--jobs", "2", "--verify", verify]).await else { return };
        assert_eq!(outcome.warnings("repeated").len(), 1, "{}", outcome.text());
        // It was done again, met its number, and was not done twice.
        let job = outcome.job().trim_start_matches("job_").to_lowercase();
        let met = destination.log().problems_since(mark).into_iter().filter(|problem| {
            problem.database.contains(&job)
                && problem.text.contains("ledger_pkey")
                && problem.text.contains("VALUES ('chunk', ")
        });
        assert_eq!(met.count(), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_later_statement_is_survived() {
    for tag in ["CREATE INDEX", "ALTER TABLE", "ANALYZE"] {
        let fault = Fault::cut_before(Point::ServerSends(command_complete(tag)));
        survives(fault, WHOLE).await;
    }
}

#[tokio::test]
async fn a_cut_of_the_source_in_the_middle_of_rows_repeats_the_chunk() {
    for (bytes, more) in [(1, WHOLE), (40_000, WHOLE), (700_000, SPLIT)] {
        // The bytes are counted from the first row on.
        let Some(outcome) = cut_source_after(bytes, more).await else { return };
        assert!(!outcome.warnings("repeated").is_empty(), "{}", outcome.text());
    }
}

/// Cuts the connection that carries rows so many bytes after the first row of all.
async fn cut_source_after(bytes: u64, more: &[&str]) -> Option<Outcome> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("faults").await, destination.absent_database("faults"));
    announce_cuts(&[&from, &to]);
    from.execute(TABLES).await;
    let near = FaultProxy::start(source);
    let began = near.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &near.url(from.name()), &to.url(), more);
    began.fired().await;
    let armed = near.arm(Fault::cut_before(Point::ServerBytes(bytes)));
    near.resume();
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert!(armed.has_fired(), "{}", outcome.text());
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await, "{}", outcome.text());
    Some(outcome)
}

async fn expect_untouched(to: &Database<'_>) {
    assert_eq!(to.related_databases().await, [to.name()]);
    assert_eq!(to.query_text("SELECT a FROM old").await, "1");
}

#[tokio::test]
async fn when_the_snapshot_is_lost_the_clone_fails_and_may_be_repeated() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("lost").await, destination.database("lost").await);
    announce_cuts(&[&from, &to]);
    from.announce("invalid snapshot identifier");
    from.execute(TABLES).await;
    to.execute("CREATE TABLE old AS SELECT 1 AS a").await;
    let near = FaultProxy::start(source);
    let fault = Fault::cut_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())).on_all_connections();
    let armed = near.arm(fault);
    let program = Binary::new();
    let more = ["--confirm", to.name()];

    let outcome = clone(&program, &near.url(from.name()), &to.url(), &more).await.expect_code(1);

    armed.fired().await;
    assert!(
        outcome.error()["hint"].as_str().is_some_and(|hint| hint.contains("again")),
        "{}",
        outcome.text()
    );
    expect_untouched(&to).await;
    clone(&program, &near.url(from.name()), &to.url(), &more).await.expect_code(0);
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
}

#[tokio::test]
async fn when_the_destination_stays_away_the_clone_fails_and_names_what_is_left() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("away").await, destination.database("away").await);
    announce_cuts(&[&from, &to]);
    from.execute(TABLES).await;
    to.execute("CREATE TABLE old AS SELECT 1 AS a").await;
    let far = FaultProxy::start(destination);
    let fault = Fault::cut_before(Point::ClientSends(COPY_DONE.to_vec())).on_all_connections().then_refuse();
    let armed: Armed = far.arm(fault);
    let program = Binary::new();

    let outcome =
        clone(&program, &from.url(), &far.url(to.name()), &["--confirm", to.name()]).await.expect_code(1);

    armed.fired().await;
    assert_eq!(to.query_text("SELECT a FROM old").await, "1");
    let left = to.related_databases().await;
    let staging = left.iter().find(|name| *name != to.name()).expect("nobody could drop it");
    // Nothing of ours is left unnamed (invariant 5), and `clean` removes it.
    assert!(outcome.text().contains(staging), "{staging} is not named in\n{}", outcome.text());
    far.accept();
    let cleaned = program.run(&["clean", "--of", &to.url()]).await;
    cleaned.expect_code(0);
    assert!(cleaned.stdout.contains(staging), "{cleaned:?}");
    expect_untouched(&to).await;
}

//! What a clone shows while it runs: the shape of its events, an honest percentage, and lines on a pipe.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cloning::{clone_of, start_clone};
use crate::support::{Binary, Database, Outcome, destination, installation, missing, say, source};

const SMALL: &str = "CREATE TABLE a (id int PRIMARY KEY, t text UNIQUE);
    INSERT INTO a SELECT g, 't' || g FROM generate_series(1, 5000) g;
    CREATE TABLE b (id int REFERENCES a, n numeric); INSERT INTO b SELECT g, g FROM generate_series(1, 5000) g;
    CREATE INDEX b_n ON b (n); CREATE TABLE empty (); CREATE VIEW v AS SELECT * FROM a; SELECT lo_create(5)";

fn percents(outcome: &Outcome) -> Vec<f64> {
    let lines = outcome.events.iter().filter(|line| line["type"] == "progress");
    lines.map(|line| line["data"]["percent"].as_f64().expect("a percentage")).collect()
}

#[tokio::test]
async fn events_are_numbered_and_the_percentage_never_goes_back() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("events").await, destination.absent_database("events"));
    from.execute(SMALL).await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    let seqs: Vec<u64> = outcome.events.iter().filter_map(|line| line["seq"].as_u64()).collect();
    let expected: Vec<u64> = (1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected);
    for line in &outcome.events {
        let kind = line["type"].as_str().expect("a type");
        assert!(
            kind == "event" && line["event"].is_string() && line["seq"].is_u64() || kind == "progress",
            "{line}"
        );
        let ts = line["ts"].as_str().expect("a timestamp");
        assert!(ts.ends_with('Z') && ts.contains('T'), "{ts}");
    }
    let phases = [
        "preflight",
        "plan",
        "stage",
        "pre-data",
        "copy",
        "indexes",
        "constraints",
        "post-data",
        "neutralize",
        "analyze",
        "verify",
        "swap",
        "done",
    ];
    assert_eq!(outcome.phases(), phases);
    // The last row is in before the phase of indexes begins, and the last index is built before that of constraints.
    let place = |phase: &str| {
        let begins = |line: &Value| line["event"] == "job.phase" && line["data"]["phase"] == phase;
        outcome.events.iter().position(begins).expect("a phase")
    };
    let last =
        |event: &str| outcome.events.iter().rposition(|line| line["event"] == event).expect("an event");
    assert!(last("table.finished") < place("indexes") && last("index.finished") < place("constraints"));
    let percents = percents(&outcome);
    assert!(percents.is_sorted(), "{percents:?}");
    assert!(percents.iter().all(|percent| (0.0..=100.0).contains(percent)));
    assert_eq!(percents.last(), Some(&100.0));
    // 100 is the last word: not before the swap, the verification and the phase done.
    let at = |wanted: &dyn Fn(&Value) -> bool| outcome.events.iter().position(wanted).expect("an event");
    let hundred = at(&|line| line["data"]["percent"] == 100.0);
    assert!(hundred > at(&|line| line["event"] == "swap.done"));
    assert!(hundred > at(&|line| line["data"]["phase"] == "done"));

    let finished: Vec<(&str, u64)> = outcome
        .all("table.finished")
        .into_iter()
        .map(|data| (data["table"].as_str().unwrap(), data["rows"].as_u64().unwrap()))
        .collect();
    for expected in [("public.a", 5000), ("public.b", 5000), ("public.empty", 0)] {
        assert!(finished.contains(&expected), "{finished:?}");
    }
    let statuses: Vec<&str> =
        outcome.all("job.status").iter().filter_map(|data| data["status"].as_str()).collect();
    assert_eq!(statuses.last(), Some(&"succeeded"), "{statuses:?}");
    let report = outcome.report();
    assert_eq!((&report["status"], &report["rows"]), (&"succeeded".into(), &10_000.into()), "{report}");
    assert_eq!(report["verification"]["mode"], "checksum");
    assert_eq!(report["verification"]["different"], Value::Array(Vec::new()));
    assert!(report["tables"].as_u64() >= Some(3) && report["bytes"].as_u64() > Some(10_000), "{report}");
}

#[tokio::test]
async fn a_failure_is_the_last_event_and_never_shows_a_hundred() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("failing").await, destination.database("failing").await);
    from.execute(SMALL).await;
    let session = to.session().await;
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &to.url(), &[]);
    running.event("swap", |line| line["data"]["phase"] == "swap").await;
    running.interrupt();
    let outcome = Outcome::of(running.finish().await).expect_code(130);
    drop(session);
    assert!(percents(&outcome).iter().all(|percent| *percent <= 99.0));
    assert_eq!(outcome.report()["status"], "cancelled");
    assert_eq!(outcome.all("job.status").last().unwrap()["status"], "cancelled");
}

#[tokio::test]
async fn on_a_pipe_there_are_plain_lines_and_an_end_that_says_how_to_go_back() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("plain").await, destination.database("plain").await);
    from.execute(SMALL).await;
    to.execute("CREATE TABLE old (a int)").await;
    let program = Binary::new();
    let arguments = ["clone", "--from", &from.url(), "--to", &to.url(), "--confirm", to.name()];
    let output = program.run(&arguments).await;
    output.expect_code(0);
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(text.contains('%'), "no percentage in\n{text}");
    assert!(text.contains("multiboard-sync undo job_"), "no way back in\n{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "control characters in {text:?}");
    let lines = text.lines().count();
    assert!((3..200).contains(&lines), "{lines} lines\n{text}");
    // Quiet means errors only.
    let quiet = program.run(&[&arguments[..], &["--quiet"]].concat()).await;
    quiet.expect_code(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[tokio::test]
async fn on_a_terminal_there_are_bars_and_they_are_gone_at_the_end() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    if installation::program("script").is_none() {
        return missing("script", "apt-get install bsdutils").unwrap_or_default();
    }
    let (from, to) = (source.database("bars").await, destination.absent_database("bars"));
    from.execute(SMALL).await;
    // script(1) gives its command a terminal; its output, with all that moves the cursor, comes back on a pipe.
    let terminal = Binary::of("script").env("TERM", "xterm-256color");
    let clone = |more: &str| {
        let program = env!("CARGO_BIN_EXE_multiboard-sync");
        let line = format!(
            "stty cols 120 rows 40; {program} {more} clone --from '{}' --to '{}'",
            from.url(),
            to.url()
        );
        line + &format!(" --confirm {}", to.name())
    };
    let output = terminal.run(&["-qec", &clone(""), "/dev/null"]).await;
    let shown = &output.expect_code(0).stdout;
    for wanted in ["\u{1b}[32m", "=>", " % ", "\u{1b}[2K", "is in place", "copied    3 tables"] {
        assert!(shown.contains(wanted), "no {wanted:?} in {shown:?}");
    }
    // Behind the last line that was taken away stands the report alone.
    let (_, report) = shown.rsplit_once('\u{1b}').expect("a control sequence");
    assert!(report.contains("copied ") && !report.contains(" % "), "{report:?}");
    let plain = terminal.run(&["-qec", &clone("--no-color"), "/dev/null"]).await;
    let shown = &plain.expect_code(0).stdout;
    assert!(shown.contains("=>") && !shown.contains("\u{1b}[32m"), "{shown:?}");
    // --quiet is quiet on a terminal too.
    let quiet = terminal.run(&["-qec", &clone("--quiet"), "/dev/null"]).await;
    assert!(!quiet.expect_code(0).stdout.contains('%'), "{:?}", quiet.stdout);
}

/// Clones and compares what was shown with what was true: the share of the whole time that had passed.
async fn is_honest(from: &Database<'_>, to: &Database<'_>, more: &[&str]) {
    // One at a time: each keeps two cores busy, and when one ends the other gets twice as fast.
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    let program = Binary::new();
    let start = Instant::now();
    let mut running = start_clone(&program, &from.url(), &to.url(), more);
    let mut shown: Vec<(Duration, f64)> = Vec::new();
    loop {
        let line = running.event("progress", |line| line["type"] == "progress").await;
        let percent = line["data"]["percent"].as_f64().unwrap();
        shown.push((start.elapsed(), percent));
        if percent >= 100.0 {
            break;
        }
    }
    Outcome::of(running.finish().await).expect_code(0);
    let whole = start.elapsed();
    let share = |at: Duration| 100.0 * at.as_secs_f64() / whole.as_secs_f64();
    let mut worst = (0.0, 0.0, 0.0);
    // Between two lines the older one is what people see.
    for (index, (at, percent)) in shown.iter().enumerate() {
        let until = shown.get(index + 1).map_or(whole, |(next, _)| *next);
        for moment in [*at, until] {
            let off = (percent - share(moment)).abs();
            if off > worst.0 {
                worst = (off, *percent, share(moment));
            }
        }
    }
    say(&format!(
        "progress: {} lines in {whole:?}, worst {:.1} points (showed {:.1} at {:.1})",
        shown.len(),
        worst.0,
        worst.1,
        worst.2
    ));
    assert!(worst.0 <= 20.0, "showed {:.1} % at {:.1} % of {whole:?}: {shown:?}", worst.1, worst.2);
}

#[tokio::test]
async fn the_percentage_of_a_clone_of_large_tables_is_honest() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let Some(pgbench) = installation::client("pgbench", 15) else {
        return missing("pgbench", "scripts/setup tests").unwrap_or_default();
    };
    let (from, to) = (source.database("large").await, destination.absent_database("large"));
    let made = Command::new(pgbench)
        .args(["--initialize", "--quiet", "--scale", "30", &from.url()])
        .output()
        .unwrap();
    assert!(made.status.success());
    from.execute("CREATE INDEX ON pgbench_accounts (bid, abalance)").await;
    is_honest(&from, &to, &[]).await;
}

#[tokio::test]
async fn the_percentage_of_a_clone_of_many_tables_is_honest() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("many").await, destination.absent_database("many"));
    from.execute(
        "DO $$ BEGIN FOR i IN 1..2000 LOOP
             EXECUTE format('CREATE TABLE t%1$s (id int PRIMARY KEY, t text, n int); INSERT INTO t%1$s SELECT g, ''t'', g FROM generate_series(1, 50) g; CREATE INDEX ON t%1$s (n)', i);
         END LOOP; END $$",
    )
    .await;
    is_honest(&from, &to, &[]).await;
}

//! What a job says is kept as it was said: by whichever process, for whoever looks later.

use multiboard_sync::id::JobId;
use multiboard_sync::job::Journal;
use multiboard_sync::store::Sqlite;
use serde_json::Value;

use crate::support::mirroring::{Pair, stop};
use crate::support::{Binary, Outcome, destination, source};

/// The events of a job that printed this, as they are on record.
fn on_record(program: &Binary, outcome: &Outcome) -> (JobId, Sqlite, Vec<Value>) {
    let report = outcome.all("job.report").last().cloned().expect("a report");
    let job: JobId = report["job"].as_str().expect("a job").parse().unwrap();
    let store = Sqlite::open(&program.data_dir()).unwrap();
    let frames = store.events(&job, 0, 100_000).unwrap();
    let kept = frames.iter().map(|frame| serde_json::to_value(frame).unwrap()).collect();
    (job, store, kept)
}

fn events(outcome: &Outcome) -> Vec<Value> {
    outcome.events.iter().filter(|line| line["type"] == "event").cloned().collect()
}

#[tokio::test]
async fn a_clone_is_on_record_as_it_was_printed() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("journal"), destination.absent_database("journal"));
    let from = from.await;
    from.execute(
        "CREATE TABLE \"tä\" (id int PRIMARY KEY); INSERT INTO \"tä\" SELECT generate_series(1, 100)",
    )
    .await;
    let program = Binary::new();
    let clone = ["clone", "--json", "--no-input", "--from", &from.url(), "--to", &to.url()];
    let outcome = Outcome::of(program.run(&clone).await).expect_code(0);
    let (job, store, kept) = on_record(&program, &outcome);
    assert_eq!(kept, events(&outcome));
    let progress = store.seen(&job).unwrap().and_then(|seen| seen.progress).expect("its progress");
    assert!((progress.percent - 100.0).abs() < f64::EPSILON && !progress.estimate, "{progress:?}");
    // One that fails too.
    let failing = ["clone", "--json", "--no-input", "--from", &from.url(), "--to", &to.url()];
    let outcome = Outcome::of(program.run(&failing).await).expect_code(7);
    assert_eq!(on_record(&program, &outcome).2, events(&outcome));
}

#[tokio::test]
async fn a_mirror_is_on_record_as_it_was_printed() {
    let Some(pair) = Pair::prepare(15, "journal_mirror", "CREATE TABLE t (id int PRIMARY KEY)").await else {
        return;
    };
    let running = pair.streaming().await;
    pair.from.execute("INSERT INTO t VALUES (1)").await;
    pair.same(&running).await;
    let outcome = stop(running).await.expect_code(0);
    assert_eq!(on_record(&pair.program, &outcome).2, events(&outcome));
    pair.drop_mirror().await;
}

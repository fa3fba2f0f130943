//! The contract of the job store, held by SQLite, and the memory beside it.

mod mirrors;
mod registry;

use std::os::unix::fs::PermissionsExt;

use super::Sqlite;
use crate::engine::stage::registry::Registry;
use crate::failure::Classify;
use crate::id::JobId;
use crate::job::{Filter, Kind, Record, Store, StoreError, UndoState, settle};
use crate::progress::{Phase, Problem, Status};
use crate::safety::MadeFor;

fn job(kind: Kind, created_ms: i64) -> Record {
    Record::new(JobId::generate(), kind, "staging", "local", "app \"dev\"", created_ms)
}

/// What every place that keeps jobs has to do, over an empty one.
fn keeps_the_contract(store: &dyn Store) {
    let (mut old, new, verify) = (job(Kind::Clone, 1), job(Kind::Clone, 2), job(Kind::Verify, 3));
    for record in [&new, &old, &verify] {
        store.insert(record).expect("insert");
    }
    assert!(store.insert(&new).is_err(), "one identity, one job");
    assert_eq!(store.get(&old.id).expect("get"), old);

    let ids = |filter: Filter| -> Vec<JobId> {
        store.list(&filter).expect("list").into_iter().map(|record| record.id).collect()
    };
    assert_eq!(ids(Filter::default()), [verify.id.clone(), new.id.clone(), old.id.clone()]);
    assert_eq!(ids(Filter { limit: Some(1), ..Filter::default() }), std::slice::from_ref(&verify.id));
    assert_eq!(
        ids(Filter { kind: Some(Kind::Verify), ..Filter::default() }),
        std::slice::from_ref(&verify.id)
    );

    old.status = Status::Failed;
    old.phase = Some(Phase::Swap);
    old.started_ms = Some(4);
    old.ended_ms = Some(5);
    old.error = Some(Problem { code: "x".into(), message: "y".into(), hint: None, exit: None });
    old.report = Some(serde_json::json!({"tables": 3}));
    old.options = serde_json::json!({"jobs": 2});
    old.undo = UndoState::Available { kept_as: "mbs_old".into() };
    store.update(&old).expect("update");
    assert_eq!(store.get(&old.id).expect("get"), old);
    assert_eq!(ids(Filter { status: Some(Status::Failed), ..Filter::default() }), [old.id.clone()]);
    assert_eq!(store.undoable().expect("undoable"), [old.clone()]);
    old.undo = UndoState::Done { at_ms: 6 };
    store.update(&old).expect("update");
    assert_eq!(store.undoable().expect("undoable"), []);

    let unfinished: Vec<_> = store.unfinished().expect("unfinished").into_iter().map(|job| job.id).collect();
    assert!(!unfinished.contains(&old.id) && unfinished.contains(&verify.id));

    let stranger = job(Kind::Clone, 9);
    assert!(matches!(store.update(&stranger), Err(StoreError::NoSuchJob { id, .. }) if id == stranger.id));
    assert_eq!(store.get(&stranger.id).expect_err("not there").classify().code, "no_such_job");
}

#[test]
fn a_job_that_no_process_holds_is_over() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = Sqlite::open(directory.path()).expect("open");
    let clone = Record { status: Status::Running, ..job(Kind::Clone, 1) };
    let held = store.hold(&clone.id).expect("tried").expect("held");
    store.insert(&clone).expect("insert");
    settle(&store, &store, 10).expect("settled");
    assert_eq!(store.get(&clone.id).expect("get"), clone, "it is at work");

    // It died after the swap.
    store.record_intent(&clone.id, "7", "mbs_kept", Some(5), MadeFor::Old, "app").expect("intent");
    store.record_put_aside("7", 5, "mbs_kept").expect("put aside");
    drop(held);
    settle(&store, &store, 10).expect("settled");
    let dead = store.get(&clone.id).expect("get");
    assert_eq!(dead.status, Status::Failed);
    assert_eq!(dead.error.expect("an error").code, "process_gone");
    assert_eq!(dead.undo, UndoState::Available { kept_as: "mbs_kept".into() });
}

#[test]
fn sqlite_keeps_the_contract() {
    let directory = tempfile::tempdir().expect("temporary directory");
    keeps_the_contract(&Sqlite::open(directory.path()).expect("open"));
}

#[test]
fn the_file_is_private_and_its_installation_is_made_once() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let first = Sqlite::open(directory.path()).expect("open");
    let id = first.installation().to_owned();
    assert!(id.len() == 8 && id.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{id}");
    first.record_intent(&JobId::generate(), "1", "n", None, MadeFor::Staging, "app").expect("intent");
    for entry in std::fs::read_dir(directory.path()).expect("list") {
        let entry = entry.expect("entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    assert_eq!(Sqlite::open(directory.path()).expect("open again").installation(), id);
}

#[test]
fn several_may_open_and_write_one_store_at_once() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Sqlite::open(directory.path()).expect("open");
                for at in 0..10 {
                    let record = Record::new(JobId::generate(), Kind::Clone, "s", "d", "app", at);
                    store.insert(&record).expect("insert");
                }
            });
        }
    });
    let store = Sqlite::open(directory.path()).expect("open");
    assert_eq!(store.list(&Filter::default()).expect("list").len(), 40);
}

#[test]
fn a_store_of_a_newer_program_is_left_alone() {
    let directory = tempfile::tempdir().expect("temporary directory");
    drop(Sqlite::open(directory.path()).expect("open"));
    let raw = rusqlite::Connection::open(directory.path().join("jobs.sqlite")).expect("open raw");
    raw.pragma_update(None, "user_version", 99).expect("set the version");
    let error = Sqlite::open(directory.path()).err().expect("too new");
    assert_eq!(error.classify().code, "job_store_too_new");
    let version: i64 = raw.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("read");
    assert_eq!(version, 99);
}

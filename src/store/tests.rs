//! The contract of the job store, held by SQLite, and the memory beside it.

use std::os::unix::fs::PermissionsExt;

use super::Sqlite;
use crate::engine::stage::registry::{MadeState, Registry, Sighting};
use crate::failure::Classify;
use crate::id::JobId;
use crate::job::{Filter, Kind, Record, Store, StoreError, UndoState, settle};
use crate::pg::Lsn;
use crate::progress::{Lag, MirrorPhase, Phase, Problem, Status, Wal};
use crate::safety::{Identity, MadeFor};
use crate::workflow::mirror::Hold;
use crate::workflow::mirror::record::{Definition, End, Held, Record as Mirror, Records, Standing, Wanted};

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
    old.error = Some(Problem { code: "x".into(), message: "y".into(), hint: None });
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
    settle(&store, &store).expect("settled");
    assert_eq!(store.get(&clone.id).expect("get"), clone, "it is at work");

    // It died after the swap.
    store.record_intent(&clone.id, "7", "mbs_kept", Some(5), MadeFor::Old, "app").expect("intent");
    store.record_put_aside("7", 5, "mbs_kept").expect("put aside");
    drop(held);
    settle(&store, &store).expect("settled");
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

/// What every place that keeps mirrors has to do, over an empty one.
fn keeps_mirrors(store: &dyn Records) {
    assert_eq!(store.mirrors().expect("list"), []);
    let (first, second) = (JobId::generate(), JobId::generate());
    let end = |label: &str| End {
        label: label.to_owned(),
        reach: label.to_owned(),
        system_identifier: u64::MAX.to_string(),
        database: "app \"dev\"".to_owned(),
    };
    let mut mirror = Mirror {
        name: "app".to_owned(),
        job: first.clone(),
        wanted: Wanted::Run,
        phase: MirrorPhase::Preparing,
        of: Definition {
            source: end("staging"),
            destination: end("local"),
            slot: "mbs_app_0123abcd".to_owned(),
            publication: "mbs_app_0123abcd".to_owned(),
            own_publication: true,
            wal_budget: 8 << 30,
            options: serde_json::json!({"include": ["public.*"]}),
        },
        standing: Standing::default(),
        created_ms: 5,
        changed_ms: 0,
    };
    let read = |name: &str| store.mirror(name).expect("read");
    let kept = |mirror: &Mirror| {
        let found = read(&mirror.name).expect("there");
        assert!(found.changed_ms > 0);
        assert_eq!(Mirror { changed_ms: 0, ..found }, *mirror);
    };
    assert!(!store.claim(&mirror, Some(&second)).expect("claim"), "there is none of another job");
    assert!(store.claim(&mirror, None).expect("claim"));
    assert!(!store.claim(&mirror, None).expect("claim"), "it is there already");
    kept(&mirror);

    // One asks, the other says where it stands: neither undoes what the other wrote.
    assert!(store.wish("app", Wanted::Pause).expect("wish"));
    mirror.standing = Standing {
        begun: true,
        error: Some(Problem { code: "x".into(), message: "y".into(), hint: None }),
        applied_lsn: Some(Lsn::from_u64(u64::MAX)),
        lag: Some(Lag { bytes: u64::MAX, seconds: Some(0.5) }),
        wal: Some(Wal {
            retained_bytes: 7,
            status: "lost".into(),
            reason: Some("idle_timeout".into()),
            safe_bytes: Some(-1),
        }),
        ..Standing::default()
    };
    assert!(store.stand("app", &first, MirrorPhase::Streaming, &mirror.standing).expect("stand"));
    (mirror.wanted, mirror.phase) = (Wanted::Pause, MirrorPhase::Streaming);
    kept(&mirror);

    // Taken over, the first job's process writes nothing any more.
    mirror.job = second.clone();
    assert!(store.claim(&mirror, Some(&first)).expect("claim"));
    assert!(!store.stand("app", &first, MirrorPhase::Error, &Standing::default()).expect("stand"));
    kept(&mirror);

    // One job holds it back; what the process that runs it says of that is of what is asked for now.
    assert_eq!(store.held("app").expect("held"), None);
    let asked = store.hold_back("app", &first, Hold::Now).expect("hold");
    let expected = Held { by: first.clone(), at: Hold::Now, renewed: 1, reached: false };
    assert_eq!((&asked, store.held("app").expect("held").as_ref()), (&expected, Some(&expected)));
    store.reached("app", &asked).expect("reached");
    let renewed = store.hold_back("app", &first, Hold::Now).expect("hold");
    assert_eq!((renewed.renewed, renewed.reached), (2, true));
    let at = Hold::At(Lsn::from_u64(u64::MAX));
    let moved = store.hold_back("app", &first, at).expect("hold");
    assert_eq!((moved.at, moved.reached), (at, false));
    store.reached("app", &renewed).expect("what was asked for before");
    assert!(!store.held("app").expect("held").expect("there").reached);
    assert_eq!(store.hold_back("app", &second, Hold::Now).expect("hold").by, first);
    store.let_go("app", &second).expect("what is not its own");
    assert_eq!(store.held("app").expect("held").expect("there").at, at);
    store.let_go("app", &first).expect("let go");
    assert_eq!(store.hold_back("app", &second, Hold::Now).expect("hold").by, second);

    let other = Mirror { name: "ab".to_owned(), ..mirror.clone() };
    assert!(store.claim(&other, None).expect("claim"));
    let names: Vec<String> = store.mirrors().expect("list").into_iter().map(|mirror| mirror.name).collect();
    assert_eq!(names, ["ab", "app"]);
    store.forget_mirror("app").expect("forget");
    store.forget_mirror("app").expect("forget what is not there");
    assert_eq!((read("app"), store.held("app").expect("held")), (None, None));
    assert!(!store.wish("app", Wanted::Run).expect("wish"));
    assert!(!store.stand("app", &second, MirrorPhase::Error, &Standing::default()).expect("stand"));
    kept(&other);
}

/// Whoever lists jobs sees how a mirror stands, and one that is over stays so.
#[test]
fn the_job_of_a_mirror_stands_as_that_does() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = Sqlite::open(directory.path()).expect("open");
    let other = Record { status: Status::Running, ..job(Kind::Mirror, 2) };
    let mut job = Record { status: Status::Running, ..job(Kind::Mirror, 1) };
    store.insert(&job).expect("insert");
    store.insert(&other).expect("insert");
    let end = |label: &str| End {
        label: label.to_owned(),
        reach: label.to_owned(),
        system_identifier: String::new(),
        database: String::new(),
    };
    let mirror = Mirror {
        name: "app".to_owned(),
        job: job.id.clone(),
        wanted: Wanted::Run,
        phase: MirrorPhase::Streaming,
        of: Definition {
            source: end("staging"),
            destination: end("local"),
            slot: String::new(),
            publication: String::new(),
            own_publication: true,
            wal_budget: 1,
            options: serde_json::Value::Null,
        },
        standing: Standing::default(),
        created_ms: 5,
        changed_ms: 0,
    };
    assert!(store.claim(&mirror, None).expect("claim"));
    let mut stands = |status: Status| {
        job.status = status;
        assert_eq!(store.get(&job.id).expect("get"), job);
        let filter = Filter { status: Some(status), kind: Some(Kind::Mirror), limit: None };
        assert!(store.list(&filter).expect("list").contains(&job), "{status:?}");
    };
    stands(Status::Running);
    let waits = Standing { waits: Some("connecting again".to_owned()), ..Standing::default() };
    store.stand("app", &mirror.job, MirrorPhase::Streaming, &waits).expect("stand");
    stands(Status::Retrying);
    store.wish("app", Wanted::Pause).expect("wish");
    stands(Status::Pausing);
    store.stand("app", &mirror.job, MirrorPhase::Paused, &Standing::default()).expect("stand");
    stands(Status::Paused);
    // The end of a moment takes back nothing but that.
    let wanted = || store.mirror("app").expect("read").map(|record| record.wanted);
    let (by, another) = (JobId::generate(), JobId::generate());
    assert!(!store.still("app", &by).expect("wish"));
    store.no_longer_still("app", Some(&by)).expect("wish");
    stands(Status::Paused);
    store.wish("app", Wanted::Run).expect("wish");
    assert!(store.still("app", &by).expect("wish"));
    assert!(!store.still("app", &another).expect("wish"));
    assert_eq!((wanted(), store.still_by("app").expect("read")), (Some(Wanted::Still), Some(by.clone())));
    store.no_longer_still("app", Some(&another)).expect("wish");
    store.no_longer_still("app", None).expect("wish");
    assert_eq!(wanted(), Some(Wanted::Still));
    store.no_longer_still("app", Some(&by)).expect("wish");
    assert_eq!((wanted(), store.still_by("app").expect("read")), (Some(Wanted::Run), None));
    store.stand("app", &mirror.job, MirrorPhase::CatchingUp, &Standing::default()).expect("stand");
    stands(Status::Running);
    let over = Record { status: Status::Cancelled, ..store.get(&mirror.job).expect("get") };
    store.update(&over).expect("update");
    store.stand("app", &mirror.job, MirrorPhase::Paused, &Standing::default()).expect("stand");
    assert_eq!(store.get(&mirror.job).expect("get"), over);
    assert_eq!(store.get(&other.id).expect("get"), other);
}

#[test]
fn sqlite_keeps_mirrors() {
    let directory = tempfile::tempdir().expect("temporary directory");
    keeps_mirrors(&Sqlite::open(directory.path()).expect("open"));
}

/// A staging database from intent to swap, undo and clean, with a crash (a new opening) between all steps.
#[test]
fn databases_of_ours_are_remembered_across_restarts() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let open = || Sqlite::open(directory.path()).expect("open");
    let job = JobId::generate();
    let left = || -> Vec<(String, Option<u32>, MadeFor, MadeState)> {
        let made = open().leftovers("1").expect("leftovers");
        made.into_iter().map(|made| (made.name, made.oid, made.made_for, made.state)).collect()
    };
    let found = |name: &str, oid, made_for, state| (name.to_owned(), oid, made_for, state);

    open().record_intent(&job, "1", "mbs_new", None, MadeFor::Staging, "app").expect("intent");
    assert_eq!(left(), [found("mbs_new", None, MadeFor::Staging, MadeState::Intended)]);
    open().record_created(&job, "mbs_new", 70).expect("created");
    assert_eq!(left(), [found("mbs_new", Some(70), MadeFor::Staging, MadeState::Created)]);

    open().record_intent(&job, "1", "mbs_old", Some(50), MadeFor::Old, "app").expect("intent");
    open().record_put_aside("1", 50, "mbs_old").expect("put aside");
    open().record_in_place(&job, "1", 70, "app").expect("in place");
    assert_eq!(left(), [found("mbs_old", Some(50), MadeFor::Old, MadeState::Created)]);

    open().record_intent(&job, "1", "mbs_undone", Some(70), MadeFor::Undone, "app").expect("intent");
    open().record_put_aside("1", 70, "mbs_undone").expect("put aside");
    open().record_in_place(&job, "1", 50, "app").expect("in place");
    assert_eq!(left(), [found("mbs_undone", Some(70), MadeFor::Undone, MadeState::Created)]);

    assert_eq!(open().leftovers("2").expect("leftovers"), [], "another cluster's");
    open().record_dropped("1", "mbs_undone").expect("dropped");
    assert_eq!(left(), []);
    let states: Vec<_> = open().made_by(&job).expect("made by").iter().map(|made| made.state).collect();
    assert_eq!(states, [MadeState::Renamed, MadeState::Renamed, MadeState::Dropped]);
}

#[test]
fn roles_are_remembered_until_they_are_no_leftovers() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let open = || Sqlite::open(directory.path()).expect("open");
    let (first, second) = (JobId::generate(), JobId::generate());
    for (job, cluster) in [(&first, "1"), (&second, "1"), (&first, "2")] {
        open().record_role(job, cluster, "app").expect("record");
    }
    let roles = |cluster| -> Vec<JobId> {
        open().roles(cluster).expect("roles").into_iter().map(|role| role.job).collect()
    };
    assert_eq!(roles("1"), [first.clone(), second.clone()]);
    open().forget_role(&first, "1", "app").expect("forget");
    assert_eq!((roles("1"), roles("2")), (vec![second], vec![first.clone()]));
    assert!(open().forget_role(&first, "1", "app").is_err(), "it is not recorded any more");
}

/// A clone that a later one puts aside stays what it was for its own job: only the later one's record says "old".
#[test]
fn a_database_put_aside_by_a_later_job_is_not_the_earlier_jobs_leftover() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = Sqlite::open(directory.path()).expect("open");
    let (first, second) = (JobId::generate(), JobId::generate());
    store.record_intent(&first, "1", "mbs_1", None, MadeFor::Staging, "app").expect("intent");
    store.record_created(&first, "mbs_1", 70).expect("created");
    store.record_in_place(&first, "1", 70, "app").expect("in place");
    store.record_intent(&second, "1", "mbs_2_old", Some(70), MadeFor::Old, "app").expect("intent");
    store.record_put_aside("1", 70, "mbs_2_old").expect("put aside");
    let left = store.leftovers("1").expect("leftovers");
    assert_eq!(
        left.iter().map(|made| (&made.job, made.made_for)).collect::<Vec<_>>(),
        [(&second, MadeFor::Old)]
    );
    assert_eq!(
        store.made_by(&first).expect("made by").first().map(|made| made.state),
        Some(MadeState::Renamed)
    );
}

#[test]
fn what_was_never_recorded_cannot_be_completed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = Sqlite::open(directory.path()).expect("open");
    assert!(store.record_created(&JobId::generate(), "mbs_x", 1).is_err());
    assert!(store.record_in_place(&JobId::generate(), "1", 1, "app").is_err());
    assert!(store.record_dropped("1", "app").is_err());
}

#[test]
fn sources_are_remembered_as_last_seen() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = Sqlite::open(directory.path()).expect("open");
    assert_eq!(store.last_sighting("staging").expect("look up"), None);
    for at_ms in [1, 2] {
        let identity =
            Identity { system_identifier: at_ms.to_string(), database_oid: u32::MAX, database: "a".into() };
        let place = format!("db{at_ms}.example.com:5432/a");
        let seen = Sighting { identity, place, loopback: at_ms == 2, at_ms };
        store.record_sighting("staging", &seen).expect("record");
        assert_eq!(store.last_sighting("staging").expect("look up"), Some(seen));
    }
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

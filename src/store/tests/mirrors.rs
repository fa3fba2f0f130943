//! What the store keeps of mirrors, and how the job of one stands.

use super::job;
use crate::id::JobId;
use crate::job::{Filter, Kind, Record, Store};
use crate::pg::Lsn;
use crate::progress::{Lag, MirrorPhase, Problem, Status, Wal};
use crate::store::Sqlite;
use crate::workflow::mirror::Hold;
use crate::workflow::mirror::record::{Definition, End, Held, Record as Mirror, Records, Standing, Wanted};

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
        error: Some(Problem { code: "x".into(), message: "y".into(), hint: None, exit: None }),
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

    // Begun again by the job that has it: what was said to that since its record was read holds.
    assert!(store.wish("app", Wanted::Run).expect("wish"));
    assert_eq!(mirror.wanted, Wanted::Pause);
    assert!(store.claim(&mirror, Some(&second)).expect("claim"));
    mirror.wanted = Wanted::Run;
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
        let filter = Filter { status: Some(status), kind: Some(Kind::Mirror), ..Filter::default() };
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

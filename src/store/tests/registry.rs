//! What the store keeps of databases and roles that were made, and of sources that were seen.

use crate::engine::stage::registry::{MadeState, Registry, Sighting};
use crate::id::JobId;
use crate::safety::{Identity, MadeFor};
use crate::store::Sqlite;

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

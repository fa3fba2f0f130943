//! The job store is one file for many: processes that open and close it leave it as it is for those that go on.

use multiboard_sync::id::JobId;
use multiboard_sync::job::{Filter, Kind, Record, Store};
use multiboard_sync::store::Sqlite;

use crate::support::binary::Binary;

#[tokio::test]
async fn another_process_does_not_take_itself_for_the_last_one() {
    let program = Binary::new();
    program.run(&["jobs", "list"]).await.expect_code(0);
    let first = Sqlite::open(&program.data_dir()).unwrap();
    // What every opening does must not let go of what the one before it has locked.
    let second = Sqlite::open(&program.data_dir()).unwrap();
    let insert = |store: &Sqlite, created_ms| {
        let record = Record::new(JobId::generate(), Kind::Clone, "staging", "local", "app", created_ms);
        store.insert(&record).unwrap();
    };
    insert(&first, 1);
    let log = program.data_dir().join("jobs.sqlite-wal");
    assert!(log.metadata().unwrap().len() > 0);
    program.run(&["jobs", "list"]).await.expect_code(0);
    assert!(log.exists(), "the log was removed under those who write it");
    insert(&first, 2);
    insert(&second, 3);
    assert_eq!(first.list(&Filter::default()).unwrap().len(), 3);
    let listed = program.run(&["jobs", "list", "--json"]).await.expect_code(0).stdout.lines().count();
    assert_eq!(listed, 3);
}

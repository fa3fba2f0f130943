//! Clones that the destination refuses: rows, indexes, a full disk; and those that verification finds to differ. The destination
//! database is as it was.

use crate::clone_crash::{OLD, Pair, pair};
use crate::support::cloning::{clone, start_clone};
use crate::support::keeper::as_server_user;
use crate::support::small_disk::SmallDisk;
use crate::support::{
    Binary, Fault, FaultProxy, Outcome, Point, Server, Session, Settings, checksum, say, source,
};

/// A function that works on the source only: it stands for everything that is right there and wrong here.
async fn only_on_the_source(pair: &Pair, ddl: &str) {
    let port = pair.from.server().address().port();
    pair.from
        .execute(&format!(
            "CREATE FUNCTION only_here(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                 IF inet_server_port() <> {port} THEN RAISE 'only on the source'; END IF; RETURN a; END $$; {ddl}"
        ))
        .await;
    pair.to.announce("only on the source");
}

#[tokio::test]
async fn rows_and_indexes_that_the_destination_refuses_leave_no_staging_database() {
    for (object, ddl) in [
        (
            "public.checked",
            "CREATE TABLE checked (a int CHECK (only_here(a) > 0)); INSERT INTO checked VALUES (1)",
        ),
        (
            "by_function",
            "CREATE TABLE x (a int); INSERT INTO x VALUES (1); CREATE INDEX by_function ON x (only_here(a))",
        ),
    ] {
        let Some(pair) = pair("refused").await else { return };
        only_on_the_source(&pair, ddl).await;
        let program = Binary::new();
        let more = ["--confirm", pair.to.name()];
        let outcome = clone(&program, &pair.from.url(), &pair.to.url(), &more).await.expect_code(1);
        outcome.expect_error(&[object, "only on the source"]);
        pair.expect_untouched(object).await;
    }
}

#[tokio::test]
async fn a_materialized_view_that_cannot_be_filled_is_reported_and_the_clone_goes_on() {
    let Some(pair) = pair("unfilled").await else { return };
    only_on_the_source(
        &pair,
        "CREATE TABLE x AS SELECT 1 AS a; CREATE MATERIALIZED VIEW unfilled AS SELECT only_here(a) FROM x",
    )
    .await;
    let program = Binary::new();
    let more = ["--confirm", pair.to.name()];
    let outcome = clone(&program, &pair.from.url(), &pair.to.url(), &more).await.expect_code(0);
    let warnings = outcome.all("warning");
    assert!(warnings.iter().any(|data| data.to_string().contains("unfilled")), "{warnings:?}");
    let populated = "SELECT relispopulated FROM pg_class WHERE relname = 'unfilled'";
    assert_eq!(pair.to.query_text(populated).await, "f");
}

#[tokio::test]
async fn a_difference_found_by_verify_is_exit_5_and_leaves_no_staging_database() {
    let Some(pair) = pair("different").await else { return };
    let proxy = FaultProxy::start(pair.to.server());
    // Held at the last statement before verification, while somebody changes a row behind the clone's back.
    let armed = proxy.arm(Fault::stall_before(Point::ClientSends(b"multiboard_sync CASCADE".to_vec())));
    let program = Binary::new();
    let more = ["--confirm", pair.to.name(), "--verify", "checksum"];
    let running = start_clone(&program, &pair.from.url(), &proxy.url(pair.to.name()), &more);
    armed.fired().await;
    let left = pair.to.related_databases().await;
    let staging = left.iter().find(|name| *name != pair.to.name()).unwrap();
    let session = Session::open(&pair.to.server().url(staging)).await;
    session.execute_all("UPDATE other SET u = 'changed' WHERE id = 17").await;
    drop(session);
    proxy.resume();
    let outcome = Outcome::of(running.finish().await).expect_code(5);
    outcome.expect_error(&["public.other"]);
    pair.expect_untouched("a difference").await;
}

#[tokio::test]
async fn a_full_disk_leaves_the_destination_as_it_was() {
    let Some(disk) = SmallDisk::mount("40m") else {
        say("SKIPPED a full disk: only root may mount a small one");
        return;
    };
    let (Some(source), Some(destination)) = (source(15), Server::with(15, Settings::new())) else { return };
    // Databases made from template0 are on its tablespace; the rest of the cluster is not.
    let made = as_server_user("mkdir").arg(disk.path().join("space")).status().unwrap();
    assert!(made.success());
    destination.execute(&format!("CREATE TABLESPACE small LOCATION '{}/space'", disk.path().display())).await;
    destination.execute("ALTER DATABASE template0 SET TABLESPACE small").await;
    let from = source.database("too_much").await;
    // Our own: the rest of the rows is not wanted any more.
    from.announce("canceling statement due to user request");
    from.execute("CREATE TABLE t AS SELECT g, md5(g::text) || repeat(md5(g::text), 6) AS t FROM generate_series(1, 200000) g").await;
    let to = destination.database("too_small").await;
    to.execute(OLD).await;
    to.announce("No space left on device");
    // The other worker's session, ended with the staging database where it has not ended by itself.
    to.announce("terminating connection due to administrator command");
    let before = checksum::of(&to).await;
    let program = Binary::new();

    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(1);

    outcome.expect_error(&["disk_full", "space"]);
    assert_eq!(checksum::of(&to).await, before);
    assert_eq!(to.related_databases().await, [to.name()]);
    drop(to);
    drop(destination);
}

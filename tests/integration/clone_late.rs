//! What comes after the rows: connections that break or are refused there do not throw the copy away.

use crate::support::cloning::{clone, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Server, Settings, checksum, destination, source,
};

const TABLES: &str = "CREATE TABLE parent (id serial, t text) PARTITION BY RANGE (id);
    CREATE TABLE parent_1 PARTITION OF parent FOR VALUES FROM (1) TO (500);
    CREATE TABLE parent_2 PARTITION OF parent DEFAULT;
    INSERT INTO parent (t) SELECT 't' || g FROM generate_series(1, 1000) g;
    CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain SELECT generate_series(1, 700);
    SELECT lo_from_bytea(9, 'nine')";

/// What servers say of connections that were cut.
fn announce_cuts(databases: &[&Database<'_>]) {
    for database in databases {
        for text in
            ["connection to client lost", "unexpected EOF on client connection", "terminating connection"]
        {
            database.announce(text);
        }
    }
}

/// Which side's connection is cut when the client sends these bytes.
enum Side {
    Source,
    Destination,
}

/// A clone that goes on after the cut, and repeats what was cut.
async fn survives(side: Side, bytes: &str, more: &[&str]) {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("late").await, destination.absent_database("late"));
    announce_cuts(&[&from, &to]);
    from.execute(TABLES).await;
    let (near, far) = (FaultProxy::start(source), FaultProxy::start(destination));
    let proxy = match side {
        Side::Source => &near,
        Side::Destination => &far,
    };
    let armed = proxy.arm(Fault::cut_before(Point::ClientSends(bytes.as_bytes().to_vec())));
    let program = Binary::new();
    let outcome = clone(&program, &near.url(from.name()), &far.url(to.name()), more).await.expect_code(0);
    assert!(armed.has_fired(), "{bytes} was never sent\n{}", outcome.text());
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await, "{}", outcome.text());
    let repeated = outcome.warnings("repeated");
    assert_eq!(repeated.len(), 1, "{repeated:?}");
}

#[tokio::test]
async fn a_cut_while_the_sequences_are_read_repeats_that() {
    survives(Side::Source, "s.is_called FROM", &[]).await;
}

#[tokio::test]
async fn a_cut_while_a_parent_is_analyzed_repeats_that() {
    survives(Side::Destination, "ANALYZE \"public\".\"parent\"\0", &[]).await;
}

#[tokio::test]
async fn a_cut_while_tables_are_verified_repeats_the_question() {
    let rows = "pg_catalog.text FROM ONLY \"public\".\"plain\"";
    survives(Side::Destination, rows, &[]).await;
    survives(Side::Destination, "FROM ONLY \"public\".\"plain\"", &["--verify", "checksum"]).await;
}

#[tokio::test]
async fn a_cut_while_sequences_are_verified_repeats_that() {
    survives(Side::Destination, "s.is_called FROM", &[]).await;
}

#[tokio::test]
async fn a_server_with_fewer_connections_than_asked_for_is_verified_over_those_it_has() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    // One that looks around and one that sums up: a second of those is refused.
    let role = source.role("few", "LOGIN CONNECTION LIMIT 2 IN ROLE pg_read_all_data").await;
    let (from, to) = (source.database("few").await, destination.database("few").await);
    from.execute(TABLES).await;
    to.execute(TABLES).await;
    from.announce("too many connections for role");
    let url = from.url_as(role.name(), "unused");
    let arguments = ["verify", "--json", "--from", &url, "--to", &to.url()];
    Outcome::of(Binary::new().run(&arguments).await).expect_code(0);
}

/// A database with an extension whose own event trigger is there before ours are made.
fn with_an_event_trigger() -> Option<Server> {
    let control = b"default_version = '1.0'\nrelocatable = false\nschema = watch\n";
    let script = b"CREATE FUNCTION watch.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER of_extension ON ddl_command_end EXECUTE FUNCTION watch.f();";
    let settings = Settings::new()
        .file("extension/watch.control", control)
        .file("extension/watch--1.0.sql", script)
        .set("extension_control_path", "$system:$FOLDER");
    Server::with(18, settings)
}

const EVENT_TRIGGERS: &str = "SELECT string_agg(evtname, ' ' ORDER BY evtname) FROM pg_event_trigger";

#[tokio::test]
async fn event_triggers_are_made_though_an_extension_has_one_and_the_connection_breaks() {
    let (Some(source), Some(destination)) = (with_an_event_trigger(), with_an_event_trigger()) else {
        return;
    };
    let (from, to) = (source.database("watched").await, destination.absent_database("watched"));
    announce_cuts(&[&from, &to]);
    from.execute(
        "CREATE EXTENSION watch; CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION f();
         CREATE EVENT TRIGGER other ON sql_drop EXECUTE FUNCTION f()",
    )
    .await;
    let far = FaultProxy::start(&destination);
    // Before they are made, and after they are with the answer lost.
    let made = crate::support::fault::command_complete("CREATE EVENT TRIGGER");
    let twice = [made.clone(), made, crate::support::fault::command_complete("COMMIT")].concat();
    for point in [Point::ClientSends(b"CREATE EVENT TRIGGER mine".to_vec()), Point::ServerSends(twice)] {
        let armed = far.arm(Fault::cut_before(point));
        let outcome =
            clone(&Binary::new(), &from.url(), &far.url(to.name()), &["--confirm", to.name()]).await;
        let outcome = outcome.expect_code(0);
        assert!(armed.has_fired(), "{}", outcome.text());
        assert_eq!(to.query_text(EVENT_TRIGGERS).await, "mine of_extension other");
    }
}

#[tokio::test]
async fn event_triggers_outlive_a_crash_of_the_server_before_the_swap() {
    // What is not waited for reaches the disk in ten seconds at the soonest.
    let settings = Settings::new().set("wal_writer_delay", "10s").set("bgwriter_delay", "10s");
    let (Some(source), Some(destination)) = (source(15), Server::with(15, settings)) else { return };
    let (from, to) = (source.database("durable").await, destination.database("durable").await);
    announce_cuts(&[&from, &to]);
    from.execute(
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION f()",
    )
    .await;
    to.execute("CREATE TABLE old (a int)").await;
    let in_the_way = to.session().await;
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    running.event("the wait before the swap", |line| line["data"]["code"] == "sessions_in_the_way").await;
    destination.restart("immediate");
    drop(in_the_way);
    Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(to.query_text(EVENT_TRIGGERS).await, "mine");
}

#[tokio::test]
async fn the_destinations_lock_table_is_left_room_in() {
    // Room for some hundreds of locks; whoever finds none has an error in the log, which nobody announces.
    let settings = Settings::new()
        .set("max_locks_per_transaction", "10")
        .set("max_connections", "20")
        .set("max_prepared_transactions", "0");
    let (Some(source), Some(destination)) = (source(15), Server::with(15, settings)) else { return };
    let owner = source.role("owner", "").await;
    let _there = owner.on(&destination, "").await;
    let (from, to) = (source.database("locks").await, destination.absent_database("locks"));
    let name = owner.name();
    from.execute(&format!(
        "DO $$ BEGIN
             FOR i IN 1..3000 LOOP EXECUTE format('CREATE SEQUENCE s%s; SELECT setval(''s%s'', %s)', i, i, i); END LOOP;
         END $$;
         DO $$ BEGIN
             FOR i IN 1..3000 LOOP EXECUTE format('ALTER LARGE OBJECT %s OWNER TO {name}', lo_create(i)); END LOOP;
         END $$",
    ))
    .await;
    clone(&Binary::new(), &from.url(), &to.url(), &["--verify", "checksum"]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT last_value FROM s2999").await, "2999");
    let owned = format!("SELECT count(*) FROM pg_largeobject_metadata WHERE lomowner = '{name}'::regrole");
    assert_eq!(to.query_text(&owned).await, "3000");
}

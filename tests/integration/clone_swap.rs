//! The swap, the way back, and what of the old database stays with its name.

use serde_json::Value;

use crate::support::cloning::{clone, clone_of, start_clone};
use crate::support::{
    Binary, Database, Outcome, Session, checksum, destination, eventually, installation, missing, source,
};

const OLD: &str = "CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)";
const NEW: &str = "CREATE TABLE fresh (a int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 100)";

/// A source with [`NEW`] and a destination with [`OLD`].
async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("swap").await, destination.database("swap").await);
    from.execute(NEW).await;
    to.execute(OLD).await;
    Some((from, to))
}

/// The names of what was made of a database, without its own.
async fn others(to: &Database<'_>) -> Vec<String> {
    let mut names = to.related_databases().await;
    names.retain(|name| name != to.name());
    names
}

async fn is_new(to: &Database<'_>) -> bool {
    checksum::has_relation(to, "public", "fresh").await
}

#[tokio::test]
async fn the_old_database_is_kept_and_undo_brings_it_back() {
    let Some((from, to)) = pair().await else { return };
    let server = to.server();
    let owner = server.role("owner", "").await;
    let reader = server.role("reader", "").await;
    let name = to.name().to_owned();
    let name = name.as_str();
    // Declared after the roles, so that it is dropped before them.
    let to = to;
    server
        .execute(&format!(
            "COMMENT ON DATABASE {name} IS 'the app''s own';
             ALTER DATABASE {name} OWNER TO {owner}; ALTER DATABASE {name} CONNECTION LIMIT 33;
             REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT, CREATE ON DATABASE {name} TO {reader};
             ALTER DATABASE {name} SET work_mem = '7MB'; ALTER DATABASE {name} SET \"app.stage\" = 'it''s \"dev\"';
             ALTER ROLE {reader} IN DATABASE {name} SET statement_timeout = '1min'",
            owner = owner.name(),
            reader = reader.name()
        ))
        .await;
    let source_name = from.name();
    from.server()
        .execute(&format!(
            "ALTER DATABASE {source_name} SET work_mem = '99MB'; ALTER DATABASE {source_name} SET \"app.from_source\" = 'yes'"
        ))
        .await;
    let (before, before_contents) = (facts(&to).await, checksum::of(&to).await);
    let program = Binary::new();

    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", name]).await.expect_code(0);

    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
    let kept = others(&to).await;
    assert_eq!(kept.len(), 1);
    assert!(kept[0].starts_with("mbs_") && kept[0].contains("_old_"), "{kept:?}");
    let swapped = outcome.all("swap.done");
    assert_eq!(
        (&swapped[0]["database"], &swapped[0]["kept_as"]),
        (&Value::from(name), &Value::from(kept[0].as_str()))
    );
    let undo = &outcome.report()["undo"];
    assert_eq!(undo["available"], true);
    assert!(undo["command"].as_str().unwrap().contains(outcome.job()), "{undo}");
    // The destination's own settings win; what only the source has comes along.
    let mut expected = before.clone();
    expected.push(vec![Some("all".to_owned()), Some("app.from_source=yes".to_owned())]);
    expected.sort();
    assert_eq!(facts(&to).await, expected);

    program.run(&["undo", outcome.job()]).await.expect_code(0);

    assert_eq!(facts(&to).await, before);
    assert_eq!(checksum::of(&to).await, before_contents);
}

/// Owner, privileges, limits, comment and settings of a database.
async fn facts(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let mut rows = database
        .query_rows(
            "SELECT 'owner', pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()
             UNION ALL SELECT 'acl', a::text FROM pg_database, unnest(datacl) a WHERE datname = current_database()
             UNION ALL SELECT 'limit', datconnlimit || ' ' || datallowconn || ' ' || datistemplate FROM pg_database WHERE datname = current_database()
             UNION ALL SELECT 'comment', shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()
             UNION ALL SELECT coalesce(r.rolname, 'all'), c FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
                 CROSS JOIN LATERAL unnest(s.setconfig) c
                 WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .await;
    rows.sort();
    rows
}

#[tokio::test]
async fn undo_twice_is_refused_and_changes_nothing() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    program.run(&["undo", outcome.job()]).await.expect_code(0);
    assert!(!is_new(&to).await);
    let before = to.related_databases().await;
    let again = program.run(&["undo", outcome.job()]).await;
    assert_ne!(again.code, Some(0), "{again:?}");
    assert_eq!(to.related_databases().await, before);
    assert!(!is_new(&to).await);
    let unknown = program.run(&["undo", "job_01J00000000000000000000000"]).await;
    assert_ne!(unknown.code, Some(0), "{unknown:?}");
}

#[tokio::test]
async fn as_many_old_databases_are_kept_as_asked_for() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let run = async |keep: &str| {
        let more = ["--confirm", to.name(), "--keep-old", keep];
        clone(&program, &from.url(), &to.url(), &more).await.expect_code(0);
        others(&to).await
    };
    assert_eq!(run("2").await.len(), 1);
    let two = run("2").await;
    assert_eq!(two.len(), 2);
    let two_again = run("2").await;
    assert_eq!(two_again.len(), 2);
    assert_ne!(two, two_again, "the oldest one goes");
    assert_eq!(run("1").await.len(), 1);
    assert_eq!(run("0").await, [""; 0]);
    assert!(is_new(&to).await);
}

#[tokio::test]
async fn a_kept_database_that_cannot_be_dropped_is_named_and_keeps_no_other() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let run = async |keep: &str| {
        let more = ["--confirm", to.name(), "--keep-old", keep];
        let outcome = clone(&program, &from.url(), &to.url(), &more).await.expect_code(0);
        (others(&to).await, outcome)
    };
    run("2").await;
    let (kept, _) = run("2").await;
    let newest = Session::open(&to.server().url(kept.last().unwrap())).await;
    let subscribe = "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)";
    newest.execute_all(subscribe).await;
    drop(newest);
    let (left, outcome) = run("0").await;
    assert_eq!(left, kept[1..], "{}", outcome.text());
    let warnings = outcome.warnings("old_database_left");
    assert!(warnings[0]["message"].as_str().unwrap().contains(&kept[1]), "{warnings:?}");
    let newest = Session::open(&to.server().url(&kept[1])).await;
    newest.execute_all("DROP SUBSCRIPTION s").await;
    drop(newest);
    assert_eq!(run("0").await.0, [""; 0]);
}

#[tokio::test]
async fn the_swap_waits_for_sessions_names_them_and_goes_on_when_they_leave() {
    let Some((from, to)) = pair().await else { return };
    let idle = to.session().await;
    idle.execute_all("SET application_name = 'a report that runs'").await;
    let pid = idle.query_text("SELECT pg_backend_pid()").await;
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    let warning = running
        .event("a warning that names the session", |line| {
            line["event"] == "warning"
                && line["data"]["message"].as_str().is_some_and(|text| text.contains(&pid))
        })
        .await;
    assert!(warning["data"]["message"].as_str().unwrap().contains("a report that runs"), "{warning}");
    // It is still the old database, and it can be used.
    assert_eq!(idle.query_text("SELECT count(*) FROM old").await, "3");
    assert!(!is_new(&to).await);
    drop(idle);
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(outcome.phases().last(), Some(&"done"));
    assert!(is_new(&to).await);
}

#[tokio::test]
async fn what_the_old_database_is_set_to_while_the_swap_waits_is_taken_over_too() {
    let Some((from, to)) = pair().await else { return };
    to.execute(&format!("ALTER DATABASE {} SET work_mem = '6MB'", to.name())).await;
    let program = Binary::new();
    let idle = to.session().await;
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    running.event("the wait", |line| line["data"]["code"] == "sessions_in_the_way").await;
    let name = to.name();
    let changes = format!(
        "ALTER DATABASE {name} SET work_mem = '7MB'; ALTER DATABASE {name} CONNECTION LIMIT 77; GRANT TEMPORARY ON DATABASE {name} TO pg_monitor"
    );
    idle.execute_all(&changes).await;
    let before = facts(&to).await;
    drop(idle);
    Outcome::of(running.finish().await).expect_code(0);
    assert!(is_new(&to).await);
    assert_eq!(facts(&to).await, before);
}

#[tokio::test]
async fn sessions_are_ended_when_asked_for() {
    let Some((from, to)) = pair().await else { return };
    to.announce("terminating connection due to administrator command");
    let (idle, busy) = (to.session().await, to.session().await);
    let mut sleeper = tokio::task::JoinSet::new();
    sleeper.spawn(async move { busy.batch_execute("SELECT pg_sleep(600)").await });
    clone_of(&from, &to, &["--confirm", to.name(), "--terminate-sessions"]).await;
    assert!(is_new(&to).await);
    assert!(sleeper.join_next().await.unwrap().unwrap().is_err());
    eventually("the end of the idle session", async || match idle.batch_execute("SELECT 1").await {
        Err(_) => Ok(()),
        Ok(()) => Err("it is alive".to_owned()),
    })
    .await;
}

#[tokio::test]
async fn a_person_at_the_terminal_is_asked_whether_sessions_are_to_be_ended() {
    let Some((from, to)) = pair().await else { return };
    if installation::program("script").is_none() {
        return missing("script", "apt-get install bsdutils").unwrap_or_default();
    }
    to.announce("terminating connection due to administrator command");
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let in_the_way = to.session().await;
    // script(1) gives its command a terminal; what is typed there comes from a pipe.
    let terminal = Binary::of("/bin/sh").env("MULTIBOARD_SYNC_DATA_DIR", program.data_dir());
    let pipe = terminal.folder().join("typed");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let line = format!(
        "exec script -qec '{} undo {}' /dev/null <typed",
        env!("CARGO_BIN_EXE_multiboard-sync"),
        outcome.job()
    );
    let mut running = terminal.start(&["-c", &line]);
    let mut typed = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    running.line("the wait", |line| line.contains("the swap waits for sessions").then_some(())).await;
    assert_eq!(in_the_way.query_text("SELECT count(*) FROM fresh").await, "100");
    std::io::Write::write_all(&mut typed, b"y\n").unwrap();
    let output = running.finish().await;
    assert!(output.expect_code(0).stdout.contains("end these sessions now?"), "{output:?}");
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
}

#[tokio::test]
async fn sessions_that_come_back_at_once_do_not_keep_the_swap_from_happening() {
    let Some((from, to)) = pair().await else { return };
    to.announce("terminating connection due to administrator command");
    // Those that come in the very moment of the rename.
    to.announce("It seems to have just been dropped or renamed");
    let url = to.url();
    let mut persistent = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let url = url.clone();
        // An application's pool: ended sessions are replaced at once, for as long as the test runs.
        persistent.spawn(async move {
            loop {
                if let Ok(session) = Session::try_open(&url).await {
                    while session.batch_execute("SELECT pg_sleep(0.01)").await.is_ok() {}
                }
                tokio::task::yield_now().await;
            }
        });
    }
    clone_of(&from, &to, &["--confirm", to.name(), "--terminate-sessions"]).await;
    assert!(is_new(&to).await);
    persistent.shutdown().await;
}

#[tokio::test]
async fn a_destination_that_does_not_exist_is_made() {
    let Some((from, _)) = pair().await else { return };
    let Some(destination) = destination(15) else { return };
    let to = destination.absent_database("made_anew");
    let outcome = clone_of(&from, &to, &[]).await;
    assert!(is_new(&to).await);
    assert_eq!(others(&to).await, [""; 0]);
    assert!(outcome.all("swap.done")[0]["kept_as"].is_null());
}

#[tokio::test]
async fn a_filled_destination_needs_its_name_as_confirmation() {
    let Some((from, to)) = pair().await else { return };
    for more in [vec![], vec!["--confirm", "another"], vec!["--confirm", ""]] {
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(7);
        assert!(outcome.text().contains(to.name()), "{}", outcome.text());
        assert_eq!(to.related_databases().await, [to.name()]);
    }
    // An empty one needs none; a wrong one is still refused.
    let empty = to.server().database("empty").await;
    clone(&Binary::new(), &from.url(), &empty.url(), &["--confirm", "another"]).await.expect_code(7);
    clone_of(&from, &empty, &[]).await;
}

#[tokio::test]
async fn without_the_right_to_create_databases_it_stops_and_says_what_to_grant() {
    let Some((from, _)) = pair().await else { return };
    let Some(destination) = destination(15) else { return };
    let role = destination.role("plain", "LOGIN").await;
    let to = destination.database("refused").await;
    let url = to.url_as(role.name(), "unused");
    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(3);
    outcome.expect_error(&["CREATEDB", role.name()]);
    assert_eq!(to.related_databases().await, [to.name()]);
}

#[tokio::test]
async fn an_owner_that_our_role_may_not_hand_to_is_known_before_the_copy() {
    let (Some(source), Some(destination)) = (source(15), destination(18)) else { return };
    let owner = destination.role("owner", "").await;
    let role = destination.role("heir", "LOGIN CREATEDB").await;
    let (from, to) = (source.database("hands").await, destination.database("hands").await);
    from.execute(NEW).await;
    let (owner, name) = (owner.name(), to.name());
    // It has what the owner has, and may rename the database, but cannot become the owner.
    let grant = |set| format!("GRANT {owner} TO {} WITH INHERIT TRUE, SET {set}", role.name());
    destination.execute(&format!("ALTER DATABASE {name} OWNER TO {owner}; {}", grant("FALSE"))).await;
    let url = to.url_as(role.name(), "unused");
    let more = ["--no-owner", "--no-privileges"];
    let outcome = clone(&Binary::new(), &from.url(), &url, &more).await.expect_code(3);
    outcome.expect_error(&["owner_not_assumable", owner, role.name(), "SET TRUE"]);
    assert_eq!(outcome.phases(), ["preflight"]);
    destination.execute(&grant("TRUE")).await;
    clone(&Binary::new(), &from.url(), &url, &more).await.expect_code(0);
    let owned_by = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";
    assert_eq!(to.query_text(owned_by).await, owner);
}

#[tokio::test]
async fn a_plain_role_that_may_create_databases_can_clone() {
    let Some((from, _)) = pair().await else { return };
    let Some(destination) = destination(15) else { return };
    let role = destination.role("maker", "LOGIN CREATEDB").await;
    let to = destination.database("own").await;
    destination.execute(&format!("ALTER DATABASE {} OWNER TO {}", to.name(), role.name())).await;
    let url = to.url_as(role.name(), "unused");
    let outcome =
        clone(&Binary::new(), &from.url(), &url, &["--no-owner", "--no-privileges"]).await.expect_code(0);
    assert!(is_new(&to).await, "{}", outcome.text());
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";
    assert_eq!(to.query_text(owner).await, role.name());
}

#[tokio::test]
async fn in_place_is_refused_for_now() {
    let Some((from, to)) = pair().await else { return };
    let outcome =
        clone(&Binary::new(), &from.url(), &to.url(), &["--confirm", to.name(), "--no-stage"]).await;
    assert!(matches!(outcome.output.code, Some(2 | 3)), "{}", outcome.text());
    assert!(outcome.text().contains("--no-stage"), "{}", outcome.text());
    assert!(!is_new(&to).await);
    assert_eq!(to.related_databases().await, [to.name()]);
}

#[tokio::test]
async fn two_clones_into_one_destination_end_with_one_of_them() {
    let Some((from, to)) = pair().await else { return };
    let (one, two) = (Binary::new(), Binary::new());
    let more = ["--confirm", to.name()];
    let (from_url, to_url) = (from.url(), to.url());
    let (first, second) =
        tokio::join!(clone(&one, &from_url, &to_url, &more), clone(&two, &from_url, &to_url, &more));
    let codes = [first.output.code, second.output.code];
    assert!(codes.contains(&Some(0)), "{codes:?}\n{}\n{}", first.text(), second.text());
    assert!(is_new(&to).await);
    // Whoever lost has cleared up; what is left are old databases that were kept.
    let left = others(&to).await;
    assert!(left.iter().all(|name| name.contains("_old_")), "{left:?}");
}

#[tokio::test]
async fn names_that_need_quotes_and_are_long_are_swapped_too() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let from = source.database("Quoted \"ü\" '%").await;
    let to = destination.database("Öther \"ü\" '%").await;
    from.execute(NEW).await;
    to.execute(OLD).await;
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM fresh").await, "100");
    program.run(&["undo", outcome.job()]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
}

//! Bad input: each gets a clear error with names in it, a stable exit code, and leaves everything as it was.

use crate::support::cloning::clone;
use crate::support::pooler::Pooler;
use crate::support::stand_in::StandIn;
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Server, Settings, checksum, destination, source,
};

const TABLE: &str = "CREATE TABLE t AS SELECT generate_series(1, 100) AS a";

/// A source with one table and a destination that does not exist.
async fn pair(hint: &str) -> Option<(Database<'static>, Database<'static>)> {
    let (from, to) = (source(15)?.database(hint).await, destination(15)?.absent_database(hint));
    from.execute(TABLE).await;
    Some((from, to))
}

/// A clone that must end with this code and these words, and without any trace at the destination.
async fn refused(from: &str, to: &str, more: &[&str], code: i32, words: &[&str]) -> Outcome {
    let outcome = clone(&Binary::new(), from, to, more).await.expect_code(code);
    outcome.expect_error(words);
    // People get the same as programs.
    for word in words {
        assert!(outcome.output.stderr.contains(word), "no {word:?} on stderr\n{}", outcome.text());
    }
    outcome
}

/// A port of loopback on which nobody listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_named() {
    let Some((from, to)) = pair("unreachable").await else { return };
    let port = closed_port();
    let nowhere = format!("postgres://postgres@127.0.0.1:{port}/app");
    let at = format!("127.0.0.1:{port}");
    let source_gone = refused(&nowhere, &to.url(), &[], 1, &[&at]).await;
    assert!(source_gone.text().contains("source"), "{}", source_gone.text());
    let destination_gone = refused(&from.url(), &nowhere, &[], 1, &[&at]).await;
    assert!(destination_gone.text().contains("destination"), "{}", destination_gone.text());
    assert_eq!(to.related_databases().await, [""; 0]);
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let Some((from, _)) = pair("no_address").await else { return };
    let nowhere = "postgres://postgres@no-such-host.invalid/app";
    let outcome = clone(&Binary::new(), nowhere, &from.url(), &[]).await.expect_code(1);
    outcome.expect_error(&["no-such-host.invalid"]);
}

const SCRAM: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_told_apart() {
    let (Some(server), Some(destination)) = (Server::with(15, Settings::new().hba(SCRAM)), destination(15))
    else {
        return;
    };
    let to = destination.absent_database("password");
    let url = |password: &str, database: &str| {
        format!("postgres://postgres:{password}@{}/{database}", server.address())
    };
    let wrong = refused(
        &url("wr0ng-canary", "postgres"),
        &to.url(),
        &[],
        1,
        &["password authentication failed", "postgres"],
    )
    .await;
    assert!(!wrong.text().contains("wr0ng-canary"), "{}", wrong.text());
    let none = format!("postgres://postgres@{}/postgres", server.address());
    refused(&none, &to.url(), &[], 1, &["password"]).await;
    let password = crate::support::server::PASSWORD;
    refused(&url(password, "no_such_database"), &to.url(), &[], 1, &["no_such_database", "does not exist"])
        .await;
    assert_eq!(to.related_databases().await, [""; 0]);
}

#[tokio::test]
async fn tables_that_may_not_be_read_are_named_all_of_them() {
    let Some((from, to)) = pair("privilege").await else { return };
    let role = from.server().role("reader", "LOGIN").await;
    let from = from;
    from.execute(&format!(
        "CREATE SCHEMA hidden; CREATE TABLE hidden.secret (a int); CREATE TABLE private (a int);
         CREATE TABLE policed (a int); INSERT INTO policed VALUES (1), (2); ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
         CREATE POLICY some_rows ON policed USING (a = 1);
         GRANT SELECT ON t, policed, hidden.secret TO {}",
        role.name()
    ))
    .await;
    let url = from.url_as(role.name(), "unused");
    let words =
        ["hidden.secret", "public.private", "public.policed", "row-level security", role.name(), "GRANT"];
    refused(&url, &to.url(), &[], 3, &words).await;
    assert_eq!(to.related_databases().await, [""; 0]);
    // Left out, they are in nobody's way.
    let more = [
        "--exclude",
        "hidden",
        "--exclude",
        "public.private",
        "--exclude",
        "public.policed",
        "--no-owner",
        "--no-privileges",
    ];
    clone(&Binary::new(), &url, &to.url(), &more).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn sequences_that_may_not_be_read_are_named_before_any_row_is_copied() {
    let Some((from, to)) = pair("sequences").await else { return };
    let role = from.server().role("reader", "LOGIN").await;
    let from = from;
    from.execute(&format!(
        "CREATE TABLE counted (a int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE public.\"Odd\";
         CREATE SCHEMA hidden; CREATE SEQUENCE hidden.away; CREATE SEQUENCE fine;
         GRANT SELECT ON t, counted, fine, hidden.away TO {}",
        role.name()
    ))
    .await;
    let url = from.url_as(role.name(), "unused");
    let words = ["public.counted_a_seq", "Odd", "hidden.away", role.name(), "GRANT SELECT ON SEQUENCE"];
    let more = ["--no-owner", "--no-privileges"];
    let outcome = refused(&url, &to.url(), &more, 3, &words).await;
    assert!(!outcome.error().to_string().contains("public.fine"), "{}", outcome.text());
    assert_eq!(outcome.phases(), ["preflight", "plan"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    from.execute(&format!(
        "GRANT USAGE ON SCHEMA hidden TO {0}; GRANT SELECT ON SEQUENCE counted_a_seq, \"Odd\" TO {0}",
        role.name()
    ))
    .await;
    clone(&Binary::new(), &url, &to.url(), &more).await.expect_code(0);
}

#[tokio::test]
async fn an_older_destination_is_refused() {
    let (Some(source), Some(destination)) = (source(18), destination(15)) else { return };
    let (from, to) = (source.database("newer").await, destination.absent_database("newer"));
    from.execute(TABLE).await;
    refused(&from.url(), &to.url(), &[], 3, &["15", "18", "older"]).await;
    assert_eq!(to.related_databases().await, [""; 0]);
}

#[tokio::test]
async fn a_source_older_than_14_is_refused_before_it_is_asked_anything() {
    let Some(destination) = destination(15) else { return };
    let to = destination.absent_database("too_old");
    for (version, number) in
        [("13.4", "13.4"), ("13.22 (Debian 13.22-1.pgdg120+1)", "13.22"), ("9.6.24", "9.6")]
    {
        let old = StandIn::start(version).await;
        let words = [number, "14 is the oldest", "upgrade"];
        let outcome = refused(&old.url("app"), &to.url(), &[], 3, &words).await;
        assert_eq!(outcome.error()["code"], "source_too_old", "{}", outcome.text());
        // Nothing but the settings of a session.
        let asked = old.queries();
        assert!(asked.iter().all(|query| query.starts_with("SET ")), "{asked:?}");
        assert!(asked.concat().contains("default_transaction_read_only"), "{asked:?}");
    }
    assert_eq!(to.related_databases().await, [""; 0]);
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused_and_one_in_session_mode_serves() {
    let Some((from, to)) = pair("pooled").await else { return };
    let Some(pooler) = Pooler::start(from.server(), "transaction").await else { return };
    let words = ["transaction", "pool"];
    refused(&pooler.url(from.name()), &to.url(), &[], 3, &words).await;
    assert_eq!(to.related_databases().await, [""; 0]);
    // Nor can two databases be compared through it: the sessions' settings get lost.
    for command in ["verify", "diff"] {
        let url = pooler.url(from.name());
        let output = Binary::new().run(&[command, "--from", &from.url(), "--to", &url]).await;
        let said = &output.expect_code(3).stderr;
        assert!(words.iter().all(|word| said.contains(word)), "{command}: {said}");
    }
    drop(pooler);
    // Nor can one be replaced through it.
    let Some(pooler) = Pooler::start(to.server(), "transaction").await else { return };
    let outcome = refused(&from.url(), &pooler.url(to.name()), &[], 3, &words).await;
    assert_eq!(outcome.error()["code"], "transaction_pooler", "{}", outcome.text());
    assert_eq!(to.related_databases().await, [""; 0]);
    drop(pooler);
    let Some(pooler) = Pooler::start(from.server(), "session").await else { return };
    clone(&Binary::new(), &pooler.url(from.name()), &to.url(), &["--jobs", "3"]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn through_a_pooler_in_session_mode_an_absent_and_an_empty_database_are_replaced() {
    let Some((from, absent)) = pair("pooled_to").await else { return };
    let empty = absent.server().database("pooled_empty").await;
    let Some(pooler) = Pooler::start(absent.server(), "session").await else { return };
    for made in [&absent, &empty] {
        let url = pooler.url(made.name());
        made.announce("terminating connection due to administrator command");
        clone(&Binary::new(), &from.url(), &url, &["--jobs", "2"]).await.expect_code(0);
        assert_eq!(made.query_text("SELECT count(*) FROM t").await, "100");
    }
}

#[tokio::test]
async fn the_source_itself_is_no_destination() {
    let Some((from, _)) = pair("itself").await else { return };
    let before = checksum::of(&from).await;
    let name = from.name();
    let proxy = FaultProxy::start(from.server());
    // By its own address, over the socket, and through a tunnel.
    for url in [from.url(), from.socket_url(), proxy.url(name)] {
        refused(&from.url(), &url, &["--confirm", name], 6, &["source"]).await;
        refused(&url, &from.url(), &["--confirm", name], 6, &["source"]).await;
    }
    assert_eq!(checksum::of(&from).await, before);
    assert_eq!(from.related_databases().await, [name]);
    // Another database of the same server may be.
    let other = from.server().absent_database("beside");
    clone(&Binary::new(), &from.url(), &other.url(), &[]).await.expect_code(0);
    assert_eq!(other.query_text("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn a_host_elsewhere_is_refused_before_it_is_dialled() {
    let Some((from, to)) = pair("elsewhere").await else { return };
    for (host, code) in [
        ("203.0.113.9", "refused_not_listed"),
        ("203.0.113.9,127.0.0.1", "refused_several_hosts"),
        ("[2001:db8::9]", "refused_not_listed"),
        ("0.0.0.0", "refused_not_listed"),
        // Neither has an address here; the one is known by its name.
        ("db.abcdefgh.supabase.co", "refused_managed_host"),
        ("no-such-host.invalid", "refused_no_address"),
        ("no-such-host.invalid,127.0.0.1", "refused_several_hosts"),
    ] {
        let url = format!("postgres://postgres@{host}/app?connect_timeout=60");
        let start = std::time::Instant::now();
        let outcome = clone(&Binary::new(), &from.url(), &url, &["--confirm", "app"]).await;
        let outcome = outcome.expect_code(6);
        assert_eq!(outcome.error()["code"], code, "{host}: {}", outcome.text());
        // The log has it too.
        let logged = outcome.output.stderr.lines().find(|line| line.contains("refused to write"));
        let logged = logged.unwrap_or_else(|| panic!("{host}: no line in the log\n{}", outcome.text()));
        assert!(logged.contains(code) && logged.contains("WARN"), "{logged}");
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{host} took {:?}", start.elapsed());
    }
    // hostaddr leads elsewhere whatever the host says.
    let url = format!("{}?hostaddr=203.0.113.9", to.url());
    clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(6);
}

#[tokio::test]
async fn a_connection_with_role_source_is_never_written_to() {
    let Some((from, to)) = pair("roles").await else { return };
    let config = format!(
        "[connections.production]\nurl = \"{}\"\nrole = \"source\"\n[connections.elsewhere]\nurl = \"{}\"\nrole = \"source\"\n",
        from.url(),
        to.server().url("postgres")
    );
    let program = Binary::new().config(&config);
    let outcome = clone(&program, "production", "elsewhere", &["--confirm", "postgres"]).await.expect_code(6);
    outcome.expect_error(&["elsewhere", "source"]);
    clone(&program, "production", &to.url(), &[]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn an_extension_that_the_destination_does_not_have_is_a_warning_or_with_strict_an_error() {
    // The npm build of 18 has other extensions than Debian's 15: adminpack was removed in 17.
    let (Some(source), Some(destination)) = (source(15), destination(18)) else { return };
    let (from, to) = (source.database("extension").await, destination.absent_database("extension"));
    from.execute("CREATE EXTENSION adminpack; CREATE TABLE t AS SELECT 1 AS a").await;
    refused(&from.url(), &to.url(), &["--strict"], 3, &["adminpack"]).await;
    assert_eq!(to.related_databases().await, [""; 0]);
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(0);
    assert!(
        outcome.all("warning").iter().any(|data| data.to_string().contains("adminpack")),
        "{}",
        outcome.text()
    );
    assert!(outcome.report()["skipped"].to_string().contains("adminpack"));
    assert_eq!(to.query_text("SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn a_locale_that_the_destination_does_not_have_is_named() {
    let Some((from, to)) = pair("locale").await else { return };
    to.announce("invalid LC_COLLATE locale name");
    to.announce("invalid locale name");
    let at = format!("postgres@{}/{}", to.server().address(), to.name());
    refused(&from.url(), &to.url(), &["--locale", "xx_XX.utf8"], 3, &["xx_XX.utf8", "--locale", &at]).await;
    assert_eq!(to.related_databases().await, [""; 0]);
    clone(&Binary::new(), &from.url(), &to.url(), &["--locale", "C"]).await.expect_code(0);
    let locale = "SELECT datcollate || ' ' || datctype FROM pg_database WHERE datname = current_database()";
    assert_eq!(to.query_text(locale).await, "C C");
}

/// Every file below a folder, as bytes.
fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    found
}

#[tokio::test]
async fn a_password_is_nowhere_to_be_seen() {
    const CANARY: &str = "canary-4f9c1e";
    let (Some(source), Some(destination)) =
        (Server::with(15, Settings::new().hba(SCRAM)), Server::with(15, Settings::new().hba(SCRAM)))
    else {
        return;
    };
    let options = format!("LOGIN SUPERUSER PASSWORD '{CANARY}'");
    let superuser = |server: &Server| {
        format!("postgres://postgres:{}@{}/postgres", crate::support::server::PASSWORD, server.address())
    };
    for server in [&source, &destination] {
        let session = crate::support::Session::open(&superuser(server)).await;
        session.execute_all(&format!("CREATE ROLE watched {options}")).await;
        session.execute_all("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a").await;
    }
    let url = |server: &Server, database: &str| {
        format!("postgres://watched:{CANARY}@{}/{database}", server.address())
    };
    let expect_none = |program: &Binary, outcome: &Outcome, how: &str| {
        assert!(!outcome.text().contains(CANARY), "{how}\n{}", outcome.text());
        for (path, bytes) in files(&program.data_dir()) {
            let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!seen, "{how}: {} holds the password", path.display());
        }
    };

    // By the environment: nothing in the list of processes either.
    let program = Binary::new()
        .env("SOURCE_DATABASE_URL", url(&source, "postgres"))
        .env("DESTINATION_DATABASE_URL", url(&destination, "made"))
        .env("RUST_LOG", "trace");
    let proxy = FaultProxy::start(&source);
    let running = program.start(&["clone", "--json", "-vvv"]);
    let command_line = std::fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap_or_default();
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert!(!String::from_utf8_lossy(&command_line).contains(CANARY));
    assert!(!outcome.text().contains("list of processes"));
    expect_none(&program, &outcome, "environment");
    for arguments in [["jobs", "list", "--json"], ["jobs", "show", outcome.job()]] {
        assert!(!program.run(&arguments).await.stdout.contains(CANARY));
    }

    // On the command line: a warning, and not a word more.
    let program = Binary::new();
    let outcome = clone(
        &program,
        &url(&source, "postgres"),
        &url(&destination, "made"),
        &["--confirm", "made", "-vvv"],
    )
    .await;
    let outcome = outcome.expect_code(0);
    assert!(outcome.output.stderr.contains("list of processes"), "{}", outcome.text());
    expect_none(&program, &outcome, "command line");

    // And when things go wrong, at every stage.
    let broken = format!("postgres://watched:{CANARY}@{}/postgres?sslmode=disable", proxy.address());
    for (point, why) in [
        (Point::ServerBytes(1), "while connecting"),
        (Point::ServerSends(b"PGCOPY".to_vec()), "while copying"),
    ] {
        proxy.arm(Fault::cut_before(point).on_all_connections().then_refuse());
        let program = Binary::new();
        let outcome = clone(&program, &broken, &url(&destination, "made2"), &["-vvv"]).await.expect_code(1);
        expect_none(&program, &outcome, why);
        proxy.accept();
    }
    for (text, code) in [
        (format!("postgres://watched:{CANARY}@{}/nowhere", source.address()), 1),
        (format!("postgres://watched:{CANARY}x@{}/postgres", source.address()), 1),
        (format!("postgres://watched:{CANARY}@{}/postgres?no_such_parameter=1", source.address()), 2),
        (format!("postgres://watched:{CANARY}@[::1/postgres"), 2),
        (format!("host=127.0.0.1 user=watched password='{CANARY} dbname=open"), 2),
    ] {
        let program = Binary::new();
        let outcome = clone(&program, &text, &url(&destination, "made3"), &[]).await.expect_code(code);
        expect_none(&program, &outcome, &text);
    }
}

//! One check for every fixture in `tests/schemas`: the real program clones it, and neither pg_dump nor the program's own
//! `diff` finds a difference.
//!
//! Within a version the clone's schema is compared with the source's. Into a newer version it is compared with what
//! `pg_dump | psql` of that newer version makes of the same source, as a definition may well be printed differently.

use std::collections::HashSet;
use std::path::Path;

use multiboard_sync::pg::Ident;
use multiboard_sync::sql;

use super::cloning::clone_of;
use super::dump::{self, Allowed};
use super::keeper::give_to_server_user;
use super::{Binary, Server, destination, installation, source};

/// Versions of every run.
const DAILY: [u16; 2] = [15, 18];

/// Versions of a run with `MULTIBOARD_TEST_MATRIX=full`, whose servers `scripts/setup servers 14 16 17` brings.
const ALL: [u16; 5] = [14, 15, 16, 17, 18];

/// Roles that the fixtures name. They belong to the cluster, so several tests share them.
pub const ROLES: [&str; 6] = ["mbs_owner", "mbs_alice", "mbs_bob", "mbs Carol", "mbs_reader", "mbs Writer"];

/// A role that fixtures name where only a superuser may own something.
pub const SUPERUSER: &str = "mbs_admin";

/// The version into which every older one is cloned too.
const NEWEST: u16 = 18;

/// Makes the roles of the fixtures where they are not there yet.
pub async fn make_roles(server: &Server) {
    let session = server.session().await;
    let plain = ROLES.map(|role| (role, ""));
    for (role, options) in plain.into_iter().chain([(SUPERUSER, "SUPERUSER")]) {
        let made = sql!(
            "DO $$ BEGIN CREATE ROLE {role} {options}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
            role = Ident::from(role),
            options = multiboard_sync::pg::Sql::fixed(options)
        );
        session.execute_all(made.as_str()).await;
    }
}

/// Tablespaces that a fixture may name.
pub const TABLESPACES: [&str; 2] = ["mbs_fast", "mbs Slow"];

/// Makes the tablespaces of the fixtures where they are not there yet.
pub async fn make_tablespaces(server: &Server) {
    // One test after the other: CREATE TABLESPACE knows no transaction.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let session = server.session().await;
    if server.major() >= 15 {
        session.execute_all("SET allow_in_place_tablespaces = on").await;
    }
    for name in TABLESPACES {
        let known = sql!(
            "SELECT count(*) FROM pg_tablespace WHERE spcname = {name}",
            name = multiboard_sync::pg::Literal(name)
        );
        if session.query_text(known.as_str()).await == "0" {
            let location = location(server, name);
            let create = sql!(
                "CREATE TABLESPACE {name} LOCATION {location}",
                name = Ident::from(name),
                location = multiboard_sync::pg::Literal(&location)
            );
            session.execute_all(create.as_str()).await;
        }
    }
}

/// Where a tablespace lies: inside of the data directory, which servers before 15 do not allow; there in a folder beside it.
fn location(server: &Server, name: &str) -> String {
    if server.major() >= 15 {
        return String::new();
    }
    let folder = server.folder().join(name);
    std::fs::create_dir(&folder).unwrap();
    give_to_server_user(&folder);
    folder.to_str().unwrap().to_owned()
}

/// Clones the fixture `tests/schemas/NAME.sql` within each of the versions that this run is about, and from each
/// older one into the newest. `since` is the first version whose features it holds. A line of `allowed` must differ
/// in at least one of these clones; every other differing line, and any object that is skipped, fails the test.
pub async fn clones_without_a_differing_line(name: &str, since: u16, allowed: &[Allowed]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/schemas/{name}.sql"));
    let sql = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let pairs = pairs_since(since);
    let all = pairs.len();
    let mut differed = HashSet::new();
    let mut compared = 0;
    for (from, to) in pairs {
        let Some(lines) = clone_and_compare(name, &sql, from, to, allowed).await else { continue };
        differed.extend(lines);
        compared += 1;
    }
    // Where a version was not to be had, nothing can be said of lines that may differ there alone.
    if compared == all {
        for entry in allowed {
            assert!(differed.contains(entry.line), "allowed but equal: {} ({})", entry.line, entry.reason);
        }
    }
}

/// The versions that this run is about.
pub fn versions() -> Vec<u16> {
    match std::env::var("MULTIBOARD_TEST_MATRIX").as_deref() {
        Ok("full") => ALL.to_vec(),
        Ok(other) => panic!("MULTIBOARD_TEST_MATRIX={other}: the one value that it knows is full"),
        Err(_) => DAILY.to_vec(),
    }
}

/// The pairs of versions that this run is about, from the first version on that has what is cloned: source, destination.
pub fn pairs_since(since: u16) -> Vec<(u16, u16)> {
    pairs(&versions(), since)
}

/// Each version with itself, and each older one with the newest.
fn pairs(versions: &[u16], since: u16) -> Vec<(u16, u16)> {
    let has_it = || versions.iter().copied().filter(|major| *major >= since);
    let upgrades = has_it().filter(|major| *major < NEWEST).map(|major| (major, NEWEST));
    has_it().map(|major| (major, major)).chain(upgrades).collect()
}

/// The lines that differ and are allowed to; `None` where a program or server that this takes is not here.
async fn clone_and_compare(
    name: &str,
    sql: &str,
    from_major: u16,
    to_major: u16,
    allowed: &[Allowed],
) -> Option<Vec<String>> {
    let (on_source, on_destination) = (source(from_major)?, destination(to_major)?);
    make_roles(on_source).await;
    make_roles(on_destination).await;
    if sql.contains("Tablespaces: ") {
        make_tablespaces(on_source).await;
        make_tablespaces(on_destination).await;
    }
    let client = client_for(to_major);
    let (from, to) = (on_source.database(name).await, on_destination.absent_database(name));
    from.execute(sql).await;
    let outcome = clone_of(&from, &to, &["--no-neutralize"]).await;
    // Two installations may have two libraries for the order of text, and say so.
    let of_library = |object: &&str| from_major != to_major && object.starts_with("collation ");
    let skipped: Vec<&str> = outcome.skipped().into_iter().filter(|object| !of_library(object)).collect();
    assert_eq!(skipped, [] as [&str; 0], "{name} from {from_major} to {to_major}");
    Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await.expect_code(0);
    let expected = if from_major == to_major {
        dump::schema(client, &from.url())?
    } else {
        let restored = on_destination.database_with("restored", "TEMPLATE template0").await;
        dump::copy_with_psql(client, &from.url(), &restored.url())?;
        dump::schema(client, &restored.url())?
    };
    let found = dump::schema(client, &to.url())?;
    let differing = dump::differences(&expected, &found);
    let here: Vec<&Allowed> =
        allowed.iter().filter(|entry| differing.iter().any(|line| line == entry.line)).collect();
    if differing.len() > here.len() {
        super::say(&format!("{name} from {from_major} to {to_major}:"));
    }
    dump::assert_same_but(&expected, &found, &here);
    Some(differing)
}

/// pg_dump of the version itself, or else the oldest newer one that is here: each can read all older servers.
pub fn client_for(major: u16) -> u16 {
    (major..=NEWEST).find(|major| installation::client("pg_dump", *major).is_some()).unwrap_or(major)
}

#[test]
fn every_version_is_cloned_within_itself_and_into_the_newest() {
    assert_eq!(pairs(&[15, 18], 14), [(15, 15), (18, 18), (15, 18)]);
    assert_eq!(pairs(&[14, 15, 16, 17, 18], 17), [(17, 17), (18, 18), (17, 18)]);
    assert_eq!(pairs(&[15, 18], 18), [(18, 18)]);
}

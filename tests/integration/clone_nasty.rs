//! The round trip of a database of everything that a clone may get wrong (`tests/schemas/nasty.sql`).

use crate::support::cloning::{clone_of, start_clone};
use crate::support::fixture::{client_for, pairs_since};
use crate::support::{Binary, Database, Outcome, Role, Server, checksum, destination, dump, source};

const FIXTURE: &str = include_str!("../schemas/nasty.sql");

/// The fixture on a source, with its roles on both servers. Databases go before the roles they name.
struct Nasty<'s> {
    database: Database<'s>,
    roles: Vec<Role<'s>>,
}

impl<'s> Nasty<'s> {
    async fn load(source: &'s Server, destination: &'s Server) -> Self {
        let mut roles = Vec::new();
        let mut text = FIXTURE.to_owned();
        for hint in ["nasty_owner", "nasty_reader", "nasty_writer"] {
            let role = source.role(hint, "").await;
            text = text.replace(hint, role.name());
            roles.push(role.on(destination, "").await);
            roles.push(role);
        }
        let database = source.database("nasty").await;
        let session = database.session().await;
        // A paragraph at a time: a new enum value cannot be used by the transaction that made it.
        for paragraph in text.split("\n\n") {
            session.execute_all(paragraph).await;
        }
        drop(session);
        let nasty = Self { database, roles };
        nasty.set_up(&nasty.database).await;
        nasty
    }

    /// Settings of a database that change how values are shown, and how long statements may take.
    async fn set_up(&self, database: &Database<'_>) {
        let (name, owner) = (database.name(), self.roles[1].name());
        database
            .server()
            .execute(&format!(
                "ALTER DATABASE {name} SET search_path = app, public, '$user';
                 ALTER DATABASE {name} SET \"nasty.custom\" = E'it''s \\\\ \"custom\"';
                 ALTER DATABASE {name} SET DateStyle = 'SQL, DMY';
                 ALTER DATABASE {name} SET TimeZone = 'Asia/Kathmandu';
                 ALTER DATABASE {name} SET IntervalStyle = 'sql_standard';
                 ALTER DATABASE {name} SET extra_float_digits = -3;
                 ALTER DATABASE {name} SET bytea_output = 'escape';
                 ALTER DATABASE {name} SET statement_timeout = '1min';
                 ALTER ROLE {owner} IN DATABASE {name} SET work_mem = '5MB';
                 ALTER ROLE {owner} IN DATABASE {name} SET search_path = ''"
            ))
            .await;
    }
}

/// Settings of a database, for all and for single roles.
const SETTINGS: &str = "SELECT coalesce(r.rolname, 'all'), c FROM pg_db_role_setting s \
    LEFT JOIN pg_roles r ON r.oid = s.setrole CROSS JOIN LATERAL unnest(s.setconfig) c \
    WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2";

/// Large objects with what `checksum` does not look at.
const LARGE_OBJECTS: &str = "SELECT m.oid, pg_get_userbyid(m.lomowner), length(lo_get(m.oid)), \
    (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(m.lomacl) a), obj_description(m.oid, 'pg_largeobject') \
    FROM pg_largeobject_metadata m ORDER BY 1";

/// Rows whose leaf depends on the OIDs of enum labels, read through the parent.
const BY_MOOD: &str = "SELECT m, n FROM app.by_mood ORDER BY n";

/// Tables, sequences and large objects; without the leaves that hold other rows on every server.
async fn contents(database: &Database<'_>) -> Vec<String> {
    let mut lines = checksum::of(database).await;
    lines.retain(|line| !line.contains("by_mood_"));
    lines
}

async fn assert_same_contents(from: &Database<'_>, to: &Database<'_>) {
    dump::assert_same(&contents(from).await, &contents(to).await);
    for query in [LARGE_OBJECTS, BY_MOOD, SETTINGS] {
        assert_eq!(from.query_rows(query).await, to.query_rows(query).await, "{query}");
    }
    // The oids of objects, where a column holds them, are those of the destination's own objects.
    let found =
        to.query_text("SELECT bool_and(what::text::regclass = what) FROM app.points_to_relations").await;
    assert_eq!(found, "t");
}

/// The program's own `diff` finds none.
async fn assert_no_difference(from: &Database<'_>, to: &Database<'_>) {
    Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await.expect_code(0);
}

fn assert_nothing_was_left_out(outcome: &Outcome) {
    assert_eq!(outcome.skipped(), [""; 0], "{}", outcome.text());
    assert_eq!(outcome.all("warning"), Vec::<&serde_json::Value>::new());
}

#[tokio::test]
async fn a_database_of_everything_is_the_same_on_15() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let nasty = Nasty::load(source, destination).await;
    let from = &nasty.database;
    let to = destination.absent_database("nasty");
    let before = (dump::schema(15, &from.url()), contents(from).await);

    let outcome = clone_of(from, &to, &["--verify", "checksum"]).await;

    assert_nothing_was_left_out(&outcome);
    assert_no_difference(from, &to).await;
    let Some(expected) = dump::schema(15, &from.url()) else { return };
    dump::assert_same(&expected, &dump::schema(15, &to.url()).unwrap());
    assert_same_contents(from, &to).await;
    assert_eq!(before, (Some(expected), contents(from).await), "the source changed");
    assert_eq!(nasty.roles.len(), 6);
}

#[tokio::test]
async fn a_database_of_everything_on_18_is_what_pg_dump_and_psql_make_of_it() {
    let (Some(source), Some(destination)) = (source(15), destination(18)) else { return };
    let nasty = Nasty::load(source, destination).await;
    let from = &nasty.database;
    let restored = destination.database_with("restored", "TEMPLATE template0").await;
    let to = destination.absent_database("nasty");

    let outcome = clone_of(from, &to, &["--jobs", "3"]).await;

    assert_nothing_was_left_out(&outcome);
    assert_no_difference(from, &to).await;
    assert_same_contents(from, &to).await;
    if dump::copy_with_psql(18, &from.url(), &restored.url()).is_none() {
        return;
    }
    // A plain dump has no settings of the database, and pg_dump writes constants as the database's settings say.
    nasty.set_up(&restored).await;
    assert_no_difference(from, &restored).await;
    dump::assert_same(&dump::schema(18, &restored.url()).unwrap(), &dump::schema(18, &to.url()).unwrap());
}

#[tokio::test]
async fn a_clone_of_the_clone_is_the_same_on_18() {
    let (Some(source), Some(destination)) = (source(18), destination(18)) else { return };
    let nasty = Nasty::load(source, destination).await;
    let from = &nasty.database;
    let to = destination.absent_database("nasty");
    let outcome = clone_of(from, &to, &["--verify", "checksum", "--jobs", "1"]).await;
    assert_nothing_was_left_out(&outcome);
    assert_no_difference(from, &to).await;
    assert_same_contents(from, &to).await;
    let Some(expected) = dump::schema(18, &from.url()) else { return };
    dump::assert_same(&expected, &dump::schema(18, &to.url()).unwrap());
}

/// Between these versions with `MULTIBOARD_TEST_MATRIX=full`: the tests above are of the others.
#[tokio::test]
async fn a_database_of_everything_is_the_same_between_all_versions() {
    let above = [(15, 15), (18, 18), (15, 18)];
    for (from_major, to_major) in pairs_since(15).into_iter().filter(|pair| !above.contains(pair)) {
        let (Some(source), Some(destination)) = (source(from_major), destination(to_major)) else { return };
        let nasty = Nasty::load(source, destination).await;
        let from = &nasty.database;
        let to = destination.absent_database("nasty");
        let outcome = clone_of(from, &to, &["--verify", "checksum"]).await;
        assert_nothing_was_left_out(&outcome);
        assert_no_difference(from, &to).await;
        assert_same_contents(from, &to).await;
        let client = client_for(to_major);
        let mut expected = dump::schema(client, &from.url());
        if from_major != to_major {
            let restored = destination.database_with("restored", "TEMPLATE template0").await;
            let Some(()) = dump::copy_with_psql(client, &from.url(), &restored.url()) else { return };
            nasty.set_up(&restored).await;
            expected = dump::schema(client, &restored.url());
        }
        let (Some(expected), Some(found)) = (expected, dump::schema(client, &to.url())) else { return };
        dump::assert_same(&expected, &found);
    }
}

#[tokio::test]
async fn owners_and_grants_can_be_left_out() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let role = source.role("owner", "").await;
    let (from, to) = (source.database("owners").await, destination.absent_database("owners"));
    let name = role.name();
    from.execute(&format!(
        "CREATE TABLE t (a int); ALTER TABLE t OWNER TO {name}; CREATE TABLE u (a int);
         GRANT SELECT ON u TO {name}; SELECT lo_create(7); ALTER LARGE OBJECT 7 OWNER TO {name}"
    ))
    .await;
    // The destination does not have the role: each object that wanted it is a warning, and no error.
    let outcome = clone_of(&from, &to, &[]).await;
    assert!(!outcome.all("warning").is_empty(), "{}", outcome.text());
    assert!(outcome.all("warning").iter().any(|data| data.to_string().contains(name)));
    let outcome = clone_of(&from, &to, &["--no-owner", "--no-privileges", "--confirm", to.name()]).await;
    assert_eq!(outcome.all("warning"), Vec::<&serde_json::Value>::new());
    let owner = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(to.query_rows(owner).await, [[Some("postgres".to_owned())]]);
}

/// Peak resident memory of a process in kilobytes (`VmHWM`, proc(5)).
fn peak_kilobytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn values_of_a_hundred_megabytes_pass_without_being_held() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("large").await, destination.database("large").await);
    // One table that travels in binary, one that can only go as text; incompressible would only cost disk.
    from.execute(
        "CREATE TABLE as_binary (id int, t text, b bytea);
         CREATE TABLE as_text (id regclass, t text);
         INSERT INTO as_binary SELECT 1, repeat('0123456789', 10 * 1024 * 1024), convert_to(repeat('b', 30 * 1024 * 1024), 'UTF8');
         INSERT INTO as_text SELECT 'as_binary', repeat(E'\\n\\\\', 25 * 1024 * 1024);
         SELECT lo_from_bytea(5, convert_to(repeat('large', 10 * 1024 * 1024), 'UTF8'))",
    )
    .await;
    let program = Binary::new();
    // The swap waits for this session, and with it the program, so that there is something to look at.
    let in_the_way = to.session().await;
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--verify", "checksum"]);
    running.event("phase swap", |event| event["data"]["phase"] == "swap").await;
    // Nothing to see where there is no proc file system.
    let peak = std::path::Path::new("/proc/self/status").exists().then(|| peak_kilobytes(running.pid()));
    drop(in_the_way);
    Outcome::of(running.finish().await).expect_code(0);
    assert!(peak.is_none_or(|peak| peak < 100 * 1024), "{peak:?} kB at its peak");
    let sums = "SELECT (SELECT md5(t) || md5(b) FROM as_binary), (SELECT md5(t) || id::text FROM as_text), md5(lo_get(5))";
    assert_eq!(from.query_rows(sums).await, to.query_rows(sums).await);
}

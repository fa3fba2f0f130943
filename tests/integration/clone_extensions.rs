//! Extensions: tables of theirs in which rows of the user lie, and what may not be read of them.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, Outcome, Server, Settings, clone, dump};

const CONTROL: &[u8] = b"default_version = '1.0'\nrelocatable = false\nschema = conf\n";

/// `internal` is not marked, so that its rows stay with the extension; the rest as pg_cron, PostGIS and pg_partman do.
const SCRIPT: &[u8] = b"CREATE TABLE conf.parent (id int PRIMARY KEY, name text, builtin boolean DEFAULT false);
INSERT INTO conf.parent VALUES (1, 'brought along', true), (2, 'brought along', false);
CREATE TABLE conf.child (id serial PRIMARY KEY, parent int REFERENCES conf.parent, twice int GENERATED ALWAYS AS (parent * 2) STORED);
CREATE TABLE conf.internal (a int);
CREATE TABLE conf.parted (id int PRIMARY KEY, note text) PARTITION BY LIST (id);
CREATE INDEX ON conf.parted (note);
SELECT pg_catalog.pg_extension_config_dump('conf.parent', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('conf.child', '');
SELECT pg_catalog.pg_extension_config_dump('conf.child_id_seq', '');
";

const PICKY_CONTROL: &[u8] = b"default_version = '1.0'\nrelocatable = false\nschema = picky\n";

/// As pg_cron does: it lives in one database only, of a name that a staging database never has.
const PICKY: &[u8] = b"DO $$ BEGIN IF current_database() ~ '^mbs_' THEN
    RAISE EXCEPTION 'can only create extension in another database'; END IF; END $$;
CREATE FUNCTION picky.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE picky.conf (a int); SELECT pg_catalog.pg_extension_config_dump('picky.conf', '');
";

const HOME_CONTROL: &[u8] = b"default_version = '1.0'\nrelocatable = false\ncomment = 'of its file'\n";

/// Its schema is a member of its own, so it comes and goes with it.
const HOME: &[u8] = b"CREATE SCHEMA home; CREATE TABLE home.of_extension (a int);
CREATE POLICY made_by_script ON home.of_extension USING (a > 0);
";

const SOURCE: &str = "CREATE EXTENSION conf; DELETE FROM conf.parent WHERE id = 2;
    INSERT INTO conf.parent SELECT g, 'mine ' || g FROM generate_series(3, 2000) g;
    INSERT INTO conf.child (parent) SELECT id FROM conf.parent; INSERT INTO conf.internal VALUES (1);
    CREATE TABLE uses (id int REFERENCES conf.parent); INSERT INTO uses VALUES (1), (3)";

const ROWS: &str = "SELECT concat((SELECT sum(hashtext(p::text)) || '/' || count(*) FROM conf.parent p), ' ',
    (SELECT sum(hashtext(c::text)) || '/' || count(*) FROM conf.child c), ' ', (SELECT last_value FROM conf.child_id_seq))";

/// A server that can make the extension: from 18 on one may lie outside of the installation.
fn server() -> Option<Server> {
    let settings = Settings::new()
        .file("extension/conf.control", CONTROL)
        .file("extension/conf--1.0.sql", SCRIPT)
        .file("extension/picky.control", PICKY_CONTROL)
        .file("extension/picky--1.0.sql", PICKY)
        .file("extension/home.control", HOME_CONTROL)
        .file("extension/home--1.0.sql", HOME)
        .set("extension_control_path", "$system:$FOLDER");
    Server::with(18, settings)
}

#[tokio::test]
async fn rows_of_the_user_in_tables_of_an_extension_come_along() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("conf").await, destination.absent_database("conf"));
    from.execute(SOURCE).await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum", "--strict"]).await;

    assert_eq!(to.query_text(ROWS).await, from.query_text(ROWS).await);
    assert_eq!(to.query_text("SELECT count(*) FROM conf.internal").await, "0");
    assert_eq!(outcome.report()["verification"]["different"], serde_json::json!([]));
    let arguments = ["verify", "--json", "--from", &from.url(), "--to", &to.url(), "--mode", "checksum"];
    Outcome::of(Binary::new().run(&arguments).await).expect_code(0);
    to.execute("UPDATE conf.parent SET name = 'other' WHERE id = 7").await;
    let different = Outcome::of(Binary::new().run(&arguments).await).expect_code(5);
    assert!(different.text().contains("conf.parent"), "{}", different.text());
}

#[tokio::test]
async fn a_table_of_an_extension_that_may_not_be_read_is_a_line_in_the_report() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("barred").await, destination.absent_database("barred"));
    from.execute("CREATE EXTENSION conf; CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE conf.parent ENABLE ROW LEVEL SECURITY").await;
    let reader = source.role("reader", "LOGIN").await;
    from.execute(&format!(
        "GRANT SELECT ON t, conf.parent TO {0}; GRANT USAGE ON SCHEMA conf TO {0}",
        reader.name()
    ))
    .await;

    let outcome = read_by(&from, reader.name(), &to).await.expect_code(0);

    let named: Vec<&str> = outcome
        .warnings("rows_of_extension_not_read")
        .iter()
        .map(|warning| warning["object"].as_str().unwrap())
        .collect();
    assert_eq!(named, ["conf.parent", "conf.child", "conf.child_id_seq"]);
    assert_eq!(to.query_text("SELECT count(*) FROM t").await, "1");
    assert_eq!(
        to.query_text("SELECT count(*) FROM conf.parent").await,
        "2",
        "those that come with the extension"
    );
}

async fn read_by(from: &Database<'_>, role: &str, to: &Database<'_>) -> Outcome {
    clone(&Binary::new(), &from.url_as(role, "x"), &to.url(), &[]).await
}

#[tokio::test]
async fn an_extension_that_cannot_be_created_there_is_left_out_with_what_needs_it_and_the_reason() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("picky").await, destination.absent_database("picky"));
    from.execute(
        "CREATE EXTENSION picky; CREATE EXTENSION conf; INSERT INTO picky.conf VALUES (1);
         CREATE TABLE t (a int DEFAULT picky.f()); INSERT INTO t VALUES (7); CREATE VIEW v AS SELECT picky.f() AS f",
    )
    .await;
    to.announce("can only create extension in another database");

    let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
    strict.expect_error(&["extension picky", "can only create extension in another database"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    assert_eq!(outcome.skipped(), ["extension picky", "default of public.t.a", "view public.v"]);
    assert_eq!(
        to.query_text("SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension").await,
        "conf plpgsql"
    );
    assert_eq!(to.query_text("SELECT a FROM t").await, "7");
}

#[tokio::test]
async fn what_was_put_into_an_extension_or_on_its_tables_is_named() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("added").await, destination.absent_database("added"));
    from.execute(
        "CREATE EXTENSION conf; CREATE TABLE mine (id int PRIMARY KEY, t text); INSERT INTO mine VALUES (1, 'x');
         GRANT SELECT ON mine TO PUBLIC; COMMENT ON TABLE mine IS 'mine';
         CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE counter;
         ALTER EXTENSION conf ADD TABLE mine; ALTER EXTENSION conf ADD FUNCTION helper(); ALTER EXTENSION conf ADD SEQUENCE counter;
         CREATE VIEW over_mine AS SELECT id FROM mine; CREATE TABLE stays (id int PRIMARY KEY, n int DEFAULT helper());
         CREATE TABLE points_there (id int REFERENCES mine); INSERT INTO stays VALUES (1); INSERT INTO points_there VALUES (1);
         ALTER TABLE conf.parent ADD COLUMN extra text DEFAULT 'e'; INSERT INTO conf.parent VALUES (5, 'five', false, 'more');
         CREATE INDEX mine_too ON conf.parent (name); ALTER TABLE conf.parent ADD CONSTRAINT named CHECK (name <> '');
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER touched BEFORE UPDATE ON conf.parent FOR EACH ROW EXECUTE FUNCTION touch();
         CREATE RULE nothing AS ON DELETE TO conf.internal DO INSTEAD NOTHING",
    )
    .await;

    let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
    strict.expect_error(&["table public.mine", "not made by extension conf on the destination"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    let mut skipped = outcome.skipped();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "default of public.stays.n",
            "foreign key points_there_id_fkey on public.points_there",
            "function public.helper()",
            "index conf.mine_too",
            "rule nothing on conf.internal",
            "sequence public.counter",
            "table column conf.parent.extra",
            "table constraint named on conf.parent",
            "table public.mine",
            "trigger touched on conf.parent",
            "view public.over_mine",
        ]
    );
    assert_eq!(to.query_text("SELECT name FROM conf.parent WHERE id = 5").await, "five");
    assert_eq!(
        to.query_text("SELECT concat((SELECT id FROM stays), (SELECT id FROM points_there))").await,
        "11"
    );
}

#[tokio::test]
async fn policies_on_tables_of_extensions_are_kept() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    for server in [&source, &destination] {
        server.execute("CREATE ROLE reader").await;
    }
    let (from, to) = (source.database("policies").await, destination.absent_database("policies"));
    from.execute(
        "CREATE EXTENSION conf; CREATE EXTENSION home; ALTER TABLE conf.parent ENABLE ROW LEVEL SECURITY;
         ALTER TABLE home.of_extension ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY mine ON conf.parent AS RESTRICTIVE FOR SELECT TO reader USING (builtin OR id > 7);
         CREATE POLICY inserted ON conf.internal FOR INSERT WITH CHECK (a > 0);
         ALTER POLICY made_by_script ON home.of_extension USING (a > 7)",
    )
    .await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    assert_eq!(outcome.skipped(), [""; 0]);
    assert_eq!(outcome.warnings("not_created"), Vec::<&serde_json::Value>::new());
    let policies = "SELECT string_agg(concat_ws(' ', tablename, policyname, permissive, roles, cmd, qual, with_check), E'\\n' ORDER BY tablename, policyname)
        FROM pg_policies, pg_class WHERE relname = tablename";
    let secured = "SELECT string_agg(concat_ws(' ', relname, relrowsecurity, relforcerowsecurity), ',' ORDER BY relname)
        FROM pg_class WHERE relrowsecurity";
    let expected = from.query_text(policies).await;
    assert!(expected.contains("parent mine RESTRICTIVE {reader} SELECT"), "{expected}");
    assert_eq!(to.query_text(policies).await, expected);
    assert_eq!(to.query_text(secured).await, "of_extension t t,parent t f");
}

#[tokio::test]
async fn a_users_table_in_the_schema_of_an_extension_comes_along() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("home").await, destination.absent_database("home"));
    from.execute(
        "CREATE EXTENSION home; CREATE EXTENSION conf;
         CREATE TABLE home.mine (id serial PRIMARY KEY, t home.of_extension); INSERT INTO home.mine (t) VALUES (ROW (7));
         CREATE TABLE conf.mine (id int REFERENCES conf.parent); INSERT INTO conf.mine VALUES (1);
         CREATE FUNCTION home.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON TABLE home.mine IS 'mine'; COMMENT ON EXTENSION home IS NULL",
    )
    .await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    assert_eq!(outcome.skipped(), [""; 0]);
    let expected = dump::schema(18, &from.url()).unwrap_or_default();
    dump::assert_same(&expected, &dump::schema(18, &to.url()).unwrap_or_default());
    assert_eq!(
        to.query_text("SELECT concat(m.id, (m.t).a, c.id) FROM home.mine AS m, conf.mine AS c").await,
        "171"
    );
}

#[tokio::test]
async fn a_users_table_stays_below_one_of_an_extension() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("below").await, destination.absent_database("below"));
    from.execute(
        "CREATE EXTENSION conf; CREATE TABLE log (a int, mine text); ALTER TABLE log INHERIT conf.internal;
         CREATE TABLE more () INHERITS (conf.parent); INSERT INTO log VALUES (1, 'x'); INSERT INTO more VALUES (7, 'seven');
         CREATE TABLE part (note text, id int NOT NULL); CREATE INDEX by_note ON part (note);
         ALTER TABLE conf.parted ATTACH PARTITION part FOR VALUES IN (1);
         CREATE TABLE deep PARTITION OF conf.parted FOR VALUES IN (2) PARTITION BY LIST (id);
         CREATE TABLE deep_2 PARTITION OF deep FOR VALUES IN (2); INSERT INTO conf.parted VALUES (1, 'one'), (2, 'two');
         CREATE TABLE points (to_part int REFERENCES conf.parted); INSERT INTO points VALUES (1), (2);
         CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM conf.parted",
    )
    .await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum", "--strict"]).await;

    assert_eq!(outcome.skipped(), [""; 0]);
    let below = "SELECT string_agg(concat(inhrelid::regclass, ' < ', inhparent::regclass, ' ',
        pg_get_expr(relpartbound, oid)), ', ' ORDER BY relname) FROM pg_inherits, pg_class WHERE oid = inhrelid";
    let expected = from.query_text(below).await;
    assert!(expected.contains("log < conf.internal") && expected.contains("by_note < "), "{expected}");
    assert_eq!(to.query_text(below).await, expected);
    let rows =
        "SELECT concat((SELECT count(*) FROM conf.internal), (SELECT name FROM conf.parent WHERE id = 7),
        (SELECT string_agg(note, ' ' ORDER BY id) FROM conf.parted), (SELECT count FROM seen))";
    assert_eq!(to.query_text(rows).await, "1sevenone two2");
    let valid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(to.query_text(valid).await, "0");
}

/// Attached after its index, which the extension's table has, too: otherwise the server makes another one.
#[tokio::test]
async fn statements_of_a_difference_put_a_table_below_one_of_an_extension() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("below").await, destination.database("below").await);
    to.execute("CREATE EXTENSION conf").await;
    from.execute(
        "CREATE EXTENSION conf; CREATE TABLE part (note text, id int NOT NULL, CONSTRAINT own PRIMARY KEY (id));
         CREATE INDEX by_note ON part (note); ALTER TABLE conf.parted ATTACH PARTITION part FOR VALUES IN (1);
         CREATE TABLE log (a int, mine text); ALTER TABLE log INHERIT conf.internal",
    )
    .await;

    let urls = (from.url(), to.url());
    let program = Binary::new();
    let statements = program.run(&["diff", "--sql", "--from", &urls.0, "--to", &urls.1]).await;
    statements.expect_code(5);
    to.execute(&statements.stdout).await;

    program.run(&["diff", "--from", &urls.0, "--to", &urls.1]).await.expect_code(0);
    let below = "SELECT string_agg(concat(inhrelid::regclass, ' < ', inhparent::regclass), ', ' ORDER BY relname) \
                 FROM pg_inherits, pg_class WHERE oid = inhrelid";
    let expected = from.query_text(below).await;
    assert!(expected.contains("by_note < ") && expected.contains("own < "), "{expected}");
    assert_eq!(to.query_text(below).await, expected);
}

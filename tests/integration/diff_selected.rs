//! `multiboard-sync diff` with a selection or a profile: a clone made with the same ones has no difference.

use crate::support::binary::Output;
use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, destination, source};

const SCHEMA: &str = "CREATE SCHEMA app; CREATE SCHEMA logs; CREATE SCHEMA \"Tools\";
    CREATE TYPE app.mood AS ENUM ('sad', 'happy'); CREATE TYPE logs.level AS ENUM ('low');
    CREATE FUNCTION logs.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';
    CREATE FUNCTION \"Tools\".twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
    CREATE TABLE app.users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m app.mood, at timestamptz DEFAULT logs.now(),
        twice int DEFAULT \"Tools\".twice(1));
    CREATE TABLE app.files (id serial PRIMARY KEY, owner int REFERENCES app.users); CREATE INDEX ON app.files (owner);
    CREATE TABLE logs.entries (id bigint PRIMARY KEY, of int REFERENCES app.users, level logs.level);
    CREATE TABLE app.linked (entry bigint CONSTRAINT to_entry REFERENCES logs.entries, level logs.level, n int);
    CREATE VIEW app.recent AS SELECT u.id, e.id AS entry FROM app.users u JOIN logs.entries e ON e.of = u.id;
    CREATE VIEW app.of_recent AS SELECT * FROM app.recent; CREATE VIEW app.names AS SELECT id FROM app.users;
    CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touched BEFORE UPDATE ON logs.entries FOR EACH ROW EXECUTE FUNCTION app.touch();
    CREATE PUBLICATION news FOR TABLE app.users, logs.entries; COMMENT ON TABLE logs.entries IS 'what happened';
    ALTER TABLE logs.entries ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON logs.entries USING (of > 0);
    INSERT INTO app.users (m) VALUES ('sad')";

async fn diff(from: &Database<'_>, to: &Database<'_>, more: &[&str]) -> Output {
    let (from, to) = (from.url(), to.url());
    Binary::new().run(&[&["diff", "--from", &from, "--to", &to], more].concat()).await
}

#[tokio::test]
async fn a_clone_of_a_part_has_no_difference_with_the_same_patterns() {
    let selections: [&[&str]; 6] = [
        &["--exclude", "logs"],
        &["--exclude", "logs.entries"],
        &["--exclude", "app.users"],
        &["--include", "app"],
        &["--include", "app.f*", "--include", "logs"],
        &["--exclude-data", "app.users"],
    ];
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let from = on_source.database("part").await;
        from.execute(SCHEMA).await;
        for selection in selections {
            let to = on_destination.absent_database("part");
            clone_of(&from, &to, selection).await;
            assert_eq!(
                diff(&from, &to, selection).await.expect_code(0).stdout,
                "the schemas are the same\n",
                "{selection:?}"
            );
            assert_ne!(diff(&from, &to, &[]).await.expect_code(5).stdout, "", "{selection:?}");
        }
    }
}

#[tokio::test]
async fn what_is_outside_is_not_compared_and_what_is_inside_is() {
    let (Some(on_source), Some(on_destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (on_source.database("part").await, on_destination.database("part").await);
    from.execute(SCHEMA).await;
    let without_logs = ["--exclude", "logs"];
    clone_of(&from, &to, &without_logs).await;
    // Somebody's own on either side, and what needs it.
    to.execute("CREATE SCHEMA logs; CREATE TABLE logs.mine (id int); CREATE VIEW app.of_mine AS SELECT id FROM logs.mine").await;
    from.execute("CREATE TABLE logs.more (id int)").await;
    diff(&from, &to, &without_logs).await.expect_code(0);
    to.execute("ALTER TABLE app.files ADD n int; DROP VIEW app.names").await;
    let found = diff(&from, &to, &without_logs).await;
    let list = found.expect_code(5).stdout.split("\n\n").next().unwrap_or_default().to_owned();
    assert_eq!(list, "- column app.files.n\n+ view app.names\n2 objects differ");
    let none = diff(&from, &to, &["--exclude", "lags"]).await;
    assert!(none.expect_code(2).stderr.contains("nothing matches --exclude lags"), "{none:?}");
}

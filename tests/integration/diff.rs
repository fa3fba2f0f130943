//! `multiboard-sync diff`: none between equal schemas however they came to be, and every difference named.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, destination, source};

async fn diff(from: &Database<'_>, to: &Database<'_>, code: i32) -> String {
    let output = Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await;
    output.expect_code(code);
    // The statements are `diff_statements`'s.
    match output.stdout.split_once("\n\nThe destination becomes") {
        Some((list, _)) => format!("{list}\n"),
        None => output.stdout,
    }
}

#[tokio::test]
async fn a_clone_has_no_difference_and_a_change_is_named() {
    let (Some(from_server), Some(to_server)) = (source(15), destination(15)) else { return };
    let from = from_server.database("diff").await;
    from.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE TABLE gone (id int); DROP TABLE gone;
         CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, was int, m mood DEFAULT 'sad', n text);
         ALTER TABLE t DROP COLUMN was; CREATE INDEX ON t (n); CREATE VIEW v AS SELECT id FROM t;
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON TABLE t IS 'one'",
    )
    .await;
    let to = to_server.database("diff").await;
    clone_of(&from, &to, &[]).await.expect_code(0);
    assert_eq!(diff(&from, &to, 0).await, "the schemas are the same\n");
    to.execute("COMMENT ON TABLE t IS 'two'; DROP VIEW v; CREATE SCHEMA extra").await;
    assert_eq!(
        diff(&from, &to, 5).await,
        "- schema extra\n~ table public.t\n    comment: two -> one\n+ view public.v\n3 objects differ\n"
    );
}

/// Text that the parser rewrites when it reads back what the server printed, a view that each version prints in its own
/// way, a primary key with names of 18, columns in another order: nothing of it is a difference.
#[tokio::test]
async fn what_versions_print_otherwise_is_no_difference() {
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(from_server), Some(to_server)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let from = from_server.database("diff").await;
        from.execute(include_str!("../schemas/inheritance_order.sql")).await;
        from.execute(
            "CREATE TYPE mood AS ENUM ('sad');
             CREATE TABLE told (id serial PRIMARY KEY, state varchar(9) CHECK (state IN ('on', 'off')), at date NOT NULL);
             CREATE VIEW of_one AS SELECT id, max(at) AS last FROM told
                WHERE EXTRACT(year FROM at) > 2000 AND state IN ('on') GROUP BY id ORDER BY id;
             CREATE VIEW within AS SELECT (SELECT max(t.at) FROM told t WHERE t.id = told.id) AS x FROM told;
             CREATE VIEW united AS SELECT id FROM told UNION ALL SELECT id FROM of_one ORDER BY 1;
             CREATE VIEW of_function AS SELECT n FROM generate_series(1, 3) AS n;
             CREATE VIEW with_common AS WITH c AS (SELECT id, state FROM told) SELECT id FROM c WHERE state <> 'on';
             CREATE MATERIALIZED VIEW filled AS SELECT state, count(*) OVER (PARTITION BY state) FROM told;
             CREATE FUNCTION latest(told) RETURNS date LANGUAGE sql BEGIN ATOMIC SELECT max(at) FROM told; END;
             CREATE VIEW again AS SELECT EXTRACT('YEAR' FROM at) AS year FROM told
                WHERE at BETWEEN '2020-01-01' AND now() AND (id, state) = (1, 'on') AND EXISTS (SELECT 'x', NULL::int, -1)
                   OR (NOT (id BETWEEN 3 AND 4 AND state = 'on')) AND state IN (SELECT 'on');
             CREATE VIEW as_xml AS SELECT XMLSERIALIZE(CONTENT XMLELEMENT(NAME foo, state) AS text) AS x FROM told;
             CREATE VIEW named (a, b) AS SELECT 'x', NULL::mood UNION SELECT 'y', 'sad' UNION ALL SELECT state, NULL FROM told;
             CREATE FUNCTION read_again() RETURNS boolean LANGUAGE sql
                BEGIN ATOMIC SELECT state IN ('on', 'off') AND EXISTS (SELECT 'x') FROM told WHERE id BETWEEN 1 AND 2 AND id > 0; END;
             CREATE FUNCTION returns_again(i int, v varchar) RETURNS boolean LANGUAGE sql RETURN i BETWEEN 1 AND 2 AND v IN ('a', 'b');
             CREATE TABLE checked (i int, v varchar, CHECK (i BETWEEN 1 AND 2 AND v IN ('a', 'b')), EXCLUDE (i WITH =) WHERE (i BETWEEN 1 AND 2 AND v > 'a'));
             CREATE TRIGGER when_again BEFORE UPDATE ON checked FOR EACH ROW
                WHEN (new.i BETWEEN 1 AND 2 AND EXTRACT('Day' FROM now()) = 1) EXECUTE FUNCTION suppress_redundant_updates_trigger();
             CREATE RULE rule_again AS ON INSERT TO checked WHERE new.i BETWEEN 1 AND 2 AND new.v IN ('a', 'b')
                DO ALSO INSERT INTO told (state, at) SELECT 'on', now() WHERE EXISTS (SELECT 'y');
             CREATE POLICY own ON told USING (id IN (SELECT id FROM of_one) AND state IN ('on', 'off'));
             CREATE INDEX by_state ON told (lower(state)) WHERE state IN ('on', 'off')",
        )
        .await;
        let to = to_server.database("diff").await;
        clone_of(&from, &to, &[]).await;
        let found = diff(&from, &to, 0).await;
        assert_eq!(found, "the schemas are the same\n", "from {from_major} to {to_major}");
    }
}

/// What a program reads: every part of it, with the words that `docs/diff.md` promises.
#[tokio::test]
async fn json_is_one_object_with_everything() {
    let (Some(from_server), Some(to_server)) = (source(15), destination(18)) else { return };
    let (from, to) = (from_server.database("diff").await, to_server.database("diff").await);
    from.execute("CREATE TABLE t (a integer, b bigint DEFAULT 3); CREATE TABLE added (x int PRIMARY KEY); CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    to.execute("CREATE TABLE t (b integer, a integer); CREATE VIEW removed AS SELECT 1 AS one").await;
    let output = Binary::new().run(&["diff", "--json", "--from", &from.url(), "--to", &to.url()]).await;
    output.expect_code(5);
    let [found]: [serde_json::Value; 1] = output.events().try_into().unwrap();
    assert_eq!((&found["type"], &found["equal"]), (&"diff".into(), &false.into()));
    let object = |kind: &str, on: Option<&str>, name: &str, arguments: Option<&str>, label: &str| {
        serde_json::json!({
            "kind": kind, "schema": "public", "on": on, "name": name, "arguments": arguments, "label": label
        })
    };
    let function = object("function", None, "f", Some("text"), "function public.f(text)");
    let added = object("table", None, "added", None, "table public.added");
    let removed = object("view", None, "removed", None, "view public.removed");
    let column = object("column", Some("t"), "b", None, "column public.t.b");
    assert_eq!(
        found["differences"],
        serde_json::json!([
            { "object": function, "change": "added" },
            { "object": added, "change": "added" },
            { "object": removed, "change": "removed" },
            { "object": column, "change": "changed", "members": [
                { "member": "type", "source": "bigint", "destination": "integer" },
                { "member": "default", "source": "3", "destination": null },
            ] },
        ])
    );
    let labels = |part: &str| -> Vec<String> {
        let all = found[part].as_array().unwrap().iter();
        all.map(|one| one["object"]["label"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        labels("implied"),
        [
            "column public.added.x",
            "constraint added_pkey on public.added",
            "index public.added_pkey on added",
            "column public.removed.one",
        ]
    );
    assert_eq!(
        found["notes"],
        serde_json::json!([{
            "object": object("table", None, "t", None, "table public.t"),
            "note": "column_order", "source": ["a", "b"], "destination": ["b", "a"]
        }])
    );
    clone_of(&from, &to, &["--confirm", to.name()]).await;
    let output = Binary::new().run(&["diff", "--json", "--from", &from.url(), "--to", &to.url()]).await;
    output.expect_code(0);
    let [same]: [serde_json::Value; 1] = output.events().try_into().unwrap();
    assert_eq!((&same["equal"], &same["differences"]), (&true.into(), &serde_json::json!([])));
}

/// Owners and privileges are compared unless they are not to be.
#[tokio::test]
async fn owners_and_privileges_can_be_left_out() {
    let (Some(from_server), Some(to_server)) = (source(15), destination(15)) else { return };
    let (owner, reader) = (from_server.role("owner", "").await, from_server.role("reader", "").await);
    let (_there, _here) = (owner.on(to_server, "").await, reader.on(to_server, "").await);
    let (from, to) = (from_server.database("diff").await, to_server.database("diff").await);
    from.execute(&format!(
        "CREATE TABLE t (a int); ALTER TABLE t OWNER TO {owner}; GRANT SELECT, UPDATE ON t TO {reader} WITH GRANT OPTION;
         GRANT INSERT (a) ON t TO {reader}; ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {reader};
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION f() FROM PUBLIC",
        owner = owner.name(),
        reader = reader.name()
    ))
    .await;
    to.execute("CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    let (owner, reader) = (owner.name(), reader.name());
    assert_eq!(
        diff(&from, &to, 5).await,
        format!(
            "~ function public.f()\n    privileges public: (none) -> none\n\
             ~ table public.t\n    owner: postgres -> {owner}\n    privileges {reader}: (none) -> with grant option: \
             SELECT, UPDATE\n~ column public.t.a\n    privileges {reader}: (none) -> INSERT\n\
             + default privileges of role {owner} on tables\n4 objects differ\n"
        )
    );
    let (from, to) = (from.url(), to.url());
    let output =
        Binary::new().run(&["diff", "--no-owner", "--no-privileges", "--from", &from, "--to", &to]).await;
    assert_eq!(output.expect_code(0).stdout, "the schemas are the same\n");
}

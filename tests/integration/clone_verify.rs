//! Verification: of a clone before it takes its place, and of two databases at rest.

use serde_json::Value;

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, Outcome, destination, source};

const SOURCE: &str = "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, f float8, t text, j json, b bytea, a int[]);
    INSERT INTO app.t SELECT g, g / 3.0, 't' || g, '{\"a\":  1}', '\\x00ff', ARRAY[g, NULL] FROM generate_series(1, 2000) g;
    CREATE TABLE app.same (a int); INSERT INTO app.same SELECT 7 FROM generate_series(1, 10);
    CREATE TABLE app.none (); INSERT INTO app.none DEFAULT VALUES;
    CREATE TABLE app.parted (a int) PARTITION BY LIST (a); CREATE TABLE app.p1 PARTITION OF app.parted FOR VALUES IN (1);
    CREATE TABLE app.p2 PARTITION OF app.parted DEFAULT; INSERT INTO app.parted VALUES (1), (2), (3);
    CREATE SEQUENCE app.s; SELECT nextval('app.s'); CREATE SEQUENCE app.never;
    CREATE MATERIALIZED VIEW app.m AS SELECT count(*) FROM app.t;
    SELECT lo_from_bytea(10, 'ten'); SELECT lo_from_bytea(20, 'twenty'); SELECT lo_create(30)";

async fn verify(from: &Database<'_>, to: &Database<'_>, mode: &str) -> Outcome {
    let (from, to) = (from.url(), to.url());
    let arguments = ["verify", "--json", "--from", &from, "--to", &to, "--mode", mode];
    Outcome::of(Binary::new().run(&arguments).await)
}

#[tokio::test]
async fn a_clone_is_verified_by_checksum_and_says_what_it_compared() {
    let (Some(source), Some(destination)) = (source(15), destination(18)) else { return };
    let (from, to) = (source.database("verified").await, destination.absent_database("verified"));
    from.execute(SOURCE).await;
    for mode in ["checksum", "counts", "none"] {
        let outcome = clone_of(&from, &to, &["--verify", mode, "--confirm", to.name()]).await;
        let verification = &outcome.report()["verification"];
        if mode == "none" {
            assert!(verification.is_null(), "{verification}");
            assert!(!outcome.phases().contains(&"verify"));
        } else {
            assert_eq!(verification["mode"], mode);
            // Five tables with rows, two sequences, the large objects as one.
            assert!(verification["equal"].as_u64() >= Some(8), "{verification}");
            assert_eq!(verification["different"], Value::Array(Vec::new()));
        }
    }
}

#[tokio::test]
async fn two_databases_at_rest_are_compared_and_what_differs_is_named() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("at_rest").await, destination.absent_database("at_rest"));
    from.execute(SOURCE).await;
    clone_of(&from, &to, &[]).await;
    verify(&from, &to, "checksum").await.expect_code(0);
    verify(&from, &to, "counts").await.expect_code(0);

    // Each change is found by checksum; the ones that change a number also by counts.
    for (change, back, named, counted) in [
        (
            "UPDATE app.t SET f = f + 1e-9 WHERE id = 1234",
            "UPDATE app.t SET f = 1234 / 3.0 WHERE id = 1234",
            "app.t",
            false,
        ),
        (
            "UPDATE app.t SET j = '{\"a\": 1}' WHERE id = 5",
            "UPDATE app.t SET j = '{\"a\":  1}' WHERE id = 5",
            "app.t",
            false,
        ),
        (
            "UPDATE app.t SET a = '[0:1]={5,NULL}' WHERE id = 5",
            "UPDATE app.t SET a = '{5,NULL}' WHERE id = 5",
            "app.t",
            false,
        ),
        ("UPDATE app.t SET t = NULL WHERE id = 5", "UPDATE app.t SET t = 't5' WHERE id = 5", "app.t", false),
        (
            "DELETE FROM app.t WHERE id = 1",
            "INSERT INTO app.t VALUES (1, 1 / 3.0, 't1', '{\"a\":  1}', '\\x00ff', '{1,NULL}')",
            "app.t",
            true,
        ),
        // Two equal rows more: hashes that are xor-ed would cancel out.
        (
            "INSERT INTO app.same VALUES (7), (7)",
            "DELETE FROM app.same WHERE ctid IN (SELECT ctid FROM app.same LIMIT 2)",
            "app.same",
            true,
        ),
        (
            "INSERT INTO app.none DEFAULT VALUES",
            "DELETE FROM app.none WHERE ctid = (SELECT max(ctid) FROM app.none)",
            "app.none",
            true,
        ),
        (
            "UPDATE app.parted SET a = 4 WHERE a = 3",
            "UPDATE app.parted SET a = 3 WHERE a = 4",
            "app.p",
            false,
        ),
        ("SELECT nextval('app.s')", "SELECT setval('app.s', 1)", "app.s", true),
        ("SELECT setval('app.never', 1, true)", "SELECT setval('app.never', 1, false)", "app.never", true),
        ("SELECT lo_put(20, 1, 'X')", "SELECT lo_put(20, 1, 'w')", "arge object", false),
        ("SELECT lo_unlink(30)", "SELECT lo_create(30)", "arge object", true),
        ("CREATE TABLE app.extra (a int)", "DROP TABLE app.extra", "app.extra", true),
    ] {
        to.execute(change).await;
        for (mode, code) in [("checksum", 5), ("counts", if counted { 5 } else { 0 })] {
            let outcome = verify(&from, &to, mode).await.expect_code(code);
            if code == 5 {
                assert!(outcome.text().contains(named), "{change}: {named} is not in {}", outcome.text());
                assert!(
                    outcome.output.stderr.contains(named),
                    "{change}: people are not told {}",
                    outcome.text()
                );
            }
        }
        to.execute(back).await;
        verify(&from, &to, "checksum").await.expect_code(0);
    }
}

#[tokio::test]
async fn verify_changes_nothing_and_sees_only_what_it_is_asked_for() {
    let (Some(source), Some(destination)) = (source(15), destination(18)) else { return };
    let (from, to) = (source.database("part").await, destination.absent_database("part"));
    from.execute(SOURCE).await;
    clone_of(&from, &to, &[]).await;
    to.execute("UPDATE app.t SET t = 'x' WHERE id = 1").await;
    let before = (crate::support::checksum::of(&from).await, crate::support::checksum::of(&to).await);
    let run = async |more: &[&str]| {
        let (from, to) = (from.url(), to.url());
        let arguments = [&["verify", "--from", &from, "--to", &to, "--mode", "checksum"], more].concat();
        Binary::new().run(&arguments).await
    };
    run(&[]).await.expect_code(5);
    run(&["--exclude", "app.t"]).await.expect_code(0);
    run(&["--include", "app.same", "--include", "app.t"]).await.expect_code(5);
    run(&["--include", "app.same"]).await.expect_code(0);
    run(&["--include", "app.missing"]).await.expect_code(2);
    let after = (crate::support::checksum::of(&from).await, crate::support::checksum::of(&to).await);
    assert_eq!(before, after);
}

//! Settings and storage parameters that the destination does not take: named, and with `--strict` a reason not to start.

use crate::support::cloning::clone_of;
use crate::support::{Binary, clone, destination, source};

/// What no server has yet is written into the catalog, as a newer or a changed one would have it.
fn schema(database: &str, role: &str) -> String {
    format!(
        "CREATE TABLE t (id int PRIMARY KEY, v text) WITH (fillfactor = 70, toast.autovacuum_enabled = off);
         INSERT INTO t VALUES (1, 'a'); CREATE MATERIALIZED VIEW m WITH (fillfactor = 80) AS SELECT * FROM t;
         CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql SET search_path TO public, \"we ird\" AS 'SELECT $1';
         CREATE FUNCTION newer(int) RETURNS int LANGUAGE sql SET work_mem TO '1MB' AS 'SELECT $1';
         CREATE VIEW of_newer AS SELECT newer(id) FROM t; CREATE VIEW of_plain AS SELECT plain(id) FROM t;
         ALTER DATABASE {database} SET app.kept = '1'; ALTER ROLE {role} IN DATABASE {database} SET work_mem = '5MB';
         UPDATE pg_class SET reloptions = reloptions || '{{of_the_future=on}}' WHERE relname IN ('t', 'm');
         UPDATE pg_proc SET proconfig = proconfig || '{{of_the_future=on}}' WHERE proname = 'newer';
         UPDATE pg_db_role_setting SET setconfig = setconfig || '{{of_the_future=on}}'
          WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

#[tokio::test]
async fn those_newer_than_the_server_are_named_and_the_rest_is_kept() {
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let role = on_source.role("set", "").await;
        on_destination.execute(&format!("CREATE ROLE {}", role.name())).await;
        let from = on_source.database("settings").await;
        from.execute(&schema(from.name(), role.name())).await;
        let to = on_destination.absent_database("settings");
        to.announce("unrecognized configuration parameter \"of_the_future\"");
        to.announce("unrecognized parameter \"of_the_future\"");
        let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
        strict.expect_error(&[
            "setting of_the_future of the database",
            "function public.newer(integer)",
            "table public.t",
        ]);
        assert_eq!(strict.phases(), ["preflight", "plan"]);
        let outcome = clone_of(&from, &to, &[]).await;
        let mut skipped = outcome.skipped();
        skipped.sort_unstable();
        let of_role = format!("setting of_the_future of role {} in the database", role.name());
        assert_eq!(
            skipped,
            [
                "function public.newer(integer)",
                "setting of_the_future of role",
                "setting of_the_future of the database",
                "storage parameter of_the_future of materialized view public.m",
                "storage parameter of_the_future of table public.t",
                "view public.of_newer",
            ]
            .map(|line| if line.ends_with("of role") { of_role.as_str() } else { line })
        );
        assert!(outcome.warnings("setting_not_taken").is_empty());
        let kept =
            "SELECT concat(array_to_string(c.reloptions, ','), ' ', array_to_string(t.reloptions, ','), ' ',
                    array_to_string(p.proconfig, ';'), ' ', current_setting('app.kept'))
                    FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid, pg_proc p
                    WHERE c.relname = 't' AND p.proname = 'plain'";
        assert_eq!(
            to.query_text(kept).await,
            "fillfactor=70 autovacuum_enabled=off search_path=public, \"we ird\" 1"
        );
        let of_role = format!(
            "SELECT array_to_string(setconfig, ',') FROM pg_db_role_setting WHERE setrole = '{}'::regrole",
            role.name()
        );
        assert_eq!(to.query_text(&of_role).await, "work_mem=5MB");
        on_destination
            .execute(&format!(
                "ALTER ROLE {role} IN DATABASE {} RESET ALL; DROP ROLE {role}",
                to.name(),
                role = role.name()
            ))
            .await;
    }
}

#[tokio::test]
async fn those_that_our_role_may_not_set_are_named() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let plain = on_destination.role("plain", "LOGIN CREATEDB").await;
        let from = on_source.database("settings").await;
        from.execute(&format!(
            "ALTER DATABASE {} SET session_replication_role = 'origin';
             CREATE FUNCTION quiet() RETURNS int LANGUAGE sql SET log_statement TO 'none' AS 'SELECT 1';
             CREATE FUNCTION calm() RETURNS int LANGUAGE sql SET statement_timeout TO '1s' AS 'SELECT 1';
             CREATE TABLE t (id int DEFAULT quiet(), n int DEFAULT calm()); INSERT INTO t VALUES (1, 2)",
            from.name()
        ))
        .await;
        let to = on_destination.absent_database("settings");
        to.announce("permission denied to set parameter");
        let more = ["--no-owner", "--no-privileges"];
        let url = to.url_as(plain.name(), "unused");
        let outcome = clone(&Binary::new(), &from.url(), &url, &more).await.expect_code(0);
        let mut skipped = outcome.skipped();
        skipped.sort_unstable();
        assert_eq!(
            skipped,
            [
                "default of public.t.id",
                "function public.quiet()",
                "setting session_replication_role of the database",
            ],
            "{}",
            outcome.text()
        );
        assert_eq!(to.query_text("SELECT concat(id, ' ', n, ' ', calm()) FROM t").await, "1 2 1");
    }
}

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

/// Of every access method, of keys and exclusions, on a partitioned table too.
const INDEXES: &str = "CREATE TABLE t (id int, p point, w tsvector, b box, CONSTRAINT key PRIMARY KEY (id) WITH (fillfactor = 60),
        CONSTRAINT ex EXCLUDE USING gist (b WITH &&) WITH (fillfactor = 60) WHERE (id > 0));
    INSERT INTO t SELECT g, point(g, g), 'a b', box(point(g, g), point(g, g)) FROM generate_series(1, 50) g;
    CREATE INDEX of_btree ON t (id) INCLUDE (p) WITH (fillfactor = 60) WHERE id > 1; CREATE INDEX of_hash ON t USING hash (id);
    CREATE INDEX of_gin ON t USING gin (w) WITH (fastupdate = off); CREATE INDEX of_gist ON t USING gist (w tsvector_ops (siglen = 100));
    CREATE INDEX of_spgist ON t USING spgist (p); CREATE INDEX of_brin ON t USING brin (id) WITH (pages_per_range = 8);
    CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9);
    CREATE INDEX of_parted ON parted (id) WITH (fillfactor = 60);
    UPDATE pg_class SET reloptions = reloptions || '{of_the_future=on}' WHERE relname IN ('key', 'ex') OR relname ~ '^(of|part)_'";

#[tokio::test]
async fn those_of_indexes_are_known_before_anything_is_made() {
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let (from, to) = (on_source.database("indexes").await, on_destination.absent_database("indexes"));
        from.execute(INDEXES).await;
        to.announce("unrecognized parameter \"of_the_future\"");

        let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);

        strict.expect_error(&["10 of the source", "index public.key", "unrecognized parameter"]);
        assert_eq!(strict.phases(), ["preflight", "plan"]);
        assert_eq!(to.related_databases().await, [""; 0]);
        let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;
        let mut skipped = outcome.skipped();
        skipped.sort_unstable();
        let named =
            ["ex", "key", "of_brin", "of_btree", "of_gin", "of_gist", "of_hash", "of_parted", "of_spgist"];
        let named = [&named[..], &["part_id_idx"]].concat();
        let expected: Vec<String> = named
            .iter()
            .map(|name| format!("storage parameter of_the_future of index public.{name}"))
            .collect();
        assert_eq!(skipped, expected);
        let all = "SELECT string_agg(pg_get_indexdef(indexrelid), E'\\n' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid::regclass::text IN ('t', 'part', 'parted')";
        let known = from.query_text(all).await;
        assert!(known.contains("(fillfactor='60', of_the_future='on') WHERE"), "{known}");
        let kept = known.replace(", of_the_future='on'", "").replace(" WITH (of_the_future='on')", "");
        assert_eq!(to.query_text(all).await, kept);
        let constraint = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ex'";
        assert_eq!(
            to.query_text(constraint).await,
            "EXCLUDE USING gist (b WITH &&) WITH (fillfactor='60') WHERE ((id > 0))"
        );
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

//! Who may do what in the clone: owners and privileges where the destination's role is no superuser, roles that are
//! missing, and grantors who cannot reach what they granted.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, Server, clone, destination, dump, source};

/// Owner and privileges of each relation, with the names of the roles.
async fn access(database: &Database<'_>, schema: &str) -> String {
    let query = format!(
        "SELECT string_agg(concat_ws(' ', c.relname, c.relowner::regrole, (SELECT array_agg(a ORDER BY a::text) FROM unnest(c.relacl) AS a)), E'\\n' ORDER BY c.relname)
           FROM pg_class AS c WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'v', 'S')"
    );
    database.query_text(&query).await
}

async fn servers() -> Option<(&'static Server, &'static Server)> {
    Some((source(15)?, destination(15)?))
}

#[tokio::test]
async fn a_role_without_superuser_hands_everything_to_its_owners() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let owner = on_source.role("owner", "").await;
        let reader = on_source.role("reader", "").await;
        let (owner_there, reader_there) =
            (owner.on(on_destination, "").await, reader.on(on_destination, "").await);
        let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
        on_destination
            .execute(&format!("GRANT {}, {} TO {}", owner_there.name(), reader_there.name(), cloner.name()))
            .await;
        let (from, to) = (on_source.database("hands").await, on_destination.absent_database("hands"));
        let (owner, reader) = (owner.name(), reader.name());
        from.execute(&format!(
            "CREATE SCHEMA s AUTHORIZATION {owner}; SET ROLE {owner};
             CREATE TABLE s.t (id serial PRIMARY KEY, secret text); INSERT INTO s.t (secret) SELECT 'x' FROM generate_series(1, 100);
             CREATE VIEW s.v AS SELECT id FROM s.t; CREATE MATERIALIZED VIEW s.m AS SELECT count(*) FROM s.t; CREATE SEQUENCE s.free;
             GRANT USAGE ON SCHEMA s TO {reader}; GRANT SELECT ON s.v TO {reader} WITH GRANT OPTION; GRANT SELECT (id) ON s.t TO {reader};
             REVOKE INSERT ON s.t FROM {owner}; ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO {reader};
             RESET ROLE; SET ROLE {reader}; GRANT SELECT ON s.v TO PUBLIC; RESET ROLE"
        ))
        .await;
        let outcome =
            clone(&Binary::new(), &from.url(), &to.url_as(cloner.name(), "x"), &["--verify", "checksum"])
                .await;
        let outcome = outcome.expect_code(0);
        // The source's database is the superuser's, and nothing was there whose owner could be kept.
        assert_eq!(outcome.skipped(), ["owner of the database"]);
        assert_eq!(outcome.warnings("not_created"), Vec::<&serde_json::Value>::new());
        assert_eq!(access(&to, "s").await, access(&from, "s").await, "{major}");
        let defaults =
            "SELECT string_agg(defaclrole::regrole::text || defaclacl::text, ' ') FROM pg_default_acl";
        assert_eq!(to.query_text(defaults).await, from.query_text(defaults).await);
    }
}

#[tokio::test]
async fn what_the_role_may_not_give_away_stays_its_own_and_is_said() {
    let Some((on_source, on_destination)) = servers().await else { return };
    let owner = on_source.role("owner", "").await;
    let _there = owner.on(on_destination, "").await;
    let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
    let (from, to) = (on_source.database("keeps").await, on_destination.absent_database("keeps"));
    from.execute(&format!(
        "CREATE LANGUAGE my_language HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator; CREATE TABLE t (id int); ALTER TABLE t OWNER TO {0}; CREATE FUNCTION c() RETURNS trigger LANGUAGE internal AS 'suppress_redundant_updates_trigger';
         CREATE FUNCTION tight(int) RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT $1'; CREATE VIEW by_tight AS SELECT tight(id) FROM t;
         CREATE FUNCTION planned(text, text) RETURNS boolean LANGUAGE sql STABLE SUPPORT textlike_support AS 'SELECT $1 ~~ $2';
         CREATE FUNCTION untrusted() RETURNS int LANGUAGE my_language AS 'BEGIN RETURN 1; END';
         CREATE AGGREGATE hidden(int8) (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = numeric_poly_avg)",
        owner.name()
    ))
    .await;
    let url = to.url_as(cloner.name(), "x");
    let strict = clone(&Binary::new(), &from.url(), &url, &["--strict"]).await.expect_code(3);
    strict.expect_error(&["strict", owner.name(), "not a member", "language internal needs a superuser"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);
    // The source's superuser is there too, and no more ours than the other.
    let mut skipped = outcome.skipped();
    skipped.sort_unstable();
    let role = format!("role {}", owner.name());
    let lost = [
        "aggregate public.hidden(bigint)",
        "function public.c()",
        "function public.planned(text, text)",
        "function public.tight(integer)",
        "function public.untrusted()",
        "language my_language",
        "owner of the database",
        "role postgres",
        &role,
        "view public.by_tight",
    ];
    assert_eq!(skipped, lost);
    let owner_of_t = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 't'";
    assert_eq!(to.query_text(owner_of_t).await, cloner.name());
}

/// Reached through what is lent to the grantor for one statement: a dump loses them.
#[tokio::test]
async fn a_grantor_who_cannot_reach_the_object_any_more_keeps_its_grants() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let grantor = on_source.role("grantor", "").await;
        let _there = grantor.on(on_destination, "").await;
        let (from, to) = (on_source.database("reach").await, on_destination.absent_database("reach"));
        from.execute(&format!(
            "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO {0}; CREATE TABLE s.t (id int, n int); GRANT SELECT ON s.t TO {0} WITH GRANT OPTION;
             GRANT UPDATE (n) ON s.t TO {0} WITH GRANT OPTION; SET ROLE {0}; GRANT SELECT ON s.t TO PUBLIC; GRANT UPDATE (n) ON s.t TO PUBLIC;
             RESET ROLE; REVOKE USAGE ON SCHEMA s FROM {0}",
            grantor.name()
        ))
        .await;
        let outcome = clone_of(&from, &to, &["--strict"]).await;
        assert_eq!(outcome.warnings("not_created"), Vec::<&serde_json::Value>::new());
        assert_eq!(access(&to, "s").await, access(&from, "s").await);
        assert!(access(&to, "s").await.contains(&format!("=r/{}", grantor.name())));
        let columns = "SELECT attacl::text FROM pg_attribute WHERE attname = 'n' AND attacl IS NOT NULL";
        assert_eq!(to.query_text(columns).await, from.query_text(columns).await);
        let may = format!("SELECT has_schema_privilege('{}', 's', 'USAGE')", grantor.name());
        assert_eq!(to.query_text(&may).await, "f");
    }
}

/// An owner needs CREATE on the schema when the object becomes its own, and not any more when it has it.
#[tokio::test]
async fn owners_without_a_right_to_create_get_their_objects_from_a_role_without_superuser() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let (owner, other) = (on_source.role("owner", "").await, on_source.role("other", "").await);
        let (owner_there, other_there) =
            (owner.on(on_destination, "").await, other.on(on_destination, "").await);
        let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
        on_destination
            .execute(&format!("GRANT {}, {} TO {}", owner_there.name(), other_there.name(), cloner.name()))
            .await;
        let (from, to) = (on_source.database("lent").await, on_destination.absent_database("lent"));
        // As an application has it that owns its database, and so may create in public; and schemas whose rights were taken.
        from.execute(&format!(
            "ALTER DATABASE {db} OWNER TO {owner}; SET ROLE {owner}; CREATE TABLE public.mine (id serial PRIMARY KEY); CREATE TYPE public.mood AS ENUM ('fine');
             CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO {other}; RESET ROLE;
             CREATE TABLE s.t (id int); ALTER TABLE s.t OWNER TO {other}; CREATE VIEW s.v AS SELECT 1 AS a; ALTER VIEW s.v OWNER TO {owner};
             CREATE SCHEMA closed AUTHORIZATION {other}; REVOKE ALL ON SCHEMA closed FROM {other}; CREATE TABLE closed.t (id int); ALTER TABLE closed.t OWNER TO {owner}",
            db = from.name(),
            owner = owner.name(),
            other = other.name()
        ))
        .await;
        let url = to.url_as(cloner.name(), "x");
        let outcome = clone(&Binary::new(), &from.url(), &url, &["--strict"]).await.expect_code(0);
        assert_eq!(outcome.warnings("not_created"), Vec::<&serde_json::Value>::new());
        for schema in ["public", "s", "closed"] {
            assert_eq!(access(&to, schema).await, access(&from, schema).await, "{major}");
        }
        let others = "SELECT concat_ws(' ', (SELECT typowner::regrole FROM pg_type WHERE typname = 'mood'), (SELECT proowner::regrole FROM pg_proc WHERE proname = 'f'))";
        assert_eq!(to.query_text(others).await, format!("{0} {0}", owner.name()));
        let expected = dump::schema(major, &from.url()).unwrap_or_default();
        dump::assert_same(&expected, &dump::schema(major, &to.url()).unwrap_or_default());
        to.server().execute(&format!("DROP DATABASE {}", to.name())).await;
    }
}

#[tokio::test]
async fn an_owner_whom_no_right_can_be_lent_is_known_before_anything_is_made() {
    let Some((on_source, on_destination)) = servers().await else { return };
    let owner = on_source.role("owner", "").await;
    let there = owner.on(on_destination, "").await;
    let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
    on_destination.execute(&format!("GRANT {} TO {}", there.name(), cloner.name())).await;
    let (from, to) = (on_source.database("published").await, on_destination.absent_database("published"));
    from.execute(&format!(
        "ALTER DATABASE {} OWNER TO {owner}; SET ROLE {owner}; CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t",
        from.name(),
        owner = owner.name()
    ))
    .await;
    let url = to.url_as(cloner.name(), "x");
    let strict = clone(&Binary::new(), &from.url(), &url, &["--strict"]).await.expect_code(3);
    strict.expect_error(&["owner of PUBLICATION p (role", "would need CREATE on the database"]);
    assert_eq!(strict.phases(), ["preflight", "plan"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);
    assert_eq!(outcome.skipped(), ["owner of PUBLICATION p"]);
    assert_eq!(outcome.warnings("not_created"), Vec::<&serde_json::Value>::new());
    to.server().execute(&format!("DROP DATABASE {}", to.name())).await;
}

#[tokio::test]
async fn a_setting_of_a_role_that_is_missing_is_known_to_the_plan() {
    let Some((on_source, on_destination)) = servers().await else { return };
    let role = on_source.role("tenant", "").await;
    let (from, to) = (on_source.database("settings").await, on_destination.database("settings").await);
    let name = from.name();
    from.execute(&format!(
        "ALTER ROLE {0} IN DATABASE {name} SET work_mem = '9MB'; ALTER DATABASE {name} SET app.tenant = 'it''s';
         ALTER DATABASE {name} SET statement_timeout = '7s'",
        role.name()
    ))
    .await;
    to.execute(&format!("ALTER DATABASE {} SET statement_timeout = '5s'", to.name())).await;
    let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
    strict.expect_error(&["setting work_mem", role.name()]);
    let outcome = clone_of(&from, &to, &[]).await;
    assert!(outcome.skipped()[0].contains("setting work_mem of role"), "{:?}", outcome.skipped());
    // The destination's own setting wins over the source's.
    let settings = "SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = setdatabase AND datname = current_database()";
    let mut set: Vec<String> = to.query_text(settings).await.split(' ').map(str::to_owned).collect();
    set.sort();
    assert_eq!(set, ["app.tenant=it's", "statement_timeout=5s"]);
}

#[tokio::test]
async fn missing_roles_are_created_without_login_and_taken_away_again_after_a_failure() {
    let Some((on_source, on_destination)) = servers().await else { return };
    let (owner, reader) = (on_source.role("owner", "LOGIN").await, on_source.role("reader", "").await);
    let (from, to) = (on_source.database("makes").await, on_destination.absent_database("makes"));
    from.execute(&format!(
        "CREATE TABLE t (id int); ALTER TABLE t OWNER TO {0}; GRANT SELECT ON t TO {1}; GRANT CREATE ON SCHEMA public TO {0}; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON t TO {1} USING (true); CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END'",
        owner.name(),
        reader.name()
    ))
    .await;
    let there = format!(
        "SELECT coalesce(string_agg(concat(rolname, ' ', rolcanlogin), ', ' ORDER BY rolname), 'none') FROM pg_roles WHERE rolname IN ('{}', '{}')",
        owner.name(),
        reader.name()
    );
    let on_server = on_destination.session().await;
    let powerless = on_destination.role("powerless", "LOGIN CREATEDB").await;
    let url = to.url_as(powerless.name(), "x");
    let outcome = clone(&Binary::new(), &from.url(), &url, &["--create-roles"]).await.expect_code(3);
    outcome.expect_error(&["create_role_not_permitted", owner.name(), "CREATEROLE"]);

    let maker = on_destination.role("maker", "LOGIN CREATEDB CREATEROLE").await;
    for url in [to.url(), to.url_as(maker.name(), "x")] {
        // An index that cannot be built fails the clone after the roles were made.
        from.execute("CREATE TABLE odd (a int); INSERT INTO odd VALUES (1); CREATE INDEX divides ON odd ((1 / nullif(a - fails(), 0)))").await;
        from.execute("CREATE OR REPLACE FUNCTION fails() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE EXCEPTION ''not here''; END'").await;
        to.announce("not here");
        to.announce("COPY from stdin failed");
        from.announce("canceling statement due to user request");
        to.announce("terminating connection due to administrator command");
        clone(&Binary::new(), &from.url(), &url, &["--create-roles"]).await.expect_code(1);
        assert_eq!(on_server.query_text(&there).await, "none");
        assert_eq!(to.related_databases().await, [""; 0]);
        from.execute("DROP TABLE odd; CREATE OR REPLACE FUNCTION fails() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END'").await;

        let outcome = clone(&Binary::new(), &from.url(), &url, &["--create-roles"]).await.expect_code(0);
        let mut expected = [format!("{} f", owner.name()), format!("{} f", reader.name())];
        expected.sort();
        assert_eq!(on_server.query_text(&there).await, expected.join(", "), "{}", outcome.text());
        let owner_of_t = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 't'";
        assert_eq!(to.query_text(owner_of_t).await, owner.name());
        assert_eq!(to.query_text("SELECT count(*) FROM pg_policies").await, "1");
        on_server.execute_all(&format!("DROP DATABASE {}", to.name())).await;
        on_server.execute_all(&format!("DROP ROLE {}, {}", owner.name(), reader.name())).await;
    }
}

#[tokio::test]
async fn a_role_without_superuser_clones_what_it_must_verify_before_it_may_not_see_it() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let owner = on_source.role("owner", "").await;
        let owner_there = owner.on(on_destination, "").await;
        let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
        on_destination.execute(&format!("GRANT {} TO {}", owner_there.name(), cloner.name())).await;
        let (from, to) = (on_source.database("forced").await, on_destination.absent_database("forced"));
        // As after pg_upgrade from 14: public belongs to a superuser.
        from.execute(&format!(
            "ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO {owner}; SET ROLE {owner};
             CREATE TABLE mine (id int PRIMARY KEY, who text); INSERT INTO mine SELECT g, 'u' || g FROM generate_series(1, 100) g;
             ALTER TABLE mine ENABLE ROW LEVEL SECURITY; ALTER TABLE mine FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON mine USING (who = CURRENT_USER);
             CREATE TABLE blind (id int); INSERT INTO blind VALUES (1), (2); REVOKE SELECT ON blind FROM {owner}",
            owner = owner.name()
        ))
        .await;
        for (mode, skipped) in [
            ("counts", &["owner of schema public", "owner of the database"][..]),
            // By now there is a database, and its owner is kept.
            ("checksum", &["owner of schema public"]),
        ] {
            let more = ["--verify", mode, "--confirm", to.name()];
            let url = to.url_as(cloner.name(), "x");
            let outcome = clone(&Binary::new(), &from.url(), &url, &more).await.expect_code(0);
            assert_eq!(outcome.skipped(), skipped, "{major}");
        }
        let forced =
            "SELECT relrowsecurity::text || relforcerowsecurity FROM pg_class WHERE relname = 'mine'";
        assert_eq!(to.query_text(forced).await, "truetrue");
        assert_eq!(to.query_text("SELECT count(*) FROM mine").await, "100");
        let may = format!("SELECT has_table_privilege('{}', 'blind', 'SELECT')", owner.name());
        assert_eq!(to.query_text(&may).await, "f");
    }
}

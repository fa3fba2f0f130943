//! Objects that are not tables: read, rendered, ordered, made anew in an empty database, and compared as `pg_dump`
//! sees them: with the source, or across versions with what `pg_dump | psql` makes of the source.

use std::collections::HashSet;

use multiboard_sync::engine::introspect;
use multiboard_sync::pg::{Ident, Sql, Version};
use multiboard_sync::schema::render::Rendering;
use multiboard_sync::schema::script::{Phase, Script, Skipped};
use multiboard_sync::schema::{Options, order, parse, render};

use crate::support::dump::{self, Allowed};
use crate::support::fixture::make_roles;
use crate::support::{Database, destination, source};

/// From and to which major version.
const PAIRS: [(u16, u16); 3] = [(15, 15), (18, 18), (15, 18)];

/// Reads the schema of a database as a clone does.
async fn catalog(database: &Database<'_>, other: u16) -> multiboard_sync::schema::model::Catalog {
    let session = database.session().await;
    let version = session.query_text("SHOW server_version_num").await;
    let version = Version::from_number(version.parse().unwrap());
    let quote = if version.major() == u32::from(other) { "off" } else { "on" };
    session
        .execute_all(&format!(
            "SET search_path = ''; SET quote_all_identifiers = {quote}; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        ))
        .await;
    let read = introspect::read(&session, version).await.unwrap();
    // An answer to wait for: a session that is closed on unread answers is an error in the server's log.
    session.execute_all("COMMIT").await;
    read
}

/// What rendering has to know of the destination.
async fn options(database: &Database<'_>) -> Options {
    let session = database.session().await;
    let texts = |rows: Vec<Vec<Option<String>>>| rows.into_iter().flatten().flatten().collect::<HashSet<_>>();
    let version = session.query_text("SHOW server_version_num").await;
    Options {
        available_extensions: texts(
            session.query_rows("SELECT name FROM pg_catalog.pg_available_extensions").await,
        ),
        roles: texts(session.query_rows("SELECT rolname FROM pg_catalog.pg_roles").await),
        role: Some(Ident::new(session.query_text("SELECT CURRENT_USER").await)),
        superuser: true,
        ..Options::new(Version::from_number(version.parse().unwrap()))
    }
}

/// Runs the steps one after the other, each as one simple query.
async fn run(database: &Database<'_>, script: &Script) {
    let session = database.session().await;
    session.execute_all("SET search_path = ''; SET check_function_bodies = off").await;
    for step in &script.steps {
        let text = Sql::join(&step.sql, ";\n");
        session.execute_all(&format!("{text}\n-- {}", step.label.replace('\n', " "))).await;
    }
}

async fn copy(from: &Database<'_>, to: &Database<'_>, options: &Options) -> (Vec<Skipped>, Script) {
    let read = catalog(from, to.server().major()).await;
    let rendering = render::render(&read, options);
    let mut skipped = rendering.skipped;
    let script = order::arrange(rendering.pieces, &read.dependencies, &rendering.left_out);
    skipped.extend(script.skipped.iter().cloned());
    assert_eq!(parse::judge_script(&script, read.version), [], "every statement parses");
    run(to, &script).await;
    (skipped, script)
}

/// Makes the fixture between every pair of versions and compares.
async fn same_after_copy(name: &str, fixture: &str, allowed: &[Allowed]) {
    for (from_major, to_major) in PAIRS {
        let (Some(from_server), Some(to_server)) = (source(from_major), destination(to_major)) else {
            continue;
        };
        make_roles(from_server).await;
        make_roles(to_server).await;
        let from = from_server.database(name).await;
        from.execute(fixture).await;
        let to = to_server.database(name).await;
        let (skipped, _) = copy(&from, &to, &options(&to).await).await;
        assert_eq!(skipped, [], "nothing of {name} is left out from {from_major} to {to_major}");
        let expected = if from_major == to_major {
            dump::schema(to_major, &from.url())
        } else {
            let restored = to_server.database(name).await;
            let done = dump::copy_with_psql(to_major, &from.url(), &restored.url());
            done.and_then(|()| dump::schema(to_major, &restored.url()))
        };
        let (Some(expected), Some(actual)) = (expected, dump::schema(to_major, &to.url())) else { continue };
        assert!(!expected.is_empty());
        dump::assert_same_but(&expected, &actual, allowed);
    }
}

#[tokio::test]
async fn types_are_made_anew() {
    same_after_copy("types", include_str!("../schemas/types.sql"), &[]).await;
}

#[tokio::test]
async fn functions_procedures_and_aggregates_are_made_anew() {
    same_after_copy("functions", include_str!("../schemas/functions.sql"), &[]).await;
}

#[tokio::test]
async fn views_materialized_views_and_rules_are_made_anew() {
    same_after_copy("views", include_str!("../schemas/views.sql"), &[]).await;
}

#[tokio::test]
async fn triggers_and_policies_are_made_anew() {
    same_after_copy("triggers", include_str!("../schemas/triggers.sql"), &[]).await;
}

#[tokio::test]
async fn extensions_come_without_their_members() {
    same_after_copy("extensions", include_str!("../schemas/extensions.sql"), &[]).await;
}

/// Databases on the shared servers of version 15, with the roles of the fixtures.
async fn pair<'s>(name: &str) -> Option<(Database<'s>, Database<'s>)> {
    let (from_server, to_server) = (source(15)?, destination(15)?);
    make_roles(from_server).await;
    make_roles(to_server).await;
    Some((from_server.database(name).await, to_server.database(name).await))
}

fn objects(skipped: &[Skipped]) -> Vec<&str> {
    skipped.iter().map(|skipped| skipped.object.as_str()).collect()
}

#[tokio::test]
async fn what_needs_a_missing_extension_is_left_out_and_named() {
    let Some((from, to)) = pair("missing").await else { return };
    from.execute(
        "CREATE EXTENSION citext; CREATE EXTENSION btree_gist; \
         CREATE TABLE plain (id integer PRIMARY KEY); \
         CREATE TABLE needs_it (name citext, id integer REFERENCES plain); \
         CREATE VIEW over_it AS SELECT * FROM needs_it; \
         CREATE FUNCTION takes_it(citext) RETURNS integer LANGUAGE sql AS 'SELECT 1'; \
         COMMENT ON TABLE needs_it IS 'gone with it'; \
         CREATE DOMAIN on_it AS citext; \
         GRANT SELECT ON over_it TO mbs_bob; \
         CREATE VIEW only_inside AS SELECT id FROM plain WHERE 'a'::citext = 'A'; \
         CREATE VIEW stays AS SELECT id FROM plain",
    )
    .await;
    let mut options = options(&to).await;
    options.available_extensions.remove("citext");
    let (skipped, _) = copy(&from, &to, &options).await;
    let mut left_out = objects(&skipped);
    left_out.sort_unstable();
    assert_eq!(
        left_out,
        [
            "extension citext",
            "function public.takes_it(public.citext)",
            "table public.needs_it",
            "type public.on_it",
            "view public.only_inside",
            "view public.over_it"
        ]
    );
    let made = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class \
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')";
    assert_eq!(to.query_text(made).await, "plain,stays");
}

#[tokio::test]
async fn a_role_that_is_missing_is_reported_and_the_rest_is_made() {
    let Some((from, to)) = pair("roles").await else { return };
    from.execute(
        "CREATE TABLE t (id integer); ALTER TABLE t OWNER TO mbs_owner; ALTER TABLE t ENABLE ROW LEVEL SECURITY; \
         GRANT SELECT ON t TO mbs_bob, mbs_alice; \
         CREATE POLICY shared ON t TO mbs_alice, mbs_bob USING (true); CREATE POLICY one ON t TO mbs_bob USING (true)",
    )
    .await;
    let mut options = options(&to).await;
    options.roles.remove("mbs_owner");
    options.roles.remove("mbs_bob");
    let (skipped, _) = copy(&from, &to, &options).await;
    let mut left_out = objects(&skipped);
    left_out.sort_unstable();
    assert_eq!(
        left_out,
        [
            "policy one on public.t",
            "role mbs_bob",
            "role mbs_bob of policy shared on public.t",
            "role mbs_owner"
        ]
    );
    let facts = "SELECT relowner::regrole::text || ' ' || has_table_privilege('mbs_alice', 't', 'SELECT')::text \
                 || has_table_privilege('mbs_bob', 't', 'SELECT')::text || relrowsecurity::text \
                 || (SELECT count(*) FROM pg_policy) FROM pg_class WHERE oid = 't'::regclass";
    assert_eq!(to.query_text(facts).await, "postgres truefalsetrue1");
}

#[tokio::test]
async fn without_owners_and_privileges_everything_is_the_destinations() {
    let Some((from, to)) = pair("bare").await else { return };
    from.execute(include_str!("../schemas/privileges.sql")).await;
    let options = Options { owners: false, privileges: false, ..options(&to).await };
    let (skipped, script) = copy(&from, &to, &options).await;
    assert_eq!(skipped, []);
    let text: String = script.steps.iter().flat_map(|step| &step.sql).map(Sql::as_str).collect();
    assert!(!text.contains("GRANT") && !text.contains("REVOKE") && !text.contains("OWNER TO"), "{text}");
}

#[tokio::test]
async fn large_objects_keep_number_owner_privileges_and_comment() {
    let Some((from, to)) = pair("large").await else { return };
    from.execute(
        "SELECT count(lo_create(o)) FROM generate_series(20000, 22500) AS o; \
         ALTER LARGE OBJECT 20001 OWNER TO mbs_owner; GRANT SELECT ON LARGE OBJECT 22500 TO mbs_bob; \
         REVOKE ALL ON LARGE OBJECT 21500 FROM postgres; COMMENT ON LARGE OBJECT 21000 IS 'one'",
    )
    .await;
    let (skipped, script) = copy(&from, &to, &options(&to).await).await;
    assert_eq!(skipped, []);
    let large = script.steps.iter().filter(|step| step.label.starts_with("large objects"));
    assert_eq!(large.count(), 5, "a statement for each five hundred; the last object has one of its own");
    let facts = "SELECT string_agg(concat_ws(' ', oid, lomowner::regrole, lomacl, obj_description(oid, 'pg_largeobject')), \
                 ',' ORDER BY oid) FROM pg_largeobject_metadata";
    let expected = from.query_text(facts).await;
    assert!(expected.contains("mbs_owner") && expected.contains("one"));
    assert_eq!(to.query_text(facts).await, expected);
}

#[tokio::test]
async fn materialized_views_are_filled_in_the_order_of_their_needs() {
    let Some((from, to)) = pair("refresh").await else { return };
    // By name the first reads the last, through a view and a function.
    let views = "CREATE TABLE base (id integer PRIMARY KEY); \
         CREATE MATERIALIZED VIEW z_first AS SELECT id FROM base; CREATE UNIQUE INDEX z_key ON z_first (id); \
         CREATE VIEW m_between AS SELECT id FROM z_first; \
         CREATE FUNCTION m_function() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM m_between; END; \
         CREATE MATERIALIZED VIEW a_last AS SELECT m_function() AS n; \
         CREATE MATERIALIZED VIEW b_empty AS SELECT n FROM a_last WITH NO DATA";
    from.execute(&format!("{views}; INSERT INTO base VALUES (1), (2); REFRESH MATERIALIZED VIEW z_first"))
        .await;
    let read = catalog(&from, 15).await;
    let rendering = render::render(&read, &options(&to).await);
    let script = order::arrange(rendering.pieces, &read.dependencies, &rendering.left_out);
    let (before, after): (Vec<_>, Vec<_>) =
        script.steps.into_iter().partition(|step| step.phase <= Phase::PreData);
    run(&to, &Script { steps: before, ..Script::default() }).await;
    to.execute("INSERT INTO base VALUES (1), (2), (3)").await;
    let labels: Vec<&str> = after.iter().map(|step| step.label.as_str()).collect();
    let place = |label: &str| {
        labels.iter().position(|known| *known == label).unwrap_or_else(|| panic!("{label} in {labels:?}"))
    };
    assert!(place("rows of materialized view public.z_first") < place("index public.z_key"));
    assert!(
        place("rows of materialized view public.z_first") < place("rows of materialized view public.a_last")
    );
    run(&to, &Script { steps: after, ..Script::default() }).await;
    assert_eq!(to.query_text("SELECT n FROM a_last").await, "3");
    let populated =
        "SELECT string_agg(relispopulated::text, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'm'";
    assert_eq!(to.query_text(populated).await, "true,false,true");
}

#[tokio::test]
async fn facts_of_the_database_are_said_of_another() {
    let Some((from, to)) = pair("facts").await else { return };
    let name = Ident::from(from.name()).quoted();
    from.execute(&format!(
        "ALTER DATABASE {name} SET search_path TO \"$user\", public, \"we\"\"ird, one\"; \
         ALTER DATABASE {name} SET app.tenant = 'it''s'; ALTER DATABASE {name} SET \"DateStyle\" TO 'ISO, DMY'; \
         ALTER DATABASE {name} SET search_path TO '', public; ALTER ROLE mbs_bob IN DATABASE {name} SET work_mem = '9MB'; \
         ALTER DATABASE {name} CONNECTION LIMIT 42; COMMENT ON DATABASE {name} IS 'the one'; \
         GRANT CONNECT ON DATABASE {name} TO mbs_alice WITH GRANT OPTION; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; \
         ALTER DATABASE {name} OWNER TO mbs_owner"
    ))
    .await;
    let read = catalog(&from, 15).await;
    let mut rendering = Rendering::default();
    let made = render::database::facts(&read, &Ident::from(to.name()), &options(&to).await, &mut rendering);
    assert_eq!(rendering.skipped, []);
    to.execute(Sql::join(&made, ";").as_str()).await;
    let facts = "SELECT concat_ws(' ', d.datdba::regrole, d.datconnlimit, (SELECT array_agg(a ORDER BY a::text) FROM unnest(d.datacl) AS a), shobj_description(d.oid, 'pg_database'), \
                 (SELECT string_agg(concat(s.setrole::regrole, s.setconfig), ' ' ORDER BY s.setrole) \
                  FROM pg_db_role_setting AS s WHERE s.setdatabase = d.oid)) \
                 FROM pg_database AS d WHERE datname = current_database()";
    let expected = from.query_text(facts).await;
    assert!(expected.contains("mbs_owner 42") && expected.contains("tenant"), "{expected}");
    assert_eq!(to.query_text(facts).await, expected);
}

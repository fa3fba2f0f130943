//! Fixture → introspect → render → run in an empty database: pg_dump sees no difference.

use std::collections::{HashMap, HashSet};

use multiboard_sync::engine::introspect;
use multiboard_sync::pg::Version;
use multiboard_sync::schema::model::Catalog;
use multiboard_sync::schema::order::arrange;
use multiboard_sync::schema::render::render;
use multiboard_sync::schema::script::Script;
use multiboard_sync::schema::{Options, script};

use crate::support::dump::Allowed;
use crate::support::{Database, Session, destination, dump, source};

/// Whether small tables' keys stand inside CREATE TABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Inline,
    Separate,
}

/// A database's catalog, as a clone reads it.
async fn read(session: &Session) -> Catalog {
    session.execute_all("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''").await;
    let number: i32 = session.query_text("SHOW server_version_num").await.parse().unwrap();
    let version = Version::from_number(number.try_into().unwrap());
    let catalog = introspect::read(session, version).await.unwrap();
    session.execute_all("COMMIT").await;
    catalog
}

/// The script for a destination of the same version where everything is there.
async fn script_for(catalog: &Catalog, to: &Session, keys: Keys) -> Script {
    let names = |rows: Vec<Vec<Option<String>>>| rows.into_iter().flatten().flatten().collect();
    let mut options = Options::new(catalog.version);
    options.available_extensions =
        names(to.query_rows("SELECT name FROM pg_catalog.pg_available_extensions").await);
    options.roles = names(to.query_rows("SELECT rolname FROM pg_catalog.pg_roles").await);
    options.superuser = true;
    options.inline_keys = match keys {
        Keys::Inline => catalog.tables.iter().map(|table| table.oid).collect(),
        Keys::Separate => HashSet::new(),
    };
    let rendering = render(catalog, &options);
    let mut script = arrange(rendering.pieces, &catalog.dependencies, &rendering.left_out);
    script.skipped.extend(rendering.skipped);
    script
}

/// Runs a script step by step, as an engine may.
async fn run(script: &Script, to: &Session) {
    to.execute_all("SET search_path = ''; SET check_function_bodies = off").await;
    for step in &script.steps {
        for sql in &step.sql {
            if let Err(error) = to.batch_execute(sql.as_str()).await {
                panic!("{}: {}\n{sql}", step.label, crate::support::database::describe(&error));
            }
        }
    }
}

/// Loads a fixture, clones its schema both ways of making keys, and compares.
async fn check(major: u16, fixture: &str, allowed: &[Allowed]) {
    let (Some(from), Some(to)) = (source(major), destination(major)) else { return };
    for keys in [Keys::Separate, Keys::Inline] {
        let source = from.database("tables").await;
        let destination = to.database("tables").await;
        source.execute(fixture).await;
        let script = clone(&source, &destination, keys).await;
        assert_eq!(script.skipped, [] as [script::Skipped; 0], "{keys:?}");
        let expected = dump::schema(major, &source.url());
        let actual = dump::schema(major, &destination.url());
        if let (Some(expected), Some(actual)) = (expected, actual) {
            dump::assert_same_but(&expected, &actual, allowed);
        }
    }
}

async fn clone(source: &Database<'_>, destination: &Database<'_>, keys: Keys) -> Script {
    let catalog = read(&source.session().await).await;
    let session = destination.session().await;
    let script = script_for(&catalog, &session, keys).await;
    run(&script, &session).await;
    script
}

/// A test of one fixture on both versions.
macro_rules! cloned_alike {
    ($($name:ident: $($major:literal),*;)*) => { $(
        #[tokio::test]
        async fn $name() {
            let fixture = include_str!(concat!("../schemas/", stringify!($name), ".sql"));
            $( check($major, fixture, &[]).await; )*
        }
    )* };
}

cloned_alike! {
    columns: 15, 18;
    sequences: 15, 18;
    inheritance: 15, 18;
    partitions: 15, 18;
    constraints: 15, 18;
    indexes: 15, 18;
    tables_18: 18;
}

/// Columns in the order of the source, so that rows and `SELECT *` agree; what is given up is their mark as inherited.
#[tokio::test]
async fn column_order_of_children_is_kept() {
    let Some(from) = source(15) else { return };
    let Some(to) = destination(15) else { return };
    let (source, destination) = (from.database("order").await, to.database("order").await);
    source.execute(include_str!("../schemas/inheritance_order.sql")).await;
    let script = clone(&source, &destination, Keys::Separate).await;
    assert_eq!(script.skipped, [] as [script::Skipped; 0]);
    let facts = "SELECT c.relname, string_agg(a.attname || ' ' || a.attinhcount, ', ' ORDER BY a.attnum), \
                 (SELECT string_agg(conname || ' ' || coninhcount, ', ') FROM pg_constraint WHERE conrelid = c.oid) \
                 FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 \
                 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY c.oid, 1 ORDER BY 1";
    assert_eq!(source.query_rows(facts).await, destination.query_rows(facts).await);
}

/// What is left out takes along what needs it, each with a line; a default that needs it goes alone.
#[tokio::test]
async fn what_needs_a_table_that_is_left_out_is_named() {
    let Some(from) = source(15) else { return };
    let Some(to) = destination(15) else { return };
    let (source, destination) = (from.database("selection").await, to.database("selection").await);
    source
        .execute(
            "CREATE TABLE gone (id serial PRIMARY KEY); CREATE INDEX ON gone (id); \
             CREATE TABLE kept (id integer REFERENCES gone, n integer DEFAULT nextval('gone_id_seq'), m integer DEFAULT 3); \
             CREATE VIEW v AS SELECT * FROM gone;",
        )
        .await;
    let catalog = read(&source.session().await).await;
    let session = destination.session().await;
    let gone = catalog.tables.iter().find(|table| table.name.name.as_str() == "gone").unwrap();
    let left_out = HashMap::from([(gone.address(), "excluded".to_owned())]);
    let rendering = render(&catalog, &Options::new(catalog.version));
    let script = arrange(rendering.pieces, &catalog.dependencies, &left_out);
    run(&script, &session).await;
    let lines: Vec<String> =
        script.skipped.iter().map(|line| format!("{}: {}", line.object, line.reason)).collect();
    assert_eq!(
        lines,
        [
            "default of public.kept.n: needs sequence public.gone_id_seq, which is left out",
            "foreign key kept_id_fkey on public.kept: needs primary key gone_pkey on public.gone, which is left out",
            "table public.gone: excluded",
            "view public.v: needs table public.gone, which is left out",
        ]
    );
    let tables = destination.query_text("SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind IN ('r', 'S', 'v') AND relnamespace = 'public'::regnamespace").await;
    assert_eq!(tables, "kept");
}

/// Kinds that are not reproduced are in the report by name.
#[tokio::test]
async fn other_kinds_are_named() {
    for major in [15, 18] {
        let Some(from) = source(major) else { return };
        let source = from.database("unsupported").await;
        source
            .execute(
                "CREATE TEXT SEARCH CONFIGURATION ts (COPY = english); \
                 CREATE FUNCTION plus(integer, text) RETURNS integer LANGUAGE sql AS 'SELECT $1'; \
                 CREATE OPERATOR ## (LEFTARG = integer, RIGHTARG = text, FUNCTION = plus); \
                 CREATE FUNCTION mood(text) RETURNS point LANGUAGE sql AS 'SELECT point(0, 0)'; \
                 CREATE CAST (text AS point) WITH FUNCTION mood(text); \
                 CREATE VIEW over_it AS SELECT 1 ## 'x'::text AS x",
            )
            .await;
        let catalog = read(&source.session().await).await;
        let named: Vec<&str> =
            catalog.unsupported.iter().map(|unsupported| unsupported.what.object.as_str()).collect();
        let expected =
            ["cast text to point", "operator public.##(integer,text)", "text search configuration public.ts"];
        assert_eq!(named, expected);
        let rendering = render(&catalog, &Options::new(catalog.version));
        let script = arrange(rendering.pieces, &catalog.dependencies, &rendering.left_out);
        let view = script.skipped.iter().find(|line| line.object == "view public.over_it").unwrap();
        assert!(view.reason.contains("operator public.##"), "{view:?}");
    }
}

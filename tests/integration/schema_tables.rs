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
use crate::support::{Database, Session, destination, dump, missing, source};

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

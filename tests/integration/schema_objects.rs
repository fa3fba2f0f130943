//! Objects that are not tables: read, rendered, ordered, made anew in an empty database, and compared as `pg_dump`
//! sees them: with the source, or across versions with what `pg_dump | psql` makes of the source.

use std::collections::HashSet;

use multiboard_sync::engine::introspect;
use multiboard_sync::pg::{Ident, Sql, Version};
use multiboard_sync::schema::script::{Script, Skipped};
use multiboard_sync::schema::{Options, order, parse, render};

use crate::support::dump::{self, Allowed};
use crate::support::{Database, Session, destination, source};

/// Roles that the fixtures name. They belong to the cluster, so several tests share them.
const ROLES: [&str; 6] = ["mbs_owner", "mbs_alice", "mbs_bob", "mbs Carol", "mbs_reader", "mbs Writer"];

/// From and to which major version.
const PAIRS: [(u16, u16); 3] = [(15, 15), (18, 18), (15, 18)];

async fn make_roles(session: &Session) {
    for role in ROLES {
        let made = format!(
            "DO $$ BEGIN CREATE ROLE {}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
            Ident::from(role).quoted()
        );
        session.execute_all(&made).await;
    }
}

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
        make_roles(&from_server.session().await).await;
        make_roles(&to_server.session().await).await;
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
async fn owners_and_privileges_are_made_anew() {
    same_after_copy("privileges", include_str!("../schemas/privileges.sql"), &[]).await;
}

#[tokio::test]
async fn a_missing_public_stays_missing() {
    same_after_copy("no_public", include_str!("../schemas/no_public.sql"), &[]).await;
}

#[tokio::test]
async fn extensions_come_without_their_members() {
    same_after_copy("extensions", include_str!("../schemas/extensions.sql"), &[]).await;
}

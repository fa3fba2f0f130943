//! What belongs to the database as a whole: `pg_dump --create` finds no differing line when a clone makes the database
//! anew, and says what another server cannot give it.

use multiboard_sync::pg::Ident;
use multiboard_sync::sql;

use crate::support::cloning::clone_of;
use crate::support::fixture::{client_for, make_roles, make_tablespaces, versions};
use crate::support::{Binary, Server, clone, destination, dump, source};

/// Makes a database, runs statements in it and statements about it (`{}` is its name), clones it to where none is, and
/// compares what `pg_dump --create` says of both.
async fn arrives_whole(major: u16, options: &str, inside: &str, about: &[&str]) {
    let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
    for server in [on_source, on_destination] {
        make_roles(server).await;
        if options.contains("TABLESPACE") {
            make_tablespaces(server).await;
        }
    }
    let from = on_source.database_with("whole", options).await;
    let to = on_destination.absent_database("whole");
    from.execute(inside).await;
    let name = Ident::from(from.name()).quoted();
    for statement in about {
        on_source.execute(&statement.replace("{}", &name)).await;
    }
    let outcome = clone_of(&from, &to, &["--no-neutralize"]).await;
    assert_eq!(outcome.skipped(), [""; 0]);
    assert_eq!(outcome.warnings("setting_not_taken"), Vec::<&serde_json::Value>::new());
    let client = client_for(major);
    let (Some(expected), Some(found)) =
        (dump::with_database(client, &from.url()), dump::with_database(client, &to.url()))
    else {
        return;
    };
    let renamed: Vec<String> = found.iter().map(|line| line.replace(to.name(), from.name())).collect();
    assert!(expected.iter().any(|line| line.starts_with("CREATE DATABASE")), "{expected:?}");
    dump::assert_same(&expected, &renamed);
    for statement in ["ALTER DATABASE {} IS_TEMPLATE false", "ALTER DATABASE {} CONNECTION LIMIT -1"] {
        on_source.execute(&statement.replace("{}", &name)).await;
        on_destination.execute(&statement.replace("{}", &Ident::from(to.name()).quoted())).await;
    }
}

#[tokio::test]
async fn everything_that_is_said_of_a_database_arrives() {
    for major in versions() {
        arrives_whole(
            major,
            "TEMPLATE template0 TABLESPACE mbs_fast",
            "CREATE TABLE t (id integer PRIMARY KEY); CREATE TABLE slow (id integer) TABLESPACE \"mbs Slow\";
             CREATE TABLE in_default (id integer) TABLESPACE pg_default; ALTER SCHEMA public OWNER TO mbs_owner;
             REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO mbs_bob; COMMENT ON SCHEMA public IS 'ours'",
            &[
                "ALTER DATABASE {} OWNER TO mbs_owner",
                "ALTER DATABASE {} CONNECTION LIMIT 42",
                "ALTER DATABASE {} IS_TEMPLATE true",
                "COMMENT ON DATABASE {} IS 'the one; with ''quotes'''",
                "GRANT CREATE ON DATABASE {} TO mbs_alice WITH GRANT OPTION",
                "REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC",
                "ALTER DATABASE {} SET search_path TO \"$user\", public, \"we\"\"ird, one\"",
                "ALTER DATABASE {} SET app.tenant = 'it''s'",
                "ALTER DATABASE {} SET \"DateStyle\" TO 'ISO, DMY'",
                "ALTER DATABASE {} SET statement_timeout TO '70s'",
                "ALTER ROLE mbs_bob IN DATABASE {} SET work_mem = '9MB'",
                "ALTER ROLE \"mbs Carol\" IN DATABASE {} SET search_path TO ''",
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn encodings_and_locales_of_every_provider_arrive() {
    let nothing = "CREATE TABLE t (word text)";
    for major in versions() {
        arrives_whole(major, "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'", nothing, &[]).await;
        arrives_whole(major, "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'", nothing, &[]).await;
        arrives_whole(major, "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'", "DROP SCHEMA public", &[])
            .await;
        let icu = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'";
        let ruled = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und' ICU_RULES '&a < g'";
        let builtin = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'";
        for (since, options) in [(15, icu), (16, ruled), (17, builtin)] {
            if major >= since {
                arrives_whole(major, options, nothing, &[]).await;
            }
        }
    }
}

async fn lonely() -> Option<(&'static Server, Server)> {
    Some((source(15)?, Server::with(15, crate::support::Settings::new())?))
}

#[tokio::test]
async fn a_tablespace_that_is_not_there_is_a_line_in_the_report() {
    let Some((on_source, on_destination)) = lonely().await else { return };
    make_tablespaces(on_source).await;
    let from = on_source.database_with("lonely", "TABLESPACE mbs_fast").await;
    let to = on_destination.absent_database("lonely");
    from.execute(
        "CREATE TABLE t (id integer PRIMARY KEY USING INDEX TABLESPACE \"mbs Slow\") TABLESPACE \"mbs Slow\";
         INSERT INTO t VALUES (1); CREATE INDEX i ON t (id) TABLESPACE \"mbs Slow\" WHERE id > 0;
         CREATE MATERIALIZED VIEW m TABLESPACE \"mbs Slow\" AS SELECT id FROM t;
         CREATE TABLE p (id integer) PARTITION BY LIST (id) TABLESPACE \"mbs Slow\"",
    )
    .await;
    let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
    strict.expect_error(&["tablespace mbs_fast of the database", "it is not on the destination"]);
    let outcome = clone_of(&from, &to, &[]).await;
    let mut skipped = outcome.skipped();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "tablespace \"mbs Slow\" of index public.i",
            "tablespace \"mbs Slow\" of index public.t_pkey",
            "tablespace \"mbs Slow\" of materialized view public.m",
            "tablespace \"mbs Slow\" of table public.p",
            "tablespace \"mbs Slow\" of table public.t",
            "tablespace mbs_fast of the database",
        ]
    );
    let elsewhere = "SELECT count(*) FROM pg_class WHERE reltablespace NOT IN (0, 1664)";
    assert_eq!(to.query_text(elsewhere).await, "0");
    assert_eq!(to.query_text("SELECT concat(t.id, m.id) FROM t, m").await, "11");
}

#[tokio::test]
async fn a_tablespace_that_the_role_may_not_use_is_a_line_too_and_a_replaced_database_keeps_its_own() {
    let (Some(on_source), Some(on_destination)) = (source(15), destination(15)) else { return };
    make_tablespaces(on_source).await;
    make_tablespaces(on_destination).await;
    let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
    let from = on_source.database("barred").await;
    let to = on_destination.database_with("barred", "TEMPLATE template0 TABLESPACE \"mbs Slow\"").await;
    on_destination
        .execute(&format!(
            "ALTER DATABASE {} OWNER TO {cloner}; GRANT CREATE ON TABLESPACE \"mbs Slow\" TO {cloner}",
            Ident::from(to.name()).quoted(),
            cloner = cloner.name()
        ))
        .await;
    let owner = on_destination.session().await;
    from.execute(
        "CREATE TABLE f (id integer) TABLESPACE mbs_fast; CREATE TABLE s (id integer) TABLESPACE \"mbs Slow\"",
    )
    .await;
    let url = to.url_as(cloner.name(), "x");
    let outcome = clone(&Binary::new(), &from.url(), &url, &["--no-owner"]).await.expect_code(0);
    assert_eq!(outcome.skipped(), ["tablespace mbs_fast of table public.f"]);
    assert!(outcome.text().contains("may not create anything in it"), "{}", outcome.text());
    let place = sql!(
        "SELECT spcname FROM pg_database AS d JOIN pg_tablespace AS t ON t.oid = dattablespace WHERE datname = {name}",
        name = multiboard_sync::pg::Literal(to.name())
    );
    assert_eq!(owner.query_text(place.as_str()).await, "mbs Slow");
}

#[tokio::test]
async fn an_owner_that_our_role_may_not_act_for_is_known_before_anything_is_made() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        make_roles(on_source).await;
        make_roles(on_destination).await;
        let cloner = on_destination.role("cloner", "LOGIN CREATEDB").await;
        let from = on_source.database("owned").await;
        on_source
            .execute(&format!("ALTER DATABASE {} OWNER TO mbs_owner", Ident::from(from.name()).quoted()))
            .await;
        let to = on_destination.absent_database("owned");
        let url = to.url_as(cloner.name(), "x");
        let strict = clone(&Binary::new(), &from.url(), &url, &["--strict"]).await.expect_code(3);
        strict.expect_error(&["owner of the database", "is not a member of role mbs_owner"]);
        assert_eq!(strict.phases(), ["preflight", "plan"]);
        let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);
        assert_eq!(outcome.skipped(), ["owner of the database"]);
        assert_eq!(outcome.warnings("setting_not_taken"), Vec::<&serde_json::Value>::new());
        let owner = "SELECT datdba::regrole FROM pg_database WHERE datname = current_database()";
        assert_eq!(to.query_text(owner).await, cloner.name());
    }
}

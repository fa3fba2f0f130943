//! `multiboard-sync diff`: what cannot be made equal safely gets a reason and no statement.

use crate::diff_statements::{apply, based, diff};
use crate::support::fixture::make_roles;
use crate::support::{destination, source};

/// Differences that get no statement, each with what is said of it; whatever else the case has is done by the statements,
/// and the next diff finds only these.
const WITHHELD: &[(&str, &str, &[&str])] = &[
    (
        "ALTER TABLE app.people ADD COLUMN must text; ALTER TABLE app.people ADD COLUMN may text",
        "",
        &["column app.people.must rows_may_refuse"],
    ),
    (
        "",
        "ALTER TABLE app.people ADD COLUMN more text; CREATE TABLE app.more (a int); CREATE SEQUENCE app.more_numbers; CREATE EXTENSION pg_trgm; CREATE SCHEMA kept; CREATE TABLE kept.t (a int); CREATE VIEW app.to_go AS SELECT more FROM app.people",
        &[
            "schema kept needed_by_others",
            "extension pg_trgm holds_data",
            "sequence app.more_numbers holds_data",
            "table app.more holds_data",
            "column app.people.more holds_data",
            "table kept.t holds_data",
        ],
    ),
    (
        "ALTER TABLE app.people ALTER born TYPE text; ALTER TABLE app.orders ALTER person TYPE bigint; ALTER TABLE app.parent ALTER b TYPE int USING 1",
        "",
        &[
            "column app.orders.person.type rewrites",
            "column app.parent.b.type rewrites",
            "column app.people.born.type rewrites",
        ],
    ),
    (
        // What would be made anew and needs a column that is not added is not dropped.
        "ALTER TABLE app.people ADD COLUMN must text; DROP VIEW app.upon, app.names; CREATE VIEW app.names AS SELECT must, id FROM app.people; CREATE VIEW app.upon AS SELECT id FROM app.names",
        "",
        &[
            "view app.names needs_withheld",
            "column app.people.must rows_may_refuse",
            "view app.upon needs_withheld",
        ],
    ),
    (
        // ALTER TYPE is refused: a key of partitions, of the table or of one below; a typed table; a view on a child's.
        "CREATE TYPE app.row_type AS (a varchar(20));
        CREATE TABLE app.keyed (k varchar(20), l varchar(20), e varchar(20)) PARTITION BY LIST (k); CREATE TABLE app.keyed_1 PARTITION OF app.keyed FOR VALUES IN ('x') PARTITION BY RANGE (l);
        CREATE TABLE app.by_expression (e varchar(20)) PARTITION BY LIST (lower(e));
        CREATE TABLE app.above (a varchar(20), b varchar(20)); CREATE TABLE app.below () INHERITS (app.above); CREATE VIEW app.of_below AS SELECT a FROM app.below;
        CREATE TABLE app.beside (b varchar(20)); ALTER TABLE app.below INHERIT app.beside; CREATE TABLE app.typed OF app.row_type",
        "CREATE TYPE app.row_type AS (a varchar(10));
        CREATE TABLE app.keyed (k varchar(10), l varchar(10), e varchar(10)) PARTITION BY LIST (k); CREATE TABLE app.keyed_1 PARTITION OF app.keyed FOR VALUES IN ('x') PARTITION BY RANGE (l);
        CREATE TABLE app.by_expression (e varchar(10)) PARTITION BY LIST (lower(e));
        CREATE TABLE app.above (a varchar(10), b varchar(10)); CREATE TABLE app.below () INHERITS (app.above); CREATE VIEW app.of_below AS SELECT a FROM app.below;
        CREATE TABLE app.beside (b varchar(10)); ALTER TABLE app.below INHERIT app.beside; CREATE TABLE app.typed OF app.row_type",
        &[
            "type app.row_type.attributes needed_by_others",
            "column app.above.a.type needed_by_others",
            "column app.above.b.type no_statement",
            "column app.beside.b.type no_statement",
            "column app.by_expression.e.type no_statement",
            "column app.keyed.k.type no_statement",
            "column app.keyed.l.type no_statement",
            "column app.typed.a.type no_statement",
        ],
    ),
    (
        // Each of its values would be looked at, in every row.
        "CREATE DOMAIN app.checked AS int DEFAULT 1 CHECK (VALUE > 0); CREATE DOMAIN app.on_it AS app.checked; CREATE DOMAIN app.drawn AS uuid DEFAULT gen_random_uuid();
        ALTER TABLE app.people ADD COLUMN c app.checked, ADD d app.on_it DEFAULT 5, ADD e app.drawn, ADD f app.drawn DEFAULT NULL",
        "",
        &[
            "column app.people.c rewrites",
            "column app.people.d rewrites",
            "column app.people.e rewrites",
        ],
    ),
    (
        "ALTER TABLE app.people ALTER name SET NOT NULL; ALTER TABLE app.people ADD CONSTRAINT more CHECK (id > 0); CREATE UNIQUE INDEX more_unique ON app.people (name); CREATE INDEX more_index ON app.people (note)",
        "",
        &[
            "column app.people.name.not_null rows_may_refuse",
            "constraint more on app.people rows_may_refuse",
            "index app.more_unique on people rows_may_refuse",
        ],
    ),
    (
        "DROP FUNCTION app.one(); CREATE FUNCTION app.one() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; ALTER TABLE app.orders ALTER id SET DEFAULT app.one()",
        "ALTER TABLE app.orders ALTER total SET DEFAULT app.one()",
        &["function app.one().returns needed_by_others"],
    ),
    (
        "ALTER TABLE app.parent SET UNLOGGED; ALTER TABLE app.events DETACH PARTITION app.events_1; DROP MATERIALIZED VIEW app.stored; CREATE MATERIALIZED VIEW app.stored AS SELECT id FROM app.orders",
        "",
        &[
            "table app.events_1.partition_of rows_may_refuse",
            "table app.events_1.bound rows_may_refuse",
            "index app.events_1_what_idx on events_1.attached_to no_statement",
            "table app.parent.unlogged rewrites",
            "materialized view app.stored.query rewrites",
        ],
    ),
    (
        "ALTER TYPE app.mood RENAME VALUE 'sad' TO 'glum'; CREATE SERVER far FOREIGN DATA WRAPPER app_wrapper; CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'hunter2')",
        "",
        &["type app.mood.values needed_by_others", "user mapping public on server far secret"],
    ),
];

#[tokio::test]
async fn what_is_not_safe_has_a_reason_and_no_statement() {
    let (Some(from_server), Some(to_server)) = (source(15), destination(18)) else { return };
    make_roles(from_server).await;
    make_roles(to_server).await;
    for (change, before, expected) in WITHHELD {
        let (from, to) = (based(from_server, "").await, based(to_server, "").await);
        for database in [&from, &to] {
            database.execute("CREATE FOREIGN DATA WRAPPER app_wrapper").await;
        }
        from.execute(change).await;
        if change.contains(" must ") {
            from.execute("UPDATE app.people SET must = ''; ALTER TABLE app.people ALTER must SET NOT NULL")
                .await;
        }
        to.execute(before).await;
        let (code, found, errors) = diff(&from, &to).await;
        assert_eq!(code, Some(5), "{errors}");
        let withheld: Vec<String> = found["withheld"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let member = one["member"].as_str().map(|member| format!(".{member}")).unwrap_or_default();
                format!(
                    "{}{member} {}",
                    one["object"]["label"].as_str().unwrap(),
                    one["reason"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(withheld, *expected, "{change} {before}");
        assert!(!found.to_string().contains("hunter2"));
        apply(&found, &to).await.unwrap();
        let (code, left, errors) = diff(&from, &to).await;
        assert_eq!(code, Some(5), "{errors}");
        assert_eq!(left["statements"], serde_json::json!([]), "{change} {before}");
        assert_eq!(left["withheld"], found["withheld"], "{change} {before}");
    }
}

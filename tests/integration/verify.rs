//! The sums that verification compares: equal for equal rows whatever the order and the settings, different for any
//! value that differs, for every built-in type and its array.

use multiboard_sync::connect::{self, Connection, Settings};
use multiboard_sync::engine::verify::compare::{Summary, compare};
use multiboard_sync::engine::verify::query::{self, Column, Rows, Table};
use multiboard_sync::engine::verify::sum_up;
use multiboard_sync::pg::{Ident, QualifiedName, Sql};

use crate::connect_sql::options;
use crate::support::{Binary, Database, Outcome, destination, source};

/// Types with two values that are close to each other and not the same to a user.
const TYPES: &[(&str, &str, &str)] = &[
    ("aclitem", "postgres=r/postgres", "postgres=w/postgres"),
    ("bit", "0", "1"),
    ("bool", "f", "t"),
    ("box", "(1,1),(0,0)", "(1,1),(0,0.1)"),
    ("bpchar", "a", "A"),
    ("bytea", "\\x00ff", "\\x00fe"),
    ("char", "a", "b"),
    ("cid", "1", "2"),
    ("cidr", "10.0.0.0/8", "10.0.0.0/9"),
    ("circle", "<(0,0),1>", "<(0,0),1.0000001>"),
    ("date", "0044-03-15 BC", "0044-03-15"),
    ("datemultirange", "{[2000-01-01,2000-01-03)}", "{[2000-01-01,2000-01-04)}"),
    ("daterange", "[2000-01-01,)", "[2000-01-01,infinity)"),
    ("float4", "0", "-0"),
    ("float8", "0.1", "0.10000000000000002"),
    ("gtsvector", "", ""),
    ("inet", "10.0.0.1", "10.0.0.1/31"),
    ("int2", "1", "2"),
    ("int2vector", "1 2", "2 1"),
    ("int4", "1", "-1"),
    ("int4multirange", "{}", "{[1,2)}"),
    ("int4range", "empty", "[1,2)"),
    ("int8", "9223372036854775807", "-9223372036854775808"),
    ("int8multirange", "{}", "{(,)}"),
    ("int8range", "[1,5)", "[1,6)"),
    ("interval", "1 day", "24:00:00"),
    ("json", "{\"a\":1}", "{\"a\": 1}"),
    ("jsonb", "{\"a\":1}", "{\"a\":1.0}"),
    ("jsonpath", "$.a", "$.b"),
    ("line", "{1,2,3}", "{1,2,4}"),
    ("lseg", "[(0,0),(1,1)]", "[(0,0),(1,2)]"),
    ("macaddr", "08:00:2b:01:02:03", "08:00:2b:01:02:04"),
    ("macaddr8", "08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:06"),
    ("money", "1.00", "1.01"),
    ("name", "a", "b"),
    ("numeric", "1.0", "1.00"),
    ("nummultirange", "{[1,2]}", "{[1,2)}"),
    ("numrange", "[1,2]", "[1,2)"),
    ("oid", "1", "4294967295"),
    ("oidvector", "1 2", "2 1"),
    ("path", "[(0,0),(1,1)]", "((0,0),(1,1))"),
    ("pg_lsn", "0/1", "1/0"),
    ("pg_snapshot", "10:20:10,14", "10:20:10,15"),
    ("point", "(0,0)", "(0,-0)"),
    ("polygon", "((0,0),(1,1))", "((1,1),(0,0))"),
    ("refcursor", "a", "b"),
    ("regclass", "pg_class", "pg_type"),
    ("regcollation", "\"C\"", "\"POSIX\""),
    ("regconfig", "simple", "english"),
    ("regdictionary", "simple", "english_stem"),
    ("regnamespace", "pg_catalog", "public"),
    ("regoper", "|/", "||/"),
    ("regoperator", "+(integer,integer)", "-(integer,integer)"),
    ("regproc", "now", "pg_backend_pid"),
    ("regprocedure", "abs(integer)", "abs(bigint)"),
    ("regrole", "pg_monitor", "pg_read_all_data"),
    ("regtype", "integer", "bigint"),
    ("text", "", "é"),
    ("tid", "(0,1)", "(1,0)"),
    ("time", "24:00", "00:00"),
    ("timestamp", "infinity", "-infinity"),
    ("timestamptz", "2000-01-01 00:00:00.000001+00", "2000-01-01 00:00:00.000002+00"),
    ("timetz", "01:00+01", "00:00+00"),
    ("tsmultirange", "{[2000-01-01,)}", "{[2000-01-02,)}"),
    ("tsquery", "a & b", "a | b"),
    ("tsrange", "[2000-01-01,2000-01-02)", "[2000-01-01,2000-01-02]"),
    ("tstzmultirange", "{[2000-01-01 00:00+00,)}", "{[2000-01-01 00:00+01,)}"),
    ("tstzrange", "[2000-01-01 00:00+00,)", "[2000-01-01 00:00+01,)"),
    ("tsvector", "a:1", "a:2"),
    ("txid_snapshot", "10:20:10,14", "10:20:10,15"),
    ("uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"),
    ("varbit", "01", "010"),
    ("varchar", "a", "a "),
    ("xid", "1", "2"),
    ("xid8", "1", "18446744073709551615"),
    ("xml", "<a/>", "<a></a>"),
];

/// Types without input, of which no table can hold a value that a user wrote.
const WITHOUT_INPUT: &[&str] = &[
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

/// What every type is compared in, with its name, type and both values: the value, and an array of it with a NULL.
fn columns() -> Vec<(String, String, String, String)> {
    let mut columns = Vec::new();
    // The input function of gtsvector refuses every value: it is a type of index entries.
    for (name, one, other) in TYPES.iter().filter(|(name, ..)| *name != "gtsvector") {
        let typed = |text: &str| format!("'{text}'::pg_catalog.\"{name}\"");
        let array = |text: &str| format!("ARRAY[{}, NULL]", typed(text));
        columns.push((format!("c_{name}"), format!("pg_catalog.\"{name}\""), typed(one), typed(other)));
        columns.push((format!("A {name}"), format!("pg_catalog.\"{name}\"[]"), array(one), array(other)));
    }
    columns
}

/// The same three rows on each side, one full and two of NULLs; `turned`: columns and rows the other way round.
async fn fill(database: &Database<'_>, turned: bool) {
    let mut columns = columns();
    if turned {
        columns.reverse();
    }
    let defined: Vec<String> = columns.iter().map(|(name, of, ..)| format!("\"{name}\" {of}")).collect();
    let values: Vec<&str> = columns.iter().map(|(_, _, value, _)| value.as_str()).collect();
    let full = format!("INSERT INTO t SELECT {}, 1", values.join(", "));
    let null = "INSERT INTO t DEFAULT VALUES";
    let dropped = if turned { "gone int, " } else { "" };
    let rows = if turned { format!("{null}; {null}; {full}") } else { format!("{full}; {null}; {null}") };
    database
        .execute(&format!(
            "CREATE TABLE t ({dropped}{}, which int); ALTER TABLE t DROP COLUMN IF EXISTS gone; {rows};
             CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES;
             CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1)",
            defined.join(", ")
        ))
        .await;
}

fn all_types() -> Table {
    let mut columns: Vec<Column> = columns()
        .into_iter()
        .map(|(name, of, ..)| Column { is_bytea: of == "pg_catalog.\"bytea\"", name: Ident::new(name) })
        .collect();
    columns.push(Column { name: Ident::new("which"), is_bytea: false });
    columns.rotate_left(7);
    Table { name: QualifiedName::new("public", "t"), columns, condition: Sql::default() }
}

fn bare(name: &str, columns: &[&str]) -> Table {
    let columns = columns.iter().map(|name| Column { name: Ident::new(*name), is_bytea: false }).collect();
    Table { name: QualifiedName::new("public", name), columns, condition: Sql::default() }
}

async fn reader(database: &Database<'_>) -> Connection {
    connect::source(&options(&database.url()), &Settings::default()).await.unwrap()
}

/// One database with one table, summed up.
async fn summary(connection: &Connection, table: &Table) -> Summary {
    let sum = sum_up(connection.client(), "the table", &query::checksum(table, Rows::Own)).await.unwrap();
    Summary { tables: [(table.name.clone(), sum)].into(), ..Summary::default() }
}

/// The same, and the large objects.
async fn with_objects(connection: &Connection, table: &Table) -> Summary {
    let objects = sum_up(connection.client(), "the large objects", &query::large_object_checksum()).await;
    Summary { large_objects: Some(objects.unwrap()), ..summary(connection, table).await }
}

async fn every_type_between(from: &Database<'_>, to: &Database<'_>) {
    // The sessions that sum up must not care for what the databases say.
    let (source_name, destination_name) = (from.name(), to.name());
    from.execute(&format!("ALTER DATABASE {source_name} SET DateStyle = 'SQL, DMY'")).await;
    to.execute(&format!(
        "ALTER DATABASE {destination_name} SET extra_float_digits = -3;
         ALTER DATABASE {destination_name} SET IntervalStyle = 'sql_standard';
         ALTER DATABASE {destination_name} SET TimeZone = 'Asia/Kathmandu';
         ALTER DATABASE {destination_name} SET bytea_output = 'escape'"
    ))
    .await;
    fill(from, false).await;
    fill(to, true).await;
    let (ours, theirs) = (reader(from).await, reader(to).await);
    let table = all_types();
    let expected = summary(&ours, &table).await;
    let found = compare(&expected, &summary(&theirs, &table).await);
    assert_eq!((found.equal, found.different.as_slice()), (1, [].as_slice()));

    let writer = to.session().await;
    for (name, _, one, other) in columns() {
        for value in [other.as_str(), "NULL"] {
            writer.execute_all(&format!("UPDATE t SET \"{name}\" = {value} WHERE which = 1")).await;
            let found = compare(&expected, &summary(&theirs, &table).await);
            assert_eq!(found.different.len(), 1, "{name} became {value} unnoticed");
        }
        writer.execute_all(&format!("UPDATE t SET \"{name}\" = {one} WHERE which = 1")).await;
    }
    let found = compare(&expected, &summary(&theirs, &table).await);
    assert!(found.different.is_empty(), "everything was put back: {:?}", found.different);
}

#[tokio::test]
async fn a_difference_in_any_built_in_type_is_found_15_to_15() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("sums").await, to.database("sums").await);
    every_type_between(&from, &to).await;
}

#[tokio::test]
async fn a_difference_in_any_built_in_type_is_found_15_to_18() {
    let (Some(from), Some(to)) = (source(15), destination(18)) else { return };
    let (from, to) = (from.database("sums").await, to.database("sums").await);
    every_type_between(&from, &to).await;
}

#[tokio::test]
async fn no_built_in_type_is_missing_above() {
    for major in [15, 18] {
        let Some(server) = source(major) else { return };
        let rows = server
            .database("types")
            .await
            .query_rows(
                "SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace \
                 AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A' ORDER BY 1",
            )
            .await;
        let types: Vec<String> = rows.into_iter().flatten().flatten().collect();
        assert!(types.len() > 60);
        let known = |name: &str| TYPES.iter().any(|(of, ..)| *of == name) || WITHOUT_INPUT.contains(&name);
        let missing: Vec<&String> = types.iter().filter(|name| !known(name)).collect();
        assert!(missing.is_empty(), "types of {major} that no value is tried of: {missing:?}");
    }
}

#[tokio::test]
async fn duplicates_swapped_values_and_children_are_not_mixed_up() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("sums").await, to.database("sums").await);
    for database in [&from, &to] {
        fill(database, false).await;
    }
    let (ours, theirs) = (reader(&from).await, reader(&to).await);
    let cases = [
        // Two equal rows on one side only: an exclusive or would not see them.
        ("pairs", "a int, b int", "VALUES (1, 2)", "VALUES (1, 2), (3, 4), (3, 4)"),
        ("columns", "a text, b text", "VALUES ('x', 'y')", "VALUES ('y', 'x')"),
        ("rows", "a int, b int", "VALUES (1, 2), (3, 4)", "VALUES (1, 4), (3, 2)"),
        ("empty", "a text, b text", "VALUES (NULL, '')", "VALUES ('', NULL)"),
        ("commas", "a text, b text", "VALUES ('x,y', 'z')", "VALUES ('x', 'y,z')"),
    ];
    for (name, columns, ours_rows, theirs_rows) in cases {
        from.execute(&format!("CREATE TABLE \"{name}\" ({columns}); INSERT INTO \"{name}\" {ours_rows}"))
            .await;
        to.execute(&format!("CREATE TABLE \"{name}\" ({columns}); INSERT INTO \"{name}\" {theirs_rows}"))
            .await;
        let table = bare(name, &["a", "b"]);
        let found = compare(&summary(&ours, &table).await, &summary(&theirs, &table).await);
        assert_eq!(found.different.len(), 1, "{name}");
    }
    // A parent's own rows are none, whatever its children hold.
    let parent = summary(&theirs, &bare("parent", &["a"])).await;
    assert_eq!(parent.tables.values().next().unwrap()[0].as_deref(), Some("0"));
    let bare_rows = bare("no_columns", &[]);
    let before = summary(&ours, &bare_rows).await;
    assert!(compare(&before, &summary(&theirs, &bare_rows).await).different.is_empty());
    to.execute("INSERT INTO no_columns DEFAULT VALUES").await;
    assert_eq!(compare(&before, &summary(&theirs, &bare_rows).await).different.len(), 1);
}

#[tokio::test]
async fn tables_of_1600_columns_and_large_objects_are_summed_up() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("sums").await, to.database("sums").await);
    let names: Vec<String> = (0..1600).map(|n| format!("c{n}")).collect();
    let defined: Vec<String> = names.iter().map(|name| format!("{name} int2")).collect();
    let create = format!(
        "CREATE TABLE wide ({}); INSERT INTO wide (c0, c1599) VALUES (1, 2);
         SELECT lo_from_bytea(70001, decode(repeat('ab', 600000), 'hex')); SELECT lo_create(70002)",
        defined.join(", ")
    );
    for database in [&from, &to] {
        database.execute(&create).await;
    }
    let (ours, theirs) = (reader(&from).await, reader(&to).await);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wide = bare("wide", &names);
    let found = compare(&with_objects(&ours, &wide).await, &with_objects(&theirs, &wide).await);
    assert_eq!((found.equal, found.different.as_slice()), (2, [].as_slice()));
    to.execute("UPDATE wide SET c1599 = 3").await;
    // One byte behind the first part.
    to.execute("SELECT lo_put(70001, 599999, '\\x00')").await;
    let found = compare(&with_objects(&ours, &wide).await, &with_objects(&theirs, &wide).await);
    assert_eq!((found.equal, found.different.len()), (0, 2));
}

#[tokio::test]
async fn patterns_take_what_they_take_in_a_clone() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("patterns").await, destination.database("patterns").await);
    let tables = "CREATE TABLE t (id serial, n int); CREATE VIEW v AS SELECT 1 AS one; CREATE SEQUENCE free;
        CREATE TABLE numbered (id int DEFAULT nextval('free')); INSERT INTO t (n) VALUES (1), (2)";
    from.execute(tables).await;
    to.execute(tables).await;
    to.execute("SELECT setval('t_id_seq', 900)").await;
    let verify = async |more: &[&str]| {
        let arguments = ["verify", "--json", "--from", &from.url(), "--to", &to.url()];
        Outcome::of(Binary::new().run(&[&arguments[..], more].concat()).await)
    };
    // A view has no rows to compare, and is no reason to refuse.
    verify(&["--include", "public.v"]).await.expect_code(0);
    verify(&["--include", "public.no_such_thing"]).await.expect_code(2);
    // A column's sequence goes with its table, whatever patterns say of its own name.
    for with_the_table in
        [&["--include", "public.t"][..], &["--exclude", "public.t_id_seq"], &["--exclude", "public.free"]]
    {
        let outcome = verify(with_the_table).await.expect_code(5);
        assert!(outcome.text().contains("public.t_id_seq"), "{}", outcome.text());
    }
    verify(&["--exclude", "public.t"]).await.expect_code(0);
    verify(&["--include", "public.t_id_seq"]).await.expect_code(0);
    // One that stands for itself is taken by its name, or by the table that needs it.
    to.execute("SELECT setval('free', 900)").await;
    for taken in
        [&["--exclude", "public.t"][..], &["--include", "public.numbered"], &["--include", "public.free"]]
    {
        let outcome = verify(taken).await.expect_code(5);
        assert!(outcome.text().contains("public.free"), "{}", outcome.text());
    }
    verify(&["--exclude", "public.t", "--exclude", "public.free"]).await.expect_code(0);
}

#[tokio::test]
async fn what_the_destination_refuses_is_said_of_the_destination() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let reader = destination.role("reader", "LOGIN").await;
    let (from, to) = (source.database("sides").await, destination.database("sides").await);
    for database in [&from, &to] {
        database.execute("CREATE SEQUENCE s; CREATE TABLE t (id int)").await;
    }
    to.execute(&format!("GRANT SELECT ON t TO {}", reader.name())).await;
    to.announce("permission denied for sequence s");
    let as_reader = to.url_as(reader.name(), "x");
    let output = Binary::new().run(&["verify", "--json", "--from", &from.url(), "--to", &as_reader]).await;
    Outcome::of(output).expect_code(1).expect_error(&[
        "reading the values of sequences failed on the destination",
        "permission denied for sequence s",
    ]);
}

//! 002_types, 003_constraints, 005_encoding, 009_matviews and 011_generated: values of every type, what fires and what does
//! not, and columns that one side computes.

use super::s006_schema_changes::statements;
use super::{Mirror, on_both, scenario};

const TYPES: &str = r#"
    CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube; CREATE EXTENSION isn;
    CREATE SCHEMA "other s"; CREATE TYPE "other s"."the type" AS ENUM ('a', 'B c', 'd''e', '');
    CREATE TYPE inner_pair AS (a int, b text, c float8[]);
    CREATE TYPE nested AS (p inner_pair, ps inner_pair[], e "other s"."the type");
    CREATE TYPE text_range AS RANGE (subtype = text, collation = "C");
    CREATE DOMAIN tag AS text CHECK (VALUE ~ '^[a-z ,"]*$'); CREATE DOMAIN tags AS tag[]; CREATE DOMAIN pair_domain AS inner_pair;
    CREATE FUNCTION is_even(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
    CREATE DOMAIN even AS int CHECK (public.is_even(VALUE)); 
"#;

fn types() -> String {
    TYPES.to_owned()
        + r#"
    CREATE TABLE arrays (id int PRIMARY KEY, a int[], b text[][], c float8[], d int4range[], e "other s"."the type"[], f inner_pair[], g numeric[], h bytea[], i timestamptz[], j jsonb[], k bool[]);
    CREATE TABLE composites (id int PRIMARY KEY, a inner_pair, b nested, c nested[], d pair_domain);
    CREATE TABLE ranges (id int PRIMARY KEY, a int4range, b numrange, c tstzrange, d int4multirange, e text_range, f text_range[], g daterange);
    CREATE TABLE domains (id int PRIMARY KEY, a tag, b tags, c even, d even[]);
    CREATE TABLE extensions (id int PRIMARY KEY, a hstore, b citext, c ltree, d cube, e isbn13, f hstore[], g citext[]);
    CREATE TABLE keys (a "other s"."the type", b tag, c citext, d int4range, v int, PRIMARY KEY (a, b, c, d));
    CREATE TABLE numbers (id int PRIMARY KEY, a numeric, b numeric(20, 5), c float4, d float8, e money, f int8, g int2, h oid, i bit varying, j bit(9), k "char", l name, m char(7), n varchar(9));
    CREATE TABLE times (id int PRIMARY KEY, a timestamp, b timestamptz, c date, d time, e timetz, f interval, g timestamp(2), h interval hour to minute);
    CREATE TABLE others (id int PRIMARY KEY, a uuid, b inet, c cidr, d macaddr, e macaddr8, f tsvector, g tsquery, h xml, i json, j jsonb, k point, l line, m lseg, n box, o path, p polygon, q circle, r pg_lsn, s jsonpath, t regclass, u box[], v xml[], w tid, x xid8);
    CREATE TABLE full_rows (a json, b xml, c point, d inner_pair, e box, f text[], g float8); ALTER TABLE full_rows REPLICA IDENTITY FULL;
    INSERT INTO full_rows VALUES ('{}', '<a/>', '(1,2)', '(1,x,{1})', '((1,1),(0,0))', '{a,b}', 'NaN'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    "#
}

const VALUES: [&str; 10] = [
    r#"INSERT INTO arrays VALUES (1, '{1,2,NULL}', '{{a,"b,c"},{NULL,"d\\\"e"}}', '{NaN,Infinity,-0,1e-300}', '{"[1,2)",empty}', '{a,"B c","d''e",""}', ARRAY[ROW(1, 'x,"y', '{1}')::inner_pair, NULL], '{1.10,NaN}', '{"\\x00ff",NULL}', '{"2026-01-01 00:00:00+05",infinity}', ARRAY['{"a": "{}"}'::jsonb, '"\\"'], '{t,f}'),
       (2, '{}', '{}', '[0:1]={1,2}', NULL, '{}', '{}', '[2:3]={1,2}', '{}', '{}', '{}', '[-1:1]={t,f,NULL}')"#,
    r#"INSERT INTO composites VALUES (1, '(1,"x, ""y"" (z)","{1,2}")', ROW(ROW(1, E'new\nline\ttab\\', NULL), ARRAY[ROW(2, '', '{}'), ROW(NULL, NULL, NULL)]::inner_pair[], 'd''e'), NULL, '(3,q,{})'),
       (2, NULL, NULL, ARRAY[ROW(NULL, '{}', 'a')::nested, ROW(ROW(1, '{"}', '{1}'), ARRAY[ROW(1, ',', NULL)::inner_pair], '')::nested], NULL)"#,
    r#"INSERT INTO ranges VALUES (1, '[1,5]', '(,2.5]', '["2026-01-01 00:00+02",)', '{[1,3),[7,9)}', '["a","b, ""c""")', ARRAY['[x,y)'::text_range, 'empty'], '[2026-01-01,infinity)'), (2, 'empty', NULL, '(,)', '{}', '(,)', '{}', '(,)')"#,
    r#"INSERT INTO domains VALUES (1, 'a b', '{a,"b, c"}', 2, '{2,NULL,4}'), (2, NULL, '{}', NULL, '{}'), (3, '', NULL, 0, NULL)"#,
    r#"INSERT INTO extensions VALUES (1, 'a=>1, "b c"=>"d\"e", n=>NULL', 'CaSe', 'a.b.c', '(1,2),(3,4)', '978-0-393-04002-9', ARRAY['a=>"{x,y}"'::hstore, ''], '{A,b}'), (2, '', '', '', NULL, NULL, '{}', '{}')"#,
    r#"INSERT INTO keys VALUES ('a', 'x', 'Key', '[1,2)', 1), ('B c', 'y, "', 'key', 'empty', 2), ('', '', '', '(,)', 3)"#,
    r#"INSERT INTO numbers VALUES (1, '123456789012345678901234567890.000000000100', '12345.678901', '3.4e38', '0.1', '-12.34', '-9223372036854775808', -32768, 4294967295, B'10110', B'101010101', E'\x5c200', 'a name', 'ab', 'nine char'),
       (2, 'NaN', 0, 'NaN', '-Infinity', 0, 0, 0, 0, B'', B'000000000', 'x', '', '', ''), (3, '-Infinity', -0.00001, 1.17549435e-38, 2.2250738585072014e-308, '92233720368547758.07', 1, 1, 1, NULL, NULL, '', NULL, NULL, NULL)"#,
    r#"INSERT INTO times VALUES (1, '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999+00', '5874897-12-31', '24:00', '12:34:56.789+15:59', '-178000000 years', '2026-01-01 01:02:03.456', '5:59'),
       (2, 'infinity', '-infinity', 'infinity', '00:00:00.000001', '00:00-08', '1 mon -1 day +00:00:00.1', NULL, NULL), (3, '2026-10-25 02:30', '2026-10-25 02:30 Europe/Berlin', '0001-01-01 BC', NULL, NULL, '-00:00:01', NULL, NULL)"#,
    r#"INSERT INTO others VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', 'a:1 ''b c'':2A', '''x'' & !''y z''', '<a b="c">&amp;"</a>', '{"a" : [1, 2 ], "a":3}', '{"a": 1e400, "\u00e9": null}', '(1.5,-2)', '{1,2,3}', '[(1,2),(3,4)]', '(3,4),(1,2)', '[(1,2),(3,4)]', '((1,2),(3,4),(5,6))', '<(1,2),3>', '16/B374D848', '$.a[*] ? (@ > 1)', 'pg_class', '{(1,1),(0,0);(2,2),(1,1)}', '{<a/>,"<b>\"</b>"}', '(7,8)', '18446744073709551615')"#,
    "UPDATE full_rows SET g = 1 WHERE a IS NOT NULL; UPDATE full_rows SET f = '{x}' WHERE a IS NULL; INSERT INTO full_rows VALUES ('[1]', '<b/>', '(0,0)', '(,,)', NULL, '{}', '-0'); DELETE FROM full_rows WHERE g = '-0'",
];

#[tokio::test]
async fn s002_types() {
    on_both("types", &types(), async |mirror| {
        mirror.start().await;
        for values in VALUES {
            mirror.source(values).await;
        }
        mirror.same().await;
        // By keys of those types, and each value written once more.
        mirror
            .source(
                r#"UPDATE keys SET v = v + 10; UPDATE keys SET c = 'KEY' WHERE c = 'Key'; DELETE FROM keys WHERE a = '';
                   UPDATE arrays SET a = '{9}', b = b, c = '{}', f = f || f WHERE id = 1; UPDATE composites SET b = NULL, c = c WHERE id = 2;
                   UPDATE ranges SET a = '[7,9)', e = '["\\",z)'; UPDATE domains SET b = b || 'z'::tag, d = NULL; UPDATE extensions SET a = a || 'x=>y', b = upper(b);
                   UPDATE numbers SET a = a, c = -c; UPDATE times SET f = f WHERE id = 2; UPDATE others SET j = '[]', h = NULL"#,
            )
            .await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s002_types_in_one_batch_with_changes_of_the_same_rows() {
    let schema = types() + &VALUES.join(";");
    on_both("types_batch", &schema, async |mirror| {
        mirror.start().await;
        mirror
            .source(
                "BEGIN; UPDATE arrays SET a = '{5}'; UPDATE arrays SET b = '{{q}}'; DELETE FROM arrays WHERE id = 2; INSERT INTO arrays (id, f) VALUES (2, '{}');
                 UPDATE keys SET v = 0; UPDATE keys SET b = 'moved' WHERE a = 'a'; UPDATE keys SET v = 5 WHERE b = 'moved'; COMMIT",
            )
            .await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s003_constraints_are_the_source_s_affair_and_triggers_fire_where_they_say_so() {
    let schema = "CREATE TABLE parent (id int PRIMARY KEY, v int); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE);
        CREATE TABLE log (who text, what text, id bigserial PRIMARY KEY);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log (who, what) VALUES (TG_NAME, TG_OP); RETURN NEW; END';
        CREATE TABLE quiet (id int PRIMARY KEY); CREATE TRIGGER \"it fires\" AFTER INSERT ON quiet FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE quiet ENABLE REPLICA TRIGGER \"it fires\";
        CREATE TRIGGER ordinary AFTER INSERT OR UPDATE OR DELETE ON parent FOR EACH ROW EXECUTE FUNCTION note();
        INSERT INTO parent VALUES (1, 1), (2, 2); INSERT INTO child VALUES (1, 1); DELETE FROM log";
    scenario("triggers", schema, async |mirror| {
        mirror
            .destination(
                "CREATE TABLE noticed (who text, what text);
                 CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noticed VALUES (TG_NAME, TG_OP); RETURN NEW; END';
                 CREATE TRIGGER here AFTER UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION notice();
                 CREATE TRIGGER replica BEFORE INSERT OR UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION notice(); ALTER TABLE parent ENABLE REPLICA TRIGGER replica;
                 CREATE TRIGGER always AFTER UPDATE OF id ON parent FOR EACH ROW EXECUTE FUNCTION notice(); ALTER TABLE parent ENABLE ALWAYS TRIGGER always;
                 INSERT INTO child VALUES (100, 2)",
            )
            .await;
        // A child that only the destination has does not keep its parent.
        mirror.source("UPDATE parent SET v = 10 WHERE id = 1; DELETE FROM parent WHERE id = 2; INSERT INTO parent VALUES (3, 3)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM parent").await, "1,3");
        assert_eq!(mirror.here("SELECT string_agg(p::text, ',' ORDER BY id) FROM child").await, "1,2");
        // The source's own trigger did not fire a second time: its rows came, and no others.
        assert_eq!(mirror.here("SELECT string_agg(what, ',' ORDER BY id) FROM log").await, "UPDATE,DELETE,INSERT");
        assert_eq!(
            mirror.here("SELECT string_agg(who || ' ' || what, ', ' ORDER BY who, what) FROM noticed").await,
            "always UPDATE, replica INSERT, replica UPDATE"
        );
        mirror.destination("DELETE FROM child WHERE id = 100").await;
        let outcome = mirror.stop().await;
        let warnings = outcome.warnings("triggers_fire");
        assert!(warnings.len() == 1 && warnings[0].to_string().contains("it fires"), "{warnings:?}");
    })
    .await;
}

/// Gives the destination another encoding: what a clone makes has the source's.
async fn in_another_encoding(mirror: &Mirror, encoding: &str, schema: &str) {
    let server = mirror.to.server();
    let checkpoint = mirror
        .to
        .query_rows("SELECT mirror, system_identifier, timeline, slot, lsn FROM multiboard_sync.checkpoint")
        .await;
    let text = |at: usize| checkpoint[0][at].clone().unwrap();
    let name = mirror.to.name();
    server.execute(&format!("DROP DATABASE {name}")).await;
    server
        .execute(&format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"))
        .await;
    mirror.destination("CREATE TABLE fence (n int PRIMARY KEY)").await;
    mirror.destination(include_str!("../../../sql/destination/checkpoint.sql")).await;
    mirror.destination(schema).await;
    let row = format!("('{}', '{}', {}, '{}', '{}')", text(0), text(1), text(2), text(3), text(4));
    mirror.destination(&format!("INSERT INTO multiboard_sync.checkpoint (mirror, system_identifier, timeline, slot, lsn) VALUES {row}")).await;
}

#[tokio::test]
async fn s005_encoding_of_another_kind_on_the_destination() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, v text, \"größe\" int)";
    on_both("encoding", schema, async |mirror| {
        mirror.start().await;
        mirror.stop().await;
        in_another_encoding(mirror, "LATIN1", schema).await;
        mirror.start().await;
        mirror.source("INSERT INTO t VALUES (1, 'façade', 1), (2, 'ÿ', 2); UPDATE t SET v = 'é', \"größe\" = 5 WHERE id = 2").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(v || \"größe\", ',' ORDER BY id) FROM t").await, "façade1,é5");
        assert_eq!(mirror.here("SELECT octet_length(v) FROM t WHERE id = 2").await, "1");
        // What it cannot hold is an error that names the row, and nothing else.
        mirror.to.announce("has no equivalent in encoding");
        mirror.to.announce("current transaction is aborted");
        mirror.source("INSERT INTO t VALUES (7, '\u{65e5}', 0)").await;
        mirror.fails(&["public.t", "id = 7", "LATIN1"]).await;
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "2");
    })
    .await;
}

#[tokio::test]
async fn s005_encoding_of_a_source_that_is_not_utf8() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let on = async |major| {
            let (Some(source), Some(destination)) =
                (crate::support::source(major), crate::support::destination(major))
            else {
                return;
            };
            let options = format!("ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
            let from = source.database_with("latin", &options).await;
            let to = destination.absent_database("latin");
            from.execute("CREATE TABLE fence (n int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'before')").await;
            // No UTF-8.
            let text = if encoding == "LATIN1" { "'ÿ façade'" } else { r"E'\xe9 \xff'" };
            from.execute(&format!("INSERT INTO t VALUES (3, {text})")).await;
            let mut mirror =
                Mirror { from, to, program: crate::support::Binary::new(), running: None, fences: 0 };
            mirror.start().await;
            mirror.source(&format!("INSERT INTO t VALUES (2, {text}); UPDATE t SET v = v || '!'")).await;
            mirror.same().await;
            let bytes = "SELECT string_agg(encode(convert_to(v, getdatabaseencoding()), 'hex'), ' ' ORDER BY id) FROM t";
            assert_eq!(mirror.here(bytes).await, mirror.from.query_text(bytes).await);
            mirror.program.run(&["mirror", "resync", "m", "public.t"]).await.expect_code(0);
            mirror.source(&format!("UPDATE t SET v = {text} WHERE id = 1")).await;
            let aside = "SELECT count(*) FROM multiboard_sync.member WHERE NOT follows";
            crate::support::eventually("a copy that is in", async || {
                match mirror.here(aside).await.as_str() {
                    "0" => Ok(()),
                    count => Err(count.to_owned()),
                }
            })
            .await;
            mirror.caught_up().await;
            mirror.same().await;
            mirror.end().await;
        };
        tokio::join!(on(15), on(18));
    }
}

#[tokio::test]
async fn s009_matviews_are_not_changes() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE UNIQUE INDEX ON m (id)";
    scenario("matview", schema, async |mirror| {
        mirror.source("INSERT INTO t VALUES (2); REFRESH MATERIALIZED VIEW m; INSERT INTO t VALUES (3); REFRESH MATERIALIZED VIEW CONCURRENTLY m").await;
        mirror.source("CREATE MATERIALIZED VIEW later AS SELECT 1 AS one").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "3");
        assert_eq!(mirror.here("SELECT count(*) FROM m").await, "1");
    })
    .await;
}

#[tokio::test]
async fn s011_generated_columns_are_computed_where_they_are() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
        CREATE TABLE there (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED); CREATE TABLE here (a int PRIMARY KEY, b int);
        INSERT INTO t (a) VALUES (1), (2); INSERT INTO there VALUES (1)";
    scenario("generated", schema, async |mirror| {
        mirror.source("INSERT INTO t (a) VALUES (3); UPDATE t SET c = 'x' WHERE a = 1; UPDATE t SET a = 20 WHERE a = 2").await;
        mirror.same().await;
        // One side only.
        mirror
            .destination(
                "ALTER TABLE there ALTER b DROP EXPRESSION; ALTER TABLE here DROP b; ALTER TABLE here ADD b int GENERATED ALWAYS AS (a * 100) STORED",
            )
            .await;
        mirror.stop().await;
        mirror.start().await;
        mirror.source("INSERT INTO there VALUES (5)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(a || ' ' || coalesce(b::text, '-'), ',' ORDER BY a) FROM there").await, "1 2,5 -");
        // Values that would have no place here.
        mirror.source("INSERT INTO here VALUES (5, 1); UPDATE here SET b = 7").await;
        let outcome = mirror.fails(&["public.here", "column b is computed there"]).await;
        mirror.destination(&statements(&outcome)).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(a || ' ' || b, ',' ORDER BY a) FROM here").await, "5 7");
    })
    .await;
}

#[tokio::test]
async fn s011_generated_columns_of_a_table_that_all_columns_identify() {
    let schema = "CREATE TABLE f (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int); ALTER TABLE f REPLICA IDENTITY FULL;
        INSERT INTO f (a, c) VALUES (1, 1), (2, 2), (3, 3)";
    scenario("generated_full", schema, async |mirror| {
        // From 18 on the application's own update would fail, were the table published.
        mirror
            .source(
                "UPDATE f SET c = 10 WHERE a = 1; DELETE FROM f WHERE a = 2; UPDATE f SET a = 30 WHERE a = 3",
            )
            .await;
        if mirror.major() < 18 {
            return mirror.same().await;
        }
        mirror.caught_up().await;
        let outcome = mirror.stop().await;
        let warnings = outcome.warnings("not_mirrored");
        let text = warnings[0].to_string();
        assert!(
            warnings.len() == 1 && text.contains("public.f") && text.contains("generated column"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn s011_generated_columns_that_are_virtual() {
    let on = async |major| {
        let schema = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c text); INSERT INTO t (a) VALUES (1), (2)";
        let Some(mut mirror) = Mirror::prepare(major, "virtual", schema).await else { return };
        mirror.start().await;
        mirror.source("INSERT INTO t (a, c) VALUES (3, 'x'); UPDATE t SET c = 'y' WHERE a = 1; DELETE FROM t WHERE a = 2").await;
        mirror.same().await;
        mirror.end().await;
    };
    // The first version that has them.
    on(18).await;
}

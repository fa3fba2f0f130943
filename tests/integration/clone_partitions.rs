//! Clones of partitioned tables whose rows lie in other partitions on the destination: what places a row is the hash of
//! a value that holds an oid, or an order that belongs to the locale.

use multiboard_sync::engine::introspect;

use crate::support::cloning::{clone, clone_of, start_clone};
use crate::support::{Binary, Database, Fault, FaultProxy, Outcome, Point, destination, eventually, source};

/// What a COPY in binary form begins with.
const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

const TYPES: &str =
    "CREATE TYPE color AS ENUM ('red', 'green', 'blue', 'white', 'black', 'pink', 'grey', 'gold');
    CREATE DOMAIN shade AS color; CREATE DOMAIN even AS int; CREATE TYPE pair AS (c color, n int);
    CREATE DOMAIN known AS regclass";

/// Tables by the hash of column `c`, and the values that go there, of a number `g` and a label `l`.
const BY_HASH: [(&str, &str, &str); 10] = [
    ("by_enum", "color", "l::color"),
    ("by_array", "color[]", "ARRAY[l::color, NULL, 'red']"),
    ("by_domain", "shade", "l::color"),
    ("by_domains", "shade[]", "ARRAY[l::shade]"),
    ("by_composite", "pair", "ROW(l, 1)::pair"),
    ("by_table", "regclass", "('by_' || (ARRAY['enum', 'array', 'domain', 'text'])[1 + g % 4])::regclass"),
    ("by_tables", "known[]", "ARRAY['by_enum', 'by_' || (ARRAY['enum', 'array'])[1 + g % 2]]::known[]"),
    ("by_text", "text", "l || g"),
    ("by_byte", "\"char\"", "chr(65 + g % 20)::\"char\""),
    ("by_number", "even", "g"),
];

fn by_hash() -> String {
    let mut text = TYPES.to_owned();
    for (name, kind, _) in BY_HASH {
        text += &format!("; CREATE TABLE {name} (c {kind}, n int) PARTITION BY HASH (c)");
        for remainder in 0..4 {
            text += &format!(
                "; CREATE TABLE {name}_{remainder} PARTITION OF {name} FOR VALUES WITH (MODULUS 4, REMAINDER {remainder})"
            );
        }
        text += &format!("; CREATE INDEX ON {name} (n)");
    }
    for (name, _, value) in BY_HASH {
        text += &format!(
            "; INSERT INTO {name} SELECT {value}, g FROM (SELECT g, (enum_range(NULL::color)::text[])[1 + g % 8] AS l \
             FROM generate_series(1, 400) g) AS v"
        );
    }
    text
}

/// The rows of a whole tree, whichever leaf they lie in.
async fn rows(database: &Database<'_>, tree: &str) -> String {
    database.query_text(&format!("SELECT string_agg(t::text, ' ' ORDER BY n, t::text) FROM {tree} t")).await
}

/// Where the rows of a tree lie.
async fn leaves(database: &Database<'_>, tree: &str) -> Vec<Vec<Option<String>>> {
    let query = format!("SELECT tableoid::regclass, count(*) FROM {tree} GROUP BY 1 ORDER BY 1::text");
    database.query_rows(&query).await
}

/// The partitions of a database, and whether their rows are to be loaded through the root.
async fn through_roots(database: &Database<'_>) -> Vec<(String, bool)> {
    let session = database.session().await;
    session.execute_all("BEGIN; SET LOCAL search_path = ''").await;
    let version = session.query_text("SHOW server_version_num").await;
    let version = multiboard_sync::pg::Version::from_number(version.parse().unwrap());
    let catalog = introspect::read(&session, version).await.unwrap();
    let partitions = catalog.tables.iter().filter(|table| table.partition_of.is_some());
    partitions.map(|table| (table.name.name.as_str().to_owned(), table.load_through.is_some())).collect()
}

#[tokio::test]
async fn rows_that_another_server_hashes_to_another_leaf_arrive() {
    for to_major in [15, 18] {
        let (Some(source), Some(destination)) = (source(15), destination(to_major)) else { return };
        let (from, to) = (source.database("hashed").await, destination.absent_database("hashed"));
        from.execute(&by_hash()).await;

        let outcome = clone_of(&from, &to, &["--verify", "checksum", "--jobs", "4"]).await;

        let mut moved = 0;
        for (name, _, _) in BY_HASH {
            assert_eq!(rows(&from, name).await, rows(&to, name).await, "{name}\n{}", outcome.text());
            moved += usize::from(leaves(&from, name).await != leaves(&to, name).await);
        }
        // Enums, and what is made of them, and oids: of eight values each at least one moves.
        assert!(moved >= 3, "only {moved} trees have rows elsewhere: the test proves nothing");
        // What is hashed the same everywhere goes straight into its leaf.
        for (name, through_root) in through_roots(&from).await {
            let expected = !(name.starts_with("by_number") || name.starts_with("by_text"));
            assert_eq!(through_root, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn rows_that_another_locale_orders_into_another_leaf_arrive() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8'";
    let (from, to) = (source.database_with("ordered", options).await, destination.absent_database("ordered"));
    from.execute(
        "CREATE TABLE words (n int, w text) PARTITION BY RANGE (w);
         CREATE TABLE words_a PARTITION OF words FOR VALUES FROM (MINVALUE) TO ('m');
         CREATE TABLE words_m PARTITION OF words FOR VALUES FROM ('m') TO (MAXVALUE);
         INSERT INTO words VALUES (1, 'apple'), (2, 'Zebra'), (3, 'zebra'), (4, 'Apple')",
    )
    .await;

    clone_of(&from, &to, &["--verify", "checksum", "--locale", "C.UTF-8"]).await;

    assert_eq!(rows(&from, "words").await, rows(&to, "words").await);
    assert_eq!(from.query_text("SELECT count(*) FROM words_m").await, "2");
    assert_eq!(to.query_text("SELECT count(*) FROM words_m").await, "1");
}

#[tokio::test]
async fn what_the_locale_decides_goes_through_the_root() {
    let Some(source) = source(15) else { return };
    let from = source.database("placing").await;
    from.execute(
        "CREATE COLLATION equal_enough (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE apart_equal (t text COLLATE equal_enough) PARTITION BY HASH (t);
         CREATE TABLE apart_order (t text) PARTITION BY RANGE (t);
         CREATE TABLE apart_lower (t text) PARTITION BY LIST (lower(t));
         CREATE TABLE apart_expression (t text) PARTITION BY HASH (length(t));
         CREATE TABLE same_order (t text COLLATE \"C\") PARTITION BY RANGE (t);
         CREATE TABLE same_text (t text) PARTITION BY LIST (t);
         CREATE TABLE same_number (n int) PARTITION BY RANGE (n);
         CREATE TABLE apart_equal_1 PARTITION OF apart_equal FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE TABLE apart_order_1 PARTITION OF apart_order FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
         CREATE TABLE apart_lower_1 PARTITION OF apart_lower FOR VALUES IN ('a');
         CREATE TABLE apart_expression_1 PARTITION OF apart_expression FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE TABLE same_order_1 PARTITION OF same_order FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
         CREATE TABLE same_text_1 PARTITION OF same_text DEFAULT;
         CREATE TABLE same_number_1 PARTITION OF same_number FOR VALUES FROM (0) TO (1) PARTITION BY HASH (n);
         CREATE TABLE same_number_2 PARTITION OF same_number_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    .await;
    let found = through_roots(&from).await;
    assert_eq!(found.len(), 8);
    for (name, through_root) in found {
        assert_eq!(through_root, name.starts_with("apart"), "{name}");
    }
}

#[tokio::test]
async fn a_leaf_is_whole_before_its_index_is_built_and_its_statistics_are_taken() {
    for to_major in [15, 18] {
        let (Some(source), Some(destination)) = (source(15), destination(to_major)) else { return };
        let (from, to) = (source.database("leaves").await, destination.absent_database("leaves"));
        // One leaf with most of the rows, of all labels that fall to it; beside the tree a leaf that keeps its rows.
        from.execute(
            "CREATE TYPE color AS ENUM ('red', 'green', 'blue', 'white', 'black', 'pink', 'grey', 'gold');
             CREATE TABLE tree (c color, n int, k int) PARTITION BY LIST (k);
             CREATE TABLE beside PARTITION OF tree FOR VALUES IN (2);
             CREATE TABLE hashed PARTITION OF tree FOR VALUES IN (1) PARTITION BY HASH (c);
             CREATE TABLE leaf_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 0);
             CREATE TABLE leaf_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 1);
             CREATE TABLE leaf_2 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 2);
             CREATE TABLE leaf_3 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 3);
             CREATE INDEX ON tree (n); CREATE TABLE points (n int UNIQUE); INSERT INTO points SELECT generate_series(0, 7);
             INSERT INTO tree SELECT l::color, g % 8, 1 FROM generate_series(1, 100000) g,
                 LATERAL (SELECT (enum_range(NULL::color)::text[])[CASE WHEN g % 50 = 0 THEN 1 + g % 8 ELSE 1 END] AS l) v;
             INSERT INTO tree SELECT 'red', g % 8, 2 FROM generate_series(1, 10) g;
             ALTER TABLE tree ADD FOREIGN KEY (n) REFERENCES points (n)",
        )
        .await;

        for verify in ["checksum", "counts"] {
            let more = ["--verify", verify, "--jobs", "4", "--confirm", to.name()];
            let outcome = clone_of(&from, &to, &more).await;

            let at = |event: &str, member: &str, name: &str| {
                let about = |line: &serde_json::Value| line["event"] == event && line["data"][member] == name;
                outcome
                    .events
                    .iter()
                    .position(about)
                    .unwrap_or_else(|| panic!("{event} {name}\n{}", outcome.text()))
            };
            let leaves = ["leaf_0", "leaf_1", "leaf_2", "leaf_3"];
            let last =
                leaves.map(|leaf| at("table.finished", "table", &format!("public.{leaf}"))).into_iter().max();
            for leaf in leaves {
                assert!(
                    at("index.finished", "index", &format!("public.{leaf}_n_idx")) > last.unwrap(),
                    "{leaf}"
                );
                let counted = format!("SELECT count(*) FROM {leaf}");
                let known = format!("SELECT reltuples FROM pg_class WHERE relname = '{leaf}'");
                assert_eq!(to.query_text(&counted).await, to.query_text(&known).await, "{leaf}");
            }
            let whole = "SELECT md5(string_agg(c || ' ' || n, ',' ORDER BY n, c::text)) FROM tree";
            assert_eq!(from.query_text(whole).await, to.query_text(whole).await);
        }
    }
}

/// A tree by the hash of an enum, and what points into it and into a tree by range.
const CHOSEN: &str = "CREATE TYPE color AS ENUM ('red', 'green', 'blue', 'white', 'black', 'pink', 'grey', 'gold');
    CREATE TABLE hashed (c color, n int, UNIQUE (c, n)) PARTITION BY HASH (c);
    CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO hashed SELECT (enum_range(NULL::color))[1 + g % 8], g FROM generate_series(1, 400) g;
    CREATE TABLE targets (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE targets_0 PARTITION OF targets FOR VALUES FROM (0) TO (100);
    CREATE TABLE targets_1 PARTITION OF targets FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
    CREATE TABLE targets_2 PARTITION OF targets_1 DEFAULT;
    INSERT INTO targets SELECT generate_series(0, 199);
    CREATE TABLE plain (id int CONSTRAINT plain_key REFERENCES targets); INSERT INTO plain VALUES (5), (150);
    CREATE TABLE direct (id int CONSTRAINT direct_key REFERENCES targets_0 (id)); INSERT INTO direct VALUES (5);
    CREATE TABLE parted (id int CONSTRAINT parted_key REFERENCES targets) PARTITION BY LIST (id);
    CREATE TABLE parted_0 PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (5), (150);
    CREATE TABLE bare (id int CONSTRAINT bare_key REFERENCES targets); INSERT INTO bare VALUES (150)";

#[tokio::test]
async fn a_key_to_a_partition_that_comes_without_rows_is_left_out_and_named() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("chosen").await, destination.absent_database("chosen"));
    from.execute(CHOSEN).await;
    for (choice, tables) in [
        ("--exclude-data", &["public.targets_2", "public.bare"][..]),
        ("--exclude", &["public.targets_2", "public.bare"]),
        ("--exclude", &["public.targets_1", "public.targets_2", "public.bare"]),
    ] {
        let mut more = vec!["--confirm", to.name(), "--verify", "checksum"];
        more.extend(tables.iter().flat_map(|table| [choice, *table]));
        let outcome = clone_of(&from, &to, &more).await;
        let skipped = outcome.report()["skipped"].to_string();
        for left_out in ["plain_key", "parted_key"] {
            assert!(skipped.contains(left_out), "{choice} {tables:?}: {left_out} is not in {skipped}");
        }
        // What still holds is still there.
        let keys = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0";
        let kept = if choice == "--exclude" { "direct_key" } else { "bare_key direct_key" };
        assert_eq!(to.query_text(keys).await, kept, "{choice} {tables:?}");
        assert_eq!(to.query_text("SELECT count(*) FROM targets").await, "100");
        assert_eq!(to.query_text("SELECT count(*) FROM parted").await, "2");
    }
}

#[tokio::test]
async fn part_of_a_tree_whose_rows_move_is_copied_and_verified() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("part").await, destination.absent_database("part"));
    from.execute(CHOSEN).await;
    let kept = from.query_text("SELECT count(*), sum(n) FROM hashed_0").await;
    for mode in ["checksum", "counts"] {
        let more = ["--verify", mode, "--exclude-data", "public.hashed_1", "--confirm", to.name()];
        clone_of(&from, &to, &more).await;
        assert_eq!(to.query_text("SELECT count(*), sum(n) FROM hashed").await, kept);
        let (from_url, to_url) = (from.url(), to.url());
        let pair = ["verify", "--json", "--from", &from_url, "--to", &to_url, "--mode", mode];
        let verify = async |more: &[&str]| Outcome::of(Binary::new().run(&[&pair, more].concat()).await);
        verify(&[]).await.expect_code(5);
        let partly = verify(&["--exclude", "public.hashed_1"]).await.expect_code(0);
        assert!(partly.text().contains("table public.hashed"), "{}", partly.text());
        verify(&["--exclude", "public.hashed_0", "--exclude", "public.hashed_1"]).await.expect_code(0);
    }
    // A leaf that is not there at all could not take the rows that belong to it there.
    let more = ["--exclude", "public.hashed_1", "--confirm", to.name()];
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(2);
    outcome.expect_error(&["hashed_1", "--exclude-data"]);
    clone_of(&from, &to, &["--exclude", "public.hashed*", "--confirm", to.name()]).await;
}

#[tokio::test]
async fn indexes_of_many_small_partitions_are_built_without_a_deadlock() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let from = source.database("small_leaves").await;
    from.execute(
        "DO $$ BEGIN FOR t IN 1..6 LOOP
             EXECUTE format('CREATE TABLE t%s (a int, b int, c int) PARTITION BY RANGE (a)', t);
             FOR p IN 0..9 LOOP
                 EXECUTE format('CREATE TABLE t%1$s_%2$s PARTITION OF t%1$s FOR VALUES FROM (%2$s) TO (%3$s)', t, p, p + 1);
             END LOOP;
             -- Of many sizes: the heaviest goes first, whatever its place.
             EXECUTE format('INSERT INTO t%1$s SELECT p, g, g FROM generate_series(0, 9) p, generate_series(1, 1 + (p * 7 + %1$s * 3) %% 10 * 700) g', t);
             EXECUTE format('CREATE INDEX ON t%1$s (b); CREATE INDEX ON t%1$s (c); CREATE UNIQUE INDEX ON t%1$s (a, b)', t);
         END LOOP; END $$",
    )
    .await;
    for _ in 0..3 {
        let to = destination.absent_database("small_leaves");
        let outcome = clone_of(&from, &to, &["--jobs", "6"]).await;
        assert_eq!(outcome.warnings("repeated").len(), 0, "{}", outcome.text());
    }
}

/// Its key is made with a small table, so the place of that below the partitioned one would wait for nothing.
#[tokio::test]
async fn a_partitions_index_is_attached_when_its_rows_are_in() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("attaches"), destination.absent_database("attaches"));
    let from = from.await;
    from.execute(
        "CREATE TABLE p (id int, at int, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
         CREATE TABLE p2 PARTITION OF p FOR VALUES IN (3) PARTITION BY RANGE (id); CREATE TABLE p2a PARTITION OF p2 DEFAULT;
         INSERT INTO p SELECT g, 3 FROM generate_series(1, 200) AS g",
    )
    .await;
    let proxy = FaultProxy::start(source);
    let armed = proxy.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &["--jobs", "2"]);
    armed.fired().await;
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '%{}%' AND query LIKE '%p_pkey%' AND query NOT LIKE '%pg_stat_activity%'",
        to.name()
    );
    let watcher = destination.session().await;
    eventually("the key of the whole", async || match watcher.query_text(&asked).await.as_str() {
        "0" => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    proxy.resume();
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(outcome.warnings("repeated").len(), 0, "{}", outcome.text());
}

//! Collations that the destination orders otherwise: named with what they concern, and with `--strict` a reason not to start.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, Server, clone, destination, source};

/// Versions noted by the source are made to be others than any library's, as after a move to another machine.
const MOVED: &str = "UPDATE pg_collation SET collversion = '0.1' WHERE collname IN ('german', 'unused');
    UPDATE pg_database SET datcollversion = '0.2' WHERE datname = current_database()";

const SCHEMA: &str = "CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
    CREATE COLLATION unused (provider = icu, locale = 'und');
    CREATE COLLATION same (provider = icu, locale = 'fr'); CREATE TABLE elsewhere (t text COLLATE same PRIMARY KEY);
    CREATE DOMAIN word AS text COLLATE german CONSTRAINT early CHECK (VALUE < 'm') CONSTRAINT filled CHECK (VALUE <> '');
    CREATE TABLE people (name text COLLATE german, nick text, id int PRIMARY KEY,
        CONSTRAINT in_order CHECK (name BETWEEN 'a' AND 'z'), CONSTRAINT any_name CHECK (name <> ''));
    CREATE INDEX by_name ON people (name); CREATE INDEX by_hash ON people USING hash (name);
    CREATE INDEX by_nick ON people (nick); CREATE INDEX by_bytes ON people (nick COLLATE \"C\");
    CREATE TABLE sorted (k text COLLATE german, v text) PARTITION BY RANGE (k);
    CREATE TABLE sorted_1 PARTITION OF sorted FOR VALUES FROM ('a') TO ('n'); CREATE INDEX of_sorted ON sorted (k);
    CREATE TABLE listed (k text COLLATE german) PARTITION BY LIST (k);
    INSERT INTO people VALUES ('berta', 'b', 1); INSERT INTO sorted VALUES ('k')";

async fn moved(server: &'static Server) -> Database<'static> {
    let icu = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'";
    let from = server.database_with("collations", icu).await;
    from.execute(SCHEMA).await;
    from.execute(MOVED).await;
    from
}

#[tokio::test]
async fn those_of_another_version_are_named_with_what_they_concern() {
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let from = moved(on_source).await;
        let to = on_destination.absent_database("collations");
        let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;
        let of = |object: &str| {
            let skipped = outcome.report()["skipped"].as_array().unwrap();
            let line = skipped.iter().find(|line| line["object"] == object);
            line.unwrap_or_else(|| panic!("no {object} in {skipped:?}"))["reason"].as_str().unwrap()
        };
        let german = of("collation public.german");
        assert!(
            german.starts_with("icu de-u-co-phonebk: version 0.1 on the source (made by that; "),
            "{german}"
        );
        let concerns = "; text may come in another order; concerns partition key of public.sorted, \
                        index public.by_name, index public.of_sorted, check in_order of public.people";
        assert!(german.ends_with(concerns), "{german}");
        let default = of("default collation of the database");
        assert!(default.starts_with("icu en: version 0.2 on the source"), "{default}");
        assert!(
            default.ends_with("; concerns index public.by_nick, check early of public.word"),
            "{default}"
        );
        let unused = of("collation public.unused");
        assert!(unused.ends_with("; text may come in another order"), "{unused}");
        if from_major == to_major {
            // Both servers have the same library: of what nobody has moved there is nothing to say.
            assert_eq!(outcome.skipped().len(), 3, "{}", outcome.text());
        }
        assert_eq!(outcome.warnings("skipped").len(), outcome.skipped().len());
    }
}

#[tokio::test]
async fn strict_refuses_them_before_anything_is_made() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let from = moved(on_source).await;
        let to = on_destination.absent_database("collations");
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
        outcome.expect_error(&[
            "strict",
            "collation public.german",
            "by_name",
            "default collation of the database",
        ]);
        assert_eq!(outcome.phases(), ["preflight", "plan"]);
    }
}

#[tokio::test]
async fn what_the_selection_leaves_out_is_not_named() {
    let (Some(on_source), Some(on_destination)) = (source(15), destination(15)) else { return };
    let from = moved(on_source).await;
    let to = on_destination.absent_database("collations");
    let outcome = clone_of(&from, &to, &["--exclude", "public.sorted", "--exclude", "public.sorted_1"]).await;
    assert!(outcome.skipped().contains(&"collation public.german"));
    assert!(!outcome.report()["skipped"].to_string().contains("sorted"), "{}", outcome.text());
    assert!(!outcome.skipped().contains(&"collation public.unused"));
    // Another locale that was asked for is no loss, and what names its own collation keeps it.
    let to = on_destination.absent_database("collations");
    let outcome = clone_of(&from, &to, &["--locale", "C"]).await;
    assert_eq!(outcome.skipped(), ["collation public.german", "collation public.unused"]);
}

#[tokio::test]
async fn one_of_the_system_that_is_not_there_is_refused_in_preflight() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let from = on_source.database("collations").await;
        from.execute(
            "CREATE COLLATION pg_catalog.mbs_local (provider = icu, locale = 'de');
             CREATE TABLE t (name text COLLATE mbs_local)",
        )
        .await;
        let to = on_destination.absent_database("collations");
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(3);
        outcome.expect_error(&[
            "collation_missing",
            "collation pg_catalog.mbs_local",
            "not on the destination",
        ]);
        assert_eq!(outcome.phases(), ["preflight", "plan"]);
        to.announce("could not create locale");
        // As of a system that had this locale.
        from.execute(
            "DROP TABLE t; DROP COLLATION mbs_local; CREATE COLLATION far (provider = libc, locale = 'C');
             UPDATE pg_collation SET collcollate = 'xx_YY', collctype = 'xx_YY' WHERE collname = 'far'",
        )
        .await;
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(3);
        outcome.expect_error(&["collation_missing", "collation public.far", "could not create locale"]);
        assert_eq!(outcome.phases(), ["preflight", "plan"]);
    }
}

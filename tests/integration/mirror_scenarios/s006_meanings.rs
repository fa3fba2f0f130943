//! 006_rewrite, 008_diff_schema: what values mean changes on the source, of which the stream says nothing: labels and attributes
//! that get other names, expressions. The mirror stops for it by itself, with what mends the destination.

use super::s006_schema_changes::statements;
use super::{Mirror, scenario};
use crate::support::eventually;

const MOODS: &str = "CREATE TYPE mood AS ENUM ('a', 'b', 'c'); CREATE DOMAIN humour AS mood;
    CREATE TABLE t (id int PRIMARY KEY, m mood, many mood[]); CREATE TABLE u (id int PRIMARY KEY, m humour);
    INSERT INTO t VALUES (1, 'a', '{a,b}'), (2, 'b', '{c}'); INSERT INTO u VALUES (1, 'a'), (2, 'c')";

impl Mirror {
    /// The destination is going to refuse a value.
    fn refuses(&self, message: &'static str) {
        self.to.announce(message);
        self.to.announce("current transaction is aborted");
    }

    /// It stops with these words, the statements of its hint are run, and it goes on.
    async fn ends_and_is_mended(&mut self, words: &[&str]) {
        let outcome = self.ends(words).await;
        self.destination(&statements(&outcome)).await;
        self.start().await;
        self.same().await;
    }

    /// It stops with these words, and again until these tables have been copied.
    async fn ends_until_copied(&mut self, words: &[&str], again: &[&str], statements: &str) {
        self.destination(statements).await;
        self.running = Some(self.begin(&[]));
        self.ends(&[words, &["mirror resync NAME"]].concat()).await;
        self.resync(again).await;
        self.start().await;
        self.all_follow().await;
        self.same().await;
    }
}

#[tokio::test]
async fn s008_diff_schema_a_label_that_gets_a_new_name() {
    scenario("label", MOODS, async |mirror| {
        // Nothing uses it: what is here has the old one.
        mirror.source("ALTER TYPE mood RENAME VALUE 'a' TO 'x''y'").await;
        let words = ["mirror_table_differs", "of the source does not hold", "public.mood", "what was 'a' is", "ALTER TYPE \\\"public\\\".\\\"mood\\\" RENAME VALUE 'a' TO 'x''y'"];
        mirror.ends_and_is_mended(&words).await;
        // A row that uses it is not taken, and those before it are.
        for change in [
            "INSERT INTO u VALUES (3, 'b')",
            "ALTER TYPE mood RENAME VALUE 'b' TO 'z'",
            "INSERT INTO u VALUES (4, 'z')",
        ] {
            mirror.source(change).await;
        }
        mirror.refuses("invalid input value for enum");
        let words = ["mirror_conflict", "public.u", "ALTER TYPE \\\"public\\\".\\\"mood\\\" RENAME VALUE 'b' TO 'z'"];
        mirror.ends_and_is_mended(&words).await;
        // One that is added is none that was renamed, wherever it stands.
        mirror.source("ALTER TYPE mood ADD VALUE 'first' BEFORE 'z'").await;
        let session = mirror.to.session().await;
        eventually("look at the new label", async || {
            let seen = "SELECT count(*) FROM multiboard_sync.member WHERE array_to_string(source_meanings, ' ') ~ 'first'";
            match session.query_text(seen).await.as_str() {
                "2" => Ok(()),
                seen => Err(format!("{seen} tables of 2")),
            }
        })
        .await;
        mirror.source("UPDATE t SET m = 'c'").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_a_label_that_is_made_here_in_place_of_its_new_name() {
    scenario("label_made", MOODS, async |mirror| {
        mirror.source("ALTER TYPE mood RENAME VALUE 'a' TO 'x'; INSERT INTO t VALUES (3, 'x', '{}')").await;
        mirror.refuses("invalid input value for enum");
        mirror.ends(&["mirror_conflict", "RENAME VALUE 'a' TO 'x'"]).await;
        let words = ["mirror_table_differs", "what was 'a' is 'x'"];
        let made = "ALTER TYPE mood ADD VALUE 'x'";
        mirror.ends_until_copied(&words, &["public.t", "public.u"], made).await;
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_labels_that_change_places() {
    scenario("labels", MOODS, async |mirror| {
        mirror.source("ALTER TYPE mood RENAME VALUE 'a' TO 'x'; ALTER TYPE mood RENAME VALUE 'b' TO 'a'; ALTER TYPE mood RENAME VALUE 'x' TO 'b'; INSERT INTO u VALUES (3, 'a')").await;
        let words = ["mirror_table_differs", "what was 'a' is 'b', what was 'b' is 'a' there"];
        let outcome = mirror.ends(&[&words[..], &["RENAME VALUE", "mirror resync NAME", "public.t", "public.u"]].concat()).await;
        let swap = statements(&outcome);
        mirror.ends_until_copied(&words, &["public.t", "public.u"], &swap).await;
        let order = "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum";
        assert_eq!(mirror.here(order).await, "b,a,c");
    })
    .await;
}

#[tokio::test]
async fn s006_rewrite_by_another_expression() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1), (2)";
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare(major, "expression", schema).await else { return };
        mirror.start().await;
        mirror.source("ALTER TABLE t ALTER b SET EXPRESSION AS (a * 3); INSERT INTO t VALUES (3)").await;
        let words = ["mirror_table_differs", "column b is computed there as (a * 3), and here as (a * 2)"];
        mirror.ends_and_is_mended(&words).await;
        assert_eq!(mirror.here("SELECT string_agg(b::text, ',' ORDER BY a) FROM t").await, "3,6,9");
        mirror.end().await;
    };
    // The first version in which it can be altered is 17.
    on(18).await;
}

const POINTS: &str = "CREATE TYPE pt AS (a int, b int); CREATE DOMAIN dot AS pt;
    CREATE TABLE t (id int PRIMARY KEY, p pt, many pt[]); CREATE TABLE u (id int PRIMARY KEY, p dot);
    INSERT INTO t VALUES (1, '(1,2)', ARRAY['(3,4)'::pt]); INSERT INTO u VALUES (1, '(5,6)')";

#[tokio::test]
async fn s008_diff_schema_attributes_that_are_dropped_and_added_while_it_runs() {
    scenario("attributes_anew", POINTS, async |mirror| {
        let words = ["mirror_table_differs", "type public.pt", "has the attributes b, a there", "mirror resync NAME public.t public.u"];
        let anew = "ALTER TYPE pt DROP ATTRIBUTE a, ADD ATTRIBUTE a int; UPDATE t SET p.b = 7; UPDATE u SET p = '(8,9)'";
        mirror.source(anew).await;
        let outcome = mirror.ends(&words).await;
        mirror.ends_until_copied(&words, &["public.t", "public.u"], &statements(&outcome)).await;
        // With the names at their places as before, and another attribute at one of them.
        mirror.source(anew).await;
        mirror.ends(&words).await;
        mirror.ends_until_copied(&words, &["public.t", "public.u"], "").await;
        assert_eq!(mirror.here("SELECT (p).b FROM t").await, "7");
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_attributes_that_get_other_names_while_it_runs() {
    scenario("attributes_named", POINTS, async |mirror| {
        let swap = "ALTER TYPE pt RENAME ATTRIBUTE a TO c; ALTER TYPE pt RENAME ATTRIBUTE b TO a; ALTER TYPE pt RENAME ATTRIBUTE c TO b";
        mirror.source(&format!("{swap}; UPDATE u SET p.a = 7")).await;
        let words = ["mirror_table_differs", "has the attributes b, a there, and had a, b", "RENAME ATTRIBUTE"];
        mirror.ends_and_is_mended(&words).await;
        assert_eq!(mirror.here("SELECT (p).a FROM u").await, "7");
        // One more, and one less: a value of another length is not taken.
        mirror.source("ALTER TYPE pt ADD ATTRIBUTE c text").await;
        mirror.ends_and_is_mended(&["mirror_table_differs", "ALTER TYPE \\\"public\\\".\\\"pt\\\" ADD ATTRIBUTE \\\"c\\\" text"]).await;
        mirror.source("UPDATE u SET p.c = 'x'; ALTER TYPE pt DROP ATTRIBUTE c; UPDATE u SET p.a = 8").await;
        mirror.refuses("malformed record literal");
        mirror.ends_and_is_mended(&["mirror_conflict", "ALTER TYPE \\\"public\\\".\\\"pt\\\" DROP ATTRIBUTE \\\"c\\\""]).await;
    })
    .await;
}

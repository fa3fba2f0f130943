//! Mirrors whose record on the destination is not as this build writes it: made by an earlier one, or taken apart by hand.

use crate::support::eventually;
use crate::support::mirroring::{Pair, stop};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY);
    INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 1000) g";

/// As builds had it that kept neither which table is which, nor its columns, nor what it was in the publication.
const EARLIER: &str = "ALTER TABLE multiboard_sync.member DROP COLUMN destination_oid, DROP COLUMN column_sum, DROP COLUMN source_columns,
    DROP COLUMN destination_columns, DROP COLUMN source_meanings, DROP COLUMN replaced_columns, DROP COLUMN entry";

#[tokio::test]
async fn a_mirror_of_an_earlier_build_goes_on_and_its_record_is_brought_up_to_date() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "earlier", TABLE).await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        let record = "SELECT string_agg(concat_ws(' ', source_oid, destination_oid, entry, follows), ',' ORDER BY source_oid) FROM multiboard_sync.member";
        let before = pair.to.query_text(record).await;
        pair.to.execute(EARLIER).await;
        pair.from.execute("UPDATE t SET v = 'changed' WHERE id % 3 = 0; INSERT INTO other VALUES (1)").await;
        let running = pair.streaming().await;
        assert!(running.printed().contains("mirror_record_renewed"), "{}", running.printed());
        assert_eq!(pair.to.query_text(record).await, before);
        pair.same(&running).await;
        // No table was copied for that.
        assert!(!running.printed().contains("table.started"), "{}", running.printed());
        let columns = "SELECT count(*) FROM multiboard_sync.member WHERE column_sum IS NOT NULL AND source_columns = destination_columns AND source_meanings IS NOT NULL";
        eventually("columns on record", async || match pair.to.query_text(columns).await.as_str() {
            "2" => Ok(()),
            count => Err(count.to_owned()),
        })
        .await;
        stop(running).await.expect_code(0);
        // It is said once.
        let running = pair.streaming().await;
        assert!(!running.printed().contains("mirror_record_renewed"), "{}", running.printed());
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn a_table_of_an_earlier_build_s_mirror_that_stands_aside_is_copied() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "earlier_aside", TABLE).await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        let earlier = format!(
            "{EARLIER}; UPDATE multiboard_sync.member SET follows = false WHERE table_name = 'other'; DELETE FROM t; INSERT INTO other VALUES (9)"
        );
        pair.to.execute(&earlier).await;
        // By a process that only marks.
        pair.program.run(&["mirror", "resync", "m", "public.t"]).await.expect_code(0);
        let running = pair.streaming().await;
        pair.same(&running).await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn a_mirror_whose_checkpoint_was_deleted_by_hand_is_dropped_whole() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "by_hand", TABLE).await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        pair.to.execute("DELETE FROM multiboard_sync.checkpoint").await;
        pair.drop_mirror().await;
    }
}

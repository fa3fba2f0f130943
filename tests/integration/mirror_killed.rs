//! A mirror that is killed at any moment, under a load with large transactions in progress.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::bank::{ADDS_UP, BANK, Moments, TOTAL, Tellers};
use crate::support::mirroring::{Pair, stop};
use crate::support::{Server, Settings, checksum, eventually, say};

/// How many moments; 50 for the figures.
fn rounds() -> u32 {
    std::env::var("MULTIBOARD_TEST_MIRROR_KILLS").map_or(3, |text| text.parse().expect("a number"))
}

/// The longest that one runs. Most of them are killed while they catch up with what the load did meanwhile.
const LONGEST: Duration = Duration::from_millis(800);

async fn killed_at_any_moment(major: u16) {
    // What is larger is sent while it is in progress.
    let settings = Settings::new().set("logical_decoding_work_mem", "64kB");
    let Some(source) = Server::with(major, settings) else { return };
    let source: &'static Server = Box::leak(Box::new(source));
    let schema = format!("{BANK}; CREATE TABLE fence (n int PRIMARY KEY)");
    let Some(pair) = Pair::prepare_on(source, "killed", &schema).await else { return };
    let pair = pair.breaking();
    stop(pair.streaming().await).await.expect_code(0);
    let tellers = Tellers::new(&pair.from).await;
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let seed = u64::from(std::process::id()) << 20 | u64::from(start.elapsed().subsec_nanos()) | 1;
    say(&format!("kill -9 of a mirror on {major}: seed {seed}"));
    let killing = async {
        let mut moments = Moments::new(seed);
        let reader = pair.to.session().await;
        for round in 0..rounds() {
            let running = pair.start(&[]);
            let moment = moments.next(LONGEST);
            // Not a wait for anything: the moment is what is tried.
            tokio::time::sleep(moment).await;
            running.kill();
            running.finish().await;
            assert_eq!(
                reader.query_text(TOTAL).await,
                ADDS_UP,
                "round {round}, killed after {moment:?}, seed {seed}"
            );
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(tellers.work(3000, &over), killing);
    pair.from.execute("INSERT INTO fence VALUES (1)").await;
    let running = pair.streaming().await;
    eventually("the row of the fence", async || {
        match pair.to.query_text("SELECT count(*) FROM fence").await {
            text if text == "1" => Ok(()),
            text => Err(format!(
                "{text}\n{}",
                running.printed().lines().rev().take(5).collect::<Vec<_>>().join("\n")
            )),
        }
    })
    .await;
    // Everything before it is here: looked at once, not waited for.
    let [from, to] = [checksum::of(&pair.from).await, checksum::of(&pair.to).await].map(|mut lines| {
        lines.retain(|line| line.starts_with("table \"public\""));
        lines
    });
    assert_eq!(from, to, "seed {seed}");
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_nothing_and_repeats_nothing_15() {
    killed_at_any_moment(15).await;
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_nothing_and_repeats_nothing_18() {
    killed_at_any_moment(18).await;
}

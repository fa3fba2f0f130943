//! How much memory a mirror takes: no more for a large transaction than it is allowed, however little its source keeps.

use std::time::Duration;

use crate::support::mirroring::{Pair, stop};
use crate::support::{Server, Session, Settings, eventually_within, usage};

/// What the process may have at its peak (docs/mirror.md).
const ALLOWED_KIB: u64 = 128 * 1024;

const ROWS: u32 = 200_000;

/// What a process has taken at its peak is what it may have, where the system tells.
fn within_memory(pid: i32, whose: &str) {
    if let Some(peak) = usage::peak_kib(pid) {
        assert!(peak <= ALLOWED_KIB, "{} MiB at the peak of {whose}", peak / 1024);
    }
}

/// The source sends whatever is larger than 64 kB while it is in progress: two such transactions at once, of which a part is
/// rolled back, many times what is held in memory here.
#[tokio::test]
async fn large_transactions_in_progress_stay_within_memory() {
    let settings = Settings::new().set("logical_decoding_work_mem", "64kB");
    let tables = "CREATE TABLE large (id int PRIMARY KEY, t text, at timestamptz DEFAULT now()); CREATE TABLE small (id int PRIMARY KEY)";
    let Some(source) = Server::with(15, settings) else { return };
    let Some(pair) = Pair::prepare_on(Box::leak(Box::new(source)), "memory", tables).await else { return };
    let (from, to) = (&pair.from, &pair.to);
    let running = pair.streaming().await;

    let insert = |first: u32, rows: u32| {
        format!(
            "INSERT INTO large SELECT n, repeat('row ' || n, 10) FROM generate_series({first}, {}) AS n",
            first + rows - 1
        )
    };
    let sessions: [Session; 2] = [from.session().await, from.session().await];
    let large = async |session: &Session, first: u32| {
        let (whole, half) = (insert(first, ROWS / 2), insert(first + ROWS / 2, ROWS / 4));
        session
            .execute_all(&format!("BEGIN; {whole}; SAVEPOINT a; {half}; ROLLBACK TO a; SAVEPOINT b; {half}"))
            .await;
        session.execute_all(&format!("{}; COMMIT", insert(first + ROWS, 10))).await;
    };
    let small = async || {
        for id in 0..50 {
            from.execute(&format!("INSERT INTO small VALUES ({id})")).await;
        }
    };
    let [one, other] = &sessions;
    tokio::join!(large(one, 1), large(other, 10_000_000), small());

    let limit = Duration::from_secs(150);
    let counts = "SELECT (SELECT count(*) FROM large) || ' ' || (SELECT count(*) FROM small)";
    let expected = from.query_text(counts).await;
    assert_eq!(expected, format!("{} 50", 2 * (ROWS / 2 + ROWS / 4 + 10)));
    eventually_within(limit, "all rows", async || match to.query_text(counts).await {
        text if text == expected => Ok(()),
        text => {
            Err(format!("{text}\n{}", running.printed().lines().rev().take(5).collect::<Vec<_>>().join("\n")))
        }
    })
    .await;
    within_memory(running.pid(), "the mirror");
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

/// What is kept of the stream lies in the pieces in which it was read, beside much that is not kept: here the rows of a table
/// that stands aside, while the destination is blocked.
#[tokio::test]
async fn small_rows_beside_large_ones_of_a_table_that_stands_aside_do_not_keep_them_in_memory() {
    let tables = "CREATE TABLE big (id int PRIMARY KEY, t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL; CREATE TABLE small (id int PRIMARY KEY)";
    let Some(pair) = Pair::prepare(15, "pinned", tables).await else { return };
    let (from, to) = (&pair.from, &pair.to);
    let running = pair.streaming().await;
    // The copy of `big` waits for this one, so that it stands aside meanwhile.
    let open = from.session().await;
    open.execute_all("BEGIN; INSERT INTO big VALUES (0, '')").await;
    stop(running).await.expect_code(0);
    to.execute("UPDATE multiboard_sync.member SET follows = false WHERE table_name = 'big'").await;
    let mut running = pair.start(&[]);
    running.event("that it follows", |line| line["event"] == "mirror.lag").await;
    let blocks = to.session().await;
    blocks.execute_all("BEGIN; LOCK TABLE small").await;
    from.execute(
        "DO $$ BEGIN FOR n IN 1..3000 LOOP INSERT INTO small VALUES (n); INSERT INTO big VALUES (n, repeat('x', 51000)); COMMIT; END LOOP; END $$",
    )
    .await;
    let end = from.query_text("SELECT pg_current_wal_flush_lsn()::text").await;
    let standing = "SELECT string_agg(sent_lsn::text, ' ') FROM pg_stat_replication AS r JOIN pg_replication_slots AS s ON s.active_pid = r.pid \
        WHERE s.database = current_database() AND NOT s.temporary";
    let received = format!("SELECT ({standing})::pg_lsn >= '{end}'");
    eventually_within(Duration::from_secs(60), "that all was sent", async || {
        match from.query_text(&received).await {
            text if text == "t" => Ok(()),
            _ => Err(from.query_text(standing).await),
        }
    })
    .await;
    blocks.execute_all("COMMIT").await;
    open.execute_all("COMMIT").await;
    let counts = "SELECT (SELECT count(*) FROM big) || ' ' || (SELECT count(*) FROM small)";
    eventually_within(Duration::from_secs(60), "all rows", async || match to.query_text(counts).await {
        text if text == "3001 3000" => Ok(()),
        text => Err(text),
    })
    .await;
    within_memory(running.pid(), "the mirror");
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

/// A session of the destination keeps what was prepared in it: one statement for each set of columns that are NULL would be
/// thousands.
#[tokio::test]
async fn rows_of_many_sets_of_nulls_take_little_of_the_destination() {
    let columns: Vec<String> =
        (0..11).map(|at| format!("CASE WHEN n >> {at} & 1 = 1 THEN n END AS c{at}")).collect();
    let table = format!(
        "CREATE TABLE f AS SELECT {}, 0 AS l FROM generate_series(0, 2047) AS n; ALTER TABLE f REPLICA IDENTITY FULL",
        columns.join(", ")
    );
    let Some(pair) = Pair::prepare(15, "nulls", &table).await else { return };
    let (from, to) = (&pair.from, &pair.to);
    let running = pair.streaming().await;
    from.execute("UPDATE f SET l = 1").await;
    let sum = "SELECT count(*) || ' ' || sum(l) FROM f";
    eventually_within(Duration::from_secs(60), "all rows", async || match to.query_text(sum).await {
        text if text == "2048 2048" => Ok(()),
        text => Err(text),
    })
    .await;
    let applies = "SELECT max(pid)::text FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let pid = to.query_text(applies).await.parse().unwrap();
    within_memory(pid, "the destination's process");
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

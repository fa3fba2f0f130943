//! How much memory a mirror takes: no more for a large transaction than it is allowed, however little its source keeps.

use crate::support::{Binary, Outcome, Server, Session, Settings, destination, eventually_within, usage};

/// What the process may have at its peak (docs/mirror.md).
const ALLOWED_KIB: u64 = 128 * 1024;

const ROWS: u32 = 200_000;

/// The source sends whatever is larger than 64 kB while it is in progress: two such transactions at once, of which a part is
/// rolled back, many times what is held in memory here.
#[tokio::test]
async fn large_transactions_in_progress_stay_within_memory() {
    let settings = Settings::new().set("logical_decoding_work_mem", "64kB");
    let (Some(source), Some(destination)) = (Server::with(15, settings), destination(15)) else { return };
    let (from, to) = (source.database("memory").await, destination.absent_database("memory"));
    from.execute("CREATE TABLE large (id int PRIMARY KEY, t text, at timestamptz DEFAULT now()); CREATE TABLE small (id int PRIMARY KEY)")
        .await;
    let program = Binary::new();
    let (source_url, destination_url) = (from.url(), to.url());
    let ends = ["--from", source_url.as_str(), "--to", destination_url.as_str()];
    let mut running =
        program.start(&[&["mirror", "--json", "--no-input", "--name", "m"][..], &ends].concat());
    running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;

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

    let limit = std::time::Duration::from_secs(150);
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
    if let Some(peak) = usage::peak_kib(running.pid()) {
        assert!(peak <= ALLOWED_KIB, "{} MiB at the peak", peak / 1024);
    }
    running.interrupt();
    Outcome::of(running.finish().await).expect_code(0);
    program.run(&[&["mirror", "drop", "m"][..], &ends].concat()).await.expect_code(0);
}

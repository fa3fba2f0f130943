//! How long it takes from a commit on the source to the moment at which the destination shows it, at a steady rate.
//!
//! Four writers commit in turn, by the clock; a thread asks the destination for each writer's newest row without a pause
//! worth the name. Both read the clock of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::contender::{Contender, Kind};
use crate::cost::Cost;
use crate::memory;
use crate::options::Options;
use crate::support::Session;

const WRITERS: usize = 4;
const PER_SECOND: u64 = 500;

/// Seconds before the first that counts: caches, prepared statements, a walsender that has caught up.
const WARM_UP: u64 = 3;

/// Between two looks, beside the time that a look takes.
const PAUSE: Duration = Duration::from_micros(200);

const PATIENCE: Duration = Duration::from_secs(30);

struct Measured {
    kind: Kind,
    /// Sorted.
    latencies: Vec<Duration>,
    /// Commits that took longer than their turn allowed, so that the rate was not kept.
    late: usize,
    cpu: [Duration; 3],
    cost: Cost,
}

/// Whether our memory stayed within its bound.
pub(crate) async fn run(contenders: &mut [Contender<'_>], options: &Options) -> bool {
    let mut all = Vec::new();
    for contender in contenders.iter_mut() {
        contender.rest().await;
        let measured = measure(contender, options.seconds).await;
        eprintln!("latency {}: p50 {}", contender.kind.name(), ms(percentile(&measured.latencies, 50.0)));
        all.push(measured);
    }
    println!(
        "\n## latency: commit to visible at {PER_SECOND} transactions a second for {} s\n",
        options.seconds
    );
    println!(
        "| {:32} | {:>7} | {:>7} | {:>7} | {:>7} | {:>5} | {:>10} | {:>15} | {:>7} |",
        "followed by",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "late",
        "source CPU",
        "destination CPU",
        "own CPU"
    );
    println!(
        "|{:-<34}|{}",
        "",
        [9, 9, 9, 9, 7, 12, 17, 9].map(|width| format!("{:->width$}|", ":")).concat()
    );
    for one in &all {
        let at = [50.0, 95.0, 99.0, 100.0].map(|share| ms(percentile(&one.latencies, share)));
        let [source, destination, own] = one.cpu.map(|cpu| format!("{:.2}", cpu.as_secs_f64()));
        let own = if one.kind == Kind::Ours { own } else { String::new() };
        println!(
            "| {:32} | {:>7} | {:>7} | {:>7} | {:>7} | {:5} | {source:>10} | {destination:>15} | {own:>7} |",
            one.kind.name(),
            at[0],
            at[1],
            at[2],
            at[3],
            one.late
        );
    }
    all.iter().all(|one| memory::is_kept(&one.cost))
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len() as f64 * share / 100.0).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}

async fn measure(contender: &mut Contender<'_>, seconds: u64) -> Measured {
    contender.start().await;
    let source = contender.source_url();
    let first = first_numbers(&Session::open(&source).await).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (url, stop) = (contender.destination_url(), Arc::clone(&stop));
        std::thread::spawn(move || watch(&url, &stop))
    };
    let before = contender.cost();
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for (writer, first) in first.into_iter().enumerate() {
        let url = source.clone();
        writers.spawn(async move { (writer, write(&url, writer, first, start, WARM_UP + seconds).await) });
    }
    let mut committed = vec![Vec::new(); WRITERS];
    while let Some(done) = writers.join_next().await {
        let (writer, commits) = done.unwrap();
        committed[writer] = commits;
    }
    // Until everything is there.
    let session = contender.session().await;
    let last: Vec<u64> = committed.iter().map(|commits| commits.last().unwrap().number).collect();
    let waiting = Instant::now();
    while first_numbers(&session).await.iter().zip(&last).any(|(next, last)| next <= last) {
        assert!(waiting.elapsed() < PATIENCE, "the last commits did not come:\n{}", contender.said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let after = contender.cost();
    stop.store(true, Ordering::Relaxed);
    let seen = watcher.join().unwrap();
    let mut latencies = Vec::new();
    let mut late = 0;
    for (writer, commits) in committed.iter().enumerate() {
        let mut looks = seen.iter().filter(|look| look.writer == writer).peekable();
        for commit in commits {
            while looks.next_if(|look| look.number < commit.number).is_some() {}
            let look = looks.peek().expect("the last look saw everything");
            if commit.at >= start + Duration::from_secs(WARM_UP) {
                latencies.push(look.at.saturating_duration_since(commit.at));
                late += usize::from(commit.late);
            }
        }
    }
    latencies.sort();
    let cpu = [0, 1, 2].map(|who| after[who].saturating_sub(before[who]));
    Measured { kind: contender.kind, latencies, late, cpu, cost: contender.stop().await }
}

#[derive(Clone, Copy)]
struct Commit {
    number: u64,
    at: Instant,
    late: bool,
}

/// One writer: a transaction of one insert and one update in each of its turns.
async fn write(url: &str, writer: usize, first: u64, start: Instant, seconds: u64) -> Vec<Commit> {
    let session = Session::open(url).await;
    let insert = session.prepare("INSERT INTO tick (writer, number) VALUES ($1, $2)").await.unwrap();
    let update = session
        .prepare("UPDATE account SET balance = balance + 1, changed_at = now() WHERE id = $1")
        .await
        .unwrap();
    let accounts: i64 = session.query_text("SELECT pg_catalog.max(id) FROM account").await.parse().unwrap();
    let turn = Duration::from_micros(1_000_000 * WRITERS as u64 / PER_SECOND);
    let offset = turn / WRITERS as u32 * writer as u32;
    let turns = seconds * PER_SECOND / WRITERS as u64;
    let mut commits = Vec::new();
    for at in 0..turns {
        let due = start + offset + turn * u32::try_from(at).unwrap();
        tokio::time::sleep_until(due.into()).await;
        let number = first + at;
        let account = i64::try_from(number * 7919 + writer as u64).unwrap() % accounts + 1;
        let (name, signed) = (i32::try_from(writer).unwrap(), i64::try_from(number).unwrap());
        session.batch_execute("BEGIN").await.unwrap();
        session.execute(&insert, &[&name, &signed]).await.unwrap();
        session.execute(&update, &[&account]).await.unwrap();
        session.batch_execute("COMMIT").await.unwrap();
        let now = Instant::now();
        commits.push(Commit { number, at: now, late: now > due + turn });
    }
    commits
}

struct Look {
    at: Instant,
    writer: usize,
    number: u64,
}

const NEWEST: &str = "SELECT w, COALESCE((SELECT number FROM tick WHERE writer = w ORDER BY number DESC LIMIT 1), -1) \
    FROM pg_catalog.generate_series(0, 3) AS w ORDER BY w";

/// The number that each writer begins with.
async fn first_numbers(session: &Session) -> Vec<u64> {
    let rows = session.query(NEWEST, &[]).await.unwrap();
    rows.iter().map(|row| u64::try_from(row.get::<_, i64>(1) + 1).unwrap()).collect()
}

/// Looks until stopped, in a thread of its own: what else this process does is not in the way.
fn watch(url: &str, stop: &AtomicBool) -> Vec<Look> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(Session::open(url));
    let query = runtime.block_on(session.prepare(NEWEST)).unwrap();
    let mut newest = [-1_i64; WRITERS];
    let mut looks = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let rows = runtime.block_on(session.query(&query, &[])).unwrap();
        let at = Instant::now();
        for (writer, row) in rows.iter().enumerate() {
            let number: i64 = row.get(1);
            if number > newest[writer] {
                newest[writer] = number;
                looks.push(Look { at, writer, number: u64::try_from(number).unwrap() });
            }
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a thread with a runtime of its own, which has nothing else to do"
        )]
        std::thread::sleep(PAUSE);
    }
    looks
}

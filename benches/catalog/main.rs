//! Reads, renders and orders the catalog of a database with thousands of tables, beside `pg_dump --schema-only` of the
//! same database on the same server, in turns. Started by `scripts/bench catalog [--rounds N] [--tables N]`.
//!
//! Ours runs in a process of its own, as pg_dump does: connecting is part of both times, and the kernel tells the peak
//! of its memory. pg_dump writes its text to nowhere; it prints what it read, which we do too (rendering, order, judgement).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on says why and stops; what it has to say goes to the terminal"
)]

#[expect(
    clippy::allow_attributes,
    reason = "an expectation would fail on the day when nothing is left unused"
)]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "tests and benches share the support, and each uses a part of it"
)]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use multiboard_sync::connect::{self, Environment, Options, Settings};
use multiboard_sync::engine::copy::snapshot;
use multiboard_sync::engine::introspect;
use multiboard_sync::schema::{self, order, parse, render};

use support::installation;
use support::server::{Server, Settings as ServerSettings};

/// The first argument of the process that reads; the second is the URL.
const WORD: &str = "read-catalog";
/// The version that pg_dump of Debian 12 goes with.
const MAJOR: u16 = 15;
/// Reading may take this share of pg_dump's whole time …
const SHARE: f64 = 0.5;
/// … and what was read may take so much memory.
const MODEL_MIB: u64 = 200;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.first().map(String::as_str) {
        Some(WORD) => {
            runtime.block_on(read(&arguments[1]));
            ExitCode::SUCCESS
        }
        // `cargo test --all-targets` starts benches too, without the word that `cargo bench` adds.
        _ if !std::env::args().any(|word| word == "--bench") => ExitCode::SUCCESS,
        _ => {
            runtime.block_on(compare(option(&arguments, "--tables", 5000), option(&arguments, "--rounds", 5)))
        }
    }
}

fn option(arguments: &[String], name: &str, default: usize) -> usize {
    let at = arguments.iter().position(|word| word == name);
    at.map_or(default, |at| arguments[at + 1].parse().unwrap())
}

/// What the process of its own does and prints: seconds of reading, seconds of all the rest, MiB of its memory before
/// and after the reading, MiB at the peak, and the number of steps.
async fn read(url: &str) {
    let options = Options::parse(url, &Environment::default()).unwrap();
    let before = memory("VmRSS");
    let start = Instant::now();
    let settings = Settings { quote_all_identifiers: true, ..Settings::default() };
    let connection = connect::source(&options, &settings).await.unwrap();
    // As a clone does it: a second session under the first one's snapshot.
    let exported = snapshot::export(connection.client()).await.unwrap();
    let beside = connect::source(&options, &settings).await.unwrap();
    beside.batch(&snapshot::import(&exported.id)).await.unwrap();
    let version = connection.version();
    let catalog = introspect::read_beside(connection.client(), beside.client(), version).await.unwrap();
    let reading = start.elapsed();
    let model = memory("VmRSS");
    let start = Instant::now();
    let options = schema::Options::new(catalog.version);
    let rendering = render::render(&catalog, &options);
    let script = order::arrange(rendering.pieces, &catalog.dependencies, &rendering.left_out);
    let findings = parse::judge_script(&script, catalog.version);
    assert!(findings.is_empty(), "{findings:?}");
    let rest = start.elapsed();
    println!(
        "{} {} {before} {model} {} {}",
        reading.as_secs_f64(),
        rest.as_secs_f64(),
        memory("VmHWM"),
        script.steps.len()
    );
}

/// A line of proc(5) `status`, in MiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

async fn compare(tables: usize, rounds: usize) -> ExitCode {
    let settings =
        ServerSettings::new().set("max_locks_per_transaction", "512").set("shared_buffers", "512MB");
    let server = Server::with(MAJOR, settings).expect("PostgreSQL 15, which scripts/setup tests brings");
    let database = server.database("catalog").await;
    println!("{}; {tables} tables", server.describe());
    for batch in 0..tables.div_ceil(500) {
        let (from, to) = (batch * 500 + 1, ((batch + 1) * 500).min(tables));
        database
            .execute(&format!("DO $do$ BEGIN FOR i IN {from}..{to} LOOP {TABLE} END LOOP; END $do$"))
            .await;
    }
    database.execute("VACUUM (ANALYZE)").await;
    let pg_dump = installation::client("pg_dump", MAJOR).unwrap();
    let url = database.url();
    let (mut ours, mut theirs, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let start = Instant::now();
        let dumped =
            Command::new(&pg_dump).args(["--schema-only", &url]).stdout(Stdio::null()).status().unwrap();
        assert!(dumped.success(), "pg_dump failed");
        let dump = start.elapsed();
        let output = Command::new(std::env::current_exe().unwrap()).args([WORD, &url]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        last = text.split_whitespace().map(|word| word.parse::<f64>().unwrap()).collect();
        // The first round warms the server's caches.
        if round > 0 {
            eprintln!(
                "round {round}: pg_dump {:.2} s, ours {:.2} + {:.2} s",
                dump.as_secs_f64(),
                last[0],
                last[1]
            );
            theirs.push(dump);
            ours.push((Duration::from_secs_f64(last[0]), Duration::from_secs_f64(last[1])));
        }
    }
    let reading = median(ours.iter().map(|(reading, _)| *reading).collect());
    let rest = median(ours.iter().map(|(_, rest)| *rest).collect());
    let dump = median(theirs);
    let (share, model) = (reading / dump, (last[3] - last[2]) as u64);
    println!("pg_dump --schema-only        {dump:.2} s");
    println!("ours, reading                {reading:.2} s   {share:.2} of pg_dump (allowed: {SHARE})");
    println!("ours, render, order, judge   {rest:.2} s   {} steps", last[5]);
    println!(
        "memory of what was read      {model} MiB (allowed: {MODEL_MIB}); peak of the process {} MiB",
        last[4]
    );
    if share <= SHARE && model <= MODEL_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What an application's table has beside its columns.
const TABLE: &str = "EXECUTE format($$
    CREATE TABLE t%1$s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent bigint, name text NOT NULL DEFAULT 'x',
        at timestamptz NOT NULL DEFAULT now(), amount numeric(12, 2) CHECK (amount >= 0), tags text[], data jsonb);
    CREATE INDEX ON t%1$s (parent); CREATE INDEX ON t%1$s USING gin (data);
    ALTER TABLE t%1$s ADD FOREIGN KEY (parent) REFERENCES t%2$s;
    COMMENT ON TABLE t%1$s IS 'table %1$s'; COMMENT ON COLUMN t%1$s.name IS 'a name';
    GRANT SELECT ON t%1$s TO PUBLIC$$, i, greatest(i - 1, 1));";

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

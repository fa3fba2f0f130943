//! What many watchers of one job cost the server: its processor time and memory with none of them and with all of them, in turns in
//! one run. Started by `scripts/bench serve`.
//!
//! ```text
//! test job (progress at its full pace: 4 Hz) ─▶ real server, release build ─▶ websockets of this process, each subscribed
//! ```
//!
//! The job is the same in each turn; what is measured is the server's process alone, by proc(5).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
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

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Binary, Serving, usage};
use tokio::task::JoinSet;

const USAGE: &str = "usage: scripts/bench serve [--watchers N] [--seconds N] [--rounds N]
  --watchers N   websockets that watch one job (1000)
  --seconds N    how long each turn is measured (15)
  --rounds N     turns with and without them (3)";

/// What they may cost: a share of a core, and bytes.
const CORE_SHARE: f64 = 0.10;
const MEMORY_KIB: u64 = 64 << 10;

/// So many connect at once: the server takes 500 requests a second of one address.
const AT_ONCE: usize = 100;

/// The server settles before it is measured.
const SETTLES: Duration = Duration::from_secs(3);

struct Options {
    watchers: usize,
    seconds: u64,
    rounds: usize,
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { watchers: 1000, seconds: 15, rounds: 3 };
    while let Some(word) = words.next() {
        let number = words.next().and_then(|text| text.parse::<u32>().ok()).filter(|number| *number > 0);
        let number = number.ok_or_else(|| format!("{word} needs a number\n{USAGE}"))?;
        match word.as_str() {
            "--watchers" => options.watchers = number as usize,
            "--seconds" => options.seconds = u64::from(number),
            "--rounds" => options.rounds = number as usize,
            _ => return Err(format!("unknown option {word}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benches too, without the word that `cargo bench` adds.
    if !arguments.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    let options = match options(arguments.into_iter().filter(|word| word != "--bench")) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(run(&options)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One turn: the share of a core that the server used, and its memory at the end, in KiB.
#[derive(Clone, Copy, Debug)]
struct Turn {
    core: f64,
    resident_kib: u64,
    /// Frames a second that all watchers got.
    frames: f64,
}

async fn run(options: &Options) -> bool {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    println!("{} watchers of one job, {} s a turn\n", options.watchers, options.seconds);
    println!("{:>9}  {:>10}  {:>12}  {:>10}", "watchers", "of a core", "memory", "frames/s");
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    // The first turn warms up what both have.
    turn(&server, 0, options.seconds.min(5)).await;
    for _ in 0..options.rounds {
        for (watchers, turns) in [(0, &mut alone), (options.watchers, &mut watched)] {
            let turn = turn(&server, watchers, options.seconds).await;
            println!(
                "{watchers:>9}  {:>9.2}%  {:>8.1} MiB  {:>10.0}",
                turn.core * 100.0,
                turn.resident_kib as f64 / 1024.0,
                turn.frames
            );
            turns.push(turn);
        }
    }
    let middle = |turns: &[Turn]| {
        let mut cores: Vec<f64> = turns.iter().map(|turn| turn.core).collect();
        cores.sort_by(f64::total_cmp);
        cores[cores.len() / 2]
    };
    let core = middle(&watched) - middle(&alone);
    let most = watched.iter().map(|turn| turn.resident_kib).max().unwrap_or_default();
    let memory = most.saturating_sub(alone[0].resident_kib);
    let kept = core <= CORE_SHARE && memory <= MEMORY_KIB;
    println!(
        "\nthey add {:.2} % of a core (at most {:.0}) and {:.1} MiB (at most {}): {}",
        core * 100.0,
        CORE_SHARE * 100.0,
        memory as f64 / 1024.0,
        MEMORY_KIB >> 10,
        if kept { "kept" } else { "missed" }
    );
    server.running.terminate();
    server.running.finish().await.expect_code(0);
    kept
}

async fn turn(server: &Serving, watchers: usize, seconds: u64) -> Turn {
    let lasts = seconds + 60;
    let job = server.ask(&json!({"type": "test", "options": {"seconds": lasts}})).await;
    server.job_is(&job, "running").await;
    let frames = Arc::new(AtomicU64::new(0));
    let mut watching = JoinSet::new();
    for number in 0..watchers {
        let mut watcher = server.watch().await;
        watcher.say(&json!({"type": "subscribe", "sub": "s", "topic": format!("job:{job}")})).await;
        let frames = Arc::clone(&frames);
        watching.spawn(async move {
            while watcher.next().await.is_ok() {
                frames.fetch_add(1, Ordering::Relaxed);
            }
        });
        if number % AT_ONCE == AT_ONCE - 1 {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    tokio::time::sleep(SETTLES).await;
    let pid = server.running.pid();
    let (began, used, told) =
        (Instant::now(), usage::process_cpu(pid).expect("proc(5)"), frames.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let took = began.elapsed().as_secs_f64();
    let turn = Turn {
        core: (usage::process_cpu(pid).expect("proc(5)") - used).as_secs_f64() / took,
        resident_kib: usage::resident_kib(pid).expect("proc(5)"),
        frames: (frames.load(Ordering::Relaxed) - told) as f64 / took,
    };
    watching.shutdown().await;
    server.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await;
    server.job_is(&job, "cancelled").await;
    turn
}

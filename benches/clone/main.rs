//! Clones the same databases with us and with other tools, in turns on the same two servers, and prints what each cost.
//! Started by `scripts/bench clone`; what may be asked for is in [`options`].
//!
//! ```text
//! data ─fill─▶ source server ─▶ contender's command line, run by meter ─▶ destination server (empty each time)
//!                                         │ wall, CPU, memory, progress
//!                                         └─▶ sample ─▶ report (medians, ratios to the best peer)
//! ```
//!
//! The rules: one pair of servers with the same settings for all; contenders alternate within a round and every
//! round starts with another one; a timed part starts from an empty destination database and after a checkpoint on both servers; it ends
//! with a database that is analyzed; what it made is compared with the source in the first round.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on says why and stops; what it has to say goes to the terminal"
)]

mod contender;
mod data;
mod meter;
mod options;
mod pair;
mod report;
mod same;
mod sample;
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

use contender::Contender;
use data::DataSet;
use options::Options;
use pair::Pair;
use sample::Sample;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == meter::WORD) {
        return meter::main(&arguments[1..]);
    }
    // `cargo test --all-targets` starts benches too, without the word that `cargo bench` adds.
    if !arguments.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    let options = match Options::read(arguments.into_iter().filter(|word| word != "--bench")) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).unwrap();
        // Leaving this block drops servers and folders. A tool that still runs ends with its servers.
        tokio::select! {
            kept = run(&options) => if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE },
            _ = tokio::signal::ctrl_c() => ExitCode::from(130),
            _ = terminated.recv() => ExitCode::FAILURE,
        }
    })
}

/// Whether every percentage that we showed was near enough to the truth, and our memory within its bound.
async fn run(options: &Options) -> bool {
    let mut kept = true;
    let pair = Pair::start();
    println!("{}", pair.describe());
    for set in options.sets.iter().copied() {
        let size = data::fill(&pair, set, options.scale).await;
        println!("\n## {}: {}", set.name(), size.describe());
        let contenders: Vec<Contender> = contender::all()
            .into_iter()
            .filter(|contender| options.wants(contender) && contender.can(set))
            .collect();
        let samples = measure(&pair, set, &contenders, options.rounds).await;
        kept &= report::print(&contenders, &samples, &size);
        pair.drop_databases().await;
    }
    kept
}

/// One list of samples for each contender, a sample a round.
async fn measure(pair: &Pair, set: DataSet, contenders: &[Contender], rounds: usize) -> Vec<Vec<Sample>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    // Not counted: a server that has never been written to makes its first WAL files in somebody's time.
    if let Some(contender) = contenders.first() {
        pair.empty_destination(set.has_many_files()).await;
        sample::take(pair, contender).await;
    }
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let at = (turn + round) % contenders.len();
            let contender = &contenders[at];
            pair.empty_destination(set.has_many_files()).await;
            let sample = sample::take(pair, contender).await;
            eprintln!("round {} {} {}: {}", round + 1, set.name(), contender.name, sample.describe());
            if round == 0 {
                same::check(pair, contender).await;
            }
            samples[at].push(sample);
        }
    }
    samples
}

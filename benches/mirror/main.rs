//! Follows the same source with our mirror and with native subscriptions, in turns on the same two servers, and prints how
//! fast each is. Started by `scripts/bench mirror`; what may be asked for is in [`options`].
//!
//! ```text
//!                        ┌─ slot ─▶ database "ours"             one load is made while nobody follows; then each
//! load ─▶ source's log ──┼─ slot ─▶ database "native"           drains the same log, one after the other, until the
//!                        ├─ slot ─▶ database "native_streaming" last row of it is visible
//!                        └─ slot ─▶ pg_recvlogical to nothing
//! ```
//!
//! The rules: one pair of servers with the same settings for all; every destination has the same tables and indexes; the
//! clock starts when the process is started, or the subscription enabled; the end is the same poll of the destination's
//! tables; what was drained is compared with the source.

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
mod cost;
mod drain;
mod latency;
mod load;
mod memory;
mod options;
mod servers;
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

use contender::{Contender, Kind};
use options::{Options, Part};
use servers::Servers;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
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
        // Leaving this block drops servers and folders. A mirror that still runs is killed.
        tokio::select! {
            kept = run(&options) => if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE },
            _ = tokio::signal::ctrl_c() => ExitCode::from(130),
            _ = terminated.recv() => ExitCode::FAILURE,
        }
    })
}

/// Whether our memory stayed within its bound.
async fn run(options: &Options) -> bool {
    let servers = Servers::start(options.major);
    println!("{}", servers.describe());
    let mut kept = true;
    if options.parts.iter().any(|part| part.is_compared()) {
        kept &= compare(&servers, options).await;
    }
    for part in options.parts.iter().filter(|part| !part.is_compared()) {
        kept &= memory::run(&servers, *part, options).await;
    }
    if !kept {
        println!("\nour memory passed {} MiB", memory::ALLOWED_MIB);
    }
    kept
}

/// The drains and the latency, all of them on one source database.
async fn compare(servers: &Servers, options: &Options) -> bool {
    let mut contenders: Vec<Contender> = Kind::ALL
        .into_iter()
        .filter(|kind| options.wants(*kind))
        .map(|kind| Contender::new(servers, kind, "bench", &options.program))
        .collect();
    servers.source.execute("CREATE DATABASE bench").await;
    servers.source_session("bench").await.execute_all(&load::tables(options.scale)).await;
    for contender in &mut contenders {
        contender.prepare().await;
    }
    let mut kept = true;
    let mut mark = 0;
    for part in options.parts.iter().filter(|part| part.is_compared()) {
        match part {
            Part::Latency => kept &= latency::run(&mut contenders, options).await,
            _ => kept &= drain::run(servers, &mut contenders, *part, options, &mut mark).await,
        }
    }
    for contender in contenders {
        contender.remove().await;
    }
    kept
}

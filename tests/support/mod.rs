//! Real PostgreSQL servers for tests and benches, a private database for each test, faults, and exact comparisons.
//!
//! ```text
//! installation ─▶ keeper (a shell that outlives us) ─▶ server ─▶ database ─▶ session
//!                                                        ▲
//!                          binary ──▶ fault_proxy ───────┘        dump · checksum compare two databases
//! ```
//!
//! A test starts with [`source`] and [`destination`]: the shared servers of a version, made by `initdb` when the
//! first test asks. Where a version cannot be had the answer is `None` and the test says so loudly and returns;
//! with `CI=true` that is a failure, so that a green run there means that the versions did run.

pub mod bank;
pub mod binary;
pub mod browser;
pub mod checksum;
pub mod cloning;
pub mod database;
pub mod dump;
pub mod eventually;
pub mod fault;
pub mod fault_proxy;
pub mod fixture;
pub mod installation;
pub mod keeper;
pub mod log;
pub mod mirroring;
pub mod pooler;
pub mod server;
pub mod serving;
pub mod small_disk;
pub mod stand_in;
pub mod supabase;
pub mod usage;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex, OnceLock};

pub use binary::Binary;
pub use browser::Browser;
pub use cloning::{Outcome, clone};
pub use database::{Database, Role, Session};
pub use eventually::{eventually, eventually_within};
pub use fault::{Fault, Point};
pub use fault_proxy::FaultProxy;
pub use fixture::clones_without_a_differing_line;
pub use server::{Server, Settings};
pub use serving::{Serving, Watcher};

/// Which end of a clone a shared server stands for. The two are separate clusters with identifiers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Source,
    Destination,
}

/// The shared source server of a major version, or `None` (after a loud line) where it cannot be had.
pub fn source(major: u16) -> Option<&'static Server> {
    shared(Side::Source, major)
}

/// The shared destination server of a major version, or `None` (after a loud line) where it cannot be had.
pub fn destination(major: u16) -> Option<&'static Server> {
    shared(Side::Destination, major)
}

type Slot = &'static OnceLock<Option<Server>>;

/// One slot a server, so that two tests can start two servers beside each other and one server starts once.
static SHARED: LazyLock<Mutex<HashMap<(Side, u16), Slot>>> = LazyLock::new(Mutex::default);

fn shared(side: Side, major: u16) -> Option<&'static Server> {
    let slot: Slot = SHARED.lock().unwrap().entry((side, major)).or_insert_with(|| Box::leak(Box::default()));
    let server = slot.get_or_init(|| {
        let side_word = match side {
            Side::Source => "SOURCE",
            Side::Destination => "DESTINATION",
        };
        match std::env::var(format!("MULTIBOARD_TEST_{side_word}_{major}_URL")) {
            Ok(url) => Some(Server::outside(major, &url)),
            Err(_) => Server::with(major, Settings::new()),
        }
    });
    server.as_ref().or_else(|| missing(&format!("a PostgreSQL {major} server"), "scripts/setup tests"))
}

/// Says loudly that something is not there, and what brings it; with `CI=true` it is a failure.
pub fn missing<T>(what: &str, remedy: &str) -> Option<T> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {what}; {remedy} brings it");
    say(&format!("SKIPPED {test}: needs {what}, which is not here; `{remedy}` brings it"));
    None
}

/// Prints a line that the test harness does not capture, so that it shows in a green run too.
pub fn say(line: &str) {
    // Nothing better to do when stderr is gone.
    drop(writeln!(std::io::stderr(), "{line}"));
}

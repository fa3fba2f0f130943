//! The integration tests: one binary, a module per topic, against real PostgreSQL servers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and a panic is how it says so"
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
#[path = "../support/mod.rs"]
mod support;

mod cli;
mod clone_access;
mod clone_confirm;
mod clone_consistent;
mod clone_copy;
mod clone_crash;
mod clone_extensions;
mod clone_faults;
mod clone_in_the_way;
mod clone_kept;
mod clone_late;

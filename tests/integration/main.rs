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

mod change_assembled;
mod cli;
mod clone_access;
mod clone_collations;
mod clone_confirm;
mod clone_consistent;
mod clone_copy;
mod clone_crash;
mod clone_crashed;
mod clone_database;
mod clone_extensions;
mod clone_fails;
mod clone_faults;
mod clone_in_the_way;
mod clone_kept;
mod clone_late;
mod clone_maintenance;
mod clone_names;
mod clone_nasty;
mod clone_neutralize;
mod clone_overtaken;
mod clone_partitions;
mod clone_policy;
mod clone_progress;
mod clone_races;
mod clone_reach;
mod clone_refusals;
mod clone_rehearsed;
mod clone_roles;
mod clone_select;
mod clone_settings;
mod clone_supabase;
mod clone_supabase_roles;
mod clone_swap;
mod clone_swap_lost;
mod clone_tls;
mod clone_unsupported;
mod clone_verify;
mod clone_versions;
mod clone_waits;
mod config;
mod connect_auth;
mod connect_frames;
mod connect_hosts;
mod connect_relay;
mod connect_sql;
mod connect_tls;
mod diff;
mod diff_selected;
mod diff_statements;
mod diff_withheld;
mod harness;
mod interrupts;
mod jobs_journal;
mod mirror;
mod mirror_asked;
mod mirror_blocked;
mod mirror_earlier;
mod mirror_early;
mod mirror_faults;
mod mirror_killed;
mod mirror_lag;
mod mirror_memory;
mod mirror_own;
mod mirror_reach;
mod mirror_running;
mod mirror_scenarios;
mod mirror_silence;
mod schema_circles;
mod schema_clones;
mod schema_kinds;
mod schema_objects;
mod schema_tables;
mod serve_canary;
mod serve_client;
mod serve_clone;
mod serve_document;
mod serve_full;
mod serve_guard;
mod serve_jobs;
mod serve_load;
mod serve_mirror;
mod serve_plans;
mod store_shared;
mod undo;
mod verify;
mod verify_held;
mod verify_mirror;
mod verify_rows;
mod viewer;
mod viewer_clone;
mod viewer_mirror;
mod writers;

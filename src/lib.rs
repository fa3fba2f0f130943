//! Moves PostgreSQL databases over the wire protocol: this file is the map of the house.
//!
//! Modules are listed by layer. A module uses only what is listed in a layer above its own, never a neighbour in
//! the same layer; `tests/tidy.rs` holds it. Layers 1-3 turn values into values: no `async`, no sockets, no files
//! and no clock there; time arrives as an argument.
//!
//! ```text
//! source ─┬─introspect─▶ schema ─script─▶ staging database ─swap─▶ destination
//!         └─snapshot───▶ copy ───frames─▶        │
//!                                  every stage ──▶ progress ─▶ terminal · NDJSON
//! ```

// Layer 0: words that everyone may use.
pub mod failure;
pub mod id;
pub mod secret;
pub mod tasks;

// Layer 1: PostgreSQL's own words, bytes to values and back.
pub mod pg;

// Layer 2: models, values only.
pub mod change;
pub mod progress;
pub mod safety;
pub mod schema;

// Layer 3: rules, values to values.
pub mod platform;

// Layer 4: connections, the first layer that opens a socket.
pub mod connect;

// Layer 5: engines, which talk to databases and files and never to each other.
pub mod engine;

// Layer 6: workflows, one file for each thing that a user asks for.
pub mod workflow;

// Layer 7: jobs, what was asked and how far it got.
pub mod job;

// Layer 8: who may use a server.
pub mod access;

// Layer 9: edges, persistence and logs.
pub mod store;
pub mod telemetry;

// Layers 10-17: the program.
pub mod config;

pub mod runner;

pub mod live;

pub mod supervisor;

pub mod api;

pub mod client;

pub mod cli;

//! Engines talk to databases and files, and never to each other.

pub mod copy;
pub mod introspect;

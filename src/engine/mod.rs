//! Engines talk to databases and files, and never to each other; workflows join them.

pub mod copy;
pub mod introspect;
pub mod preflight;
pub mod stage;
pub mod verify;

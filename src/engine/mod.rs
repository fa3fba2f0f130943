//! Engines talk to databases and files, and never to each other; workflows join them.

pub mod apply;
pub mod copy;
pub mod introspect;
pub mod preflight;
pub mod replicate;
pub mod spill;
pub mod stage;
pub mod verify;

//! Copies rows under one snapshot: source frames to destination, chunk by chunk, with indexes built beside.

pub mod plan;
pub mod schedule;

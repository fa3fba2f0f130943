//! The messages of the output plugin `pgoutput`, protocol versions 1 to 4, as values (manual, "Logical Replication
//! Message Formats"). No sockets: bytes in, one message out; the other way round for tests.
//!
//! ```text
//! XLogData ─data─▶ Decoder ─▶ Message ─▶ change
//! ```

mod decode;
mod encode;
mod message;
#[cfg(test)]
pub(crate) mod samples;

pub use decode::{Decoder, Dialect};
pub use encode::encode;
pub use message::{
    Begin, BeginPrepare, Column, Commit, CommitPrepared, Content, Kind, Message, Old, Prepare, Relation,
    ReplicaIdentity, RollbackPrepared, Tuple, Value, Within,
};

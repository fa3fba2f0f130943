//! Reads a source's changes: its publication, its slot, and the stream of its walsender.
//!
//! ```text
//! publication ─▶ slot (exported snapshot ─▶ clone) ─▶ START_REPLICATION ─▶ stream ─▶ messages in the order of the log
//!                                                          ▲ confirmed positions
//! ```

mod ahead;
pub mod columns;
pub mod given;
mod leaving;
mod pace;
pub mod publication;
pub mod silence;
pub mod slot;
pub mod stream;

use std::time::Duration;

use crate::connect;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::{Lsn, Malformed};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement on the source failed.
    #[error("{doing} failed on the source")]
    Source {
        doing: &'static str,
        #[source]
        source: connect::Error,
    },
    /// The server's answer is not what the manual says.
    #[error("{doing}: the source answered {answer}")]
    Answer { doing: &'static str, answer: String },
    /// The server sent what is no message.
    #[error("the source's replication stream cannot be read")]
    Malformed(#[from] Malformed),
    /// A value cannot come in binary form: its type, or that of its elements, has no send function.
    #[error("the source cannot send a value in binary form")]
    NoBinaryForm {
        #[source]
        source: connect::Error,
    },
    /// The stream ended by the server's will.
    #[error("the source ended the replication stream at {received}")]
    Ended { received: Lsn },
    /// It is shutting down, and waits until what it sent is confirmed.
    #[error(
        "the source is shutting down and was not kept waiting any longer: the destination has taken nothing since {confirmed}"
    )]
    ShutsDown { confirmed: Lsn },
    /// It does not answer: its connection is lost on the way, though neither side has heard of that.
    #[error("the source has said nothing for {} seconds, though it was asked to: the connection to it is lost", after.as_secs())]
    Silent { after: Duration },
    /// Somebody else uses it.
    #[error("slot \"{slot}\" is in use by another process of the source: {who}")]
    InUse { slot: String, who: String },
    /// What changed since it was dropped or renamed is not sent: before 18 that is the server's error, from then on a warning.
    #[error(
        "publication \"{publication}\" is not on the source any more: what changed there since is not sent"
    )]
    PublicationGone { publication: String },
}

/// Shorthand for this module.
pub type Result<T> = std::result::Result<T, Error>;

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Source { source, .. } => source.classify(),
            Self::Answer { .. } | Self::Malformed(_) => Failure::bug("replication_protocol"),
            Self::NoBinaryForm { .. } => Failure::retry("mirror_needs_text"),
            Self::Ended { .. } | Self::ShutsDown { .. } | Self::Silent { .. } => Failure::retry("replication_ended"),
            Self::InUse { .. } => Failure::operator("slot_in_use", Exit::Failed).hint(
                "the mirror runs already, in another process or on another machine: one of them has to end",
            ),
            Self::PublicationGone { .. } => Failure::operator("resync_required", Exit::ResyncRequired).hint(
                "a new publication of that name does not help, as the changes before it stay unsent: drop the mirror and \
                 set it up again",
            ),
        }
    }
}

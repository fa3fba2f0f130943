//! What the policy answers: a grant with notes for the plan, a refusal, or a confirmation to be asked for.

use super::grant::WriteGrant;
use super::refusal::Refusal;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::name::for_people;

/// The policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes, with what the plan has to say about it.
    Allowed(WriteGrant, Vec<Note>),
    /// No.
    Refused(Refusal),
    /// Yes, once the user has named the database.
    ConfirmationNeeded(Confirmation),
}

impl Decision {
    /// The decision as a result, for callers that stop at anything but a yes.
    ///
    /// # Errors
    /// The refusal, or the confirmation that is missing.
    pub fn granted(self) -> Result<(WriteGrant, Vec<Note>), Denied> {
        match self {
            Self::Allowed(grant, notes) => Ok((grant, notes)),
            Self::Refused(refusal) => Err(Denied::Refused(refusal)),
            Self::ConfirmationNeeded(confirmation) => Err(Denied::Unconfirmed(confirmation)),
        }
    }
}

/// No grant was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Exit code 6.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Exit code 7.
    #[error(transparent)]
    Unconfirmed(#[from] Confirmation),
}

impl Classify for Denied {
    fn classify(&self) -> Failure {
        match self {
            Self::Refused(refusal) => refusal.classify(),
            Self::Unconfirmed(confirmation) => confirmation.classify(),
        }
    }
}

/// What has to be confirmed, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("database {} at {label} needs a confirmation: {}", for_people(.database), because(.reasons, .given))]
pub struct Confirmation {
    /// The endpoint, as messages call it.
    pub label: String,
    /// The name that `--confirm` must have, exactly.
    pub database: String,
    /// At least one.
    pub reasons: Vec<ConfirmationReason>,
    /// What `--confirm` had instead.
    pub given: Option<String>,
    /// What the plan has to say besides.
    pub notes: Vec<Note>,
}

/// Why a confirmation is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationReason {
    /// The database is not empty.
    #[error("it holds objects, which will be replaced")]
    HoldsUserObjects,
    /// A source connection could not be compared.
    #[error(
        "source {source_label} cannot be reached and never was, so it is not known whether this is its cluster"
    )]
    SourceNeverSeen {
        /// The connection.
        source_label: String,
    },
}

impl Classify for Confirmation {
    fn classify(&self) -> Failure {
        Failure::operator("confirmation_missing", Exit::ConfirmationMissing)
            .hint(format!("add --confirm {}", shell_word(&self.database)))
    }
}

/// Something that the plan says about an allowed destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// Not loopback, but listed.
    #[error("{label} is not on this machine; it is listed in [destinations].allow")]
    Listed {
        /// The destination.
        label: String,
    },
    /// A managed host, listed and understood.
    #[error("{label} is run by {provider}; its entry in [destinations].allow says i_understand")]
    ManagedAndUnderstood {
        /// The destination.
        label: String,
        /// Who runs it.
        provider: &'static str,
    },
    /// One cluster on both sides.
    #[error("source {source_label} and the destination are databases of one cluster")]
    OneCluster {
        /// The source.
        source_label: String,
    },
    /// One identifier, two servers.
    #[error(
        "source {source_label} and the destination have one system identifier but are two running servers: \
         one is a file-level copy of the other"
    )]
    FileLevelCopy {
        /// The source.
        source_label: String,
    },
    /// Compared by memory.
    #[error("source {source_label} cannot be reached now; its identity as last seen was compared")]
    ComparedAsLastSeen {
        /// The source.
        source_label: String,
        /// When it was seen, in milliseconds since 1970.
        at_ms: i64,
    },
    /// Could not be compared.
    #[error(
        "source {source_label} cannot be reached and never was: it could not be compared with the destination"
    )]
    NeverSeen {
        /// The source.
        source_label: String,
    },
}

fn because(reasons: &[ConfirmationReason], given: &Option<String>) -> String {
    let mut all: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    all.extend(given.as_ref().map(|name| format!("--confirm names {}", for_people(name))));
    all.join("; ")
}

/// A word as it can be typed into a shell.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

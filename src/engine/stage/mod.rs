//! The staging database: made, marked, swapped in, swapped back, dropped.
//!
//! Everything here runs on a connection to the destination cluster's maintenance database. What is ours is known
//! by two things together: the mark in the database's COMMENT and the oid that the job store recorded.

pub mod create;
mod endings;
pub mod facts;
mod last_look;
pub mod mark;
pub mod obstacles;
pub mod plan;
pub mod redial;
pub mod registry;
pub mod roles;
pub mod swap;
pub mod tried;

use crate::connect;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::sqlstate;

/// What can go wrong with a staging database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement failed.
    #[error("{doing} failed")]
    Query {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// CREATE DATABASE failed.
    #[error("cannot create the staging database \"{name}\" with locale {locale}")]
    Create {
        name: String,
        locale: String,
        #[source]
        source: tokio_postgres::Error,
    },
    /// A database is not, or no longer, what we recorded.
    #[error("database \"{name}\" is not the one that this job made: {why}; it was left alone")]
    NotOurs { name: String, why: String },
    /// The wait for other sessions was given up.
    #[error("database \"{database}\" is in use by {}", list(obstacles))]
    InUse { database: String, obstacles: Vec<obstacles::Obstacle> },
    /// A database that was judged to be empty is not any more.
    #[error(
        "database \"{database}\" was empty when the clone began, and holds {objects} objects that somebody made since; it was left alone"
    )]
    Filled { database: String, objects: u64 },
    /// It could not be seen whether a database that was judged to be empty still is.
    #[error(
        "it cannot be seen whether database \"{database}\", which was empty when the clone began, still is: {why}; it was left alone"
    )]
    Unseen { database: String, why: String },
    /// What the new database was to take over from the old one is not what that has by now.
    #[error(
        "owner, settings or privileges of database \"{database}\" keep changing while it is to be replaced; it was left alone"
    )]
    Changed { database: String },
    /// The maintenance database could not be reached.
    #[error(transparent)]
    Connect(#[from] connect::Error),
    /// The answer to the swap's COMMIT was lost, and so is the server.
    #[error(
        "the connection broke while database \"{database}\" was swapped, and the server cannot be reached to see \
         whether that took place: {why}"
    )]
    InDoubt { database: String, why: String },
}

/// Shorthand for this module.
pub type Result<T> = std::result::Result<T, Error>;

fn list(obstacles: &[obstacles::Obstacle]) -> String {
    obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// Whether a database is used: by sessions, prepared transactions, subscriptions or slots.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. }) || self.code() == Some(sqlstate::OBJECT_IN_USE)
    }

    fn code(&self) -> Option<&str> {
        match self {
            Self::Query { source, .. } | Self::Create { source, .. } => source.code().map(|code| code.code()),
            _ => None,
        }
    }
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        let code = self.code().unwrap_or_default();
        match self {
            Self::Create { .. } if code == sqlstate::INSUFFICIENT_PRIVILEGE => {
                Failure::operator("create_database_not_permitted", Exit::Preflight)
                    .hint("run on the destination as a superuser: ALTER ROLE <the role> CREATEDB")
            }
            Self::Create { .. } if code == sqlstate::DISK_FULL => {
                Failure::operator("destination_disk_full", Exit::Failed)
                    .hint("free space on the destination's disk and start again; nothing was changed")
            }
            Self::Create { .. } if code.is_empty() || sqlstate::is_transient(code) => {
                Failure::retry("destination_lost")
            }
            Self::Create { .. } => Failure::operator("staging_not_created", Exit::Preflight)
                .hint("a locale that the destination does not have can be replaced with --locale"),
            Self::NotOurs { .. } => Failure::operator("database_not_ours", Exit::Failed),
            Self::InUse { .. } => Failure::operator("destination_in_use", Exit::Failed)
                .hint("end them, or let us end sessions with --terminate-sessions"),
            Self::Filled { database, .. } => Failure::operator("destination_overtaken", Exit::Failed).hint(format!(
                "look who works on it; to replace it all the same start the clone again with --confirm {database}"
            )),
            Self::Unseen { .. } => Failure::operator("destination_unseen", Exit::Failed).hint(
                "find out what ends our sessions in it, or start the clone again with --confirm and its name to replace \
                 it whatever it holds",
            ),
            Self::Changed { .. } => Failure::operator("destination_changed", Exit::Failed)
                .hint("start the clone again when nobody alters the database"),
            Self::Connect(error) => error.classify(),
            Self::InDoubt { .. } => Failure::operator("swap_in_doubt", Exit::Failed)
                .hint("when the server is back, `multiboard-sync clean` shows how far it got and corrects the record"),
            Self::Query { .. } if code == sqlstate::OBJECT_IN_USE => {
                Failure::operator("destination_in_use", Exit::Failed)
                    .hint("end the sessions, or let us end them with --terminate-sessions")
            }
            Self::Query { .. } if code.is_empty() || sqlstate::is_transient(code) => {
                Failure::retry("destination_lost")
            }
            Self::Query { .. } => Failure::operator("destination_statement_failed", Exit::Failed),
        }
    }
}

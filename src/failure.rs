//! What an error means for the person and for the program: its stable code, its exit code, what happens next, a hint.
//!
//! Each module keeps its own error type; [`Classify`] adds the meaning. Whoever handles an error logs it, once.

use std::fmt;

/// The process exit codes, a contract with scripts (interface.md §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// Failed at run time.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// A preflight check failed; nothing was changed.
    Preflight = 3,
    /// A mirror needs a new copy.
    ResyncRequired = 4,
    /// Verification found a difference.
    Different = 5,
    /// The safety policy refused.
    Refused = 6,
    /// `--confirm` is missing or names another database.
    ConfirmationMissing = 7,
    /// Validation has findings.
    Findings = 8,
    /// Ctrl-C or a termination signal.
    Interrupted = 130,
}

/// What may happen next with a failed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same request may work later: a network cut, a restart, a lock.
    Retry,
    /// A person has to decide or change something first.
    Operator,
    /// Our own mistake: it should be reported to us.
    Bug,
}

/// The meaning of an error, as CLI, job records and API show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable, for scripts and for `docs/errors.md`: `destination_not_empty`.
    pub code: &'static str,
    /// The process exit code it leads to.
    pub exit: Exit,
    /// What may happen next.
    pub next: Next,
    /// What to do about it, one sentence, where there is something to do.
    pub hint: Option<String>,
}

impl Failure {
    /// A run-time failure that a later attempt may not meet.
    pub fn retry(code: &'static str) -> Self {
        Self { code, exit: Exit::Failed, next: Next::Retry, hint: None }
    }

    /// A failure that a person has to act on.
    pub fn operator(code: &'static str, exit: Exit) -> Self {
        Self { code, exit, next: Next::Operator, hint: None }
    }

    /// Something that should not have been possible.
    pub fn bug(code: &'static str) -> Self {
        let hint = "this is a defect in multiboard-sync: please report it with the lines above".to_owned();
        Self { code, exit: Exit::Failed, next: Next::Bug, hint: Some(hint) }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure leading to another exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// An error that knows what it means.
pub trait Classify: std::error::Error {
    /// Code, exit code, what happens next, hint.
    fn classify(&self) -> Failure;
}

/// An error and its causes in one line, `a: b: c`, each cause once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

//! The answer "no", in words that say what was found, which rule matched and who can change it.

use super::rule::Rule;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::name::for_people;

/// A destination was refused. Exit code 6.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused to write to database {database} at {label}: {resolved}; rule: {}; who can change it: {}", .rule.says(), .rule.who_can_change_it())]
pub struct Refusal {
    /// The rule that matched.
    pub rule: Rule,
    /// The endpoint, as messages call it.
    pub label: String,
    /// The database, as people read it.
    pub database: String,
    /// What was resolved or seen, in words.
    pub resolved: String,
}

impl Refusal {
    pub(super) fn new(rule: Rule, label: &str, database: &str, resolved: impl Into<String>) -> Self {
        Self { rule, label: label.to_owned(), database: for_people(database), resolved: resolved.into() }
    }
}

impl Classify for Refusal {
    fn classify(&self) -> Failure {
        Failure::operator(self.rule.code(), Exit::Refused)
    }
}

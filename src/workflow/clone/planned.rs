//! The two databases that a plan was made for: a job that is given them runs on these and on no others.

use std::fmt;
use std::str::FromStr;

use crate::engine::preflight::{self, check::Finding};
use crate::pg::Oid;
use crate::workflow::Result;
use crate::workflow::party::{Destination, Source};

/// Both, by what their clusters say of themselves. As text `7713135561477022130/16384>7713135561477022131/-`: each cluster's
/// system identifier and the database's oid there, `-` for a destination that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFor {
    pub source: Place,
    pub destination: Place,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cluster's, a decimal number as text.
    pub system_identifier: String,
    /// The database's; `None`: there is none of its name.
    pub database_oid: Option<Oid>,
}

/// The text is not that of two databases.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not what a plan says that it was made for")]
pub struct NotAPlan(String);

impl PlannedFor {
    pub(super) fn of(source: &Source, destination: &Destination) -> Self {
        Self {
            source: Place {
                system_identifier: source.facts.system_identifier.clone(),
                database_oid: Some(source.facts.database_oid),
            },
            destination: Place {
                system_identifier: destination.grant.system_identifier().to_owned(),
                database_oid: destination.database.as_ref().map(|database| database.oid),
            },
        }
    }

    /// Fails where these are not the two.
    pub(super) fn check(&self, source: &Source, destination: &Destination) -> Result<()> {
        let now = Self::of(source, destination);
        let which = match (self.source == now.source, self.destination == now.destination) {
            (true, true) => return Ok(()),
            (false, true) => "source",
            (true, false) => "destination",
            (false, false) => "source and the destination",
        };
        let finding = Finding {
            code: "plan_outdated",
            message: format!("the {which} of the plan was another database: {self}, and now {now}"),
            hint: "make a new plan, and look at what it would replace".to_owned(),
        };
        Ok(preflight::fail_on(vec![finding])?)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.database_oid {
            Some(oid) => write!(f, "{}/{oid}", self.system_identifier),
            None => write!(f, "{}/-", self.system_identifier),
        }
    }
}

impl fmt::Display for PlannedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.source, self.destination)
    }
}

impl FromStr for PlannedFor {
    type Err = NotAPlan;

    fn from_str(text: &str) -> std::result::Result<Self, NotAPlan> {
        let wrong = || NotAPlan(text.to_owned());
        let place = |text: &str| {
            let (cluster, oid) = text.split_once('/')?;
            let is_number =
                (1..=20).contains(&cluster.len()) && cluster.bytes().all(|byte| byte.is_ascii_digit());
            let database_oid = match oid {
                "-" => None,
                oid => Some(oid.parse().ok()?),
            };
            is_number.then(|| Place { system_identifier: cluster.to_owned(), database_oid })
        };
        let (source, destination) = text.split_once('>').ok_or_else(wrong)?;
        let source = place(source).filter(|place| place.database_oid.is_some()).ok_or_else(wrong)?;
        Ok(Self { source, destination: place(destination).ok_or_else(wrong)? })
    }
}

#[cfg(test)]
mod tests {
    use super::PlannedFor;

    #[test]
    fn the_text_is_read_as_it_is_written() {
        for text in ["7713135561477022130/16384>77/5", "1/2>7713135561477022130/-"] {
            assert_eq!(text.parse::<PlannedFor>().unwrap().to_string(), text);
        }
        for text in ["", "1/2", "1/->1/2", "1/2>x/2", "1/2>1/2/3", "1/2>/2", "1/2>1/-1", "1/2>3/4>5/6"] {
            text.parse::<PlannedFor>().unwrap_err();
        }
    }
}

//! Identifiers that we make: jobs, and the installation that names objects on servers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A job's identity, `job_` and 26 characters of a ULID: sorts by the time it was made and cannot be guessed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Text that is not a job id.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is not a job id; one looks like job_01J9Z3K5V7Q2M4N6P8R0S2T4V6 and is printed when a job starts"
)]
pub struct NotAJobId(String);

impl JobId {
    /// A new identity from the clock and the system's randomness.
    pub fn generate() -> Self {
        Self(format!("job_{}", ulid::Ulid::new()))
    }

    /// The 26 characters after `job_` in lower case: what goes into names on a server.
    pub fn suffix(&self) -> String {
        self.0.trim_start_matches("job_").to_ascii_lowercase()
    }

    /// The whole identity.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, NotAJobId> {
        let wrong = || NotAJobId(text.to_owned());
        let ulid = text.strip_prefix("job_").ok_or_else(wrong)?;
        ulid::Ulid::from_string(ulid).map_err(|_| wrong())?;
        Ok(Self(format!("job_{}", ulid.to_ascii_uppercase())))
    }
}

impl TryFrom<String> for JobId {
    type Error = NotAJobId;

    fn try_from(text: String) -> Result<Self, NotAJobId> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Eight characters `[0-9a-z]` of the system's randomness, for names that two attempts do not share.
pub fn chance() -> String {
    let text = ulid::Ulid::new().to_string().to_ascii_lowercase();
    // The last ones of a ULID are random, the first ones the time.
    text.chars().skip(text.len() - 8).collect()
}

#[cfg(test)]
mod tests {
    use super::JobId;

    #[test]
    fn reads_what_it_prints_and_nothing_else() {
        let id = JobId::generate();
        assert_eq!(id.to_string().parse::<JobId>().expect("own text"), id);
        assert_eq!(id.suffix().len(), 26);
        for wrong in ["", "job_", "01J9Z3K5V7Q2M4N6P8R0S2T4V6", "job_; DROP DATABASE x"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong:?} was taken for a job id");
        }
    }
}

//! What a test job can be asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Wrong;

/// Options of a test job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TestOptions {
    /// So long it works, in seconds, at most an hour [default: 1]
    pub seconds: Option<u32>,
    /// It then fails: `retry` as a cut network would make it fail, `operator` as something that a person has to mend.
    pub fail: Option<Fail>,
}

/// How a test job fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fail {
    /// Another attempt may succeed.
    Retry,
    /// No attempt helps.
    Operator,
}

impl TestOptions {
    pub(super) fn check(&self) -> Result<(), Wrong> {
        match self.seconds {
            Some(seconds) if seconds > 3600 => {
                Err(Wrong::value("seconds", "is a number of seconds, at most 3600"))
            }
            _ => Ok(()),
        }
    }
}

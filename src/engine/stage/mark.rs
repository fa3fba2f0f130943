//! The mark that a database of ours carries in its COMMENT: one of two proofs, beside the recorded oid, that it is ours.

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::safety::MadeFor;

/// What stands in the COMMENT of a database of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The job that made it or put it aside.
    pub job: JobId,
    pub made_for: MadeFor,
    /// The destination database it belongs to.
    pub of: String,
    /// The comment it had before we marked it; `undo` puts it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

const PREFIX: &str = "multiboard-sync: ";

impl Mark {
    /// The comment's text.
    pub fn to_comment(&self) -> String {
        format!("{PREFIX}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a database's comment; `None` where it is not a mark of ours.
    pub fn from_comment(comment: &str) -> Option<Self> {
        serde_json::from_str(comment.strip_prefix(PREFIX)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_other_comments_are_not_marks() {
        let mark = Mark {
            job: JobId::generate(),
            made_for: MadeFor::Staging,
            of: "app".into(),
            comment: Some("the app's own \"comment\"".into()),
        };
        assert_eq!(Mark::from_comment(&mark.to_comment()), Some(mark));
        for other in ["", "multiboard-sync: ", "multiboard-sync: {}", "my database"] {
            assert_eq!(Mark::from_comment(other), None, "{other:?}");
        }
    }
}

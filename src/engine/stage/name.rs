//! The names and marks of the databases that we make, so that only ours are ever renamed or dropped as ours.

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::pg::Ident;
use crate::pg::name::truncated;

/// What a database of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A clone lands here.
    Staging,
    /// The database that a swap replaced: the backup behind `undo`.
    Old,
    /// A clone that was taken back by `undo`.
    Undone,
}

impl Role {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Staging => "unfinished clone",
            Self::Old => "replaced database, kept for undo",
            Self::Undone => "clone taken back by undo",
        }
    }
}

/// The name under which a job's database of this role is made: `mbs_<job>_<database>`, cut to 63 bytes. A job's
/// 26 random characters make it unique, whatever is cut.
pub fn database_name(job: &JobId, role: Role, database: &str) -> Ident {
    let role = match role {
        Role::Staging => "",
        Role::Old => "old_",
        Role::Undone => "undone_",
    };
    Ident::new(truncated(&format!("mbs_{}_{role}{database}", job.suffix())))
}

/// What stands in the COMMENT of a database of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The job that made it or put it aside.
    pub job: JobId,
    pub role: Role,
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
    fn names_are_at_most_63_bytes_and_unique_by_their_job() {
        let (a, b) = (JobId::generate(), JobId::generate());
        let long = "ü".repeat(31);
        let name = database_name(&a, Role::Old, &long);
        assert!(name.as_str().len() <= 63 && name.as_str().starts_with("mbs_"));
        assert_ne!(name, database_name(&b, Role::Old, &long));
        assert_ne!(database_name(&a, Role::Staging, &long), database_name(&a, Role::Old, &long));
    }

    #[test]
    fn a_mark_is_read_back_and_other_comments_are_not_marks() {
        let mark = Mark {
            job: JobId::generate(),
            role: Role::Staging,
            of: "app".into(),
            comment: Some("the app's own \"comment\"".into()),
        };
        assert_eq!(Mark::from_comment(&mark.to_comment()), Some(mark));
        for other in ["", "multiboard-sync: ", "multiboard-sync: {}", "my database"] {
            assert_eq!(Mark::from_comment(other), None, "{other:?}");
        }
    }
}

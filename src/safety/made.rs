//! Names of the databases that we make beside a destination, so that they can be told from everyone else's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::pg::name::truncated;

/// What a database of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MadeFor {
    /// The new database while it is being filled.
    Staging,
    /// The one that was replaced, kept for `undo`.
    Old,
    /// The one that an undo took away again.
    Undone,
}

impl MadeFor {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Staging, Self::Old, Self::Undone];

    /// The word for it, in the store and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Old => "old",
            Self::Undone => "undone",
        }
    }
}

impl fmt::Display for MadeFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `mbs_<job>_<database>` for staging, `mbs_<job>_old_<database>` and `mbs_<job>_undone_<database>` for the others,
/// cut to 63 bytes. The job's 26 characters come first, so that the cut never makes two names equal.
pub fn made_name(job: &JobId, what: MadeFor, database: &str) -> String {
    name_of(&job.suffix(), what, database)
}

/// Whether `name` is one that [`made_name`] gives for `database`, of any job.
pub(super) fn is_made_name_of(name: &str, database: &str) -> bool {
    let Some(rest) = name.strip_prefix("mbs_") else { return false };
    let Some(suffix) = rest.get(..26) else { return false };
    let in_a_job_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    suffix.chars().all(in_a_job_id)
        && MadeFor::ALL.iter().any(|what| name_of(suffix, *what, database) == name)
}

fn name_of(suffix: &str, what: MadeFor, database: &str) -> String {
    truncated(&match what {
        MadeFor::Staging => format!("mbs_{suffix}_{database}"),
        MadeFor::Old | MadeFor::Undone => format!("mbs_{suffix}_{what}_{database}"),
    })
}

#[cfg(test)]
mod tests {
    use super::{MadeFor, is_made_name_of, made_name};
    use crate::id::JobId;

    #[test]
    fn made_names_fit_and_are_known_again() {
        let job = JobId::generate();
        let long = "ü".repeat(31);
        for database in ["app", "Größe \"x\"", long.as_str()] {
            let names = MadeFor::ALL.map(|what| made_name(&job, what, database));
            for name in &names {
                assert!(name.len() <= 63 && is_made_name_of(name, database), "{name}");
                assert!(!is_made_name_of(name, "other"), "{name}");
            }
            let [staging, old, undone] = &names;
            assert!(staging != old && old != undone && staging != undone, "{names:?}");
        }
        for name in ["mbs_app", "mbs_", "app", "mbs_01J9Z3K5V7Q2M4N6P8R0S2T4V6_app", "mbs_old_app"] {
            assert!(!is_made_name_of(name, "app"), "{name}");
        }
    }
}

//! What a swap does, as values, and the one transaction that does it.

use super::create::comment_on;
use crate::pg::{Ident, Oid, Sql};
use crate::sql;

/// One rename of a swap.
#[derive(Clone, Debug)]
pub struct Rename {
    /// The database, known by its oid; its name may not have changed since.
    pub oid: Oid,
    pub from: Ident,
    pub to: Ident,
    /// The comment it has afterwards: a mark, its own, or none.
    pub comment: Option<String>,
}

/// What a swap does, all of it in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The old one steps aside first, then the new one takes its name.
    pub renames: Vec<Rename>,
    /// Whether the old one may only step aside if it holds no object of users.
    pub only_if_empty: bool,
    /// A database that nobody but us has had business in: what a pooler keeps of our sessions there is ended.
    pub never_shared: Option<Oid>,
    /// What the old one was to hand over when the statements below were made of it ([`facts::standing`](super::facts::standing)).
    pub standing: Option<(Oid, String)>,
    /// Statements on the database that came in: owner, privileges, connection limit.
    pub after: Vec<Sql>,
}

/// What is reported as done has to outlive a crash, whatever the server's `synchronous_commit`; one that waits for more than
/// the own disk is left as it is.
const DURABLE: &str = "SELECT pg_catalog.set_config('synchronous_commit', CASE c.value WHEN 'off' THEN 'local' ELSE c.value END, true) \
     FROM pg_catalog.current_setting('synchronous_commit') AS c (value)";

impl Plan {
    /// The whole transaction but for its COMMIT.
    pub(super) fn renames_in_a_transaction(&self) -> Sql {
        let mut statement = Sql::fixed("BEGIN; SET LOCAL lock_timeout = '10s'; ");
        statement.push_fixed(DURABLE);
        for rename in &self.renames {
            let comment = comment_on(&rename.from, rename.comment.as_deref());
            statement.push(&sql!(
                "; {c}; ALTER DATABASE {f} RENAME TO {t}",
                c = comment,
                f = rename.from,
                t = rename.to
            ));
        }
        for after in &self.after {
            statement.push_fixed("; ");
            statement.push(after);
        }
        statement
    }
}

//! What rendering makes: pieces of SQL that say what they make and need, and the ordered script built of them.
//!
//! The engine that runs a [`Script`] needs no knowledge of kinds: a step is ready when the steps it waits for are
//! done and the rows it needs are in, and may run beside another when their table locks do not conflict.

use std::collections::HashSet;

use crate::pg::{Oid, Sql, sqlstate};
use crate::schema::model::{Address, Rank};

/// When a step runs, in relation to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before any row: schemas, types, tables, functions, views.
    PreData,
    /// An index: as soon as its table's rows are in, beside other tables' copies.
    Index,
    /// A constraint of tables: as soon as what it needs is there, foreign keys last.
    Constraint,
    /// After the data: triggers, rules, policies, materialized views, publications.
    PostData,
    /// When all is verified: event triggers, which act on whatever is made after them.
    Last,
}

/// A table-level lock mode, weakest first (manual, "Explicit Locking", table of conflicting lock modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    /// Whether two sessions cannot hold these modes on one table at the same time.
    pub fn conflicts_with(self, other: Self) -> bool {
        use LockMode::*;
        let (weak, strong) = if self <= other { (self, other) } else { (other, self) };
        match strong {
            AccessExclusive => true,
            Exclusive => weak >= RowShare,
            ShareRowExclusive => weak >= RowExclusive,
            Share => matches!(weak, RowExclusive | ShareUpdateExclusive),
            ShareUpdateExclusive => weak == ShareUpdateExclusive,
            AccessShare | RowShare | RowExclusive => false,
        }
    }
}

/// A lock that a step takes on a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    /// The table, by its oid on the source.
    pub table: Oid,
    pub mode: LockMode,
}

/// SQL that makes one object, or one part of it, before ordering.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it makes. Other pieces' dependencies point at it.
    pub makes: Address,
    /// What else comes with it: a table's row type, its columns, inlined constraints.
    pub also_makes: Vec<Address>,
    /// Orders pieces that are free of each other; see [`crate::schema::model::Rank`].
    pub rank: Rank,
    /// For people and reports: `table public.orders`.
    pub label: String,
    pub phase: Phase,
    /// Statements, run one after the other.
    pub sql: Vec<Sql>,
    /// What must be there first, beyond what `pg_depend` says of `makes` and `also_makes`.
    pub needs: Vec<Address>,
    /// What `pg_depend` says must be there first although this SQL does not use it, another piece does: a sequence
    /// is made before the column that owns it.
    pub does_not_need: Vec<Address>,
    /// The object that this is a part of and goes with: if that is left out, so is this, without a line of its own
    /// in the report. An index of its table, a comment of its object.
    pub part_of: Option<Address>,
    /// The same in several steps, a bare form first and then what completes it: used where the piece as a whole is
    /// in a circle of dependencies, or where only the completing part needs something that is left out.
    pub fallback: Option<Vec<Piece>>,
    /// Tables whose rows must be in first (source oids).
    pub needs_rows_of: Vec<Oid>,
    /// Locks it takes on tables that may be in use by other steps.
    pub locks: Vec<Lock>,
    /// Which of its failures the rest goes on after.
    pub tolerated: Tolerated,
    /// The index that it builds, for progress.
    pub builds: Option<crate::pg::QualifiedName>,
}

/// Which failures of a step the rest goes on after, with a line in the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tolerated {
    #[default]
    Nothing,
    /// That a name is not found: a function of the user's that does not set its `search_path` may fail under the
    /// empty one, as it does for pg_dump.
    MissingNames,
    /// All: what the source itself may be unable to do, such as refreshing a materialized view.
    Anything,
}

impl Tolerated {
    /// Whether a failure with this code is one of them.
    pub fn covers(self, code: Option<&str>) -> bool {
        let unnamed = [
            sqlstate::UNDEFINED_TABLE,
            sqlstate::UNDEFINED_OBJECT,
            sqlstate::UNDEFINED_COLUMN,
            sqlstate::UNDEFINED_FUNCTION,
            sqlstate::INVALID_SCHEMA_NAME,
        ];
        match self {
            Self::Nothing => false,
            Self::MissingNames => code.is_some_and(|code| unnamed.contains(&code)),
            Self::Anything => true,
        }
    }
}

impl Piece {
    /// A piece without statements, needs or locks, to be filled with `..`.
    pub fn new(makes: Address, rank: Rank, phase: Phase, label: impl Into<String>) -> Self {
        Self {
            makes,
            also_makes: Vec::new(),
            rank,
            label: label.into(),
            phase,
            sql: Vec::new(),
            needs: Vec::new(),
            does_not_need: Vec::new(),
            part_of: None,
            fallback: None,
            needs_rows_of: Vec::new(),
            locks: Vec::new(),
            tolerated: Tolerated::Nothing,
            builds: None,
        }
    }
}

/// A piece in its place.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it makes, by its address on the source.
    pub makes: Address,
    /// Its kind's place among the kinds.
    pub rank: Rank,
    pub label: String,
    pub phase: Phase,
    pub sql: Vec<Sql>,
    /// Positions in [`Script::steps`], all smaller than this step's own.
    pub waits_for: Vec<usize>,
    pub needs_rows_of: Vec<Oid>,
    pub locks: Vec<Lock>,
    /// Which of its failures the rest goes on after.
    pub tolerated: Tolerated,
    /// The index that it builds, for progress.
    pub builds: Option<crate::pg::QualifiedName>,
}

impl Step {
    /// What it costs a server, in tenths of a millisecond, where no rows are involved: files of a table with its TOAST
    /// and keys, of a sequence; catalog rows only of the rest (measured on PostgreSQL 15).
    pub fn effort(&self) -> u64 {
        let first = match self.rank {
            Rank::Table => 10,
            Rank::Sequence => 4,
            Rank::Extension => 100,
            Rank::Function | Rank::Aggregate | Rank::Type | Rank::View => 3,
            Rank::Trigger | Rank::Policy | Rank::Rule => 3,
            _ => 1,
        };
        first + (self.sql.len() as u64).saturating_sub(1)
    }

    /// The table that is read through when it runs: it validates a constraint. A key brings its index.
    pub fn scanned(&self) -> Option<Oid> {
        match self.rank {
            Rank::ForeignKey | Rank::Check => self.needs_rows_of.first().copied(),
            _ => None,
        }
    }
}

/// Something of the source that the script does not make, and why: a line of the report, never silence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Skipped {
    /// `extension postgis`, `foreign key orders_customer_fkey on public.orders`.
    pub object: String,
    /// Lower case, no full stop: `not available on the destination`.
    pub reason: String,
}

/// The whole schema in an order that works; running the steps one after the other is always right.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub steps: Vec<Step>,
    pub skipped: Vec<Skipped>,
    /// Everything that the steps make, parts included.
    pub made: HashSet<Address>,
}

impl Script {
    /// Whether the steps make this object (or it comes with one that they make).
    pub fn makes(&self, address: Address) -> bool {
        self.made.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::LockMode::*;

    /// The manual's table of conflicting lock modes, a row a mode.
    #[test]
    fn lock_modes_conflict_as_in_the_manual() {
        let modes = [
            AccessShare,
            RowShare,
            RowExclusive,
            ShareUpdateExclusive,
            Share,
            ShareRowExclusive,
            Exclusive,
            AccessExclusive,
        ];
        let table =
            [".......x", "......xx", "....xxxx", "...xxxxx", "..xx.xxx", "..xxxxxx", ".xxxxxxx", "xxxxxxxx"];
        for (a, row) in modes.iter().zip(table) {
            for (b, cell) in modes.iter().zip(row.chars()) {
                assert_eq!(a.conflicts_with(*b), cell == 'x', "{a:?} with {b:?}");
            }
        }
    }
}

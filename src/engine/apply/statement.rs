//! The statements that write many rows of one table at once, and their parameters: an array for each column.
//!
//! ```text
//! INSERT INTO s.t (a, b) SELECT u.v0, u.v1::pg_catalog._int4 FROM ROWS FROM (unnest($1::pg_catalog.int4[]), unnest($2::pg_catalog.text[])) AS u (v0, v1)
//! UPDATE ONLY s.t AS t SET b = u.v0 FROM ROWS FROM (unnest($1 ..), unnest($2 ..)) AS u (k0, v0) WHERE t.a OPERATOR(pg_catalog.=) u.k0
//! COPY s.t (a, b) FROM STDIN, where there are more than some
//! DELETE FROM ONLY s.t AS t USING ROWS FROM (unnest($1 ..)) AS u (k0) WHERE t.a OPERATOR(pg_catalog.=) u.k0
//! ```
//!
//! Values are read by the input function of the column's own type, as on the source: a cast from text would be another
//! function for some types. `ROWS FROM` puts the elements of several arrays side by side (manual, "Table Functions").

use super::equality::exactly;
use super::table::{Column, Sent, Table};
use crate::pg::{Ident, Sql};
use crate::sql;

/// What a statement does with each row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Insert,
    /// The same for many rows, by COPY: in binary form or as text.
    Copy {
        binary: bool,
    },
    /// Sets the columns at these positions of [`Table::sent`].
    Update {
        set: Vec<usize>,
    },
    /// Sets the columns at these positions, and among them those whose values are always generated, which no UPDATE can.
    Renumber {
        set: Vec<usize>,
    },
    Delete,
    /// Deletes one row that is like the old one; whether each of its values is in a unique index, and NULL.
    DeleteFull {
        null: Vec<bool>,
    },
    /// Updates one such row.
    UpdateFull {
        null: Vec<bool>,
        set: Vec<usize>,
    },
    /// Updates one such row, as [`Kind::Renumber`].
    RenumberFull {
        null: Vec<bool>,
        set: Vec<usize>,
    },
}

impl Kind {
    /// Whether it finds one row by all of its columns.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::DeleteFull { .. } | Self::UpdateFull { .. } | Self::RenumberFull { .. })
    }
}

/// Which value of a row a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// The value of the identity at this position of the key.
    Key(usize),
    /// The old value at this position of a tuple.
    Old(usize),
    /// The new value at this position of a tuple.
    New(usize),
}

/// A statement and where its parameters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub sql: Sql,
    pub parameters: Vec<Takes>,
}

impl Table {
    /// The table without those that inherit from it, which have rows of their own; a partitioned one has rows in these only.
    pub(super) fn alone(&self) -> Sql {
        match self.partitioned {
            true => sql!("{t}", t = self.name),
            false => sql!("ONLY {t}", t = self.name),
        }
    }

    /// The columns that an update of a row to `new` sets: those with a value, but for identity columns that are always
    /// generated, which no UPDATE can set, and for what is computed here.
    pub fn set_by(&self, is_unchanged: impl Fn(usize) -> bool) -> Vec<usize> {
        let sets =
            |sent: &Sent| !sent.column.always_identity && !sent.column.generated && !is_unchanged(sent.at);
        self.sent.iter().enumerate().filter(|(_, sent)| sets(sent)).map(|(position, _)| position).collect()
    }

    /// The statement that does `kind` to many rows; `None` where it would do nothing: an update without a column.
    pub fn statement(&self, kind: &Kind) -> Option<Statement> {
        match kind {
            Kind::Insert => Some(self.insert()),
            Kind::Copy { binary } => self.copy(*binary),
            Kind::Update { set } => self.update(set),
            Kind::Delete => Some(self.delete()),
            Kind::DeleteFull { null } => Some(self.delete_full(null)),
            Kind::UpdateFull { null, set } => self.update_full(null, set),
            Kind::Renumber { set } => Some(self.renumber(set)),
            Kind::RenumberFull { null, set } => Some(self.renumber_full(null, set)),
        }
    }

    fn insert(&self) -> Statement {
        let written = || self.sent.iter().filter(|sent| !sent.column.generated);
        let columns = || written().map(|sent| &sent.column);
        if written().next().is_none() {
            // One NULL for each row, of which nothing is taken.
            let insert =
                sql!("INSERT INTO {t} SELECT FROM pg_catalog.unnest($1::pg_catalog.text[])", t = self.name);
            return Statement { sql: insert, parameters: vec![Takes::New(usize::MAX)] };
        }
        let insert = sql!(
            "INSERT INTO {t} ({c}) OVERRIDING SYSTEM VALUE SELECT {v} FROM {u}",
            t = self.name,
            c = Sql::join(columns().map(|column| column.name.clone()), ", "),
            v = Sql::join(columns().enumerate().map(|(at, column)| value(column, "v", at)), ", "),
            u = unnest(&[], &columns().collect::<Vec<_>>())
        );
        Statement { sql: insert, parameters: written().map(|sent| Takes::New(sent.at)).collect() }
    }

    /// COPY writes identity columns as INSERT does with OVERRIDING SYSTEM VALUE. `None` for a table without columns: its rows
    /// are nothing to copy.
    fn copy(&self, binary: bool) -> Option<Statement> {
        let written = || self.sent.iter().filter(|sent| !sent.column.generated);
        written().next()?;
        let copy = sql!(
            "COPY {t} ({c}) FROM STDIN{f}",
            t = self.name,
            c = Sql::join(written().map(|sent| sent.column.name.clone()), ", "),
            f = Sql::fixed(if binary { " (FORMAT binary)" } else { "" })
        );
        Some(Statement { sql: copy, parameters: written().map(|sent| Takes::New(sent.at)).collect() })
    }

    fn update(&self, set: &[usize]) -> Option<Statement> {
        let set: Vec<&Sent> = set.iter().filter_map(|position| self.sent.get(*position)).collect();
        if set.is_empty() {
            return None;
        }
        let columns: Vec<&Column> = set.iter().map(|sent| &sent.column).collect();
        let assignments = columns
            .iter()
            .enumerate()
            .map(|(at, column)| sql!("{n} = {v}", n = column.name, v = value(column, "v", at)));
        let update = sql!(
            "UPDATE {t} AS t SET {a} FROM {u} WHERE {k}",
            t = self.alone(),
            a = Sql::join(assignments, ", "),
            u = unnest(&self.key_columns(), &columns),
            k = self.is_row()
        );
        let mut parameters = self.key_parameters();
        parameters.extend(set.iter().map(|sent| Takes::New(sent.at)));
        Some(Statement { sql: update, parameters })
    }

    fn delete(&self) -> Statement {
        let delete = sql!(
            "DELETE FROM {t} AS t USING {u} WHERE {k}",
            t = self.alone(),
            u = unnest(&self.key_columns(), &[]),
            k = self.is_row()
        );
        Statement { sql: delete, parameters: self.key_parameters() }
    }

    pub(super) fn key_columns(&self) -> Vec<&Column> {
        self.key.iter().filter_map(|position| self.sent.get(*position)).map(|sent| &sent.column).collect()
    }

    pub(super) fn key_parameters(&self) -> Vec<Takes> {
        (0..self.key.len()).map(Takes::Key).collect()
    }

    /// The columns of the identity compared, by their index's own equality or, where no unique index here has the
    /// column, by their text.
    pub(super) fn is_row(&self) -> Sql {
        let equal = self.key_columns().into_iter().enumerate().map(|(at, column)| {
            let (mine, key) = (sql!("t.{c}", c = column.name), value(column, "k", at));
            match &column.equality {
                Some(equality) => equality.of(&mine, &key),
                None => sql!("{m} = {k}", m = exactly(column, &mine), k = exactly(column, &key)),
            }
        });
        Sql::join(equal, " AND ")
    }
}

fn of_u(kind: &'static str, at: usize) -> Ident {
    Ident::new(format!("{kind}{at}"))
}

pub(super) fn value(column: &Column, kind: &'static str, at: usize) -> Sql {
    match column.as_text {
        true => sql!("u.{v}::{t}", v = of_u(kind, at), t = column.of),
        false => sql!("u.{v}", v = of_u(kind, at)),
    }
}

pub(super) fn unnest(keys: &[&Column], values: &[&Column]) -> Sql {
    let all = || keys.iter().chain(values);
    let parameters = all().zip(1_u32..).map(|(column, number)| match column.as_text {
        true => sql!("pg_catalog.unnest(${n}::pg_catalog.text[])", n = number),
        false => sql!("pg_catalog.unnest(${n}::{t}[])", n = number, t = column.of),
    });
    let names = (0..keys.len()).map(|at| of_u("k", at)).chain((0..values.len()).map(|at| of_u("v", at)));
    sql!("ROWS FROM ({p}) AS u ({n})", p = Sql::join(parameters, ", "), n = Sql::join(names, ", "))
}

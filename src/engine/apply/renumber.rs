//! Updates that give a row another number in a column `GENERATED ALWAYS AS IDENTITY`, as `SET id = DEFAULT` does on the source.
//! No UPDATE can set such a column to a value of ours: the row goes and comes again, with what it had in all other columns.
//!
//! Whether the number is another is known where the old one came too, as it does where the column is part of the identity; else
//! the statement looks at the row that is here, and updates it where the number is what it was.
//!
//! ```text
//! WITH r AS MATERIALIZED (SELECT * FROM ROWS FROM (unnest($1 ..), unnest($2 ..)) AS u (k0, v0, ..)),
//!      gone (c0, ..) AS (DELETE FROM ONLY s.t AS t USING r AS u WHERE t.a = u.k0 AND t.n IS DISTINCT FROM u.v0 RETURNING u.v0, t.b, ..),
//!      put AS (INSERT INTO s.t (n, b, ..) OVERRIDING SYSTEM VALUE SELECT * FROM gone RETURNING 1),
//!      kept AS (UPDATE ONLY s.t AS t SET .. FROM r AS u WHERE t.a = u.k0 AND NOT t.n IS DISTINCT FROM u.v0 RETURNING 1)
//! SELECT FROM put UNION ALL SELECT FROM kept
//! ```

use super::statement::{Kind, Statement, Takes, unnest, value};
use super::table::{Column, Sent, Table};
use crate::pg::pgoutput::{Tuple, Value};
use crate::pg::{Ident, Sql};
use crate::sql;

impl Table {
    /// What updates a row that its identity finds to `new`; `old` is the old identity, where that came.
    pub(super) fn update_to(&self, new: &Tuple, old: Option<&Tuple>) -> Kind {
        // What identifies the row is what it was, unless the old one came.
        let is_known = |at: usize| match old {
            Some(old) => self.identity.contains(&at) && old.0.get(at) == new.0.get(at),
            None => self.identity.contains(&at),
        };
        match self.may_renumber(new, is_known) {
            true => Kind::Renumber { set: self.set_and_numbers(new) },
            false => Kind::Update { set: self.set_by(|at| is_unchanged(new, at)) },
        }
    }

    /// The same for a row that all of its columns find.
    pub(super) fn update_full_to(&self, new: &Tuple, old: &Tuple, null: Vec<bool>) -> Kind {
        match self.may_renumber(new, |at| old.0.get(at) == new.0.get(at)) {
            true => Kind::RenumberFull { null, set: self.set_and_numbers(new) },
            false => Kind::UpdateFull { null, set: self.set_by(|at| is_unchanged(new, at)) },
        }
    }

    fn may_renumber(&self, new: &Tuple, is_known: impl Fn(usize) -> bool) -> bool {
        let mut numbers = self.sent.iter().filter(|sent| sent.column.always_identity);
        numbers.any(|sent| !is_unchanged(new, sent.at) && !is_known(sent.at))
    }

    fn set_and_numbers(&self, new: &Tuple) -> Vec<usize> {
        let sets = |sent: &Sent| !sent.column.generated && !is_unchanged(new, sent.at);
        self.sent.iter().enumerate().filter(|(_, sent)| sets(sent)).map(|(position, _)| position).collect()
    }

    /// Updates rows, some of which may get another number. `set` has the columns of the numbers too.
    pub(super) fn renumber(&self, set: &[usize]) -> Statement {
        let set: Vec<&Sent> = set.iter().filter_map(|position| self.sent.get(*position)).collect();
        let columns: Vec<&Column> = set.iter().map(|sent| &sent.column).collect();
        let (numbers, others): (Vec<_>, Vec<_>) =
            columns.iter().enumerate().partition(|(_, column)| column.always_identity);
        let is_another = Sql::join(
            numbers.into_iter().map(|(at, column)| {
                sql!("t.{c} IS DISTINCT FROM {v}", c = column.name, v = value(column, "v", at))
            }),
            " OR ",
        );
        let is_kept = sql!("{k} AND NOT ({a})", k = self.is_row(), a = is_another);
        let assignments: Vec<Sql> = others
            .into_iter()
            .map(|(at, column)| sql!("{c} = {v}", c = column.name, v = value(column, "v", at)))
            .collect();
        let kept = match assignments.is_empty() {
            true => sql!("SELECT 1 FROM {t} AS t, r AS u WHERE {w}", t = self.alone(), w = is_kept),
            false => sql!(
                "UPDATE {t} AS t SET {a} FROM r AS u WHERE {w} RETURNING 1",
                t = self.alone(),
                a = Sql::join(assignments, ", "),
                w = is_kept
            ),
        };
        let (names, values) = self.again(&columns);
        let renumber = sql!(
            "WITH r AS MATERIALIZED (SELECT * FROM {u}), \
             gone ({g}) AS (DELETE FROM {o} AS t USING r AS u WHERE {k} AND ({a}) RETURNING {v}), \
             put AS (INSERT INTO {t} ({n}) OVERRIDING SYSTEM VALUE SELECT * FROM gone RETURNING 1), \
             kept AS ({kept}) SELECT FROM put UNION ALL SELECT FROM kept",
            u = unnest(&self.key_columns(), &columns),
            g = numbered(names.len()),
            o = self.alone(),
            k = self.is_row(),
            a = is_another,
            v = Sql::join(values, ", "),
            t = self.name,
            n = Sql::join(names, ", "),
            kept = kept
        );
        let mut parameters = self.key_parameters();
        parameters.extend(set.iter().map(|sent| Takes::New(sent.at)));
        Statement { sql: renumber, parameters }
    }

    /// Gives one row that is like the old one another number, and what else is new.
    pub(super) fn renumber_full(&self, null: &[bool], set: &[usize]) -> Statement {
        let set: Vec<&Sent> = set.iter().filter_map(|position| self.sent.get(*position)).collect();
        let columns: Vec<&Column> = set.iter().map(|sent| &sent.column).collect();
        let (names, values) = self.again(&columns);
        let renumber = sql!(
            "WITH gone ({g}) AS (DELETE FROM {o} AS t USING {u} WHERE {w} RETURNING {v}) \
             INSERT INTO {t} ({n}) OVERRIDING SYSTEM VALUE SELECT * FROM gone",
            g = numbered(names.len()),
            o = self.alone(),
            u = unnest(&self.all(), &columns),
            w = self.one_like(null, &columns),
            v = Sql::join(values, ", "),
            t = self.name,
            n = Sql::join(names, ", ")
        );
        let mut parameters = self.old_parameters();
        parameters.extend(set.iter().map(|sent| Takes::New(sent.at)));
        Statement { sql: renumber, parameters }
    }

    /// The columns that a row has to get when it comes again, and what it gets: what is set, else what the old one had.
    fn again(&self, set: &[&Column]) -> (Vec<Ident>, Vec<Sql>) {
        let old = |name: &Ident| (name.clone(), sql!("t.{c}", c = *name));
        let new = set.iter().enumerate().map(|(at, column)| (column.name.clone(), value(column, "v", at)));
        let is_set = |name: &Ident| set.iter().any(|column| column.name == *name);
        let sent = self.sent.iter().map(|sent| &sent.column).filter(|column| !column.generated);
        let sent = sent.map(|column| &column.name).filter(|name| !is_set(name)).map(old);
        new.chain(sent).chain(self.own.iter().map(old)).unzip()
    }
}

fn is_unchanged(new: &Tuple, at: usize) -> bool {
    new.0.get(at) == Some(&Value::Unchanged)
}

fn numbered(columns: usize) -> Sql {
    Sql::join((0..columns).map(|at| Ident::new(format!("c{at}"))), ", ")
}

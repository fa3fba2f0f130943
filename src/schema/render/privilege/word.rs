//! Privileges as SQL spells them: `ALL` for all that an object can have, else one by one, with the column each.

use crate::pg::{Ident, Sql};
use crate::schema::options::Options;
use crate::sql;

/// Privileges that a table has before PostgreSQL 17 brought MAINTAIN.
const KINDS_OF_OLD_TABLES: usize = 7;

/// How to speak of the privileges of one object, or of objects to come.
pub(in crate::schema) struct Words<'a> {
    /// What stands before each statement: nothing, or `ALTER DEFAULT PRIVILEGES .. `.
    pub(in crate::schema) before: Sql,
    /// What follows ON.
    pub(in crate::schema) subject: &'a Sql,
    pub(in crate::schema) column: Option<&'a Ident>,
    /// How many privileges are ALL on the destination.
    pub(in crate::schema) all: usize,
}

/// How many privileges are ALL on the destination, of those that are `kinds` on the source.
pub(in crate::schema) fn all(kinds: usize, of_tables: bool, options: &Options) -> usize {
    let more = of_tables && kinds == KINDS_OF_OLD_TABLES && options.destination_version.at_least(17);
    kinds + usize::from(more)
}

impl Words<'_> {
    pub(in crate::schema) fn revoke(&self, privileges: &[&str], from: &Sql) -> Sql {
        let (before, what, subject) = (&self.before, self.list(privileges), self.subject);
        sql!(
            "{before}REVOKE {what} ON {subject} FROM {from}",
            before = before,
            what = what,
            subject = subject,
            from = from
        )
    }

    pub(in crate::schema) fn grant(&self, privileges: &[&str], to: &Sql, grantable: bool) -> Sql {
        sql!(
            "{before}GRANT {what} ON {subject} TO {to}{option}",
            before = self.before,
            what = self.list(privileges),
            subject = self.subject,
            to = to,
            option = Sql::fixed(if grantable { " WITH GRANT OPTION" } else { "" })
        )
    }

    fn list(&self, privileges: &[&str]) -> Sql {
        let column = self.column.map_or_else(Sql::default, |column| sql!("({column})", column = column));
        if privileges.len() == self.all {
            return sql!("ALL{column}", column = column);
        }
        let known = privileges.iter().filter_map(|privilege| word(privilege));
        Sql::join(known.map(|word| sql!("{word}{column}", word = Sql::fixed(word), column = column)), ", ")
    }
}

/// Every privilege that an object can have (manual, "ACL Privilege Abbreviations").
fn word(privilege: &str) -> Option<&'static str> {
    const WORDS: [&str; 15] = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
        "MAINTAIN",
        "CREATE",
        "CONNECT",
        "TEMPORARY",
        "EXECUTE",
        "USAGE",
        "SET",
        "ALTER SYSTEM",
    ];
    WORDS.into_iter().find(|word| *word == privilege)
}

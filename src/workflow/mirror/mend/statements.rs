//! The statements that would give a table of the destination the form that the source's changes need, and what a person has to
//! know beside them. Values in, values out.

use std::fmt;

use crate::engine::apply::unlike::Unlike;
use crate::pg::{Ident, QualifiedName, Sql};
use crate::sql;

/// Statements for a person, and what they have to know beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mend {
    pub(super) statements: Vec<Sql>,
    pub(super) remarks: Vec<String>,
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("on the destination: ")?;
        for statement in &self.statements {
            write!(f, "{}; ", statement.as_str())?;
        }
        for remark in &self.remarks {
            write!(f, "({remark}) ")?;
        }
        f.write_str("and start the mirror again")
    }
}

/// A column as the source's catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) name: Ident,
    pub(super) kind: Sql,
    pub(super) collation: Option<Sql>,
    pub(super) expression: Option<Sql>,
    /// `s` stored, `v` virtual, empty: it is not generated.
    pub(super) generated: String,
    /// `a` always, `d` by default, empty: none.
    pub(super) identity: String,
    pub(super) not_null: bool,
    /// What rows had that were there when it was added.
    pub(super) missing: Option<Sql>,
}

/// What one side has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) schemas: Vec<Ident>,
    pub(super) tables: Vec<Named>,
}

/// A table of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: QualifiedName,
    pub(super) columns: Vec<String>,
}

/// The statement for columns. `here` are the names of those that the destination has.
pub(super) fn columns(table: &QualifiedName, unlike: &Unlike, there: &[Definition], here: &[String]) -> Mend {
    let mut mend = Mend::default();
    let (mut actions, mut later) = (Vec::new(), Vec::new());
    let known = |name: &str| there.iter().find(|one| one.name.as_str() == name);
    let orphans: Vec<Ident> = here.iter().filter(|name| known(name).is_none()).map(Ident::new).collect();
    for column in unlike.missing.iter().filter_map(|column| known(&column.name)) {
        let Added { add, then, remark } = column.add();
        actions.push(add);
        later.extend(then);
        mend.remarks.extend(remark);
    }
    for (column, here) in unlike.types.iter().filter_map(|(column, here)| Some((known(&column.name)?, here)))
    {
        if column.kind.as_str() == here {
            mend.remarks
                .push(format!("{here} itself is another on each side: ALTER TYPE on the destination"));
            continue;
        }
        actions.push(column.change());
        mend.remarks.push(
            "where the source changed the column with an expression of its own, USING needs that one"
                .to_owned(),
        );
    }
    for column in &unlike.required {
        actions.push(sql!("ALTER COLUMN {c} DROP NOT NULL", c = column));
        if orphans.contains(column) {
            mend.remarks.push(format!(
                "the source has no column {} any more: DROP COLUMN would do too",
                column.quoted()
            ));
        }
    }
    for column in &unlike.computed {
        actions.push(sql!("ALTER COLUMN {c} DROP EXPRESSION", c = column));
    }
    for actions in [actions, later].into_iter().filter(|actions| !actions.is_empty()) {
        mend.statements.push(sql!("ALTER TABLE {t} {a}", t = *table, a = Sql::join(actions, ", ")));
    }
    if let (false, [missing, ..]) = (orphans.is_empty(), unlike.missing.as_slice()) {
        let old = orphans.iter().map(Ident::quoted).collect::<Vec<_>>().join(", ");
        mend.remarks.push(format!(
            "the source has no {old} any more: if that has a new name there, ALTER TABLE {t} RENAME COLUMN {from} TO {to} \
             keeps its values",
            t = table.quoted(),
            from = orphans.first().map(Ident::quoted).unwrap_or_default(),
            to = Ident::new(&missing.name).quoted()
        ));
    }
    mend
}

/// How a column is added.
struct Added {
    add: Sql,
    /// What can only be said of a column that is there.
    then: Option<Sql>,
    remark: Option<String>,
}

impl Definition {
    /// One of which nothing is known but its name.
    pub(super) fn plain(name: &str) -> Self {
        Self {
            name: Ident::new(name),
            kind: Sql::default(),
            collation: None,
            expression: None,
            generated: String::new(),
            identity: String::new(),
            not_null: false,
            missing: None,
        }
    }

    /// What adds it to a table with rows, so that these have what the source's rows have; and what cannot be known.
    fn add(&self) -> Added {
        let mut add = sql!("ADD COLUMN {n} {d}", n = self.name, d = self.typed());
        let name = self.name.quoted();
        let (mut then, mut remark) = (None, None);
        match (&self.expression, self.generated.as_str(), self.identity.as_str(), &self.missing) {
            (Some(expression), "s" | "v", ..) => {
                add.push(&sql!(" GENERATED ALWAYS AS ({e})", e = expression));
                add.push_fixed(if self.generated == "s" { " STORED" } else { " VIRTUAL" });
            }
            (_, _, "a" | "d", _) => {
                add.push_fixed(match self.identity.as_str() {
                    "a" => " GENERATED ALWAYS AS IDENTITY",
                    _ => " GENERATED BY DEFAULT AS IDENTITY",
                });
                remark = Some(format!(
                    "the rows that are there get numbers in {name} that may not be the source's: compare them"
                ));
            }
            (Some(expression), .., Some(_)) => {
                add.push(&sql!(" DEFAULT {e}", e = expression));
                if self.not_null {
                    add.push_fixed(" NOT NULL");
                }
            }
            (None, .., Some(missing)) => {
                add.push(&sql!(" DEFAULT {m}", m = missing));
                then = Some(sql!("ALTER COLUMN {n} DROP DEFAULT", n = self.name));
            }
            (Some(expression), .., None) => {
                then = Some(sql!("ALTER COLUMN {n} SET DEFAULT {e}", n = self.name, e = expression));
                remark = Some(format!(
                    "if the source gave the rows that were there values in {name} when it was added, no change tells of \
                     them: the table has to be copied again"
                ));
            }
            (None, .., None) => {}
        }
        Added { add, then, remark }
    }

    fn change(&self) -> Sql {
        sql!("ALTER COLUMN {n} TYPE {d} USING {n}::{k}", n = self.name, d = self.typed(), k = self.kind)
    }

    fn typed(&self) -> Sql {
        match &self.collation {
            Some(collation) => sql!("{k} COLLATE {c}", k = self.kind, c = collation),
            None => self.kind.clone(),
        }
    }
}

/// The statement that gives a table of the destination the name that it has on the source by now: where exactly one is there
/// with the same columns that the source has not got.
pub(super) fn renamed(table: &QualifiedName, there: &Side, here: &Side) -> Mend {
    let Some(wanted) = there.tables.iter().find(|one| one.name == *table) else { return Mend::default() };
    let only_here = |one: &&Named| !there.tables.iter().any(|other| other.name == one.name);
    let mut alike = here.tables.iter().filter(|one| one.columns == wanted.columns).filter(only_here);
    let (Some(Named { name: old, .. }), None) = (alike.next(), alike.next()) else { return Mend::default() };
    let (schema, name) = (old.schema != table.schema, old.name != table.name);
    let mut statements = Vec::new();
    if schema && !here.schemas.contains(&table.schema) && !there.schemas.contains(&old.schema) {
        statements.push(sql!("ALTER SCHEMA {o} RENAME TO {n}", o = old.schema, n = table.schema));
    } else if schema {
        statements.push(sql!("ALTER TABLE {o} SET SCHEMA {n}", o = *old, n = table.schema));
    }
    if name {
        let moved = QualifiedName { schema: table.schema.clone(), name: old.name.clone() };
        statements.push(sql!("ALTER TABLE {o} RENAME TO {n}", o = moved, n = table.name));
    }
    let remark = format!("if it is {old} under a new name; else make it as `multiboard-sync diff` shows");
    Mend { statements, remarks: vec![remark] }
}

#[cfg(test)]
mod tests {
    use super::{Definition, Named, Side, columns, renamed};
    use crate::change;
    use crate::engine::apply::unlike::Unlike;
    use crate::pg::{Ident, QualifiedName, Sql};

    fn definition(name: &str, kind: &str) -> Definition {
        Definition { kind: Sql::printed_by_server(kind), ..Definition::plain(name) }
    }

    fn sent(name: &str) -> change::Column {
        change::Column { key: false, name: name.to_owned(), type_id: 23, type_modifier: -1 }
    }

    fn printed(text: &str) -> Option<Sql> {
        Some(Sql::printed_by_server(text))
    }

    fn check(unlike: &Unlike, there: &[Definition], here: &[&str], expected: &str) {
        let here: Vec<String> = here.iter().map(|name| (*name).to_owned()).collect();
        let mend = columns(&QualifiedName::new("s", "t"), unlike, there, &here).to_string();
        assert_eq!(mend, format!("on the destination: {expected}and start the mirror again"));
    }

    #[test]
    fn a_new_column_gives_old_rows_what_the_source_s_have() {
        let missing = |name: &str| Unlike { missing: vec![sent(name)], ..Unlike::default() };
        let plain = Definition { collation: printed("pg_catalog.\"C\""), ..definition("b", "text") };
        check(
            &missing("b"),
            &[plain],
            &[],
            "ALTER TABLE \"s\".\"t\" ADD COLUMN \"b\" text COLLATE pg_catalog.\"C\"; ",
        );
        let default = Definition {
            expression: printed("5"),
            missing: printed("'5'"),
            not_null: true,
            ..definition("c", "integer")
        };
        check(
            &missing("c"),
            std::slice::from_ref(&default),
            &[],
            "ALTER TABLE \"s\".\"t\" ADD COLUMN \"c\" integer DEFAULT 5 NOT NULL; ",
        );
        let gone = Definition { expression: None, ..default.clone() };
        check(
            &missing("c"),
            &[gone],
            &[],
            "ALTER TABLE \"s\".\"t\" ADD COLUMN \"c\" integer DEFAULT '5'; ALTER TABLE \"s\".\"t\" ALTER COLUMN \"c\" DROP DEFAULT; ",
        );
        let volatile = Definition { missing: None, ..default };
        check(
            &missing("c"),
            &[volatile],
            &[],
            "ALTER TABLE \"s\".\"t\" ADD COLUMN \"c\" integer; ALTER TABLE \"s\".\"t\" ALTER COLUMN \"c\" SET DEFAULT 5; (if the source gave the rows that \
             were there values in \"c\" when it was added, no change tells of them: the table has to be copied again) ",
        );
    }

    #[test]
    fn a_column_may_have_a_new_name_another_type_or_be_gone() {
        let unlike = Unlike { missing: vec![sent("new")], ..Unlike::default() };
        check(
            &unlike,
            &[definition("id", "integer"), definition("new", "integer")],
            &["id", "old"],
            "ALTER TABLE \"s\".\"t\" ADD COLUMN \"new\" integer; (the source has no \"old\" any more: if that has a new name \
             there, ALTER TABLE \"s\".\"t\" RENAME COLUMN \"old\" TO \"new\" keeps its values) ",
        );
        let unlike = Unlike {
            types: vec![(sent("a"), "smallint".to_owned())],
            required: vec![Ident::new("r")],
            computed: vec![Ident::new("c")],
            ..Unlike::default()
        };
        check(
            &unlike,
            &[definition("a", "numeric(5,2)")],
            &["a", "r"],
            "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" TYPE numeric(5,2) USING \"a\"::numeric(5,2), ALTER COLUMN \"r\" DROP NOT \
             NULL, ALTER COLUMN \"c\" DROP EXPRESSION; (where the source changed the column with an expression of its own, USING needs that one) (the source has \
             no column \"r\" any more: DROP COLUMN would do too) ",
        );
    }

    #[test]
    fn a_table_is_known_again_by_its_columns() {
        let named = |schema: &str, name: &str, columns: &[&str]| Named {
            name: QualifiedName::new(schema, name),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        };
        let wanted = QualifiedName::new("new", "n");
        let side = |tables: &[Named]| Side {
            schemas: tables.iter().map(|one| one.name.schema.clone()).collect(),
            tables: tables.to_vec(),
        };
        let there = side(&[named("new", "n", &["a"]), named("s", "other", &["a"])]);
        let found = |here: &Side| {
            let mend = renamed(&wanted, &there, here);
            mend.statements.iter().map(|sql| sql.as_str().to_owned()).collect::<Vec<_>>()
        };
        let mut here = side(&[named("old", "n", &["a"]), named("s", "other", &["a"])]);
        assert_eq!(found(&here), ["ALTER SCHEMA \"old\" RENAME TO \"new\""]);
        // The schema is here already, with nothing in it.
        here.schemas.push(Ident::new("new"));
        assert_eq!(found(&here), ["ALTER TABLE \"old\".\"n\" SET SCHEMA \"new\""]);
        let here = side(&[named("s", "o", &["a"]), named("s", "other", &["a"])]);
        let expected =
            ["ALTER TABLE \"s\".\"o\" SET SCHEMA \"new\"", "ALTER TABLE \"new\".\"o\" RENAME TO \"n\""];
        assert_eq!(found(&here), expected);
        // Two that might be it, and one that is not.
        let here = side(&[named("s", "o", &["a"]), named("s", "p", &["a"])]);
        assert_eq!(found(&here), [] as [&str; 0]);
        assert_eq!(found(&side(&[named("s", "o", &["a", "b"])])), [] as [&str; 0]);
    }
}

//! What would make the destination's table as the source's changes need it: the statement, in the words of the source's
//! catalog. Nothing here runs one.
//!
//! The catalog is read when the mirror has stopped, and may be ahead of the change that stopped it: what it has not any more
//! is named by what the change said of it.

use std::fmt;

use super::Request;
use crate::change;
use crate::connect::{self, Connection, Settings};
use crate::engine::apply::{self, unlike::Unlike};
use crate::failure::chain;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::diff::{Scope, object::Kind};
use crate::sql;
use crate::workflow::{Error, Result, diff};

/// Statements for a person, and what they have to know beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mend {
    statements: Vec<Sql>,
    remarks: Vec<String>,
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
struct Definition {
    name: Ident,
    kind: Sql,
    collation: Option<Sql>,
    expression: Option<Sql>,
    /// `s` stored, `v` virtual, empty: it is not generated.
    generated: String,
    /// `a` always, `d` by default, empty: none.
    identity: String,
    not_null: bool,
    /// What rows had that were there when it was added.
    missing: Option<Sql>,
}

/// What one side has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Side {
    schemas: Vec<Ident>,
    tables: Vec<Named>,
}

/// A table of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: QualifiedName,
    columns: Vec<String>,
}

/// Adds to an error that is about a table's form what would mend it; any other error comes back as it is.
pub(super) async fn explain(request: &Request, error: Error) -> Error {
    let Error::Apply(of) = error else { return error };
    let found = match &of {
        apply::Error::Unlike { table, id, unlike } => for_columns(request, table, *id, unlike).await,
        apply::Error::TableMissing { table, .. } => for_table(request, table).await,
        _ => return of.into(),
    };
    match found {
        Ok(mend) if !mend.statements.is_empty() => Error::TableForm { of: Box::new(of), mend },
        Ok(_) => of.into(),
        Err(error) => {
            tracing::debug!(error = %chain(&error), "could not read what would mend a table");
            of.into()
        }
    }
}

async fn for_columns(request: &Request, table: &QualifiedName, id: Oid, unlike: &Unlike) -> Result<Mend> {
    let source = connect::source(&request.clone.source.options, &Settings::default()).await?;
    let mut there = definitions(&source, id).await?;
    for column in unlike.missing.iter().chain(unlike.types.iter().map(|(column, _)| column)) {
        if !there.iter().any(|one| one.name.as_str() == column.name) {
            there.extend(as_sent(&source, column).await?);
        }
    }
    source.close().await;
    let destination = connect::source(&request.clone.destination.options, &Settings::default()).await?;
    let here = side(&destination).await?.tables.into_iter().find(|one| one.name == *table);
    destination.close().await;
    let here = here.map(|one| one.columns).unwrap_or_default();
    Ok(columns(table, unlike, &there, &here))
}

/// The statement for columns. `here` are the names of those that the destination has.
fn columns(table: &QualifiedName, unlike: &Unlike, there: &[Definition], here: &[String]) -> Mend {
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
    for column in unlike.types.iter().filter_map(|(column, _)| known(&column.name)) {
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

async fn definitions(source: &Connection, table: Oid) -> Result<Vec<Definition>> {
    let query = Sql::fixed(include_str!("../../../sql/source/column_definitions.sql"));
    let rows = source.query(&query, &[&table]).await?;
    let definitions = rows.iter().map(|row| {
        let printed =
            |column: &str| Ok(row.try_get::<_, Option<String>>(column)?.map(Sql::printed_by_server));
        Ok(Definition {
            name: Ident::new(row.try_get::<_, String>("name")?),
            kind: Sql::printed_by_server(row.try_get::<_, String>("type")?),
            collation: printed("collation")?,
            expression: printed("expression")?,
            generated: row.try_get("generated")?,
            identity: row.try_get("identity")?,
            not_null: row.try_get("not_null")?,
            missing: printed("missing")?,
        })
    });
    Ok(definitions.collect::<std::result::Result<_, _>>().map_err(|error| source.error(error))?)
}

/// A column that the source has not any more, by what its changes say; `None` where its type is gone too.
async fn as_sent(source: &Connection, column: &change::Column) -> Result<Option<Definition>> {
    let query =
        Sql::fixed("SELECT pg_catalog.format_type(t.oid, $2) FROM pg_catalog.pg_type AS t WHERE t.oid = $1");
    let Some(row) = source.query_opt(&query, &[&column.type_id, &column.type_modifier]).await? else {
        return Ok(None);
    };
    let kind: String = row.try_get(0).map_err(|error| source.error(error))?;
    Ok(Some(Definition {
        name: Ident::new(&column.name),
        kind: Sql::printed_by_server(kind),
        collation: None,
        expression: None,
        generated: String::new(),
        identity: String::new(),
        not_null: false,
        missing: None,
    }))
}

async fn for_table(request: &Request, table: &QualifiedName) -> Result<Mend> {
    let source = connect::source(&request.clone.source.options, &Settings::default()).await?;
    let there = side(&source).await?;
    source.close().await;
    let destination = connect::source(&request.clone.destination.options, &Settings::default()).await?;
    let here = side(&destination).await?;
    destination.close().await;
    let renamed = renamed(table, &there, &here);
    if !renamed.statements.is_empty() {
        return Ok(renamed);
    }
    let asked = diff::Request {
        source: request.clone.source.clone(),
        destination: request.clone.destination.clone(),
        scope: Scope { owners: false, privileges: false },
        selection: request.clone.selection.clone(),
        profile: request.clone.profile,
    };
    let found = diff::run(&asked).await?;
    let is_of = |object: &crate::schema::diff::object::Object| {
        let within = match object.kind {
            Kind::Table => Some(&object.name),
            Kind::Constraint | Kind::Index => object.on.as_ref(),
            _ => None,
        };
        object.schema.as_ref() == Some(&table.schema) && within == Some(&table.name)
    };
    let steps = found.plan.steps.into_iter().filter(|step| is_of(&step.object));
    Ok(Mend {
        statements: steps.flat_map(|step| step.sql).collect(),
        remarks: vec!["rows that it had before it came to the mirror are not sent: copy those".to_owned()],
    })
}

/// The statement that gives a table of the destination the name that it has on the source by now: where exactly one is there
/// with the same columns that the source has not got.
fn renamed(table: &QualifiedName, there: &Side, here: &Side) -> Mend {
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

async fn side(connection: &Connection) -> Result<Side> {
    let query = Sql::fixed(include_str!("../../../sql/source/table_columns.sql"));
    let rows = connection.query(&query, &[]).await?;
    let read = || {
        let mut side = Side::default();
        for row in &rows {
            let schema: &str = row.try_get("schema")?;
            side.schemas.push(Ident::new(schema));
            if let Some(name) = row.try_get::<_, Option<&str>>("name")? {
                side.tables
                    .push(Named { name: QualifiedName::new(schema, name), columns: row.try_get("columns")? });
            }
        }
        Ok(side)
    };
    Ok(read().map_err(|error| connection.error(error))?)
}

#[cfg(test)]
mod tests {
    use super::{Definition, Named, Side, columns, renamed};
    use crate::change;
    use crate::engine::apply::unlike::Unlike;
    use crate::pg::{Ident, QualifiedName, Sql};

    fn definition(name: &str, kind: &str) -> Definition {
        Definition {
            name: Ident::new(name),
            kind: Sql::printed_by_server(kind),
            collation: None,
            expression: None,
            generated: String::new(),
            identity: String::new(),
            not_null: false,
            missing: None,
        }
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
            ..Unlike::default()
        };
        check(
            &unlike,
            &[definition("a", "numeric(5,2)")],
            &["a", "r"],
            "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" TYPE numeric(5,2) USING \"a\"::numeric(5,2), ALTER COLUMN \"r\" DROP NOT \
             NULL; (where the source changed the column with an expression of its own, USING needs that one) (the source has \
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

//! Columns that only the source has: added where no row has to be written for it.

use super::of_view::{add_of_view, find_of_view};
use super::{ANEW, find};
use crate::pg::Sql;
use crate::schema::convert::work::Work;
use crate::schema::convert::{Reason, hung};
use crate::schema::diff::Change;
use crate::schema::diff::member::Members;
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::column::{Column, Generated};
use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Catalog, Rank, class, types};
use crate::schema::parse;
use crate::schema::render::column::{Form, actions, definition};
use crate::sql;

/// Whether a table above has the same difference, whose statement does it here too.
fn comes_with_parent(object: &Object, work: &Work<'_>) -> bool {
    let entry = work.at_source(object);
    let parents =
        entry.into_iter().flat_map(|entry| &entry.within).filter(|whole| whole.kind == Kind::Column);
    let all = || work.diff.differences.iter().chain(&work.diff.implied);
    parents
        .into_iter()
        .any(|parent| all().any(|other| other.object == *parent && other.change == Change::Added))
}

/// Adds a column to a table that both sides have.
pub(in crate::schema::convert) fn add(object: &Object, work: &mut Work<'_>) {
    if find_of_view(work.source, object).is_some() {
        add_of_view(object, work);
        return;
    }
    let Some((table, column)) = find(work.source, object) else { return };
    let comes_with_parent = comes_with_parent(object, work);
    let statements = match statements(table, column, work) {
        Ok(_) if comes_with_parent => Vec::new(),
        Ok(statements) => statements,
        Err((reason, text)) => {
            work.leave_out(object, reason, text);
            return;
        }
    };
    let address = Address::column(table.oid, column.number);
    let mut statements = statements;
    let more = actions(column);
    if !more.is_empty() {
        let more = Sql::join(more, ", ");
        statements.push(sql!("ALTER TABLE ONLY {table} {more}", table = table.name, more = more));
    }
    work.alter(object, address, statements);
    if let Some(piece) = work.pieces.last_mut().filter(|piece| piece.makes == address) {
        let default = column.default.as_ref();
        piece.also_makes.extend(default.map(|default| Address::new(class::COLUMN_DEFAULT, default.oid)));
        piece.rank = Rank::TableAttach;
    }
    hang(object, work);
}

/// Whether a column can be added.
pub(in crate::schema::convert) fn may_be_added(object: &Object, work: &Work<'_>) -> bool {
    find(work.source, object).is_some_and(|(table, column)| statements(table, column, work).is_ok())
}

/// Comment and privileges of a column that is new.
fn hang(object: &Object, work: &mut Work<'_>) {
    if let Some(entry) = work.at_source(object) {
        let members = Members::changes(&entry.members, &Members::default());
        hung::alter(object, &members, work);
    }
}

/// ADD COLUMN, if no row has to be written for it: a default that is a constant, or that is the same for all rows, is kept
/// once for all of them. What calls anything else is set for rows to come.
fn statements(table: &Table, column: &Column, work: &Work<'_>) -> Result<Vec<Sql>, (Reason, &'static str)> {
    if column.identity.is_some() || column.generated == Some(Generated::Stored) {
        return Err((Reason::Rewrites, ANEW));
    }
    if table.of_type.is_some() {
        return Err((Reason::NoStatement, "a typed table has its type's columns"));
    }
    if of_domain(column, work.source) {
        return Err((Reason::Rewrites, "every row would be written anew to look at its domain's value"));
    }
    let is_plain =
        column.default.as_ref().is_none_or(|default| is_the_same_for_all(default.expression.as_str()));
    let needs_value = column.not_null.is_some();
    let has_value = column.default.is_some() || column.generated.is_some();
    if needs_value && !has_value {
        return Err((Reason::RowsMayRefuse, "rows that are there would have no value"));
    }
    if needs_value && !is_plain && column.generated.is_none() {
        return Err((Reason::Rewrites, ANEW));
    }
    let inside = is_plain || column.generated.is_some();
    let form = Form {
        with_type: true,
        with_default: inside,
        null_without_default: false,
        identity: None,
        inherits_expression: false,
        inherits_not_null: false,
        not_null_name: None,
    };
    let text = definition(column, form, work.options);
    let word = Sql::fixed(if table.foreign.is_some() { "FOREIGN " } else { "" });
    let mut statements = vec![sql!(
        "ALTER {word}TABLE {table} ADD COLUMN {text}",
        word = word,
        table = table.name,
        text = text
    )];
    if let Some(default) = column.default.as_ref().filter(|_| !inside) {
        statements.push(sql!(
            "ALTER {word}TABLE {table} ALTER COLUMN {column} SET DEFAULT {expression}",
            word = word,
            table = table.name,
            column = column.name,
            expression = default.expression
        ));
    }
    Ok(statements)
}

/// Whether an expression calls nothing, or only what gives one value for a whole transaction.
fn is_the_same_for_all(expression: &str) -> bool {
    let Some(words) = parse::words(expression) else { return false };
    let call = |pair: &[&str]| matches!(pair, [name, "("] if name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"'));
    let known = [
        "now",
        "numeric",
        "varchar",
        "varying",
        "bit",
        "character",
        "timestamp",
        "time",
        "interval",
        "\"now\"",
    ];
    words
        .windows(2)
        .filter(|pair| call(pair))
        .all(|pair| pair.first().is_some_and(|name| known.contains(name)))
}

/// Whether its type is a domain for whose sake rows are written: one with a constraint, or on a domain with one, always up
/// to PostgreSQL 18 (`ATExecAddColumn` of its `tablecmds.c`); one whose default is the column's and not one value for all.
fn of_domain(column: &Column, catalog: &Catalog) -> bool {
    let domain = |is_it: &dyn Fn(&types::Type) -> bool| {
        catalog.types.iter().filter(|made| is_it(made)).find_map(|made| match &made.kind {
            types::Kind::Domain(domain) => Some((made.oid, domain)),
            _ => None,
        })
    };
    let mut next = domain(&|made| made.oid == column.type_oid);
    let mut default = column.default.is_some();
    let mut seen = Vec::new();
    while let Some((oid, one)) = next.filter(|(oid, _)| !seen.contains(oid)) {
        if one.not_null || !one.constraints.is_empty() {
            return true;
        }
        // The nearest counts.
        if !default && let Some(own) = &one.default {
            default = true;
            match own {
                types::Default::Expression(text) if !is_the_same_for_all(text.as_str()) => return true,
                _ => {}
            }
        }
        seen.push(oid);
        let below =
            catalog.dependencies.iter().filter(|need| need.dependent == Address::new(class::TYPE, oid));
        let below: Vec<Address> = below.map(|need| need.referenced).collect();
        next = domain(&|made| below.contains(&Address::new(class::TYPE, made.oid)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_the_same_for_all;

    #[test]
    fn a_default_is_kept_once_for_all_rows_where_it_is_one_value() {
        for (expression, expected) in [
            ("0", true),
            ("'x'::text", true),
            ("(1 + 2)", true),
            ("now()", true),
            ("CURRENT_TIMESTAMP", true),
            ("'1'::numeric(10,2)", true),
            ("nextval('s'::regclass)", false),
            ("gen_random_uuid()", false),
            ("\"public\".\"f\"()", false),
            ("random()", false),
        ] {
            assert_eq!(is_the_same_for_all(expression), expected, "{expression}");
        }
    }
}

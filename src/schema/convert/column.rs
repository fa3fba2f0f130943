//! Columns: what can be said of them without touching rows.

use super::work::Work;
use super::{Reason, hung, options};
use crate::pg::{Ident, QualifiedName, Sql};
use crate::schema::diff::Change;
use crate::schema::diff::member::{Aspect, MemberChange, Members};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::column::{Column, Generated, Identity};
use crate::schema::model::relation::Table;
use crate::schema::model::sequence::Sequence;
use crate::schema::model::view::View;
use crate::schema::model::{Address, Catalog, Rank, class, types};
use crate::schema::parse;
use crate::schema::render::column::{Form, actions, definition};
use crate::sql;

const ANEW: &str = "every row would be written anew";

/// A column's table and itself.
fn find<'a>(catalog: &'a Catalog, object: &Object) -> Option<(&'a Table, &'a Column)> {
    let on = super::statement::on(object)?;
    let table = catalog.tables.iter().find(|table| table.name == on)?;
    Some((table, table.columns.iter().find(|column| column.name == object.name)?))
}

fn find_of_view<'a>(catalog: &'a Catalog, object: &Object) -> Option<&'a View> {
    let on = super::statement::on(object)?;
    catalog.views.iter().find(|view| view.name == on)
}

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
pub(super) fn add(object: &Object, work: &mut Work<'_>) {
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
pub(super) fn may_be_added(object: &Object, work: &Work<'_>) -> bool {
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
    let is_plain =
        column.default.as_ref().is_none_or(|default| is_the_same_for_all(default.expression.as_str()));
    let needs_value = column.not_null.is_some() || refuses_null(column, work.source);
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
        identity: None,
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

/// Whether its type is a domain that takes no NULL, or may not: its checks are not looked into.
fn refuses_null(column: &Column, catalog: &Catalog) -> bool {
    catalog.types.iter().filter(|made| made.oid == column.type_oid).any(|made| match &made.kind {
        types::Kind::Domain(domain) => domain.not_null || !domain.constraints.is_empty(),
        _ => false,
    })
}

fn add_of_view(object: &Object, work: &mut Work<'_>) {
    let whole = work.at_source(object).and_then(|entry| entry.within.first()).cloned();
    // It comes with the view's query, or not at all.
    if whole.is_none_or(|whole| work.withheld.iter().any(|other| other.object == whole)) {
        work.withhold(object, None, Reason::NeedsWithheld, "the view's query is not replaced");
        return;
    }
    if let Some(entry) = work.at_source(object) {
        let members = Members::changes(&entry.members, &Members::default());
        let own: Vec<&MemberChange> = members.iter().collect();
        alter(object, &own, work);
        hung::alter(object, &members, work);
    }
}

/// The statements for a column of both sides.
pub(super) fn alter(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    if let Some(view) = find_of_view(work.source, object) {
        alter_of_view(object, changes, view, work);
        return;
    }
    let (Some((table, column)), Some((old_table, old))) =
        (find(work.source, object), find(work.destination, object))
    else {
        return;
    };
    let mut actions = options::actions(changes);
    let mut recursing = Vec::new();
    let mut statements = Vec::new();
    let sequence = |catalog: &'_ Catalog, table: u32, number: i16| {
        catalog.sequences.iter().find(|one| one.identity_of() == Some((table, number))).cloned()
    };
    let (own, other) = (
        sequence(work.source, table.oid, column.number),
        sequence(work.destination, old_table.oid, old.number),
    );
    for change in changes {
        let (reason, text) = match change.member.aspect {
            Aspect::Option => continue,
            // One statement for all of them, below.
            Aspect::Start
            | Aspect::Increment
            | Aspect::Minimum
            | Aspect::Maximum
            | Aspect::Cache
            | Aspect::Cycle => continue,
            Aspect::Type => match widened(object, old, column, work) {
                Ok(()) => {
                    recursing.push(sql!("TYPE {kind}", kind = column.type_name));
                    continue;
                }
                Err(why) => why,
            },
            Aspect::Default => {
                actions.push(match &column.default {
                    Some(default) => sql!("SET DEFAULT {expression}", expression = default.expression),
                    None => Sql::fixed("DROP DEFAULT"),
                });
                continue;
            }
            Aspect::NotNull if change.source.is_none() => {
                recursing.push(Sql::fixed("DROP NOT NULL"));
                continue;
            }
            Aspect::NotNull => (Reason::RowsMayRefuse, "rows that are there may have no value"),
            Aspect::NotNullName => {
                statements.extend(renamed(table, old, column));
                continue;
            }
            Aspect::Generated => match (old.generated, column.generated, &column.default) {
                (Some(Generated::Virtual), Some(Generated::Virtual), Some(default)) => {
                    actions.push(sql!("SET EXPRESSION AS ({expression})", expression = default.expression));
                    continue;
                }
                (Some(Generated::Stored), None, _) => {
                    recursing.push(Sql::fixed("DROP EXPRESSION"));
                    continue;
                }
                _ => (Reason::Rewrites, ANEW),
            },
            Aspect::Identity => match (old.identity, column.identity) {
                (Some(_), Some(identity)) => {
                    recursing.push(Sql::fixed(match identity {
                        Identity::Always => "SET GENERATED ALWAYS",
                        Identity::ByDefault => "SET GENERATED BY DEFAULT",
                    }));
                    continue;
                }
                (None, _) => (Reason::NoStatement, "its sequence would not know the numbers that rows have"),
                (Some(_), None) => (Reason::HoldsData, "the position of its sequence would be lost"),
            },
            Aspect::SequenceName => match (&own, &other) {
                (Some(own), Some(other)) if own.name.schema == other.name.schema => {
                    statements.push(sql!(
                        "ALTER SEQUENCE {old} RENAME TO {new}",
                        old = other.name,
                        new = own.name.name
                    ));
                    continue;
                }
                // Said of the identity.
                (None, _) | (_, None) => continue,
                _ => (Reason::NoStatement, "the sequence is in another schema"),
            },
            Aspect::Unlogged => {
                statements.extend(own.as_ref().map(persistence));
                continue;
            }
            Aspect::Storage => match column.storage {
                Some(storage) => {
                    actions.push(sql!("SET STORAGE {storage}", storage = Sql::fixed(storage)));
                    continue;
                }
                None if work.destination.version.at_least(16) => {
                    actions.push(Sql::fixed("SET STORAGE DEFAULT"));
                    continue;
                }
                None => (Reason::NoStatement, "PostgreSQL before 16 cannot say that it is the type's own"),
            },
            Aspect::Compression => {
                let method = column.compression.unwrap_or("default");
                actions.push(sql!("SET COMPRESSION {method}", method = Sql::fixed(method)));
                continue;
            }
            Aspect::Statistics => {
                actions.push(sql!("SET STATISTICS {target}", target = column.statistics.unwrap_or(-1)));
                continue;
            }
            Aspect::ForeignOptions => {
                match options::foreign(old.foreign_options.as_ref(), column.foreign_options.as_ref()) {
                    Some(action) => {
                        actions.push(action);
                        continue;
                    }
                    None => (Reason::NoStatement, "its options are not understood"),
                }
            }
            _ => (Reason::Rewrites, ANEW),
        };
        work.withhold(object, Some(&change.member), reason, text);
    }
    if let (Some(own), Some(other)) = (&own, &other) {
        statements.extend(sequence_parameters(object, own, other, changes, work));
    }
    let word = Sql::fixed(if table.foreign.is_some() { "FOREIGN " } else { "" });
    let of = |only: &'static str, list: Vec<Sql>| {
        let list = list
            .into_iter()
            .map(|action| sql!("ALTER COLUMN {name} {action}", name = column.name, action = action));
        let list = Sql::join(list, ", ");
        (!list.is_empty()).then(|| {
            sql!(
                "ALTER {word}TABLE {only}{table} {list}",
                word = word,
                only = Sql::fixed(only),
                table = table.name,
                list = list
            )
        })
    };
    // What a child has of its parent is changed with the parent's, and only there.
    let inherited = work.at_source(object).is_some_and(|entry| {
        entry.within.iter().any(|whole| {
            whole.kind == Kind::Column
                && work.diff.differences.iter().chain(&work.diff.implied).any(|other| other.object == *whole)
        })
    });
    let recursing = if inherited { None } else { of("", recursing) };
    let statements: Vec<Sql> = recursing.into_iter().chain(of("ONLY ", actions)).chain(statements).collect();
    let address = Address::column(table.oid, column.number);
    work.alter(object, address, statements);
    if let Some(piece) = work.pieces.last_mut().filter(|piece| piece.makes == address) {
        let default = column.default.as_ref();
        piece.also_makes.extend(default.map(|default| Address::new(class::COLUMN_DEFAULT, default.oid)));
    }
}

/// Whether every value of the old type is one of the new, stored alike: the table is not written, its indexes are kept
/// (manual, ALTER TABLE, "Notes"); and nothing is in the way that ALTER TYPE refuses.
fn widened(
    object: &Object,
    old: &Column,
    new: &Column,
    work: &Work<'_>,
) -> Result<(), (Reason, &'static str)> {
    let (is, should) = (text::plain(old.type_name.as_str()), text::plain(new.type_name.as_str()));
    if !is_wider(&is, &should) {
        return Err((Reason::Rewrites, "values would be written anew, or lost"));
    }
    let Some(entry) = work.at_destination(object) else { return Ok(()) };
    let refusing =
        work.destination.dependencies.iter().filter(|one| one.referenced == entry.address).any(|one| {
            !matches!(
                one.dependent.class,
                class::RELATION | class::CONSTRAINT | class::COLUMN_DEFAULT | class::STATISTICS
            )
        });
    let generates = work.destination.dependencies.iter().any(|one| {
        one.referenced == entry.address
            && one.dependent.class == class::COLUMN_DEFAULT
            && work.diff.destination.find(one.dependent).is_some_and(|user| user != object)
    });
    if refusing || generates {
        return Err((Reason::NeededByOthers, "a view, rule, trigger, policy or function uses the column"));
    }
    Ok(())
}

fn is_wider(is: &str, should: &str) -> bool {
    let parts = |name: &str| -> (String, Vec<i64>) {
        match name.split_once('(') {
            Some((base, rest)) => {
                let numbers = rest.trim_end_matches(')').split(',');
                (base.to_owned(), numbers.filter_map(|number| number.trim().parse().ok()).collect())
            }
            None => (name.to_owned(), Vec::new()),
        }
    };
    let ((base, from), (other, to)) = (parts(is), parts(should));
    match (base.as_str(), other.as_str()) {
        ("character varying", "text") => true,
        ("character varying" | "bit varying", same) if base == same => match (from.first(), to.first()) {
            (_, None) => true,
            (Some(from), Some(to)) => to >= from,
            (None, Some(_)) => false,
        },
        ("numeric", "numeric") => match (from.as_slice(), to.as_slice()) {
            (_, []) => true,
            ([precision, scale], [wider, same]) => wider >= precision && scale == same,
            _ => false,
        },
        _ => false,
    }
}

fn renamed(table: &Table, old: &Column, new: &Column) -> Option<Sql> {
    let name =
        |column: &Column| -> Option<Ident> { Some(column.not_null.as_ref()?.constraint.as_ref()?.1.clone()) };
    let (is, should) = (name(old)?, name(new)?);
    // An inherited one is renamed with its parent's.
    new.not_null.as_ref().filter(|not_null| not_null.is_local)?;
    Some(sql!(
        "ALTER TABLE {table} RENAME CONSTRAINT {is} TO {should}",
        table = table.name,
        is = is,
        should = should
    ))
}

fn persistence(sequence: &Sequence) -> Sql {
    let word = Sql::fixed(if sequence.unlogged { "UNLOGGED" } else { "LOGGED" });
    sql!("ALTER SEQUENCE {name} SET {word}", name = sequence.name, word = word)
}

/// One ALTER SEQUENCE for all that it can take wherever the sequence stands.
pub(super) fn sequence_parameters(
    object: &Object,
    source: &Sequence,
    destination: &Sequence,
    changes: &[&MemberChange],
    work: &mut Work<'_>,
) -> Option<Sql> {
    let mut parts = Vec::new();
    for change in changes {
        let narrower = match change.member.aspect {
            Aspect::Start => {
                parts.push(sql!("START WITH {value}", value = source.start));
                false
            }
            Aspect::Increment => {
                parts.push(sql!("INCREMENT BY {value}", value = source.increment));
                false
            }
            Aspect::Cache => {
                parts.push(sql!("CACHE {value}", value = source.cache));
                false
            }
            Aspect::Cycle => {
                parts.push(Sql::fixed(if source.cycle { "CYCLE" } else { "NO CYCLE" }));
                false
            }
            Aspect::Minimum if source.minimum <= destination.minimum => {
                parts.push(sql!("MINVALUE {value}", value = source.minimum));
                false
            }
            Aspect::Maximum if source.maximum >= destination.maximum => {
                parts.push(sql!("MAXVALUE {value}", value = source.maximum));
                false
            }
            Aspect::Type
                if source.maximum >= destination.maximum && source.minimum <= destination.minimum =>
            {
                parts.insert(0, sql!("AS {kind}", kind = source.type_name));
                false
            }
            Aspect::Type | Aspect::Minimum | Aspect::Maximum => true,
            _ => false,
        };
        if narrower && (object.kind == Kind::Sequence || change.member.aspect != Aspect::Type) {
            let text = "its position may lie outside";
            work.withhold(object, Some(&change.member), Reason::RowsMayRefuse, text);
        }
    }
    let name: &QualifiedName = &source.name;
    (!parts.is_empty())
        .then(|| sql!("ALTER SEQUENCE {name} {parts}", name = name, parts = Sql::join(parts, " ")))
}

fn alter_of_view(object: &Object, changes: &[&MemberChange], view: &View, work: &mut Work<'_>) {
    let Some(column) = view.columns.iter().find(|column| column.name == object.name) else { return };
    let mut actions = options::actions(changes);
    for change in changes {
        match change.member.aspect {
            Aspect::Default => actions.push(match &column.default {
                Some((_, expression)) => sql!("SET DEFAULT {expression}", expression = expression),
                None => Sql::fixed("DROP DEFAULT"),
            }),
            Aspect::Statistics => {
                actions.push(sql!("SET STATISTICS {target}", target = column.statistics.unwrap_or(-1)))
            }
            Aspect::Storage => match column.storage {
                Some(storage) => actions.push(Sql::fixed(match storage {
                    'p' => "SET STORAGE PLAIN",
                    'e' => "SET STORAGE EXTERNAL",
                    'm' => "SET STORAGE MAIN",
                    _ => "SET STORAGE EXTENDED",
                })),
                None => work.withhold(
                    object,
                    Some(&change.member),
                    Reason::NoStatement,
                    "the type's own has no name",
                ),
            },
            Aspect::Compression => actions.push(Sql::fixed(match column.compression {
                Some('p') => "SET COMPRESSION pglz",
                Some(_) => "SET COMPRESSION lz4",
                None => "SET COMPRESSION default",
            })),
            _ => {}
        }
    }
    let word = Sql::fixed(if view.materialized.is_some() { "MATERIALIZED VIEW" } else { "VIEW" });
    let statements = actions.into_iter().map(|action| {
        sql!(
            "ALTER {word} {view} ALTER COLUMN {name} {action}",
            word = word,
            view = view.name,
            name = column.name,
            action = action
        )
    });
    let address = Address::column(view.oid, column.number);
    let statements: Vec<Sql> = statements.collect();
    work.alter(object, address, statements);
    if let Some(piece) = work.pieces.last_mut().filter(|piece| piece.makes == address) {
        piece.needs.push(Address::new(class::RELATION, view.oid));
        piece
            .also_makes
            .extend(column.default.as_ref().map(|(oid, _)| Address::new(class::COLUMN_DEFAULT, *oid)));
    }
}

#[cfg(test)]
mod tests {
    use super::{is_the_same_for_all, is_wider};

    #[test]
    fn a_type_is_wider_where_no_value_is_written_anew() {
        for (is, should, expected) in [
            ("character varying(10)", "character varying(20)", true),
            ("character varying(10)", "character varying", true),
            ("character varying(10)", "text", true),
            ("character varying", "character varying(10)", false),
            ("character varying(20)", "character varying(10)", false),
            ("text", "character varying", false),
            ("numeric(10,2)", "numeric(12,2)", true),
            ("numeric(10,2)", "numeric(12,3)", false),
            ("numeric(10,2)", "numeric", true),
            ("integer", "bigint", false),
            ("bit varying(3)", "bit varying(4)", true),
            ("character(3)", "character(4)", false),
        ] {
            assert_eq!(is_wider(is, should), expected, "{is} to {should}");
        }
    }

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

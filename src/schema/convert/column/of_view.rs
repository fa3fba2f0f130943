//! Columns of views: they come with the query; what is set on them is altered.

use crate::pg::Sql;
use crate::schema::convert::work::Work;
use crate::schema::convert::{Reason, hung, options, statement};
use crate::schema::diff::member::{Aspect, MemberChange, Members};
use crate::schema::diff::object::Object;
use crate::schema::model::view::View;
use crate::schema::model::{Address, Catalog, class};
use crate::sql;

/// The view that a column is of, if it is one's.
pub(super) fn find_of_view<'a>(catalog: &'a Catalog, object: &Object) -> Option<&'a View> {
    let on = statement::on(object)?;
    catalog.views.iter().find(|view| view.name == on)
}

/// Adds what is set on a column that came with the view's query.
pub(super) fn add_of_view(object: &Object, work: &mut Work<'_>) {
    let whole = work.at_source(object).and_then(|entry| entry.within.first()).cloned();
    // It comes with the view's query, or not at all.
    if whole.is_none_or(|whole| work.withheld.iter().any(|other| other.object == whole)) {
        work.withhold(object, None, Reason::NeedsWithheld, "the view's query is not replaced");
        return;
    }
    if let Some(entry) = work.at_source(object) {
        let members = Members::changes(&entry.members, &Members::default());
        let own: Vec<&MemberChange> = members.iter().collect();
        super::alter(object, &own, work);
        hung::alter(object, &members, work);
    }
}

/// The statements for a column of a view of both sides.
pub(super) fn alter_of_view(object: &Object, changes: &[&MemberChange], view: &View, work: &mut Work<'_>) {
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
                Some(storage) => {
                    actions.push(sql!("SET STORAGE {storage}", storage = Sql::fixed(storage)));
                }
                None => work.withhold(
                    object,
                    Some(&change.member),
                    Reason::NoStatement,
                    "the type's own has no name",
                ),
            },
            Aspect::Compression => {
                let method = column.compression.unwrap_or("default");
                actions.push(sql!("SET COMPRESSION {method}", method = Sql::fixed(method)));
            }
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

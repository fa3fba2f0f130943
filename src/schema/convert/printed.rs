//! Publications, whose options can be altered while subscribers use them; other kinds of text are made anew.

use super::Reason;
use super::work::Work;
use crate::pg::Sql;
use crate::schema::diff::member::MemberChange;
use crate::schema::diff::object::Object;
use crate::schema::model::{Catalog, Rank};
use crate::sql;

/// `ALTER PUBLICATION .. SET (..)`, unless it is one for all tables on one side only.
pub(super) fn alter_publication(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let statement = |catalog: &Catalog| {
        let address = [work.at_source(object), work.at_destination(object)];
        let mut found = catalog.printed.iter().filter(|one| {
            address.iter().flatten().any(|entry| entry.address == one.address) && one.name == object.name
        });
        found.next().and_then(|one| one.statements.first()).map(|sql| sql.as_str().to_owned())
    };
    let (Some(source), Some(destination)) = (statement(work.source), statement(work.destination)) else {
        return;
    };
    let (Some((head, options)), Some((other_head, other))) = (split(&source), split(&destination)) else {
        return;
    };
    if head != other_head {
        for change in changes {
            let text = "whether it is for all tables is decided when it is made, and subscribers elsewhere fail without it";
            work.withhold(object, Some(&change.member), Reason::NoStatement, text);
        }
        return;
    }
    let mut wanted = Sql::printed_by_server(options);
    for (name, usual) in
        [("publish_via_partition_root", " = false"), ("publish_generated_columns", " = none")]
    {
        if other.contains(name) && !options.contains(name) {
            wanted.push(&Sql::printed_by_server(format!(", {name}{usual}")));
        }
    }
    let statement = sql!("ALTER PUBLICATION {name} SET ({options})", name = object.name, options = wanted);
    if let Some(entry) = work.at_source(object) {
        work.alter(object, entry.address.part(Rank::Publication), vec![statement]);
    }
}

/// What comes before the options, and the options.
fn split(statement: &str) -> Option<(&str, &str)> {
    let (head, options) = statement.rsplit_once(" WITH (")?;
    Some((head, options.strip_suffix(')')?))
}

//! Two catalog models compared: what one has and the other has not, and what both have and how it differs.
//!
//! Both are rendered with the same options, so an object is what it is called and the statements that make it: names
//! only, no oid. A kind that [`render`] knows is compared without a line here. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::pg::Version;
use crate::schema::model::{Catalog, Rank};
use crate::schema::options::Options;
use crate::schema::render;

/// One object that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `table public.orders`.
    pub object: String,
    #[serde(flatten)]
    pub change: Change,
}

/// What would have to happen to the second database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Only the first has it.
    Added,
    /// Only the second has it.
    Removed,
    /// Both have it, made by other statements: those that only the first one's has, and those that only the second
    /// one's has. Both empty: the same statements in another order.
    Changed { first: Vec<String>, second: Vec<String> },
}

/// What makes each object, by its kind and what it is called.
type Objects = BTreeMap<(Rank, String), Vec<String>>;

/// Compares two databases, `second` as what is to become like `first`.
pub fn compare(first: &Catalog, second: &Catalog) -> Vec<Difference> {
    let options = options([first, second]);
    let (first, mut second) = (objects(first, &options), objects(second, &options));
    let mut found: Vec<((Rank, String), Change)> = Vec::new();
    for (key, statements) in first {
        match second.remove(&key) {
            None => found.push((key, Change::Added)),
            Some(other) if other != statements => found.push((key, changed(&statements, &other))),
            Some(_) => {}
        }
    }
    found.extend(second.into_keys().map(|key| (key, Change::Removed)));
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.into_iter().map(|((_, object), change)| Difference { object, change }).collect()
}

fn changed(first: &[String], second: &[String]) -> Change {
    let only = |these: &[String], others: &[String]| {
        these.iter().filter(|statement| !others.contains(statement)).cloned().collect()
    };
    Change::Changed { first: only(first, second), second: only(second, first) }
}

fn objects(catalog: &Catalog, options: &Options) -> Objects {
    let mut objects = Objects::new();
    let rendering = render::render(catalog, options);
    for piece in rendering.pieces {
        let statements = objects.entry((piece.rank, piece.label)).or_default();
        statements.extend(piece.sql.iter().map(|statement| statement.as_str().to_owned()));
    }
    for skipped in rendering.skipped {
        // Kinds that are not reproduced have no statements: that they are there is all that can be compared.
        objects.entry((Rank::EventTrigger, skipped.object)).or_default().push(skipped.reason);
    }
    objects
}

/// As on a server where everything that either side names is there.
fn options(sides: [&Catalog; 2]) -> Options {
    let newest = sides.iter().map(|catalog| catalog.version).max();
    let mut options = Options::new(newest.unwrap_or(Version::from_number(0)));
    options.neutralize = false;
    options.superuser = true;
    for catalog in sides {
        let extensions = catalog.extensions.iter().map(|extension| extension.name.as_str().to_owned());
        options.available_extensions.extend(extensions);
        options.roles.extend(catalog.roles().into_iter().map(|role| role.as_str().to_owned()));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::{Change, compare};
    use crate::pg::{Ident, Sql, Version};
    use crate::schema::model::comment::Comment;
    use crate::schema::model::namespace::Namespace;
    use crate::schema::model::{Address, Catalog, class};

    fn with_schemas(names: &[(&str, u32, Option<&str>)]) -> Catalog {
        let mut catalog = Catalog::empty(Version::from_number(150_000));
        for (name, oid, comment) in names {
            catalog.namespaces.push(Namespace {
                oid: *oid,
                name: Ident::from(*name),
                owner: Ident::from("me"),
                comment: None,
            });
            if let Some(text) = comment {
                let (of, subject) = (Address::new(class::SCHEMA, *oid), Sql::fixed("SCHEMA s"));
                catalog.comments.push(Comment { of, subject, text: (*text).to_owned() });
            }
        }
        catalog
    }

    #[test]
    fn numbers_are_no_difference_and_the_rest_is() {
        let first = with_schemas(&[("a", 1, None), ("b", 2, Some("new")), ("c", 3, None)]);
        let second = with_schemas(&[("b", 5, Some("old")), ("c", 4, None), ("d", 1, None)]);
        assert_eq!(compare(&first, &first), []);
        let found = compare(&first, &second);
        let found: Vec<_> = found.iter().map(|found| (found.object.as_str(), &found.change)).collect();
        let changed = Change::Changed {
            first: vec!["COMMENT ON SCHEMA s IS 'new'".to_owned()],
            second: vec!["COMMENT ON SCHEMA s IS 'old'".to_owned()],
        };
        let expected = [("schema a", &Change::Added), ("schema b", &changed), ("schema d", &Change::Removed)];
        assert_eq!(found, expected);
    }
}

//! Which types hold all values of another, stored alike, and what stands against ALTER TYPE.

use crate::schema::convert::Reason;
use crate::schema::convert::work::Work;
use crate::schema::diff::object::Object;
use crate::schema::diff::text;
use crate::schema::model::class;
use crate::schema::model::column::Column;

/// Whether every value of the old type is one of the new, stored alike: the table is not written, its indexes are kept
/// (manual, ALTER TABLE, "Notes"); and nothing is in the way that ALTER TYPE refuses.
pub(super) fn widened(
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

#[cfg(test)]
mod tests {
    use super::is_wider;

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
}

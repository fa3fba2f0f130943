//! What a publication does not give out, in words: a mirror is a copy of what it gives, and says what that is not.

use crate::change::given::Given;
use crate::engine::replicate::given::Published;
use crate::pg::name::for_people;
use crate::progress::Warning;

/// Warns of what does not follow: kinds of changes, and rows and columns of each table.
pub(super) fn tell_of(publication: &str, published: &Published, mut warn: impl FnMut(Warning)) {
    if let Some(kinds) = kinds(&published.withheld) {
        let message = format!("publication {publication} gives no {kinds} out: that is not followed");
        warn(Warning::new("mirrored_in_part", message));
    }
    for one in &published.tables {
        if let Some(part) = of_table(one) {
            let message = format!("copied and followed in part: {part}");
            warn(Warning::new("mirrored_in_part", message).about(&one.member.name));
        }
    }
}

/// Kinds of changes that are not given out, as a list; nothing where all are.
pub(in crate::workflow) fn kinds(withheld: &[&str]) -> Option<String> {
    let (last, others) = withheld.split_last()?;
    Some(match others {
        [] => (*last).to_owned(),
        others => format!("{} and no {last}", others.join(", no ")),
    })
}

/// Which part of a table is given; nothing where it is all of it.
fn of_table(given: &Given) -> Option<String> {
    let rows = given.rows.as_ref().map(|rows| format!("rows WHERE {rows}"));
    let withheld: Vec<String> = given.withheld.iter().map(|column| for_people(column)).collect();
    let columns = (!withheld.is_empty()).then(|| format!("without {}", withheld.join(", ")));
    match (rows, columns) {
        (Some(rows), Some(columns)) => Some(format!("{rows}, {columns}")),
        (rows, columns) => rows.or(columns),
    }
}

#[cfg(test)]
mod tests {
    use super::tell_of;
    use crate::change::given::{Entry, Given};
    use crate::change::members::Member;
    use crate::engine::replicate::given::Published;
    use crate::pg::{QualifiedName, Sql};

    #[test]
    fn what_is_not_given_is_said() {
        let given = |rows: Option<&str>, withheld: &[&str]| Given {
            member: Member { oid: 1, name: QualifiedName::new("s", "t") },
            partitioned: false,
            lies_in: vec![1],
            rows: rows.map(Sql::printed_by_server),
            columns: Vec::new(),
            withheld: withheld.iter().map(|name| (*name).to_owned()).collect(),
            entry: Entry::default(),
        };
        let said = |published: &Published| {
            let mut said = Vec::new();
            tell_of("p", published, |warning| said.push(warning.message));
            said
        };
        let tables = vec![given(None, &[]), given(Some("(id > 3)"), &["b", "C"]), given(None, &["b"])];
        let published = Published { withheld: vec!["update", "delete", "truncate"], tables };
        assert_eq!(
            said(&published),
            [
                "publication p gives no update, no delete and no truncate out: that is not followed",
                "copied and followed in part: rows WHERE (id > 3), without b, \"C\"",
                "copied and followed in part: without b"
            ]
        );
        let whole = Published { withheld: Vec::new(), tables: vec![given(None, &[])] };
        assert_eq!(said(&whole), [] as [&str; 0]);
    }
}

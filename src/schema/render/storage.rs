//! Storage parameters of a primary key or unique constraint: `pg_get_constraintdef` leaves them out, other than those of
//! an exclusion, so they are put into what it printed.
//!
//! The grammar (manual, "CREATE TABLE", `index_parameters`) has them behind the columns and INCLUDE, before WHERE and
//! DEFERRABLE.

use crate::pg::Sql;
use crate::schema::render::column::parameters;

/// A key's definition as the server printed it, with its index's parameters.
pub(super) fn with_parameters(definition: &Sql, options: &[String]) -> Sql {
    if options.is_empty() {
        return definition.clone();
    }
    let text = definition.as_str();
    let mut at = behind_parentheses(text);
    let (_, behind) = text.split_at(at);
    if behind.starts_with(" INCLUDE (") {
        at += behind_parentheses(behind);
    }
    let (before, behind) = text.split_at(at);
    let mut whole = Sql::printed_by_server(before);
    whole.push(&crate::sql!(" WITH ({options})", options = parameters(options)));
    whole.push(&Sql::printed_by_server(behind));
    whole
}

/// Where the first pair of parentheses is closed; the end, if there is none. What stands in quotes does not count: the
/// server doubles a quote within quotes, which so end and begin again.
fn behind_parentheses(text: &str) -> usize {
    let (mut depth, mut quoted) = (0_usize, None);
    for (at, letter) in text.char_indices() {
        match (letter, quoted) {
            ('\'' | '"', None) => quoted = Some(letter),
            (_, Some(quote)) if letter == quote => quoted = None,
            ('(', None) => depth += 1,
            (')', None) if depth <= 1 => return at + 1,
            (')', None) => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_behind_the_columns_and_before_the_condition() {
        let check = |definition: &str, expected: &str| {
            let options = ["fillfactor=60".to_owned()];
            let made = with_parameters(&Sql::printed_by_server(definition), &options);
            assert_eq!(made.as_str(), expected.replace('@', r#"WITH ("fillfactor" = '60')"#));
        };
        check("PRIMARY KEY (id)", "PRIMARY KEY (id) @");
        check(
            r#"UNIQUE NULLS NOT DISTINCT (a, "b)") INCLUDE ("c(") DEFERRABLE"#,
            r#"UNIQUE NULLS NOT DISTINCT (a, "b)") INCLUDE ("c(") @ DEFERRABLE"#,
        );
        check(r#"UNIQUE (a, "it's ("")" WITHOUT OVERLAPS)"#, r#"UNIQUE (a, "it's ("")" WITHOUT OVERLAPS) @"#);
    }

    #[test]
    fn without_parameters_it_stays_as_it_is() {
        let definition = Sql::printed_by_server("PRIMARY KEY (id)");
        assert_eq!(with_parameters(&definition, &[]), definition);
    }
}

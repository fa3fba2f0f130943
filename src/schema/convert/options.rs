//! Options that a catalog holds as text, and the statements' lists that turn one set of them into another.

use std::collections::BTreeMap;

use crate::pg::{Ident, Sql};
use crate::schema::diff::member::{Aspect, MemberChange};
use crate::schema::parse;
use crate::schema::render::column::parameters;
use crate::sql;

/// `SET (..)` and `RESET (..)` actions for the storage parameters among the changes.
pub(super) fn actions(changes: &[&MemberChange]) -> Vec<Sql> {
    let options = || changes.iter().filter(|change| change.member.aspect == Aspect::Option);
    let set: Vec<String> = options()
        .filter_map(|change| Some(format!("{}={}", change.member.of.as_ref()?, change.source.as_ref()?)))
        .collect();
    let reset =
        options().filter(|change| change.source.is_none()).filter_map(|change| change.member.of.as_ref());
    let reset: Vec<Sql> = reset.map(|name| Sql::join(name.split('.').map(Ident::from), ".")).collect();
    let mut actions = Vec::new();
    if !set.is_empty() {
        actions.push(sql!("SET ({options})", options = parameters(&set)));
    }
    if !reset.is_empty() {
        actions.push(sql!("RESET ({options})", options = Sql::join(reset, ", ")));
    }
    actions
}

/// `OPTIONS (ADD a 'x', SET b 'y', DROP c)` between two lists `a 'x', b 'y'` as a server prints them.
pub(super) fn foreign(destination: Option<&Sql>, source: Option<&Sql>) -> Option<Sql> {
    let (is, should) = (list(destination)?, list(source)?);
    let word = |word: &str| Sql::printed_by_server(word);
    let mut items = Vec::new();
    for (name, value) in &should {
        match is.get(name) {
            None => items.push(sql!("ADD {name} {value}", name = word(name), value = word(value))),
            Some(old) if old != value => {
                items.push(sql!("SET {name} {value}", name = word(name), value = word(value)))
            }
            Some(_) => {}
        }
    }
    items.extend(
        is.keys()
            .filter(|name| !should.contains_key(*name))
            .map(|name| sql!("DROP {name}", name = word(name))),
    );
    (!items.is_empty()).then(|| sql!("OPTIONS ({items})", items = Sql::join(items, ", ")))
}

/// Names and values, each as it is printed.
fn list(options: Option<&Sql>) -> Option<BTreeMap<String, String>> {
    let Some(options) = options else { return Some(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for item in parse::words(options.as_str())?.split(|word| *word == ",") {
        let (name, value) = item.split_first()?;
        // `E'a\b'` is one word, and so is every other string constant.
        let [value] = value else { return None };
        found.insert((*name).to_owned(), (*value).to_owned());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::foreign;
    use crate::pg::Sql;

    #[test]
    fn foreign_options_are_added_set_and_dropped() {
        let printed = |text: &str| Sql::printed_by_server(text);
        let (is, should) = (
            printed("\"a\" 'it''s', \"b\" '1', \"c\" '2'"),
            printed("\"a\" 'it''s', \"b\" 'x, y', \"d\" '3'"),
        );
        let found = foreign(Some(&is), Some(&should)).map(|sql| sql.as_str().to_owned());
        assert_eq!(found.as_deref(), Some("OPTIONS (SET \"b\" 'x, y', ADD \"d\" '3', DROP \"c\")"));
        assert_eq!(foreign(Some(&is), Some(&is)), None);
        let found = foreign(None, Some(&printed("\"k\" 'v'"))).map(|sql| sql.as_str().to_owned());
        assert_eq!(found.as_deref(), Some("OPTIONS (ADD \"k\" 'v')"));
    }
}

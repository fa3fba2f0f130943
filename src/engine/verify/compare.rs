//! Compares what two databases were summed up to: values in, findings out.

use std::collections::BTreeMap;

use crate::pg::QualifiedName;

/// The words that a query summed something up to; `None` is SQL's NULL.
pub type Sum = Vec<Option<String>>;

/// The sum of several parts; nothing, which equals no sum, where one of them is missing or is none.
pub fn added_up<'a>(parts: impl IntoIterator<Item = Option<&'a Sum>>) -> Sum {
    let mut whole: Option<Vec<Option<i128>>> = None;
    for part in parts {
        let Some(part) = part else { return Sum::new() };
        let mut numbers = Vec::with_capacity(part.len());
        for word in part {
            let Ok(number) = word.as_deref().map(str::parse::<i128>).transpose() else { return Sum::new() };
            numbers.push(number);
        }
        // As SQL adds up: NULL counts for nothing.
        let add = |(a, b): (Option<i128>, Option<i128>)| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (one, other) => one.or(other),
        };
        whole = Some(match whole {
            None => numbers,
            Some(whole) => whole.into_iter().zip(numbers).map(add).collect(),
        });
    }
    whole.unwrap_or_default().into_iter().map(|number| number.map(|number| number.to_string())).collect()
}

/// One database, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub tables: BTreeMap<QualifiedName, Sum>,
    /// Last value, and whether it was handed out.
    pub sequences: BTreeMap<QualifiedName, (i64, bool)>,
    pub large_objects: Option<Sum>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Tables, sequences, and the large objects as one, that are equal.
    pub equal: u64,
    /// One sentence each.
    pub different: Vec<String>,
}

/// Compares two databases, summed up the same way.
pub fn compare(source: &Summary, destination: &Summary) -> Findings {
    let mut findings = Findings::default();
    both(&mut findings, "table", &source.tables, &destination.tables, |source, destination| {
        let count = |sum: &Sum| sum.first().cloned().flatten().unwrap_or_else(|| "unknown".to_owned());
        if count(source) == count(destination) {
            format!("{} rows on both sides, but not the same rows", count(source))
        } else {
            format!("{} rows on the source, {} on the destination", count(source), count(destination))
        }
    });
    both(&mut findings, "sequence", &source.sequences, &destination.sequences, |source, destination| {
        let show = |(value, called): &(i64, bool)| format!("{value} (is_called {called})");
        format!("{} on the source, {} on the destination", show(source), show(destination))
    });
    match (&source.large_objects, &destination.large_objects) {
        (None, None) => {}
        (source, destination) if source == destination => findings.equal += 1,
        (source, destination) => {
            let count = |sum: &Option<Sum>| {
                sum.as_ref().and_then(|sum| sum.first().cloned().flatten()).unwrap_or_else(|| "no".to_owned())
            };
            findings.different.push(format!(
                "large objects: {} on the source, {} on the destination, or their contents differ",
                count(source),
                count(destination)
            ));
        }
    }
    findings
}

fn both<T: PartialEq>(
    findings: &mut Findings,
    kind: &str,
    source: &BTreeMap<QualifiedName, T>,
    destination: &BTreeMap<QualifiedName, T>,
    how: impl Fn(&T, &T) -> String,
) {
    for (name, expected) in source {
        match destination.get(name) {
            Some(found) if found == expected => findings.equal += 1,
            Some(found) => findings.different.push(format!("{kind} {name}: {}", how(expected, found))),
            None => findings.different.push(format!("{kind} {name} is not on the destination")),
        }
    }
    for name in destination.keys().filter(|name| !source.contains_key(*name)) {
        findings.different.push(format!("{kind} {name} is not on the source"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_as_their_whole_would() {
        let sum = |rows: &str, hash: Option<&str>| vec![Some(rows.to_owned()), hash.map(str::to_owned)];
        let (one, none, big) = (sum("2", Some("-5")), sum("0", None), sum("7", Some("92233720368547758070")));
        assert_eq!(added_up([Some(&one), Some(&none), Some(&big)]), sum("9", Some("92233720368547758065")));
        assert_eq!(added_up([Some(&none), Some(&one)]), one);
        assert_eq!(added_up([Some(&none), Some(&none)]), none);
        assert_eq!(added_up([Some(&one)]), one);
        assert_eq!(added_up([Some(&one), None]), Sum::new());
        assert_eq!(added_up([Some(&sum("2", Some("x")))]), Sum::new());
    }

    fn summary(rows: &str, hash: &str) -> Summary {
        let sum = vec![Some(rows.to_owned()), Some(hash.to_owned())];
        Summary {
            tables: [(QualifiedName::new("public", "t"), sum.clone())].into(),
            sequences: [(QualifiedName::new("public", "s"), (5, true))].into(),
            large_objects: Some(sum),
        }
    }

    #[test]
    fn equal_is_equal() {
        assert_eq!(compare(&summary("1", "a"), &summary("1", "a")), Findings { equal: 3, different: vec![] });
    }

    #[test]
    fn each_difference_is_named() {
        let mut other = summary("1", "b");
        other.sequences = [(QualifiedName::new("public", "s"), (5, false))].into();
        other.tables.insert(QualifiedName::new("public", "extra"), vec![]);
        let found = compare(&summary("1", "a"), &other);
        assert_eq!(found.equal, 0);
        let expected = [
            "table public.t: 1 rows on both sides, but not the same rows",
            "table public.extra is not on the source",
            "sequence public.s: 5 (is_called true) on the source, 5 (is_called false) on the destination",
            "large objects: 1 on the source, 1 on the destination, or their contents differ",
        ];
        assert_eq!(found.different, expected);
        let found = compare(&summary("2", "a"), &Summary::default());
        assert_eq!(
            found.different.first().map(String::as_str),
            Some("table public.t is not on the destination")
        );
    }
}

//! Whether two printed definitions mean the same: servers of different versions do not print everything alike, and no
//! server prints everything back as it took it.
//!
//! Up to PostgreSQL 15 a view kept entries for OLD and NEW, so that the columns of its only relation are printed with the
//! relation's name (`SELECT t.a FROM t`); from 16 on they are not (`ruleutils.c`, `varprefix`). From 16 on XMLSERIALIZE can
//! indent, and where it does not, NO INDENT is printed. What changes by being read again is [`reread`]'s.

use super::reread;
use crate::schema::parse;

/// Whether two expressions or statements mean the same.
pub fn same(one: &str, other: &str) -> bool {
    one == other || equal(one, other, reread::settled)
}

/// Whether two queries of views mean the same.
pub fn same_query(one: &str, other: &str) -> bool {
    one == other || equal(one, other, |words| reread::settled(without_its_only_name(words)))
}

fn equal<'a>(one: &'a str, other: &'a str, form: impl Fn(Vec<&'a str>) -> Vec<&'a str>) -> bool {
    let form = |text: &'a str| {
        parse::words(text).map(|words| form(without_no_indent(words.into_iter().map(bare).collect())))
    };
    matches!((form(one), form(other)), (Some(one), Some(other)) if one == other)
}

/// The text with quotes only around the names that need them: nobody types `"public"."orders"`.
pub fn plain(text: &str) -> String {
    let Some(words) = parse::words(text) else { return text.to_owned() };
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    for word in words {
        // Every word is a part of the text, in order.
        let Some((between, after)) = rest.split_once(word) else { return text.to_owned() };
        shown.push_str(between);
        shown.push_str(bare(word));
        rest = after;
    }
    shown + rest
}

/// A name without quotes that it does not need. (A keyword in quotes is left as a bare word: this is for reading and
/// comparing, not for sending.)
fn bare(word: &str) -> &str {
    let name = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    // "char" is another type than char.
    name.filter(|name| *name != "char" && crate::pg::name::for_people(name) == *name).unwrap_or(word)
}

/// A printed function signature's types, without the arguments' names: `"a" integer, VARIADIC "b" text[]` becomes
/// `integer, text[]`. The printing session quoted every name.
pub fn types_of(arguments: &str) -> String {
    let Some(words) = parse::words(arguments) else { return arguments.to_owned() };
    let (mut kept, mut depth, mut first) = (String::new(), 0_i32, true);
    let mut before = "";
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let is_mode = matches!(*word, "INOUT" | "VARIADIC" | "IN");
        let is_name = word.starts_with('"') && !matches!(next, "." | "" | "," | "(" | "[");
        if first && (is_mode || is_name) {
            first = is_mode;
            continue;
        }
        depth += i32::from(*word == "(") - i32::from(*word == ")");
        let tight = kept.is_empty()
            || matches!(*word, "," | "." | "(" | ")" | "[" | "]")
            || matches!(before, "." | "(" | "[");
        if !tight {
            kept.push(' ');
        }
        kept.push_str(bare(word));
        first = *word == "," && depth == 0;
        before = word;
    }
    kept
}

/// Takes NO INDENT, which is the same as nothing, away from the end of XMLSERIALIZE.
fn without_no_indent(mut words: Vec<&str>) -> Vec<&str> {
    let end = ["NO", "INDENT", ")"];
    while let Some(at) = words.windows(end.len()).position(|found| found == end) {
        words.drain(at..at + 2);
    }
    words
}

/// Takes the name of a query's only relation away from in front of its columns.
fn without_its_only_name(words: Vec<&str>) -> Vec<&str> {
    let Some(name) = only_name(&words) else { return words };
    let mut kept = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let before = at.checked_sub(1).and_then(|before| words.get(before)).copied().unwrap_or_default();
        let qualifies = *word == name && words.get(at + 1) == Some(&".") && !matches!(before, "." | "::");
        let is_relation = match before {
            "JOIN" | "ONLY" => true,
            "FROM" | "," => in_from_clause(&words, at),
            _ => false,
        };
        if qualifies && !is_relation {
            at += 2;
        } else {
            kept.push(*word);
            at += 1;
        }
    }
    kept
}

/// Whether a word stands in a query's FROM clause, rather than behind the FROM of `EXTRACT(year FROM a)` or of `IS DISTINCT
/// FROM`, which stand in parentheses without a SELECT.
fn in_from_clause(words: &[&str], at: usize) -> bool {
    let (mut depth, mut from) = (0_i32, false);
    for word in words.get(..at).unwrap_or_default().iter().rev() {
        match *word {
            ")" => depth += 1,
            "(" if depth == 0 => return false,
            "(" => depth -= 1,
            "FROM" if depth == 0 => from = true,
            "SELECT" if depth == 0 => return from,
            "WHERE" | "BY" | "VALUES" if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

/// The name by which a query knows its only relation, where it has just one.
fn only_name<'a>(words: &[&'a str]) -> Option<&'a str> {
    let mut depth = 0_i32;
    let from = words.iter().position(|word| {
        depth += i32::from(*word == "(") - i32::from(*word == ")");
        depth == 0 && *word == "FROM"
    })?;
    let mut rest = words.get(from + 1..)?.iter().copied().peekable();
    rest.next_if_eq(&"ONLY");
    let mut name = "";
    // The relation, a function's call or a subquery, then its alias.
    let mut depth = 0_i32;
    for word in rest {
        depth += i32::from(word == "(") - i32::from(word == ")");
        match word {
            _ if depth > 0 => {}
            "," | "JOIN" | "LEFT" | "RIGHT" | "FULL" | "INNER" | "CROSS" | "NATURAL" => return None,
            "WHERE" | "GROUP" | "HAVING" | "WINDOW" | "ORDER" | "LIMIT" | "OFFSET" | "FETCH" | "FOR"
            | "TABLESAMPLE" | ";" => break,
            "UNION" | "INTERSECT" | "EXCEPT" => return None,
            "." | ")" | "AS" => {}
            // Its columns are known by it, where it has no alias.
            "XMLTABLE" => name = "xmltable",
            word => name = word,
        }
    }
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{plain, same, same_query, types_of};

    #[test]
    fn a_view_of_one_relation_is_the_same_with_and_without_its_name() {
        for (one, other, expected) in [
            ("SELECT t.a,\n    t.b FROM t", "SELECT a, b FROM t", true),
            (r#"SELECT "t"."a" FROM "public"."t""#, r#"SELECT "a" FROM "public"."t""#, true),
            ("SELECT x.a FROM public.t x WHERE (x.b > 0)", "SELECT a FROM public.t x WHERE (b > 0)", true),
            ("SELECT ((t.a)) FROM ONLY t", "SELECT ((a)) FROM ONLY t", true),
            ("SELECT f.n FROM s.f(1) f(n) ORDER BY f.n", "SELECT n FROM s.f(1) f(n) ORDER BY n", true),
            ("SELECT t.a FROM t, u", "SELECT a FROM t, u", false),
            ("SELECT t.a FROM (t JOIN u ON (true))", "SELECT a FROM (t JOIN u ON (true))", false),
            ("SELECT t.a FROM t", "SELECT b FROM t", false),
            ("SELECT t.a FROM t", "SELECT u.a FROM t", false),
            ("SELECT t.a FROM a.t", "SELECT a FROM b.t", false),
            (
                "SELECT t.a FROM t WHERE (EXISTS (SELECT u.x FROM t.u))",
                "SELECT a FROM t WHERE (EXISTS (SELECT u.x FROM u))",
                false,
            ),
            ("SELECT EXTRACT(year FROM t.a) FROM t", "SELECT EXTRACT(year FROM a) FROM t", true),
            (
                r#"SELECT "xmltable"."a" FROM XMLTABLE(('/r') PASSING ('<r/>'::xml) COLUMNS "a" integer)"#,
                r#"SELECT "a" FROM XMLTABLE(('/r') PASSING ('<r/>'::xml) COLUMNS "a" integer)"#,
                true,
            ),
            (
                "SELECT x.a FROM XMLTABLE(('/r') PASSING (b) COLUMNS a integer) x",
                "SELECT a FROM XMLTABLE(('/r') PASSING (b) COLUMNS a integer) x",
                true,
            ),
        ] {
            assert_eq!(same_query(one, other), expected, "{one} | {other}");
        }
        assert!(!same("SELECT t.a FROM t", "SELECT a FROM t"), "only queries of views are printed so");
    }

    #[test]
    fn xml_that_is_not_indented_is_the_same_said_or_not() {
        let (old, new) = ("XMLSERIALIZE(CONTENT x AS text)", "XMLSERIALIZE(CONTENT x AS text NO INDENT)");
        assert!(same(old, new));
        assert!(!same(old, "XMLSERIALIZE(CONTENT x AS text INDENT)"));
    }

    #[test]
    fn quotes_and_spaces_are_no_difference_and_values_are() {
        assert!(same("\"a\"   =  1", "a = 1"));
        assert!(!same("\"A\" = 1", "a = 1"));
        assert!(!same("'a  b'", "'a b'"));
        assert!(!same("a = 'x", "a = 'y"), "what cannot be taken apart is compared as it is");
    }

    #[test]
    fn shows_names_as_people_write_them() {
        assert_eq!(plain(r#"'"x"'::"public"."mood" || "Odd""#), r#"'"x"'::public.mood || "Odd""#);
    }

    #[test]
    fn types_tell_functions_apart_and_names_do_not() {
        for (arguments, types) in [
            (r#""a" integer, VARIADIC "b" text[]"#, "integer, text[]"),
            (r#"INOUT "Odd "" one" "public"."mood", "c" numeric"#, "public.mood, numeric"),
            (r#""public"."mood", timestamp with time zone"#, "public.mood, timestamp with time zone"),
            (r#""public"."T"[], "x" "char", "char""#, "public.\"T\"[], \"char\", \"char\""),
            ("", ""),
        ] {
            assert_eq!(types_of(arguments), types, "{arguments}");
        }
    }
}

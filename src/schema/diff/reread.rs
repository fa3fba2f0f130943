//! Gives printed text the form in which a server prints it once it has read it back, as a clone and a dump do.
//!
//! Each rule is one that the parser itself follows (PostgreSQL's `gram.y` and `parse_target.c`), so that both forms mean the
//! same wherever they stand; what no rule knows stays a difference. They hold for 14 to 18.

/// Applies every rule to the words of a text.
pub(super) fn settled(words: Vec<&str>) -> Vec<&str> {
    arrays(rows(chains(names(fields(words)))))
}

/// The field of EXTRACT is printed as it was written where that was as a string: `EXTRACT('YEAR' FROM a)` prints YEAR, and
/// what is no string is in small letters.
fn fields(mut words: Vec<&str>) -> Vec<&str> {
    for at in 2..words.len() {
        let before = words.get(at - 2..at);
        if before == Some(&["EXTRACT", "("])
            && words.get(at + 1) == Some(&"FROM")
            && let Some(word) = words.get_mut(at)
            && let Some(field) = FIELDS.iter().find(|field| field.eq_ignore_ascii_case(word))
        {
            *word = field;
        }
    }
    words
}

/// The fields of EXTRACT (manual, "Date/Time Functions and Operators").
const FIELDS: [&str; 22] = [
    "century",
    "day",
    "decade",
    "dow",
    "doy",
    "epoch",
    "hour",
    "isodow",
    "isoyear",
    "julian",
    "microseconds",
    "millennium",
    "milliseconds",
    "minute",
    "month",
    "quarter",
    "second",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "week",
    "year",
];

/// A bare constant in a list of columns whose names nobody sees, as in EXISTS or a later branch of UNION, is printed with its
/// type and read back as a cast, which gives the column the type's name: `'x'::text` becomes `'x'::text AS text`.
fn names(words: Vec<&str>) -> Vec<&str> {
    let mut made: Vec<&str> = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        made.push(word);
        at += 1;
        if let ("SELECT" | "," | "DISTINCT", Some(length)) =
            (*word, words.get(at..).and_then(named_by_its_type))
        {
            made.extend(words.get(at..at + length).unwrap_or_default());
            // AS and the name.
            at += length + 2;
        }
    }
    made
}

/// How many words `constant :: type` at the beginning has, where AS and the name that it has by itself follow.
fn named_by_its_type(words: &[&str]) -> Option<usize> {
    let constant = words.first()?;
    // Up to 14 these have their type's name without a cast.
    if matches!(words.get(..3)?, ["true" | "false", "AS", "bool"]) {
        return Some(1);
    }
    let is_constant =
        *constant == "NULL" || constant.ends_with('\'') || constant.starts_with(|c: char| c.is_ascii_digit());
    if !is_constant || words.get(1) != Some(&"::") {
        return None;
    }
    let length = words.iter().position(|word| *word == "AS")?;
    let name = words.get(length + 1)?;
    (name_of_type(words.get(2..length)?)? == name.trim_matches('"')).then_some(length)
}

/// The name that a column gets by a cast to the type (`FigureColname`): the last part of the name that the parser knows it by.
fn name_of_type(words: &[&str]) -> Option<String> {
    let (mut depth, mut name) = (0_i32, Vec::new());
    for word in words {
        match *word {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            // What stands in front of the point is its schema.
            "." if depth == 0 => name.clear(),
            word if depth == 0 => {
                let is_name = word.starts_with('"') || word.chars().all(|c| c.is_alphanumeric() || c == '_');
                name.push(is_name.then(|| word.trim_matches('"'))?);
            }
            _ => {}
        }
    }
    let name = name.join(" ");
    // Names that the grammar turns into those of the catalog (`gram.y`, "SimpleTypename").
    let known = match name.as_str() {
        "bigint" => "int8",
        "bit varying" => "varbit",
        "boolean" => "bool",
        "character" => "bpchar",
        "character varying" => "varchar",
        "double precision" => "float8",
        "integer" => "int4",
        "real" => "float4",
        "smallint" => "int2",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        // With its fields.
        other if other.starts_with("interval ") => "interval",
        other => other,
    };
    Some(known.to_owned())
}

/// A NULL of a row that is made of a composite type: of an attribute that came later (ALTER TYPE .. ADD ATTRIBUTE) the server
/// prints it without a type, and with the attribute's when it has been read back. `ROW(a, NULL::integer)::pair` becomes
/// `ROW(a, NULL)::pair`.
fn rows(words: Vec<&str>) -> Vec<&str> {
    let mut dropped = vec![false; words.len()];
    // Of each open parenthesis: whether it is a row's, and where the types of its NULLs stand.
    let mut open: Vec<(bool, Vec<std::ops::Range<usize>>)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| words.get(before)).copied();
        match *word {
            "(" => open.push((before == Some("ROW"), Vec::new())),
            ")" => {
                let Some((true, types)) = open.pop() else { continue };
                if words.get(at + 1) == Some(&"::") {
                    for place in types.into_iter().flatten() {
                        dropped.get_mut(place).into_iter().for_each(|dropped| *dropped = true);
                    }
                }
            }
            "NULL" if matches!(before, Some("(" | ",")) => {
                let behind = words.get(at + 1..).unwrap_or_default();
                let Some((true, types)) = open.last_mut() else { continue };
                types.extend(type_of(behind).map(|length| at + 1..at + 1 + length));
            }
            _ => {}
        }
    }
    words.into_iter().zip(dropped).filter(|(_, dropped)| !dropped).map(|(word, _)| word).collect()
}

/// How many words a cast has (`:: numeric ( 3 , 1 )`) that goes up to the next item of a list or to its end.
fn type_of(words: &[&str]) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, word) in words.iter().enumerate() {
        match *word {
            "::" if at == 0 => {}
            _ if at == 0 => return None,
            "(" | "[" => depth += 1,
            "," | ")" if depth == 0 => return Some(at),
            ")" | "]" => depth -= 1,
            word if word.chars().all(|c| c.is_alphanumeric() || "\"_.,".contains(c)) => {}
            word if word.starts_with('"') => {}
            _ => return None,
        }
    }
    None
}

/// `((a AND b) AND c)`, which is how BETWEEN and comparisons of rows are taken in front of an AND, becomes `(a AND b AND c)`;
/// OR alike. Only the first operand is taken in (`makeAndExpr`, `makeOrExpr`).
fn chains(words: Vec<&str>) -> Vec<&str> {
    let mut open: Vec<Group<'_>> = Vec::new();
    let mut dropped = vec![false; words.len()];
    for (at, word) in words.iter().enumerate() {
        match (*word, open.last_mut()) {
            ("(", _) => open.push(Group { start: at, word: None, mixed: false, cases: 0 }),
            (")", Some(_)) => {
                let Some(group) = open.pop() else { continue };
                let next = words.get(at + 1).copied();
                let is_first = group.start.checked_sub(1).and_then(|before| words.get(before)) == Some(&"(");
                if is_first && !group.mixed && group.word.is_some() && group.word == next {
                    for place in [group.start, at] {
                        dropped.get_mut(place).into_iter().for_each(|dropped| *dropped = true);
                    }
                }
            }
            (_, Some(group)) => group.take(word),
            _ => {}
        }
    }
    words.into_iter().zip(dropped).filter(|(_, dropped)| !dropped).map(|(word, _)| word).collect()
}

/// What stands between two parentheses, without what is in further ones.
struct Group<'a> {
    start: usize,
    /// AND or OR, where that is what joins it.
    word: Option<&'a str>,
    /// It is no plain chain of one of the two.
    mixed: bool,
    /// CASEs without their END.
    cases: usize,
}

impl<'a> Group<'a> {
    fn take(&mut self, word: &'a str) {
        match word {
            "CASE" => self.cases += 1,
            "END" => self.cases = self.cases.saturating_sub(1),
            _ if self.cases > 0 => {}
            "AND" | "OR" => {
                self.mixed |= self.word.is_some_and(|other| other != word);
                self.word = Some(word);
            }
            "SELECT" | "VALUES" | "BETWEEN" | "," => self.mixed = true,
            _ => {}
        }
    }
}

/// `(ARRAY['a'::x])::y[]`, which is how the parser takes `IN ('a')` on a column of type x, becomes `ARRAY[('a'::x)::y]`.
fn arrays(words: Vec<&str>) -> Vec<&str> {
    let mut made: Vec<&str> = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match cast_array(words.get(at..).unwrap_or_default()) {
            Some((items, element, length)) => {
                made.extend(["ARRAY", "["]);
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        made.push(",");
                    }
                    made.push("(");
                    made.extend(arrays(item.to_vec()));
                    made.extend([")", "::"]);
                    made.extend_from_slice(element);
                }
                made.push("]");
                at += length;
            }
            None => {
                made.push(word);
                at += 1;
            }
        }
    }
    made
}

/// A stretch of a text's words.
type Words<'w, 'a> = &'w [&'a str];

/// `( ARRAY [ items ] ) :: type [ ]` at the beginning: the items, the type, and how many words that are.
fn cast_array<'w, 'a>(words: &'w [&'a str]) -> Option<(Vec<Words<'w, 'a>>, Words<'w, 'a>, usize)> {
    if words.get(..3)? != ["(", "ARRAY", "["] {
        return None;
    }
    let (mut depth, mut items, mut start, mut end) = (0_i32, Vec::new(), 3, None);
    for (at, word) in words.iter().enumerate().skip(3) {
        match *word {
            "]" if depth == 0 => {
                items.push(words.get(start..at)?);
                end = Some(at);
                break;
            }
            "," if depth == 0 => {
                items.push(words.get(start..at)?);
                start = at + 1;
            }
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            _ => {}
        }
    }
    let end = end?;
    if words.get(end + 1..end + 3)? != [")", "::"] {
        return None;
    }
    let element = end + 3;
    let bracket = element + words.get(element..)?.iter().position(|word| *word == "[")?;
    let is_type = |word: &&str| word.starts_with(|c: char| c.is_alphanumeric() || "\"_.(),".contains(c));
    let name = words.get(element..bracket)?;
    if words.get(bracket + 1) != Some(&"]") || name.is_empty() || !name.iter().all(is_type) {
        return None;
    }
    Some((items, name, bracket + 2))
}

#[cfg(test)]
mod tests {
    use crate::schema::diff::text::same;

    #[test]
    fn an_array_is_the_same_before_and_after_it_was_read_again() {
        let read = "CHECK ((s)::text = ANY ((ARRAY['a'::character varying, f(1, 2)])::text[]))";
        let again = "CHECK ((s)::text = ANY (ARRAY[('a'::character varying)::text, (f(1, 2))::text]))";
        assert!(same(read, again));
        assert!(!same(read, &again.replace("'a'", "'b'")));
        assert!(!same(read, &again.replace("))::text]", "))::name]")));
        let own = r#"((ARRAY['a'::"public"."x"])::"public"."y"[])"#;
        assert!(same(own, r#"(ARRAY[('a'::"public"."x")::"public"."y"])"#));
    }

    /// Both as PostgreSQL 18 prints them, before and after.
    #[test]
    fn what_was_read_again_is_the_same() {
        for (read, again) in [
            ("EXTRACT(YEAR FROM d)", "EXTRACT(year FROM d)"),
            (
                "(EXISTS ( SELECT 'x'::text, '-1'::integer, NULL::character varying(5), 1.5))",
                "(EXISTS ( SELECT 'x'::text AS text, '-1'::integer AS int4, NULL::character varying(5) AS varchar, 1.5))",
            ),
            (
                r#"SELECT "x" FROM "u" UNION SELECT 'a'::"public"."mood""#,
                r#"SELECT "x" FROM "u" UNION SELECT 'a'::"public"."mood" AS "mood""#,
            ),
            (
                "( SELECT DISTINCT '1 day'::interval day to second(2), '{}'::text[])",
                "( SELECT DISTINCT '1 day'::interval day to second(2) AS \"interval\", '{}'::text[] AS text)",
            ),
            (
                "(((d >= '2020-01-01'::date) AND (d <= now())) AND (i > 3) AND (bo IS TRUE))",
                "((d >= '2020-01-01'::date) AND (d <= now()) AND (i > 3) AND (bo IS TRUE))",
            ),
            (
                "(NOT ((((i >= 1) AND (i <= 2)) OR ((i >= 2) AND (i <= 1))) OR (x = 'a'::text)))",
                "(NOT (((i >= 1) AND (i <= 2)) OR ((i >= 2) AND (i <= 1)) OR (x = 'a'::text)))",
            ),
            ("((((a = 1) AND (b = 2)) AND c) AND d)", "((a = 1) AND (b = 2) AND c AND d)"),
            (
                "CASE WHEN (((i >= 1) AND CASE WHEN p THEN q ELSE (r OR s) END) AND x) THEN 1 END",
                "CASE WHEN ((i >= 1) AND CASE WHEN p THEN q ELSE (r OR s) END AND x) THEN 1 END",
            ),
            ("(EXISTS ( SELECT true AS bool, false))", "(EXISTS ( SELECT true, false AS bool))"),
            (
                r#"RETURN ROW($1, NULL::text, NULL, f(NULL))::"public"."pair""#,
                r#"RETURN ROW($1, NULL::text, NULL::numeric(3,1)[], f(NULL))::"public"."pair""#,
            ),
            ("ROW(ROW(NULL::integer)::a, NULL)::b", "ROW(ROW(NULL)::a, NULL::\"x y\".\"z)\")::b"),
        ] {
            assert!(same(read, again), "{read}\n{again}");
        }
    }

    #[test]
    fn what_means_something_else_stays_a_difference() {
        for (one, other) in [
            // Of another month, another name, another constant.
            ("EXTRACT(year FROM d)", "EXTRACT(month FROM d)"),
            ("SELECT 'x'::text AS text", "SELECT 'y'::text AS text"),
            ("SELECT 'x'::text AS y", "SELECT 'x'::text"),
            ("SELECT 'x'::text AS varchar", "SELECT 'x'::text"),
            // A column of that name would be called otherwise without it.
            ("SELECT (a || 'x'::text) AS text", "SELECT (a || 'x'::text)"),
            ("SELECT a || 'x'::text AS text", "SELECT a || 'x'::text"),
            ("SELECT f('x'::text) AS text", "SELECT f('x'::text)"),
            ("SELECT true AS yes", "SELECT true"),
            // Of a row of no type it is the column's.
            ("ROW(1, NULL::integer)", "ROW(1, NULL::text)"),
            ("ROW(1, (NULL::integer + 1))::pair", "ROW(1, (NULL + 1))::pair"),
            ("ROW(1, NULL::integer + 1)::pair", "ROW(1, NULL + 1)::pair"),
            ("f(1, NULL::integer)::pair", "f(1, NULL::text)::pair"),
            // Where parentheses mean something.
            ("((a AND b) OR c)", "(a AND b OR c)"),
            ("((a OR b) AND c)", "(a OR b AND c)"),
            ("(a AND (b OR c))", "(a AND b OR c)"),
            ("((a AND b) AND c)", "(a AND b)"),
            ("((a AND b) AND c)", "(a AND b OR c)"),
            ("(('AND' = x) AND c)", "('AND' = x AND c)"),
            ("((SELECT a AND b) AND c)", "(SELECT a AND b AND c)"),
            ("((a, b AND c) AND d)", "(a, b AND c AND d)"),
        ] {
            assert!(!same(one, other), "{one}\n{other}");
        }
    }

    #[test]
    fn text_of_any_depth_is_compared() {
        let deep = |first: &str| format!("{}{first}{}", "(".repeat(20_000), " AND b)".repeat(20_000));
        assert!(same(&deep("a"), &deep("a ")));
        assert!(!same(&deep("a"), &deep("c")));
    }
}

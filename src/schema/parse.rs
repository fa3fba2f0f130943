//! Judges SQL with PostgreSQL's own parser, before any of it is sent. The only module that uses `pg_query`.
//!
//! Only the raw parser's split is asked for: it works through expressions of any length, while decoding a tree stops
//! at a nesting of 100 and, without that limit, can overflow the stack. A tree is therefore never decoded here, and
//! "does it parse" is all that a verdict says.

use crate::pg::{Sql, Version};
use crate::schema::script::Script;

/// Who wrote the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This program: it has to be right.
    Ours,
    /// The source server, at least in part: an older grammar may print what the newer one of the parser refuses (an
    /// unquoted column `system_user`), and the destination has the last word.
    Server,
}

/// What the parser says of one piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is SQL, of this many statements.
    Parsed(usize),
    /// It is not, but the source server printed it; or it is too deep for this parser: a warning.
    OnlyWarn(String),
    /// It is not SQL: nothing may be sent.
    Refused(String),
}

/// Something to say of a script before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The step's label: `table public.orders`.
    pub label: String,
    /// The parser's words, not the text it was given.
    pub message: String,
    /// Whether it stops the clone.
    pub fatal: bool,
}

/// Judges one piece of SQL. Any number of statements may stand in it.
pub fn judge(sql: &Sql, origin: Origin) -> Verdict {
    let refused = |message: String| match origin {
        Origin::Ours => Verdict::Refused(message),
        Origin::Server => Verdict::OnlyWarn(message),
    };
    let text = sql.as_str();
    if text.contains('\0') {
        // No server takes it: it would end the text early on the wire.
        return Verdict::Refused("a NUL character, which no SQL text can hold".to_owned());
    }
    match pg_query::split_with_parser(text) {
        Ok(statements) => Verdict::Parsed(statements.iter().filter(|text| !text.trim().is_empty()).count()),
        Err(pg_query::Error::Split(message)) if gave_up(&message) => Verdict::OnlyWarn(message),
        Err(pg_query::Error::Split(message)) => refused(message),
        Err(other) => refused(other.to_string()),
    }
}

/// The words of SQL text that a server printed, one after the other; `None` where it is not to be taken apart. Flat: no
/// tree is made, so no depth of nesting matters.
pub fn words(text: &str) -> Option<Vec<&str>> {
    // Not `scan_tokens`, which panics on text without a token.
    let tokens = pg_query::scan(text).ok()?.tokens;
    let at = |place: i32| usize::try_from(place).ok();
    tokens.iter().map(|token| text.get(at(token.start)?..at(token.end)?)).collect()
}

/// Whether the parser ran into a limit of its own, thousands of levels deep: that is not an error in the text, and a
/// destination with another limit may take it.
fn gave_up(message: &str) -> bool {
    message.starts_with("memory exhausted") || message.contains("stack depth limit exceeded")
}

/// The major version whose grammar this program's parser has.
const GRAMMAR: u32 = 18;

/// Judges a whole script that was rendered from a catalog of version `source`, in order. Nothing found: every
/// statement parses.
///
/// Text that a server of the parser's own version printed has to parse. What an older one printed need not: the
/// destination may still know better.
pub fn judge_script(script: &Script, source: Version) -> Vec<Finding> {
    let statements =
        script.steps.iter().flat_map(|made| made.sql.iter().map(|sql| (made.label.as_str(), sql)));
    judge_all(statements, source)
}

/// Judges statements, each with what people call the object that it makes.
pub fn judge_all<'a>(statements: impl Iterator<Item = (&'a str, &'a Sql)>, source: Version) -> Vec<Finding> {
    let findings = statements.filter_map(|(label, sql)| {
        let older = sql.has_printed_part() && source.major() != GRAMMAR;
        let (message, fatal) = match judge(sql, if older { Origin::Server } else { Origin::Ours }) {
            Verdict::Parsed(_) => return None,
            Verdict::OnlyWarn(message) => (message, false),
            Verdict::Refused(message) => (message, true),
        };
        Some(Finding { label: label.to_owned(), message, fatal })
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::{Origin, Verdict, judge, judge_script, words};
    use crate::pg::{Sql, Version};
    use crate::schema::model::{Address, class};
    use crate::schema::script::{Phase, Script, Step};
    use crate::sql;

    fn server(text: impl Into<String>) -> Sql {
        Sql::printed_by_server(text)
    }

    #[test]
    fn counts_statements() {
        for (text, expected) in [
            ("SELECT 1", 1),
            ("SELECT 1; SELECT 2;", 2),
            ("", 0),
            ("-- nothing", 0),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END", 1),
        ] {
            assert_eq!(judge(&server(text), Origin::Ours), Verdict::Parsed(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_sql_is_refused_or_warned_about_by_who_wrote_it() {
        let text = server("CREATE TABEL x ()");
        assert!(matches!(judge(&text, Origin::Ours), Verdict::Refused(message) if message.contains("TABEL")));
        assert!(
            matches!(judge(&text, Origin::Server), Verdict::OnlyWarn(message) if message.contains("TABEL"))
        );
    }

    #[test]
    fn words_are_what_the_scanner_sees() {
        let expected: &[&str] = &["SELECT", "\"a b\"", ".", "x", "::", "text", "||", "'it''s'"];
        assert_eq!(words("SELECT \"a b\".x::text || 'it''s'").as_deref(), Some(expected));
        assert_eq!(words("").as_deref(), Some(&[] as &[&str]));
        assert_eq!(words("-- nothing").map(|words| words.len()), Some(1));
        assert_eq!(words("'open"), None);
    }

    #[test]
    fn a_nul_is_refused_whoever_wrote_it() {
        for origin in [Origin::Ours, Origin::Server] {
            assert!(matches!(judge(&server("SELECT '\0'"), origin), Verdict::Refused(_)));
        }
    }

    #[test]
    fn expressions_of_any_length_and_depth_come_back() {
        let long = vec!["1"; 64_000].join(" + ");
        assert_eq!(judge(&server(format!("SELECT {long}")), Origin::Ours), Verdict::Parsed(1));
        for depth in [400, 4_000, 100_000] {
            let deep = format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
            // Parsed or refused, but back again: the process lives.
            let _ = judge(&server(deep), Origin::Server);
        }
        let cases = |depth: usize| {
            server(format!("SELECT {}1{}", "CASE WHEN a THEN ".repeat(depth), " END".repeat(depth)))
        };
        assert_eq!(judge(&cases(500), Origin::Ours), Verdict::Parsed(1));
        assert!(matches!(judge(&cases(5_000), Origin::Ours), Verdict::OnlyWarn(_)));
    }

    #[test]
    fn a_script_stops_on_our_errors_and_warns_of_an_older_servers_words() {
        let step = |label: &str, sql: Sql| Step {
            rank: crate::schema::model::Rank::Table,
            makes: Address::new(class::RELATION, 1),
            label: label.to_owned(),
            phase: Phase::PreData,
            sql: vec![sql],
            waits_for: Vec::new(),
            needs_rows_of: Vec::new(),
            locks: Vec::new(),
            tolerated: crate::schema::script::Tolerated::Nothing,
            builds: None,
        };
        let printed = sql!("CREATE VIEW v AS {query}", query = server("SELECT t.system_user.x FROM FROM t"));
        let script = Script {
            steps: vec![
                step("right", Sql::fixed("SELECT 1")),
                step("printed", printed),
                step("wrong", Sql::fixed("NO SQL")),
            ],
            ..Script::default()
        };
        let fatal = |version| {
            let found = judge_script(&script, Version::from_number(version));
            found.into_iter().map(|finding| (finding.label, finding.fatal)).collect::<Vec<_>>()
        };
        assert_eq!(fatal(150_000), [("printed".to_owned(), false), ("wrong".to_owned(), true)]);
        assert_eq!(fatal(180_000), [("printed".to_owned(), true), ("wrong".to_owned(), true)]);
    }
}

//! PostgreSQL's own clients as the judges of a schema: pg_dump's text, what `psql` makes of it, and the difference.

use std::process::{Command, Stdio};

use super::{installation, missing};

/// `pg_dump --schema-only` of a database as lines, without pg_dump's own comments, blank lines and `\restrict` keys; what
/// stands in quotes, as the bodies of functions do, is kept whole. `None` (after a loud line) where that version's pg_dump
/// is not here.
pub fn schema(major: u16, url: &str) -> Option<Vec<String>> {
    schemas(major, url, &[])
}

/// As [`schema`], of these schemas alone; of all where none is named.
pub fn schemas(major: u16, url: &str, names: &[&str]) -> Option<Vec<String>> {
    let names = names.iter().flat_map(|name| ["--schema", *name]);
    lines(major, &["--dbname", url].into_iter().chain(names).collect::<Vec<_>>())
}

/// [`schema`], and before it what `--create` says of the database as a whole.
pub fn with_database(major: u16, url: &str) -> Option<Vec<String>> {
    lines(major, &["--create", "--dbname", url])
}

fn lines(major: u16, more: &[&str]) -> Option<Vec<String>> {
    let arguments = [&["--schema-only", "--no-sync", "--encoding", "UTF8"], more].concat();
    let text = run(major, "pg_dump", &arguments)?;
    Some(statements(&text))
}

fn statements(text: &str) -> Vec<String> {
    let mut place = Place::Plain;
    let mut lines = Vec::new();
    for line in text.lines() {
        let ours = line.is_empty() || line.starts_with("--") || is_restrict(line);
        if place == Place::Plain && ours {
            continue;
        }
        place = place.after(line);
        lines.push(line.to_owned());
    }
    lines
}

/// Where in SQL text a line ends (manual, "Lexical Structure").
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Plain,
    /// In a string constant or a quoted name; whether a backslash escapes.
    Quoted(char, bool),
    /// In a dollar-quoted string, with its delimiter.
    Dollar(String),
}

impl Place {
    fn after(mut self, line: &str) -> Self {
        let mut rest = line;
        let mut before = None;
        while let Some(c) = rest.chars().next() {
            let mut taken = c.len_utf8();
            match &self {
                Self::Plain if rest.starts_with("--") => break,
                Self::Plain if c == '"' => self = Self::Quoted(c, false),
                Self::Plain if c == '\'' => self = Self::Quoted(c, matches!(before, Some('E' | 'e'))),
                Self::Plain if c == '$' && !before.is_some_and(in_a_word) => {
                    if let Some(delimiter) = delimiter(rest) {
                        taken = delimiter.len();
                        self = Self::Dollar(delimiter.to_owned());
                    }
                }
                Self::Quoted(_, true) if c == '\\' => {
                    taken += rest.chars().nth(1).map_or(0, char::len_utf8);
                }
                Self::Quoted(quote, _) if c == *quote => {
                    match rest[taken..].starts_with(*quote) {
                        true => taken *= 2,
                        false => self = Self::Plain,
                    };
                }
                Self::Dollar(delimiter) if rest.starts_with(delimiter.as_str()) => {
                    taken = delimiter.len();
                    self = Self::Plain;
                }
                _ => {}
            }
            before = Some(c);
            rest = &rest[taken..];
        }
        self
    }
}

fn in_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// `$$` or `$tag$` at the beginning of `text`.
fn delimiter(text: &str) -> Option<&str> {
    let end = text.get(1..)?.find(|c: char| !c.is_alphanumeric() && c != '_')? + 1;
    text.get(..=end).filter(|delimiter| delimiter.ends_with('$'))
}

fn is_restrict(line: &str) -> bool {
    line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ")
}

/// Copies a whole database the ordinary way, `pg_dump | psql` of one version, into an empty database. An error of
/// either fails the test.
pub fn copy_with_psql(major: u16, from_url: &str, to_url: &str) -> Option<()> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    run(major, "pg_dump", &["--no-sync", "--file", path, "--dbname", from_url])?;
    let psql = ["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null"];
    run(major, "psql", &[&psql[..], &["--file", path, "--dbname", to_url]].concat())?;
    Some(())
}

/// A line that may differ, and why.
pub struct Allowed {
    /// As the difference shows it: `-` or `+`, then the line.
    pub line: &'static str,
    pub reason: &'static str,
}

/// Fails the test with a readable difference unless the lines are equal.
#[track_caller]
pub fn assert_same(expected: &[String], actual: &[String]) {
    assert_same_but::<Allowed>(expected, actual, &[]);
}

/// [`assert_same`], but for the listed lines. One that is listed and does not differ fails the test too.
#[track_caller]
pub fn assert_same_but<A: std::borrow::Borrow<Allowed>>(
    expected: &[String],
    actual: &[String],
    allowed: &[A],
) {
    let differing = differences(expected, actual);
    let unlisted: Vec<&String> = differing
        .iter()
        .filter(|line| !allowed.iter().any(|entry| entry.borrow().line == line.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "{} lines differ:\n{}", unlisted.len(), unified(expected, actual, 4));
    for entry in allowed.iter().map(std::borrow::Borrow::borrow) {
        let stale = !differing.iter().any(|line| line == entry.line);
        assert!(!stale, "allowed but equal: {} ({})", entry.line, entry.reason);
    }
}

/// The differing lines, `-` before what is missing and `+` before what is there instead.
pub fn differences(expected: &[String], actual: &[String]) -> Vec<String> {
    let text = unified(expected, actual, 0);
    let body = text.lines().skip(2).filter(|line| line.starts_with(['-', '+']));
    body.map(str::to_owned).collect()
}

/// `diff --unified` of the two, empty when equal.
fn unified(expected: &[String], actual: &[String], context: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, lines) in [("expected", expected), ("actual", actual)] {
        std::fs::write(folder.path().join(name), lines.join("\n") + "\n").unwrap();
    }
    let mut command = Command::new("diff");
    command.arg(format!("--unified={context}")).args(["expected", "actual"]).current_dir(folder.path());
    String::from_utf8_lossy(&command.output().expect("the program diff").stdout).into_owned()
}

/// Runs a client program; its failure fails the test.
fn run(major: u16, program: &str, arguments: &[&str]) -> Option<String> {
    let Some(path) = installation::client(program, major) else {
        return missing(&format!("{program} of PostgreSQL {major}"), "scripts/setup tests");
    };
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C").env_remove("PGOPTIONS");
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {major} {arguments:?} failed:\n{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn differences_are_the_lines_that_differ() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(differences(&lines("a b c"), &lines("a x c d")), ["-b", "+x", "+d"]);
    assert!(differences(&lines("a b"), &lines("a b")).is_empty());
    assert_same_but(&lines("a b"), &lines("a"), &[Allowed { line: "-b", reason: "the test" }]);
}

#[test]
fn only_what_pg_dump_adds_is_left_out_of_a_schema() {
    let text = [
        "-- Name: f; Type: FUNCTION",
        "",
        "\\restrict key",
        "CREATE FUNCTION f() AS $_$",
        "-- a comment of the body",
        "",
        "  SELECT '$$', $1; -- isn't one",
        "$_$;",
        "--",
        "COMMENT ON TABLE \"a'b\" IS E'it''s \\'",
        "-- in a string",
        "';",
        "-- Name: a\"b",
        "SELECT 'a$x$b' AS c$d$e;",
        "-- the end",
    ];
    let kept: Vec<&str> = [3, 4, 5, 6, 7, 9, 10, 11, 13].map(|at| text[at]).to_vec();
    assert_eq!(statements(&text.join("\n")), kept);
}

//! PostgreSQL's own clients as the judges of a schema: pg_dump's text, what `psql` makes of it, and the difference.

use std::process::{Command, Stdio};

use super::{installation, missing};

/// `pg_dump --schema-only` of a database as lines, without comments, blank lines and `\restrict` keys; `None` (after
/// a loud line) where that version's pg_dump is not here.
pub fn schema(major: u16, url: &str) -> Option<Vec<String>> {
    schemas(major, url, &[])
}

/// As [`schema`], of these schemas alone; of all where none is named.
pub fn schemas(major: u16, url: &str, names: &[&str]) -> Option<Vec<String>> {
    let mut arguments = vec!["--schema-only", "--no-sync", "--encoding", "UTF8", "--dbname", url];
    arguments.extend(names.iter().flat_map(|name| ["--schema", *name]));
    let text = run(major, "pg_dump", &arguments)?;
    let keep = |line: &&str| !(line.is_empty() || line.starts_with("--") || is_restrict(line));
    Some(text.lines().filter(keep).map(str::to_owned).collect())
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

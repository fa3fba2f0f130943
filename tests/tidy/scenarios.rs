//! The rule that holds `docs/mirror-scenarios.md` and the tests of scenarios together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{files_below, none, read};

/// What the last column of a row without tests begins with.
const NONE: &str = "none";

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// What its tests' names begin with, up to the first `_`: `s004`.
    scenarios: Vec<String>,
    /// Beginnings of names of tests, or `room::beginning`; none where there is no test yet.
    tests: Vec<String>,
}

#[test]
fn every_scenario_is_in_the_list_with_its_tests() {
    let rows = rows(&read("docs/mirror-scenarios.md"));
    let found = found(&rows, &tests());
    none(found.into_iter().map(|problem| format!("docs/mirror-scenarios.md: {problem}")).collect());
}

/// What is wrong with the table, if anything. Tests are known by their room (the file's name).
fn found(rows: &[Row], tests: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, name) in tests {
        if let Some(scenario) = scenario(name) {
            of.entry(scenario).or_default().push(name);
        }
    }
    let mut listed = BTreeSet::new();
    for Row { scenarios, tests: named } in rows {
        for scenario in scenarios {
            if !listed.insert(scenario.as_str()) {
                wrong.push(format!("{scenario} has two rows"));
            }
            if !named.is_empty() && !of.contains_key(scenario.as_str()) {
                wrong.push(format!("no test's name begins with {scenario}_"));
            }
        }
        for name in named {
            let is_it = |(room, test): &(String, String)| match name.split_once("::") {
                Some((in_room, beginning)) => room == in_room && test.starts_with(beginning),
                None => test.starts_with(name.as_str()) || room == name,
            };
            if !tests.iter().any(is_it) {
                wrong.push(format!("no test's name begins with {name}, and no room has it"));
            }
        }
    }
    let missing = of.iter().filter(|(scenario, _)| !listed.contains(*scenario));
    wrong.extend(
        missing.map(|(scenario, names)| format!("lacks a row `{scenario}`, of {}", names.join(", "))),
    );
    wrong
}

/// Which scenario a test is of; none where its name is of its own.
fn scenario(name: &str) -> Option<&str> {
    let (first, _) = name.split_once('_').unwrap_or((name, ""));
    let numbered = first.len() == 4 && first.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    let known = (numbered && first.starts_with(['s', 'r'])) || matches!(first, "r" | "decoding");
    known.then_some(first)
}

/// The rows of the table; its head and what is around it are none.
fn rows(page: &str) -> Vec<Row> {
    let lines = page.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [scenarios, _, tests] = cells.as_slice() else { panic!("a row has three cells: {line}") };
            let tests = if tests.starts_with(NONE) { Vec::new() } else { in_backticks(tests) };
            Row { scenarios: in_backticks(scenarios), tests }
        })
        .collect()
}

fn in_backticks(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The integration tests, each with its room.
fn tests() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration");
    let mut tests = Vec::new();
    for file in files_below(&folder, "rs") {
        let room = file.file_stem().unwrap().to_string_lossy().into_owned();
        tests.extend(names(&read(&file)).into_iter().map(|name| (room.clone(), name)));
    }
    tests
}

/// The names of a file's tests: the function after `#[test]` or `#[tokio::test..`.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        if let Some(function) = function
            && std::mem::take(&mut is_test)
        {
            names.extend(function.split_once('(').map(|(name, _)| name.to_owned()));
        }
    }
    names
}

#[test]
fn the_list_s_rule_notices_what_it_is_for() {
    let page = "| scenario | does | tests |\n|---|---|---|\n| `s001` one, `s002` another | it goes on | `s001_a` `room::b` `room` |\n| `s030` | waits | none yet |\n";
    let row = |scenarios: &[&str], tests: &[&str]| Row {
        scenarios: scenarios.iter().map(|one| (*one).to_owned()).collect(),
        tests: tests.iter().map(|one| (*one).to_owned()).collect(),
    };
    assert_eq!(rows(page), [row(&["s001", "s002"], &["s001_a", "room::b", "room"]), row(&["s030"], &[])]);
    let test = |room: &str, name: &str| (room.to_owned(), name.to_owned());
    let tests = [test("other", "s001_a_case"), test("other", "s002_c"), test("room", "by_name")];
    assert!(found(&rows(page), &tests).is_empty());
    assert_eq!(found(&rows(page), &tests[1..]).len(), 2);
    assert_eq!(found(&rows(page), &tests[..2]).len(), 2);
    let unlisted =
        [&tests[..], &[test("other", "r019_lost"), test("other", "s0190"), test("other", "decoding_x")]]
            .concat();
    assert_eq!(found(&rows(page), &unlisted).len(), 2);
    let text = "#[tokio::test(start_paused = true)]\n#[expect(dead_code)]\nasync fn one() {\nfn helper() {}\n#[test]\nfn two() {";
    assert_eq!(names(text), ["one", "two"]);
}

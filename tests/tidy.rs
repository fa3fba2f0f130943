//! The house rules that a machine can hold. Each test is a rule; its message says what to do instead.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[path = "tidy/rust_text.rs"]
#[expect(unreachable_pub, reason = "a part of this one program")]
mod rust_text;
#[path = "tidy/scenarios.rs"]
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rust_text::{Kind, Token, paths, tokens};

/// A file that does one thing is far shorter; past this it certainly does several.
const LONGEST_FILE: usize = 600;

/// Layers whose code turns values into values.
const PURE: std::ops::RangeInclusive<u32> = 1..=3;

/// A Rust file below `src`.
struct Source {
    path: PathBuf,
    text: String,
    /// `["pg", "name"]` for `src/pg/name.rs`, `["pg"]` for `src/pg/mod.rs`, empty for `lib.rs` and `main.rs`.
    module: Vec<String>,
    tokens: Vec<Token>,
}

#[test]
fn a_module_uses_only_the_layers_above_it() {
    let layers = layers(&read("src/lib.rs"));
    let sources = sources();
    let on_disk: BTreeSet<&str> =
        sources.iter().filter_map(|source| source.module.first()).map(String::as_str).collect();
    assert_eq!(
        on_disk,
        layers.keys().map(String::as_str).collect(),
        "src/lib.rs lists every module, with its layer"
    );
    let engines = engines(&sources);
    let mut wrong = Vec::new();
    for source in &sources {
        for path in paths(&source.tokens, &source.module) {
            if let Some(problem) = crossing(&layers, &engines, &source.module, &path.words) {
                wrong.push(format!("{}:{}: {problem}", source.path.display(), path.line));
            }
        }
    }
    none(wrong);
}

/// What is wrong with a module's use of a path, if anything.
fn crossing(
    layers: &BTreeMap<String, u32>,
    engines: &BTreeSet<String>,
    module: &[String],
    path: &[String],
) -> Option<String> {
    let [own, ..] = module else { return None };
    let [krate, used, rest @ ..] = path else { return None };
    if krate != "crate" {
        return None;
    }
    // What is no module is a macro or an item of lib.rs.
    let (own_layer, used_layer) = (layers.get(own)?, layers.get(used)?);
    if used != own && used_layer >= own_layer {
        return Some(format!("{own} (layer {own_layer}) uses {used} (layer {used_layer})"));
    }
    if let ("engine", [_, engine, ..], [other, ..]) = (used.as_str(), module, rest)
        && used == own
        && engine != other
        && engines.contains(other)
    {
        return Some(format!("engine {engine} uses engine {other}; a workflow joins engines"));
    }
    None
}

#[test]
fn pure_layers_do_no_input_output_and_have_no_clock() {
    let layers = layers(&read("src/lib.rs"));
    let mut wrong = Vec::new();
    for source in sources() {
        let pure =
            source.module.first().and_then(|own| layers.get(own)).is_some_and(|layer| PURE.contains(layer));
        if pure {
            let found = impurities(&source.tokens, &source.module);
            wrong.extend(
                found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.path.display())),
            );
        }
    }
    none(wrong);
}

fn impurities(tokens: &[Token], module: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for token in tokens {
        match &token.kind {
            Kind::Word(word) if word == "async" => {
                found.push((token.line, "async: this layer only computes".into()))
            }
            Kind::Word(word) if word.starts_with("tokio") => {
                found.push((token.line, format!("{word}: this layer only computes")))
            }
            _ => {}
        }
    }
    for path in paths(tokens, module) {
        let words: Vec<&str> = path.words.iter().map(String::as_str).collect();
        let problem = match words.as_slice() {
            ["std", "fs", ..] => "std::fs: bytes arrive as an argument",
            ["std", "net", rest @ ..] if !matches!(rest, [value, ..] if value.contains("Addr") && !value.starts_with("To")) => {
                "std::net: sockets and name look-up live in connect; addresses alone are values"
            }
            [.., "Instant" | "SystemTime", "now"] => "a clock: time arrives as an argument",
            _ => continue,
        };
        found.push((path.line, problem.into()));
    }
    found
}

#[test]
fn every_file_opens_with_what_it_is() {
    let sources = sources();
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| format!("{}: opens with a //! sentence", source.path.display())).collect());
}

#[test]
fn nothing_is_unfinished_or_ignored() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let found = unfinished(&tokens(&read(&path)));
        wrong.extend(found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", path.display())));
    }
    none(wrong);
}

fn unfinished(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        if let [Token { line, kind: Kind::Word(word) }, next] = pair
            && next.is_sign('!')
            && matches!(word.as_str(), "todo" | "unimplemented")
        {
            found.push((*line, format!("{word}!")));
        }
        if let [bracket, Token { line, kind: Kind::Word(word) }] = pair
            && bracket.is_sign('[')
            && word == "ignore"
        {
            found.push((*line, "#[ignore]".to_owned()));
        }
    }
    found
}

#[test]
fn no_file_is_several_rooms() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let lines = read(&path).lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines, at most {LONGEST_FILE}", path.display()));
        }
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if matches!(name, "util" | "utils" | "common" | "helper" | "helpers" | "misc" | "manager") {
            wrong.push(format!("{}: the name does not say what the file is", path.display()));
        }
    }
    none(wrong);
}

#[test]
fn the_architecture_names_every_module() {
    let text = read("docs/architecture.md");
    let named: BTreeSet<&str> = text.lines().filter_map(named_module).collect();
    let sources = sources();
    let mut modules: BTreeMap<String, &str> = BTreeMap::new();
    for source in &sources {
        // A folder is named for its mod.rs, a deeper file by its folder alone.
        if (1..=2).contains(&source.module.len()) && source.module.last().is_some_and(|name| name != "tests")
        {
            let opening = source.text.lines().next().unwrap_or_default().trim_start_matches("//! ");
            modules.insert(source.module.join("::"), opening);
        }
    }
    let missing = modules.iter().filter(|(module, _)| !named.contains(module.as_str()));
    let mut wrong: Vec<String> = missing
        .map(|(module, opening)| format!("docs/architecture.md lacks a line like: - `{module}`: {opening}"))
        .collect();
    let stale = named.iter().filter(|module| !modules.contains_key(**module));
    wrong.extend(stale.map(|module| format!("docs/architecture.md names {module}, which is not there")));
    none(wrong);
}

/// The module that a line of the list is about: it begins with a dash and the name in backticks.
fn named_module(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("- `")?.split_once('`').map(|(module, _)| module)
}

#[test]
fn every_integration_test_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration");
    let mut forgotten = Vec::new();
    for file in files_below(&folder, "rs") {
        // A folder is a room of its own: its mod.rs is listed above it, and lists what is in it.
        let room = if file.ends_with("mod.rs") {
            file.parent().unwrap().to_owned()
        } else {
            file.with_extension("")
        };
        let above = room.parent().unwrap();
        let list = above.join(if above == folder { "main.rs" } else { "mod.rs" });
        let line = format!("mod {};", room.file_name().unwrap().display());
        if file != list && !std::fs::read_to_string(&list).unwrap().lines().any(|one| one == line) {
            forgotten.push(format!("{} lacks `{line}`", list.display()));
        }
    }
    none(forgotten);
}

#[test]
fn every_sql_file_says_what_it_is_and_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    for source in sources() {
        for token in &source.tokens {
            if let Kind::Text(text) = &token.kind
                && text.ends_with(".sql")
            {
                let beside = root.join(&source.path).parent().map(|folder| folder.join(text));
                // A macro of the module may put the folder before the name.
                let inside = [
                    root.join(text.trim_start_matches('/')),
                    root.join("sql").join(text),
                    root.join("sql/catalog").join(text),
                ];
                used.extend(inside.into_iter().chain(beside).filter_map(|path| path.canonicalize().ok()));
            }
        }
    }
    let mut wrong = Vec::new();
    for path in files_below(&root.join("sql"), "sql") {
        if !used.contains(&path.canonicalize().unwrap()) {
            wrong.push(format!("{}: no source file includes it", path.display()));
        }
        if !read(&path).starts_with("-- ") {
            wrong.push(format!("{}: opens with a comment that says what it reads or makes", path.display()));
        }
    }
    none(wrong);
}

#[test]
fn the_rules_notice_what_they_are_for() {
    let map = "// Layer 0: words.\npub mod id;\n// Layer 5: engines.\npub mod engine;\n// Layers 9-11: program.\npub mod config;\n\npub mod cli;\n";
    let layers = layers(map);
    let expected =
        [("cli", 10), ("config", 9), ("engine", 5), ("id", 0)].map(|(name, layer)| (name.to_owned(), layer));
    assert_eq!(layers, BTreeMap::from(expected));
    let engines = BTreeSet::from(["copy".to_owned(), "stage".to_owned()]);
    let words = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let allowed =
        |module: &str, path: &str| crossing(&layers, &engines, &words(module), &words(path)).is_none();
    assert!(allowed("cli", "crate::config::Settings"));
    assert!(allowed("engine::copy", "crate::engine::copy::plan"));
    assert!(allowed("engine::copy", "crate::engine::Grant"));
    assert!(allowed("engine", "crate::engine::copy"));
    assert!(allowed("engine::copy", "crate::sql"));
    assert!(!allowed("engine::copy", "crate::engine::stage::Mark"));
    assert!(!allowed("engine::copy", "crate::config::Settings"));
    assert!(!allowed("config", "crate::cli::main"));

    let impure = |code: &str| !impurities(&tokens(code), &[]).is_empty();
    assert!(impure("use std::{fmt, fs};") && impure("std::net::TcpStream::connect(a)"));
    assert!(impure("let t = Instant::now();") && impure("async fn f() {}") && impure("use tokio_util::x;"));
    assert!(impure("use std::net::{IpAddr, ToSocketAddrs};"));
    assert!(!impure("// async and std::fs\nuse std::net::{IpAddr, SocketAddr}; const A: &str = \"tokio\";"));

    assert_eq!(unfinished(&tokens("fn f() { todo!() }\n#[ignore]\nfn g() {}")).len(), 2);
    assert!(unfinished(&tokens("// todo!()\nlet ignore = \"todo!\";")).is_empty());
    assert_eq!(named_module("- `pg::name`: names"), Some("pg::name"));
}

/// The layer of each module, by the comments of `src/lib.rs`: `// Layer 2: …` stands over all that follow it, and
/// `// Layers 9-11: …` over modules of which each is a layer of its own.
fn layers(map: &str) -> BTreeMap<String, u32> {
    let mut layers = BTreeMap::new();
    let (mut layer, mut each_its_own) = (None, false);
    for line in map.lines() {
        if let Some(rest) = line.strip_prefix("// Layer") {
            each_its_own = rest.starts_with('s');
            let digits: String =
                rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            layer = digits.parse().ok();
        } else if let Some(name) = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")) {
            let Some(number) = layer else { panic!("{line} stands under no layer") };
            layers.insert(name.trim_end_matches(';').to_owned(), number);
            layer = Some(if each_its_own { number + 1 } else { number });
        }
    }
    layers
}

fn engines(sources: &[Source]) -> BTreeSet<String> {
    let inside = sources.iter().filter_map(|source| match source.module.as_slice() {
        [top, engine, ..] if top == "engine" => Some(engine.clone()),
        _ => None,
    });
    inside.collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files_below(&root.join("src"), "rs").into_iter();
    files
        .map(|path| {
            let text = read(&path);
            let inside = path.strip_prefix(root.join("src")).unwrap().with_extension("");
            let mut module: Vec<String> =
                inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.len() == 1 && matches!(module[0].as_str(), "lib" | "main")
                || module.last().is_some_and(|name| name == "mod")
            {
                module.pop();
            }
            let tokens = tokens(&text);
            Source { path: path.strip_prefix(root).unwrap().to_owned(), text, module, tokens }
        })
        .collect()
}

/// Everything in Rust that is ours, relative to the root.
fn rust_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "tests", "benches"].into_iter().map(|folder| root.join(folder));
    let files = folders.flat_map(|folder| files_below(&folder, "rs"));
    files.map(|path| path.strip_prefix(root).unwrap().to_owned()).collect()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file's text; a relative path is taken from the root.
fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
}

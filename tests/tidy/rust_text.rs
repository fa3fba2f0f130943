//! Just enough of Rust's syntax for house rules: words without comments and strings, the strings, and whole paths.

/// A piece of code and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Word(String),
    /// The content of a string literal, escapes untouched.
    Text(String),
    /// `::`
    Separator,
    Sign(char),
}

impl Token {
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    pub fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Takes source text apart. Comments, numbers, character literals and lifetimes are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let at = |index: usize| text.get(index).copied().unwrap_or('\0');
    let (mut found, mut line, mut i) = (Vec::new(), 1, 0);
    while i < text.len() {
        let start = i;
        let begun = line;
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < text.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= text.len() {
                    break;
                }
            }
        } else if c == '"' {
            let end = end_of_string(&text, i);
            found.push(Token { line: begun, kind: Kind::Text(text[i + 1..end - 1].iter().collect()) });
            i = end;
        } else if c == '\'' {
            i = end_of_quote(&text, i);
        } else if c.is_alphabetic() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = text[start..i].iter().collect();
            let marks = text[i..].iter().take_while(|c| **c == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && at(i + marks) == '"' {
                let (from, to) = (i + marks + 1, end_of_raw_string(&text, i + marks + 1, marks));
                found.push(Token { line: begun, kind: Kind::Text(text[from..to].iter().collect()) });
                i = to + 1 + marks;
            } else if !(matches!(word.as_str(), "b" | "c") && matches!(at(i), '"' | '\'')) {
                found.push(Token { line: begun, kind: Kind::Word(word) });
            }
        } else if c.is_ascii_digit() {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
        } else if c == ':' && at(i + 1) == ':' {
            found.push(Token { line, kind: Kind::Separator });
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(Token { line, kind: Kind::Sign(c) });
            }
            i += 1;
        }
        line += text[start..i.min(text.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn end_of_string(text: &[char], open: usize) -> usize {
    let mut i = open + 1;
    while i < text.len() && text[i] != '"' {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(text.len())
}

fn end_of_raw_string(text: &[char], from: usize, marks: usize) -> usize {
    let closes = |at: usize| {
        text[at] == '"' && text[at + 1..].iter().take(marks).filter(|c| **c == '#').count() == marks
    };
    (from..text.len()).find(|at| closes(*at)).unwrap_or(text.len() - 1)
}

/// The end of a character literal, or of the quote that begins a lifetime.
fn end_of_quote(text: &[char], open: usize) -> usize {
    match (text.get(open + 1), text.get(open + 2)) {
        (Some('\\'), _) => {
            (open + 3..text.len()).find(|at| text[*at] == '\'').map_or(text.len(), |at| at + 1)
        }
        (Some(_), Some('\'')) => open + 3,
        _ => open + 1,
    }
}

/// A path of two words or more, absolute where the file's own place says so: `crate::pg::Sql`, `std::fs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub line: usize,
    pub words: Vec<String>,
}

/// Every path in a file of the given module (`["pg", "name"]`), groups taken apart and `self` and `super` resolved.
pub fn paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let mut found = Vec::new();
    // Inline modules, each with the depth of braces outside it.
    let (mut inline, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    let mut read = 0;
    for (i, token) in tokens.iter().enumerate() {
        if i < read {
            continue;
        }
        let before = i.checked_sub(1).map(|before| &tokens[before]);
        match &token.kind {
            Kind::Sign('{') => {
                if let Some(name) =
                    before.and_then(Token::word).filter(|_| i >= 2 && tokens[i - 2].is_word("mod"))
                {
                    inline.push((name.to_owned(), depth));
                }
                depth += 1;
            }
            Kind::Sign('}') => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|(_, outside)| *outside == depth);
            }
            Kind::Word(_) => {
                let mut relative = Vec::new();
                read = path_from(tokens, i, &mut Vec::new(), &mut relative);
                let here: Vec<&str> = module
                    .iter()
                    .map(String::as_str)
                    .chain(inline.iter().map(|(name, _)| name.as_str()))
                    .collect();
                let many = relative.into_iter().filter(|path| path.len() > 1);
                found.extend(many.map(|path| Path { line: token.line, words: absolute(&path, &here) }));
            }
            _ => {}
        }
    }
    found
}

/// Reads the path that begins at `i`, with all the ends of its groups. Returns the index after it.
fn path_from(tokens: &[Token], mut i: usize, stem: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let length = stem.len();
    while let Some(word) = tokens.get(i).and_then(Token::word) {
        stem.push(word.to_owned());
        i += 1;
        if tokens.get(i).is_none_or(|token| token.kind != Kind::Separator) {
            break;
        }
        i += 1;
        if tokens.get(i).is_some_and(|token| token.is_sign('{')) {
            i += 1;
            while tokens.get(i).is_some_and(|token| !token.is_sign('}')) {
                let next = path_from(tokens, i, stem, found);
                // A star, a comma and the like.
                i = if next == i { i + 1 } else { next };
            }
            stem.truncate(length);
            return i + 1;
        }
    }
    if stem.len() > length {
        found.push(stem.clone());
    }
    stem.truncate(length);
    i
}

fn absolute(path: &[String], here: &[&str]) -> Vec<String> {
    let ups = path.iter().take_while(|word| matches!(word.as_str(), "super" | "self")).count();
    let supers = path.iter().take(ups).filter(|word| *word == "super").count();
    if ups == 0 {
        return path.to_vec();
    }
    let base = here.iter().take(here.len().saturating_sub(supers)).map(|word| (*word).to_owned());
    std::iter::once("crate".to_owned()).chain(base).chain(path.iter().skip(ups).cloned()).collect()
}

#[test]
fn paths_are_found_and_made_absolute() {
    let source = r##"
        // crate::comment /* and
        use crate::{pg::{self, Sql}, failure::Classify}; /* crate::no */
        fn f<'a>(c: char) -> &'a str { let _ = ('"', '\'', b'x', "crate::text", r#"std::"raw"#); super::g() }
        mod tests { use super::f; fn t() { std::time::Instant::now(); self::x(); } }
        use super::name as n;
    "##;
    let module = ["pg".to_owned(), "sql".to_owned()];
    let found: Vec<String> =
        paths(&tokens(source), &module).iter().map(|path| path.words.join("::")).collect();
    let expected = [
        "crate::pg::self",
        "crate::pg::Sql",
        "crate::failure::Classify",
        "crate::pg::g",
        "crate::pg::sql::f",
        "std::time::Instant::now",
        "crate::pg::sql::tests::x",
        "crate::pg::name",
    ];
    assert_eq!(found, expected);
    let texts = tokens(source).into_iter().filter(|token| matches!(token.kind, Kind::Text(_))).count();
    assert_eq!(texts, 2);
}

//! Arguments without a name in printed bodies. Of a function that names some of its arguments or results, PostgreSQL up to 18 prints
//! an argument without a name as an empty name in quotes (`""`, with others in the query `f.""`), which nobody can
//! read, not the server either; `pg_dump` fails on it. Where it can only be one argument, its number says the same (`$1`).

/// The text with the argument's number in place of empty names. What stands in quotes otherwise stays.
pub(super) fn numbered(printed: &str, argument: i32) -> String {
    let number = format!("${argument}");
    let mut made = String::with_capacity(printed.len());
    // Where in `made` the name begins that may be in front of the next one, with its dot.
    let mut qualifier = None;
    let mut rest = printed;
    while let Some(first) = rest.chars().next() {
        let (token, behind) = rest.split_at(length(rest, first));
        rest = behind;
        if token == "\"\"" {
            made.truncate(qualifier.take().unwrap_or(made.len()));
            made.push_str(&number);
            continue;
        }
        let is_name = first == '"' || first.is_alphabetic() || first == '_';
        let begins = made.len();
        made.push_str(token);
        qualifier = match token {
            "." => qualifier,
            _ if is_name => Some(begins),
            _ => None,
        };
    }
    made
}

/// Bytes of the token that the text begins with: something in quotes, a word, or a character.
fn length(text: &str, first: char) -> usize {
    let until = |end: Option<usize>| end.unwrap_or(text.len());
    match first {
        // A doubled quote is within; the server prints strings that hold a backslash with it doubled too.
        '\'' | '"' => {
            let mut letters = text.char_indices().skip(1).peekable();
            while let Some((at, letter)) = letters.next() {
                if letter == first && letters.next_if(|(_, next)| *next == first).is_none() {
                    return at + first.len_utf8();
                }
            }
            text.len()
        }
        _ if first.is_alphabetic() || first == '_' => {
            until(text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$')))
        }
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn empty_names_become_the_number_of_the_argument_and_quotes_stay() {
        for (printed, expected) in [
            ("RETURN (\"\" + 1)", "RETURN ($1 + 1)"),
            ("WHERE (t.a = f.\"\") AND t.\"\"\"\" = f.\"\"", "WHERE (t.a = $1) AND t.\"\"\"\" = $1"),
            ("SELECT \"odd \"\" name\".\"\"", "SELECT $1"),
            (
                "'\"odd \"\".\"\"'::text || (\"\")::text || 'g.\"\"'",
                "'\"odd \"\".\"\"'::text || ($1)::text || 'g.\"\"'",
            ),
            ("E'it''s \\\\ \"\"' || \"\"", "E'it''s \\\\ \"\"' || $1"),
            ("SELECT größe.\"\", a_1.b, \"A\".b", "SELECT $1, a_1.b, \"A\".b"),
            ("nothing", "nothing"),
            ("'unfinished \"\"", "'unfinished \"\""),
        ] {
            assert_eq!(numbered(printed, 1), expected);
        }
    }
}

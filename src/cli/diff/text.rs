//! What `diff` prints: a list for people, or one JSON object (its shape is in `docs/diff.md`).

use crate::schema::diff::member::MemberChange;
use crate::schema::diff::{Change, Diff, Difference};

/// One line.
pub(super) fn json(found: &Diff) -> String {
    let object = serde_json::json!({
        "type": "diff",
        "equal": found.differences.is_empty(),
        "differences": found.differences,
        "implied": found.implied,
        "notes": found.notes,
    });
    format!("{object}\n")
}

/// A line for each object, `+` what the destination lacks, `-` what it has in excess, `~` what it has otherwise, with its
/// members below.
pub(super) fn for_people(found: &Diff) -> String {
    let mut text = String::new();
    for Difference { object, change } in &found.differences {
        match change {
            Change::Added => text.push_str(&format!("+ {object}\n")),
            Change::Removed => text.push_str(&format!("- {object}\n")),
            Change::Changed { members } => {
                text.push_str(&format!("~ {object}\n"));
                members.iter().for_each(|member| text.push_str(&member_lines(member)));
            }
        }
    }
    for note in &found.notes {
        text.push_str(&format!("note: {}\n", line(&note.text())));
    }
    text.push_str(&match found.differences.len() {
        0 => "the schemas are the same\n".to_owned(),
        1 => "1 object differs\n".to_owned(),
        number => format!("{number} objects differ\n"),
    });
    text
}

/// `type: integer -> bigint`, or the lines that differ where a value has several.
fn member_lines(change: &MemberChange) -> String {
    let MemberChange { member, source, destination } = change;
    let of = member.of.as_ref().map(|of| format!(" {}", line(of))).unwrap_or_default();
    let name = format!("    {}{of}:", member.aspect.words());
    let is_long = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains('\n'));
    if !is_long(source) && !is_long(destination) {
        let shown =
            |value: &Option<String>| value.as_ref().map_or_else(|| "(none)".to_owned(), |value| line(value));
        return format!("{name} {} -> {}\n", shown(destination), shown(source));
    }
    let lines = |value: &Option<String>| -> Vec<String> {
        value.iter().flat_map(|value| value.lines()).map(line).collect()
    };
    let (is, should) = (lines(destination), lines(source));
    // What both begin and end with says nothing.
    let same = is.iter().zip(&should).take_while(|(one, other)| one == other).count();
    let left = is.len().min(should.len()).saturating_sub(same);
    let tail =
        is.iter().rev().zip(should.iter().rev()).take(left).take_while(|(one, other)| one == other).count();
    let mut text = format!("{name}\n");
    for (mark, lines) in [('-', &is), ('+', &should)] {
        for line in lines.get(same..lines.len().saturating_sub(tail)).unwrap_or_default() {
            text.push_str(&format!("        {mark} {line}\n"));
        }
    }
    text
}

/// Text of somebody else's that cannot break a terminal or the line that it is on.
fn line(text: &str) -> String {
    text.chars()
        .flat_map(
            |c| if c.is_control() && c != '\t' { c.escape_default().collect::<Vec<_>>() } else { vec![c] },
        )
        .collect()
}

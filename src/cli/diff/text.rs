//! What `diff` prints: a list and statements for people, the statements alone for psql, or one JSON object (its shape is
//! in `docs/diff.md`).

use crate::pg::Sql;
use crate::schema::convert::{Plan, Withheld};
use crate::schema::diff::member::MemberChange;
use crate::schema::diff::{Change, Diff, Difference};
use crate::workflow::diff::Found;

/// One line.
pub(super) fn json(Found { diff, plan, profile, left_out }: &Found) -> String {
    let object = serde_json::json!({
        "type": "diff",
        "equal": diff.differences.is_empty(),
        "differences": diff.differences,
        "implied": diff.implied,
        "notes": diff.notes,
        "profile": profile,
        "left_out": left_out,
        "statements": plan.steps,
        "withheld": plan.withheld,
    });
    format!("{object}\n")
}

/// The list, then the statements, then what there is none for.
pub(super) fn for_people(Found { diff, plan, profile, left_out }: &Found) -> String {
    let mut text = list(diff);
    if let Some(profile) = profile {
        text.push_str(&format!("\nprofile {}\n", line(profile)));
    }
    if !left_out.is_empty() {
        text.push_str("\nThe platform's own, not compared:\n");
        let lines =
            left_out.iter().map(|one| format!("    {}\n", line(&format!("{}: {}", one.object, one.reason))));
        text.extend(lines);
    }
    if !plan.steps.is_empty() {
        text.push_str("\nThe destination becomes like the source by:\n\n");
        plan.steps.iter().for_each(|step| text.push_str(&statements(step.sql.as_slice())));
    }
    if !plan.withheld.is_empty() {
        text.push_str("\nNo statement is given for:\n");
        plan.withheld.iter().for_each(|withheld| text.push_str(&format!("    {}\n", why(withheld))));
    }
    text
}

/// For psql: every statement under the name of its object, and as comments what there is none for.
pub(super) fn script(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        text.push_str(&format!("-- {}\n{}", line(&step.object.to_string()), statements(step.sql.as_slice())));
    }
    for withheld in &plan.withheld {
        text.push_str(&format!("-- No statement for {}\n", why(withheld)));
    }
    text
}

fn why(Withheld { object, member, reason: _, text }: &Withheld) -> String {
    let member = member.as_ref().map(|member| {
        let of = member.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
        format!(", {}{of}", member.aspect.words())
    });
    line(&format!("{object}{}: {text}", member.unwrap_or_default()))
}

/// What belongs together is one transaction.
fn statements(sql: &[Sql]) -> String {
    let text: String = sql.iter().map(|sql| format!("{};\n", sql.as_str().trim_end())).collect();
    if sql.len() > 1 { format!("BEGIN;\n{text}COMMIT;\n") } else { text }
}

/// A line for each object, `+` what the destination lacks, `-` what it has in excess, `~` what it has otherwise, with its
/// members below.
fn list(found: &Diff) -> String {
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

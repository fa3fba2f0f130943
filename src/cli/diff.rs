//! `multiboard-sync diff`: two schemas compared.

use clap::Args;

use super::context::Context;
use super::{Outcome, parties, print};
use crate::failure::Exit;
use crate::schema::diff::{Change, Difference};
use crate::workflow::diff;

/// Options of `diff`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The database that is as it should be: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "source")]
    pub(super) from: String,
    /// The database that is compared with it
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    pub(super) to: String,
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let from = parties::party(context, "--from", &arguments.from)?;
    let to = parties::party(context, "--to", &arguments.to)?;
    let Some(found) = context.unless_stopped(diff::run(&from, &to)).await else {
        return Ok(Exit::Interrupted);
    };
    let found = found?;
    let text = if context.globals.json {
        format!(
            "{}\n",
            serde_json::json!({ "type": "diff", "equal": found.is_empty(), "differences": found })
        )
    } else {
        for_people(&found)
    };
    print(&text)?;
    Ok(if found.is_empty() { Exit::Done } else { Exit::Different })
}

/// A line for each object, `+` what `--to` lacks, `-` what it has in excess, `~` what it has otherwise, with the
/// statements of each side below.
fn for_people(found: &[Difference]) -> String {
    if found.is_empty() {
        return "the schemas are the same\n".to_owned();
    }
    let mut text = String::new();
    for Difference { object, change } in found {
        let mark = match change {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed { .. } => '~',
        };
        text.push_str(&format!("{mark} {object}\n"));
        if let Change::Changed { first, second } = change {
            let mut statements = |mark, of: &[String]| {
                for line in of.iter().flat_map(|statement| statement.lines()) {
                    text.push_str(&format!("    {mark} {line}\n"));
                }
            };
            statements('+', first);
            statements('-', second);
            if first.is_empty() && second.is_empty() {
                text.push_str("    the same statements in another order\n");
            }
        }
    }
    text.push_str(&match found.len() {
        1 => "1 object differs\n".to_owned(),
        number => format!("{number} objects differ\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::{Change, Difference, for_people};

    #[test]
    fn a_line_an_object_and_how_below() {
        let of = |object: &str, change| Difference { object: object.to_owned(), change };
        let changed = Change::Changed { first: vec!["A\nB".to_owned()], second: vec!["C".to_owned()] };
        let found = [of("schema a", Change::Added), of("view v", changed), of("table t", Change::Removed)];
        assert_eq!(
            for_people(&found),
            "+ schema a\n~ view v\n    + A\n    + B\n    - C\n- table t\n3 objects differ\n"
        );
        assert_eq!(for_people(&[]), "the schemas are the same\n");
    }
}

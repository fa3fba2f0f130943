//! `multiboard-sync diff`: two schemas compared.

mod text;

use clap::Args;

use super::context::Context;
use super::{Outcome, print};
use crate::failure::Exit;
use crate::job::spec::Profile;
use crate::schema::diff::Scope;
use crate::schema::select::Selection;
use crate::workflow::diff;

/// Options of `diff`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The database that is as it should be: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "source")]
    pub(super) from: String,
    /// The database that is compared with it
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    pub(super) to: String,
    /// Compare only what matches: schema.table, schema.* or schema, with * and ?; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub(super) include: Vec<String>,
    /// Leave out what matches, and what needs it
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude: Vec<String>,
    /// Leave out foreign keys to what matches: a clone without those rows has none
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude_data: Vec<String>,
    /// What the source's platform does differently, and a clone leaves out [default: what the source shows]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) profile: Option<Profile>,
    /// Do not compare owners
    #[arg(long)]
    pub(super) no_owner: bool,
    /// Do not compare privileges and default privileges
    #[arg(long, alias = "no-acl")]
    pub(super) no_privileges: bool,
    /// Print nothing but the statements that would make --to like --from, for psql
    #[arg(long, conflicts_with = "json")]
    pub(super) sql: bool,
}

const AFTER_HELP: &str = "Exit codes: 0 the schemas are the same, 5 they differ.\n\n\
    + only --from has it, - only --to has it, ~ both have it and it differs: as it is -> as it should be.\n\n\
    The statements lose no row and rewrite no table; what would is listed with the reason, and without a statement.";

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let selection = Selection::parse(&arguments.include, &arguments.exclude, &arguments.exclude_data)?;
    let source = context.party("--from", &arguments.from)?;
    let destination = context.party("--to", &arguments.to)?;
    let scope = Scope { owners: !arguments.no_owner, privileges: !arguments.no_privileges };
    let request = diff::Request { source, destination, scope, selection, profile: arguments.profile.into() };
    let Some(found) = context.unless_stopped(diff::run(&request)).await else {
        return Ok(Exit::Interrupted);
    };
    let found = found?;
    let shown = match (context.globals.json, arguments.sql) {
        (true, _) => text::json(&found),
        (false, true) => text::script(&found.plan),
        (false, false) => text::for_people(&found),
    };
    print(&shown)?;
    Ok(if found.diff.differences.is_empty() { Exit::Done } else { Exit::Different })
}

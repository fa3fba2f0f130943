//! `multiboard-sync clean`: what earlier clones left behind on a destination, shown and removed.

use clap::Args;

use super::context::Context;
use super::{Outcome, print};
use crate::failure::{Exit, chain};
use crate::pg::name::for_people;
use crate::runner::parties;
use crate::workflow::clean::{self, Found, Outcome as Became};

/// Options of `clean`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The destination: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    pub(super) of: String,
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let destination = context.party("--of", &arguments.of)?;
    let store = context.store()?;
    let json = context.globals.json;
    let mut announced = Ok(Exit::Done);
    let announce = |name: &str, what: &str| {
        if !json && announced.is_ok() {
            announced = print(&format!("removing {} ({what})\n", for_people(name)));
        }
    };
    let (destinations, sources) = (&context.config.destinations, parties::sources(&context.config));
    let party = |reach: &str| context.party("--from", reach).map_err(|error| chain(error.as_ref()));
    let mirrors = clean::Mirrors { records: store.as_ref(), party: &party };
    // A removal that is interrupted is done the next time: what is there then counts, not what was recorded.
    let cleaning = clean::run(&destination, store.as_ref(), destinations, &sources, &mirrors, announce);
    let Some(found) = context.unless_stopped(cleaning).await else { return Ok(Exit::Interrupted) };
    announced?;
    let found = found.map_err(|error| error.at(&destination.options.endpoint()))?;
    let mut text = String::new();
    for one in &found {
        match json {
            true => text.push_str(&format!("{}\n", serde_json::to_value(one).unwrap_or_default())),
            false => text.push_str(&line(one)),
        }
    }
    if found.is_empty() && !json {
        text.push_str("nothing of ours is left there\n");
    }
    print(&text)
}

fn line(found: &Found) -> String {
    let outcome = match found.outcome {
        Became::Removed => "removed",
        Became::Kept => "kept",
        Became::Left => "left alone",
    };
    let why = found.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} ({}) {outcome}{why}\n", for_people(found.thing.name()), found.what)
}

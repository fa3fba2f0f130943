//! From what the configuration says of a connection to a party of a run.

use super::context::Context;
use crate::config::Connection;
use crate::connect::{Environment, Options};
use crate::failure::{Classify, Exit, Failure, chain};
use crate::workflow::party::{OtherSource, Party};

/// A connection string that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{option} {label}")]
struct NotUsable {
    option: &'static str,
    label: String,
    #[source]
    source: crate::connect::options::Error,
}

impl Classify for NotUsable {
    fn classify(&self) -> Failure {
        Failure::operator("connection_string", Exit::Usage)
    }
}

/// Reads the connection string of a connection. Its warnings are logged.
pub(super) fn party(
    context: &Context,
    option: &'static str,
    text: &str,
) -> Result<Party, Box<dyn Classify + Send + Sync>> {
    let connection = context.connection(option, text)?;
    let party = of_connection(option, &connection, &context.variables())?;
    for warning in &party.options.warnings {
        tracing::warn!("{option}: {warning}");
    }
    Ok(party)
}

/// Every connection with role source. One that cannot be read counts as it was last seen.
pub(super) fn sources(context: &Context) -> Vec<OtherSource> {
    let variables = context.variables();
    let read = |(name, connection): (&str, Result<Connection, crate::config::Error>)| {
        let party = connection.map_err(|error| error.to_string()).and_then(|connection| {
            of_connection("connection", &connection, &variables).map_err(|error| chain(&error))
        });
        if let Err(reason) = &party {
            tracing::warn!("source {name} cannot be read, so it counts as it was last seen: {reason}");
        }
        OtherSource { name: name.to_owned(), party: party.ok() }
    };
    context.config.sources().into_iter().map(read).collect()
}

fn of_connection(
    option: &'static str,
    connection: &Connection,
    environment: &Environment,
) -> Result<Party, NotUsable> {
    let mut beside = Vec::new();
    if let Some(mode) = connection.sslmode {
        beside.push(("sslmode".to_owned(), mode.as_str().to_owned()));
    }
    if let Some(root) = &connection.sslrootcert {
        beside.push(("sslrootcert".to_owned(), root.display().to_string()));
    }
    let options = Options::parse_with(connection.url.expose(), &beside, environment);
    let options = options.map_err(|source| NotUsable {
        option,
        label: connection.name.clone().unwrap_or_else(|| "(a URL)".to_owned()),
        source,
    })?;
    Ok(Party { name: connection.name.clone(), role: connection.role, options })
}

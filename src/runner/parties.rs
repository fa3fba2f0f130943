//! From what the configuration says of a connection to a party of a run.

use crate::config::{Config, Connection};
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

/// Reads the connection string of a connection, given by its name or as a URL. Its warnings are logged; `option` is what it was
/// given for, for messages.
///
/// # Errors
/// There is no such connection, or its string cannot be read.
pub fn party(
    config: &Config,
    option: &'static str,
    text: &str,
) -> Result<Party, Box<dyn Classify + Send + Sync>> {
    let connection = config.connection(text)?;
    let party = of_connection(option, &connection, &variables(config))?;
    for warning in &party.options.warnings {
        tracing::warn!("{option}: {warning}");
    }
    Ok(party)
}

/// Every connection with role source. One that cannot be read counts as it was last seen.
pub fn sources(config: &Config) -> Vec<OtherSource> {
    let variables = variables(config);
    let read = |(name, connection): (&str, Result<Connection, crate::config::Error>)| {
        let party = connection.map_err(|error| error.to_string()).and_then(|connection| {
            of_connection("connection", &connection, &variables).map_err(|error| chain(&error))
        });
        if let Err(reason) = &party {
            tracing::warn!("source {name} cannot be read, so it counts as it was last seen: {reason}");
        }
        OtherSource { name: name.to_owned(), party: party.ok() }
    };
    config.sources().into_iter().map(read).collect()
}

/// The variables that connection strings may leave things to (`PG*`), those of `.env` included.
fn variables(config: &Config) -> Environment {
    Environment::of_process().with_defaults(config.variables())
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

//! The swap as clone and undo do it: carried out, its waits told, and a stop told from a failure.

use std::fmt::Display;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::party::Destination;
use super::{AS_IT_WAS, Error, Result};
use crate::connect::{self, DestinationConnection};
use crate::engine::stage::plan::Plan;
use crate::engine::stage::swap::{self, Server, Sessions, Told};
use crate::engine::stage::{self, obstacles};
use crate::progress::{Reporter, Warning};

/// Swaps, for as long as it takes until nobody is in the way.
pub(super) async fn swap(
    destination: &Destination,
    plan: &Plan,
    reporter: &Reporter,
    sessions: &watch::Receiver<Sessions>,
    stop: &CancellationToken,
) -> Result<()> {
    let database = destination.grant.database();
    let tell = |told: Told<'_>| reporter.warn(warning(database, told));
    match swap::swap(&On(destination), plan, sessions, tell, stop).await {
        Err(stage::Error::InUse { .. }) if stop.is_cancelled() => {
            Err(Error::Interrupted(AS_IT_WAS.to_owned()))
        }
        swapped => Ok(swapped?),
    }
}

/// The destination's server, as the swap sees it.
struct On<'a>(&'a Destination);

impl Server for On<'_> {
    async fn maintenance(&self) -> std::result::Result<DestinationConnection, connect::Error> {
        self.0.reach(self.0.grant.maintenance()).await
    }

    async fn enter(&self) -> std::result::Result<DestinationConnection, connect::Error> {
        self.0.reach(self.0.grant.database()).await
    }
}

/// Says which replication slots go aside with the database that steps aside: whoever reads them stops, and they keep WAL.
pub(super) async fn tell_of_slots(
    destination: &Destination,
    client: &tokio_postgres::Client,
    reporter: &Reporter,
) -> Result<()> {
    let database = destination.grant.database();
    let slots = obstacles::logical_slots(client, database).await?;
    if !slots.is_empty() {
        let message = format!(
            "logical replication slots belong to the database that is replaced, and keep WAL on this server until \
             they are read or dropped: {}; create them again in the new database \"{database}\"",
            slots.join(", ")
        );
        reporter.warn(Warning::new("slots_stay_behind", message));
    }
    Ok(())
}

fn warning(database: &str, told: Told<'_>) -> Warning {
    match told {
        Told::Sessions(sessions) => {
            let message = format!(
                "the swap waits for sessions in database \"{database}\": {}; end them, or use --terminate-sessions",
                list(sessions)
            );
            Warning::new("sessions_in_the_way", message)
        }
        Told::Prepared(prepared) => {
            let message = format!(
                "the swap waits for prepared transactions in database \"{database}\": {}; \
                 COMMIT PREPARED or ROLLBACK PREPARED each of them there",
                list(prepared)
            );
            Warning::new("prepared_in_the_way", message)
        }
        Told::NotEnded { session, why } => {
            let message = format!(
                "the swap waits for {session} in database \"{database}\", which our role could not end: {why}; \
                 end it as a superuser"
            );
            Warning::new("session_not_ended", message)
        }
        Told::Busy(why) => {
            let message = format!("the swap waits, though nobody is seen in database \"{database}\": {why}");
            Warning::new("destination_busy", message)
        }
        Told::Again(why) => {
            let message = format!("the connection broke during the swap, which did not take place: {why}");
            Warning::new("repeated", message)
        }
    }
}

fn list(all: &[impl Display]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

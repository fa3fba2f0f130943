//! Unlogged tables: a server that crashes empties them when it comes up again, and keeps everything else. So where a clone
//! has any, the destination must not have crashed between their first row and the commit of the swap.

use std::collections::HashSet;

use super::Staging;
use super::plan::Plan;
use crate::connect::Connection;
use crate::engine::copy;
use crate::pg::{Literal, Oid, Sql};
use crate::sql;
use crate::workflow::{Error, Result};

/// The life of the destination's server in which the unlogged tables were filled.
pub(super) struct Life {
    /// Tables and sequences that would not outlive it.
    unlogged: Vec<String>,
    word: String,
}

impl Life {
    /// Notes it, before the first row; `None` where nothing is unlogged.
    pub(super) async fn note(plan: &Plan, connection: &Connection) -> Result<Option<Self>> {
        let catalog = &plan.ground.catalog;
        // Of one whose rows do not come nothing can be lost.
        let filled: HashSet<Oid> = plan.drawn.tables.iter().map(|table| table.oid).collect();
        let tables = catalog.tables.iter().filter(|table| table.unlogged && filled.contains(&table.oid));
        let tables = tables.map(|table| table.name.to_string());
        let set: HashSet<Oid> = plan.drawn.sequences.iter().map(|one| one.oid).collect();
        let sequences = catalog.sequences.iter().filter(|one| one.unlogged && set.contains(&one.oid));
        let sequences = sequences.map(|sequence| sequence.name.to_string());
        let unlogged: Vec<String> = tables.chain(sequences).collect();
        if unlogged.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { unlogged, word: word(connection).await? }))
    }

    /// Fails where it is over.
    pub(super) async fn goes_on(&self, connection: &Connection) -> Result<()> {
        match word(connection).await? == self.word {
            true => Ok(()),
            false => Err(copy::Error::UnloggedLost { tables: self.unlogged.clone() }.into()),
        }
    }

    /// A statement that fails where it is over. In the swap's own transaction no crash can come behind it.
    pub(super) fn guard(&self) -> Sql {
        sql!(
            "SELECT CASE WHEN life = {word} THEN '0' ELSE 'the server crashed, and its unlogged tables are empty' END\
             ::pg_catalog.int4 FROM ({now}) AS server",
            word = Literal(&self.word),
            now = now()
        )
    }

    /// The reason behind a failure: where the server crashed, what was verified differs, and the swap is refused.
    pub(super) async fn behind(&self, error: Error, staging: &Staging) -> Error {
        if matches!(error, Error::Interrupted(_)) {
            return error;
        }
        let looked = async { self.goes_on(&*staging.maintenance.session().await?).await };
        match looked.await {
            Err(lost @ Error::Copy(copy::Error::UnloggedLost { .. })) => lost,
            _ => error,
        }
    }
}

fn now() -> Sql {
    Sql::fixed(include_str!("../../../sql/destination/server_life.sql"))
}

async fn word(connection: &Connection) -> Result<String> {
    let row = connection.query_one(&now(), &[]).await?;
    Ok(row.try_get("life").map_err(|error| connection.error(error))?)
}

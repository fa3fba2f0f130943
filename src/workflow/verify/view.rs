//! One side at one moment: a snapshot that one session holds and every other one of ours reads under.

use std::collections::BTreeSet;

use crate::connect::{self, Connection, Options, Settings};
use crate::engine::copy::snapshot::{self, Exported, Relation};
use crate::engine::stage::redial::redial;
use crate::pg::{Literal, QualifiedName, Sql};
use crate::sql;
use crate::workflow::{Error, Result};

/// The moment, for as long as it is wanted.
pub(super) struct View {
    options: Options,
    holder: Connection,
    exported: Exported,
    /// Tables as the snapshot has them.
    relations: Vec<Relation>,
}

impl View {
    /// This moment, held by `holder`.
    pub(super) async fn now(holder: Connection, options: Options) -> Result<Self> {
        let taken = snapshot::export(holder.client()).await;
        Self::held(holder, options, taken).await
    }

    /// The moment of a slot whose walsender has not been asked for anything since.
    pub(super) async fn of_slot(holder: Connection, options: Options, snapshot: &str) -> Result<Self> {
        let taken = snapshot::adopt(holder.client(), snapshot).await;
        Self::held(holder, options, taken).await
    }

    async fn held(
        holder: Connection,
        options: Options,
        taken: std::result::Result<Exported, crate::engine::copy::Error>,
    ) -> Result<Self> {
        let at = |error| Error::from(error).at(holder.endpoint());
        let exported = taken.map_err(at)?;
        let relations = snapshot::relations(holder.client()).await.map_err(at)?;
        Ok(Self { options, holder, exported, relations })
    }

    /// The session that holds it; what it is asked is answered as of the moment, but for sequences, which have none.
    pub(super) fn holder(&self) -> &Connection {
        &self.holder
    }

    /// Another session under it.
    pub(super) async fn session(&self) -> std::result::Result<Box<Connection>, connect::Error> {
        let session = connect::source(&self.options, &Settings::default()).await?;
        session.batch(&snapshot::import(&self.exported.id)).await?;
        Ok(Box::new(session))
    }

    /// The query for a session of [`View::session`], in a transaction of its own: no lock on a table outlives its query.
    pub(super) fn under(&self, query: &Sql) -> Sql {
        sql!(
            "COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {id}; {q}",
            id = Literal(&self.exported.id),
            q = query
        )
    }

    /// A session that sees what is there now. Where the server has none to spare, one of ours that has just ended may still count.
    pub(super) async fn fresh(&self) -> Result<Connection> {
        Ok(redial(async || connect::source(&self.options, &Settings::default()).await).await?)
    }

    /// Tables that were truncated, rewritten or altered since: under the snapshot they may look empty, without an error.
    pub(super) async fn changed(&self) -> Result<BTreeSet<QualifiedName>> {
        let fresh = self.fresh().await?;
        let changed = snapshot::outdated(fresh.client(), &self.relations).await;
        let changed = changed.map_err(|error| Error::from(error).at(fresh.endpoint()))?;
        fresh.close().await;
        Ok(changed.into_iter().collect())
    }

    /// Lets it go.
    pub(super) async fn close(self) {
        self.holder.close().await;
    }

    /// Lets both sides' go when a comparison is at its end, however it ended: after the sessions that read under them have said
    /// goodbye, as one that is still on its way would ask for a snapshot that nobody holds any more. What the holders are still
    /// asking is interrupted.
    pub(super) async fn close_both(source: Self, destination: Self) {
        connect::all_closed().await;
        drop((source, destination));
        connect::all_closed().await;
    }
}

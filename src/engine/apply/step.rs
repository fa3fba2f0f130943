//! The statements of a batch, sent one after the other without a round trip between them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use futures_util::SinkExt;
use tokio_postgres::types::ToSql;

use super::rows::{Data, Rows};
use super::table::Table;
use crate::pg::{Lsn, Sql};
use crate::sql;

/// How many rows a statement touched, where that is to be looked at.
pub(super) type Answer = std::result::Result<Option<u64>, Refused>;

/// Why a statement was not done.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) source: tokio_postgres::Error,
    /// It was a COPY that did not begin. The client library ends it with a second Sync, and the session with the answer to that,
    /// which belongs to nothing.
    pub(super) ends_session: bool,
}

impl From<tokio_postgres::Error> for Refused {
    fn from(source: tokio_postgres::Error) -> Self {
        Self { source, ends_session: false }
    }
}

/// A statement of a batch.
pub(super) enum Step {
    Fixed(Sql),
    /// Moves the checkpoint, by a statement of [`super::checkpoint::ADVANCE`].
    Advance {
        statement: tokio_postgres::Statement,
        mirror: String,
        from: Lsn,
        to: Lsn,
        committed_at: Option<SystemTime>,
    },
    Rows {
        statement: tokio_postgres::Statement,
        rows: Rows,
    },
}

pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

impl Step {
    /// Whether it is a COPY, which may be sent only where it will begin: not in a transaction that has failed.
    pub(super) fn is_copy(&self) -> bool {
        matches!(self, Self::Rows { rows, .. } if matches!(rows.data, Data::Lines(_)))
    }

    /// Sends it; what comes is its answer.
    pub(super) fn send<'a>(&'a self, client: &'a tokio_postgres::Client) -> Sending<'a> {
        match self {
            Self::Fixed(sql) => Box::pin(async move {
                client.batch_execute(sql.as_str()).await.map(|()| None).map_err(Refused::from)
            }),
            Self::Advance { statement, mirror, from, to, committed_at } => Box::pin(async move {
                let (from, to) = (from.to_string(), to.to_string());
                Ok(client.execute(statement, &[mirror, &from, &to, committed_at]).await.map(Some)?)
            }),
            Self::Rows { statement, rows } => Box::pin(async move {
                match &rows.data {
                    Data::Arrays(arrays) => {
                        let parameters: Vec<&(dyn ToSql + Sync)> =
                            arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
                        Ok(client.execute(statement, &parameters).await.map(Some)?)
                    }
                    Data::Lines(lines) => {
                        let begun = client.copy_in(statement).await;
                        let refused = |source| Refused { source, ends_session: true };
                        let mut sink = Box::pin(begun.map_err(refused)?);
                        for message in lines.messages() {
                            sink.feed(message).await?;
                        }
                        Ok(sink.as_mut().finish().await.map(Some)?)
                    }
                }
            }),
        }
    }
}

/// Runs them beside each other, each begun after the one before it: the client library sends what a future begins with when
/// that is first polled, so the server gets them in this order, without a round trip between them.
pub(super) async fn in_order<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (slot, done) in running.iter_mut().zip(&mut done) {
            let Some(future) = slot else { continue };
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => (*slot, *done) = (None, Some(value)),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// What TRUNCATE does to these tables, where that cannot be said.
pub(super) fn delete_all(tables: &[Arc<Table>]) -> Sql {
    Sql::join(tables.iter().map(|table| sql!("DELETE FROM {t}", t = table.alone())), "; ")
}

/// TRUNCATE of exactly these tables: those that CASCADE reached on the source are among them.
pub(super) fn truncate(tables: &[Arc<Table>], restart_identity: bool) -> Sql {
    let names = tables.iter().map(|table| table.alone());
    let restart = if restart_identity { " RESTART IDENTITY" } else { "" };
    sql!("TRUNCATE {n}{r}", n = Sql::join(names, ", "), r = Sql::fixed(restart))
}

/// Takes the lock on these tables that their rows are written under.
pub(super) fn lock(tables: &[Arc<Table>]) -> Sql {
    sql!(
        "LOCK TABLE {t} IN ROW EXCLUSIVE MODE",
        t = Sql::join(tables.iter().map(|table| table.alone()), ", ")
    )
}

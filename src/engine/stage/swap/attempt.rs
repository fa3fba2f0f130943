//! One attempt at the swap: the transaction that renames, looks whether it met what was meant, and commits; and what became of it
//! where the server did not take it.

use std::time::Duration;

use tokio_postgres::error::Severity;

use super::super::create::not_ours;
use super::super::endings::end_sessions;
use super::super::last_look::{self, Found, Inside};
use super::super::redial::redial;
use super::super::{Error, Result, facts};
use super::{Server, Sessions, Swap, Told};
use crate::failure::{Classify, Next, chain};
use crate::pg::{Ident, Sql, sqlstate};

/// Looks in a row into the database that steps aside that fail before the swap is given up.
const UNSEEN: u32 = 5;

/// How an attempt ended.
pub(super) enum Attempt {
    Done,
    /// Somebody is in the databases, or locks them; the server's words.
    Busy(String),
    /// The connection broke under it.
    Lost(String),
}

impl<S: Server, T: FnMut(Told<'_>)> Swap<'_, S, T> {
    /// Tries it once. Our sessions are as they were afterwards, outside of any transaction.
    pub(super) async fn attempt(&mut self, mode: Sessions) -> Result<Attempt> {
        let serving = match facts::backend(self.client.client()).await {
            Err(error) if self.client.is_closed() => return Ok(Attempt::Lost(chain(&error))),
            serving => serving?,
        };
        self.serving = Some(serving);
        for rename in &self.plan.renames {
            match facts::database(self.client.client(), rename.from.as_str()).await {
                Ok(Some(found)) if found.oid == rename.oid => {}
                Err(error) if self.client.is_closed() => return Ok(Attempt::Lost(chain(&error))),
                found => {
                    let why = match found? {
                        Some(_) => "another database has taken its name",
                        None => "it was renamed or dropped meanwhile",
                    };
                    return Err(not_ours(&rename.from, why));
                }
            }
        }
        let inside = match self.plan.only_if_empty {
            true => match self.enter().await {
                Ok(inside) => Some(inside),
                Err(error) if error.classify().next == Next::Retry => {
                    return Ok(Attempt::Busy(chain(&error)));
                }
                Err(error) => return Err(error),
            },
            false => None,
        };
        self.looker = inside.as_ref().map(|inside| inside.pid);
        match self.rename(mode, inside, serving).await {
            Err(source) => return self.failed(source).await,
            Ok(Found::Empty) => {}
            Ok(Found::Unknown(error)) => {
                self.roll_back().await?;
                self.unseen += 1;
                return match error.classify().next {
                    Next::Retry if self.unseen < UNSEEN => Ok(Attempt::Busy(chain(&error))),
                    Next::Retry => Err(Error::Unseen { database: self.database(), why: chain(&error) }),
                    _ => Err(error),
                };
            }
            Ok(Found::Filled(objects)) => {
                self.roll_back().await?;
                return Err(Error::Filled { database: self.database(), objects });
            }
        }
        if let Some(stranger) = self.stranger().await? {
            self.roll_back().await?;
            return Err(not_ours(&stranger, "another database has taken its name"));
        }
        if self.hands_over_something_else().await? {
            self.roll_back().await?;
            return Err(Error::Changed { database: self.database() });
        }
        match self.client.client().batch_execute("COMMIT").await {
            Ok(()) => Ok(Attempt::Done),
            Err(source) => self.failed(source).await,
        }
    }

    async fn enter(&self) -> Result<Inside> {
        Inside::new(self.server.enter().await?).await
    }

    /// The name under which the renames, not yet committed, met another database than was meant. They were done by
    /// name; from then on nobody else can rename or drop what they met.
    async fn stranger(&self) -> Result<Option<Ident>> {
        for rename in &self.plan.renames {
            let met = facts::database(self.client.client(), rename.to.as_str()).await;
            match met {
                Ok(Some(met)) if met.oid == rename.oid => {}
                // Where the connection is gone nothing was committed; the COMMIT will hear of it.
                Err(_) if self.client.is_closed() => return Ok(None),
                met => {
                    met?;
                    return Ok(Some(rename.from.clone()));
                }
            }
        }
        Ok(None)
    }

    /// Whether owner, settings or privileges of the old database changed while the swap waited. The rename holds the lock
    /// that `ALTER DATABASE .. SET` needs, so what is seen now stays.
    async fn hands_over_something_else(&self) -> Result<bool> {
        let Some((oid, word)) = &self.plan.standing else { return Ok(false) };
        match facts::standing(self.client.client(), *oid).await {
            // As above.
            Err(_) if self.client.is_closed() => Ok(false),
            now => Ok(now?.as_ref() != Some(word)),
        }
    }

    /// What became of an attempt in which the server did not take a statement, or was not heard any more.
    async fn failed(&mut self, source: tokio_postgres::Error) -> Result<Attempt> {
        let doing = "swapping the databases";
        let Some(server) = source.as_db_error() else { return Ok(Attempt::Lost(chain(&source))) };
        let said = match server.detail() {
            Some(detail) => format!("{}: {detail}", server.message()),
            None => server.message().to_owned(),
        };
        if matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
            return Ok(Attempt::Lost(said));
        }
        self.roll_back().await?;
        match server.code().code() {
            sqlstate::OBJECT_IN_USE | sqlstate::LOCK_NOT_AVAILABLE | sqlstate::DEADLOCK_DETECTED => {
                Ok(Attempt::Busy(said))
            }
            _ => Err(Error::Query { doing, source }),
        }
    }

    /// A failed statement leaves the session in a failed transaction, which nothing can commit any more.
    async fn roll_back(&mut self) -> Result<()> {
        if self.client.batch(&Sql::fixed("ROLLBACK")).await.is_err() {
            self.client = redial(async || self.server.maintenance().await).await?;
        }
        Ok(())
    }

    /// Runs the transaction but for its COMMIT, and ends sessions for as long as it waits for them. Where a session of ours
    /// is `inside`, it says what the database holds when nobody else is there and nobody can come in.
    async fn rename(
        &mut self,
        mode: Sessions,
        inside: Option<Inside>,
        serving: i32,
    ) -> std::result::Result<Found, tokio_postgres::Error> {
        let statement = self.plan.renames_in_a_transaction();
        let renaming = self.client.client().batch_execute(statement.as_str());
        let renaming = beside(renaming, last_look::look(inside, self.plan, serving));
        if mode == Sessions::Wait {
            return renaming.await;
        }
        tokio::pin!(renaming);
        let (helper, plan, looker) = (&self.helper, self.plan, self.looker);
        let (tell, not_ended) = (&mut self.tell, &mut self.not_ended);
        loop {
            tokio::select! {
                result = &mut renaming => return result,
                ended = end_sessions(helper, plan, looker, tell, not_ended) => {
                    // The rename decides: its outcome has to be heard whatever the helper meets.
                    if let Err(error) = ended {
                        tracing::debug!(error = %chain(&error), "could not end sessions");
                    }
                }
            }
            // The rename looks for sessions ten times a second; so do we, since new ones may have been on their way.
            let pause = tokio::time::sleep(Duration::from_millis(100));
            tokio::select! {
                result = &mut renaming => return result,
                () = pause => {}
            }
        }
    }
}

/// Renames and looks at once: the rename waits for the look's session to leave, and the look for the rename's lock. A
/// rename that failed lets others in: what was seen then counts for nothing.
async fn beside(
    renaming: impl Future<Output = std::result::Result<(), tokio_postgres::Error>>,
    look: impl Future<Output = Found>,
) -> std::result::Result<Found, tokio_postgres::Error> {
    tokio::pin!(renaming, look);
    tokio::select! {
        renamed = &mut renaming => {
            renamed?;
            Ok(look.await)
        }
        found = &mut look => {
            renaming.await?;
            Ok(found)
        }
    }
}

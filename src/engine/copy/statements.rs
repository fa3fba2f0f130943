//! Runs the script's statements before and after the rows: many in one transaction, over one connection or several,
//! named one by one if one fails.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::lanes::{self, Placed};
use super::ledger::Committed;
use super::persist::persist;
use super::{Error, Result, is_in_ledger};
use crate::connect::{self, Connection};
use crate::pg::{Literal, Sql};
use crate::progress::{Reporter, Update};
use crate::schema::script::Step;
use crate::sql;

/// Steps in the open transactions of all sessions: enough to save the round trips (15-25 % measured), few enough for
/// the lock table.
const STEPS_A_BATCH: usize = 100;

/// Statements in the open transactions of all sessions; a longer step goes alone. One object may take many, each with a
/// lock until the end: 1,000 large objects have as many owners and comments. A server's lock table, which everybody there
/// shares, has room for some 7,000 by default.
const STATEMENTS_A_BATCH: usize = 1000;

/// Bytes of statements in one message; a longer step goes alone.
const BYTES_A_BATCH: usize = 1 << 20;

/// A session in the staging database that can be replaced when it breaks.
pub trait Session {
    /// The connection as it is now.
    fn connection(&self) -> &Connection;
    /// Opens another one in its place, and tries for as long as that may still come about.
    fn reopen(&mut self) -> impl Future<Output = std::result::Result<(), connect::Error>>;
}

/// Runs steps over the sessions, in an order that works: each batch is a transaction that writes its number under
/// `kind` into the ledger: where a connection broke, the batch is done again on a new one, unless the ledger has it.
/// Where a statement fails the batch is rolled back and its steps are run one by one, so that the error names the
/// object. Steps that may fail (`tolerated`) do so alone: what failed comes back with its reason, and the others go on.
pub async fn run<S: Session>(
    sessions: &mut [&mut S],
    kind: &'static str,
    steps: &[Placed<'_>],
    committed: &Committed,
    reporter: &Reporter,
    stop: &CancellationToken,
) -> Result<Vec<(String, String)>> {
    let mut problems = Vec::new();
    let numbers = AtomicU64::new(0);
    let most = Most::of(sessions.len());
    let work = Work { kind, numbers: &numbers, most, committed, reporter, stop };
    for wave in lanes::waves(steps, sessions.len()) {
        let lanes = sessions.iter_mut().zip(&wave).map(|(session, lane)| work.lane(&mut **session, lane));
        problems.extend(try_join_all(lanes).await?.into_iter().flatten());
    }
    Ok(problems)
}

/// Runs statements that are no step of the script, each once, so many in a transaction that writes its number under
/// `kind` into the ledger.
pub async fn once<S: Session>(
    session: &mut S,
    kind: &'static str,
    statements: &[Sql],
    committed: &Committed,
    reporter: &Reporter,
    stop: &CancellationToken,
) -> Result<()> {
    let most = Most::of(1);
    let work = Work { kind, numbers: &AtomicU64::new(0), most, committed, reporter, stop };
    for batch in statements.chunks(most.steps) {
        work.transaction(session, kind, batch).await.map_err(|source| match source {
            Failed::Statement(source) => Error::Step { object: kind.to_owned(), source },
            Failed::Other(error) => error,
        })?;
    }
    Ok(())
}

/// How a transaction failed.
enum Failed {
    /// One of its statements; it is rolled back and the session stands.
    Statement(connect::Error),
    Other(Error),
}

/// What one transaction may hold.
#[derive(Clone, Copy)]
struct Most {
    steps: usize,
    statements: usize,
}

impl Most {
    /// Of each of so many sessions.
    fn of(sessions: usize) -> Self {
        let sessions = sessions.max(1);
        Self { steps: STEPS_A_BATCH / sessions, statements: STATEMENTS_A_BATCH / sessions }
    }
}

/// What all lanes know.
struct Work<'a> {
    kind: &'static str,
    numbers: &'a AtomicU64,
    most: Most,
    committed: &'a Committed,
    reporter: &'a Reporter,
    stop: &'a CancellationToken,
}

impl Work<'_> {
    /// Runs one session's steps in their order.
    async fn lane<S: Session>(&self, session: &mut S, steps: &[Placed<'_>]) -> Result<Vec<(String, String)>> {
        let mut problems = Vec::new();
        for batch in batches(steps, self.most) {
            if let Some(first) = batch.first() {
                self.reporter.operation(format!("creating {}", first.label));
            }
            if !self.together(session, &batch).await? {
                problems.extend(self.one_by_one(session, &batch).await?);
            }
            let effort = batch.iter().map(|step| step.effort()).sum();
            self.reporter.report(Update::Statements { effort });
        }
        Ok(problems)
    }

    /// Runs a batch in one transaction; false where one of its statements failed.
    async fn together<S: Session>(&self, session: &mut S, batch: &[&Step]) -> Result<bool> {
        let what = batch.first().map(|step| format!("{} and others", step.label)).unwrap_or_default();
        let statements: Vec<Sql> = batch.iter().flat_map(|step| &step.sql).cloned().collect();
        match self.transaction(session, &what, &statements).await {
            Ok(()) => Ok(true),
            Err(Failed::Statement(_)) => Ok(false),
            Err(Failed::Other(error)) => Err(error),
        }
    }

    /// Runs the steps of a batch that failed, each by itself: whatever it was, it is met again, by name.
    async fn one_by_one<S: Session>(
        &self,
        session: &mut S,
        batch: &[&Step],
    ) -> Result<Vec<(String, String)>> {
        let mut problems = Vec::new();
        for step in batch {
            match self.transaction(session, &step.label, &step.sql).await {
                Ok(()) => {}
                Err(Failed::Statement(source)) if step.tolerated.covers(source.sqlstate()) => {
                    problems.push((step.label.clone(), crate::failure::chain(&source)));
                }
                Err(Failed::Statement(source)) => {
                    return Err(Error::Step { object: step.label.clone(), source });
                }
                Err(Failed::Other(error)) => return Err(error),
            }
        }
        Ok(problems)
    }

    /// One transaction with its row in the ledger; where the connection breaks it is done again on a new one, unless
    /// the ledger has it.
    async fn transaction<S: Session>(
        &self,
        session: &mut S,
        object: &str,
        statements: &[Sql],
    ) -> std::result::Result<(), Failed> {
        let ledger = sql!(
            "INSERT INTO multiboard_sync.ledger (kind, number) VALUES ({k}, {n})",
            k = Literal(self.kind),
            n = self.numbers.fetch_add(1, Ordering::Relaxed)
        );
        let what = format!("creating {object}");
        let done = persist(session, &what, self.reporter, self.stop, async |connection, _| {
            match execute(connection, &ledger, statements).await {
                Err(error) if error.is_lost() => Err(error.into()),
                Err(error) if is_in_ledger(&error) => Ok(Ok(())),
                answered => Ok(answered),
            }
        });
        let answered = done.await.map_err(|error| match error {
            Error::Connect(source) => Failed::Other(Error::Step { object: object.to_owned(), source }),
            error => Failed::Other(error),
        })?;
        answered.map_err(Failed::Statement)?;
        self.committed.add(1);
        Ok(())
    }
}

fn batches<'a>(steps: &[Placed<'a>], most: Most) -> Vec<Vec<&'a Step>> {
    let mut batches: Vec<Vec<&Step>> = Vec::new();
    let (mut bytes, mut statements) = (0, 0);
    for (_, step) in steps {
        let size: usize = step.sql.iter().map(|sql| sql.as_str().len() + 2).sum();
        let fits = bytes + size <= BYTES_A_BATCH && statements + step.sql.len() <= most.statements;
        match batches.last_mut() {
            Some(batch) if batch.len() < most.steps && fits => {
                batch.push(step);
                bytes += size;
                statements += step.sql.len();
            }
            _ => {
                batches.push(vec![step]);
                (bytes, statements) = (size, step.sql.len());
            }
        }
    }
    batches
}

async fn execute(
    connection: &Connection,
    ledger: &Sql,
    statements: &[Sql],
) -> std::result::Result<(), connect::Error> {
    let mut text = Sql::fixed("BEGIN;\n");
    for sql in std::iter::once(ledger).chain(statements) {
        text.push(sql);
        text.push_fixed(";\n");
    }
    text.push_fixed("COMMIT");
    let result = connection.batch(&text).await;
    if result.is_err() && !connection.is_closed() {
        connection.batch(&Sql::fixed("ROLLBACK")).await?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::model::Address;
    use crate::schema::script::Phase;

    #[test]
    fn batches_keep_the_order_and_the_bounds() {
        let step = |bytes: usize, statements: usize| Step {
            rank: crate::schema::model::Rank::Table,
            makes: Address::new(0, 0),
            label: bytes.to_string(),
            phase: Phase::PreData,
            sql: vec![Sql::printed_by_server("x".repeat(bytes)); statements],
            waits_for: Vec::new(),
            needs_rows_of: Vec::new(),
            locks: Vec::new(),
            tolerated: crate::schema::script::Tolerated::Nothing,
            builds: None,
        };
        let mut steps: Vec<Step> = (0..150).map(|bytes| step(bytes, 1)).collect();
        steps.push(step(BYTES_A_BATCH + 1, 1));
        steps.push(step(1, 1));
        // A large object's owner is a statement, and a lock.
        steps.push(step(1, STATEMENTS_A_BATCH - 1));
        steps.push(step(1, 1));
        steps.push(step(1, STATEMENTS_A_BATCH + 1));
        let all: Vec<Placed<'_>> = steps.iter().enumerate().collect();
        let made = batches(&all, Most::of(1));
        assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), [100, 50, 1, 2, 1, 1]);
        let order: Vec<&str> = made.iter().flatten().map(|step| step.label.as_str()).collect();
        assert_eq!(order, steps.iter().map(|step| step.label.as_str()).collect::<Vec<_>>());
    }
}

//! Asks a server for the sums of many tables, over several connections at once.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::{Error, Result};
use crate::connect::{self, Connection};
use crate::engine::copy::holder::Holder;
use crate::engine::stage::redial::redial;
use crate::engine::verify::compare::Sum;
use crate::engine::verify::{self, query};
use crate::failure::{Classify, Next};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Reporter, Side, Update, VerifyMode, Warning};

/// Attempts at one question, the first included, before the run fails.
const ATTEMPTS: u32 = 5;

/// One table and the query that sums it up.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) table: QualifiedName,
    pub(super) query: Sql,
}

/// Asks all the questions over at most so many connections, each of which takes the next question that is left. A
/// connection that breaks is replaced, and its question asked again.
pub(super) async fn ask<C: Deref<Target = Connection>>(
    dial: impl AsyncFn() -> std::result::Result<C, connect::Error>,
    connections: usize,
    questions: Vec<Question>,
    reporter: &Reporter,
    side: Side,
) -> Result<BTreeMap<QualifiedName, Sum>> {
    let (next, connected) = (Cell::new(0), Cell::new(0));
    let asking = (0..connections.min(questions.len())).map(async |_| {
        let mut answers = Vec::new();
        let mut connection = match redial(&dial).await {
            Ok(connection) => Some(connection),
            // The server has none to spare; others are at it.
            Err(error) if connected.get() > 0 && error.classify().next == Next::Retry => return Ok(answers),
            Err(error) => return Err(Error::from(error)),
        };
        connected.set(connected.get() + 1);
        while let Some(question) = questions.get(next.replace(next.get() + 1)) {
            let what = format!("verifying {}", question.table);
            reporter.operation(what.clone());
            let table = format!("table {}", question.table);
            let answer = persist(&mut connection, &dial, reporter, &what, async |connection| {
                Ok(verify::sum_up(connection.client(), &table, &question.query).await?)
            });
            answers.push((question.table.clone(), answer.await?));
            reporter.report(Update::Summarized { table: question.table.clone(), side });
        }
        Ok(answers)
    });
    Ok(try_join_all(asking).await?.into_iter().flatten().collect())
}

/// Asks something over `connection`, opened where there is none; where it breaks, again over another one. What is asked
/// changes nothing, so it may be asked twice.
pub(super) async fn persist<C: Deref<Target = Connection>, T>(
    connection: &mut Option<C>,
    dial: impl AsyncFn() -> std::result::Result<C, connect::Error>,
    reporter: &Reporter,
    what: &str,
    ask: impl AsyncFn(&Connection) -> Result<T>,
) -> Result<T> {
    let mut attempt = 1;
    loop {
        let session = match connection.take() {
            Some(session) => session,
            None => redial(&dial).await?,
        };
        let error = match ask(&session).await {
            // The session may be gone, whether or not it shows yet.
            Err(error) if error.classify().next == Next::Retry && attempt < ATTEMPTS => error,
            answer => {
                *connection = Some(session);
                return answer;
            }
        };
        drop(session);
        let reason = crate::failure::chain(&error);
        let message = format!("{what}: trying again after: {reason}");
        reporter.warn(Warning::new("repeated", message));
        tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
        attempt += 1;
    }
}

/// All large objects of a database, summed up.
pub(super) async fn large_objects(connection: &Connection, mode: VerifyMode) -> Result<Sum> {
    Ok(verify::sum_up(connection.client(), LARGE_OBJECTS, &large_objects_query(mode)).await?)
}

/// The same on the source, under the snapshot.
pub(super) async fn large_objects_of_source(holder: &Holder, mode: VerifyMode) -> Result<Sum> {
    let answers = holder.ask(&large_objects_query(mode)).await??;
    let row = answers.into_iter().flat_map(|answer| answer.rows).next();
    Ok(row.ok_or_else(|| verify::Error::Empty { what: LARGE_OBJECTS.to_owned() })?)
}

const LARGE_OBJECTS: &str = "the large objects";

fn large_objects_query(mode: VerifyMode) -> Sql {
    match mode.hashes() {
        true => query::large_object_checksum(),
        false => query::large_object_counts(),
    }
}

//! Asks a server for the sums of many tables, over several connections at once.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use super::{Error, Result};
use crate::connect::Connection;
use crate::engine::copy::holder::Holder;
use crate::engine::verify::compare::Sum;
use crate::engine::verify::{self, query};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Reporter, Side, Update, VerifyMode};
use crate::tasks::{Ended, TaskGroup};

/// One table and the query that sums it up.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) table: QualifiedName,
    pub(super) query: Sql,
}

/// Asks all the questions; each connection takes the next one that is left.
pub(super) async fn ask<C>(
    connections: Vec<C>,
    questions: Vec<Question>,
    reporter: &Reporter,
    side: Side,
    stop: &CancellationToken,
) -> Result<BTreeMap<QualifiedName, Sum>>
where
    C: Deref<Target = Connection> + Send + Sync + 'static,
{
    let questions = Arc::new(questions);
    let next = Arc::new(AtomicUsize::new(0));
    let mut group: TaskGroup<Vec<(QualifiedName, Sum)>, Error> = TaskGroup::new(stop);
    for connection in connections {
        let (questions, next, reporter, stop) =
            (Arc::clone(&questions), Arc::clone(&next), reporter.clone(), group.stop());
        group.spawn("verify", async move {
            let mut answers = Vec::new();
            while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.is_cancelled() {
                    break;
                }
                reporter.operation(format!("verifying {}", question.table));
                let what = format!("table {}", question.table);
                let answer = tokio::select! {
                    answer = verify::sum_up(connection.client(), &what, &question.query) => answer?,
                    () = stop.cancelled() => break,
                };
                reporter.report(Update::Summarized { table: question.table.clone(), side });
                answers.push((question.table.clone(), answer));
            }
            Ok(answers)
        });
    }
    match group.join().await {
        Ok(answers) => Ok(answers.into_iter().flatten().collect()),
        Err(Ended::Failed(error)) => Err(error),
        Err(Ended::Panicked(text)) => Err(Error::Defect(text)),
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
    match mode {
        VerifyMode::Checksum => query::large_object_checksum(),
        _ => query::large_object_counts(),
    }
}

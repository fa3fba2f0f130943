//! Runs the script's statements before and after the rows: many in one transaction, named one by one if one fails.

use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::{Error, Result};
use crate::connect;
use crate::pg::Sql;
use crate::progress::{Reporter, Update};
use crate::schema::script::Step;

/// Steps in one transaction: enough to save the round trips (15-25 % measured), few enough for the lock table.
const STEPS_A_BATCH: usize = 100;

/// Bytes of statements in one message; a longer step goes alone.
const BYTES_A_BATCH: usize = 1 << 20;

/// Runs steps in their order, each batch a transaction. Where a batch fails it is rolled back and its steps are run
/// one by one, so that the error names the object. Steps that may fail (`tolerated`) do so alone: what failed comes
/// back with its reason, and the others go on.
pub async fn run(
    client: &Client,
    steps: &[&Step],
    reporter: &Reporter,
    stop: &CancellationToken,
    failed: impl Fn(tokio_postgres::Error) -> connect::Error,
) -> Result<Vec<(String, String)>> {
    let mut problems = Vec::new();
    for batch in batches(steps) {
        if stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        if let Some(first) = batch.first() {
            reporter.operation(format!("creating {}", first.label));
        }
        if execute(client, batch.iter().copied()).await.is_err() {
            // Whatever it was, it will be met again, by name.
            for step in &batch {
                if let Err(error) = execute(client, [*step].into_iter()).await {
                    let source = failed(error);
                    if !step.tolerated || client.is_closed() {
                        return Err(Error::Step { object: step.label.clone(), source });
                    }
                    problems.push((step.label.clone(), crate::failure::chain(&source)));
                }
            }
        }
        let statements: usize = batch.iter().map(|step| step.sql.len()).sum();
        reporter.report(Update::Statements(statements as u64));
    }
    Ok(problems)
}

fn batches<'a>(steps: &[&'a Step]) -> Vec<Vec<&'a Step>> {
    let mut batches: Vec<Vec<&Step>> = Vec::new();
    let mut bytes = 0;
    for step in steps {
        let size: usize = step.sql.iter().map(|sql| sql.as_str().len() + 2).sum();
        match batches.last_mut() {
            Some(batch) if batch.len() < STEPS_A_BATCH && bytes + size <= BYTES_A_BATCH => {
                batch.push(step);
                bytes += size;
            }
            _ => {
                batches.push(vec![step]);
                bytes = size;
            }
        }
    }
    batches
}

async fn execute<'a>(
    client: &Client,
    steps: impl Iterator<Item = &'a Step>,
) -> std::result::Result<(), tokio_postgres::Error> {
    let mut text = Sql::fixed("BEGIN;\n");
    for sql in steps.flat_map(|step| &step.sql) {
        text.push(sql);
        text.push_fixed(";\n");
    }
    text.push_fixed("COMMIT");
    let result = client.batch_execute(text.as_str()).await;
    if result.is_err() && !client.is_closed() {
        client.batch_execute("ROLLBACK").await?;
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
        let step = |bytes: usize| Step {
            makes: Address::new(0, 0),
            label: bytes.to_string(),
            phase: Phase::PreData,
            sql: vec![Sql::printed_by_server("x".repeat(bytes))],
            waits_for: Vec::new(),
            needs_rows_of: Vec::new(),
            locks: Vec::new(),
            tolerated: false,
            builds: None,
        };
        let mut steps: Vec<Step> = (0..150).map(step).collect();
        steps.push(step(BYTES_A_BATCH + 1));
        steps.push(step(1));
        let all: Vec<&Step> = steps.iter().collect();
        let made = batches(&all);
        assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), [100, 50, 1, 1]);
        let order: Vec<&str> = made.iter().flatten().map(|step| step.label.as_str()).collect();
        assert_eq!(order, steps.iter().map(|step| step.label.as_str()).collect::<Vec<_>>());
    }
}

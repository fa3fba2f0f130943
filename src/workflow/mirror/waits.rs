//! What the creation of a slot waits for: it begins when every transaction that was running on the source has ended.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use super::standby;
use crate::connect::Connection;
use crate::engine::replicate::{self, slot};
use crate::failure::chain;
use crate::progress::Warning;

/// A slot on a quiet source is made sooner than this; whoever waits longer wants to know for whom.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says which transactions the walsender of an application waits for, each once, for as long as it is asked.
pub(super) async fn tell(source: &Connection, application: &str, say: impl Fn(Warning)) -> Infallible {
    let mut told = HashSet::new();
    loop {
        tokio::time::sleep(PATIENCE).await;
        match look(source, application).await {
            Ok(found) => found.into_iter().filter(|one| told.insert(one.message.clone())).for_each(&say),
            Err(error) => tracing::debug!(error = %chain(&error), "cannot see what a slot waits for"),
        }
    }
}

async fn look(source: &Connection, application: &str) -> replicate::Result<Vec<Warning>> {
    let waiting = slot::waits_for(source, application).await?;
    if waiting.is_empty() && slot::is_on_standby(source).await? {
        return Ok(vec![standby::waits_for_primary()]);
    }
    let warnings = waiting.into_iter().map(|who| {
        let message = format!("the slot cannot begin before this transaction of the source has ended: {who}");
        Warning::new("waits_for_transactions", message)
    });
    Ok(warnings.collect())
}

//! What the creation of a slot waits for: it begins when every transaction that was running on the source has ended.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use crate::connect::Connection;
use crate::engine::replicate::slot;
use crate::failure::chain;
use crate::progress::Warning;

/// A slot on a quiet source is made sooner than this; whoever waits longer wants to know for whom.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says which transactions the walsender of an application waits for, each once, for as long as it is asked.
pub(super) async fn tell(source: &Connection, application: &str, say: impl Fn(Warning)) -> Infallible {
    let mut told = HashSet::new();
    loop {
        tokio::time::sleep(PATIENCE).await;
        match slot::waits_for(source, application).await {
            Ok(waiting) => {
                for who in waiting.into_iter().filter(|who| told.insert(who.clone())) {
                    let message = format!(
                        "the slot cannot begin before this transaction of the source has ended: {who}"
                    );
                    say(Warning::new("waits_for_transactions", message));
                }
            }
            Err(error) => tracing::debug!(error = %chain(&error), "cannot see what a slot waits for"),
        }
    }
}

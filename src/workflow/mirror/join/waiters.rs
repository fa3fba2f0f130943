//! Watches over the locks of a copy on the source: who waits behind them is named, and given way to.

use std::time::Duration;

use crate::connect::{self, Connection, Settings};
use crate::engine::copy::{self, snapshot};
use crate::failure::chain;
use crate::progress::Reporter;
use crate::workflow::party::Party;
use crate::workflow::waiters::Waiters;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// So many seconds somebody may wait behind a copy where nothing else was asked for: a copy comes unasked, and can be begun anew,
/// and behind whoever is to alter a table all others wait who come to it. Most applications wait for longer.
const GRACE: f64 = 10.0;

/// Returns when somebody has waited too long for locks of the source's process `holder`. Looks until then, for as long as it is
/// polled.
pub(super) async fn watch(
    source: &Party,
    holder: i32,
    grace: Option<f64>,
    reporter: &Reporter,
) -> copy::Error {
    let mut connection: Option<Connection> = None;
    let mut waiters = Waiters::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let looking = async {
            let session = match connection.take().filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => connect::source(&source.options, &Settings::default()).await?,
            };
            let waiting = snapshot::waiting_behind(session.client(), &[holder]).await?;
            connection = Some(session);
            copy::Result::Ok(waiters.judge(reporter, &waiting, grace.or(Some(GRACE))))
        };
        match looking.await {
            Ok(Some(yielded)) => return yielded,
            Ok(None) => {}
            Err(error) => tracing::debug!(error = %chain(&error), "cannot see who waits behind a copy"),
        }
    }
}

/// Ends the process of the source that has the locks. Without an answer of the source its own end there has to do.
pub(super) async fn give_way(source: &Party, holder: i32) {
    let ending = async {
        let session = connect::source(&source.options, &Settings::default()).await?;
        snapshot::end(session.client(), holder).await?;
        session.close().await;
        copy::Result::Ok(())
    };
    if let Err(error) = ending.await {
        tracing::debug!(error = %chain(&error), "cannot end the session that copied");
    }
}

//! The session that the source is asked by beside the stream; and what it says of the source that there can be none: that shuts
//! down, which the stream does not tell.

use std::time::{Duration, Instant};

use super::gauge::Gauge;
use crate::connect::{self, Connection, Settings};
use crate::failure::chain;
use crate::pg::sqlstate;
use crate::workflow::Result;
use crate::workflow::party::Party;

/// So long one session is asked: a source that shuts down once its clients have gone (`pg_ctl stop -m smart`) has us as one of
/// them, and says so to the next session only.
const ONE_SESSION: Duration = Duration::from_secs(10);
/// A source that does not answer within this time is asked anew on another connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether the session is there.
const EVERY: Duration = Duration::from_secs(1);

/// Who asks.
pub(super) struct Asking<'a> {
    source: &'a Party,
    gauge: &'a Gauge,
    session: Option<Asked>,
}

/// A session, since then.
pub(super) struct Asked(pub(super) Connection, Instant);

impl<'a> Asking<'a> {
    pub(super) fn new(source: &'a Party, gauge: &'a Gauge) -> Self {
        Self { source, gauge, session: None }
    }

    /// The session, or another one. It is another one the next time unless it is kept.
    pub(super) async fn take(&mut self) -> Result<Asked> {
        match self.session.take() {
            Some(asked) if !asked.0.is_closed() && asked.1.elapsed() < ONE_SESSION => return Ok(asked),
            Some(old) => old.0.close().await,
            None => {}
        }
        let opened = connect::source(&self.source.options, &Settings::default()).await;
        let code = opened.as_ref().err().and_then(connect::Error::sqlstate);
        self.gauge.source_leaves(code == Some(sqlstate::CANNOT_CONNECT_NOW));
        Ok(Asked(opened?, Instant::now()))
    }

    pub(super) fn keep(&mut self, asked: Asked) {
        self.session = Some(asked);
    }
}

/// Says whether the source shuts down, for as long as it is polled.
pub(super) async fn heed(source: &Party, gauge: &Gauge) {
    let mut asking = Asking::new(source, gauge);
    loop {
        match tokio::time::timeout(PATIENCE, asking.take()).await {
            Ok(Ok(asked)) => asking.keep(asked),
            Ok(Err(error)) => tracing::debug!(error = %chain(&error), "the source cannot be asked"),
            Err(_) => tracing::debug!("the source does not answer"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

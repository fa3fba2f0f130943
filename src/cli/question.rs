//! The question at the terminal whether sessions in the way of a swap are to be ended.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::engine::stage::swap::Sessions;
use crate::progress::Warning;

/// Asks once; without a person at the terminal, or with the answer given before, never.
pub(super) struct Question(Mutex<Option<watch::Sender<Sessions>>>);

impl Question {
    /// The question, and where a swap sees the answer. With `terminate` it is answered before it is asked.
    pub(super) fn new(terminate: bool, can_ask: bool) -> (Self, watch::Receiver<Sessions>) {
        let first = if terminate { Sessions::Terminate } else { Sessions::Wait };
        let (choose, sessions) = watch::channel(first);
        (Self(Mutex::new(Some(choose).filter(|_| can_ask && !terminate))), sessions)
    }

    /// Asks, where this warning is about sessions in the way.
    pub(super) fn about(&self, warning: &Warning) {
        if warning.code != "sessions_in_the_way" {
            return;
        }
        let Some(choose) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // A thread of its own: an answer may take as long as it likes, and the process ends without it.
        let asking = std::thread::Builder::new().name("question".to_owned()).spawn(move || {
            let mut stderr = std::io::stderr();
            if stderr.write_all(b"\nend these sessions now? [y/N] ").and_then(|()| stderr.flush()).is_err() {
                return;
            }
            let mut answer = String::new();
            let read = std::io::stdin().read_line(&mut answer).is_ok();
            if read && matches!(answer.trim(), "y" | "Y" | "yes") {
                choose.send_replace(Sessions::Terminate);
            }
        });
        if let Err(error) = asking {
            tracing::warn!(%error, "cannot ask; waiting for the sessions to end");
        }
    }
}

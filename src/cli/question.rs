//! The question at the terminal whether sessions in the way of a swap are to be ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::output::Shown;
use crate::engine::stage::swap::Sessions;
use crate::progress::{Event, Frame, Warning};
use crate::workflow::report::Subscriber;

const QUESTION: &str = "end these sessions now? [y/N] ";

/// Asks once; without a person at the terminal, or with the answer given before, never.
pub(super) struct Question {
    choose: Mutex<Option<watch::Sender<Sessions>>>,
    answered: Arc<AtomicBool>,
}

impl Question {
    /// The question, and where a swap sees the answer. With `terminate` it is answered before it is asked.
    pub(super) fn new(terminate: bool, can_ask: bool) -> (Self, watch::Receiver<Sessions>) {
        let first = if terminate { Sessions::Terminate } else { Sessions::Wait };
        let (choose, sessions) = watch::channel(first);
        let choose = Mutex::new(Some(choose).filter(|_| can_ask && !terminate));
        (Self { choose, answered: Arc::default() }, sessions)
    }

    /// Asks, where this warning is about sessions in the way; `put` writes the words to the terminal.
    pub(super) fn about(&self, warning: &Warning, put: impl FnOnce(&str)) {
        if warning.code != "sessions_in_the_way" {
            return;
        }
        let Some(choose) = self.choose.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        put(QUESTION);
        let answered = Arc::clone(&self.answered);
        // A thread of its own: an answer may take as long as it likes, and the process ends without it.
        let asking = std::thread::Builder::new().name("question".to_owned()).spawn(move || {
            let mut answer = String::new();
            let read = std::io::stdin().read_line(&mut answer).is_ok();
            if read && matches!(answer.trim(), "y" | "Y" | "yes") {
                choose.send_replace(Sessions::Terminate);
            }
            answered.store(true, Ordering::Relaxed);
        });
        if let Err(error) = asking {
            self.answered.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "cannot ask; waiting for the sessions to end");
        }
    }
}

/// Shows a run, and asks in between: on one thread, so that the question stands where nothing is drawn over it.
pub(super) struct Asking {
    pub(super) shown: Shown,
    pub(super) question: Question,
}

impl Subscriber for Asking {
    fn frame(&mut self, frame: &Frame) {
        if self.question.answered.swap(false, Ordering::Relaxed) {
            self.shown.answered();
        }
        self.shown.frame(frame);
        if let Frame::Event { event: Event::Warning(warning), .. } = frame {
            self.question.about(warning, |question| self.shown.ask(question));
        }
    }
}

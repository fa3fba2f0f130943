//! What a run of this process says, on its way to the watchers: the store has each event first.

use std::sync::Arc;

use super::hub::pull;
use super::topic::Topic;
use crate::id::JobId;
use crate::progress::Frame;
use crate::store::Sqlite;
use crate::workflow::report::Subscriber;

/// Hands on what one run says. To be fed after the store.
pub(super) struct Publisher {
    pub(super) job: JobId,
    pub(super) store: Arc<Sqlite>,
    pub(super) topic: Arc<Topic>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.topic.is_over();
    }
}

impl Subscriber for Publisher {
    fn frame(&mut self, frame: &Frame) {
        match frame {
            Frame::Progress { .. } => self.topic.progress(frame),
            Frame::Event { seq, .. } => {
                if *seq > self.topic.last() + 1 {
                    // Others of this topic came from the store, and not all of them yet.
                    pull(&self.store, &self.job, &self.topic);
                }
                // Also where the store could not keep it.
                self.topic.event(frame);
            }
        }
    }
}

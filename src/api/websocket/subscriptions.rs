//! The subscriptions of one websocket: each a cursor, all waited for at once.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::live::{Behind, Cursor, Piece};

/// What came on one of them.
pub(super) enum Came {
    /// Frames.
    Texts(Vec<String>),
    /// It has missed something: the client is too slow.
    Behind,
}

type Waiting = Pin<Box<dyn Future<Output = (u64, Cursor, Result<Vec<Piece>, Behind>)> + Send>>;

/// The subscriptions.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// By the client's name: which of the futures is its own, and the number of its newest event.
    known: BTreeMap<String, (u64, u64)>,
    waiting: FuturesUnordered<Waiting>,
    last: u64,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn has(&self, sub: &str) -> bool {
        self.known.contains_key(sub)
    }

    /// Adds one, in place of one of the same name.
    pub(super) fn add(&mut self, sub: String, cursor: Cursor) {
        self.last += 1;
        self.known.insert(sub, (self.last, cursor.reached()));
        self.waiting.push(waits(self.last, cursor));
    }

    pub(super) fn remove(&mut self, sub: &str) {
        self.known.remove(sub);
    }

    /// The number of the newest event of each.
    pub(super) fn seqs(&self) -> BTreeMap<&str, u64> {
        self.known.iter().map(|(sub, (_, seq))| (sub.as_str(), *seq)).collect()
    }

    /// What comes next on any of them. Cancel-safe.
    pub(super) async fn next(&mut self) -> Came {
        loop {
            let Some((id, cursor, pieces)) = self.waiting.next().await else {
                return std::future::pending().await;
            };
            // Another one has its name by now, or it was given up.
            let Some((sub, (_, seq))) = self.known.iter_mut().find(|(_, (known, _))| *known == id) else {
                continue;
            };
            let Ok(pieces) = pieces else { return Came::Behind };
            *seq = cursor.reached();
            let texts = pieces.iter().map(|piece| text(sub, piece)).collect();
            self.waiting.push(waits(id, cursor));
            return Came::Texts(texts);
        }
    }
}

fn waits(id: u64, mut cursor: Cursor) -> Waiting {
    Box::pin(async move {
        let pieces = cursor.next().await;
        (id, cursor, pieces)
    })
}

/// A piece as a frame for this subscription.
pub(super) fn text(sub: &str, piece: &Piece) -> String {
    let (name, rest) = match piece {
        Piece::Event { rest, .. } => ("event", rest),
        Piece::Progress { rest } => ("progress", rest),
    };
    let sub = serde_json::Value::from(sub);
    format!("{{\"type\":\"{name}\",\"sub\":{sub},{}}}", String::from_utf8_lossy(rest))
}

//! Whether little is kept of what comes in. Values are slices of the large pieces in which they were read, and keep all of a
//! piece in memory: where most of it is dropped (tables that stand aside, messages), what is kept is copied out of it. Values in,
//! values out.

use bytes::{Bytes, BytesMut};

use super::{Change, Old, Piece, Tuple, Value};

/// So much is looked at together, in bytes: as much as is read at once from a socket, or less.
const WINDOW: usize = 128 * 1024;

/// How much came in, and how much of it was kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sparse {
    received: usize,
    kept: usize,
    is_sparse: bool,
}

impl Sparse {
    /// So many bytes came in.
    pub fn received(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes);
        if self.received >= WINDOW {
            let is_sparse = self.kept < self.received / 2;
            *self = Self { received: 0, kept: 0, is_sparse };
        }
    }

    /// Changes are kept: as they came, or copied where little is kept. So the memory that is held is at most some windows
    /// and twice what the changes count.
    pub fn keep(&mut self, piece: &mut Piece) {
        let changes = match piece {
            Piece::Whole(transaction) => &mut transaction.changes,
            Piece::Changes(changes) | Piece::Early(changes) => changes,
            Piece::Begin(_) | Piece::Recall | Piece::Confirm(_) | Piece::Commit { .. } => return,
        };
        let bytes = changes.iter().map(Change::memory_bytes);
        self.kept = bytes.fold(self.kept, usize::saturating_add);
        if self.is_sparse {
            copy(changes);
        }
    }
}

/// Gives changes memory of their own.
fn copy(changes: &mut [Change]) {
    let mut length = 0_usize;
    for change in &mut *changes {
        each_value(change, &mut |bytes| length = length.saturating_add(bytes.len()));
    }
    let mut all = BytesMut::with_capacity(length);
    for change in &mut *changes {
        each_value(change, &mut |bytes| all.extend_from_slice(bytes));
    }
    let mut all = all.freeze();
    for change in changes {
        each_value(change, &mut |bytes| *bytes = all.split_to(bytes.len()));
    }
}

fn each_value(change: &mut Change, visit: &mut dyn FnMut(&mut Bytes)) {
    let mut tuple = |tuple: &mut Tuple| {
        for value in &mut tuple.0 {
            if let Value::Text(bytes) | Value::Binary(bytes) = value {
                visit(bytes);
            }
        }
    };
    let of_old = |old: &mut Old, tuple: &mut dyn FnMut(&mut Tuple)| match old {
        Old::Key(values) | Old::Full(values) => tuple(values),
    };
    match change {
        Change::Insert { new, .. } => tuple(new),
        Change::Update { old, new, .. } => {
            if let Some(old) = old {
                of_old(old, &mut tuple);
            }
            tuple(new);
        }
        Change::Delete { old, .. } => of_old(old, &mut tuple),
        Change::Truncate { .. } => {}
        Change::Message { content, .. } => visit(content),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Sparse, WINDOW};
    use crate::change::samples::{delete, insert, relation, truncate, update};
    use crate::change::{Change, Piece, Tuple, Value};
    use crate::pg::Lsn;

    /// A row whose value lies in a piece that was read.
    fn row(piece: &Bytes) -> Change {
        Change::Insert { relation: relation(1), new: Tuple(vec![Value::Text(piece.slice(7..9))]) }
    }

    fn kept(sparse: &mut Sparse, changes: Vec<Change>) -> Vec<Change> {
        let mut piece = Piece::Changes(changes);
        sparse.keep(&mut piece);
        match piece {
            Piece::Changes(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_little_of_what_came_lets_the_rest_go() {
        let piece = Bytes::from(vec![b'x'; WINDOW]);
        let mut sparse = Sparse::default();
        let whole = kept(&mut sparse, vec![row(&piece)]);
        assert!(!piece.is_unique());
        drop(whole);
        assert!(piece.is_unique());
        sparse.received(piece.len());
        let copied = kept(&mut sparse, vec![row(&piece), row(&piece)]);
        assert!(piece.is_unique());
        assert_eq!(copied, [row(&piece), row(&piece)]);
        // Where much is kept nothing is copied.
        let large = Change::Message { lsn: Lsn::ZERO, prefix: String::new(), content: piece.clone() };
        drop(kept(&mut sparse, vec![large]));
        sparse.received(piece.len());
        let whole = kept(&mut sparse, vec![row(&piece)]);
        assert!(!piece.is_unique() && whole.len() == 1);
    }

    #[test]
    fn changes_are_what_they_were() {
        let mut sparse = Sparse::default();
        sparse.received(WINDOW);
        let message =
            Change::Message { lsn: Lsn::ZERO, prefix: "p".to_owned(), content: Bytes::from_static(b"said") };
        let changes = vec![insert(1), update(2), delete(1), truncate(&[1, 2]), message];
        assert_eq!(kept(&mut sparse, changes.clone()), changes);
        assert!(matches!(kept(&mut sparse, Vec::new())[..], []));
    }
}

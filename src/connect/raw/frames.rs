//! Finds the CopyData frames in a stream of bytes by their headers alone. Pure: no byte of a row is looked at.

use crate::connect::wire::header;

const COPY_DATA: u8 = b'd';
const HEADER_BYTES: usize = 5;

/// Where in the frames the bytes that were scanned so far end.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// What is missing of the last frame.
    left: usize,
}

/// What a piece of the stream holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// So many bytes from its start belong to CopyData frames, the last of which may go on in the next piece.
    pub(super) data: usize,
    /// Frames that begin in it.
    pub(super) frames: u64,
    /// What follows.
    pub(super) next: Next,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, or a header that is cut.
    More,
    /// Another message.
    Message,
    /// A frame whose length cannot be.
    Wrong,
}

impl Scanner {
    /// Scans the next piece: the bytes after those that earlier scans counted as data.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut data = self.left.min(bytes.len());
        self.left -= data;
        let mut frames = 0;
        let next = loop {
            let rest = bytes.get(data..).unwrap_or_default();
            match rest.first() {
                None => break Next::More,
                Some(&tag) if tag != COPY_DATA => break Next::Message,
                Some(_) => {}
            }
            let Some((_, length)) = header(rest) else { break Next::More };
            if length < 4 {
                break Next::Wrong;
            }
            frames += 1;
            let whole = length + 1;
            let here = whole.min(rest.len());
            data += here;
            self.left = whole - here;
        };
        Scan { data, frames, next }
    }

    /// How many bytes are missing of the frame that the last scan ended in.
    pub(super) fn left(&self) -> usize {
        self.left
    }
}

/// The rows' own bytes in a scan.
pub(super) fn payload(scan: &Scan) -> u64 {
    let headers = scan.frames.saturating_mul(HEADER_BYTES as u64);
    (scan.data as u64).saturating_sub(headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Next, Scanner, payload};

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![b'd'];
        frame.extend_from_slice(&u32::try_from(payload.len() + 4).unwrap_or(0).to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn stops_at_what_is_no_data() {
        let mut bytes = frame(b"row");
        bytes.extend_from_slice(b"c\0\0\0\x04");
        let scan = Scanner::default().scan(&bytes);
        assert_eq!((scan.data, scan.frames, scan.next), (8, 1, Next::Message));
        assert_eq!(Scanner::default().scan(b"d\0\0\0\x03").next, Next::Wrong);
    }

    proptest! {
        #[test]
        fn any_split_of_the_stream_finds_the_same_frames(
            rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            cuts in prop::collection::vec(1_usize..30, 1..40),
        ) {
            let mut stream: Vec<u8> = rows.iter().flat_map(|row| frame(row)).collect();
            let data = stream.len();
            stream.extend_from_slice(b"c\0\0\0\x04");
            let (mut scanner, mut held, mut at) = (Scanner::default(), Vec::new(), 0);
            let (mut forwarded, mut frames, mut bytes) = (Vec::new(), 0, 0);
            let mut cuts = cuts.iter().cycle();
            while at < stream.len() {
                let end = (at + cuts.next().unwrap_or(&1)).min(stream.len());
                held.extend_from_slice(stream.get(at..end).unwrap_or_default());
                at = end;
                let scan = scanner.scan(&held);
                prop_assert!(scan.next != Next::Wrong);
                frames += scan.frames;
                bytes += payload(&scan);
                forwarded.extend(held.drain(..scan.data));
            }
            prop_assert_eq!(frames, rows.len() as u64);
            prop_assert_eq!(bytes, rows.iter().map(|row| row.len() as u64).sum::<u64>());
            prop_assert_eq!(Some(forwarded.as_slice()), stream.get(..data));
            prop_assert_eq!(held.as_slice(), b"c\0\0\0\x04");
            prop_assert_eq!(scanner.left(), 0);
        }
    }
}

//! Any bytes are messages of pgoutput or an error: never a panic, and what is taken for a message is that message, so that
//! encoded again it gives the same bytes.
//!
//! The first byte says what was asked for, then come frames, each with two bytes of length.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use multiboard_sync::pg::pgoutput::{Decoder, Dialect, encode};

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else { return };
    let mut decoder = match first % 4 {
        0 => Decoder::new(Dialect::default()),
        1 => Decoder::new(Dialect { abort_details: true }),
        2 => Decoder::within(false),
        _ => Decoder::within(true),
    };
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (frame, after) = after.split_at(length);
        rest = after;
        // After an error a session is over.
        let Ok(message) = decoder.decode(Bytes::copy_from_slice(frame)) else { return };
        let mut again = BytesMut::new();
        encode(&message, &mut again);
        assert_eq!(again, frame, "{message:?}");
    }
});

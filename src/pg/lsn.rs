//! Positions in the write-ahead log: where something happened on a server, as a number that can be compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A byte position in one cluster's write-ahead log (type `pg_lsn`). Positions of two clusters, or of two timelines of
/// one, mean nothing to each other.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// No position: before everything.
    pub const ZERO: Self = Self(0);

    /// From the number that travels in messages.
    pub const fn from_u64(position: u64) -> Self {
        Self(position)
    }

    /// The number that travels in messages.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whether it is a position at all.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// How many bytes of log lie between `earlier` and this position; none if it is not the later one.
    pub fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The position `bytes` further on; the last one there is, if there are not so many.
    #[must_use]
    pub fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a WAL position like 16/B374D848")]
pub struct InvalidLsn(String);

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, InvalidLsn> {
        let half = |digits: &str| {
            let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        let halves = text.split_once('/').and_then(|(high, low)| Some((half(high)?, half(low)?)));
        halves.map(|(high, low)| Self(high << 32 | low)).ok_or_else(|| InvalidLsn(text.to_owned()))
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Lsn;

    #[test]
    fn reads_and_writes_as_the_server_does() {
        for (text, number) in
            [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", u64::MAX), ("1/0", 1 << 32)]
        {
            assert_eq!(text.parse(), Ok(Lsn::from_u64(number)));
            assert_eq!(Lsn::from_u64(number).to_string(), text);
        }
        assert_eq!("0/3f".parse(), Ok(Lsn::from_u64(63)));
    }

    #[test]
    fn refuses_what_is_no_position() {
        for text in ["", "/", "1", "1/", "/1", "1/2/3", "G/1", "+1/1", "1/123456789", "1/ 2", "-1/1", "１/1"]
        {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }

    #[test]
    fn distances_never_wrap() {
        let (low, high) = (Lsn::from_u64(10), Lsn::from_u64(25));
        assert_eq!((high.bytes_since(low), low.bytes_since(high)), (15, 0));
        assert_eq!(low.plus(15), high);
        assert_eq!(Lsn::from_u64(u64::MAX).plus(1), Lsn::from_u64(u64::MAX));
    }

    proptest! {
        #[test]
        fn text_keeps_value_and_order(a: u64, b: u64) {
            let (a, b) = (Lsn::from_u64(a), Lsn::from_u64(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.as_u64().cmp(&b.as_u64()));
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<Lsn>(&json).unwrap(), a);
        }
    }
}

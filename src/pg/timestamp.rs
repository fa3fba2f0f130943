//! A server's clock, as it travels in messages.

/// Microseconds since 2000-01-01 00:00 UTC, PostgreSQL's own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// From 1970 to 2000.
const UNIX_TO_POSTGRES_MICROS: i64 = 946_684_800_000_000;

impl Timestamp {
    /// From the number that travels in messages.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The number that travels in messages.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From microseconds since 1970, as our own clock has them.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros.saturating_sub(UNIX_TO_POSTGRES_MICROS))
    }

    /// Microseconds since 1970.
    pub const fn unix_micros(self) -> i64 {
        self.0.saturating_add(UNIX_TO_POSTGRES_MICROS)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn counts_from_the_year_2000() {
        assert_eq!(Timestamp::from_micros(0).unix_micros(), 946_684_800_000_000);
        let moment = Timestamp::from_unix_micros(1_700_000_000_000_001);
        assert_eq!((moment.as_micros(), moment.unix_micros()), (753_315_200_000_001, 1_700_000_000_000_001));
        assert_eq!(Timestamp::from_unix_micros(i64::MIN).as_micros(), i64::MIN);
    }
}

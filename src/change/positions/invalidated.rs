//! Why a server takes a slot from whoever uses it, as far as it says: what it keeps for slots ran out, or a standby's primary
//! did what the slot does not bear.

/// `pg_replication_slots.invalidation_reason` (from 17 on), or what older servers let be known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidated {
    /// More log would have had to be kept than `max_slot_wal_keep_size`.
    WalRemoved,
    /// Nobody used it for `idle_replication_slot_timeout` (from 18 on).
    IdleTimeout,
    /// On a standby: its primary removed rows of catalogs that decoding needs.
    RowsRemoved,
    /// On a standby: its primary's `wal_level` is less than logical by now.
    WalLevel,
    /// On a standby of 16, which has one word for both (`conflicting`).
    Conflict,
    /// A newer server's word.
    Other(String),
}

impl Invalidated {
    /// Of a slot that the server calls lost, or that keeps no log any more; 14 and 15 know one reason alone.
    pub fn read(reason: Option<&str>, conflicting: Option<bool>) -> Self {
        match reason {
            Some("wal_removed") => Self::WalRemoved,
            Some("idle_timeout") => Self::IdleTimeout,
            Some("rows_removed") => Self::RowsRemoved,
            Some("wal_level_insufficient") => Self::WalLevel,
            Some(word) => Self::Other(word.to_owned()),
            None if conflicting == Some(true) => Self::Conflict,
            None => Self::WalRemoved,
        }
    }

    /// The server's word for it, or one in its manner.
    pub fn word(&self) -> &str {
        match self {
            Self::WalRemoved => "wal_removed",
            Self::IdleTimeout => "idle_timeout",
            Self::RowsRemoved => "rows_removed",
            Self::WalLevel => "wal_level_insufficient",
            Self::Conflict => "conflicting",
            Self::Other(word) => word,
        }
    }

    /// The sentence of a slot that it befell.
    pub(super) fn of(&self, slot: &str) -> String {
        match self {
            Self::WalRemoved => format!("the source has removed the log that slot {slot} needs"),
            Self::IdleTimeout => format!(
                "the source has given slot {slot} up: nobody used it for its idle_replication_slot_timeout"
            ),
            Self::RowsRemoved => format!(
                "the source is a standby and has given slot {slot} up: its primary removed rows of catalogs that the slot needs"
            ),
            Self::WalLevel => format!(
                "the source is a standby and has given slot {slot} up: its primary's wal_level was less than logical"
            ),
            Self::Conflict => format!(
                "the source is a standby and has given slot {slot} up: its primary removed rows of catalogs that the slot needs, \
                 or its wal_level was less than logical"
            ),
            Self::Other(word) => format!("the source has given slot {slot} up: {word}"),
        }
    }

    /// What lets the next one live longer.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::WalRemoved => Some(
                "a larger max_slot_wal_keep_size on the source lets it be away for longer, if the disk there has room for that",
            ),
            Self::IdleTimeout => Some(
                "a longer idle_replication_slot_timeout on the source lets it be away for longer; 0 is without end",
            ),
            Self::RowsRemoved => Some(
                "hot_standby_feedback = on there, with a physical slot on the primary (primary_slot_name), has those rows kept",
            ),
            Self::WalLevel => Some("the primary's wal_level has to stay logical"),
            Self::Conflict => Some(
                "hot_standby_feedback = on there, with a physical slot on the primary (primary_slot_name), has those rows kept; \
                 the primary's wal_level has to stay logical",
            ),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Invalidated;

    #[test]
    fn each_version_s_words_are_read() {
        for (reason, conflicting, expected) in [
            // 14 and 15.
            (None, None, Invalidated::WalRemoved),
            // 16.
            (None, Some(false), Invalidated::WalRemoved),
            (None, Some(true), Invalidated::Conflict),
            // 17 and 18.
            (Some("wal_removed"), Some(false), Invalidated::WalRemoved),
            (Some("rows_removed"), Some(true), Invalidated::RowsRemoved),
            (Some("wal_level_insufficient"), Some(true), Invalidated::WalLevel),
            (Some("idle_timeout"), Some(false), Invalidated::IdleTimeout),
            (Some("of_tomorrow"), Some(false), Invalidated::Other("of_tomorrow".to_owned())),
        ] {
            let read = Invalidated::read(reason, conflicting);
            assert_eq!(read, expected, "{reason:?} {conflicting:?}");
            assert_eq!(read.word(), reason.unwrap_or(read.word()));
        }
    }
}

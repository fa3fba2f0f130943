//! A server's version, as a number that can be compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `server_version_num`: 150018 is 15.18 (manual, "Preset Options").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(u32);

impl Version {
    /// The oldest server that can be a source or a destination.
    pub const OLDEST: Self = Self(140_000);

    /// From the server's setting `server_version_num`.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The major version: 15.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// Whether this server is of major version `major` or newer.
    pub fn at_least(self, major: u32) -> bool {
        self.major() >= major
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.0 % 10_000)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn reads_the_servers_number() {
        let version = Version::from_number(150_018);
        assert_eq!(version.to_string(), "15.18");
        assert!(version.at_least(15) && !version.at_least(16) && version > Version::OLDEST);
    }
}

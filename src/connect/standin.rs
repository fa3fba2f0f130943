//! Until `safety` lands: the two types of it that connections need.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A place that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// An IP address and a port.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix socket {}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// Leave to write.
#[derive(Clone, Debug)]
pub struct WriteGrant {
    address: Address,
    database: String,
}

impl WriteGrant {
    /// The address to dial.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether this database is covered.
    pub fn allows(&self, database: &str) -> bool {
        database == self.database
    }
}

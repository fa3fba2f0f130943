//! How a database is named in errors and reports, and the address that was really dialled.

use std::fmt;

use super::options::{Host, Place};
use crate::pg::name::for_people;

/// `app@db.example.com:5432/app_dev`: who, where, which database; never a password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

impl Endpoint {
    /// The name of one or several hosts' database.
    pub fn new(user: &str, hosts: &[Host], database: &str) -> Self {
        let hosts: Vec<_> = hosts.iter().map(host).collect();
        Self(format!("{}@{}/{}", plain(user), hosts.join(","), plain(database)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn host(host: &Host) -> String {
    let name = plain(&host.name());
    match &host.place {
        Place::Name { .. } if name.contains(':') => format!("[{name}]:{}", host.port),
        _ => format!("{name}:{}", host.port),
    }
}

/// As it is, unless it holds something that could break a line or mislead.
fn plain(text: &str) -> String {
    if text.chars().all(|c| c.is_alphanumeric() || "_-.:/$@+ ".contains(c)) {
        text.to_owned()
    } else {
        for_people(text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

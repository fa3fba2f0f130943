//! The process environment as a value, so that what depends on it can be tested.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// `PG*` variables, the home directory and the operating system's user name.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    user: Option<String>,
}

impl Environment {
    /// The process's own. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables, user: system_user() }
    }

    /// Made up.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>, user: Option<&str>) -> Self {
        let variables =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, user: user.map(str::to_owned) }
    }

    /// A variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// The name of the user who runs this process.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

/// The name that `/etc/passwd` has for the process's user, as libpq asks `getpwuid`; then `USER`.
fn system_user() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid().to_string());
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let by_uid = uid.and_then(|uid| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid).then(|| name.to_owned())
        })
    });
    by_uid.or_else(|| std::env::var("USER").ok()).or_else(|| std::env::var("LOGNAME").ok())
}

//! Variables: the process's own, and those of a `.env` file, which never become the process's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::Error;

/// The settings that have a variable of their own. `[destinations]` and `role` have none, on purpose.
pub(super) const SETTINGS: [&str; 9] = [
    "MULTIBOARD_SYNC_CONFIG",
    "MULTIBOARD_SYNC_DATA_DIR",
    "MULTIBOARD_SYNC_LOG_LEVEL",
    "MULTIBOARD_SYNC_LOG_FORMAT",
    "MULTIBOARD_SYNC_LISTEN",
    "MULTIBOARD_SYNC_HOSTS",
    "MULTIBOARD_SYNC_MAX_JOBS",
    "MULTIBOARD_SYNC_SERVER",
    "MULTIBOARD_SYNC_TOKEN",
];

/// Variables by name. A variable that is set to nothing counts as not set.
#[derive(Clone, Default)]
pub struct Environment {
    process: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    file_path: PathBuf,
}

impl Environment {
    /// The process's variables; those that are no UTF-8 are none of ours.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(text).collect()
    }

    /// A variable's value; the process's own counts before the file's.
    pub fn get(&self, name: &str) -> Option<&str> {
        let set =
            |map: &'_ BTreeMap<String, String>| map.get(name).filter(|value| !value.is_empty()).is_some();
        let map = if set(&self.process) { &self.process } else { &self.file };
        map.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every variable that is set, each once, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let names: BTreeSet<&str> = self.process.keys().chain(self.file.keys()).map(String::as_str).collect();
        names.into_iter().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// Where a variable was set, for messages.
    pub(super) fn place_of(&self, name: &str) -> String {
        match self.process.get(name).is_some_and(|value| !value.is_empty()) {
            true => "environment".to_owned(),
            false => self.file_path.display().to_string(),
        }
    }

    /// The same with the variables of a `.env` file, if it is there.
    pub(super) fn with_env_file(mut self, path: &Path) -> Result<Self, Error> {
        self.file_path = path.to_owned();
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return Ok(self),
            Err(error) => return Err(unusable(path, None, error)),
        };
        let mut last = None;
        for line in lines {
            let (name, value) = line.map_err(|error| unusable(path, last.as_deref(), error))?;
            last = Some(name.clone());
            self.file.insert(name, value);
        }
        Ok(self)
    }

    /// Variables that look like settings of ours and are none: a typing mistake, as a rule.
    pub(super) fn unknown_settings(&self) -> Vec<String> {
        let unknown = |name: &&String| {
            name.starts_with("MULTIBOARD_SYNC_")
                && !name.starts_with("MULTIBOARD_SYNC_TEST_")
                && !SETTINGS.contains(&name.as_str())
        };
        let names = self.process.keys().chain(self.file.keys()).filter(unknown);
        names.map(|name| format!("variable {name} is no setting and has no effect")).collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { process: variables.into_iter().collect(), ..Self::default() }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(***)")
    }
}

/// dotenvy's own text quotes the value, which may be a password: the last variable that was read tells the place.
fn unusable(path: &Path, last: Option<&str>, error: dotenvy::Error) -> Error {
    let path = path.to_owned();
    match error {
        dotenvy::Error::Io(source) => Error::Unreadable { path, source },
        _ => {
            let place =
                last.map_or("at its beginning".to_owned(), |name| format!("after the line of {name}"));
            Error::EnvFile {
                path,
                why: format!("{place} stands no NAME=value; values with spaces need quotes"),
            }
        }
    }
}

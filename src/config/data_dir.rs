//! The directory for what this program keeps: where it is, and that nobody else can change it.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::Error;

/// Makes the directory with mode 0700 where it is missing, parents included.
///
/// # Errors
/// It cannot be made, is no directory, or other users can write to it. Its mode is not changed: it may be a
/// directory that serves others too.
pub fn make_data_dir(path: &Path) -> Result<(), Error> {
    let unusable = |source| Error::DataDir { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    let mode = std::fs::metadata(path).map_err(unusable)?.permissions().mode() & 0o7777;
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(Error::DataDirIsShared { path: path.to_owned(), mode }),
    }
}

/// `$XDG_STATE_HOME/multiboard-sync`, by default `~/.local/state/multiboard-sync` (XDG Base Directory Specification:
/// a relative path there is ignored).
pub(super) fn without_a_file(environment: &Environment) -> Result<PathBuf, Error> {
    let absolute = |name| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.map(|state| state.join("multiboard-sync")).ok_or(Error::NoDataDir)
}

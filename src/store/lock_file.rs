//! A file that a process has locked for as long as it is at work: the system lets the lock go with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Locked until it is dropped; then the file is gone too.
pub(super) struct LockFile {
    path: PathBuf,
    _file: File,
}

impl LockFile {
    /// Makes the file and locks it.
    pub(super) fn hold(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        // Whoever looks at this moment has it for no longer than that.
        file.lock()?;
        Ok(Self { path: path.to_owned(), _file: file })
    }

    /// Whether a process holds it. What one that died has left is removed.
    pub(super) fn is_held(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => remove(path).map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::debug!(%error, "a lock file is left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LockFile;

    #[test]
    fn it_is_held_until_it_is_dropped_and_a_leftover_is_not_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job.lock");
        let is_held = || LockFile::is_held(&path).expect("looked");
        assert!(!is_held());
        let held = LockFile::hold(&path).expect("held");
        assert!(is_held() && path.exists());
        drop(held);
        assert!(!is_held() && !path.exists());
        std::fs::write(&path, "").expect("written");
        assert!(!is_held() && !path.exists(), "left by a process that died");
    }
}

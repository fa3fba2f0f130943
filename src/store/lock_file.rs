//! A file that a process has locked for as long as it is at work: the system lets the lock go with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Locked until it is dropped; then the file is gone too.
pub(super) struct LockFile {
    path: PathBuf,
    _file: File,
}

impl LockFile {
    /// Makes the file and locks it; `None` where another process has it, be it for the moment of a look.
    pub(super) fn hold(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
            match file.try_lock() {
                // Whoever looked may have taken it for a leftover and removed it: then nobody would see this lock.
                Ok(()) if stands_at(&file, path)? => {
                    return Ok(Some(Self { path: path.to_owned(), _file: file }));
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Whether a process holds it. What one that died has left is removed.
    pub(super) fn is_held(path: &Path) -> io::Result<bool> {
        loop {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            };
            match file.try_lock() {
                // Whoever has the lock of the file that stands there may remove it, and nobody else.
                Ok(()) if stands_at(&file, path)? => return remove(path).map(|()| false),
                // It was removed between the two, and another one may stand there by now.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(true),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

/// Whether the path still leads to this open file.
fn stands_at(file: &File, path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(there) => Ok(there.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
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
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::LockFile;

    #[test]
    fn who_looks_while_it_is_being_taken_hides_it_from_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job.lock");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // A failed assertion must end the other thread too.
            let _end = Over(&over);
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    LockFile::is_held(&path).expect("looked");
                }
            });
            for _ in 0..2000 {
                let held = std::iter::repeat_with(|| LockFile::hold(&path).expect("tried")).flatten().next();
                assert!(LockFile::is_held(&path).expect("looked"), "a lock on a file that is gone");
                drop(held);
            }
        });
    }

    struct Over<'a>(&'a AtomicBool);

    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_held_until_it_is_dropped_and_a_leftover_is_not_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job.lock");
        let is_held = || LockFile::is_held(&path).expect("looked");
        assert!(!is_held());
        let held = LockFile::hold(&path).expect("tried").expect("held");
        assert!(is_held() && path.exists());
        assert!(LockFile::hold(&path).expect("tried").is_none(), "two have it");
        assert!(is_held() && path.exists());
        drop(held);
        assert!(!is_held() && !path.exists());
        std::fs::write(&path, "").expect("written");
        assert!(!is_held() && !path.exists(), "left by a process that died");
    }
}

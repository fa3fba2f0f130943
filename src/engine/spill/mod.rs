//! Files for transactions in progress that are too large for memory: one a transaction, in a folder of one mirror.
//!
//! What is in them, and when they are cut, is `change::assemble`'s to say: this adds bytes at the end, cuts, reads and
//! removes. Nothing is made durable: the source sends again what was in progress, so the folder is emptied at each
//! start. Rows of users lie in these files: the folder is 0700, each file 0600.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::failure::{Classify, Exit, Failure};
use crate::pg::Xid;

/// What our files are called: nothing else in the folder is touched.
const SUFFIX: &str = "changes";

/// The files of one session of one mirror. A file is open only while something is done to it: there may be as many as
/// the source has sessions.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    /// Bytes in each file.
    lengths: HashMap<Xid, u64>,
}

/// What can go wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space, or a quota.
    #[error("no space left for the changes of a large transaction in {}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("could not {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::File { doing, path, source },
        }
    }
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Full { .. } => Failure::operator("spill_disk_full", Exit::Failed).hint(
                "free space there, or set MULTIBOARD_SYNC_DATA_DIR to a larger disk: a transaction takes about as much as its rows",
            ),
            Self::File { .. } => Failure::operator("spill_unusable", Exit::Failed)
                .hint("the folder has to belong to this program's user, on a disk that works"),
        }
    }
}

impl Spill {
    /// Makes the folder, and removes what an earlier session left in it. No other process may use it.
    pub async fn open(folder: PathBuf) -> Result<Self, Error> {
        let prepared = folder.clone();
        blocking(move || prepare(&prepared)).await?;
        Ok(Self { folder, lengths: HashMap::new() })
    }

    /// Removes what sessions have left in this folder and in those that lie in it; the folders too, where nothing else is there.
    /// That there is no such folder is no error.
    pub async fn remove_all(folder: PathBuf) -> Result<(), Error> {
        blocking(move || remove_all(&folder)).await
    }

    /// Adds bytes to the end of a transaction's file.
    pub async fn append(&mut self, xid: Xid, bytes: Vec<Bytes>) -> Result<(), Error> {
        let path = self.path(xid);
        let length = self.lengths.get(&xid).copied();
        let added: u64 = bytes.iter().map(|bytes| bytes.len() as u64).sum();
        let write = move || {
            let mut options = OpenOptions::new();
            options.append(true).create_new(length.is_none()).mode(0o600);
            let mut file = options.open(&path).map_err(|source| Error::new("make or open", &path, source))?;
            bytes
                .iter()
                .try_for_each(|bytes| file.write_all(bytes))
                .map_err(|source| Error::new("write to", &path, source))
        };
        blocking(write).await?;
        self.lengths.insert(xid, length.unwrap_or(0).saturating_add(added));
        Ok(())
    }

    /// Cuts a transaction's file: what follows was rolled back.
    pub async fn cut(&mut self, xid: Xid, length: u64) -> Result<(), Error> {
        let path = self.path(xid);
        let cut = move || {
            let file = OpenOptions::new().write(true).open(&path);
            let done = file.and_then(|file| file.set_len(length));
            done.map_err(|source| Error::new("cut", &path, source))
        };
        blocking(cut).await?;
        self.lengths.insert(xid, length);
        Ok(())
    }

    /// Reads a part of a transaction's file: all of it is there, or it is an error.
    pub async fn read(&self, xid: Xid, at: u64, length: u64) -> Result<Bytes, Error> {
        let path = self.path(xid);
        let read = move || {
            let read = || {
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                File::open(&path)?.read_exact_at(&mut bytes, at)?;
                Ok(Bytes::from(bytes))
            };
            read().map_err(|source| Error::new("read", &path, source))
        };
        blocking(read).await
    }

    /// Removes a transaction's file.
    pub async fn remove(&mut self, xid: Xid) -> Result<(), Error> {
        let path = self.path(xid);
        self.lengths.remove(&xid);
        let remove =
            move || std::fs::remove_file(&path).map_err(|source| Error::new("remove", &path, source));
        blocking(remove).await
    }

    /// Bytes in all files.
    pub fn bytes(&self) -> u64 {
        self.lengths.values().sum()
    }

    fn path(&self, xid: Xid) -> PathBuf {
        self.folder.join(format!("{xid}.{SUFFIX}"))
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        for xid in self.lengths.keys() {
            // What stays is removed at the next start.
            drop(std::fs::remove_file(self.path(*xid)));
        }
    }
}

fn prepare(folder: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    // It may be there from before with another mode.
    let private = made.and_then(|()| std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)));
    private.map_err(|source| Error::new("make private", folder, source))?;
    empty(folder)
}

/// Removes our files.
fn empty(folder: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::new("list", folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| Error::new("list", folder, source))?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            std::fs::remove_file(&path).map_err(|source| Error::new("remove", &path, source))?;
        }
    }
    Ok(())
}

fn remove_all(folder: &Path) -> Result<(), Error> {
    if !folder.is_dir() {
        return Ok(());
    }
    empty(folder)?;
    let failed = |source| Error::new("list", folder, source);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // A link is somebody else's.
        if path.is_dir() && !path.is_symlink() {
            remove_all(&path)?;
        }
    }
    match std::fs::remove_dir(folder) {
        Err(source) if source.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(Error::new("remove", folder, source))
        }
        _ => Ok(()),
    }
}

/// Files block: that is kept off the threads that serve connections. The work goes on to its end even if nobody waits.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            Err(Error::new("finish work on", Path::new("a spilled transaction"), io::Error::other(error)))
        }
    }
}

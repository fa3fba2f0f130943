//! The SQLite file itself: opened, brought to the newest version, private to its owner.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::id::JobId;
use crate::job::StoreError;

/// Migrations in order; `PRAGMA user_version` is how many of them a file has had.
const MIGRATIONS: [&str; 9] = [
    include_str!("../../sql/store/001_jobs.sql"),
    include_str!("../../sql/store/002_place_of_a_source.sql"),
    include_str!("../../sql/store/003_roles.sql"),
    include_str!("../../sql/store/004_mirrors.sql"),
    include_str!("../../sql/store/005_mirror_holds.sql"),
    include_str!("../../sql/store/006_mirror_still.sql"),
    include_str!("../../sql/store/007_mirror_still_by.sql"),
    include_str!("../../sql/store/008_journal.sql"),
    include_str!("../../sql/store/009_service.sql"),
];

/// Longer than any transaction of ours, which write a row or two: another process is waited for, not failed on.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The job store of one `data_dir`. Calls are short and block; several processes may have one file open.
pub struct Sqlite {
    connection: Mutex<Connection>,
    /// For what jobs say: that outlives a process without waiting for the disk, and a machine's crash may take the last of it.
    journal: Mutex<Connection>,
    path: PathBuf,
    installation: String,
}

impl Sqlite {
    /// Opens `jobs.sqlite` in `data_dir`, which exists; makes it (mode 0600) where it is missing.
    ///
    /// # Errors
    /// The file cannot be opened or brought up to date, or a newer program wrote it.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join("jobs.sqlite");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Failed {
            doing: "open the database".to_owned(),
            place: path.display().to_string(),
            source,
        };
        make_private(&path).map_err(|error| failed(error.into()))?;
        let mut connection = Connection::open(&path).map_err(|error| failed(error.into()))?;
        settle(&connection, "FULL").map_err(|error| failed(error.into()))?;
        let version = migrate(&mut connection).map_err(|error| failed(error.into()))?;
        let known = known_version();
        if version > known {
            return Err(StoreError::TooNew { place: path.display().to_string(), found: version, known });
        }
        let installation = installation(&mut connection).map_err(|error| failed(error.into()))?;
        let journal = Connection::open(&path).map_err(|error| failed(error.into()))?;
        settle(&journal, "NORMAL").map_err(|error| failed(error.into()))?;
        Ok(Self { connection: Mutex::new(connection), journal: Mutex::new(journal), path, installation })
    }

    /// Eight hex digits, made once for this `data_dir`: part of every name that we make on a source.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// Whether it can be written, by writing.
    ///
    /// # Errors
    /// It cannot: the disk is full, or was made read-only.
    pub fn can_be_written(&self) -> Result<(), StoreError> {
        let written = self.say(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO written VALUES (1, ?)", [now_ms()])
        });
        written.map(drop).map_err(|source| self.failed("write".to_owned(), source))
    }

    /// Where it is, for messages.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The lock file of a job, beside the database.
    pub(super) fn lock_path(&self, job: &JobId) -> PathBuf {
        self.path.with_file_name(format!("{job}.lock"))
    }

    /// The lock file of the server over it.
    pub(super) fn server_lock(&self) -> PathBuf {
        self.path.with_file_name("server.lock")
    }

    /// Runs one transaction; it writes, so it takes the write lock at once and never fails half-way on it.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        within(&mut lock(&self.connection), work)
    }

    /// The same for what a job says, which does not wait for the disk.
    pub(super) fn say<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        within(&mut lock(&self.journal), work)
    }

    /// Runs a read.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        work(&lock(&self.connection))
    }
}

/// A panic elsewhere while the lock was held leaves no half-done transaction: it was rolled back on drop.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn within<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite makes its files with the process's mask, and its side files with the mode of the main one: so the main
/// file is made first, by us.
///
/// One that is there is never opened here: to close any descriptor of a file lets go of every lock that this process has on it
/// (POSIX, `fcntl`), and SQLite knows nothing of that. Another process would then take itself for the last one and remove the
/// log under us (sqlite.org, "How To Corrupt An SQLite Database File").
fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    let mut permissions = path.metadata()?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        std::fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

/// WAL lets `jobs list` read while a job writes; FULL keeps a commit through a power cut, which matters since an
/// intent has to outlive us.
fn settle(connection: &Connection, synchronous: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings the file up to date and returns its version. The version is read under the write lock, so two processes
/// that start together do not both migrate.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let had = usize::try_from(found).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(had) {
        transaction.execute_batch(migration)?;
    }
    let version = found.max(known_version());
    if version != found {
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()?;
    Ok(version)
}

fn installation(connection: &mut Connection) -> rusqlite::Result<String> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = transaction.query_row("SELECT id FROM installation", [], |row| row.get(0)).optional()?;
    let id = match found {
        Some(id) => id,
        None => {
            let statement = "INSERT INTO installation VALUES (1, lower(hex(randomblob(4)))) RETURNING id";
            transaction.query_row(statement, [], |row| row.get(0))?
        }
    };
    transaction.commit()?;
    Ok(id)
}

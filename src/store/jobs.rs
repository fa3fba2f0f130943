//! Jobs in SQLite: the record as JSON, beside it the columns that are searched.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::sqlite::{Sqlite, now_ms};
use crate::id::{JobId, NotAJobId};
use crate::job::{Change, Changed, Filter, Inserted, Kind, Once, Record, Store, StoreError, UndoState};
use crate::progress::{Status, Timestamp};

impl Store for Sqlite {
    fn insert(&self, record: &Record) -> Result<(), StoreError> {
        let doing = || format!("record job {}", record.id);
        let row = self.row(record, doing)?;
        self.write(|transaction| {
            row.insert(transaction)?;
            forget_what_was_said(transaction)
        })
        .map_err(|source| self.failed(doing(), source))
    }

    fn insert_once(&self, record: &Record, once: &Once) -> Result<Inserted, StoreError> {
        let doing = || format!("record job {}", record.id);
        let row = self.row(record, doing)?;
        self.write(|transaction| {
            transaction.execute("DELETE FROM answered WHERE at_ms < ?", [now_ms() - ANSWERED_MS])?;
            let query = "SELECT asked, job FROM answered WHERE token = ? AND key = ?";
            let found = transaction
                .query_row(query, params![once.token, once.key], |found| {
                    Ok((found.get::<_, Vec<u8>>(0)?, found.get::<_, String>(1)?))
                })
                .optional()?;
            if let Some((asked, job)) = found {
                let job = job.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
                return Ok(if asked == once.asked {
                    Inserted::Before(job)
                } else {
                    Inserted::AnotherRequest
                });
            }
            let statement = "INSERT INTO answered (token, key, asked, job, at_ms) VALUES (?, ?, ?, ?, ?)";
            let values = params![once.token, once.key, once.asked, record.id.as_str(), now_ms()];
            transaction.execute(statement, values)?;
            row.insert(transaction)?;
            forget_what_was_said(transaction)?;
            Ok(Inserted::New)
        })
        .map_err(|source| self.failed(doing(), source))
    }

    fn update(&self, record: &Record) -> Result<(), StoreError> {
        let doing = || format!("update job {}", record.id);
        let row = self.row(record, doing)?;
        let found = self.write(|transaction| row.update(transaction));
        match found.map_err(|source| self.failed(doing(), source))? {
            false => Err(self.no_such_job(&record.id)),
            true => Ok(()),
        }
    }

    fn get(&self, id: &JobId) -> Result<Record, StoreError> {
        let doing = || format!("read job {id}");
        let json: Option<String> = self
            .read(|connection| {
                let query = "SELECT record FROM job WHERE id = ?";
                connection.query_row(query, [id.as_str()], |row| row.get(0)).optional()
            })
            .map_err(|source| self.failed(doing(), source))?;
        let json = json.ok_or_else(|| self.no_such_job(id))?;
        serde_json::from_str(&json).map_err(|source| self.failed(doing(), source))
    }

    fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let kind = filter.kind.map(|kind| kind.as_str());
        let status = filter.status.map(status_word);
        // SQLite takes a negative limit as none.
        let limit = filter.limit.map_or(-1, i64::from);
        let before = filter.before.as_ref().map(JobId::as_str);
        let query = "SELECT record FROM job WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR status = ?2) \
                     AND (?3 IS NULL OR (created_ms, id) < (SELECT created_ms, id FROM job WHERE id = ?3)) \
                     ORDER BY created_ms DESC, id DESC LIMIT ?4";
        self.records(query, params![kind, status, before, limit])
    }

    fn undoable(&self) -> Result<Vec<Record>, StoreError> {
        let query = "SELECT record FROM job WHERE undo = 'available' ORDER BY created_ms DESC, id DESC";
        self.records(query, params![])
    }

    fn unfinished(&self) -> Result<Vec<Record>, StoreError> {
        let [succeeded, failed, cancelled] = Status::OVER.map(status_word);
        let query =
            "SELECT record FROM job WHERE status NOT IN (?1, ?2, ?3) ORDER BY created_ms DESC, id DESC";
        self.records(query, params![succeeded, failed, cancelled])
    }

    fn runs(&self, id: &JobId) -> Result<Vec<Record>, StoreError> {
        self.records("SELECT data FROM run WHERE job = ? ORDER BY attempt", params![id.as_str()])
    }

    fn count_jobs(&self) -> Result<Vec<(Kind, String, i64)>, StoreError> {
        let doing = || "count the jobs".to_owned();
        let counts = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT kind, status, count(*) FROM job GROUP BY 1, 2")?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let counts = counts.map_err(|source| self.failed(doing(), source))?;
        let count = |(kind, status, count): (String, String, i64)| {
            Ok((kind.parse().map_err(|why: String| self.failed(doing(), why))?, status, count))
        };
        counts.into_iter().map(count).collect()
    }

    fn wish_cancelled(&self, id: &JobId) -> Result<(), StoreError> {
        let statement = "INSERT OR IGNORE INTO job_wish (job, wanted, at_ms) VALUES (?, 'cancel', ?)";
        self.write(|transaction| transaction.execute(statement, params![id.as_str(), now_ms()]))
            .map(drop)
            .map_err(|source| self.failed(format!("record that job {id} is to end"), source))
    }

    fn wished_cancelled(&self) -> Result<Vec<JobId>, StoreError> {
        let doing = || "look up which jobs are to end".to_owned();
        let ids = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT job FROM job_wish WHERE wanted = 'cancel'")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let ids = ids.map_err(|source| self.failed(doing(), source))?;
        ids.iter().map(|id| id.parse().map_err(|source: NotAJobId| self.failed(doing(), source))).collect()
    }

    fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let doing = || "read what became of jobs".to_owned();
        let rows = self.read(|connection| {
            let query = "SELECT seq, at_ms, data FROM job_change WHERE seq > ? ORDER BY seq LIMIT ?";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement
                .query_map(params![i64::try_from(after).unwrap_or(i64::MAX), limit], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
                })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        let change = |(seq, at_ms, data): &(i64, i64, String)| {
            let data = serde_json::from_str(data).map_err(|source| self.failed(doing(), source))?;
            Ok(Change { seq: unsigned(*seq), ts: Timestamp::from_unix_ms(unsigned(*at_ms)), data })
        };
        rows.map_err(|source| self.failed(doing(), source))?.iter().map(change).collect()
    }

    fn last_change(&self) -> Result<u64, StoreError> {
        let query = "SELECT coalesce(max(seq), 0) FROM job_change";
        let last: i64 = self
            .read(|connection| connection.query_row(query, [], |row| row.get(0)))
            .map_err(|source| self.failed("count what became of jobs".to_owned(), source))?;
        Ok(u64::try_from(last).unwrap_or(0))
    }
}

/// Keys of requests are known for a day.
const ANSWERED_MS: i64 = 24 * 60 * 60 * 1000;

/// Changes that are kept, the newest: who has missed more reads the list again.
const CHANGES: i64 = 10_000;

/// A record on its way into the file.
struct Row<'a> {
    record: &'a Record,
    json: String,
    changed: String,
}

impl Row<'_> {
    fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let Row { record, json, .. } = self;
        let statement =
            "INSERT INTO job (id, kind, status, created_ms, undo, record) VALUES (?, ?, ?, ?, ?, ?)";
        let (status, undo) = (status_word(record.status), undo_word(&record.undo));
        let values = params![record.id.as_str(), record.kind.as_str(), status, record.created_ms, undo, json];
        transaction.execute(statement, values)?;
        self.tell(transaction)
    }

    /// False where there is no such job.
    fn update(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let Row { record, json, .. } = self;
        let (id, status) = (record.id.as_str(), status_word(record.status));
        let query = "SELECT status FROM job WHERE id = ?";
        let before: Option<String> = transaction.query_row(query, [id], |row| row.get(0)).optional()?;
        let Some(before) = before else { return Ok(false) };
        let statement = "UPDATE job SET status = ?2, undo = ?3, record = ?4 WHERE id = ?1";
        transaction.execute(statement, params![id, status, undo_word(&record.undo), json])?;
        if before != status {
            self.tell(transaction)?;
        }
        if record.status.is_over() {
            transaction.execute("DELETE FROM job_wish WHERE job = ?", [id])?;
        }
        Ok(true)
    }

    /// The run as it is now, and the news for those who watch all jobs.
    fn tell(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let Row { record, json, changed } = self;
        // One that is queued again has not begun its next run.
        if record.attempt > 0 && record.status != Status::Queued {
            let statement = "INSERT OR REPLACE INTO run (job, attempt, data) VALUES (?, ?, ?)";
            transaction.execute(statement, params![record.id.as_str(), record.attempt, json])?;
        }
        transaction
            .execute("INSERT INTO job_change (at_ms, data) VALUES (?, ?)", params![now_ms(), changed])?;
        let seq = transaction.last_insert_rowid();
        if seq % 1_000 == 0 {
            transaction.execute("DELETE FROM job_change WHERE seq <= ?", [seq - CHANGES])?;
        }
        Ok(())
    }
}

impl Sqlite {
    fn records(&self, query: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<Vec<Record>, StoreError> {
        let doing = || "list jobs".to_owned();
        let texts = self
            .read(|connection| {
                let mut statement = connection.prepare(query)?;
                let rows = statement.query_map(parameters, |row| row.get::<_, String>(0))?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            })
            .map_err(|source| self.failed(doing(), source))?;
        let parse = |text: &String| serde_json::from_str(text).map_err(|source| self.failed(doing(), source));
        texts.iter().map(parse).collect()
    }

    fn row<'a>(&self, record: &'a Record, doing: impl Fn() -> String) -> Result<Row<'a>, StoreError> {
        let failed = |source: serde_json::Error| self.failed(doing(), source);
        let json = serde_json::to_string(record).map_err(failed)?;
        let changed = serde_json::to_string(&Changed::of(record)).map_err(failed)?;
        Ok(Row { record, json, changed })
    }

    pub(super) fn failed(
        &self,
        doing: String,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        StoreError::Failed { doing, place: self.place(), source: source.into() }
    }

    fn no_such_job(&self, id: &JobId) -> StoreError {
        StoreError::NoSuchJob { id: id.clone(), place: self.place() }
    }
}

/// Jobs whose words are kept, the newest.
const HEARD: u32 = 1_000;

/// Forgets what jobs said that are over for long; the jobs themselves stay.
fn forget_what_was_said(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let [succeeded, failed, cancelled] = Status::OVER.map(status_word);
    for statement in [
        "DELETE FROM event WHERE job IN (SELECT id FROM job WHERE status IN (?1, ?2, ?3) \
         ORDER BY created_ms DESC, id DESC LIMIT -1 OFFSET ?4)",
        "DELETE FROM seen WHERE job IN (SELECT id FROM job WHERE status IN (?1, ?2, ?3) \
         ORDER BY created_ms DESC, id DESC LIMIT -1 OFFSET ?4)",
    ] {
        transaction.execute(statement, params![succeeded, failed, cancelled, HEARD])?;
    }
    Ok(())
}

/// The status as its JSON word.
pub(super) fn status_word(status: Status) -> String {
    match serde_json::to_value(status) {
        Ok(Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

fn undo_word(undo: &UndoState) -> &'static str {
    match undo {
        UndoState::Nothing => "nothing",
        UndoState::Available { .. } => "available",
        UndoState::Done { .. } => "done",
        UndoState::Gone => "gone",
    }
}

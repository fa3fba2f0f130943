//! Jobs in SQLite: the record as JSON, beside it the columns that are searched.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::sqlite::Sqlite;
use crate::id::JobId;
use crate::job::{Filter, Record, Store, StoreError, UndoState};
use crate::progress::Status;

impl Store for Sqlite {
    fn insert(&self, record: &Record) -> Result<(), StoreError> {
        let doing = || format!("record job {}", record.id);
        let json = self.to_json(record, doing)?;
        self.write(|transaction| {
            let statement =
                "INSERT INTO job (id, kind, status, created_ms, undo, record) VALUES (?, ?, ?, ?, ?, ?)";
            let undo = undo_word(&record.undo);
            let status = status_word(record.status);
            let values =
                params![record.id.as_str(), record.kind.as_str(), status, record.created_ms, undo, json];
            transaction.execute(statement, values)?;
            forget_what_was_said(transaction)
        })
        .map_err(|source| self.failed(doing(), source))?;
        Ok(())
    }

    fn update(&self, record: &Record) -> Result<(), StoreError> {
        let doing = || format!("update job {}", record.id);
        let json = self.to_json(record, doing)?;
        let changed = self
            .write(|transaction| {
                let statement = "UPDATE job SET status = ?2, undo = ?3, record = ?4 WHERE id = ?1";
                let (status, undo) = (status_word(record.status), undo_word(&record.undo));
                transaction.execute(statement, params![record.id.as_str(), status, undo, json])
            })
            .map_err(|source| self.failed(doing(), source))?;
        match changed {
            0 => Err(self.no_such_job(&record.id)),
            _ => Ok(()),
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
        let query = "SELECT record FROM job WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR status = ?2) \
                     ORDER BY created_ms DESC, id DESC LIMIT ?3";
        self.records(query, params![kind, status, limit])
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

    fn to_json(&self, record: &Record, doing: impl Fn() -> String) -> Result<String, StoreError> {
        serde_json::to_string(record).map_err(|source| self.failed(doing(), source))
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
        "DELETE FROM progress WHERE job IN (SELECT id FROM job WHERE status IN (?1, ?2, ?3) \
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

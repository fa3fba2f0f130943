//! Mirrors in SQLite: definition and standing as JSON, beside them the columns that are written alone.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::sqlite::{Sqlite, now_ms};
use crate::engine::stage::registry::RegistryError;
use crate::id::JobId;
use crate::progress::MirrorPhase;
use crate::workflow::mirror::record::{Record, Records, Standing, Wanted};

const COLUMNS: &str =
    "SELECT name, job, wanted, phase, definition, standing, created_ms, changed_ms FROM mirror";

impl Records for Sqlite {
    fn mirror(&self, name: &str) -> Result<Option<Record>, RegistryError> {
        let query = format!("{COLUMNS} WHERE name = ?");
        self.read(|sqlite| sqlite.query_row(&query, [name], record).optional())
            .map_err(failed(format!("look up mirror \"{name}\"")))
    }

    fn mirrors(&self) -> Result<Vec<Record>, RegistryError> {
        self.read(|sqlite| {
            let mut statement = sqlite.prepare(&format!("{COLUMNS} ORDER BY name"))?;
            let rows = statement.query_map([], record)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(failed("list mirrors".to_owned()))
    }

    fn claim(&self, record: &Record, before: Option<&JobId>) -> Result<bool, RegistryError> {
        let doing = || format!("record mirror \"{}\"", record.name);
        let (definition, standing) = (json(&record.of, doing)?, json(&record.standing, doing)?);
        let (wanted, phase) = (word(&record.wanted, doing)?, word(&record.phase, doing)?);
        let name = record.name.as_str();
        let values = params![
            name,
            record.job.as_str(),
            wanted,
            phase,
            definition,
            standing,
            record.created_ms,
            now_ms()
        ];
        let written = self.write(|transaction| {
            let query = "SELECT job FROM mirror WHERE name = ?";
            let found: Option<String> = transaction.query_row(query, [name], |row| row.get(0)).optional()?;
            if found.as_deref() != before.map(JobId::as_str) {
                return Ok(false);
            }
            let statement = "INSERT OR REPLACE INTO mirror \
                             (name, job, wanted, phase, definition, standing, created_ms, changed_ms) \
                             VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
            transaction.execute(statement, values)?;
            Ok(true)
        });
        written.map_err(failed(doing()))
    }

    fn wish(&self, name: &str, wanted: Wanted) -> Result<bool, RegistryError> {
        let doing = || format!("record what is wanted of mirror \"{name}\"");
        let wanted = word(&wanted, doing)?;
        let statement = "UPDATE mirror SET wanted = ?2 WHERE name = ?1";
        let changed = self.write(|transaction| transaction.execute(statement, params![name, wanted]));
        changed.map(|rows| rows == 1).map_err(failed(doing()))
    }

    fn stand(
        &self,
        name: &str,
        job: &JobId,
        phase: MirrorPhase,
        standing: &Standing,
    ) -> Result<bool, RegistryError> {
        let doing = || format!("record where mirror \"{name}\" stands");
        let (phase, standing) = (word(&phase, doing)?, json(standing, doing)?);
        let statement =
            "UPDATE mirror SET phase = ?3, standing = ?4, changed_ms = ?5 WHERE name = ?1 AND job = ?2";
        let values = params![name, job.as_str(), phase, standing, now_ms()];
        let changed = self.write(|transaction| transaction.execute(statement, values));
        changed.map(|rows| rows == 1).map_err(failed(doing()))
    }

    fn forget_mirror(&self, name: &str) -> Result<(), RegistryError> {
        let statement = "DELETE FROM mirror WHERE name = ?";
        let deleted = self.write(|transaction| transaction.execute(statement, [name]));
        deleted.map(drop).map_err(failed(format!("forget mirror \"{name}\"")))
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let job: String = row.get(1)?;
    Ok(Record {
        name: row.get(0)?,
        job: job.parse().map_err(|error| wrong(1, error))?,
        wanted: of_word(2, row.get(2)?)?,
        phase: of_word(3, row.get(3)?)?,
        of: of_json(4, &row.get::<_, String>(4)?)?,
        standing: of_json(5, &row.get::<_, String>(5)?)?,
        created_ms: row.get(6)?,
        changed_ms: row.get(7)?,
    })
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    doing: String,
) -> impl FnOnce(E) -> RegistryError {
    move |source| RegistryError { doing, source: source.into() }
}

fn json(value: &impl Serialize, doing: impl Fn() -> String) -> Result<String, RegistryError> {
    serde_json::to_string(value).map_err(failed(doing()))
}

/// An enum's word, without the quotes that JSON puts around it.
fn word(value: &impl Serialize, doing: impl Fn() -> String) -> Result<String, RegistryError> {
    Ok(json(value, doing)?.trim_matches('"').to_owned())
}

fn of_word<T: DeserializeOwned>(column: usize, text: String) -> rusqlite::Result<T> {
    serde_json::from_value(Value::String(text)).map_err(|error| wrong(column, error))
}

fn of_json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| wrong(column, error))
}

/// What we never wrote.
fn wrong(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

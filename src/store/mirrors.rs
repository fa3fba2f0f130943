//! Mirrors in SQLite: definition and standing as JSON, beside them the columns that are written alone.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::jobs::status_word;
use super::sqlite::{Sqlite, now_ms};
use crate::engine::stage::registry::RegistryError;
use crate::id::JobId;
use crate::progress::{MirrorPhase, Status};
use crate::workflow::mirror::Hold;
use crate::workflow::mirror::record::{Held, Record, Records, Standing, Wanted};

const COLUMNS: &str =
    "SELECT name, job, wanted, phase, definition, standing, created_ms, changed_ms FROM mirror";

const HELD: &str = "SELECT held_by, held_at, renewed, reached FROM mirror_hold";

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
                             (name, job, wanted, phase, definition, standing, created_ms, changed_ms, still_by) \
                             VALUES (?1, ?2, COALESCE((SELECT wanted FROM mirror WHERE name = ?1 AND job = ?2), ?3), \
                             ?4, ?5, ?6, ?7, ?8, (SELECT still_by FROM mirror WHERE name = ?1))";
            transaction.execute(statement, values)?;
            tell_job(transaction, name)?;
            Ok(true)
        });
        written.map_err(failed(doing()))
    }

    fn wish(&self, name: &str, wanted: Wanted) -> Result<bool, RegistryError> {
        let doing = || format!("record what is wanted of mirror \"{name}\"");
        let wanted = word(&wanted, doing)?;
        let statement = "UPDATE mirror SET wanted = ?2 WHERE name = ?1";
        let changed = self.write(|transaction| {
            let rows = transaction.execute(statement, params![name, wanted])?;
            tell_job(transaction, name)?;
            Ok(rows)
        });
        changed.map(|rows| rows == 1).map_err(failed(doing()))
    }

    fn still(&self, name: &str, by: &JobId) -> Result<bool, RegistryError> {
        let statement =
            "UPDATE mirror SET wanted = 'still', still_by = ?2 WHERE name = ?1 AND wanted = 'run'";
        let changed = self.write(|transaction| {
            let rows = transaction.execute(statement, params![name, by.as_str()])?;
            tell_job(transaction, name)?;
            Ok(rows)
        });
        changed
            .map(|rows| rows == 1)
            .map_err(failed(format!("record that mirror \"{name}\" is to stand still")))
    }

    fn still_by(&self, name: &str) -> Result<Option<JobId>, RegistryError> {
        let query =
            "SELECT still_by FROM mirror WHERE name = ? AND wanted = 'still' AND still_by IS NOT NULL";
        let by = |row: &Row<'_>| row.get::<_, String>(0)?.parse().map_err(|error| wrong(0, error));
        self.read(|sqlite| sqlite.query_row(query, [name], by).optional())
            .map_err(failed(format!("see for whom mirror \"{name}\" stands still")))
    }

    fn no_longer_still(&self, name: &str, by: Option<&JobId>) -> Result<(), RegistryError> {
        let statement = "UPDATE mirror SET wanted = 'run', still_by = NULL \
                         WHERE name = ?1 AND wanted = 'still' AND still_by IS ?2";
        let changed = self.write(|transaction| {
            transaction.execute(statement, params![name, by.map(JobId::as_str)])?;
            tell_job(transaction, name)
        });
        changed.map_err(failed(format!("record that mirror \"{name}\" goes on")))
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
        let changed = self.write(|transaction| {
            let rows = transaction.execute(statement, values)?;
            tell_job(transaction, name)?;
            Ok(rows)
        });
        changed.map(|rows| rows == 1).map_err(failed(doing()))
    }

    fn hold_back(&self, name: &str, by: &JobId, at: Hold) -> Result<Held, RegistryError> {
        let statement = "INSERT INTO mirror_hold (mirror, held_by, held_at, renewed, reached) VALUES (?1, ?2, ?3, 1, 0) \
                         ON CONFLICT (mirror) DO UPDATE SET held_at = ?3, renewed = renewed + 1, \
                         reached = CASE WHEN held_at = ?3 THEN reached ELSE 0 END WHERE held_by = ?2";
        let query = format!("{HELD} WHERE mirror = ?");
        let held = self.write(|transaction| {
            transaction.execute(statement, params![name, by.as_str(), place(at)])?;
            transaction.query_row(&query, [name], held)
        });
        held.map_err(failed(format!("hold mirror \"{name}\" back")))
    }

    fn held(&self, name: &str) -> Result<Option<Held>, RegistryError> {
        let query = format!("{HELD} WHERE mirror = ?");
        self.read(|sqlite| sqlite.query_row(&query, [name], held).optional())
            .map_err(failed(format!("see who holds mirror \"{name}\" back")))
    }

    fn reached(&self, name: &str, held: &Held) -> Result<(), RegistryError> {
        let statement = "UPDATE mirror_hold SET reached = 1 WHERE mirror = ? AND held_by = ? AND held_at = ?";
        let values = params![name, held.by.as_str(), place(held.at)];
        let changed = self.write(|transaction| transaction.execute(statement, values));
        changed.map(drop).map_err(failed(format!("record that mirror \"{name}\" is held back")))
    }

    fn let_go(&self, name: &str, by: &JobId) -> Result<(), RegistryError> {
        let statement = "DELETE FROM mirror_hold WHERE mirror = ? AND held_by = ?";
        let deleted = self.write(|transaction| transaction.execute(statement, params![name, by.as_str()]));
        deleted.map(drop).map_err(failed(format!("let mirror \"{name}\" go")))
    }

    fn forget_mirror(&self, name: &str) -> Result<(), RegistryError> {
        let deleted = self.write(|transaction| {
            transaction.execute("DELETE FROM mirror_hold WHERE mirror = ?", [name])?;
            transaction.execute("DELETE FROM mirror WHERE name = ?", [name])
        });
        deleted.map(drop).map_err(failed(format!("forget mirror \"{name}\"")))
    }
}

/// The job that runs a mirror stands as that does: whoever lists jobs sees it without asking for mirrors. One that is over
/// stays so.
fn tell_job(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<()> {
    let query = format!("{COLUMNS} WHERE name = ?");
    let Some(mirror) = transaction.query_row(&query, [name], record).optional()? else { return Ok(()) };
    let [succeeded, failed, cancelled] = Status::OVER.map(status_word);
    let statement = "UPDATE job SET status = ?2, record = json_set(record, '$.status', ?2) \
                     WHERE id = ?1 AND status NOT IN (?2, ?3, ?4, ?5)";
    let values = params![mirror.job.as_str(), status_word(mirror.status()), succeeded, failed, cancelled];
    transaction.execute(statement, values).map(drop)
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

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let (by, at): (String, String) = (row.get(0)?, row.get(1)?);
    let at = match at.as_str() {
        NOW => Hold::Now,
        position => Hold::At(position.parse().map_err(|_| wrong(1, format!("{position} is no position")))?),
    };
    let by = by.parse().map_err(|error| wrong(0, error))?;
    Ok(Held { by, at, renewed: row.get(2)?, reached: row.get(3)? })
}

const NOW: &str = "now";

/// The word for where it is held.
fn place(at: Hold) -> String {
    match at {
        Hold::Off | Hold::Now => NOW.to_owned(),
        Hold::At(position) => position.to_string(),
    }
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

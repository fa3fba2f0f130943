//! The memory of other people's servers in SQLite: databases of ours there, and sources as last seen.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::lock_file::LockFile;
use super::sqlite::{Sqlite, now_ms};
use crate::engine::stage::registry::{Hold, Made, MadeRole, MadeState, Registry, RegistryError, Sighting};
use crate::id::JobId;
use crate::pg::Oid;
use crate::safety::{Identity, MadeFor};

impl Hold for LockFile {}

const COLUMNS: &str = "SELECT job, system_identifier, name, oid, made_for, of, state FROM made_database";

impl Registry for Sqlite {
    fn record_intent(
        &self,
        job: &JobId,
        system_identifier: &str,
        name: &str,
        oid: Option<Oid>,
        made_for: MadeFor,
        of: &str,
    ) -> Result<(), RegistryError> {
        let statement = "INSERT INTO made_database (job, system_identifier, name, oid, made_for, of, state, changed_ms) \
                         VALUES (?, ?, ?, ?, ?, ?, 'intended', ?)";
        let values = params![job.as_str(), system_identifier, name, oid, made_for.as_str(), of, now_ms()];
        self.record(format!("record the intended database \"{name}\""), statement, values)
    }

    fn record_created(&self, job: &JobId, name: &str, oid: Oid) -> Result<(), RegistryError> {
        let statement = "UPDATE made_database SET state = 'created', oid = ?3, changed_ms = ?4 \
                         WHERE job = ?1 AND name = ?2 AND state = 'intended'";
        let values = params![job.as_str(), name, oid, now_ms()];
        self.record(format!("record the created database \"{name}\""), statement, values)
    }

    fn record_put_aside(&self, system_identifier: &str, oid: Oid, name: &str) -> Result<(), RegistryError> {
        let statement = "UPDATE made_database SET state = 'created', changed_ms = ?4 \
                         WHERE system_identifier = ?1 AND oid = ?2 AND name = ?3 AND state = 'intended'";
        let values = params![system_identifier, oid, name, now_ms()];
        self.record(format!("record that \"{name}\" was put aside"), statement, values)
    }

    fn record_in_place(
        &self,
        job: &JobId,
        system_identifier: &str,
        oid: Oid,
        name: &str,
    ) -> Result<(), RegistryError> {
        let statement = "UPDATE made_database SET state = 'renamed', name = ?4, changed_ms = ?5 \
                         WHERE job = ?1 AND system_identifier = ?2 AND oid = ?3 AND state <> 'dropped'";
        let values = params![job.as_str(), system_identifier, oid, name, now_ms()];
        self.record(format!("record that \"{name}\" is in place"), statement, values)
    }

    fn record_dropped(&self, system_identifier: &str, name: &str) -> Result<(), RegistryError> {
        let statement = "UPDATE made_database SET state = 'dropped', changed_ms = ?3 \
                         WHERE system_identifier = ?1 AND name = ?2 AND state IN ('intended', 'created')";
        let values = params![system_identifier, name, now_ms()];
        self.record(format!("record the dropped database \"{name}\""), statement, values)
    }

    fn leftovers(&self, system_identifier: &str) -> Result<Vec<Made>, RegistryError> {
        let condition = "WHERE system_identifier = ? AND state IN ('intended', 'created') ORDER BY id";
        self.made(condition, system_identifier)
    }

    fn is_known(&self, job: &JobId) -> Result<bool, RegistryError> {
        let query = "SELECT EXISTS (SELECT 1 FROM job WHERE id = ?)";
        self.read(|sqlite| sqlite.query_row(query, [job.as_str()], |row| row.get(0)))
            .map_err(|source| RegistryError { doing: format!("look up job {job}"), source: source.into() })
    }

    fn made_by(&self, job: &JobId) -> Result<Vec<Made>, RegistryError> {
        self.made("WHERE job = ? ORDER BY id", job.as_str())
    }

    fn record_role(&self, job: &JobId, system_identifier: &str, name: &str) -> Result<(), RegistryError> {
        let statement = "INSERT INTO made_role (job, system_identifier, name) VALUES (?, ?, ?)";
        let values = params![job.as_str(), system_identifier, name];
        self.record(format!("record the intended role \"{name}\""), statement, values)
    }

    fn forget_role(&self, job: &JobId, system_identifier: &str, name: &str) -> Result<(), RegistryError> {
        let statement = "DELETE FROM made_role WHERE job = ? AND system_identifier = ? AND name = ?";
        let values = params![job.as_str(), system_identifier, name];
        self.record(format!("record that role \"{name}\" is no leftover"), statement, values)
    }

    fn roles(&self, system_identifier: &str) -> Result<Vec<MadeRole>, RegistryError> {
        let query = "SELECT job, name FROM made_role WHERE system_identifier = ? ORDER BY rowid";
        let rows = self.read(|sqlite| {
            let mut statement = sqlite.prepare(query)?;
            let rows = statement.query_map([system_identifier], made_role)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        rows.map_err(|source| RegistryError {
            doing: "look up roles of ours".to_owned(),
            source: source.into(),
        })
    }

    fn hold(&self, job: &JobId) -> Result<Option<Box<dyn Hold>>, RegistryError> {
        let held = LockFile::hold(&self.lock_path(job));
        let failed =
            |error: std::io::Error| RegistryError { doing: format!("hold job {job}"), source: error.into() };
        Ok(held.map_err(failed)?.map(|held| Box::new(held) as Box<dyn Hold>))
    }

    fn is_held(&self, job: &JobId) -> Result<bool, RegistryError> {
        LockFile::is_held(&self.lock_path(job)).map_err(|error| RegistryError {
            doing: format!("see whether job {job} is held"),
            source: error.into(),
        })
    }

    fn record_sighting(&self, connection: &str, seen: &Sighting) -> Result<(), RegistryError> {
        let statement = "INSERT OR REPLACE INTO source_sighting \
                         (connection, system_identifier, database_oid, database, loopback, at_ms, place) \
                         VALUES (?, ?, ?, ?, ?, ?, ?)";
        let Identity { system_identifier, database_oid, database } = &seen.identity;
        let values = params![
            connection,
            system_identifier,
            database_oid,
            database,
            seen.loopback,
            seen.at_ms,
            seen.place
        ];
        self.record(format!("record who source \"{connection}\" is"), statement, values)
    }

    fn last_sighting(&self, connection: &str) -> Result<Option<Sighting>, RegistryError> {
        let query = "SELECT system_identifier, database_oid, database, loopback, at_ms, place \
                     FROM source_sighting WHERE connection = ?";
        self.read(|sqlite| sqlite.query_row(query, [connection], sighting).optional()).map_err(|source| {
            RegistryError { doing: format!("look up who source \"{connection}\" was"), source: source.into() }
        })
    }
}

impl Sqlite {
    /// Tells other servers that one runs over this store; `None` where another one does.
    ///
    /// # Errors
    /// It could not be told.
    pub fn hold_server(&self) -> Result<Option<Box<dyn Hold>>, RegistryError> {
        let held = LockFile::hold(&self.server_lock());
        let failed = |error: std::io::Error| RegistryError {
            doing: "see whether another server runs".to_owned(),
            source: error.into(),
        };
        Ok(held.map_err(failed)?.map(|held| Box::new(held) as Box<dyn Hold>))
    }

    /// Writes; a statement that finds nothing to write is an error, since then the memory is wrong.
    fn record(
        &self,
        doing: String,
        statement: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<(), RegistryError> {
        let written = self.write(|transaction| match transaction.execute(statement, values)? {
            0 => Err(rusqlite::Error::QueryReturnedNoRows),
            _ => Ok(()),
        });
        written.map_err(|source| match source {
            rusqlite::Error::QueryReturnedNoRows => {
                RegistryError { doing, source: "it is not recorded".into() }
            }
            source => RegistryError { doing, source: source.into() },
        })
    }

    fn made(&self, condition: &'static str, value: &str) -> Result<Vec<Made>, RegistryError> {
        self.read(|sqlite| {
            let mut statement = sqlite.prepare(&format!("{COLUMNS} {condition}"))?;
            let rows = statement.query_map([value], made)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(|source| RegistryError {
            doing: "look up databases of ours".to_owned(),
            source: source.into(),
        })
    }
}

fn made(row: &Row<'_>) -> rusqlite::Result<Made> {
    let job: String = row.get(0)?;
    let made_for: String = row.get(4)?;
    let state: String = row.get(6)?;
    Ok(Made {
        job: job.parse().map_err(|_| wrong(0, &job))?,
        system_identifier: row.get(1)?,
        name: row.get(2)?,
        oid: row.get(3)?,
        made_for: MadeFor::ALL
            .into_iter()
            .find(|m| m.as_str() == made_for)
            .ok_or_else(|| wrong(4, &made_for))?,
        of: row.get(5)?,
        state: match state.as_str() {
            "intended" => MadeState::Intended,
            "created" => MadeState::Created,
            "renamed" => MadeState::Renamed,
            "dropped" => MadeState::Dropped,
            _ => return Err(wrong(6, &state)),
        },
    })
}

fn made_role(row: &Row<'_>) -> rusqlite::Result<MadeRole> {
    let job: String = row.get(0)?;
    Ok(MadeRole { job: job.parse().map_err(|_| wrong(0, &job))?, name: row.get(1)? })
}

/// A word that we never wrote.
fn wrong(column: usize, text: &str) -> rusqlite::Error {
    let why = format!("\"{text}\" is no known word");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

fn sighting(row: &Row<'_>) -> rusqlite::Result<Sighting> {
    let identity =
        Identity { system_identifier: row.get(0)?, database_oid: row.get(1)?, database: row.get(2)? };
    Ok(Sighting { identity, loopback: row.get(3)?, at_ms: row.get(4)?, place: row.get(5)? })
}

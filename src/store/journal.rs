//! What jobs said, in SQLite: a row an event, a row a job for what was seen of it.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sqlite::{Sqlite, now_ms};
use crate::id::JobId;
use crate::job::{Journal, Seen, StoreError};
use crate::progress::Frame;

/// Events of one job that are kept: a clone says two of each table, a mirror one a second, for months.
const KEPT: u64 = 100_000;

/// It is looked whether there are more at every so many.
const LOOK_EVERY: u64 = 1_000;

impl Journal for Sqlite {
    fn append(&self, job: &JobId, frame: &Frame) -> Result<(), StoreError> {
        let doing = || format!("keep an event of job {job}");
        let Frame::Event { seq, .. } = frame else { return Ok(()) };
        let json = self.json(frame, doing)?;
        self.say(|transaction| {
            let statement = "INSERT INTO event (job, seq, frame) VALUES (?, ?, ?)";
            transaction.execute(statement, params![job.as_str(), number(*seq), json])?;
            if seq.is_multiple_of(LOOK_EVERY) {
                let oldest = number(seq.saturating_sub(KEPT));
                transaction
                    .execute("DELETE FROM event WHERE job = ? AND seq <= ?", params![job.as_str(), oldest])?;
            }
            Ok(())
        })
        .map_err(|source| self.failed(doing(), source))
    }

    fn events(&self, job: &JobId, after: u64, limit: u32) -> Result<Vec<Frame>, StoreError> {
        let doing = || format!("read the events of job {job}");
        let texts = self.read(|connection| {
            let query = "SELECT frame FROM event WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement
                .query_map(params![job.as_str(), number(after), limit], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let texts = texts.map_err(|source| self.failed(doing(), source))?;
        texts.iter().map(|text| self.of_json(text, doing)).collect()
    }

    fn last_seq(&self, job: &JobId) -> Result<u64, StoreError> {
        let query = "SELECT coalesce(max(seq), 0) FROM event WHERE job = ?";
        let last: i64 = self
            .read(|connection| connection.query_row(query, [job.as_str()], |row| row.get(0)))
            .map_err(|source| self.failed(format!("count the events of job {job}"), source))?;
        Ok(u64::try_from(last).unwrap_or(0))
    }

    fn set_seen(&self, job: &JobId, seen: &Seen) -> Result<(), StoreError> {
        let doing = || format!("keep what was seen of job {job}");
        let json = self.json(seen, doing)?;
        self.say(|transaction| {
            let statement = "INSERT OR REPLACE INTO seen (job, data, changed_ms) VALUES (?, ?, ?)";
            transaction.execute(statement, params![job.as_str(), json, now_ms()]).map(drop)
        })
        .map_err(|source| self.failed(doing(), source))
    }

    fn seen(&self, job: &JobId) -> Result<Option<Seen>, StoreError> {
        let doing = || format!("read what was seen of job {job}");
        let query = "SELECT data FROM seen WHERE job = ?";
        let text: Option<String> = self
            .read(|connection| connection.query_row(query, [job.as_str()], |row| row.get(0)).optional())
            .map_err(|source| self.failed(doing(), source))?;
        text.map(|text| self.of_json(&text, doing)).transpose()
    }
}

/// As SQLite counts.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

impl Sqlite {
    fn json(&self, value: &impl Serialize, doing: impl Fn() -> String) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|source| self.failed(doing(), source))
    }

    fn of_json<T: DeserializeOwned>(&self, text: &str, doing: impl Fn() -> String) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|source| self.failed(doing(), source))
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Sqlite};
    use crate::id::JobId;
    use crate::job::{Journal, Kind, Record, Seen, Store};
    use crate::progress::{Event, Frame, Level, Progress, Status, Timestamp};

    fn said(seq: u64) -> Frame {
        let event = Event::Log { level: Level::Info, message: format!("line {seq}") };
        Frame::Event { sub: None, seq, ts: Timestamp::from_unix_ms(seq), event }
    }

    /// What every place that keeps what jobs say has to do, over an empty one.
    fn keeps_what_is_said(journal: &dyn Journal) {
        let (one, other) = (JobId::generate(), JobId::generate());
        assert_eq!((journal.last_seq(&one).unwrap(), journal.events(&one, 0, 10).unwrap()), (0, Vec::new()));
        assert_eq!(journal.seen(&one).unwrap(), None);
        for seq in 1..=5 {
            journal.append(&one, &said(seq)).unwrap();
        }
        journal.append(&other, &said(1)).unwrap();
        assert!(journal.append(&one, &said(5)).is_err(), "one number, one event");
        assert_eq!((journal.last_seq(&one).unwrap(), journal.last_seq(&other).unwrap()), (5, 1));
        assert_eq!(journal.events(&one, 2, 2).unwrap(), [said(3), said(4)]);
        assert_eq!(journal.events(&one, 5, 2).unwrap(), []);
        for percent in [12.5, 40.0] {
            let progress =
                Progress { percent, operation: "COPY public.\"ä\"".into(), ..Progress::default() };
            let seen = Seen { progress: Some(progress), ..Seen::after(5) };
            journal.set_seen(&one, &seen).unwrap();
            assert_eq!(journal.seen(&one).unwrap(), Some(seen));
        }
        assert_eq!(journal.seen(&other).unwrap(), None);
        // Progress is no event.
        journal
            .append(
                &one,
                &Frame::Progress { sub: None, ts: Timestamp::from_unix_ms(0), data: Progress::default() },
            )
            .unwrap();
        assert_eq!(journal.last_seq(&one).unwrap(), 5);
    }

    #[test]
    fn sqlite_keeps_what_is_said() {
        let directory = tempfile::tempdir().unwrap();
        keeps_what_is_said(&Sqlite::open(directory.path()).unwrap());
    }

    #[test]
    fn a_job_that_says_very_much_keeps_the_newest_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path()).unwrap();
        let (long, short) = (JobId::generate(), JobId::generate());
        store.append(&short, &said(1)).unwrap();
        for seq in [1, 2, 999, 1001, KEPT, KEPT + 999, KEPT + 1000] {
            store.append(&long, &said(seq)).unwrap();
        }
        let kept = store.events(&long, 0, 100).unwrap();
        assert_eq!(kept, [1001, KEPT, KEPT + 999, KEPT + 1000].map(said));
        assert_eq!(store.last_seq(&short).unwrap(), 1);
    }

    #[test]
    fn what_jobs_said_that_are_over_for_long_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path()).unwrap();
        let job = |created_ms, status| {
            let mut record = Record::new(JobId::generate(), Kind::Clone, "a", "b", "c", created_ms);
            record.status = status;
            store.insert(&record).unwrap();
            store.append(&record.id, &said(1)).unwrap();
            record.id
        };
        let (running, oldest) = (job(0, Status::Running), job(1, Status::Failed));
        let next = job(2, Status::Succeeded);
        (3..1002).for_each(|created_ms| drop(job(created_ms, Status::Succeeded)));
        // There are a thousand and one that are over by now.
        job(1002, Status::Queued);
        let kept = |id: &JobId| store.events(id, 0, 10).unwrap().len();
        assert_eq!((kept(&running), kept(&oldest), kept(&next)), (1, 0, 1));
    }
}

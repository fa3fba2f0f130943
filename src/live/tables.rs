//! What became of the tables of a run, from its events: those that are being copied, those that are done.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::progress::{Event, Frame, Status};

/// A table of a run.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TableState {
    /// Its name, as people write it.
    pub table: String,
    /// `running` or `done`.
    pub state: &'static str,
    /// 0 to 100; an estimate while it runs.
    pub percent: f64,
    /// Rows that went through, of one that is done.
    pub rows: Option<u64>,
    /// Bytes of COPY data, of one that is done.
    pub bytes: Option<u64>,
    /// How long it took, in milliseconds.
    pub ms: Option<u64>,
}

/// The tables of the newest run, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    tables: Vec<TableState>,
    places: HashMap<String, usize>,
}

impl Tables {
    /// Takes in what the run says; a new run begins anew.
    pub(super) fn take(&mut self, frame: &Frame) {
        match frame {
            Frame::Event { event: Event::TableStarted { table }, .. } => {
                *self.place(table) = TableState {
                    table: table.clone(),
                    state: "running",
                    percent: 0.0,
                    rows: None,
                    bytes: None,
                    ms: None,
                };
            }
            Frame::Event { event: Event::TableFinished { table, rows, bytes, ms }, .. } => {
                let place = self.place(table);
                (place.state, place.percent) = ("done", 100.0);
                (place.rows, place.bytes, place.ms) = (Some(*rows), Some(*bytes), Some(*ms));
            }
            Frame::Event { event: Event::JobStatus { status: Status::Running, .. }, .. } => {
                *self = Self::default();
            }
            Frame::Progress { data, .. } => {
                for running in &data.tables {
                    let place = self.place(&running.table);
                    if place.state == "running" {
                        place.percent = running.percent;
                    }
                }
            }
            Frame::Event { .. } => {}
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[TableState] {
        &self.tables
    }

    /// Those that are being copied, and the newest of those that are done: at most `limit`.
    pub(super) fn some(&self, limit: usize) -> Vec<&TableState> {
        let running = self.tables.iter().filter(|table| table.state == "running");
        let done = self.tables.iter().rev().filter(|table| table.state != "running");
        running.chain(done).take(limit).collect()
    }

    fn place(&mut self, table: &str) -> &mut TableState {
        let next = self.tables.len();
        let place = *self.places.entry(table.to_owned()).or_insert(next);
        if place == next {
            self.tables.push(TableState {
                table: table.to_owned(),
                state: "running",
                percent: 0.0,
                rows: None,
                bytes: None,
                ms: None,
            });
        }
        #[expect(clippy::indexing_slicing, reason = "it was put there above, and nothing is ever taken out")]
        &mut self.tables[place]
    }
}

#[cfg(test)]
mod tests {
    use super::Tables;
    use crate::progress::{Event, Frame, Progress, Status, TablePercent, Timestamp};

    #[test]
    fn tables_begin_get_on_and_are_done() {
        let ts = Timestamp::from_unix_ms(0);
        let mut tables = Tables::default();
        let say = |tables: &mut Tables, event| tables.take(&Frame::Event { sub: None, seq: 1, ts, event });
        for table in ["a", "b", "c"] {
            say(&mut tables, Event::TableStarted { table: table.into() });
        }
        say(&mut tables, Event::TableFinished { table: "a".into(), rows: 3, bytes: 30, ms: 7 });
        let running = vec![
            TablePercent { table: "b".into(), percent: 40.0 },
            TablePercent { table: "a".into(), percent: 9.0 },
        ];
        tables.take(&Frame::Progress {
            sub: None,
            ts,
            data: Progress { tables: running, ..Progress::default() },
        });
        let shown: Vec<_> =
            tables.all().iter().map(|table| (table.table.as_str(), table.state, table.percent)).collect();
        assert_eq!(shown, [("a", "done", 100.0), ("b", "running", 40.0), ("c", "running", 0.0)]);
        let some: Vec<_> = tables.some(2).into_iter().map(|table| table.table.as_str()).collect();
        assert_eq!(some, ["b", "c"], "those that run come first");
        say(&mut tables, Event::JobStatus { status: Status::Running, error: None });
        assert!(tables.all().is_empty());
    }
}

//! Outcomes of many rows as the fewest statements with their parameters. Values in, values out.

use std::collections::HashMap;
use std::sync::Arc;

use super::array::Array;
use super::net::{Key, Outcomes, RowChange, Work};
use super::statement::{Kind, Statement, Takes};
use super::table::Table;
use crate::pg::pgoutput::{Old, Tuple, Value};

/// One statement for one table, and the rows it is for.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) table: Arc<Table>,
    pub(super) kind: Kind,
    pub(super) statement: Statement,
    pub(super) parameters: Vec<Array>,
    /// How many rows it has to touch.
    pub(super) count: u64,
}

/// What is known of one row.
#[derive(Clone, Copy, Default)]
struct Row<'a> {
    key: Option<&'a Key<'a>>,
    old: Option<&'a Tuple>,
    new: Option<&'a Tuple>,
}

impl Rows {
    fn new(table: &Arc<Table>, kind: Kind) -> Option<Self> {
        let statement = table.statement(&kind)?;
        let parameters = statement.parameters.iter().map(|_| Array::default()).collect();
        Some(Self { table: Arc::clone(table), kind, statement, parameters, count: 0 })
    }

    fn push(&mut self, row: Row<'_>) {
        for (takes, array) in self.statement.parameters.iter().zip(&mut self.parameters) {
            array.push_value(match *takes {
                Takes::Key(at) => row.key.and_then(|key| key.get(at)),
                Takes::Old(at) => row.old.and_then(|old| old.0.get(at)),
                Takes::New(at) => row.new.and_then(|new| new.0.get(at)),
            });
        }
        self.count += 1;
    }
}

/// The statements for one piece of work on a table, in their order.
pub(super) fn of(table: &Arc<Table>, work: Work<'_>) -> Vec<Rows> {
    match work {
        Work::Net(outcomes) => of_outcomes(table, &outcomes),
        Work::One(change) => of_one(table, change).into_iter().collect(),
    }
}

fn of_outcomes(table: &Arc<Table>, outcomes: &Outcomes<'_>) -> Vec<Rows> {
    let mut all = Vec::new();
    if !outcomes.deletes.is_empty()
        && let Some(mut rows) = Rows::new(table, Kind::Delete)
    {
        outcomes.deletes.iter().for_each(|key| rows.push(Row { key: Some(key), ..Row::default() }));
        all.push(rows);
    }
    let mut by_set: HashMap<Vec<usize>, Option<usize>> = HashMap::new();
    // Most updates leave no long value unchanged.
    let mut sets_all = None;
    for (key, new) in &outcomes.updates {
        let is_unchanged = |at: usize| new.0.get(at) == Some(&Value::Unchanged);
        let whole = !new.0.contains(&Value::Unchanged);
        let at = match sets_all {
            Some(at) if whole => at,
            _ => {
                let set = table.set_by(is_unchanged);
                let at = match by_set.get(&set) {
                    Some(at) => *at,
                    None => {
                        let rows = Rows::new(table, Kind::Update { set: set.clone() });
                        let at = rows.map(|rows| {
                            all.push(rows);
                            all.len() - 1
                        });
                        by_set.insert(set, at);
                        at
                    }
                };
                if whole {
                    sets_all = Some(at);
                }
                at
            }
        };
        if let Some(rows) = at.and_then(|at| all.get_mut(at)) {
            rows.push(Row { key: Some(key), new: Some(new), ..Row::default() });
        }
    }
    if !outcomes.inserts.is_empty()
        && let Some(mut rows) = Rows::new(table, Kind::Insert)
    {
        outcomes.inserts.iter().for_each(|new| rows.push(Row { new: Some(new), ..Row::default() }));
        all.push(rows);
    }
    all
}

/// The statement for one change by itself; `None` where there is nothing to do: an update that sets nothing.
pub(super) fn of_one(table: &Arc<Table>, change: &RowChange) -> Option<Rows> {
    let null = |old: &Tuple| -> Vec<bool> {
        table.sent.iter().map(|sent| matches!(old.0.get(sent.at), None | Some(Value::Null))).collect()
    };
    let set = |new: &Tuple| table.set_by(|at| new.0.get(at) == Some(&Value::Unchanged));
    let (kind, found_by, old, new) = match change {
        RowChange::Insert { new } => (Kind::Insert, None, None, Some(new)),
        RowChange::Delete { old: Old::Full(old) } => {
            (Kind::DeleteFull { null: null(old) }, None, Some(old), None)
        }
        RowChange::Update { old: Some(Old::Full(old)), new } => {
            (Kind::UpdateFull { null: null(old), set: set(new) }, None, Some(old), Some(new))
        }
        RowChange::Delete { old: Old::Key(old) } => (Kind::Delete, Some(old), None, None),
        RowChange::Update { old: Some(Old::Key(old)), new } => {
            (Kind::Update { set: set(new) }, Some(old), None, Some(new))
        }
        RowChange::Update { old: None, new } => (Kind::Update { set: set(new) }, Some(new), None, Some(new)),
    };
    let key = found_by.and_then(|tuple| Key::of(tuple, &table.identity));
    let mut rows = Rows::new(table, kind)?;
    rows.push(Row { key: key.as_ref(), old, new });
    Some(rows)
}

/// The row that a change is about, for people: `id = 7, tenant = 3`, each value cut to 80 characters.
pub(super) fn described(table: &Table, change: &RowChange) -> String {
    let row = match change {
        RowChange::Delete { old: Old::Key(old) | Old::Full(old) }
        | RowChange::Update { old: Some(Old::Key(old) | Old::Full(old)), .. } => old,
        RowChange::Insert { new } | RowChange::Update { old: None, new } => new,
    };
    let named = |sent: &super::table::Sent| {
        let text = match row.0.get(sent.at) {
            Some(Value::Text(bytes)) => {
                String::from_utf8_lossy(bytes).chars().take(80).collect::<String>().escape_debug().to_string()
            }
            _ => "NULL".to_owned(),
        };
        format!("{} = {text}", sent.column.name.as_str())
    };
    let key: Vec<String> = match table.key.is_empty() {
        true => table.sent.iter().take(4).map(named).collect(),
        false => table.key.iter().filter_map(|at| table.sent.get(*at)).map(named).collect(),
    };
    key.join(", ")
}

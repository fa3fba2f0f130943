//! Outcomes of many rows as the fewest statements with their parameters. Values in, values out.

use std::collections::HashMap;
use std::sync::Arc;

use super::array::Array;
use super::lines::Lines;
use super::net::{Key, Outcomes, RowChange, Work, is_binary};
use super::statement::{Kind, Statement, Takes};
use super::table::Table;
use crate::pg::Oid;
use crate::pg::pgoutput::{Old, Tuple, Value};

/// One statement for one table, and the rows it is for.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) table: Arc<Table>,
    pub(super) kind: Kind,
    pub(super) statement: Statement,
    pub(super) data: Data,
    /// How many rows it has to touch.
    pub(super) count: u64,
}

/// So many new rows come by COPY: it costs a round trip more than a statement with arrays, and much less for each row.
const COPY_ROWS: usize = 200;

/// The values.
#[derive(Debug)]
pub(super) enum Data {
    /// One parameter each.
    Arrays(Vec<Array>),
    Lines(Lines),
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
        let data = match kind {
            Kind::Copy { binary } => Data::Lines(Lines::new(binary)),
            _ => Data::Arrays(statement.parameters.iter().map(|_| Array::default()).collect()),
        };
        Some(Self { table: Arc::clone(table), kind, statement, data, count: 0 })
    }

    fn push(&mut self, row: Row<'_>) {
        let values = self.statement.parameters.iter().map(|takes| match *takes {
            Takes::Key(at) => row.key.and_then(|key| key.get(at)),
            Takes::Old(at) => row.old.and_then(|old| old.0.get(at)),
            Takes::New(at) => row.new.and_then(|new| new.0.get(at)),
        });
        match &mut self.data {
            Data::Arrays(arrays) => values.zip(arrays).for_each(|(value, array)| array.push(value)),
            Data::Lines(lines) => lines.push(values),
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
    let mut by_kind: HashMap<Kind, Option<usize>> = HashMap::new();
    // Most updates leave no long value unchanged.
    let mut sets_all = None;
    for (key, new) in &outcomes.updates {
        let whole = !new.0.contains(&Value::Unchanged);
        let at = match sets_all {
            Some(at) if whole => at,
            _ => {
                let kind = table.update_to(new, None);
                let at = match by_kind.get(&kind) {
                    Some(at) => *at,
                    None => {
                        let rows = Rows::new(table, kind.clone());
                        let at = rows.map(|rows| {
                            all.push(rows);
                            all.len() - 1
                        });
                        by_kind.insert(kind, at);
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
    let many = || {
        let binary = outcomes.inserts.iter().any(|new| is_binary(new));
        Rows::new(table, Kind::Copy { binary })
    };
    let copied = if outcomes.inserts.len() >= COPY_ROWS { many() } else { None };
    if !outcomes.inserts.is_empty()
        && let Some(mut rows) = copied.or_else(|| Rows::new(table, Kind::Insert))
    {
        outcomes.inserts.iter().for_each(|new| rows.push(Row { new: Some(new), ..Row::default() }));
        all.push(rows);
    }
    all
}

/// The statement for one change by itself; `None` where there is nothing to do: an update that sets nothing.
pub(super) fn of_one(table: &Arc<Table>, change: &RowChange) -> Option<Rows> {
    let null = |old: &Tuple| -> Vec<bool> {
        let is_null = |at: usize| matches!(old.0.get(at), None | Some(Value::Null));
        table.sent.iter().map(|sent| sent.column.equality.is_some() && is_null(sent.at)).collect()
    };
    let (kind, found_by, old, new) = match change {
        RowChange::Insert { new } => (Kind::Insert, None, None, Some(new)),
        RowChange::Delete { old: Old::Full(old) } => {
            (Kind::DeleteFull { null: null(old) }, None, Some(old), None)
        }
        RowChange::Update { old: Some(Old::Full(old)), new } => {
            (table.update_full_to(new, old, null(old)), None, Some(old), Some(new))
        }
        RowChange::Delete { old: Old::Key(old) } => (Kind::Delete, Some(old), None, None),
        RowChange::Update { old: Some(Old::Key(old)), new } => {
            (table.update_to(new, Some(old)), Some(old), None, Some(new))
        }
        RowChange::Update { old: None, new } => (table.update_to(new, None), Some(new), None, Some(new)),
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
            Some(Value::Text(bytes)) => text(bytes),
            Some(Value::Binary(bytes)) => binary(sent.column.type_oid, bytes),
            Some(Value::Null | Value::Unchanged) | None => "NULL".to_owned(),
        };
        format!("{} = {text}", sent.column.name.as_str())
    };
    let key: Vec<String> = match table.key.is_empty() {
        true => table.sent.iter().take(4).map(named).collect(),
        false => table.key.iter().filter_map(|at| table.sent.get(*at)).map(named).collect(),
    };
    key.join(", ")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(80).collect::<String>().escape_debug().to_string()
}

/// A binary value, for people: of the types that keys have as they write it, of others its bytes (`pg_type.dat` has the oids).
fn binary(of: Oid, bytes: &[u8]) -> String {
    match (of, bytes) {
        (16, [truth]) => (if *truth == 0 { "f" } else { "t" }).to_owned(),
        (20, &[a, b, c, d, e, f, g, h]) => i64::from_be_bytes([a, b, c, d, e, f, g, h]).to_string(),
        (21, &[a, b]) => i16::from_be_bytes([a, b]).to_string(),
        (23, &[a, b, c, d]) => i32::from_be_bytes([a, b, c, d]).to_string(),
        (26, &[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]).to_string(),
        (19 | 25 | 1042 | 1043, bytes) => text(bytes),
        (_, bytes) => {
            let digits: String = bytes.iter().take(40).map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::binary;

    #[test]
    fn binary_keys_are_shown_to_people() {
        for (of, bytes, shown) in [
            (20, &[0, 0, 0, 0, 0, 0, 1, 0][..], "256"),
            (23, &[255, 255, 255, 255], "-1"),
            (21, &[0, 7], "7"),
            (16, &[1], "t"),
            (25, "a\tb".as_bytes(), "a\\tb"),
            (2950, &[0xa0, 0xee], "\\xa0ee"),
        ] {
            assert_eq!(binary(of, bytes), shown);
        }
    }
}

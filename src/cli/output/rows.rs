//! Rows that differ, for people: a line a table, and under it a line a row.

use std::fmt::{self, Write};

use crate::cli::output::human::{counted, safe};
use crate::progress::{DifferentRow, DifferentRows, RowDifference};

/// Writes them.
pub(super) fn write(tables: &[DifferentRows], text: &mut String) -> fmt::Result {
    for table in tables {
        let name = safe(&table.table);
        if !table.columns.is_empty() {
            let columns: Vec<String> = table.columns.iter().map(|column| safe(column).to_string()).collect();
            writeln!(text, "  rows      {name}: its columns differ, so all rows do: {}", columns.join(", "))?;
            continue;
        }
        if table.total == 0 {
            writeln!(text, "  rows      {name}: none were found")?;
            continue;
        }
        let at_least = if table.at_least { "at least " } else { "" };
        let by = match table.key.as_slice() {
            [] => "nothing identifies its rows".to_owned(),
            key => format!("by {}", key.join(", ")),
        };
        let rows = counted(table.total, "row differs", "rows differ");
        writeln!(text, "  rows      {name}: {at_least}{rows} ({})", safe(&by))?;
        for row in &table.rows {
            writeln!(text, "            - {}", safe(&one(&table.key, row)))?;
        }
        match table.total.saturating_sub(table.rows.len() as u64) {
            0 => {}
            more => writeln!(text, "            - and {at_least}{more} more")?,
        }
    }
    Ok(())
}

fn one(key: &[String], row: &DifferentRow) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
    let known_by: Vec<String> = match key {
        [] => row.key.iter().map(|place| format!("as the one at {}", value(place))).collect(),
        key => key.iter().zip(&row.key).map(|(name, of)| format!("{name} = {}", value(of))).collect(),
    };
    let known_by = known_by.join(", ");
    match row.is {
        _ if row.source_rows > 1 || row.destination_rows > 1 || key.is_empty() => {
            format!(
                "{known_by}: {} on the source, {} on the destination",
                row.source_rows, row.destination_rows
            )
        }
        RowDifference::MissingOnDestination => format!("{known_by}: missing on the destination"),
        RowDifference::OnlyOnDestination => format!("{known_by}: only on the destination"),
        RowDifference::Different => format!("{known_by}: different"),
    }
}

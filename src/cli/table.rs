//! Lists and pages of what is kept on this machine, as text in columns.

use crate::progress::Timestamp;

/// A line a row, columns as wide as their widest cell.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// A line a fact, its name before it.
pub(super) fn page(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(name, value)| format!("{:10}{value}\n", format!("{name}:"))).collect()
}

/// Milliseconds since 1970.
pub(super) fn moment(ms: i64) -> String {
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(0)).to_string()
}

//! The final report for people: what was done, what was found, what is missing, and the way back.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Write};
use std::time::Duration;

use crate::cli::output::human::{bytes, count, counted, duration, safe};
use crate::cli::output::rows;
use crate::progress::{Report, Status, Verification, VerifyMode, Warning};

/// So many objects of one kind of warning, or skipped for one reason, are named; the job's record has them all.
const NAMED: usize = 10;

/// The report as text, ending in a newline.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    match write(report, &mut text) {
        // Writing to a String cannot fail.
        Ok(()) | Err(fmt::Error) => text,
    }
}

/// What a swap did, in one sentence.
pub fn swap(database: &str, kept_as: Option<&str>) -> String {
    match kept_as {
        Some(old) => format!("database {} is in place; the old one is kept as {}", safe(database), safe(old)),
        None => format!("database {} is in place", safe(database)),
    }
}

fn write(report: &Report, text: &mut String) -> fmt::Result {
    let ended = match report.status {
        Status::Succeeded => "done",
        Status::Failed => "failed",
        Status::Cancelled => "interrupted",
        _ => "not finished",
    };
    writeln!(text, "{} -> {}: {ended}", safe(&report.source), safe(&report.destination))?;
    let time = Duration::from_millis(report.elapsed_ms);
    if let Some(followed) = &report.followed {
        let upto = followed.applied_lsn.map(|lsn| format!(", up to {lsn}")).unwrap_or_default();
        writeln!(
            text,
            "  followed  {}, {}{upto}, in {}; {}",
            counted(followed.transactions, "transaction", "transactions"),
            counted(followed.rows, "row", "rows"),
            duration(time),
            counted(followed.reconnects, "reconnect", "reconnects")
        )?;
    }
    // A mirror that went on where it stood has copied nothing.
    let copied = report.tables > 0 || (report.verification.is_none() && report.followed.is_none());
    if copied {
        writeln!(
            text,
            "  copied    {}, {}, {} in {}",
            counted(report.tables, "table", "tables"),
            counted(report.rows, "row", "rows"),
            bytes(report.bytes),
            duration(time)
        )?;
    }
    if report.indexes + report.constraints > 0 {
        writeln!(
            text,
            "  built     {}, {}",
            counted(report.indexes, "index", "indexes"),
            counted(report.constraints, "constraint", "constraints")
        )?;
    }
    if report.verification.is_some() || report.followed.is_none() {
        verification(report.verification.as_ref(), text)?;
    }
    if let Some(profile) = &report.profile {
        writeln!(text, "  profile   {}", safe(profile))?;
    }
    for line in &report.created {
        writeln!(text, "  created   {}", safe(line))?;
    }
    for line in &report.neutralized {
        writeln!(text, "  inactive  {}", safe(line))?;
    }
    grouped(
        "skipped",
        report.skipped.iter().map(|one| (one.reason.as_str(), Some(one.object.as_str()))),
        text,
    )?;
    // What is skipped was a warning when the plan said it; once is enough.
    let said: HashSet<(&str, Option<&str>)> =
        report.skipped.iter().map(|one| (one.reason.as_str(), Some(one.object.as_str()))).collect();
    let others = report.warnings.iter().map(warning_key).filter(|warning| !said.contains(warning));
    grouped("warnings", others, text)?;
    if let Some(undo) = report.undo.as_ref().filter(|undo| undo.available) {
        writeln!(
            text,
            "  undo      {}   (the old database is kept as {})",
            safe(&undo.command),
            safe(&undo.kept_as)
        )?;
    }
    writeln!(text, "  job       {}", safe(&report.job))
}

fn verification(verification: Option<&Verification>, text: &mut String) -> fmt::Result {
    let Some(verification) = verification else {
        return writeln!(text, "  verified  no");
    };
    let by = match verification.mode {
        VerifyMode::None => return writeln!(text, "  verified  no (--verify none)"),
        VerifyMode::Counts => "counts",
        VerifyMode::Checksum | VerifyMode::Rows => "checksums",
    };
    let at = verification.as_of.as_deref().map(|at| format!(", as of {} of the source", safe(at)));
    let at = at.unwrap_or_default();
    let equal = counted(verification.equal, "object", "objects");
    if verification.different.is_empty() {
        writeln!(text, "  verified  {equal} equal by {by}{at}")?;
    } else {
        let different = counted(verification.different.len() as u64, "object", "objects");
        writeln!(text, "  verified  {different} DIFFERENT, {equal} equal by {by}{at}")?;
    }
    named(verification.different.iter().map(String::as_str), text)?;
    rows::write(&verification.rows, text)?;
    grouped(
        "left out",
        verification.left_out.iter().map(|one| (one.reason.as_str(), Some(one.object.as_str()))),
        text,
    )
}

fn warning_key(warning: &Warning) -> (&str, Option<&str>) {
    (&warning.message, warning.object.as_deref())
}

/// Things that share a sentence share its line: `2 of: it has no primary key`, and their names below.
fn grouped<'a>(
    title: &str,
    things: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    text: &mut String,
) -> fmt::Result {
    let mut groups: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    for (sentence, object) in things {
        groups.entry(sentence).or_default().push(object);
    }
    for (sentence, objects) in groups {
        let times = objects.len();
        let many = if times > 1 { format!(" ({} times)", count(times as u64)) } else { String::new() };
        writeln!(text, "  {title:<9} {}{many}", safe(sentence))?;
        named(objects.into_iter().flatten(), text)?;
    }
    Ok(())
}

fn named<'a>(names: impl Iterator<Item = &'a str>, text: &mut String) -> fmt::Result {
    let names: Vec<&str> = names.collect();
    for name in names.iter().take(NAMED) {
        writeln!(text, "            - {}", safe(name))?;
    }
    match names.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => writeln!(text, "            - and {more} more"),
    }
}

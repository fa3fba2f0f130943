//! The table of a data set: medians of all rounds, and ratios to the best peer.

use std::time::Duration;

use crate::contender::{Contender, Kind};
use crate::data::Size;
use crate::sample::Sample;

/// Points that a percentage may be away from elapsed / total.
const ALLOWED: f64 = 20.0;

/// Mebibytes that our process may have at its peak, of a database of any size.
const MEMORY: f64 = 64.0;

/// Prints the table of one data set. False where one of our percentages was further from the truth than is allowed, or our
/// process larger.
pub(crate) fn print(contenders: &[Contender], samples: &[Vec<Sample>], size: &Size) -> bool {
    let mut kept = true;
    let rows: Vec<Row> =
        contenders.iter().zip(samples).map(|(contender, samples)| Row::of(contender, samples)).collect();
    let peers = rows.iter().filter(|row| row.kind == Kind::Peer);
    let best = peers.map(|row| row.wall).min_by(f64::total_cmp);
    println!(
        "\n| {:36} | {:>7} | {:>13} | {:>5} | {:>7} | {:>9} | {:>8} | {:>10} | {:>15} |",
        "medians",
        "wall s",
        "fastest-slow",
        "ratio",
        "own CPU",
        "own s/GB",
        "peak MiB",
        "source CPU",
        "destination CPU"
    );
    println!(
        "|{:-<38}|{}",
        "",
        [9, 15, 7, 9, 11, 10, 12, 17].map(|width| format!("{:->width$}|", ":")).concat()
    );
    for row in &rows {
        let ratio = best.map_or_else(|| "-".to_owned(), |best| format!("{:.2}", row.wall / best));
        let spread = format!("{:.2}-{:.2}", row.fastest, row.slowest);
        println!(
            "| {:36} | {:7.2} | {spread:>13} | {ratio:>5} | {:7.2} | {:9.2} | {:8.0} | {:>10} | {:>15} |",
            row.name,
            row.wall,
            row.cpu,
            row.cpu / size.gigabytes(),
            row.peak_mib,
            seconds(row.source_cpu),
            seconds(row.destination_cpu),
        );
    }
    println!(
        "(ratio: wall time to the best peer's; peak: the largest process; a GB: 10^9 bytes of heap and TOAST; CPU in seconds)"
    );
    for (row, samples) in rows.iter().zip(samples).filter(|(row, _)| row.kind == Kind::Ours) {
        let worst = samples.iter().filter_map(|sample| sample.dishonesty).max_by(f64::total_cmp);
        let worst = worst.map_or_else(
            || "no percentage was shown".to_owned(),
            |points| {
                format!(
                    "percent shown and elapsed / total differ by at most {points:.0} points ({ALLOWED} are allowed)"
                )
            },
        );
        println!("{}: {worst}", row.name);
        kept &= samples.iter().all(|sample| sample.dishonesty.is_some_and(|points| points <= ALLOWED));
        let largest = samples.iter().map(|sample| sample.usage.peak_kib as f64 / 1024.0).fold(0.0, f64::max);
        println!("{}: peak of all rounds {largest:.0} MiB ({MEMORY} are allowed)", row.name);
        kept &= largest <= MEMORY;
        if let Some(sample) = samples.last() {
            let phases: Vec<String> =
                sample.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.2}")).collect();
            println!("{}: seconds by phase, last round: {}", row.name, phases.join(" · "));
        }
    }
    kept
}

struct Row {
    name: &'static str,
    kind: Kind,
    wall: f64,
    fastest: f64,
    slowest: f64,
    cpu: f64,
    peak_mib: f64,
    source_cpu: Option<f64>,
    destination_cpu: Option<f64>,
}

impl Row {
    fn of(contender: &Contender, samples: &[Sample]) -> Self {
        let walls: Vec<f64> = samples.iter().map(|sample| sample.usage.wall.as_secs_f64()).collect();
        let server = |cpu: fn(&Sample) -> Option<Duration>| {
            let values: Option<Vec<f64>> =
                samples.iter().map(|sample| cpu(sample).map(|time| time.as_secs_f64())).collect();
            values.map(median)
        };
        Self {
            name: contender.name,
            kind: contender.kind,
            fastest: walls.iter().copied().fold(f64::INFINITY, f64::min),
            slowest: walls.iter().copied().fold(0.0, f64::max),
            wall: median(walls),
            cpu: median(samples.iter().map(|sample| sample.usage.cpu.as_secs_f64()).collect()),
            peak_mib: median(samples.iter().map(|sample| sample.usage.peak_kib as f64 / 1024.0).collect()),
            source_cpu: server(|sample| sample.source_cpu),
            destination_cpu: server(|sample| sample.destination_cpu),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}"))
}

//! One timed run of one contender, and what its progress said while it ran.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use crate::contender::Contender;
use crate::meter::{self, Usage};
use crate::pair::Pair;

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) usage: Usage,
    pub(crate) source_cpu: Option<Duration>,
    pub(crate) destination_cpu: Option<Duration>,
    /// Percentage points between what was shown and elapsed / total, at the worst moment; for tools that show a percentage.
    pub(crate) dishonesty: Option<f64>,
    /// Seconds in each phase that the tool named, in their order.
    pub(crate) phases: Vec<(String, f64)>,
}

impl Sample {
    pub(crate) fn describe(&self) -> String {
        let Usage { wall, cpu, peak_kib } = self.usage;
        format!("{:.2} s, own CPU {:.2} s, {} MiB", wall.as_secs_f64(), cpu.as_secs_f64(), peak_kib / 1024)
    }
}

/// Runs the contender's line to its end. A line that fails ends the bench with what it printed.
pub(crate) async fn take(pair: &Pair, contender: &Contender) -> Sample {
    run(pair, contender.before, "before").await;
    let cpu =
        |server: &crate::support::Server| crate::support::usage::server_cpu(&server.folder().join("data"));
    let (source, destination) = (cpu(&pair.source), cpu(&pair.destination));
    let (usage, shown) = run(pair, contender.line, "timed").await;
    let since = |before: Option<Duration>, after: Option<Duration>| Some(after?.saturating_sub(before?));
    Sample {
        usage,
        source_cpu: since(source, cpu(&pair.source)),
        destination_cpu: since(destination, cpu(&pair.destination)),
        dishonesty: dishonesty(&shown, usage.wall),
        phases: phases(&shown, usage.wall),
    }
}

/// What a tool printed as NDJSON, each with its moment since the start.
type Shown = Vec<(Duration, Value)>;

async fn run(pair: &Pair, line: &str, name: &str) -> (Usage, Shown) {
    let work = pair.empty_work();
    let result = work.join("usage");
    let errors = work.join("stderr");
    let path =
        std::env::join_paths([Pair::programs(), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()]);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg(meter::WORD)
        .arg(&result)
        .args(["bash", "-euo", "pipefail", "-c", line])
        .env_clear()
        .env("PATH", path.unwrap())
        .env("HOME", work)
        .env("TMPDIR", work)
        .env("WORK", work)
        .env("LC_ALL", "C.UTF-8")
        .env("OURS", env!("CARGO_BIN_EXE_multiboard-sync"))
        .env("MULTIBOARD_SYNC_DATA_DIR", work.join("data"))
        .env("SOURCE", pair.source_url())
        .env("DESTINATION", pair.destination_url())
        .env("SOURCE_DATABASE_URL", pair.source_url())
        .env("DESTINATION_DATABASE_URL", pair.destination_url())
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&errors).unwrap())
        .kill_on_drop(true);
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = Vec::new();
    let mut last = String::new();
    while let Some(text) = lines.next_line().await.unwrap() {
        if let Ok(value) = serde_json::from_str(&text) {
            shown.push((start.elapsed(), value));
        }
        last = text;
    }
    let status = child.wait().await.unwrap();
    let said = std::fs::read_to_string(&errors).unwrap_or_default();
    assert!(status.success(), "{name}: {line}\n{status}\n{said}\n{last}");
    (meter::read(&result), shown)
}

/// What is shown stays until the next value comes, so both ends of that time count.
fn dishonesty(shown: &Shown, total: Duration) -> Option<f64> {
    let percents =
        shown.iter().filter_map(|(at, frame)| Some((*at, frame.pointer("/data/percent")?.as_f64()?)));
    let percents: Vec<(Duration, f64)> = percents.collect();
    percents.first()?;
    let true_percent = |at: Duration| at.as_secs_f64() / total.as_secs_f64() * 100.0;
    let mut worst: f64 = 0.0;
    let mut percent = 0.0;
    for (at, next) in percents {
        worst = worst.max((percent - true_percent(at)).abs()).max((next - true_percent(at)).abs());
        percent = next;
    }
    Some(worst.max((percent - 100.0).abs()))
}

fn phases(shown: &Shown, total: Duration) -> Vec<(String, f64)> {
    let starts: Vec<(Duration, &str)> = shown
        .iter()
        .filter(|(_, frame)| frame["event"] == "job.phase")
        .filter_map(|(at, frame)| Some((*at, frame.pointer("/data/phase")?.as_str()?)))
        .collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([total]);
    starts
        .iter()
        .zip(ends)
        .map(|((at, name), end)| ((*name).to_owned(), end.saturating_sub(*at).as_secs_f64()))
        .collect()
}

//! Logs: what `tracing` records, written to stderr. Nothing here holds a secret, since the types that do print as
//! stars; what other crates say in detail stays out, since theirs may not.

use std::io::stderr;
use std::str::FromStr;

use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Starts writing logs. Called once, first thing; a second call changes nothing.
pub fn start(level: LogLevel, format: LogFormat, colored: bool) {
    let filter = targets(level);
    let layer = match format {
        LogFormat::Text => fmt::layer().with_writer(stderr).with_ansi(colored).with_target(false).boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(stderr).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    if started.is_err() {
        tracing::debug!("logs were started before");
    }
}

/// Ours at the level asked for; other crates at `info` at most: below it they print statements and packets.
fn targets(level: LogLevel) -> Targets {
    let others = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn | LogLevel::Info => LevelFilter::WARN,
        LogLevel::Debug | LogLevel::Trace => LevelFilter::INFO,
    };
    Targets::new().with_default(others).with_target("multiboard_sync", level.filter())
}

/// How much goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what ends a job.
    Error,
    /// And what a person should look at.
    Warn,
    /// And what happens, a line a step.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err("a log level is one of error, warn, info, debug, trace"),
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("a log format is one of text, json"),
        }
    }
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::{LogLevel, targets};

    #[test]
    fn other_crates_never_log_their_details() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            let targets = targets(level);
            assert!(!targets.would_enable("tokio_postgres::query", &Level::DEBUG), "{level:?}");
            assert!(targets.would_enable("multiboard_sync::cli", &Level::ERROR), "{level:?}");
        }
        assert!(targets(LogLevel::Trace).would_enable("multiboard_sync::connect", &Level::TRACE));
        assert!(!targets(LogLevel::Info).would_enable("multiboard_sync::connect", &Level::DEBUG));
    }
}

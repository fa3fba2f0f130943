//! What may be asked for on the command line of `scripts/bench mirror`.

use crate::contender::Kind;

const USAGE: &str = "usage: scripts/bench mirror [--parts small,bulk,mixed,latency,large,many] [--scale X] [--seconds N]
                            [--server MAJOR] [--skip-native] [--program PATH]
  --parts LIST     what is measured (all of them): drains of many small transactions, of three large ones, of a mixed
                   load; commit-to-visible latency; memory with one transaction of 5,000,000 rows, and with 2,000 tables
  --scale X        rows and transactions times X: 0.01 is a try (1)
  --seconds N      how long the latency of each is measured (15)
  --server MAJOR   the servers' version (15)
  --skip-native    only ours and the decode floor
  --program PATH   another build of our program, to compare the two";

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Small,
    Bulk,
    Mixed,
    Latency,
    Large,
    Many,
}

impl Part {
    const ALL: [Self; 6] = [Self::Small, Self::Bulk, Self::Mixed, Self::Latency, Self::Large, Self::Many];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Bulk => "bulk",
            Self::Mixed => "mixed",
            Self::Latency => "latency",
            Self::Large => "large",
            Self::Many => "many",
        }
    }

    /// Whether native subscriptions do it too; the others only look at our memory.
    pub(crate) fn is_compared(self) -> bool {
        !matches!(self, Self::Large | Self::Many)
    }
}

pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    pub(crate) scale: f64,
    pub(crate) seconds: u64,
    pub(crate) major: u16,
    skip_native: bool,
    pub(crate) program: String,
}

impl Options {
    /// Reads the words after the program's name; the error is text for the terminal.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            parts: Part::ALL.to_vec(),
            scale: 1.0,
            seconds: 15,
            major: 15,
            skip_native: false,
            program: env!("CARGO_BIN_EXE_multiboard-sync").to_owned(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--parts" => options.parts = value()?.split(',').map(part).collect::<Result<_, _>>()?,
                "--scale" => options.scale = number(&word, &value()?)?,
                "--seconds" => options.seconds = number(&word, &value()?)?,
                "--server" => options.major = number(&word, &value()?)?,
                "--program" => options.program = value()?,
                "--skip-native" => options.skip_native = true,
                _ => return Err(format!("unknown option {word}\n{USAGE}")),
            }
        }
        if !options.scale.is_finite() || options.scale <= 0.0 || options.seconds == 0 {
            return Err(format!("--scale and --seconds are greater than 0\n{USAGE}"));
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, kind: Kind) -> bool {
        kind == Kind::Ours || !self.skip_native
    }

    /// A number of rows or transactions, scaled.
    pub(crate) fn scaled(&self, number: u64) -> u64 {
        scaled(number, self.scale)
    }
}

/// Never nothing.
pub(crate) fn scaled(number: u64, scale: f64) -> u64 {
    ((number as f64 * scale) as u64).max(1)
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not {text}\n{USAGE}"))
}

fn part(name: &str) -> Result<Part, String> {
    let found = Part::ALL.into_iter().find(|part| part.name() == name);
    found.ok_or_else(|| format!("no part is named {name}\n{USAGE}"))
}

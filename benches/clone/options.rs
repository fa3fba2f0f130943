//! What may be asked for on the command line of `scripts/bench clone`.

use crate::contender::{Contender, Kind};
use crate::data::DataSet;

const USAGE: &str =
    "usage: scripts/bench clone [--rounds N] [--sets pgbench,mixed,many] [--scale X] [--skip-peers] [--floor]
                           [--only TEXT]
  --rounds N      samples of each contender, of which medians are shown (3)
  --sets LIST     the data sets (all three)
  --scale X       rows times X: memory must not grow with it (1)
  --skip-peers    only ours
  --floor         also the raw copy of the rows by two streams into bare tables, without indexes
  --only TEXT     only contenders whose name contains TEXT";

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) sets: Vec<DataSet>,
    pub(crate) scale: f64,
    skip_peers: bool,
    floor: bool,
    only: String,
}

impl Options {
    /// Reads the words after the program's name; the error is text for the terminal.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            rounds: 3,
            sets: DataSet::ALL.to_vec(),
            scale: 1.0,
            skip_peers: false,
            floor: false,
            only: String::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--rounds" => options.rounds = number(&word, &value()?)?,
                "--sets" => options.sets = value()?.split(',').map(set).collect::<Result<_, _>>()?,
                "--scale" => options.scale = number(&word, &value()?)?,
                "--skip-peers" => options.skip_peers = true,
                "--floor" => options.floor = true,
                "--only" => options.only = value()?,
                _ => return Err(format!("unknown option {word}\n{USAGE}")),
            }
        }
        if options.rounds == 0 || !options.scale.is_finite() || options.scale <= 0.0 {
            return Err(format!("--rounds and --scale are greater than 0\n{USAGE}"));
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, contender: &Contender) -> bool {
        let kind = match contender.kind {
            Kind::Ours => true,
            Kind::Peer => !self.skip_peers,
            Kind::Floor => self.floor,
        };
        kind && contender.name.contains(&self.only)
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not {text}\n{USAGE}"))
}

fn set(name: &str) -> Result<DataSet, String> {
    let found = DataSet::ALL.into_iter().find(|set| set.name() == name);
    found.ok_or_else(|| format!("no data set is named {name}\n{USAGE}"))
}

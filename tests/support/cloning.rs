//! A clone by the real program: the command line that tests share, and what its events and its report say.

use serde_json::Value;

use super::binary::{Output, Running};
use super::{Binary, Database};

/// How a run with `--json` ended, and its events.
#[derive(Debug)]
pub struct Outcome {
    pub output: Output,
    pub events: Vec<Value>,
}

/// Runs a clone with `--json` to its end.
pub async fn clone(program: &Binary, from: &str, to: &str, more: &[&str]) -> Outcome {
    Outcome::of(program.run(&arguments(from, to, more)).await)
}

/// Starts a clone with `--json`.
pub fn start_clone(program: &Binary, from: &str, to: &str, more: &[&str]) -> Running {
    program.start(&arguments(from, to, more))
}

/// A clone of one database into another that succeeds, by a program of its own.
pub async fn clone_of(from: &Database<'_>, to: &Database<'_>, more: &[&str]) -> Outcome {
    clone(&Binary::new(), &from.url(), &to.url(), more).await.expect_code(0)
}

fn arguments<'a>(from: &'a str, to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["clone", "--json", "--no-input", "--from", from, "--to", to], more].concat()
}

impl Outcome {
    /// Takes a finished run; a line of its stdout that is no JSON fails the test.
    pub fn of(output: Output) -> Self {
        let events = output.events();
        Self { output, events }
    }

    /// Fails the test, with all that was printed, unless the exit code is this one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        self.output.expect_code(code);
        self
    }

    /// The data of every event of that name, in order.
    pub fn all(&self, event: &str) -> Vec<&Value> {
        self.events.iter().filter(|line| line["event"] == event).map(|line| &line["data"]).collect()
    }

    /// The run's report.
    #[track_caller]
    pub fn report(&self) -> &Value {
        self.all("job.report").pop().unwrap_or_else(|| panic!("no report\n{}", self.text()))
    }

    /// The id of the job, for `undo`.
    #[track_caller]
    pub fn job(&self) -> &str {
        self.report()["job"].as_str().unwrap()
    }

    /// The phases that began, in order.
    pub fn phases(&self) -> Vec<&str> {
        self.all("job.phase").into_iter().filter_map(|data| data["phase"].as_str()).collect()
    }

    /// The warnings with this code.
    pub fn warnings(&self, code: &str) -> Vec<&Value> {
        self.all("warning").into_iter().filter(|data| data["code"] == code).collect()
    }

    /// Why it failed: code, message and hint, from the job's last status or, before there is a job, the one line.
    #[track_caller]
    pub fn error(&self) -> &Value {
        let errors = self.events.iter().flat_map(|line| [&line["error"], &line["data"]["error"]]);
        errors.rev().find(|error| !error.is_null()).unwrap_or_else(|| panic!("no error\n{}", self.text()))
    }

    /// Fails the test unless the error says all of these words.
    #[track_caller]
    pub fn expect_error(&self, words: &[&str]) -> &Self {
        let error = self.error().to_string();
        for word in words {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
        self
    }

    /// The objects that the report calls skipped.
    pub fn skipped(&self) -> Vec<&str> {
        let skipped = self.report()["skipped"].as_array().unwrap();
        skipped.iter().filter_map(|entry| entry["object"].as_str()).collect()
    }

    /// Everything that it printed.
    pub fn text(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.output.stdout, self.output.stderr)
    }
}

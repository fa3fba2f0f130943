//! What a command line costs: this program starts itself as a process of its own, which does nothing but run the
//! line and ask the kernel, when it has ended, what it and everything it waited for used (getrusage(2), RUSAGE_CHILDREN).
//! What a server used meanwhile is in `support::usage`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// The first argument of the process of its own; the second is the file for the result, the rest the command.
pub(crate) const WORD: &str = "meter";

/// What the command and its children used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Of the largest single process: what several have at the same time is not known to the kernel.
    pub(crate) peak_kib: u64,
}

/// Runs the command, writes its [`Usage`] into the file and ends with its exit code.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let (result, command) = arguments.split_first().expect("a file and a command");
    let (program, arguments) = command.split_first().expect("a command");
    let start = Instant::now();
    let status = Command::new(program).args(arguments).status().expect("a command that can be started");
    let wall = start.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a kernel that answers getrusage");
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let mut text = String::new();
    write!(text, "{} {cpu} {}", wall.as_micros(), usage.max_rss()).unwrap();
    std::fs::write(result, text).expect("a file that can be written");
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// What [`main`] wrote.
pub(crate) fn read(result: &Path) -> Usage {
    let text = std::fs::read_to_string(result).unwrap();
    let mut numbers = text.split(' ').map(|word| word.parse::<u64>().unwrap());
    let mut next = || numbers.next().unwrap();
    Usage { wall: Duration::from_micros(next()), cpu: Duration::from_micros(next()), peak_kib: next() }
}

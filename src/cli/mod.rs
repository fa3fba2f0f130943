//! The command line.

use std::process::ExitCode;

/// Reads the command line and runs it.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}

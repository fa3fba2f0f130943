//! The `multiboard-sync` program: reads the command line, runs it, and turns the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    multiboard_sync::cli::main()
}

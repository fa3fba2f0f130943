//! What can be typed (interface.md §1): the global options and the list of commands.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{clean, clone, completions, diff, jobs, mirror, serve, token, undo, verify};

/// Clones PostgreSQL databases over the wire protocol, with proof and an undo.
#[derive(Debug, Parser)]
#[command(name = "multiboard-sync", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) globals: Globals,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 preflight failed, \
    4 a mirror needs a new copy, 5 a difference was found, 6 refused by the safety policy, 7 confirmation missing, 130 interrupted.";

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(super) struct Globals {
    /// Read this file instead of multiboard-sync.toml in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print events as JSON, one object a line, on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Do not use colors
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// Never ask; what would be asked for is an error
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// Log more: -v info, -vv debug, -vvv trace
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

impl Globals {
    /// Whether stderr takes colors (no-color.org: NO_COLOR set to anything but nothing turns them off).
    pub(super) fn colors(&self) -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        !self.no_color && !unwanted && std::io::stderr().is_terminal()
    }

    /// Whether a person can be asked.
    pub(super) fn can_ask(&self) -> bool {
        !self.no_input && !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy a whole database; the old one stays until the new one is whole, and is kept for `undo`
    Clone(clone::Arguments),
    /// Copy a whole database, then follow its source until stopped; started again it goes on where it stood
    Mirror(mirror::Mirror),
    /// Take a clone back: the database that it replaced takes its place again
    Undo(undo::Arguments),
    /// Show what earlier clones left behind on the destination, then remove it
    Clean(clean::Arguments),
    /// Compare two schemas, changing nothing
    Diff(diff::Arguments),
    /// Compare two databases, changing nothing
    Verify(verify::Arguments),
    /// List, show, watch, cancel and retry jobs: those of a server, or what this machine remembers
    Jobs(jobs::Arguments),
    /// Run the HTTP API, the live streams and the jobs that are asked for there, until stopped
    Serve(serve::Arguments),
    /// Say who may use the server of this data directory
    Token(token::Arguments),
    /// Print what a shell needs to complete these commands
    Completions(completions::Arguments),
}

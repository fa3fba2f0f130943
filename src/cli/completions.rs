//! `multiboard-sync completions`: what a shell needs to complete our commands.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Outcome, print};

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// For this shell; `source <(multiboard-sync completions bash)` tries it
    shell: For,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

/// Prints them.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    let shell = match arguments.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::Arguments::command(), "multiboard-sync", &mut script);
    print(&String::from_utf8_lossy(&script))
}

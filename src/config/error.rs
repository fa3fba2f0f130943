//! What can be wrong with the settings. No message shows a setting's value: it may be a password in the wrong place.

use std::path::PathBuf;

use crate::failure::{Classify, Exit, Failure};

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or `.env` cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line of a file.
    #[error("{} line {line}: {why}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A line of `.env`; its parser does not say which.
    #[error("{}: {why}", .path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A variable has a value that is no such setting.
    #[error("variable {name} ({place}): {why}")]
    Variable {
        /// The variable.
        name: String,
        /// The environment, or the `.env` file.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A name that no connection has.
    #[error("there is no connection \"{name}\"; {}", known_connections(.known))]
    NoSuchConnection {
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// `url_env` names a variable that is not set.
    #[error("connection \"{connection}\" takes its URL from variable {variable}, which is not set")]
    NoSuchVariable {
        /// The connection.
        connection: String,
        /// The variable.
        variable: String,
    },
    /// `url_file` cannot be read.
    #[error("connection \"{connection}\" takes its URL from {}, which cannot be read", .path.display())]
    UrlFile {
        /// The connection.
        connection: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Neither a file nor a home directory says where the data goes.
    #[error("there is no place for the job store: neither XDG_STATE_HOME nor HOME is set")]
    NoDataDir,
    /// `data_dir` cannot be made or used.
    #[error("cannot use data_dir {}", .path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others could replace files in `data_dir`.
    #[error("data_dir {} can be written to by other users (mode {mode:o})", .path.display())]
    DataDirIsShared {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        let usage = |code| Failure::operator(code, Exit::Usage);
        match self {
            Self::Unreadable { .. } => usage("config_unreadable"),
            Self::Line { .. } | Self::EnvFile { .. } | Self::Variable { .. } => {
                usage("config_invalid").hint("docs/configuration.md lists every setting")
            }
            Self::NoSuchConnection { name, .. } => usage("no_such_connection")
                .hint(format!("add [connections.{name}] to {}, or give a postgres:// URL", super::FILE_NAME)),
            Self::NoSuchVariable { variable, .. } => {
                usage("connection_variable_not_set").hint(format!("set {variable}, in .env for example"))
            }
            Self::UrlFile { .. } => usage("connection_file_unreadable"),
            Self::NoDataDir => usage("no_data_dir").hint("set MULTIBOARD_SYNC_DATA_DIR"),
            Self::DataDir { .. } => usage("data_dir_unusable"),
            Self::DataDirIsShared { path, .. } => {
                usage("data_dir_is_shared").hint(format!("run: chmod 700 {}", path.display()))
            }
        }
    }
}

fn known_connections(known: &[String]) -> String {
    match known.is_empty() {
        true => "none is configured".to_owned(),
        false => format!("there are: {}", known.join(", ")),
    }
}

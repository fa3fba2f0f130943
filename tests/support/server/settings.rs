//! What a test wants of a cluster of its own.

use super::Server;

/// What a private cluster has beyond the common settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(super) lines: Vec<(String, String)>,
    pub(super) hba: Option<String>,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) initdb: Vec<String>,
    pub(super) copied: Option<Copied>,
}

/// Where the files of a cluster come from that `initdb` does not make.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    pub(super) from: String,
    pub(super) standby: bool,
}

impl Settings {
    /// Nothing beyond the common ones.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of `postgresql.conf`; it wins over the common settings. `$FOLDER` stands for the folder of
    /// [`Settings::file`], where a setting wants an absolute path.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The whole `pg_hba.conf`.
    pub fn hba(mut self, text: &str) -> Self {
        self.hba = Some(text.to_owned());
        self
    }

    /// A file that only the server may read. In `postgresql.conf` its name is `../<name>`: paths there start at
    /// the data directory, and the file lies beside that.
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_owned()));
        self
    }

    /// One more option for `initdb`, without spaces; the last of a kind wins: `--locale=C`.
    pub fn initdb(mut self, option: &str) -> Self {
        self.initdb.push(option.to_owned());
        self
    }

    /// A copy of that server's files, with its system identifier, that goes its own way.
    pub fn copy_of(mut self, server: &Server) -> Self {
        self.copied = Some(Copied { from: server.url("postgres"), standby: false });
        self
    }

    /// A standby that follows that server.
    pub fn standby_of(mut self, server: &Server) -> Self {
        self.copied = Some(Copied { from: server.url("postgres"), standby: true });
        self
    }
}

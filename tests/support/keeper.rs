//! A shell that starts a server, waits until this process is gone, however it went, and clears up behind it.
//!
//! The shell reads a pipe whose only writer is this process. Drop, a normal exit, a panic and `kill -9` all close
//! the pipe; the shell then stops its server and removes its folder. It has a process group of its own, so Ctrl-C
//! on the terminal reaches it only through the pipe.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The running shell and its folder. Dropping it stops the server and waits until the folder is gone.
pub struct Keeper {
    shell: Child,
    folder: PathBuf,
}

/// The frame around `$START` and `$STOP`. The start's input and output are kept apart from the shell's own, else a
/// daemon that inherits them would hold our pipes open.
///
/// The end of this process may come before the shell has said that it started: a closed pipe must not end it then.
/// A signal that is meant to end it makes it clear up instead.
const FRAME: &str = r#"
trap '' PIPE
trap : HUP INT TERM
cd "$FOLDER" || exit 1
if eval "$START" >keeper.log 2>&1 </dev/null; then
    echo started 2>/dev/null
    read -r _
else
    echo failed
    cat keeper.log server.log 2>/dev/null
fi
eval "$STOP" >>keeper.log 2>&1 </dev/null
cd / && rm -rf "$FOLDER"
"#;

impl Keeper {
    /// Runs the shell command `start` in `folder` and, at the end, `stop`; both see `variables`.
    ///
    /// # Errors
    /// What `start` printed, when it did not succeed; everything is cleared up then.
    pub fn start(
        folder: Folder,
        start: &str,
        stop: &str,
        variables: &[(&str, &OsStr)],
    ) -> Result<Self, String> {
        let mut command = as_server_user("sh");
        command
            .args(["-c", FRAME])
            .env("FOLDER", folder.path())
            .env("START", start)
            .env("STOP", stop)
            .envs(variables.iter().copied())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut shell = command.spawn().map_err(|error| format!("cannot start sh: {error}"))?;
        // From here on the shell removes the folder.
        let folder = folder.keep();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        let mut word = String::new();
        output.read_line(&mut word).map_err(|error| error.to_string())?;
        let keeper = Self { shell, folder };
        if word.trim() == "started" {
            return Ok(keeper);
        }
        let mut text = String::new();
        output.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Err(text)
    }

    /// The server's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// A new folder that belongs to the user that servers run as, with a path short enough for a unix socket in it.
/// It is removed when dropped, unless a keeper has taken it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// Makes the folder.
    pub fn create() -> Self {
        // A socket's whole path must fit in 107 bytes (`sun_path`, unix(7)); some systems' TMPDIR is too long.
        let base = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() < 40);
        let folder = tempfile::Builder::new()
            .prefix("mbs-test-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(base.unwrap_or_else(|| PathBuf::from("/tmp")))
            .unwrap();
        give_to_server_user(folder.path());
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn keep(self) -> PathBuf {
        self.0.keep()
    }

    /// Writes a file only the server's user may read, as PostgreSQL wants it for keys; also into a folder below.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        let below = path.parent().filter(|parent| *parent != self.path());
        if let Some(below) = below {
            std::fs::create_dir_all(below).unwrap();
            give_to_server_user(below);
        }
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        give_to_server_user(&path);
    }
}

/// Makes the user that servers run as the owner of a file or folder.
pub fn give_to_server_user(path: &Path) {
    if let Some((uid, gid)) = server_user() {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    }
}

/// A command that runs as the user that servers run as, in an environment without `PG*` and locale settings.
pub fn as_server_user(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", std::env::var_os("PATH").unwrap_or_default());
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command
}

/// PostgreSQL refuses to run as root: then its own user, or nobody. `None` means the current user does.
pub fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("an account named postgres or nobody"))
}

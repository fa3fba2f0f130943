//! The real `multiboard-sync` program, in an environment and folder of its own.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longer than any test's clone on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// How the program is started: its folder holds `data_dir`, the configuration file, and HOME.
pub struct Binary {
    program: OsString,
    folder: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The NDJSON events on stdout. A line that is no JSON fails the test.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Fails the test, with all that was printed, unless the exit code is this one.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code (signal {:?})\nstdout:\n{}\nstderr:\n{}",
            self.signal,
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Binary {
    pub fn new() -> Self {
        Self::of(env!("CARGO_BIN_EXE_multiboard-sync"))
    }

    /// Another program in the same surroundings.
    pub fn of(program: &str) -> Self {
        Self { program: program.into(), folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// Writes `multiboard-sync.toml` into the working folder, where the program looks for it.
    pub fn config(self, toml: &str) -> Self {
        std::fs::write(self.folder.path().join("multiboard-sync.toml"), toml).unwrap();
        self
    }

    /// A variable of the environment. Beyond these the program sees only PATH, HOME and its data folder.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The working folder, which is also HOME: `.pgpass`, `.env` and the configuration file go here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where jobs are recorded.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).finish().await
    }

    /// Starts it. It is killed if the test ends first.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("MULTIBOARD_SYNC_DATA_DIR", self.data_dir())
            .env("RUST_BACKTRACE", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let mut readers = JoinSet::new();
        let stdout = collect(child.stdout.take().unwrap(), &mut readers);
        let stderr = collect(child.stderr.take().unwrap(), &mut readers);
        Running { child, pid, stdout, stderr, readers, seen: 0 }
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    pid: Pid,
    stdout: watch::Receiver<Vec<String>>,
    stderr: watch::Receiver<Vec<String>>,
    readers: JoinSet<()>,
    /// Lines of stdout that a wait has passed.
    seen: usize,
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for the next NDJSON event that `wanted` accepts and returns it. Events before it are passed over. The
    /// end of the program, and 3 minutes without it, fail the test with all that was printed.
    pub async fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.line(what, |line| serde_json::from_str(line).ok().filter(|event| wanted(event))).await
    }

    /// Waits for the next line of stdout from which `wanted` makes something, and returns that.
    pub async fn line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let fresh = self.stdout.borrow_and_update().get(self.seen..).unwrap_or_default().to_vec();
            for line in fresh {
                self.seen += 1;
                if let Some(found) = wanted(&line) {
                    return found;
                }
            }
            match tokio::time::timeout_at(deadline, self.stdout.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) if self.seen < self.stdout.borrow().len() => {}
                Ok(Err(_)) => panic!("the program ended without {what}\n{}", self.printed()),
                Err(_) => panic!("no {what} within {PATIENCE:?}\n{}", self.printed()),
            }
        }
    }

    /// What it has printed so far, for messages.
    pub fn printed(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout.borrow().join("\n"), self.stderr.borrow().join("\n"))
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) {
        kill_process(self.pid, Signal::INT).unwrap();
    }

    /// SIGTERM, as a service manager sends it.
    pub fn terminate(&self) {
        kill_process(self.pid, Signal::TERM).unwrap();
    }

    /// SIGSTOP: it does nothing until [`Running::goes_on`], and keeps what it has.
    pub fn stands_still(&self) {
        kill_process(self.pid, Signal::STOP).unwrap();
    }

    /// SIGCONT.
    pub fn goes_on(&self) {
        kill_process(self.pid, Signal::CONT).unwrap();
    }

    /// SIGKILL: no destructor runs. Nothing happens if it has just ended by itself: it is not reaped before
    /// [`Running::finish`], so the number is still its own.
    pub fn kill(&self) {
        kill_process(self.pid, Signal::KILL).unwrap();
    }

    /// Whether it has ended. Then no signal is to be sent any more: its number may be another's.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end. 3 minutes without one fail the test.
    pub async fn finish(mut self) -> Output {
        let Ok(status) = tokio::time::timeout(PATIENCE, self.child.wait()).await else {
            panic!("the program did not end within {PATIENCE:?}\n{}", self.printed())
        };
        let status = status.unwrap();
        while self.readers.join_next().await.is_some() {}
        let text = |lines: &watch::Receiver<Vec<String>>| {
            lines.borrow().iter().map(|line| format!("{line}\n")).collect()
        };
        Output {
            code: status.code(),
            signal: status.signal(),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
        }
    }
}

fn collect(
    from: impl AsyncRead + Unpin + Send + 'static,
    readers: &mut JoinSet<()>,
) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    readers.spawn(async move {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            sender.send_modify(|lines: &mut Vec<String>| lines.push(text));
            line.clear();
        }
    });
    receiver
}

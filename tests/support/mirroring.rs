//! A source, the place of its mirror on another server, and the program between them, by the command line alone.

use serde_json::Value;

use super::binary::Running;
use super::{Binary, Database, Outcome, Server, checksum, destination, eventually, source};

/// Counts the slots of the source's database.
pub const SLOTS: &str = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";

/// Counts its publications.
pub const PUBLICATIONS: &str = "SELECT count(*) FROM pg_publication";

/// A mirror named `m` that may be started.
pub struct Pair {
    pub from: Database<'static>,
    pub to: Database<'static>,
    pub program: Binary,
}

impl Pair {
    /// A source that holds what the statements make, and no destination yet; `None` where the servers cannot be had.
    pub async fn prepare(major: u16, hint: &str, statements: &str) -> Option<Self> {
        Self::prepare_on(source(major)?, hint, statements).await
    }

    /// [`Pair::prepare`] on a server of the test's own.
    pub async fn prepare_on(source: &'static Server, hint: &str, statements: &str) -> Option<Self> {
        Some(Self::between(source, destination(source.major())?, hint, statements).await)
    }

    /// [`Pair::prepare`] on two servers of the test's own.
    pub async fn between(
        source: &'static Server,
        destination: &'static Server,
        hint: &str,
        statements: &str,
    ) -> Self {
        let (from, to) = (source.database(hint).await, destination.absent_database(hint));
        from.execute(statements).await;
        Self { from, to, program: Binary::new() }
    }

    /// Connections will break in this test: what the servers say of that is announced.
    pub fn breaking(self) -> Self {
        for text in
            ["connection to client lost", "terminating connection", "unexpected EOF on client connection"]
        {
            self.from.announce(text);
            self.to.announce(text);
        }
        self
    }

    /// The program, begun.
    pub fn start(&self, more: &[&str]) -> Running {
        self.start_between(&self.from.url(), &self.to.url(), more)
    }

    /// [`Pair::start`] by other ways to the same servers.
    pub fn start_between(&self, from: &str, to: &str, more: &[&str]) -> Running {
        let arguments = ["mirror", "--json", "--no-input", "--name", "m", "--from", from, "--to", to];
        self.program.start(&[&arguments, more].concat())
    }

    /// Started, and following.
    pub async fn streaming(&self) -> Running {
        let mut running = self.start(&[]);
        streams(&mut running).await;
        running
    }

    /// The mirror as `mirror status` shows it.
    pub async fn status(&self) -> Value {
        let output = self.program.run(&["mirror", "status", "m", "--json"]).await;
        serde_json::from_str(&output.expect_code(0).stdout).unwrap()
    }

    /// Waits until `mirror status` shows what is wanted.
    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || {
            let status = self.status().await;
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
        .await
    }

    /// `mirror WORD m`, which succeeds; what it prints.
    pub async fn ask(&self, word: &str) -> String {
        self.program.run(&["mirror", word, "m"]).await.expect_code(0).stdout.clone()
    }

    /// Ends the mirror for good, and looks that nothing of it is left anywhere.
    pub async fn drop_mirror(&self) {
        self.ask("drop").await;
        self.nothing_on_the_source().await;
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'multiboard_sync'";
        assert_eq!(self.to.query_text(schemas).await, "0");
        assert_eq!(self.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
    }

    /// The source has neither slot nor publication.
    pub async fn nothing_on_the_source(&self) {
        assert_eq!(self.from.query_text(SLOTS).await, "0");
        assert_eq!(self.from.query_text(PUBLICATIONS).await, "0");
    }

    /// Waits until the tables of users hold the same rows on both sides.
    pub async fn same(&self, running: &Running) {
        let rows = async |database: &Database<'_>| {
            let mut lines = checksum::of(database).await;
            lines.retain(|line| !line.contains("multiboard_sync") && !line.starts_with("sequence"));
            lines
        };
        eventually("equal rows", async || {
            let (from, to) = (rows(&self.from).await, rows(&self.to).await);
            let printed = running.printed();
            let said = printed.lines().rev().filter(|line| !line.contains("progress")).take(8);
            let said = || said.collect::<Vec<_>>().join("\n");
            if from == to { Ok(()) } else { Err(format!("{from:#?}\n{to:#?}\n{}", said())) }
        })
        .await;
    }
}

/// Waits until it follows its source.
pub async fn streams(running: &mut Running) {
    running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
}

/// Stops it as Ctrl-C does.
pub async fn stop(running: Running) -> Outcome {
    running.interrupt();
    Outcome::of(running.finish().await)
}

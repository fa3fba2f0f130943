//! What PostgreSQL tests its own logical replication with, tried on a mirror: a test a scenario, on 15 and on 18.
//!
//! A name says where the scenario is from: `s010_..` is `src/test/subscription/t/010_truncate.pl`, `r019_..` is
//! `src/test/recovery/t/019_replslot_limit.pl`, `decoding_..` is a data set of `contrib/test_decoding`.

mod r010_failover;
mod r019_lost_slots;
mod r035_standby;
mod related;
mod s001_changes;
mod s002_types;
mod s004_joins;
mod s004_locked;
mod s004_standoff;
mod s004_sync;
mod s004_waiters;
mod s006_forms;
mod s006_meanings;
mod s006_schema_changes;
mod s010_truncate;
mod s012_keys;
mod s013_partitions;
mod s014_binary;
mod s015_streams;
mod s024_left_aside;
mod s024_publications;
mod s025_names;
mod s026_stats;
mod s028_parts;
mod s029_conflicts;
mod s030_origin;
mod s032_full;
mod s033_owner;
mod s035_conflicts;
mod s036_sequences;
mod s038_shutdown;
mod s100_bugs;
mod s100_rows;
mod values_kept;

use crate::support::binary::Running;
use crate::support::{
    Binary, Database, Outcome, Server, Settings, checksum, destination, eventually, source,
};

/// A source, a destination, and the program between them.
struct Mirror {
    from: Database<'static>,
    to: Database<'static>,
    program: Binary,
    running: Option<Running>,
    fences: u32,
}

/// Runs a scenario on 15 and on 18: both databases are there, `schema` is cloned, and the mirror streams. Afterwards it is
/// stopped and dropped, and nothing of it is left.
async fn scenario(hint: &str, schema: &str, what: impl AsyncFn(&mut Mirror)) {
    on_both(hint, schema, async |mirror| {
        mirror.start().await;
        what(mirror).await;
    })
    .await;
}

/// [`scenario`] in which the mirror has not been started.
async fn on_both(hint: &str, schema: &str, what: impl AsyncFn(&mut Mirror)) {
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare(major, hint, schema).await else { return };
        what(&mut mirror).await;
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

impl Mirror {
    async fn prepare(major: u16, hint: &str, schema: &str) -> Option<Self> {
        Some(Self::between(source(major)?, destination(major)?, hint, schema).await)
    }

    /// As [`Mirror::prepare`], from a server of the test's own; that ends with this process, as the shared ones do.
    async fn prepare_alone(major: u16, settings: Settings, hint: &str, schema: &str) -> Option<Self> {
        let source: &'static Server = Box::leak(Box::new(Server::with(major, settings)?));
        Some(Self::between(source, destination(major)?, hint, schema).await)
    }

    async fn between(
        source: &'static Server,
        destination: &'static Server,
        hint: &str,
        schema: &str,
    ) -> Self {
        let (from, to) = (source.database(hint).await, destination.absent_database(hint));
        from.execute("CREATE TABLE fence (n int PRIMARY KEY)").await;
        from.execute(schema).await;
        Self { from, to, program: Binary::new(), running: None, fences: 0 }
    }

    fn major(&self) -> u16 {
        self.from.server().major()
    }

    /// The program, begun; it may end in an error at once.
    fn begin(&self, more: &[&str]) -> Running {
        let (from, to) = (self.from.url(), self.to.url());
        let arguments = ["mirror", "--json", "--no-input", "--name", "m", "--from", &from, "--to", &to];
        self.program.start(&[&arguments, more].concat())
    }

    /// Starts it and waits until it streams.
    async fn start(&mut self) {
        let mut running = self.begin(&[]);
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        self.running = Some(running);
    }

    fn running(&mut self) -> Running {
        self.running.take().expect("a mirror that runs")
    }

    /// Stops it as Ctrl-C does.
    async fn stop(&mut self) -> Outcome {
        let running = self.running();
        running.interrupt();
        Outcome::of(running.finish().await).expect_code(0)
    }

    /// Waits for its end by itself, before it comes to what the source has to say next, in an error that says all of these
    /// words.
    async fn fails(&mut self, words: &[&str]) -> Outcome {
        let query = self.fence().await;
        let session = self.to.session().await;
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually("end of the mirror", async || {
            let goes_on = session.query_text(&query).await == "1";
            assert!(!goes_on, "the mirror went on\n{}", said(running));
            if running.is_over() { Ok(()) } else { Err(said(running)) }
        })
        .await;
        let outcome = Outcome::of(self.running().finish().await).expect_code(1);
        outcome.expect_error(words);
        outcome
    }

    /// Statements on the source.
    async fn source(&self, statements: &str) {
        self.from.execute(statements).await;
    }

    /// Statements on the destination, by somebody else.
    async fn destination(&self, statements: &str) {
        self.to.execute(statements).await;
    }

    /// Waits until what was committed on the source so far is here.
    async fn caught_up(&mut self) {
        let query = self.fence().await;
        let session = self.to.session().await;
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually("row of the fence", async || {
            assert!(!running.is_over(), "the mirror ended\n{}", said(running));
            if session.query_text(&query).await == "1" { Ok(()) } else { Err(said(running)) }
        })
        .await;
    }

    /// Writes the next row of the fence; the query answers 1 once it is on the destination.
    async fn fence(&mut self) -> String {
        self.fences += 1;
        let n = self.fences;
        self.from.execute(&format!("INSERT INTO fence VALUES ({n})")).await;
        format!("SELECT count(*) FROM fence WHERE n = {n}")
    }

    /// Waits until what was committed on the source is here; then every table holds the same rows.
    async fn same(&mut self) {
        self.caught_up().await;
        let (from, to) = (rows_of(&self.from).await, rows_of(&self.to).await);
        let differs =
            from.iter().find(|line| !to.contains(line)).or(to.iter().find(|line| !from.contains(line)));
        let Some(differs) = differs else { return };
        let mut name = differs.trim_start_matches("table ").split(':').next().unwrap().split('.');
        let mut part = || name.next().unwrap().trim_matches('"').to_owned();
        let (schema, table) = (part(), part());
        let (there, here) = (
            checksum::rows_of(&self.from, &schema, &table).await,
            checksum::rows_of(&self.to, &schema, &table).await,
        );
        panic!("{} differs: {}\nsource: {there:#?}\ndestination: {here:#?}", self.major(), differs);
    }

    /// The first value of a query on the destination.
    async fn here(&self, query: &str) -> String {
        self.to.query_text(query).await
    }

    /// Stops it, drops it, and looks that nothing is left.
    async fn end(mut self) {
        if self.running.is_some() {
            self.stop().await;
        }
        let (from, to) = (self.from.url(), self.to.url());
        self.program.run(&["mirror", "drop", "m", "--from", &from, "--to", &to]).await.expect_code(0);
        let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
        assert_eq!(self.from.query_text(slots).await, "0");
        let publications = "SELECT count(*) FROM pg_publication WHERE pubname ~ '^mbs_'";
        assert_eq!(
            (self.from.query_text(publications).await, self.here(publications).await),
            ("0".into(), "0".into())
        );
    }
}

/// The tables of users with their sums.
async fn rows_of(database: &Database<'_>) -> Vec<String> {
    let mut lines = checksum::of(database).await;
    lines.retain(|line| line.starts_with("table") && !line.contains("\"multiboard_sync\""));
    lines
}

/// What it printed last, without its progress.
fn said(running: &Running) -> String {
    let printed = running.printed();
    let lines: Vec<&str> =
        printed.lines().rev().filter(|line| !line.contains("\"progress\"")).take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

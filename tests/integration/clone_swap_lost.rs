//! A connection that breaks in the moment of the swap: what took place is found out, not guessed.

use serde_json::Value;

use crate::support::cloning::start_clone;
use crate::support::fault::{Armed, command_complete};
use crate::support::{Binary, Database, Fault, FaultProxy, Outcome, Point, checksum, destination, source};

const OLD: &str = "CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)";
const NEW: &str = "CREATE TABLE fresh (a int)";

/// A clone through a proxy that stands before its swap, which a session keeps waiting.
struct AtTheSwap {
    from: Database<'static>,
    to: Database<'static>,
    far: FaultProxy,
    program: Binary,
}

/// How the frame of the swap begins, after its length.
const SWAP: &[u8] = b"BEGIN; SET LOCAL lock_timeout = '10s'; ";

impl AtTheSwap {
    async fn prepare() -> Option<Self> {
        let (source, destination) = (source(15)?, destination(15)?);
        let (from, to) = (source.database("lost").await, destination.database("lost").await);
        from.execute(NEW).await;
        to.execute(OLD).await;
        Some(Self { from, to, far: FaultProxy::start(destination), program: Binary::new() })
    }

    /// Runs the clone with the fault armed when it waits before its swap.
    async fn clone_with(&self, fault: Fault) -> (Outcome, Armed) {
        let waiting = self.to.session().await;
        let more = ["--confirm", self.to.name()];
        let mut running = start_clone(&self.program, &self.from.url(), &self.far.url(self.to.name()), &more);
        let in_the_way = |line: &Value| line["data"]["code"] == "sessions_in_the_way";
        running.event("the wait before the swap", in_the_way).await;
        let armed = self.far.arm(fault);
        drop(waiting);
        (Outcome::of(running.finish().await), armed)
    }

    async fn is_new(&self) -> bool {
        checksum::has_relation(&self.to, "public", "fresh").await
    }

    async fn undo(&self, job: &str) {
        self.program.run(&["undo", job]).await.expect_code(0);
        assert_eq!(self.to.query_text("SELECT count(*) FROM old").await, "3");
    }
}

fn answer_lost() -> Fault {
    Fault::cut_before(Point::ServerSends(command_complete("COMMIT")))
}

#[tokio::test]
async fn a_swap_whose_answer_is_lost_is_a_success_and_can_be_undone() {
    let Some(test) = AtTheSwap::prepare().await else { return };
    let (outcome, armed) = test.clone_with(answer_lost()).await;
    let outcome = outcome.expect_code(0);
    assert!(armed.has_fired());
    assert!(test.is_new().await);
    assert_eq!(outcome.report()["undo"]["available"], true);
    // The undo's answer is lost too.
    let armed = test.far.arm(answer_lost());
    let to = test.far.url(test.to.name());
    let undone = test.program.run(&["undo", outcome.job(), "--to", &to]).await;
    undone.expect_code(0);
    assert!(armed.has_fired());
    assert_eq!(test.to.query_text("SELECT count(*) FROM old").await, "3");
    test.program.run(&["clean", "--of", &test.to.url()]).await.expect_code(0);
    assert_eq!(test.to.related_databases().await, [test.to.name()]);
}

#[tokio::test]
async fn a_swap_that_never_arrived_is_tried_again() {
    let Some(test) = AtTheSwap::prepare().await else { return };
    let (outcome, armed) = test.clone_with(Fault::cut_before(Point::ClientSends(SWAP.to_vec()))).await;
    let outcome = outcome.expect_code(0);
    assert!(armed.has_fired());
    assert!(!outcome.warnings("repeated").is_empty(), "{}", outcome.text());
    assert!(test.is_new().await);
    test.undo(outcome.job()).await;
}

#[tokio::test]
async fn where_the_server_stays_away_the_swap_is_in_doubt_and_clean_finds_out() {
    let Some(test) = AtTheSwap::prepare().await else { return };
    let (outcome, armed) = test.clone_with(answer_lost().on_all_connections().then_refuse()).await;
    let outcome = outcome.expect_code(1);
    assert!(armed.has_fired());
    outcome.expect_error(&["swap_in_doubt", test.to.name()]);
    test.far.accept();
    assert!(test.is_new().await, "the COMMIT took place");
    test.program.run(&["clean", "--of", &test.to.url()]).await.expect_code(0);
    assert!(test.is_new().await);
    let kept = test.to.related_databases().await;
    assert_eq!(kept.len(), 2, "{kept:?}");
    // Once the record is right, the next clone drops what is one too many.
    let more = ["--confirm", test.to.name(), "--keep-old", "1"];
    let next = start_clone(&test.program, &test.from.url(), &test.to.url(), &more);
    Outcome::of(next.finish().await).expect_code(0);
    let now = test.to.related_databases().await;
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(!now.iter().any(|name| name != test.to.name() && kept.contains(name)), "{kept:?} {now:?}");
}

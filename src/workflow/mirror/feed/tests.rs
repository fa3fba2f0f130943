//! What the one that feeds hears while it takes frames in.

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Destination, Feed, Joining, Standing};
use crate::change::members::Members;
use crate::engine::replicate::stream::{Frame, Received, Stream};
use crate::engine::spill::Spill;
use crate::pg::Lsn;
use crate::pg::pgoutput::{Content, Message, Within, encode};
use crate::tasks::TaskGroup;
use crate::workflow::mirror::aside::Aside;
use crate::workflow::mirror::queue::Hold;
use crate::workflow::mirror::skips::Skips;

/// A frame of which nothing goes to the destination.
fn of_others() -> Bytes {
    let content = Bytes::from(vec![b'x'; 300]);
    let content =
        Content::Message { transactional: false, lsn: Lsn::ZERO, prefix: "others".to_owned(), content };
    let mut frame = BytesMut::new();
    encode(&Message::Within(Within { xid: None, content }), &mut frame);
    frame.freeze()
}

/// No work interrupts it, and it never runs out of frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_heard_while_frames_keep_coming() {
    const FRAMES: u64 = 400_000;
    let data = of_others();
    let frames =
        (1..=FRAMES).map(|at| Received::Message(Frame { wal_start: Lsn::from_u64(at), data: data.clone() }));
    let stream = Stream::of(std::iter::once(Received::Begun).chain(frames));
    let folder = tempfile::tempdir().unwrap();
    let spill = async |name| Spill::open(folder.path().join(name)).await.unwrap();
    let aside = Aside::new(Members::default(), Skips::new(Vec::new(), Lsn::ZERO), spill("aside").await);
    let ((_asks, asks), (left, _joins)) = (mpsc::channel(1), mpsc::unbounded_channel());
    let (_wanted, hold) = watch::channel(Hold::Off);
    let (standing, mut stands) = watch::channel(Standing::default());
    let joining = Joining { asks, left };
    let feed = Feed::new(stream, spill("spill").await, Lsn::ZERO, aside, joining, hold, standing);
    let ((work, _to_do), (done, written)) = (mpsc::channel(1), mpsc::unbounded_channel());
    let stop = CancellationToken::new();
    let (stopping, mut begun) = (stop.clone(), stands.clone());
    let mut asking: TaskGroup<(), ()> = TaskGroup::new(&CancellationToken::new());
    asking.spawn("stop", async move {
        begun.wait_for(|standing| standing.begun).await.unwrap();
        stopping.cancel();
        drop(done);
        Ok(())
    });
    feed.run(Destination { work, written }, &stop).await.unwrap();
    asking.join().await.unwrap();
    let received = stands.borrow_and_update().received;
    assert!(received < Lsn::from_u64(FRAMES), "it took in all that there was before it stopped");
}

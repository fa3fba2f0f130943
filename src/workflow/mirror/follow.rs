//! Follows the source: takes what has come, writes it in batches, confirms what is durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::aside::Aside;
use super::diary::Diary;
use super::feed::{self, Feed, Standing};
use super::gauge::Gauge;
use super::hold::Holds;
use super::join::Join;
use super::skips::Skips;
use super::snapshot::Making;
use super::{Request, newcomers, replaced, sequences, write};
use crate::change::members::Members;
use crate::change::positions::{self, Decision, Reason};
use crate::connect::{RawConnection, Settings};
use crate::engine::apply::checkpoint::{self, Checkpoint};
use crate::engine::apply::types::Types;
use crate::engine::apply::writer::Writer;
use crate::engine::apply::{self, membership, skips};
use crate::engine::replicate::{self, publication, slot, stream};
use crate::engine::spill::Spill;
use crate::failure::{Classify, Next};
use crate::pg::Oid;
use crate::tasks::{Ended, TaskGroup};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result, clone, stoppable};

/// Pauses between attempts at a connection.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What every session of a mirror has to do with.
struct With<'a> {
    request: &'a Request,
    context: &'a clone::Context,
    source: &'a Source,
    destination: &'a Destination,
    diary: &'a Diary,
    gauge: &'a Gauge,
    holds: &'a Holds,
}

/// Follows until stopped, over as many connections as it takes.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    diary: &Diary,
    gauge: &Gauge,
    holds: &Holds,
) -> Result<()> {
    let with = With { request, context, source, destination, diary, gauge, holds };
    let mut pause = FIRST_PAUSE;
    let mut binary = true;
    // Types that the source made after its types were read.
    let mut made = Vec::new();
    loop {
        let (began, applied) = (Instant::now(), gauge.now().transactions());
        let error = match once(&with, binary, &made).await {
            Ok(()) => return Ok(()),
            Err(Error::Apply(apply::Error::TypeUnknown { table, oid })) if !made.contains(&oid) => {
                tracing::info!(%table, oid, "the source has made a type: its types are read again");
                made.push(oid);
                continue;
            }
            Err(Error::Apply(apply::Error::NotInBinary { table, column })) if binary => {
                tracing::info!(%table, %column, "a column's type is another one here: values come as text from now on");
                binary = false;
                continue;
            }
            Err(error) if error.classify().next != Next::Retry => return Err(error),
            Err(error) => error,
        };
        // A way that breaks again and again, and carries something each time, is taken again at once.
        if gauge.now().transactions() > applied || began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        diary.connects_again(&error)?;
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Over one pair of connections.
async fn once(with: &With<'_>, binary: bool, made: &[Oid]) -> Result<()> {
    let With { request, context, source, destination, diary, gauge, holds } = *with;
    let stopped = "the mirror stopped where its checkpoint stands";
    let connecting = async {
        let session = destination.connect(destination.grant.database()).await?;
        checkpoint::lock(session.client(), &request.name).await?;
        let found = checkpoint::read(session.client(), &request.name).await?;
        let from = found.ok_or(Reason::NoCheckpoint)?;
        let Ready { walsender, binary: can, types } = walsender(request, source, &from, made).await?;
        let binary = binary && can;
        // No other process applies it: the folder is ours.
        let folder = request.spill.join(request.slot().as_str());
        let aside = Spill::open(folder.join("aside")).await?;
        let spill = Spill::open(folder).await?;
        let members = membership::read(session.client(), &request.name).await?;
        let skips = Skips::new(skips::read(session.client(), &request.name).await?);
        let on_conflict = request.on_conflict;
        let writer =
            Writer::new(session, request.name.clone(), from.lsn, on_conflict, Arc::clone(&types)).await?;
        Ok((writer, (walsender, binary, types), spill, (members, aside, skips)))
    };
    let (writer, (walsender, binary, types), spill, (members, aside, skips)) =
        match stoppable(&context.stop, stopped, connecting).await {
            Err(Error::Interrupted(_)) => return Ok(()),
            connected => connected?,
        };
    let mut tasks: TaskGroup<(), Error> = TaskGroup::new(&context.stop);
    let name = request.slot();
    let at = writer.at();
    // Not the group's own: when it is stopped the last batch is confirmed first.
    let reading_stops = CancellationToken::new();
    let (stream, reading) = stream::stream(walsender, &name, &name, at, binary, reading_stops.clone());
    tasks.spawn("stream", async move { Ok(reading.run().await?) });
    let (work, to_do) = mpsc::channel(1);
    let (done, written) = mpsc::unbounded_channel();
    tasks.spawn("write", write::write(writer, to_do, done));
    let (stop, stopping) = (tasks.stop(), tasks.stop());
    let (standing, stands) = watch::channel(Standing::default());
    let (asks, asked) = mpsc::channel(1);
    let (left, joins) = mpsc::unbounded_channel();
    let stands_aside =
        members.iter().filter(|(_, follows)| !follows).map(|(member, _)| member.clone()).collect();
    let _ = left.send(stands_aside);
    let members = Members::new(members.into_iter().map(|(member, follows)| (member.oid, follows)));
    let joining = feed::Joining { asks: asked, left };
    let aside = Aside::new(members, skips, aside);
    let feed = Feed::new(stream, spill, at, aside, joining, holds.wanted.clone(), standing);
    tasks.spawn("feed", async move {
        let fed = feed.run(feed::Destination { work, written }, &stop).await;
        reading_stops.cancel();
        fed
    });
    let over = CancellationToken::new();
    let streaming = async {
        let ended = tasks.join().await;
        over.cancel();
        ended
    };
    let joining = async {
        let (asks, reporter, making) = (asks.clone(), &context.reporter, Making::default());
        let join = Join { request, source, destination, types, asks, reporter, making };
        let joined = join.follow(joins, &over).await;
        if joined.is_err() {
            stopping.cancel();
        }
        joined
    };
    let columns = async {
        let looked = replaced::follow(request, source, destination, &over).await;
        if looked.is_err() {
            stopping.cancel();
        }
        looked
    };
    let connected = async {
        tokio::select! {
            () = over.cancelled() => {}
            () = gauge.streams() => diary.change(|standing| standing.waits = None),
        }
    };
    let (ended, joined, looked, (), (), (), (), ()) = tokio::join!(
        streaming,
        joining,
        columns,
        newcomers::follow(request, context, source, destination, asks.clone(), &over),
        holds.tell(stands.clone()),
        sequences::follow(context, source, destination, stands.clone(), &over),
        gauge.follow(stands),
        connected
    );
    match ended {
        Ok(_) => joined.and(looked),
        Err(Ended::Failed(error)) => Err(error),
        Err(Ended::Panicked(text)) => Err(Error::Defect(text)),
    }
}

/// The source, ready to stream.
struct Ready {
    walsender: RawConnection,
    /// Values can come in binary form.
    binary: bool,
    types: Arc<Types>,
}

/// A walsender at the slot, which has to be where the checkpoint needs it; and what is to be known of the source.
async fn walsender(request: &Request, source: &Source, from: &Checkpoint, made: &[Oid]) -> Result<Ready> {
    let options = request.walsender(&source.party);
    let mut walsender = RawConnection::replication(&options, &Settings::default()).await?;
    let system = slot::identify(&mut walsender).await?;
    let session = crate::connect::source(&source.party.options, &Settings::default()).await?;
    let standing = slot::look(&session, &from.slot).await?;
    let whose = standing.as_ref().and_then(|slot| slot.active_application.clone());
    let free = slot::free(&session, &from.slot, &options.application_name).await?;
    let binary = publication::goes_in_binary(&session, &request.slot()).await?;
    let types = Types::of_all_tables(session.client(), made).await.map_err(|error| session.error(error))?;
    session.close().await;
    if !free {
        let who = whose.unwrap_or_default();
        return Err(replicate::Error::InUse { slot: from.slot.clone(), who }.into());
    }
    let checkpoint = positions::Checkpoint {
        lsn: from.lsn,
        slot: from.slot.clone(),
        system_identifier: from.system_identifier.clone(),
        timeline: from.timeline,
    };
    let slot = standing.map(|standing| standing.slot);
    match positions::start(request.slot().as_str(), &system, slot.as_ref(), Some(&checkpoint)) {
        Decision::Start { at_risk, .. } => {
            if at_risk {
                tracing::warn!(slot = from.slot, "the source may soon remove log that the mirror needs");
            }
            Ok(Ready { walsender, binary, types: Arc::new(types) })
        }
        Decision::ResyncRequired(reason) => Err(reason.into()),
    }
}

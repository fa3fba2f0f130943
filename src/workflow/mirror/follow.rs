//! Follows the source: takes what has come, writes it in batches, confirms what is durable.

use std::time::{Duration, Instant};

use super::Request;
use super::gather::Gather;
use super::sequences;
use crate::connect::{RawConnection, Settings};
use crate::engine::apply::checkpoint::{self, Checkpoint};
use crate::engine::apply::writer::Writer;
use crate::engine::replicate::stream::{self, Received, Stream};
use crate::engine::replicate::{self, slot};
use crate::failure::{Classify, Next, chain};
use crate::pg::Lsn;
use crate::progress::{Phase, Warning};
use crate::tasks::{Ended, TaskGroup};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result, clone, stoppable};

/// A batch is written when so many changes, or bytes of them, have come; and at once when nothing more is there.
const CHANGES: usize = 20_000;
const BYTES: usize = 16 << 20;

/// How often the checkpoint is moved, at most, while the source has nothing for us.
const IDLE: Duration = Duration::from_secs(10);

/// Pauses between attempts at a connection.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Follows until stopped, over as many connections as it takes.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let error = match once(request, context, source, destination).await {
            Ok(()) => return Ok(()),
            Err(error) if error.classify().next != Next::Retry => return Err(error),
            Err(error) => error,
        };
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let message = format!("connecting again after: {}", chain(&error));
        context.reporter.warn(Warning::new("mirror_reconnects", message));
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Over one pair of connections.
async fn once(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
) -> Result<()> {
    let stopped = "the mirror stopped where its checkpoint stands";
    let connecting = async {
        let session = destination.connect(destination.grant.database()).await?;
        checkpoint::lock(session.client(), &request.name).await?;
        let found = checkpoint::read(session.client(), &request.name).await?;
        let from = found.ok_or_else(|| unfit(request, "the destination has no checkpoint of this mirror"))?;
        let walsender = walsender(request, source, &from).await?;
        Ok((Writer::new(session, request.name.clone(), from.lsn).await?, walsender))
    };
    let (writer, walsender) = match stoppable(&context.stop, stopped, connecting).await {
        Err(Error::Interrupted(_)) => return Ok(()),
        connected => connected?,
    };
    let mut tasks: TaskGroup<(), Error> = TaskGroup::new(&context.stop);
    let name = request.slot();
    // Not the group's own: when it is stopped the last batch is confirmed first.
    let reading_stops = tokio_util::sync::CancellationToken::new();
    let (stream, reading) = stream::stream(walsender, &name, &name, writer.at(), reading_stops.clone());
    tasks.spawn("stream", async move { Ok(reading.run().await?) });
    let stop = tasks.stop();
    let reporter = context.reporter.clone();
    tasks.spawn("apply", async move {
        let applied = apply(stream, writer, &stop, &reporter).await;
        reading_stops.cancel();
        applied
    });
    let over = tokio_util::sync::CancellationToken::new();
    let streaming = async {
        let ended = tasks.join().await;
        over.cancel();
        ended
    };
    let (ended, ()) = tokio::join!(streaming, sequences::follow(context, source, destination, &over));
    match ended {
        Ok(_) => Ok(()),
        Err(Ended::Failed(error)) => Err(error),
        Err(Ended::Panicked(text)) => Err(Error::Defect(text)),
    }
}

/// A walsender at the slot, which has to be where the checkpoint needs it.
async fn walsender(request: &Request, source: &Source, from: &Checkpoint) -> Result<RawConnection> {
    let options = request.walsender(&source.party);
    let mut walsender = RawConnection::replication(&options, &Settings::default()).await?;
    let system = slot::identify(&mut walsender).await?;
    let session = crate::connect::source(&source.party.options, &Settings::default()).await?;
    let standing = slot::look(&session, &from.slot).await?;
    let whose = standing.as_ref().and_then(|slot| slot.active_application.clone());
    let free = slot::free(&session, &from.slot, &options.application_name).await?;
    session.close().await;
    if !free {
        let who = whose.unwrap_or_default();
        return Err(replicate::Error::InUse { slot: from.slot.clone(), who }.into());
    }
    if system.identifier != from.system_identifier || system.timeline != from.timeline {
        return Err(unfit(request, "the source is another cluster, or was promoted or restored since"));
    }
    let standing = standing.ok_or_else(|| unfit(request, "the source has it no more"))?;
    if standing.wal_status == "lost" {
        return Err(unfit(request, "the source has removed log that it needs"));
    }
    if standing.confirmed > from.lsn {
        let why = format!(
            "it has confirmed {}, and the destination's checkpoint is at {}: what lies between is not here",
            standing.confirmed, from.lsn
        );
        return Err(unfit(request, &why));
    }
    Ok(walsender)
}

fn unfit(request: &Request, why: &str) -> Error {
    replicate::Error::Unfit { slot: request.slot().as_str().to_owned(), why: why.to_owned() }.into()
}

/// Takes, writes and confirms until stopped or until the stream ends; what is whole by then is written.
async fn apply(
    mut stream: Stream,
    mut writer: Writer,
    stop: &tokio_util::sync::CancellationToken,
    reporter: &crate::progress::Reporter,
) -> Result<()> {
    let mut gather = Gather::default();
    let mut idle = Idle { reached: writer.at(), moved: Instant::now() };
    loop {
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            first = stream.next() => first,
        };
        let Some(first) = first else { break };
        let mut next = Some(first);
        while let Some(received) = next {
            match received {
                Received::Begun => reporter.phase(Phase::Streaming),
                Received::Message { message, bytes } => gather.add(message, bytes, &writer).await?,
                Received::Reached(lsn) if gather.is_empty() => idle.reached = idle.reached.max(lsn),
                Received::Reached(_) => {}
            }
            if let Some(last) = gather.take_last() {
                writer.piece(&last.changes, last.end_lsn).await?;
                writer.finish(last.end_lsn, last.committed_at).await?;
                stream.confirm(writer.at());
            }
            let (changes, bytes) = gather.held();
            if changes >= CHANGES || bytes >= BYTES {
                write(&mut gather, &mut writer, &stream).await?;
                if let Some((part, commit_lsn)) = gather.take_part() {
                    writer.piece(&part, commit_lsn).await?;
                }
            }
            next = stream.ready();
        }
        if !gather.is_in_parts() {
            write(&mut gather, &mut writer, &stream).await?;
        }
        if gather.is_empty() && idle.is_due(writer.at()) {
            writer.move_to(idle.reached).await?;
            stream.confirm(writer.at());
            idle.moved = Instant::now();
        }
        reporter.operation(format!("streaming, applied up to {}", writer.at()));
    }
    if gather.is_empty() && idle.reached > writer.at() {
        writer.move_to(idle.reached).await?;
        stream.confirm(writer.at());
    }
    Ok(())
}

async fn write(gather: &mut Gather, writer: &mut Writer, stream: &Stream) -> Result<()> {
    let batch = gather.take();
    if !batch.is_empty() {
        writer.write(&batch).await?;
        stream.confirm(writer.at());
    }
    Ok(())
}

/// How far the source is beyond what it had for us.
struct Idle {
    reached: Lsn,
    moved: Instant,
}

impl Idle {
    fn is_due(&self, at: Lsn) -> bool {
        self.reached > at && self.moved.elapsed() >= IDLE
    }
}

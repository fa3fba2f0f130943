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
use super::leave::{Left, leave};
use super::skips::Skips;
use super::snapshot::Underway;
use super::{Request, newcomers, replaced, sequences, write};
use crate::change::given;
use crate::change::members::{Members, Stand};
use crate::change::positions::{self, Decision, Reason};
use crate::connect::{self, Encoding, RawConnection, Settings};
use crate::engine::apply::checkpoint::{self, Checkpoint};
use crate::engine::apply::right::{self, Holder};
use crate::engine::apply::types::Types;
use crate::engine::apply::unlike::Unlike;
use crate::engine::apply::writer::Writer;
use crate::engine::apply::{self, membership, shape, skips};
use crate::engine::replicate::given::Published;
use crate::engine::replicate::silence::Patience;
use crate::engine::replicate::{self, columns, publication, slot, stream};
use crate::engine::spill::Spill;
use crate::failure::{Classify, Next, chain};
use crate::pg::{Ident, Oid};
use crate::progress::Warning;
use crate::tasks::{Ended, TaskGroup};
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Error, Result, clone, stoppable};

/// Pauses between attempts at a connection.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is to be known of a source with thousands of tables takes seconds.
const ANSWERS: Duration = Duration::from_secs(120);

/// What every session of a mirror has to do with.
pub(super) struct With<'a> {
    pub(super) request: &'a Request,
    pub(super) context: &'a clone::Context,
    pub(super) source: &'a Party,
    pub(super) destination: &'a Destination,
    pub(super) diary: &'a Diary,
    gauge: &'a Gauge,
    holds: &'a Holds,
}

/// Follows until stopped, over as many connections as it takes.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Party,
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
    // Sessions without any progress whose source did not answer, one after the other.
    let mut silences = 0;
    let mut holder = None;
    loop {
        let (began, before) = (Instant::now(), gauge.now());
        let once = once(&with, binary, &made, silences, &mut holder).await;
        let is_silent = matches!(once, Err(Error::Replicate(replicate::Error::Silent { .. })));
        silences = if is_silent && gauge.now().settled() == before.settled() { silences + 1 } else { 0 };
        let error = match once {
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
            Err(Error::Replicate(error @ replicate::Error::NoBinaryForm { .. })) if binary => {
                tracing::info!(error = %chain(&error), "a column has come without a binary form: values come as text from now on");
                binary = false;
                continue;
            }
            // By now the publication sends columns that the source computes.
            Err(Error::Apply(apply::Error::Unlike { table, id, unlike }))
                if is_sent(&with, id, &unlike).await =>
            {
                tracing::info!(%table, "columns that the source computes are sent: they are read again");
                continue;
            }
            // What is not to be had whole contradicts what is here: copies of those tables are made first.
            Err(Error::Apply(error)) if is_given_anew(&with).await => {
                tracing::info!(error = %chain(&error), "tables were given anew by the publication");
                continue;
            }
            Err(error) if error.classify().next != Next::Retry => return Err(unless_lost(&with, error).await),
            Err(error) => error,
        };
        // A way that breaks again and again, and carries something each time, is taken again at once.
        if gauge.now().transactions() > before.transactions() || began.elapsed() > LONGEST_PAUSE {
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

/// Whether columns that are computed here alone, as far as is known, are computed on the source and sent. Where that cannot be
/// found out, they are not.
async fn is_sent(with: &With<'_>, id: Oid, unlike: &Unlike) -> bool {
    if unlike.computed.is_empty() {
        return false;
    }
    let looking = async {
        let there = connect::source(&with.source.options, &Settings::default()).await?;
        let tables = newcomers::kept(with.request, &there).await?.map(|published| published.tables);
        let computed = columns::computed(&there, &tables.unwrap_or_default()).await?;
        there.close().await;
        let is_sent = |column: &Ident| computed.contains(&(id, column.as_str().to_owned()));
        Result::Ok(unlike.computed.iter().all(is_sent))
    };
    answered(looking).await.unwrap_or(false)
}

/// Whether tables that follow were out of the publication for a while, or give other rows and columns by now. Where that
/// cannot be found out, they were not.
async fn is_given_anew(with: &With<'_>) -> bool {
    let looking = async {
        let there = connect::source(&with.source.options, &Settings::default()).await?;
        let published = newcomers::kept(with.request, &there).await?;
        there.close().await;
        let here = with.destination.connect(with.destination.grant.database()).await?;
        let recorded = membership::read(here.client(), &with.request.name).await?;
        here.close().await;
        Result::Ok(published.is_some_and(|now| !given::became(&recorded, &now.tables).again.is_empty()))
    };
    answered(looking).await.unwrap_or(false)
}

/// The error, or what lies behind it: a slot may go, or be given up, between the look at it and its use. Then servers say in
/// different words that it cannot be used; and a publication of the mirror's own has its name.
async fn unless_lost(with: &With<'_>, error: Error) -> Error {
    let Error::Replicate(replicate::Error::Source { .. } | replicate::Error::PublicationGone { .. }) = &error
    else {
        return error;
    };
    let slot = with.request.slot().as_str().to_owned();
    let looking = async {
        let session = connect::source(&with.source.options, &Settings::default()).await?;
        let found = slot::look(&session, &slot).await?;
        session.close().await;
        Result::Ok(found.map(|found| found.slot.invalidated()))
    };
    match answered(looking).await {
        Ok(None) => Reason::NoSlot(slot).into(),
        Ok(Some(Some(why))) => Reason::SlotLost { slot, why }.into(),
        Ok(Some(None)) | Err(_) => error,
    }
}

/// Over one pair of connections. `holder` is the session that wrote the last time.
async fn once(
    with: &With<'_>,
    binary: bool,
    made: &[Oid],
    silences: u32,
    holder: &mut Option<Holder>,
) -> Result<()> {
    let With { request, context, source, destination, diary, gauge, holds } = *with;
    let stopped = "the mirror stopped where its checkpoint stands";
    let connecting = async {
        let session = destination.connect(destination.grant.database()).await?;
        let backend = (session.backend_pid(), session.cancel_handle());
        *holder = Some(right::take(session.client(), &request.name, holder.as_ref()).await?);
        let found = checkpoint::read(session.client(), &request.name).await?;
        let from = found.ok_or(Reason::NoCheckpoint)?;
        let Ready { walsender, patience, binary: can, types, published } =
            answered(walsender(request, source, &from, made)).await?;
        let (binary, patience) = (binary && can, patience.after(silences));
        // No other process applies it: the folder is ours.
        let folder = request.spill.join(request.slot().as_str());
        let aside = Spill::open(folder.join("aside")).await?;
        let spill = Spill::open(folder).await?;
        shape::renew(session.client()).await?;
        let read = shape::read_again(session.client(), &request.name, &published.tables).await?;
        if read > 0 {
            context.reporter.warn(renewed(read));
        }
        membership::nobody_joins(session.client(), &request.name).await?;
        let mut members = membership::read(session.client(), &request.name).await?;
        // Before the stream brings changes that are not to be had whole.
        let again = given::became(&members, &published.tables).again;
        if !again.is_empty() {
            membership::stand_aside(session.client(), &request.name, &again).await?;
            members = membership::read(session.client(), &request.name).await?;
        }
        answered(replaced::before(request, source, session.client())).await?;
        let skips = Skips::new(skips::read(session.client(), &request.name).await?, from.lsn);
        let on_conflict = request.on_conflict.unwrap_or_default();
        let writer =
            Writer::new(session, request.name.clone(), from.lsn, on_conflict, Arc::clone(&types)).await?;
        Ok(((writer, backend), (walsender, patience, binary, types), spill, (members, aside, skips)))
    };
    let ((writer, (backend, writing)), (walsender, patience, binary, types), spill, (members, aside, skips)) =
        match stoppable(&context.stop, stopped, connecting).await {
            Err(Error::Interrupted(_)) => return Ok(()),
            connected => connected?,
        };
    let mut tasks: TaskGroup<(), Error> = TaskGroup::new(&context.stop);
    let name = request.slot();
    let at = writer.at();
    // Not the group's own: when it is stopped the last batch is confirmed first.
    let reading_stops = CancellationToken::new();
    // What was known of the source is older than this session with it.
    gauge.source_leaves(false);
    let publication = request.publication();
    let wanted = stream::Wanted { slot: &name, publication: &publication, from: at, binary, patience };
    let (stream, reading) = stream::stream(walsender, wanted, gauge.leaves(), reading_stops.clone());
    tasks.spawn("stream", async move { Ok(reading.run().await?) });
    let (work, to_do) = mpsc::channel(1);
    let (done, written) = mpsc::unbounded_channel();
    tasks.spawn("write", write::write(writer, to_do, done));
    let (stop, stopping) = (tasks.stop(), tasks.stop());
    let (standing, stands) = watch::channel(Standing { backend: Some(backend), ..Standing::default() });
    let (asks, asked) = mpsc::channel(1);
    let (left, joins) = mpsc::unbounded_channel();
    let stands_aside = members.iter().filter(|one| one.stand == Stand::Aside);
    let _ = left.send(stands_aside.map(|one| one.member.clone()).collect());
    let members = Members::new(members.into_iter().map(|one| (one.member.oid, one.stand)));
    let joining = feed::Joining { asks: asked, left };
    let aside = Aside::new(members, skips, aside);
    let feed = Feed::new(stream, spill, at, aside, joining, holds.wanted.clone(), standing);
    tasks.spawn("feed", async move {
        let fed = feed.run(feed::Destination { work, written }, &stop).await;
        reading_stops.cancel();
        stop.cancel();
        fed
    });
    let (over, broken_off) = (CancellationToken::new(), gauge.broken_off());
    let streaming = async {
        let ended = leave(tasks.join(), broken_off, &stopping, &writing).await;
        over.cancel();
        ended
    };
    let joining = async {
        let (asks, reporter) = (asks.clone(), &context.reporter);
        let (making, writing) = (Underway::default(), Underway::default());
        let join = Join { request, source, destination, types, asks, reporter, diary, making, writing };
        // Before the others: what is written may wait for what is copied.
        let joined = join.follow(joins, &stopping).await;
        if joined.is_err() {
            stopping.cancel();
        }
        joined
    };
    let watched = stands.clone();
    let columns = async {
        let looked = replaced::follow(request, source, destination, watched, &over).await;
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
        newcomers::follow(with, asks.clone(), stands.clone(), &over),
        holds.tell(stands.clone()),
        sequences::follow(request, context, source, destination, stands.clone(), &over),
        gauge.follow(stands),
        connected
    );
    match ended {
        Left::Ended(Ok(_)) => joined.and(looked),
        Left::Ended(Err(Ended::Failed(error))) => Err(error),
        Left::Ended(Err(Ended::Panicked(text))) => Err(Error::Defect(text)),
        Left::BrokenOff if context.stop.is_cancelled() => Ok(()),
        Left::BrokenOff => Err(super::Error::Rests.into()),
    }
}

/// An earlier build kept less.
fn renewed(tables: u64) -> Warning {
    let message = format!(
        "the mirror was made by an earlier build, and its record of {tables} tables was brought up to date: which table here each \
         is by its name, and that the publication gave each all the time. Where that may not be so, `multiboard-sync verify` tells"
    );
    Warning::new("mirror_record_renewed", message)
}

/// The source, ready to stream.
struct Ready {
    walsender: RawConnection,
    patience: Patience,
    /// Values can come in binary form.
    binary: bool,
    types: Arc<Types>,
    /// What the publication gives.
    published: Published,
}

/// What a source answers that lets us in and then says nothing: it is tried anew.
async fn answered<T>(asking: impl Future<Output = Result<T>>) -> Result<T> {
    let silent = |_| replicate::Error::Silent { after: ANSWERS };
    tokio::time::timeout(ANSWERS, asking).await.map_err(silent)?
}

/// A walsender at the slot, which has to be where the checkpoint needs it; and what is to be known of the source.
async fn walsender(request: &Request, source: &Party, from: &Checkpoint, made: &[Oid]) -> Result<Ready> {
    let options = request.walsender(source);
    let settings = Settings { encoding: Encoding::Rows, ..Settings::default() };
    let mut walsender = RawConnection::replication(&options, &settings).await?;
    let system = slot::identify(&mut walsender).await?;
    let patience = slot::patience(&mut walsender).await?;
    let session = connect::source(&source.options, &Settings::default()).await?;
    let standing = slot::look(&session, &from.slot).await?;
    let whose = standing.as_ref().and_then(|slot| slot.active_application.clone());
    let free = slot::free(&session, &from.slot, &options.application_name).await?;
    let published = newcomers::kept(request, &session).await?;
    let tables = published.as_ref().map_or(&[][..], |published| &published.tables);
    let binary = publication::goes_in_binary(&session, tables).await?;
    let types = Types::of_all_tables(session.client(), made).await.map_err(|error| session.error(error))?;
    let types = types.with_computed(columns::computed(&session, tables).await?);
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
            let publication = request.publication().as_str().to_owned();
            let published = published.ok_or(replicate::Error::PublicationGone { publication })?;
            Ok(Ready { walsender, patience, binary, types: Arc::new(types), published })
        }
        Decision::ResyncRequired(reason) => Err(reason.into()),
    }
}

//! A mirror that goes on, compared at one moment of its source.
//!
//! ```text
//! hold ─▶ temporary slot: a snapshot of the source, and its position S ─▶ hold at S: all that ended up to there is written,
//!      and nothing later ─▶ snapshot of the destination ─▶ let go ─▶ sum up, under both snapshots
//! ```
//!
//! What proves that both are of one moment: the mirror said that it holds at S before the destination's snapshot was taken, and
//! the checkpoint in that one is not past S.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::followed::Tables;
use super::view::View;
use super::{Looked, compare_both, quiet, sequences};
use crate::change::given::{Given, Recorded};
use crate::change::members::Stand;
use crate::connect::{self, RawConnection, Settings};
use crate::engine::apply::{checkpoint, membership};
use crate::engine::introspect;
use crate::engine::replicate;
use crate::engine::replicate::given::{Published, published};
use crate::engine::replicate::slot::{self, Created, Life};
use crate::engine::stage::registry::Registry;
use crate::failure::chain;
use crate::id::{self, JobId};
use crate::pg::{Ident, Lsn, Oid, QualifiedName};
use crate::progress::{Level, Phase, Reporter, Side, Skipped, Verification, VerifyMode, Warning};
use crate::schema::select::Selection;
use crate::workflow::mirror::record::Records;
use crate::workflow::mirror::{self, Hold, Holding, There};
use crate::workflow::party::{Party, Source};
use crate::workflow::{Error, Result, stoppable};

/// The mirror is held back no longer than this for a source that gives no snapshot: it is waited for without that.
const HELD: Duration = Duration::from_secs(20);
/// So often it is begun again.
const ATTEMPTS: u32 = 5;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Party,
    pub destination: Party,
    /// The mirror's name.
    pub mirror: String,
    pub publication: String,
    /// What the mirror was asked to take.
    pub selection: Selection,
    /// Tells this installation's slots from others'.
    pub installation: String,
    pub mode: VerifyMode,
    /// Connections to each side.
    pub jobs: usize,
}

/// Compares the sides of a mirror that another process runs, as the job `by`.
pub async fn beside(
    request: &Request,
    records: &dyn Records,
    registry: &dyn Registry,
    by: &JobId,
    reporter: &Reporter,
    stop: &CancellationToken,
) -> Result<Verification> {
    let there = There::new(records, registry, &request.mirror, by);
    let comparing = async {
        tokio::select! {
            compared = compare(request, &there, reporter) => compared,
            lost = there.renew() => lost.and(Err(Error::Defect("a hold was not renewed any more".to_owned()))),
        }
    };
    let compared = stoppable(stop, "nothing was changed", comparing).await;
    // However it ended.
    let let_go = there.let_go(true).await;
    compared.and_then(|verification| let_go.map(|()| verification))
}

/// Compares the sides of a mirror that no process runs: follows the source up to a moment, and stops there.
pub async fn alone(
    request: &Request,
    mirror: &mirror::Request,
    context: &mirror::Context,
) -> Result<Verification> {
    let reporter = &context.run.reporter;
    mirror::held(mirror, context, async |here| compare(request, here, reporter).await).await
}

async fn compare(request: &Request, holding: &impl Holding, reporter: &Reporter) -> Result<Verification> {
    reporter.phase(Phase::Verify);
    let there = Source::open(&request.source).await?;
    // On the heap, here and below: futures within futures outgrow a thread's stack.
    let moment = Box::pin(moment(request, &there, holding, reporter)).await?;
    let message = format!(
        "compared as of {} of the source; for that the mirror stood still for {:.1} s",
        moment.lsn,
        moment.held.as_secs_f64()
    );
    reporter.log(Level::Info, message);
    let tables = &moment.tables;
    let (source, destination) = tokio::try_join!(
        Box::pin(looked(moment.source, Side::Source, tables)),
        Box::pin(looked(moment.destination, Side::Destination, tables))
    )?;
    let ((source, others_there), (destination, others_here)) = (source, destination);
    let compared = async {
        let compared = compare_both(&source, &destination, request.mode, request.jobs, reporter);
        let verification = Box::pin(compared).await?;
        let followed = sequences::not_behind(&destination.view, &moment.sequences).await?;
        Ok::<_, Error>((verification, followed))
    };
    let compared = compared.await;
    View::close_both(source.view, destination.view).await;
    let (mut verification, (found, left_out)) = compared?;
    verification.equal += found.equal;
    verification.different.extend(found.different);
    verification.left_out.extend(not_compared(&others_there, &others_here, tables));
    verification.left_out.extend(left_out);
    verification.as_of = Some(moment.lsn.to_string());
    Ok(verification)
}

/// Both sides at one moment of the source.
struct Moment {
    lsn: Lsn,
    /// For so long the mirror stood still.
    held: Duration,
    source: View,
    destination: View,
    tables: Followed,
    sequences: sequences::Wanted,
}

/// The tables of the publication.
struct Followed {
    /// Those that follow.
    follow: Vec<Given>,
    /// Those whose copy is not in.
    joining: Vec<Given>,
    /// Kinds of changes that the publication does not give out, where that makes the two sides differ.
    withheld: Option<String>,
}

async fn moment(
    request: &Request,
    there: &Source,
    holding: &impl Holding,
    reporter: &Reporter,
) -> Result<Moment> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        quiet::wait(&there.connection, reporter).await?;
        let here = Source::open(&request.destination).await?;
        reporter.operation("waiting for the mirror to stand still".to_owned());
        holding.hold(Hold::Now).await?;
        let since = Instant::now();
        reporter.operation("taking a snapshot of the source".to_owned());
        let Some((walsender, created)) = snapshot(request, holding.is_in_the_way()).await? else {
            holding.let_go(false).await?;
            let reason =
                format!("transactions of the source gave it no snapshot within {} s", HELD.as_secs());
            again(attempt, &request.mirror, reason, reporter)?;
            continue;
        };
        let session = connect::source(&there.party.options, &Settings::default()).await?;
        let source = View::of_slot(session, there.party.options.clone(), &created.snapshot).await?;
        // The snapshot is held without it from now on.
        walsender.close().await;
        let sequences = sequences::wanted(&there.connection, &request.selection).await?;
        let lsn = created.consistent_point;
        reporter.operation(format!("waiting for the mirror to reach {lsn}"));
        holding.hold(Hold::At(lsn)).await?;
        let destination = View::now(here.connection, here.party.options).await?;
        let client = destination.holder().client();
        let checkpoint = checkpoint::read(client, &request.mirror).await?;
        match checkpoint {
            Some(checkpoint) if checkpoint.lsn <= lsn => {
                holding.let_go(true).await?;
                let held = since.elapsed();
                let Published { withheld, tables } = published_now(&source, &request.publication).await?;
                let recorded = membership::read(client, &request.mirror).await?;
                let recorded = recorded.into_iter().filter(|one| one.stand != Stand::Absent);
                let recorded: HashMap<Oid, Recorded> = recorded.map(|one| (one.member.oid, one)).collect();
                let known = tables.into_iter().filter(|table| recorded.contains_key(&table.member.oid));
                let (follow, joining) = known.partition(|table| {
                    recorded
                        .get(&table.member.oid)
                        .is_some_and(|one| one.stand == Stand::Follows && one.entry.goes_on_as(&table.entry))
                });
                // Where a table was emptied and that is not given out, the two sides do differ.
                let withheld: Vec<_> = withheld.into_iter().filter(|kind| *kind != "truncate").collect();
                let tables = Followed { follow, joining, withheld: mirror::part::kinds(&withheld) };
                return Ok(Moment { lsn, held, source, destination, tables, sequences });
            }
            Some(passed) => {
                source.close().await;
                destination.close().await;
                holding.let_go(false).await?;
                let reason = format!("it went on to {} while it was to stand still at {lsn}", passed.lsn);
                again(attempt, &request.mirror, reason, reporter)?;
            }
            None => return Err(mirror::Error::NoCheckpoint { name: request.mirror.clone() }.into()),
        }
    }
}

/// Another attempt, or the reason why not.
fn again(attempt: u32, mirror: &str, reason: String, reporter: &Reporter) -> Result<()> {
    if attempt >= ATTEMPTS {
        return Err(mirror::Error::NoMoment { name: mirror.to_owned(), reason }.into());
    }
    reporter.warn(Warning::new("verify_again", format!("beginning again: {reason}")));
    Ok(())
}

/// A temporary slot, for the sake of its snapshot; nothing where the source's transactions keep it for too long.
async fn snapshot(request: &Request, limited: bool) -> Result<Option<(RawConnection, Created)>> {
    let mut walsender = RawConnection::replication(&request.source.options, &Settings::default()).await?;
    let cancel = walsender.cancel_handle();
    let name = Ident::new(format!("mbs_verify_{}_{}", id::chance(), request.installation));
    let limit = if limited { HELD } else { Duration::MAX };
    match tokio::time::timeout(limit, slot::create(&mut walsender, &name, Life::Temporary)).await {
        Ok(created) => Ok(Some((walsender, created?))),
        Err(_) => {
            if let Err(error) = cancel.cancel().await {
                tracing::debug!(error = %chain(&error), "could not interrupt the making of a temporary slot");
            }
            walsender.close().await;
            Ok(None)
        }
    }
}

/// The publication, and its tables.
async fn published_now(source: &View, publication: &str) -> Result<Published> {
    let found = published(source.holder(), &Ident::new(publication)).await?;
    let publication = publication.to_owned();
    Ok(found.ok_or(replicate::Error::PublicationGone { publication })?)
}

/// The tables with rows that are not compared, by how they stand.
#[derive(Default)]
struct Others {
    joining: BTreeSet<QualifiedName>,
    in_part: BTreeSet<QualifiedName>,
    others: BTreeSet<QualifiedName>,
}

/// One side with its subjects, and its other tables.
async fn looked(view: View, side: Side, tables: &Followed) -> Result<(Looked, Others)> {
    let session = view.holder();
    let catalog = introspect::read(session.client(), session.version()).await;
    let catalog = catalog.map_err(|error| Error::from(error).at(session.endpoint()))?;
    let all = Tables::of(&catalog);
    let mut others = Others {
        joining: all.those_of(&tables.joining),
        others: all.others(&tables.follow).into_iter().collect(),
        ..Others::default()
    };
    let mut compared: &[Given] = &tables.follow;
    if tables.withheld.is_some() {
        others.in_part = all.those_of(compared);
        compared = &[];
    }
    let subjects = all.subjects(compared, side);
    Ok((Looked { side, view, subjects, sequences: Vec::new(), large_objects: false }, others))
}

fn not_compared(source: &Others, destination: &Others, tables: &Followed) -> Vec<Skipped> {
    let skipped = |name: &QualifiedName, reason: String| Skipped { object: format!("table {name}"), reason };
    let in_part = source.in_part.iter().map(|name| {
        let kinds = tables.withheld.clone().unwrap_or_default();
        skipped(name, format!("the publication gives no {kinds} out, so the two sides may differ"))
    });
    let of_source = source.others.iter().map(|name| match source.joining.contains(name) {
        true => skipped(name, "it joins the mirror, and its copy is not in yet".to_owned()),
        false => skipped(name, "the mirror does not follow it".to_owned()),
    });
    let only_here = destination.others.difference(&source.others);
    let of_destination = only_here.map(|name| skipped(name, "only the destination has it".to_owned()));
    in_part.chain(of_source).chain(of_destination).collect()
}

//! Tables that the source has and the mirror not yet: looked for from time to time. What the destination has too is published
//! and copied, and follows from then on; what it has not is said, once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Ask;
use super::start::is_kept;
use crate::change::members::Member;
use crate::connect::{self, Connection, Settings};
use crate::engine::apply::membership::{self, Place};
use crate::engine::replicate::publication::{self, Choice, Harm, Table};
use crate::failure::chain;
use crate::pg::name::for_people;
use crate::pg::{Oid, QualifiedName};
use crate::progress::{Reporter, Warning};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, clone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until `over`. A look that fails is repeated at the next time.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    asks: mpsc::Sender<Ask>,
    over: &CancellationToken,
) {
    let mut told = Told::default();
    loop {
        if let Err(error) = once(request, context, source, destination, &asks, &mut told).await {
            tracing::debug!(error = %chain(&error), "could not look for new tables");
        }
        tokio::select! {
            () = over.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// What was said of tables that do not follow.
#[derive(Default)]
struct Told {
    looked: bool,
    /// Why not, as it was said last; `None`: it was said in other words.
    tables: HashMap<QualifiedName, Option<String>>,
}

impl Told {
    /// Says it once for each reason. What could not be followed when the mirror began was said then.
    fn say(&mut self, reporter: &Reporter, table: &QualifiedName, why_not: &str, quietly: bool) {
        let before = self.tables.insert(table.clone(), Some(why_not.to_owned()));
        let is_new = before.is_none_or(|before| before.is_some_and(|before| before != why_not));
        if is_new && !quietly {
            let warning =
                Warning::new("not_mirrored", format!("new on the source and not followed: {why_not}"));
            reporter.warn(warning.about(table));
        }
    }
}

async fn once(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    asks: &mpsc::Sender<Ask>,
    told: &mut Told,
) -> Result<()> {
    let there = connect::source(&source.party.options, &Settings::default()).await?;
    let here = destination.connect(destination.grant.database()).await?;
    let recorded = membership::read(here.client(), &request.name).await?;
    let known: HashMap<Oid, bool> =
        recorded.into_iter().map(|(member, follows)| (member.oid, follows)).collect();
    let mut tables = publication::tables(&there, &request.slot()).await?;
    tables.retain(|table| is_kept(request, &table.name));
    let chosen = publication::choose(&tables, |_| true);
    let looks_first = !std::mem::replace(&mut told.looked, true);
    let mut leave = without_identity(request, context, &there, &tables, &chosen, &known, told).await?;
    for (table, why_not) in &chosen.left_out {
        told.say(&context.reporter, table, why_not, looks_first);
    }
    let published: HashSet<Oid> =
        tables.iter().filter(|table| table.published).map(|table| table.oid).collect();
    let mut publish = Vec::new();
    for member in chosen.followed.into_iter().filter(|member| known.get(&member.oid) != Some(&true)) {
        let place = membership::place(here.client(), &request.name, &member, false).await?;
        let why_not = match place {
            Place::Missing => Some(
                "the destination has no such table; made there as on the source, it is copied and follows"
                    .to_owned(),
            ),
            Place::Taken => Some(format!(
                "the destination's table of that name has rows, and never followed it. `multiboard-sync mirror resync {} {}` \
                 removes them, and copies the source's",
                for_people(&request.name),
                member.name
            )),
            Place::OfAnother(oid) => tables.iter().find(|table| table.oid == oid).map(|other| {
                format!(
                    "the destination's table of that name is the one that {} of the source was copied into: give it that name there too",
                    other.name
                )
            }),
            Place::Ours | Place::Empty => None,
        };
        if let Some(why_not) = &why_not {
            told.say(&context.reporter, &member.name, why_not, false);
            // On record it can be asked for.
            if place == Place::Taken && !known.contains_key(&member.oid) {
                leave.push(member);
            }
            continue;
        }
        if !published.contains(&member.oid) {
            publish.push(member.name.clone());
        }
        leave.push(member);
    }
    if !publish.is_empty() {
        publication::add(&there, &request.slot(), &publish).await?;
    }
    there.close().await;
    here.close().await;
    if !leave.is_empty() {
        // Those that stand aside already do not do so twice. A session that is over takes it up when the next one looks.
        let _ = asks.send(Ask::Leave(leave)).await;
    }
    Ok(())
}

/// Takes tables that lost their identity out of the publication, for the sake of the application. They do not follow any more.
async fn without_identity(
    request: &Request,
    context: &clone::Context,
    there: &Connection,
    tables: &[Table],
    chosen: &Choice,
    known: &HashMap<Oid, bool>,
    told: &mut Told,
) -> Result<Vec<Member>> {
    let Harm { tables: lost, out, instead } = publication::harm(tables, chosen);
    if !out.is_empty() {
        publication::take_out(there, &request.slot(), &out, &instead).await?;
    }
    for member in &lost {
        let message = "it has lost what identified its rows. Published, the application's updates and deletes of it fail (\"cannot \
            update table .. because it does not have a replica identity and publishes updates\"): it was taken out of the \
            publication, and does not follow any more. Once it has a primary key again, or REPLICA IDENTITY FULL, it is copied \
            again, and follows";
        context.reporter.warn(Warning::new("mirror_identity_lost", message).about(&member.name));
    }
    let stands = |table: &&Table| {
        known.get(&table.oid) == Some(&true) && chosen.left_out.iter().any(|(name, _)| *name == table.name)
    };
    let left: Vec<Member> = tables
        .iter()
        .filter(|table| !table.identified || table.generated_in_full)
        .filter(stands)
        .map(|table| Member { oid: table.oid, name: table.name.clone() })
        .collect();
    told.tables.extend(left.iter().map(|member| (member.name.clone(), None)));
    Ok(left)
}

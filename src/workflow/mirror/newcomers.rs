//! Tables that the publication has and the mirror not yet, and those that it has no more: looked for from time to time. What is
//! new, and is on the destination too, is copied, and follows from then on; what the destination has not is said, once. What
//! was taken out of the publication stays as it is here, until it is in it again: then it is copied again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Request;
use super::diary::Diary;
use super::feed::{Ask, Standing};
use super::follow::With;
use super::grace;
use super::start::is_kept;
use crate::change::given::{Became, Recorded, became};
use crate::change::members::{Member, Stand};
use crate::connect::{self, Connection, DestinationConnection, Settings};
use crate::engine::apply::membership::{self, Place};
use crate::engine::replicate::given::{Published, gone, published};
use crate::engine::replicate::publication::{self, Choice, Harm, Table};
use crate::engine::replicate::slot;
use crate::failure::chain;
use crate::pg::name::for_people;
use crate::pg::{Lsn, Oid, QualifiedName};
use crate::progress::Warning;
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Result, clone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// A look at thousands of tables takes the source a second: it is given so many times as long before the next one.
const REST: u32 = 50;

/// Looks until `over`. A look that fails is repeated at the next time.
pub(super) async fn follow(
    with: &With<'_>,
    asks: mpsc::Sender<Ask>,
    stands: watch::Receiver<Standing>,
    over: &CancellationToken,
) {
    let With { request, context, source, destination, diary, .. } = *with;
    let mut look = Look {
        request,
        context,
        source,
        destination,
        diary,
        asks: &asks,
        stands,
        told: Told::default(),
        leaving: HashMap::new(),
    };
    loop {
        let begun = Instant::now();
        let Some(looked) = grace::until(over, look.once()).await else { return };
        let rest = EVERY.max(begun.elapsed() * REST);
        if let Err(error) = &looked {
            tracing::debug!(error = %chain(error), "could not look for new tables");
        }
        tokio::select! {
            () = over.cancelled() => return,
            () = look.has_left(), if looked.is_ok() => {}
            () = tokio::time::sleep(rest) => {}
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

/// Tables by whether they have a place on the destination.
#[derive(Default)]
struct Placed {
    has: Vec<Member>,
    /// They are to stand aside: those that have one, and those that a person may give it to.
    leave: Vec<Member>,
}

struct Look<'a> {
    request: &'a Request,
    context: &'a clone::Context,
    source: &'a Party,
    destination: &'a Destination,
    diary: &'a Diary,
    asks: &'a mpsc::Sender<Ask>,
    stands: watch::Receiver<Standing>,
    told: Told,
    /// Tables that the publication has no more, and where the source's log was when that was seen: what they were given before
    /// is on the destination when the mirror is past it.
    leaving: HashMap<Oid, Lsn>,
}

impl Look<'_> {
    async fn once(&mut self) -> Result<()> {
        let there = connect::source(&self.source.options, &Settings::default()).await?;
        let here = self.destination.connect(self.destination.grant.database()).await?;
        // Where there is none the stream says so.
        if let Some(published) = kept(self.request, &there).await? {
            let recorded = membership::read(here.client(), &self.request.name).await?;
            let Became { mut new, again, left } = became(&recorded, &published.tables);
            let mut lost = Vec::new();
            if self.request.publication.is_none() {
                let given: Vec<Oid> = published.tables.iter().map(|one| one.member.oid).collect();
                membership::published(here.client(), &self.request.name, &given).await?;
                let tables = publication::tables(&there, &self.request.slot()).await?;
                let chosen = publication::choose(&tables, |table| is_kept(self.request, table));
                lost = self.without_identity(&there, &here, &tables, &chosen, &recorded).await?;
                new.retain(|member| lost.iter().all(|one| one.oid != member.oid));
                new.extend(self.publish(&there, &here, &chosen, &recorded, &published).await?);
            }
            let mut leave = self.those_with_a_place(&there, &here, new, &recorded).await?.leave;
            leave.extend(again.into_iter().chain(lost));
            self.take_out(&there, &here, left).await?;
            if !leave.is_empty() {
                // Those that stand aside already do not do so twice. A session that is over takes it up when the next one looks.
                let _ = self.asks.send(Ask::Leave(leave)).await;
            }
        }
        there.close().await;
        here.close().await;
        Ok(())
    }

    /// Says it once for each reason.
    fn say(&mut self, table: &QualifiedName, why_not: &str, quietly: bool) {
        let before = self.told.tables.insert(table.clone(), Some(why_not.to_owned()));
        let is_new = before.is_none_or(|before| before.is_some_and(|before| before != why_not));
        if is_new && !quietly {
            let warning = Warning::new("not_mirrored", format!("not followed: {why_not}"));
            self.context.reporter.warn(warning.about(table));
        }
    }

    /// Tells the tables that have a place on the destination from the others, of which it says why not.
    async fn those_with_a_place(
        &mut self,
        there: &Connection,
        here: &DestinationConnection,
        tables: Vec<Member>,
        recorded: &[Recorded],
    ) -> Result<Placed> {
        let mut placed = Placed::default();
        for member in tables {
            let place = membership::place(here.client(), &self.request.name, &member, false).await?;
            let why_not = match place {
                Place::Missing => Some(
                    "the destination has no such table; made there as on the source, it is copied and follows"
                        .to_owned(),
                ),
                Place::Taken => Some(format!(
                    "the destination's table of that name has rows, and never followed it. `multiboard-sync mirror resync {} {}` \
                     removes them, and copies the source's",
                    for_people(&self.request.name),
                    member.name
                )),
                // One that is gone has left its rows to the one that has its name now.
                Place::OfAnother(oid) if !publication::is_there(there, oid).await? => None,
                Place::OfAnother(oid) => recorded.iter().find(|one| one.member.oid == oid).map(|other| {
                    format!(
                        "the destination's table of that name is the one that {} of the source was copied into: give it that name there too",
                        other.member.name
                    )
                }),
                Place::Ours | Place::Empty => None,
            };
            let Some(why_not) = why_not else {
                placed.leave.push(member.clone());
                placed.has.push(member);
                continue;
            };
            self.say(&member.name, &why_not, false);
            // On record it can be asked for.
            if place == Place::Taken && recorded.iter().all(|one| one.member.oid != member.oid) {
                placed.leave.push(member);
            }
        }
        Ok(placed)
    }

    /// Adds what is new on the source to our publication. What somebody took out of it stays out.
    async fn publish(
        &mut self,
        there: &Connection,
        here: &DestinationConnection,
        chosen: &Choice,
        recorded: &[Recorded],
        published: &Published,
    ) -> Result<Vec<Member>> {
        // What was not followed when this process began was said then, or is now: nobody knows what was made before it did.
        let looks_first = !std::mem::replace(&mut self.told.looked, true);
        let says_all = looks_first && self.diary.tells_what_is_left_out();
        for (table, why_not) in &chosen.left_out {
            self.say(table, why_not, looks_first && !says_all);
        }
        let is_given = |oid: Oid| published.tables.iter().any(|one| one.member.oid == oid);
        let stays_out =
            |oid: Oid| recorded.iter().any(|one| one.member.oid == oid && !one.unpublished) || is_given(oid);
        let new = chosen.followed.iter().filter(|member| !stays_out(member.oid)).cloned().collect();
        let Placed { has, leave } = self.those_with_a_place(there, here, new, recorded).await?;
        let name = &self.request.name;
        let waits: Vec<Member> = leave.iter().filter(|member| !has.contains(member)).cloned().collect();
        membership::wait_for_publication(here.client(), name, &waits).await?;
        if !has.is_empty() {
            let names: Vec<QualifiedName> = has.iter().map(|member| member.name.clone()).collect();
            publication::add(there, &self.request.slot(), &names).await?;
            let published: Vec<Oid> = has.iter().map(|member| member.oid).collect();
            membership::published(here.client(), name, &published).await?;
        }
        Ok(leave)
    }

    /// Takes tables that lost their identity out of our publication, for the sake of the application. They do not follow any
    /// more; with an identity they are published again.
    async fn without_identity(
        &mut self,
        there: &Connection,
        here: &DestinationConnection,
        tables: &[Table],
        chosen: &Choice,
        recorded: &[Recorded],
    ) -> Result<Vec<Member>> {
        let kept: Vec<Table> =
            tables.iter().filter(|table| is_kept(self.request, &table.name)).cloned().collect();
        let Harm { tables: lost, out, instead } = publication::harm(&kept, chosen);
        if lost.is_empty() && out.is_empty() {
            return Ok(Vec::new());
        }
        if !out.is_empty() {
            publication::take_out(there, &self.request.slot(), &out, &instead).await?;
        }
        let name = &self.request.name;
        // Their siblings never left it.
        if let Some(now) = self::kept(self.request, there).await? {
            let goes_on =
                |oid: Oid| recorded.iter().any(|one| one.member.oid == oid && one.stand == Stand::Follows);
            let now = now.tables.into_iter().filter(|table| instead.contains(&table.member.name));
            let entries = now.filter(|table| goes_on(table.member.oid));
            let entries: Vec<_> = entries.map(|table| (table.member.oid, table.entry)).collect();
            membership::renew(here.client(), name, &entries).await?;
        }
        membership::wait_for_publication(here.client(), name, &lost).await?;
        for member in &lost {
            let message = "it has lost what identified its rows. Published, the application's updates and deletes of it fail (\"cannot \
                update table .. because it does not have a replica identity and publishes updates\"): it was taken out of the \
                publication, and does not follow any more. Once it has a primary key again, or REPLICA IDENTITY FULL, it is copied \
                again, and follows";
            self.context.reporter.warn(Warning::new("mirror_identity_lost", message).about(&member.name));
            self.told.tables.insert(member.name.clone(), None);
        }
        Ok(lost)
    }

    /// Lets tables go that the publication has no more, when all that it gave of them is here.
    async fn take_out(
        &mut self,
        there: &Connection,
        here: &DestinationConnection,
        left: Vec<Member>,
    ) -> Result<()> {
        self.leaving.retain(|oid, _| left.iter().any(|member| member.oid == *oid));
        if left.is_empty() {
            return Ok(());
        }
        if let Some(standing) = slot::look(there, self.request.slot().as_str()).await? {
            for member in &left {
                self.leaving.entry(member.oid).or_insert(standing.flushed);
            }
        }
        let settled = self.stands.borrow().settled;
        let is_past = |member: &Member| self.leaving.get(&member.oid).is_some_and(|seen| *seen <= settled);
        let out: Vec<Member> = left.into_iter().filter(is_past).collect();
        if out.is_empty() {
            return Ok(());
        }
        let name = &self.request.name;
        let gone = gone(there, &out).await?;
        let taken: Vec<Member> = out.iter().filter(|member| !gone.contains(member)).cloned().collect();
        // Also of one that is gone it stays on record which table here its rows went into: another may take its name.
        membership::take_out(here.client(), name, &out).await?;
        self.leaving.retain(|oid, _| out.iter().all(|member| member.oid != *oid));
        for member in &gone {
            let message = "the source has it no more; its rows on the destination stay as they are";
            self.context.reporter.warn(Warning::new("mirror_table_gone", message).about(&member.name));
        }
        for member in &taken {
            self.context.reporter.warn(taken_out(self.request).about(&member.name));
        }
        let _ = self.asks.send(Ask::Absent(out)).await;
        Ok(())
    }

    /// Waits until the mirror is past where a table left. Cancel-safe.
    async fn has_left(&mut self) {
        let Some(first) = self.leaving.values().min().copied() else {
            return std::future::pending().await;
        };
        if self.stands.wait_for(|standing| standing.settled >= first).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What is said of a table that somebody took out of the publication.
pub(super) fn taken_out(request: &Request) -> Warning {
    let name = for_people(request.publication().as_str());
    let message = format!(
        "publication {name} gives it no more: its rows on the destination stay as they are; once it is in the publication \
         again, it is copied again, and follows"
    );
    Warning::new("mirror_table_left", message)
}

/// The publication, with those of its tables that were asked for; `None` where the source has it no more.
pub(super) async fn kept(request: &Request, there: &Connection) -> Result<Option<Published>> {
    let published = published(there, &request.publication()).await?;
    Ok(published.map(|mut published| {
        published.tables.retain(|one| is_kept(request, &one.member.name));
        published
    }))
}

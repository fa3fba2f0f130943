//! Which tables can be brought in: those that the publication gives out, that have a place on the destination, and that nobody has
//! locked there. That is looked for before anything is kept on the source, whose users are not to wait for those of the destination.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::Join;
use super::turns::Turn;
use crate::change::members::Member;
use crate::connect::{self, Settings};
use crate::engine::apply::joiner::Joiner;
use crate::engine::apply::membership::{self, Place};
use crate::engine::apply::{self, removal};
use crate::engine::replicate::{given, publication};
use crate::pg::{Oid, QualifiedName};
use crate::progress::Warning;
use crate::workflow::Result;
use crate::workflow::mirror::feed::Ask;
use crate::workflow::mirror::newcomers;
use crate::workflow::mirror::snapshot::Snapshot;

/// Locks are asked for in turns of less than a second, for the sake of those who wait behind us; this is between two of them.
const REST: Duration = Duration::from_secs(1);

/// So long locks are tried before others have their turn: nothing is kept anywhere meanwhile.
const TRIED: Duration = Duration::from_secs(10);

impl Join<'_> {
    /// Those that the publication gives out and that have a place here, when nobody keeps us from it. Of the others, no slot is
    /// made for whose sake, who looks for new tables says why, and finds them when that is otherwise.
    pub(super) async fn those_that_can_come(&self, turn: &mut Turn) -> Result<()> {
        let there = connect::source(&self.source.options, &Settings::default()).await?;
        let given = newcomers::kept(self.request, &there)
            .await?
            .map(|published| published.tables)
            .unwrap_or_default();
        let here = self.destination.connect(self.destination.grant.database()).await?;
        let asked: Vec<Oid> = turn.members.iter().map(|member| member.oid).collect();
        let (mut absent, mut out) = (Vec::new(), Vec::new());
        for member in &turn.members {
            if !given.iter().any(|table| table.member.oid == member.oid) {
                out.push(member.clone());
                continue;
            }
            let place = membership::place(here.client(), &self.request.name, member, false).await?;
            let has_place = match place {
                Place::Ours | Place::Empty => true,
                Place::OfAnother(oid) => asked.contains(&oid) || !publication::is_there(&there, oid).await?,
                Place::Missing | Place::Taken => false,
            };
            if !has_place {
                absent.push(member.clone());
            }
        }
        if !out.is_empty() {
            let gone = given::gone(&there, &out).await?;
            let gone: Vec<Oid> = gone.iter().map(|member| member.oid).collect();
            self.let_go(turn, here.client(), out, &gone).await?;
        }
        there.close().await;
        self.absent(turn, absent).await?;
        if !turn.members.is_empty() {
            let names: Vec<&QualifiedName> = turn.members.iter().map(|member| &member.name).collect();
            let trying = async || removal::try_locks(here.client(), &names, turn.gently).await;
            self.in_turns(TRIED, trying).await?;
        }
        here.close().await;
        Ok(())
    }

    /// These stand aside no more: nothing is kept of them, and the turn goes on without them. When they stand aside again a turn
    /// is made for them.
    async fn absent(&self, turn: &mut Turn, absent: Vec<Member>) -> Result<()> {
        if absent.is_empty() {
            return Ok(());
        }
        turn.members.retain(|member| absent.iter().all(|one| one.oid != member.oid));
        self.ask(Ask::Absent(absent)).await
    }

    /// The publication does not give these: the source has those no more that are `gone`, somebody took others out of it, and the
    /// rest waits for being put in.
    async fn let_go(&self, turn: &mut Turn, here: &Client, out: Vec<Member>, gone: &[Oid]) -> Result<()> {
        let name = &self.request.name;
        let recorded = membership::read(here, name).await?;
        let waits = |oid: Oid| recorded.iter().any(|one| one.member.oid == oid && one.unpublished);
        let (gone, there): (Vec<Member>, Vec<Member>) =
            out.iter().cloned().partition(|member| gone.contains(&member.oid));
        let left: Vec<Member> = there.into_iter().filter(|member| !waits(member.oid)).collect();
        membership::forget(here, name, &gone).await?;
        membership::take_out(here, name, &left).await?;
        for member in gone {
            let message = "the source has it no more; its rows on the destination stay as they are";
            self.reporter.warn(Warning::new("mirror_table_gone", message).about(&member.name));
        }
        for member in left {
            self.reporter.warn(newcomers::taken_out(self.request).about(&member.name));
        }
        self.absent(turn, out).await
    }

    /// Goes on without those that the snapshot, which is younger than the look before it, does not give.
    pub(super) async fn those_that_are_given(
        &self,
        turn: &mut Turn,
        source: &mut Snapshot,
        here: &Client,
    ) -> Result<()> {
        let is_out = |member: &&Member| !source.tables.contains_key(&member.oid);
        let out: Vec<Member> = turn.members.iter().filter(is_out).cloned().collect();
        let mut gone = Vec::new();
        for member in &out {
            gone.extend((!source.has(member.oid).await?).then_some(member.oid));
        }
        if !out.is_empty() {
            self.let_go(turn, here, out, &gone).await?;
        }
        Ok(())
    }

    /// Goes on without those that have no place here; into the place of one that has nobody adds rows from now on.
    pub(super) async fn those_that_have_a_place(
        &self,
        turn: &mut Turn,
        source: &mut Snapshot,
        joiner: &Joiner,
    ) -> Result<()> {
        let mut absent = Vec::new();
        for member in source.tables.values().map(|table| table.member.clone()).collect::<Vec<_>>() {
            let comes = match joiner.place(&member).await? {
                Place::Ours | Place::Empty => true,
                // One that is gone has left its rows to the one that has its name now.
                Place::OfAnother(oid) => source.tables.contains_key(&oid) || !source.has(oid).await?,
                Place::Missing | Place::Taken => false,
            };
            if !comes {
                absent.push(member);
            }
        }
        // Who looks for new tables says why, and finds them when that is otherwise.
        absent.iter().for_each(|one| source.leave_out(one.oid));
        self.absent(turn, absent).await
    }

    /// Asks for locks of the destination until they are had, for so long.
    pub(super) async fn in_turns(
        &self,
        time: Duration,
        mut asking: impl AsyncFnMut() -> apply::Result<()>,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            match asking().await {
                Err(locked @ apply::Error::Locked { .. }) if began.elapsed() < time => {
                    self.waits(Some(locked.to_string()));
                    tokio::time::sleep(REST).await;
                }
                asked => {
                    self.waits(None);
                    return Ok(asked?);
                }
            }
        }
    }
}

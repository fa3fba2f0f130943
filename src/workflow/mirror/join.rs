//! Brings tables in that stand aside: a copy under a temporary slot's snapshot, then what was kept of their changes since, in
//! one transaction; while the rest of the mirror goes on, but for a moment at the end.
//!
//! ```text
//! stands aside ─▶ temporary slot (snapshot, position) ─▶ old rows go, copy ─▶ changes since ─▶ rest settles ─▶ the last of them ─▶ follows
//! ```

mod kept;
mod standoff;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::diary::Diary;
use super::feed::Ask;
use super::newcomers;
use super::snapshot::{self, Making, Snapshot};
use crate::change::aside;
use crate::change::given::{Entry, Given};
use crate::change::members::Member;
use crate::connect::{self, Settings};
use crate::engine::apply::membership::{self, Place};
use crate::engine::apply::types::Types;
use crate::engine::apply::{self, joiner::Joiner, removal};
use crate::engine::replicate::{columns as numbers, given, publication};
use crate::pg::{Ident, Lsn, Oid, QualifiedName, Sql};
use crate::progress::{Reporter, Update, Warning};
use crate::sql;
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Error, Result};
use kept::Kept;
use turns::{Turn, Turns};

/// Bytes of rows that are sent on at once.
const PACK_BYTES: usize = 64 * 1024;

/// Locks are asked for in turns of less than a second, for the sake of those who wait behind us; this is between two of them.
const REST: Duration = Duration::from_secs(1);

/// So long a snapshot is kept on the source for locks that cannot be had here. Then it is begun anew, when they can.
const LOCKED: Duration = Duration::from_secs(30);

/// What brings tables in.
pub(super) struct Join<'a> {
    pub(super) request: &'a Request,
    pub(super) source: &'a Party,
    pub(super) destination: &'a Destination,
    /// The source's.
    pub(super) types: Arc<Types>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) reporter: &'a Reporter,
    pub(super) diary: &'a Diary,
    pub(super) making: Making,
}

/// What came of a turn.
enum Came {
    In,
    /// Not now.
    Not {
        gently: bool,
    },
}

impl Join<'_> {
    /// Brings tables in until the session ends: what it writes may wait for us. Those that come while others are copied wait for
    /// their turn.
    pub(super) async fn follow(
        self,
        mut left: mpsc::UnboundedReceiver<Vec<Member>>,
        ends: &CancellationToken,
    ) -> Result<()> {
        let bringing = async {
            let mut turns = Turns::default();
            loop {
                let due = async {
                    match turns.due() {
                        Some(due) => tokio::time::sleep_until(due.into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    more = left.recv() => match more {
                        Some(members) => {
                            turns.add(members, Instant::now());
                            self.tell(&[], &turns);
                        }
                        None => return Ok(()),
                    },
                    () = due => if let Some(turn) = turns.take() {
                        self.tell(&turn.members, &turns);
                        self.bring(turn, &mut turns).await?;
                        self.tell(&[], &turns);
                    },
                }
            }
        };
        let brought = tokio::select! {
            biased;
            () = ends.cancelled() => {
                self.making.give_up().await;
                Ok(())
            }
            brought = bringing => match brought {
                Err(Error::Interrupted(_)) => Ok(()),
                brought => brought,
            },
        };
        self.waits(None);
        brought
    }

    /// Brings them in, or has them try again later.
    async fn bring(&self, turn: Turn, turns: &mut Turns) -> Result<()> {
        let came = match Box::pin(self.run(&turn)).await {
            Err(Error::Apply(apply::Error::Misnamed { table, .. })) => {
                tracing::info!(%table, "got another name while it was copied: it is copied anew");
                Came::Not { gently: false }
            }
            Err(Error::Apply(locked @ apply::Error::Locked { .. })) => {
                self.comes_later(&turn, &format!("{locked}: it is tried again until that goes"));
                Came::Not { gently: false }
            }
            came => came?,
        };
        if let Came::Not { gently } = came {
            // Others do not wait for it meanwhile.
            self.ask(Ask::Joined(Vec::new())).await?;
            turns.again(turn, gently, Instant::now());
        }
        Ok(())
    }

    /// These tables stand aside.
    fn tell(&self, now: &[Member], turns: &Turns) {
        let names = now.iter().chain(turns.members()).map(|member| member.name.to_string()).collect();
        self.diary.change(|standing| standing.aside = names);
        if now.is_empty() && turns.due().is_none() {
            self.waits(None);
        }
    }

    /// What those that are to come in wait for.
    fn waits(&self, why: Option<String>) {
        self.diary.change(|standing| standing.copies_wait = why);
    }

    /// Says why a copy does not come in now; at first also to those who watch.
    fn comes_later(&self, turn: &Turn, why: &str) {
        let names: Vec<String> = turn.members.iter().map(|member| member.name.to_string()).collect();
        let message = format!("{} not copied now: {why}", names.join(", "));
        self.waits(Some(message.clone()));
        match turn.tries < 2 {
            true => self.reporter.warn(Warning::new("mirror_copies_later", message)),
            false => tracing::warn!("{message}"),
        }
    }

    async fn run(&self, turn: &Turn) -> Result<Came> {
        let mut members = self.those_that_can_come(turn).await?;
        if members.is_empty() {
            return Ok(Came::In);
        }
        let taking = snapshot::take(self.request, self.source, self.diary, &self.making, &members);
        self.reporter.operation("waiting for the transactions that run on the source".to_owned());
        let mut source = Box::pin(taking).await?;
        self.waits(None);
        let session = self.destination.connect(self.destination.grant.database()).await?;
        let mut out = members.clone();
        out.retain(|member| !source.tables.contains_key(&member.oid));
        if !out.is_empty() {
            members.retain(|member| source.tables.contains_key(&member.oid));
            let mut gone = Vec::new();
            for member in &out {
                gone.extend((!source.has(member.oid).await?).then_some(member.oid));
            }
            self.let_go(session.client(), out, &gone).await?;
        }
        let mut joiner = Joiner::new(session, self.request.name.clone(), Arc::clone(&self.types)).await?;
        joiner.gently(turn.gently);
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
        if !absent.is_empty() {
            // Who looks for new tables says why, and finds them when that is otherwise.
            absent.iter().for_each(|one| source.leave_out(one.oid));
            members.retain(|member| absent.iter().all(|one| one.oid != member.oid));
            self.ask(Ask::Absent(absent)).await?;
        }
        if members.is_empty() {
            return Ok(Came::In);
        }
        let named: Vec<Member> = source.tables.values().map(|table| table.member.clone()).collect();
        // They are locked: what is there now is what the snapshot has.
        let beside = connect::source(&self.source.options, &Settings::default()).await?;
        let there =
            numbers::read(&beside, &named.iter().map(|member| member.oid).collect::<Vec<_>>()).await?;
        beside.close().await;
        for table in source.tables.values() {
            if let Some(there) = there.get(&table.member.oid) {
                let mut unsent = there.clone();
                unsent.columns.retain(|column| !table.columns.iter().any(|sent| sent.name == column.name));
                joiner.computes(&table.member.name, &unsent).await?;
            }
        }
        let mut columns = BTreeMap::new();
        for Given { member, columns: given, .. } in source.tables.values() {
            columns.insert(member.oid, joiner.columns(&member.name, member.oid, given).await?);
        }
        joiner.takes(&named);
        let (position, tables) = tokio::select! {
            biased;
            standoff = standoff::watch(self.destination, &self.request.name) => {
                let again = match turn.gently {
                    false => "it is begun anew, with the old rows removed by DELETE: others can read the table meanwhile",
                    true => "it is begun anew later. A trigger of the destination that writes what is copied keeps it out: disable that",
                };
                self.comes_later(turn, &format!("{standoff}. So {again}"));
                return Ok(Came::Not { gently: true });
            }
            filled = self.fill(source, &mut joiner, &members, &columns) => filled?,
        };
        let as_given = |table: &Given| (table.member.clone(), table.entry.clone());
        let given: Vec<(Member, Entry)> = tables.values().map(as_given).collect();
        joiner.finish(&given, &there).await?;
        for member in named {
            tracing::info!(table = %member.name, %position, "copied, and follows");
        }
        self.ask(Ask::Joined(members)).await?;
        Ok(Came::In)
    }

    /// Writes the copy and what came since. When this returns the rest of the mirror rests, and nothing more is to be written.
    async fn fill(
        &self,
        mut source: Snapshot,
        joiner: &mut Joiner,
        members: &[Member],
        columns: &BTreeMap<Oid, Vec<Ident>>,
    ) -> Result<(Lsn, BTreeMap<Oid, Given>)> {
        self.empty(joiner, &source.tables).await?;
        while source.is_locked() {
            self.copy(&mut source, joiner, columns).await?;
            source.let_go().await?;
        }
        let Snapshot { session, position, tables, .. } = source;
        session.close().await;
        let mut kept = Kept::new(self, members, position);
        kept.catch_up(joiner).await?;
        let (reply, settled) = oneshot::channel();
        self.ask(Ask::Settle { reach: position, reply }).await?;
        settled.await.map_err(|_| over())?;
        // Nothing is added any more.
        kept.write(joiner).await?;
        Ok((position, tables))
    }

    /// Removes the old rows, as soon as nobody keeps us from it; for so long the source keeps what the snapshot sees.
    async fn empty(&self, joiner: &Joiner, tables: &BTreeMap<Oid, Given>) -> Result<()> {
        let names: Vec<&QualifiedName> = tables.values().map(|table| &table.member.name).collect();
        let began = Instant::now();
        loop {
            match joiner.empty(&names).await {
                Err(locked @ apply::Error::Locked { .. }) if began.elapsed() < LOCKED => {
                    self.waits(Some(locked.to_string()));
                    tokio::time::sleep(REST).await;
                }
                emptied => {
                    self.waits(None);
                    return Ok(emptied?);
                }
            }
        }
    }

    /// Those that the publication gives out and that have a place here. Of the others, no slot is made for whose sake, who looks
    /// for new tables says why, and finds them when that is otherwise.
    async fn those_that_can_come(&self, turn: &Turn) -> Result<Vec<Member>> {
        let members = turn.members.clone();
        let there = connect::source(&self.source.options, &Settings::default()).await?;
        let given = newcomers::kept(self.request, &there)
            .await?
            .map(|published| published.tables)
            .unwrap_or_default();
        let here = self.destination.connect(self.destination.grant.database()).await?;
        let asked: Vec<Oid> = members.iter().map(|member| member.oid).collect();
        let (mut come, mut absent, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for member in members {
            if !given.iter().any(|table| table.member.oid == member.oid) {
                out.push(member);
                continue;
            }
            let place = membership::place(here.client(), &self.request.name, &member, false).await?;
            let has_place = match place {
                Place::Ours | Place::Empty => true,
                Place::OfAnother(oid) => asked.contains(&oid) || !publication::is_there(&there, oid).await?,
                Place::Missing | Place::Taken => false,
            };
            if has_place { &mut come } else { &mut absent }.push(member);
        }
        if !out.is_empty() {
            let gone = given::gone(&there, &out).await?;
            let gone: Vec<Oid> = gone.iter().map(|member| member.oid).collect();
            self.let_go(here.client(), out, &gone).await?;
        }
        if turn.tries > 0 && !come.is_empty() {
            // Before the source keeps anything for it.
            let names: Vec<&QualifiedName> = come.iter().map(|member| &member.name).collect();
            removal::try_locks(here.client(), &names, turn.gently).await?;
        }
        there.close().await;
        here.close().await;
        if !absent.is_empty() {
            self.ask(Ask::Absent(absent)).await?;
        }
        Ok(come)
    }

    /// The publication does not give these: the source has those no more that are `gone`, somebody took others out of it, and the
    /// rest waits for being put in.
    async fn let_go(&self, here: &Client, out: Vec<Member>, gone: &[Oid]) -> Result<()> {
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
        self.ask(Ask::Absent(out)).await
    }

    async fn ask(&self, ask: Ask) -> Result<()> {
        self.asks.send(ask).await.map_err(|_| over())
    }

    /// Copies the table whose lock is the next to be let go.
    async fn copy(
        &self,
        source: &mut Snapshot,
        joiner: &Joiner,
        columns: &BTreeMap<Oid, Vec<Ident>>,
    ) -> Result<()> {
        let Some(table) = source.next().cloned() else { return Ok(()) };
        let columns = columns.get(&table.member.oid).map_or(&[][..], Vec::as_slice);
        let name = table.member.name;
        self.reporter.report(Update::TableStarted { table: name.clone() });
        let query = sql!(
            "COPY (SELECT {c} FROM {o}{t}{w}) TO STDOUT",
            c = Sql::join(columns.iter().cloned(), ", "),
            o = Sql::fixed(if table.partitioned { "" } else { "ONLY " }),
            t = name,
            w = table.rows.as_ref().map_or_else(Sql::default, |rows| sql!(" WHERE ({r})", r = rows))
        );
        let mut rows = joiner.rows(&name, columns).await?;
        let mut out = source.session.copy_out(&query).await?;
        let mut pack = BytesMut::with_capacity(PACK_BYTES);
        let mut bytes = 0;
        while let Some(row) = out.next().await? {
            bytes += row.len() as u64;
            pack.extend_from_slice(&row);
            if pack.len() >= PACK_BYTES {
                rows.send(pack.split().freeze()).await?;
            }
        }
        if !pack.is_empty() {
            rows.send(pack.freeze()).await?;
        }
        let rows = rows.finish().await?;
        self.reporter.report(Update::TableFinished { table: name, rows, bytes });
        Ok(())
    }
}

/// The session ended; it says by itself why.
fn over() -> Error {
    Error::Interrupted("a table was being copied again, and will be from the start".to_owned())
}

impl From<aside::Error> for Error {
    fn from(error: aside::Error) -> Self {
        Self::Defect(crate::failure::chain(&error))
    }
}

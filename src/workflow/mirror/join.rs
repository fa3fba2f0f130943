//! Brings tables in that stand aside: a copy under a temporary slot's snapshot, then what was kept of their changes since, in
//! one transaction; while the rest of the mirror goes on, but for a moment at the end.
//!
//! ```text
//! stands aside ─▶ temporary slot (snapshot, position) ─▶ old rows go, copy ─▶ changes since ─▶ rest settles ─▶ the last of them ─▶ follows
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Ask;
use super::newcomers::kept;
use super::snapshot::{self, Making, Snapshot};
use crate::change::given::{Entry, Given};
use crate::change::members::Member;
use crate::change::{Change, aside};
use crate::connect::{self, Settings};
use crate::engine::apply::membership::{self, Place};
use crate::engine::apply::types::Types;
use crate::engine::apply::{self, joiner::Joiner};
use crate::engine::replicate::{columns as numbers, publication};
use crate::pg::{Ident, Lsn, Oid, Sql};
use crate::progress::{Reporter, Update, Warning};
use crate::sql;
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result};

/// Changes that are written at once.
const CHANGES: usize = 5_000;

/// Bytes of rows that are sent on at once.
const PACK_BYTES: usize = 64 * 1024;

/// Before a copy that has to be begun anew is.
const PAUSE: Duration = Duration::from_secs(1);

/// What brings tables in.
pub(super) struct Join<'a> {
    pub(super) request: &'a Request,
    pub(super) source: &'a Source,
    pub(super) destination: &'a Destination,
    /// The source's.
    pub(super) types: Arc<Types>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) reporter: &'a Reporter,
    pub(super) making: Making,
}

impl Join<'_> {
    /// Brings tables in until `over`. Those that come while others are copied wait for their turn.
    pub(super) async fn follow(
        self,
        mut left: mpsc::UnboundedReceiver<Vec<Member>>,
        over: &CancellationToken,
    ) -> Result<()> {
        let bringing = async {
            while let Some(mut members) = left.recv().await {
                while let Ok(more) = left.try_recv() {
                    members.extend(more);
                }
                if !members.is_empty() {
                    self.bring(members).await?;
                }
            }
            Ok(())
        };
        tokio::select! {
            biased;
            () = over.cancelled() => {
                self.making.give_up().await;
                Ok(())
            }
            brought = bringing => match brought {
                Err(Error::Interrupted(_)) => Ok(()),
                brought => brought,
            },
        }
    }

    /// Brings them in, as of another moment where one of them got another name while it was copied.
    async fn bring(&self, members: Vec<Member>) -> Result<()> {
        loop {
            match self.run(members.clone()).await {
                Err(Error::Apply(apply::Error::Misnamed { table, .. })) => {
                    tracing::info!(%table, "got another name while it was copied: it is copied anew");
                    // Others do not wait for it meanwhile.
                    self.ask(Ask::Joined(Vec::new())).await?;
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn run(&self, members: Vec<Member>) -> Result<()> {
        let mut members = self.those_that_can_come(members).await?;
        if members.is_empty() {
            return Ok(());
        }
        let taking = snapshot::take(self.request, self.source, self.reporter, &self.making, &members);
        let mut source = Box::pin(taking).await?;
        let session = self.destination.connect(self.destination.grant.database()).await?;
        for gone in members.iter().filter(|member| !source.tables.contains_key(&member.oid)) {
            self.gone(session.client(), gone).await?;
        }
        let mut joiner = Joiner::new(session, self.request.name.clone(), Arc::clone(&self.types)).await?;
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
            return Ok(());
        }
        let named: Vec<Member> = source.tables.values().map(|table| table.member.clone()).collect();
        // They are locked: what is there now is what the snapshot has.
        let beside = connect::source(&self.source.party.options, &Settings::default()).await?;
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
        joiner.empty(&named.iter().map(|member| &member.name).collect::<Vec<_>>()).await?;
        while source.is_locked() {
            self.copy(&mut source, &joiner, &columns).await?;
            source.let_go().await?;
        }
        let Snapshot { session, position, tables, .. } = source;
        session.close().await;
        let mut kept = Kept { join: self, members: &members, from: position, at: 0, bytes: Bytes::new() };
        kept.catch_up(&mut joiner).await?;
        let (reply, settled) = oneshot::channel();
        self.ask(Ask::Settle { reach: position, reply }).await?;
        settled.await.map_err(|_| over())?;
        // Nothing is added any more.
        kept.write(&mut joiner).await?;
        let as_given = |table: &Given| (table.member.clone(), table.entry.clone());
        let given: Vec<(Member, Entry)> = tables.values().map(as_given).collect();
        joiner.finish(&given, &there).await?;
        for member in named {
            tracing::info!(table = %member.name, %position, "copied, and follows");
        }
        self.ask(Ask::Joined(members)).await
    }

    /// Those that the publication gives out and that have a place here. Of the others, no slot is made for whose sake, who looks
    /// for new tables says why, and finds them when that is otherwise.
    async fn those_that_can_come(&self, members: Vec<Member>) -> Result<Vec<Member>> {
        let there = connect::source(&self.source.party.options, &Settings::default()).await?;
        let given = kept(self.request, &there).await?.map(|published| published.tables).unwrap_or_default();
        let here = self.destination.connect(self.destination.grant.database()).await?;
        let asked: Vec<Oid> = members.iter().map(|member| member.oid).collect();
        let (mut come, mut absent) = (Vec::new(), Vec::new());
        for member in members {
            let place = membership::place(here.client(), &self.request.name, &member, false).await?;
            let has_place = match place {
                Place::Ours | Place::Empty => true,
                Place::OfAnother(oid) => asked.contains(&oid) || !publication::is_there(&there, oid).await?,
                Place::Missing | Place::Taken => false,
            };
            let is_given = given.iter().any(|table| table.member.oid == member.oid);
            if !is_given && !publication::is_there(&there, member.oid).await? {
                self.gone(here.client(), &member).await?;
            }
            if is_given && has_place { &mut come } else { &mut absent }.push(member);
        }
        there.close().await;
        here.close().await;
        if !absent.is_empty() {
            self.ask(Ask::Absent(absent)).await?;
        }
        Ok(come)
    }

    /// The source has it no more.
    async fn gone(&self, here: &Client, member: &Member) -> Result<()> {
        membership::forget(here, &self.request.name, std::slice::from_ref(member)).await?;
        let message = "the source has it no more; its rows on the destination stay as they are";
        self.reporter.warn(Warning::new("mirror_table_gone", message).about(&member.name));
        Ok(())
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

/// What was kept of the changes, as far as it was written.
struct Kept<'a> {
    join: &'a Join<'a>,
    members: &'a [Member],
    /// What is before it is in the copy.
    from: Lsn,
    at: u64,
    /// Read, and not all of a record.
    bytes: Bytes,
}

impl Kept<'_> {
    /// Writes what is kept, as long as that becomes less: the rest of the mirror waits for the last of it.
    async fn catch_up(&mut self, joiner: &mut Joiner) -> Result<()> {
        let mut before = u64::MAX;
        loop {
            let written = self.write(joiner).await?;
            if written == 0 || written > before / 2 {
                return Ok(());
            }
            before = written;
        }
    }

    /// Writes what is kept when this begins; how many bytes that were.
    async fn write(&mut self, joiner: &mut Joiner) -> Result<u64> {
        let began = self.at;
        let mut until = None;
        loop {
            let (reply, read) = oneshot::channel();
            self.join.ask(Ask::Read { at: self.at, reply }).await?;
            let kept = read.await.map_err(|_| over())?;
            let until = *until.get_or_insert(kept.end);
            self.at += kept.bytes.len() as u64;
            self.bytes = match self.bytes.is_empty() {
                true => kept.bytes,
                false => [&self.bytes[..], &kept.bytes[..]].concat().into(),
            };
            let mut changes = Vec::new();
            let mut last = self.from;
            while let Some((commit_lsn, change)) = kept.tables.read(&mut self.bytes)? {
                // A commit that begins before the position ends before it too: it is in the copy.
                if commit_lsn >= self.from {
                    changes.extend(of(change, self.members));
                    last = commit_lsn;
                }
                if changes.len() >= CHANGES {
                    joiner.changes(std::mem::take(&mut changes), last).await?;
                }
            }
            joiner.changes(changes, last).await?;
            if self.at >= until {
                return Ok(self.at - began);
            }
        }
    }
}

/// What a change does to tables that are brought in now: others may stand aside beside them.
fn of(change: Change, members: &[Member]) -> Option<Change> {
    let is_ours = |oid: Oid| members.iter().any(|member| member.oid == oid);
    match change {
        Change::Truncate { mut relations, cascade, restart_identity } => {
            relations.retain(|relation| is_ours(relation.id));
            (!relations.is_empty()).then_some(Change::Truncate { relations, cascade, restart_identity })
        }
        change => change.relations().iter().all(|relation| is_ours(relation.id)).then_some(change),
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

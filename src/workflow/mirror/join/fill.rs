//! What goes into the tables that are brought in, in the open transaction of their joining: the copy, and what came since.
//!
//! ```text
//! locks here ─▶ locks there ─▶ old rows go ─▶ copy, table by table ─▶ what was kept ─▶ rest settles ─▶ the last of it
//!               └──────── who waits for these is given way to ────────┘
//! ```
//!
//! The locks on the destination come first (`docs/decisions/2026-11-28-locks-here-before-locks-there.md`).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::oneshot;

use super::kept::Kept;
use super::turns::Turn;
use super::{Join, over, waiters};
use crate::change::columns::Columns;
use crate::change::given::Given;
use crate::change::members::Member;
use crate::connect::{self, Settings};
use crate::engine::apply::joiner::Joiner;
use crate::engine::replicate::columns as numbers;
use crate::pg::{Ident, Lsn, Oid, QualifiedName, Sql};
use crate::progress::Update;
use crate::sql;
use crate::workflow::Result;
use crate::workflow::mirror::feed::Ask;
use crate::workflow::mirror::snapshot::Snapshot;

/// Bytes of rows that are sent on at once.
const PACK_BYTES: usize = 64 * 1024;

/// So long a snapshot is kept on the source for locks that could be had here a moment ago, and cannot now.
const LOCKED: Duration = Duration::from_secs(5);

/// What came of it.
pub(super) enum Filled {
    /// Everything is written, and the rest of the mirror rests.
    With {
        position: Lsn,
        tables: BTreeMap<Oid, Given>,
        /// The source's columns.
        there: HashMap<Oid, Columns>,
    },
    /// None of the tables can come in.
    Nothing,
    /// Not now.
    Not(String),
}

impl Join<'_> {
    /// Writes the copy and what came since.
    pub(super) async fn fill(
        &self,
        mut source: Snapshot,
        joiner: &mut Joiner,
        turn: &mut Turn,
    ) -> Result<Filled> {
        self.those_that_have_a_place(turn, &mut source, joiner).await?;
        if turn.members.is_empty() {
            return Ok(Filled::Nothing);
        }
        self.lock(joiner, &source.tables).await?;
        // A lock that is waited for is in the end that of the table that has the name by then.
        let asked = turn.members.len();
        self.those_that_have_a_place(turn, &mut source, joiner).await?;
        if turn.members.len() < asked {
            return Ok(Filled::Not("a table of the destination was replaced by another one".to_owned()));
        }
        let grace = self.request.clone.yield_to_ddl;
        let copied = tokio::select! {
            biased;
            yielded = waiters::watch(self.source, source.pid, grace, self.reporter) => Err(yielded),
            copied = self.copies(&mut source, joiner) => Ok(copied?),
        };
        let Snapshot { session, pid, position, tables, .. } = source;
        let copied = match copied {
            Ok(copied) => copied,
            Err(yielded) => {
                waiters::give_way(self.source, pid).await;
                return Ok(Filled::Not(format!("{yielded}. It is begun anew later")));
            }
        };
        session.close().await;
        let there = match copied {
            Ok(there) => there,
            Err(why) => return Ok(Filled::Not(why)),
        };
        let mut kept = Kept::new(self, &turn.members, position);
        kept.catch_up(joiner).await?;
        let (reply, settled) = oneshot::channel();
        let joins = turn.members.iter().map(|member| member.oid).collect();
        self.ask(Ask::Settle { reach: position, joins, reply }).await?;
        if !settled.await.map_err(|_| over())? {
            // They were given up meanwhile, and are there again: a turn is made for them.
            self.ask(Ask::Leave(turn.members.clone())).await?;
            return Ok(Filled::Not("a table left the publication, and is in it again".to_owned()));
        }
        // Nothing is added any more, and nothing else is written.
        joiner.hurry().await?;
        kept.write(joiner).await?;
        Ok(Filled::With { position, tables, there })
    }

    /// Has the locks by which the old rows can be removed. Nobody waits on the source meanwhile.
    async fn lock(&self, joiner: &mut Joiner, tables: &BTreeMap<Oid, Given>) -> Result<()> {
        let names: Vec<&QualifiedName> = tables.values().map(|table| &table.member.name).collect();
        self.in_turns(LOCKED, async || joiner.lock(&names).await).await
    }

    /// Locks the tables on the source, and copies them. Without their locks: why not.
    async fn copies(
        &self,
        source: &mut Snapshot,
        joiner: &mut Joiner,
    ) -> Result<std::result::Result<HashMap<Oid, Columns>, String>> {
        if let Err(why) = source.lock(self.source).await? {
            return Ok(Err(why));
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
        joiner.empty().await?;
        while source.is_locked() {
            self.copy(source, joiner, &columns).await?;
            source.let_go().await?;
        }
        Ok(Ok(there))
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

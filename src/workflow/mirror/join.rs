//! Brings tables in that stand aside: a copy under a temporary slot's snapshot, then what was kept of their changes since, in
//! one transaction; while the rest of the mirror goes on, but for a moment at the end.
//!
//! ```text
//! stands aside ─▶ temporary slot (snapshot, position) ─▶ old rows go, copy ─▶ changes since ─▶ rest settles ─▶ the last of them ─▶ follows
//! ```

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Ask;
use crate::change::members::Member;
use crate::change::{Change, aside};
use crate::connect::{RawConnection, Settings};
use crate::engine::apply::joiner::Joiner;
use crate::engine::replicate::slot;
use crate::pg::{Ident, Literal, Lsn, Oid, QualifiedName, Sql};
use crate::progress::{Reporter, Update, Warning};
use crate::sql;
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result, clone};

/// Changes that are written at once.
const CHANGES: usize = 5_000;

/// Bytes of rows that are sent on at once.
const PACK_BYTES: usize = 64 * 1024;

/// Brings tables in until `over`. Those that come while others are copied wait for their turn.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    mut left: mpsc::UnboundedReceiver<Vec<Member>>,
    asks: mpsc::Sender<Ask>,
    over: &CancellationToken,
) -> Result<()> {
    let bringing = async {
        while let Some(mut members) = left.recv().await {
            while let Ok(more) = left.try_recv() {
                members.extend(more);
            }
            if members.is_empty() {
                continue;
            }
            let join = Join { request, source, destination, asks: &asks, reporter: &context.reporter };
            join.run(members).await?;
        }
        Ok(())
    };
    tokio::select! {
        biased;
        () = over.cancelled() => Ok(()),
        brought = bringing => match brought {
            Err(Error::Interrupted(_)) => Ok(()),
            brought => brought,
        },
    }
}

struct Join<'a> {
    request: &'a Request,
    source: &'a Source,
    destination: &'a Destination,
    asks: &'a mpsc::Sender<Ask>,
    reporter: &'a Reporter,
}

/// A table of the source as the snapshot has it.
struct Described {
    oid: Oid,
    name: QualifiedName,
    columns: Vec<String>,
}

impl Join<'_> {
    async fn run(&self, members: Vec<Member>) -> Result<()> {
        // Gathered before the slot: its changes are in the snapshot, or kept.
        let mut walsender =
            RawConnection::replication(&self.request.walsender(&self.source.party), &Settings::default())
                .await?;
        self.reporter.operation("waiting for the transactions that run on the source".to_owned());
        let name = Ident::new(format!("{}_join", self.request.slot().as_str()));
        let slot::Created { consistent_point, snapshot } =
            slot::create(&mut walsender, &name, slot::Life::Temporary).await?;
        let mut source = RawConnection::source(&self.source.party.options, &Settings::default()).await?;
        let begin = sql!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {s}",
            s = Literal(&snapshot)
        );
        source.simple(&begin).await?;
        // The snapshot is ours now, and the slot would keep log.
        walsender.close().await;
        let session = self.destination.connect(self.destination.grant.database()).await?;
        let mut joiner = Joiner::new(session, self.request.name.clone()).await?;
        let mut described = self.describe(&mut source, &members).await?;
        let mut absent = Vec::new();
        for table in described.values() {
            if !joiner.has(&table.name).await? {
                absent.push(Member { oid: table.oid, name: table.name.clone() });
            }
        }
        let mut members = members;
        if !absent.is_empty() {
            // Who looks for new tables says so, and finds them when they are made.
            described.retain(|oid, _| absent.iter().all(|member| member.oid != *oid));
            members.retain(|member| absent.iter().all(|one| one.oid != member.oid));
            self.ask(Ask::Absent(absent)).await?;
        }
        if members.is_empty() {
            return Ok(());
        }
        let names: Vec<&QualifiedName> = described.values().map(|table| &table.name).collect();
        joiner.empty(&names).await?;
        for table in described.values() {
            self.copy(&mut source, &joiner, table).await?;
        }
        source.close().await;
        let mut kept =
            Kept { join: self, members: &members, from: consistent_point, at: 0, bytes: Bytes::new() };
        kept.catch_up(&mut joiner).await?;
        let (reply, settled) = oneshot::channel();
        self.ask(Ask::Settle { reach: consistent_point, reply }).await?;
        settled.await.map_err(|_| over())?;
        // Nothing is added any more.
        kept.write(&mut joiner).await?;
        let named = members.iter().map(|member| {
            let name = described.get(&member.oid).map_or(&member.name, |table| &table.name);
            Member { oid: member.oid, name: name.clone() }
        });
        joiner.finish(&named.collect::<Vec<_>>()).await?;
        for table in described.values() {
            tracing::info!(table = %table.name, position = %consistent_point, "copied, and follows");
        }
        self.ask(Ask::Joined(members)).await
    }

    async fn ask(&self, ask: Ask) -> Result<()> {
        self.asks.send(ask).await.map_err(|_| over())
    }

    /// Names and columns of the tables; one that is gone is left as it is here.
    async fn describe(
        &self,
        source: &mut RawConnection,
        members: &[Member],
    ) -> Result<BTreeMap<Oid, Described>> {
        let mut described = BTreeMap::new();
        for member in members {
            let query = sql!(
                "SELECT n.nspname, c.relname, a.attname FROM pg_catalog.pg_class AS c \
                   JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                   LEFT JOIN pg_catalog.pg_attribute AS a \
                     ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
                  WHERE c.oid = {o} ORDER BY a.attnum",
                o = Sql::printed_by_server(member.oid.to_string())
            );
            let answers = source.simple(&query).await?;
            let rows = answers.into_iter().flat_map(|answer| answer.rows);
            let mut table: Option<Described> = None;
            for row in rows {
                let [Some(schema), Some(name), column] = &row[..] else { continue };
                let table = table.get_or_insert_with(|| Described {
                    oid: member.oid,
                    name: QualifiedName::new(schema.as_str(), name.as_str()),
                    columns: Vec::new(),
                });
                table.columns.extend(column.clone());
            }
            match table {
                Some(table) => {
                    described.insert(member.oid, table);
                }
                None => {
                    let gone = "the source has it no more; its rows on the destination stay as they are";
                    self.reporter.warn(Warning::new("mirror_table_gone", gone).about(&member.name));
                }
            }
        }
        Ok(described)
    }

    async fn copy(&self, source: &mut RawConnection, joiner: &Joiner, table: &Described) -> Result<()> {
        self.reporter.report(Update::TableStarted { table: table.name.clone() });
        let columns = joiner.columns(&table.name, table.oid, &table.columns).await?;
        let query = sql!(
            "COPY (SELECT {c} FROM ONLY {t}) TO STDOUT",
            c = Sql::join(columns.iter().cloned(), ", "),
            t = table.name
        );
        let mut rows = joiner.rows(&table.name, &columns).await?;
        let mut out = source.copy_out(&query).await?;
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
        self.reporter.report(Update::TableFinished { table: table.name.clone(), rows, bytes });
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

//! Brings a new copy of tables in, in one transaction: their old rows go, the copy comes, then the changes that were made since,
//! and from its commit on the tables follow.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;

use super::membership::Place;
use super::pairing::Pairing;
use super::removal::{Removal, or_locked};
use super::session::{Session, failed};
use super::table;
use super::types::Types;
use super::{Error, OnConflict, Result, columns, membership, removal};
use crate::change::columns::Columns;
use crate::change::given::Entry;
use crate::change::members::Member;
use crate::change::{Change, Column};
use crate::connect::DestinationConnection;
use crate::pg::{Ident, Lsn, Oid, QualifiedName, Sql};
use crate::sql;

/// A session with the transaction of one joining.
pub struct Joiner {
    session: Session,
    mirror: String,
    /// Others read the tables meanwhile.
    gently: bool,
    /// No lock is waited for any longer than for a moment.
    hurries: bool,
    /// How the old rows go of the tables that are locked.
    removals: Vec<Removal>,
}

/// Rows on their way in.
pub struct Rows {
    sink: std::pin::Pin<Box<CopyInSink<Bytes>>>,
}

impl Joiner {
    /// Begins. `types` are the source's.
    pub async fn new(connection: DestinationConnection, mirror: String, types: Arc<Types>) -> Result<Self> {
        let session = Session::new(connection, OnConflict::Stop, types, Pairing::described(&[])).await?;
        session.execute("BEGIN; SET CONSTRAINTS ALL DEFERRED").await?;
        membership::joins(session.client(), &mirror).await?;
        Ok(Self { session, mirror, gently: false, hurries: false, removals: Vec::new() })
    }

    /// Whether others are to be able to read the tables meanwhile: then no table is emptied by TRUNCATE.
    pub fn gently(&mut self, gently: bool) {
        self.gently = gently;
    }

    /// Whose the table of the destination is that a table's copy would go into.
    pub async fn place(&self, member: &Member) -> Result<Place> {
        // Who has written to a table that nobody gave to the mirror is not waited for, for the sake of those who would wait behind us.
        self.session.execute("SET LOCAL lock_timeout = '800ms'").await?;
        let place = membership::place(self.session.client(), &self.mirror, member, true).await?;
        if !self.hurries {
            self.session.execute("SET LOCAL lock_timeout = 0").await?;
        }
        Ok(place)
    }

    /// Looks whether what the source computes is computed here too: no copy brings it.
    ///
    /// # Errors
    /// It is not.
    pub async fn computes(&self, table: &QualifiedName, there: &Columns) -> Result<()> {
        let Some(here) = table::read(self.session.client(), table).await? else { return Ok(()) };
        let is_plain =
            |name: &str| here.columns.iter().any(|column| column.name.as_str() == name && !column.generated);
        let plain = there.columns.iter().filter(|column| column.generated && is_plain(&column.name));
        let columns: Vec<String> = plain.map(|column| column.name.clone()).collect();
        match columns.is_empty() {
            true => Ok(()),
            false => Err(Error::NotComputed { table: table.clone(), columns }),
        }
    }

    /// These are brought in, under these names.
    pub fn takes(&mut self, members: &[Member]) {
        self.session.pair(Pairing::described(members));
    }

    /// Which of the source's columns are to be copied: all but those that are computed here.
    ///
    /// # Errors
    /// The table is not here, or not as the source's rows need it.
    pub async fn columns(&self, table: &QualifiedName, id: Oid, source: &[Column]) -> Result<Vec<Ident>> {
        let Some(here) = table::read(self.session.client(), table).await? else {
            return Err(Error::TableMissing { table: table.clone(), id });
        };
        let unlike = table::unlike(table, id, source, &here, self.session.types())?;
        if !unlike.is_empty() {
            return Err(Error::Unlike { table: table.clone(), id, unlike: Box::new(unlike) });
        }
        let comes = |here: &&table::Column| source.iter().any(|column| column.name == here.name.as_str());
        let taken = here.columns.iter().filter(|here| !here.generated).filter(comes);
        Ok(taken.map(|here| here.name.clone()).collect())
    }

    /// Has the locks by which the old rows of the tables can be removed.
    ///
    /// # Errors
    /// [`Error::Locked`]: somebody has a lock that keeps us from it. No lock of ours is kept then, and it can be tried again.
    pub async fn lock(&mut self, tables: &[&QualifiedName]) -> Result<()> {
        let client = self.session.client();
        let removals = removal::removals(client, tables, self.gently).await?;
        removal::lock(client, &removals, self.gently).await?;
        if removals.iter().any(|removal| removal.shared) {
            // Whoever has rows locked is not waited for any longer than who has a table: the source keeps what we read meanwhile. It
            // is we who step back, and nobody is ended for a deadlock (`deadlock_timeout`, 1 s).
            self.hurry().await?;
        }
        self.removals = removals;
        Ok(())
    }

    /// No lock is waited for any longer from now on, whatever asks for it: a trigger of the destination may. Others wait for us.
    pub async fn hurry(&mut self) -> Result<()> {
        self.session.execute("SET LOCAL lock_timeout = '800ms'").await?;
        self.hurries = true;
        Ok(())
    }

    /// Removes the old rows of the tables that are locked.
    pub async fn empty(&self) -> Result<()> {
        removal::remove(self.session.client(), &self.removals).await.map_err(or_locked)
    }

    /// Begins to take rows in, as the text format of COPY.
    pub async fn rows(&self, table: &QualifiedName, columns: &[Ident]) -> Result<Rows> {
        let copy =
            sql!("COPY {t} ({c}) FROM STDIN", t = *table, c = Sql::join(columns.iter().cloned(), ", "));
        let sink = self.session.client().copy_in(copy.as_str()).await.map_err(copying)?;
        Ok(Rows { sink: Box::pin(sink) })
    }

    /// Writes changes of the tables that were made after the copy. Where the source emptied them, rows go as the old ones went.
    ///
    /// # Errors
    /// [`Error::Locked`]: somebody has rows locked that are in the way. The transaction is of no use any more.
    pub async fn changes(&mut self, changes: Vec<Change>, commit_lsn: Lsn) -> Result<()> {
        self.write(changes, commit_lsn).await.map_err(or_locked)
    }

    async fn write(&mut self, changes: Vec<Change>, commit_lsn: Lsn) -> Result<()> {
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            match change {
                Change::Truncate { relations, .. } => {
                    self.part(std::mem::take(&mut rows), commit_lsn).await?;
                    for relation in &relations {
                        self.session.check(relation).await?;
                    }
                    let names: Vec<&QualifiedName> =
                        relations.iter().map(|relation| &relation.name).collect();
                    let client = self.session.client();
                    let removals = removal::removals(client, &names, self.gently).await?;
                    removal::remove(client, &removals).await?;
                }
                change => rows.push(change),
            }
        }
        self.part(rows, commit_lsn).await
    }

    async fn part(&mut self, rows: Vec<Change>, commit_lsn: Lsn) -> Result<()> {
        match self.session.part(rows, commit_lsn).await {
            Err(Error::Conflict { conflict, .. }) => Err(Error::CopyConflict(conflict)),
            done => done,
        }
    }

    /// Ends the transaction: the tables follow, as what they were in the publication when they were copied, and with these
    /// columns of the source.
    pub async fn finish(self, members: &[(Member, Entry)], there: &HashMap<Oid, Columns>) -> Result<()> {
        let client = self.session.client();
        membership::follow(client, &self.mirror, members).await.map_err(failed)?;
        let members: Vec<Member> = members.iter().map(|(member, _)| member.clone()).collect();
        membership::replace(client, &self.mirror, &members).await.map_err(failed)?;
        columns::record(client, &self.mirror, there).await?;
        self.session.execute("COMMIT").await.map_err(or_locked)
    }
}

impl Rows {
    /// Sends rows on.
    pub async fn send(&mut self, rows: Bytes) -> Result<()> {
        self.sink.send(rows).await.map_err(copying)
    }

    /// All of them were sent; how many that were.
    pub async fn finish(mut self) -> Result<u64> {
        self.sink.as_mut().finish().await.map_err(copying)
    }
}

fn copying(source: tokio_postgres::Error) -> Error {
    or_locked(Error::Destination { doing: "copying rows", source })
}

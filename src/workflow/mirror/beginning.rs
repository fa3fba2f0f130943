//! Where a mirror begins: its slot's consistent point. The clone is of the slot's snapshot, and its staging database gets
//! the checkpoint before the swap, so that the destination never is without the one or the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::diary::Diary;
use super::{part, waits};
use crate::change::columns::Columns;
use crate::change::positions::{self, Reason};
use crate::connect::{self, Connection, DestinationConnection, Options, RawConnection, Settings};
use crate::engine::apply::checkpoint::{self, Checkpoint};
use crate::engine::apply::columns;
use crate::engine::replicate::given::{self, Published};
use crate::engine::replicate::{self, slot};
use crate::failure::chain;
use crate::pg::name::for_people;
use crate::pg::{Ident, Oid};
use crate::progress::{MirrorPhase, Warning};
use crate::schema::select::{Choice, Selection};
use crate::workflow::clone::Parts;
use crate::workflow::party::Party;
use crate::workflow::{Error, Result};

/// Between two looks at the slot while the clone is made.
const EVERY: Duration = Duration::from_secs(5);
/// A look that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the slot, as often as the clone needs a new snapshot.
#[derive(Debug)]
pub struct Beginning {
    /// How the walsender is reached; its application name tells whose it is.
    options: Options,
    diary: Arc<Diary>,
    slot: Ident,
    publication: Ident,
    /// Whether the mirror made it: then the tables that it does not have are cloned all the same.
    own: bool,
    /// What the publication gives, as it was under the snapshot, and the columns of its tables.
    given: Mutex<(Published, HashMap<Oid, Columns>)>,
    made: Mutex<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    /// Nothing is asked of it: the snapshot lives until the next command.
    walsender: RawConnection,
    created: slot::Created,
    system: positions::Source,
}

impl Beginning {
    pub(super) fn new(
        options: Options,
        diary: Arc<Diary>,
        slot: Ident,
        (publication, own): (Ident, bool),
    ) -> Self {
        let given = Mutex::new((Published { withheld: Vec::new(), tables: Vec::new() }, HashMap::new()));
        Self { options, diary, slot, publication, own, given, made: Mutex::new(None) }
    }

    /// A new slot, instead of the one of an earlier call, and its snapshot.
    pub(in crate::workflow) async fn take(&self, source: &Connection) -> Result<String> {
        let mut made = self.made.lock().await;
        if let Some(before) = made.take() {
            before.walsender.close().await;
            slot::drop(source, self.slot.as_str()).await?;
        }
        let mut walsender = RawConnection::replication(&self.options, &Settings::default()).await?;
        let system = slot::identify(&mut walsender).await?;
        let created = {
            let creating = slot::create(&mut walsender, &self.slot, slot::Life::Permanent);
            let mut creating = std::pin::pin!(creating);
            tokio::select! {
                created = &mut creating => created?,
                never = waits::tell(source, &self.options.application_name, |warning| self.diary.warn(warning)) => match never {},
            }
        };
        self.diary.phase(MirrorPhase::Snapshotting)?;
        let snapshot = created.snapshot.clone();
        *made = Some(Made { walsender, created, system });
        Ok(snapshot)
    }

    /// Waits until the slot is gone, or given up by the source, while the clone of its snapshot is made: that comes to nothing
    /// then. Where the source cannot be asked nothing is said.
    pub(super) async fn is_lost(&self, source: &Party) -> Reason {
        loop {
            tokio::time::sleep(EVERY).await;
            match tokio::time::timeout(PATIENCE, self.look(source)).await {
                Ok(Ok(Some(reason))) => return reason,
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::debug!(error = %chain(&error), "the new slot cannot be looked at"),
                Err(_) => tracing::debug!("the new slot cannot be looked at: no answer"),
            }
        }
    }

    async fn look(&self, source: &Party) -> Result<Option<Reason>> {
        let session = connect::source(&source.options, &Settings::default()).await?;
        // It is neither being made nor dropped meanwhile.
        let made = self.made.lock().await;
        if made.is_none() {
            return Ok(None);
        }
        let found = slot::look(&session, self.slot.as_str()).await?;
        drop(made);
        session.close().await;
        let slot = self.slot.as_str().to_owned();
        Ok(match found {
            None => Some(Reason::NoSlot(slot)),
            Some(found) => found.slot.invalidated().map(|why| Reason::SlotLost { slot, why }),
        })
    }

    /// What the publication gives of the tables that the selection keeps, asked under the slot's snapshot: no row and no column
    /// more is to be copied. But of ours: what cannot be published is cloned all the same.
    pub(in crate::workflow) async fn given(
        &self,
        holder: &Connection,
        selection: &Selection,
    ) -> Result<Parts> {
        let Some(mut published) = given::published(holder, &self.publication).await? else {
            let publication = self.publication.as_str().to_owned();
            return Err(replicate::Error::PublicationGone { publication }.into());
        };
        published.tables.retain(|one| selection.matches(&one.member.name) == Choice::Kept);
        let parts = if self.own { Parts::default() } else { Parts::new(&published.tables) };
        let oids: Vec<Oid> = published.tables.iter().map(|one| one.member.oid).collect();
        let columns = replicate::columns::read(holder, &oids).await?;
        *self.given.lock().await = (published, columns);
        Ok(parts)
    }

    /// Says what does not follow because the publication does not give it; so many tables it gives nothing of.
    pub(in crate::workflow) async fn tell(&self, unpublished: usize) {
        if self.own {
            return;
        }
        let (given, name) = (self.given.lock().await, for_people(self.publication.as_str()));
        if unpublished > 0 {
            let message = match unpublished {
                1 => format!(
                    "1 table is not in publication {name}: it comes without its rows, and is not followed"
                ),
                n => format!(
                    "{n} tables are not in publication {name}: they come without their rows, and are not followed"
                ),
            };
            self.diary.warn(Warning::new("not_published", message));
        }
        part::tell_of(&name, &given.0, |warning| self.diary.warn(warning));
    }

    /// Writes the checkpoint into the staging database.
    pub(in crate::workflow) async fn write_checkpoint(&self, staging: &DestinationConnection) -> Result<()> {
        let mut made = self.made.lock().await;
        let Some(made) = made.take() else {
            return Err(Error::Defect("a mirror's clone was made without its slot".to_owned()));
        };
        let begins = Checkpoint {
            mirror: self.diary.name().to_owned(),
            system_identifier: made.system.system_identifier,
            timeline: made.system.timeline,
            slot: self.slot.as_str().to_owned(),
            lsn: made.created.consistent_point,
        };
        let given = self.given.lock().await;
        checkpoint::create(staging.client(), &begins, &given.0.tables).await?;
        columns::record(staging.client(), self.diary.name(), &given.1).await?;
        made.walsender.close().await;
        Ok(())
    }
}

//! Where a mirror begins: its slot's consistent point. The clone is of the slot's snapshot, and its staging database gets
//! the checkpoint before the swap, so that the destination never is without the one or the other.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::diary::Diary;
use super::waits;
use crate::change::columns::Columns;
use crate::change::members::Member;
use crate::change::positions;
use crate::connect::{Connection, DestinationConnection, Options, RawConnection, Settings};
use crate::engine::apply::checkpoint::{self, Checkpoint};
use crate::engine::apply::columns;
use crate::engine::replicate::slot;
use crate::pg::{Ident, Oid};
use crate::progress::MirrorPhase;
use crate::workflow::{Error, Result};

/// Makes the slot, as often as the clone needs a new snapshot.
#[derive(Debug)]
pub struct Beginning {
    /// How the walsender is reached; its application name tells whose it is.
    options: Options,
    diary: Arc<Diary>,
    slot: Ident,
    /// The tables that are published, all of which the clone has.
    members: Vec<Member>,
    /// Their columns as they were before.
    columns: HashMap<Oid, Columns>,
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
        members: Vec<Member>,
        columns: HashMap<Oid, Columns>,
    ) -> Self {
        Self { options, diary, slot, members, columns, made: Mutex::new(None) }
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
        checkpoint::create(staging.client(), &begins, &self.members).await?;
        columns::record(staging.client(), self.diary.name(), &self.columns).await?;
        made.walsender.close().await;
        Ok(())
    }
}

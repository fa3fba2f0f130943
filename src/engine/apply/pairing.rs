//! Which table of the destination a table of the source is: the one that its copy went into. As long as neither has another
//! name that is the one of its name; where the source's has another name by now, or tables have changed theirs with each other,
//! rows would go into another table.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};

use super::{Error, Result};
use crate::change::Relation;
use crate::change::members::Member;
use crate::pg::{Oid, QualifiedName};

/// By what tables are known.
#[derive(Debug)]
pub(super) enum Pairing {
    /// By the record of this mirror.
    Recorded(String),
    /// By the names that they had when they were copied: these.
    Described(HashMap<Oid, QualifiedName>),
}

/// What is on record of a table.
struct Recorded {
    name: QualifiedName,
    /// What the table here is called by now that its copy went into; nothing where that is not known, or gone.
    here: Option<QualifiedName>,
    /// It is known which one that was, and it is gone with its rows.
    gone: bool,
}

impl Pairing {
    /// For tables that are being copied.
    pub(super) fn described(members: &[Member]) -> Self {
        Self::Described(members.iter().map(|member| (member.oid, member.name.clone())).collect())
    }

    /// Holds the name by which changes come against what is known, and records one that both sides have by now.
    ///
    /// # Errors
    /// The destination's table of that name is another one, or was made after the copy had gone.
    pub(super) async fn check(&self, client: &Client, relation: &Relation) -> Result<()> {
        let misnamed = |here: QualifiedName| {
            Err(Error::Misnamed { table: relation.name.clone(), id: relation.id, here })
        };
        match self {
            Self::Described(names) => match names.get(&relation.id) {
                Some(name) if *name != relation.name => misnamed(name.clone()),
                _ => Ok(()),
            },
            Self::Recorded(mirror) => match read(client, mirror, relation.id).await? {
                Some(Recorded { here: Some(here), .. }) if here != relation.name => misnamed(here),
                Some(Recorded { here: None, name, .. }) if name != relation.name => misnamed(name),
                Some(Recorded { gone: true, .. }) => Err(Error::MadeAnew { table: relation.name.clone() }),
                Some(Recorded { name, .. }) if name != relation.name => {
                    rename(client, mirror, relation).await
                }
                _ => Ok(()),
            },
        }
    }
}

async fn read(client: &Client, mirror: &str, id: Oid) -> Result<Option<Recorded>> {
    let failed =
        |source| Error::Destination { doing: "reading which table a table of the source is", source };
    let query = "SELECT m.schema_name, m.table_name, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
               m.destination_oid IS NOT NULL AND c.oid IS NULL \
          FROM multiboard_sync.member AS m \
          LEFT JOIN pg_catalog.pg_class AS c ON c.oid = m.destination_oid AND c.relkind IN ('r', 'p') \
          LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE m.mirror = $1 AND m.source_oid = $2";
    let row = client.query_opt(query, &[&mirror, &i64::from(id)]).await.map_err(failed)?;
    let read = |row: Row| {
        let here = row.try_get::<_, Option<&str>>(2)?.zip(row.try_get::<_, Option<&str>>(3)?);
        Ok(Recorded {
            name: QualifiedName::new(row.try_get::<_, &str>(0)?, row.try_get::<_, &str>(1)?),
            here: here.map(|(schema, name)| QualifiedName::new(schema, name)),
            gone: row.try_get(4)?,
        })
    };
    row.map(read).transpose().map_err(failed)
}

async fn rename(client: &Client, mirror: &str, relation: &Relation) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording the new name of a table", source };
    let update = "UPDATE multiboard_sync.member SET schema_name = $3, table_name = $4 WHERE mirror = $1 AND source_oid = $2";
    let (schema, name) = (relation.name.schema.as_str(), relation.name.name.as_str());
    client
        .execute(update, &[&mirror, &i64::from(relation.id), &schema, &name])
        .await
        .map(drop)
        .map_err(failed)
}

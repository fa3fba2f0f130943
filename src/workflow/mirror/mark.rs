//! Marks on the destination, while the mirror stands still for a moment: tables that are to be copied again, which the process
//! that runs it brings in while the rest goes on; and a transaction that is to be left out.

use tokio_util::sync::CancellationToken;

use crate::change::given::Recorded;
use crate::change::members::{Member, Stand};
use crate::connect::DestinationConnection;
use crate::engine::apply::{checkpoint, membership, shape, skips};
use crate::engine::stage::registry::Registry;
use crate::pg::{Lsn, QualifiedName};
use crate::progress::Problem;
use crate::safety::Destinations;
use crate::schema::select::{Choice, Selection};
use crate::workflow::party::{Destination, OtherSource, Party, Source};
use crate::workflow::{Error, Result, stoppable};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Party,
    pub destination: Party,
    /// The mirror's name.
    pub name: String,
    pub what: What,
}

/// What is to be marked.
#[derive(Clone, Debug)]
pub enum What {
    /// Tables, to be copied again.
    Tables(Selection),
    /// The transaction whose commit begins here, to be left out.
    Transaction(Lsn),
}

/// Marks them; whoever calls has seen to it that no process applies the mirror. The tables come back.
///
/// # Errors
/// The mirror follows no such table, or has applied the transaction; the destination may not be written to.
pub async fn mark(
    request: &Request,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
    stop: &CancellationToken,
) -> Result<Vec<QualifiedName>> {
    let marking = async {
        let source = Source::open(&request.source).await?;
        let destination =
            Destination::follow(&request.destination, destinations, &source, sources, registry).await?;
        let session = destination.connect(destination.grant.database()).await?;
        if checkpoint::read(session.client(), &request.name).await?.is_some() {
            shape::renew(session.client()).await?;
        }
        let marked = match &request.what {
            What::Tables(tables) => aside(&request.name, tables, &session).await?,
            What::Transaction(lsn) => {
                leave_out(&request.name, *lsn, &session).await?;
                Vec::new()
            }
        };
        session.close().await;
        Ok(marked)
    };
    stoppable(stop, "nothing was marked, or all of it: `mirror status` shows what is copied again", marking)
        .await
}

async fn aside(
    mirror: &str,
    tables: &Selection,
    session: &DestinationConnection,
) -> Result<Vec<QualifiedName>> {
    let members = membership::read(session.client(), mirror).await?;
    let (names, chosen): (Vec<String>, Vec<Option<Member>>) = members
        .into_iter()
        .filter(|one| one.stand != Stand::Absent)
        .map(|Recorded { member, .. }| {
            let is_chosen = tables.matches(&member.name) == Choice::Kept;
            (member.name.to_string(), is_chosen.then_some(member))
        })
        .unzip();
    let chosen: Vec<Member> = chosen.into_iter().flatten().collect();
    if chosen.is_empty() {
        return Err(Error::Asked {
            code: "no_such_table",
            message: format!("mirror \"{mirror}\" follows no table of that name"),
            hint: format!("its tables are: {}", names.join(", ")),
        });
    }
    membership::nobody_joins(session.client(), mirror).await?;
    membership::stand_aside(session.client(), mirror, &chosen).await?;
    Ok(chosen.into_iter().map(|member| member.name).collect())
}

/// Whether an error is about the transaction whose commit begins here.
pub fn names(error: &Problem, lsn: Lsn) -> bool {
    error.code == "mirror_conflict" && error.message.contains(&format!("committed at {lsn})"))
}

/// Another transaction than the one that does not go would be left out.
pub fn not_named(mirror: &str, lsn: Lsn) -> Error {
    Error::Asked {
        code: "transaction_not_named",
        message: format!("the error of mirror \"{mirror}\" names no transaction that was committed at {lsn}"),
        hint: "give the position that it names; `mirror status` shows it".to_owned(),
    }
}

async fn leave_out(mirror: &str, lsn: Lsn, session: &DestinationConnection) -> Result<()> {
    if skips::ask(session.client(), mirror, lsn).await? {
        return Ok(());
    }
    Err(Error::Asked {
        code: "transaction_was_applied",
        message: format!(
            "the checkpoint of mirror \"{mirror}\" is past {lsn}: what was committed there is applied"
        ),
        hint: "give the position that the mirror's error names; `mirror status` shows it".to_owned(),
    })
}

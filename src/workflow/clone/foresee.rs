//! What a clone would do and destroy, from the same looks and the same plan as its run; nothing is changed anywhere.

use super::planned::PlannedFor;
use super::waiters::{self, Held};
use super::{Context, Request, look, plan};
use crate::pg::QualifiedName;
use crate::workflow::{AS_IT_WAS, Error, Result, stoppable};

/// What was foreseen. Warnings, sizes and what is switched off are reported as a run does.
#[derive(Clone, Debug)]
pub struct Foreseen {
    pub planned_for: PlannedFor,
    /// The name of the database that would be written.
    pub database: String,
    /// The relations of the one of that name that would be replaced; `None` where there is none.
    pub replaced: Option<Vec<QualifiedName>>,
    /// The run has to be given the database's name.
    pub to_be_confirmed: bool,
}

/// Foresees it.
///
/// # Errors
/// What would keep the clone from its first change, but for a confirmation that is missing.
pub async fn foresee(request: &Request, context: &Context) -> Result<Foreseen> {
    // With `strict` extensions are tried on the destination.
    let asked = Request { strict: false, confirm: None, planned_for: None, ..request.clone() };
    let confirmed = Request { confirm: Some(request.destination.options.dbname.clone()), ..asked.clone() };
    let looking = async {
        match look::look(&asked, context).await {
            Err(Error::Unconfirmed { .. }) => Ok((look::look(&confirmed, context).await?, true)),
            looked => Ok((looked?, false)),
        }
    };
    let ((source, destination), to_be_confirmed) = stoppable(&context.stop, AS_IT_WAS, looking).await?;
    let request = &Request { source: source.party.clone(), ..confirmed };
    let held = Held::default();
    let planning = waiters::beside(request, context, &held, async |context: &Context| {
        let planning = plan::plan(request, context, &source, &destination, &held);
        let plan = stoppable(&context.stop, AS_IT_WAS, planning).await?;
        held.no_more();
        Ok(plan.holder.release().await?)
    });
    let sides = (source.connection.endpoint(), request.destination.options.endpoint());
    planning.await.map_err(|error| error.at_one_of(sides.0, &sides.1))?;
    Ok(Foreseen {
        planned_for: PlannedFor::of(&source, &destination),
        database: destination.grant.database().to_owned(),
        replaced: destination.database.as_ref().map(|_| destination.relations.clone()),
        to_be_confirmed,
    })
}

//! Verifies the staging database against what the source showed under the snapshot, before it takes anybody's place.

use std::collections::BTreeMap;

use super::load::Loaded;
use super::neutralize::left_out;
use super::plan::Plan;
use super::{Context, Request, Staging};
use crate::engine::copy::sequences;
use crate::engine::verify::compare::{Summary, added_up, compare};
use crate::progress::{Phase, Side, Verification, VerifyMode};
use crate::workflow::party::Destination;
use crate::workflow::sums::{self, Question};
use crate::workflow::{Error, Result};

/// Compares; a difference is an error, and the destination stays as it is.
pub(super) async fn check(
    request: &Request,
    context: &Context,
    destination: &Destination,
    staging: &Staging,
    plan: &Plan,
    loaded: &Loaded,
) -> Result<Option<Verification>> {
    if request.verify == VerifyMode::None || request.schema_only {
        return Ok(None);
    }
    context.reporter.phase(Phase::Verify);
    let expected = source_summary(request, plan, loaded);
    let questions = plan.subjects().into_iter().map(|subject| Question {
        table: subject.name,
        query: if request.verify.hashes() { subject.checksum } else { subject.counts },
    });
    let dial = async || staging.reconnect(destination).await;
    let connections = request.jobs.min(plan.drawn.tables.len()).max(1);
    let tables =
        sums::ask(dial, connections, questions.collect(), &context.reporter, Side::Destination).await?;
    let names: Vec<_> = loaded.sequences.iter().map(|value| value.name.clone()).collect();
    let mut session = None;
    let rest = sums::persist(
        &mut session,
        dial,
        &context.reporter,
        "verifying sequences and large objects",
        async |connection| {
            let sequences = sequences::read(connection.client(), &names, Side::Destination).await?;
            let large_objects = match &loaded.large_objects {
                Some(_) => Some(sums::large_objects(connection, request.verify).await?),
                None => None,
            };
            Ok((by_name(&sequences), large_objects))
        },
    );
    let (sequences, large_objects) = rest.await?;
    let found = Summary { tables, sequences, large_objects };
    let findings = compare(&expected, &found);
    if !findings.different.is_empty() {
        return Err(Error::Different(findings.different));
    }
    Ok(Some(Verification {
        mode: request.verify,
        equal: findings.equal,
        different: Vec::new(),
        rows: Vec::new(),
        as_of: None,
        left_out: plan.drawn.jobs.iter().filter(|_| request.verify.hashes()).map(left_out).collect(),
    }))
}

fn source_summary(request: &Request, plan: &Plan, loaded: &Loaded) -> Summary {
    let mut tables = BTreeMap::new();
    for subject in plan.subjects() {
        let sum = if request.verify.hashes() {
            let hashes = subject.tables.iter().map(|(at, _)| loaded.copied.hashes.get(*at));
            added_up(hashes.map(|hash| hash.and_then(Option::as_ref)))
        } else {
            let rows: u64 = subject.tables.iter().filter_map(|(at, _)| loaded.copied.rows.get(*at)).sum();
            vec![Some(rows.to_string())]
        };
        tables.insert(subject.name, sum);
    }
    Summary { tables, sequences: by_name(&loaded.sequences), large_objects: loaded.large_objects.clone() }
}

pub(in crate::workflow) fn by_name(
    values: &[sequences::Value],
) -> BTreeMap<crate::pg::QualifiedName, (i64, bool)> {
    values.iter().map(|value| (value.name.clone(), (value.last_value, value.is_called))).collect()
}

//! Compares two databases: read-only on both sides, each at one moment, and says what differs.

mod apart;
mod followed;
pub mod live;
mod quiet;
mod rows;
mod sequences;
mod subjects;
mod view;

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::clone::by_name;
use super::party::{Party, Source};
use super::sums::{self, Question};
use super::{Result, stoppable};
use crate::engine::copy::{sequences as values, snapshot};
use crate::engine::introspect;
use crate::engine::verify::compare::{Summary, compare};
use crate::pg::QualifiedName;
use crate::platform::Wish;
use crate::progress::{DifferentRows, Phase, Reporter, Side, Skipped, Verification, VerifyMode};
use crate::schema::select::{Choice, Selection};
use apart::Apart;
use subjects::{Subjects, sequences_of, subjects};
use view::View;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Party,
    pub destination: Party,
    pub mode: VerifyMode,
    /// Connections to each side.
    pub jobs: usize,
    pub selection: Selection,
    /// What the source's platform does differently: what a clone leaves out is not compared.
    pub profile: Wish,
}

/// Compares two databases at rest. A difference is not an error here: it is in [`Verification::different`].
pub async fn run(request: &Request, reporter: &Reporter, stop: &CancellationToken) -> Result<Verification> {
    reporter.phase(Phase::Verify);
    let unchanged = "nothing was changed";
    let (source, destination, apart) = stoppable(stop, unchanged, at_rest(request, reporter)).await?;
    let compared = compare_both(&source, &destination, request.mode, request.jobs, reporter);
    let compared = stoppable(stop, unchanged, compared).await;
    View::close_both(source.view, destination.view).await;
    let mut verification = compared?;
    verification.left_out.extend(apart.into_values());
    Ok(verification)
}

async fn at_rest(request: &Request, reporter: &Reporter) -> Result<(Looked, Looked, Apart)> {
    let (there, here) = tokio::try_join!(Source::open(&request.source), Source::open(&request.destination))?;
    let apart = apart::apart(request, &there, reporter).await?;
    let source = Looked::at_rest(request, there, Side::Source, &apart);
    let destination = Looked::at_rest(request, here, Side::Destination, &apart);
    let (source, destination) = tokio::try_join!(source, destination)?;
    Ok((source, destination, apart))
}

/// One side, with what of it is compared.
struct Looked {
    side: Side,
    view: View,
    subjects: Subjects,
    sequences: Vec<QualifiedName>,
    large_objects: bool,
}

impl Looked {
    async fn at_rest(request: &Request, opened: Source, side: Side, apart: &Apart) -> Result<Self> {
        let endpoint = opened.connection.endpoint().clone();
        let looked = Self::try_at_rest(request, opened, side, apart).await;
        looked.map_err(|error| error.at(&endpoint))
    }

    async fn try_at_rest(request: &Request, opened: Source, side: Side, apart: &Apart) -> Result<Self> {
        let view = View::now(opened.connection, opened.party.options).await?;
        let client = view.holder().client();
        let catalog = introspect::read(client, opened.facts.version).await?;
        if side == Side::Source && !request.selection.is_everything() {
            // As a clone takes them: a pattern may name a view, of which there is nothing to compare.
            let mut names: Vec<_> =
                snapshot::relations(client).await?.into_iter().map(|relation| relation.name).collect();
            names.extend(snapshot::other_relations(client).await?);
            request.selection.check_all_match(&names, &snapshot::schemas(client).await?)?;
        }
        let is_kept = |name: &QualifiedName| {
            request.selection.matches(name) == Choice::Kept && !apart.contains_key(name) && !is_ours(name)
        };
        let mut sequences = sequences_of(&request.selection, &catalog);
        sequences.retain(|name| !apart.contains_key(name));
        let large_objects = request.selection.is_everything();
        Ok(Self { side, view, subjects: subjects(&catalog, is_kept), sequences, large_objects })
    }

    /// Its sums, over so many connections.
    async fn sum_up(&self, mode: VerifyMode, jobs: usize, reporter: &Reporter) -> Result<Summary> {
        let summed = self.try_to_sum_up(mode, jobs, reporter).await;
        summed.map_err(|error| error.at(self.view.holder().endpoint()))
    }

    async fn try_to_sum_up(&self, mode: VerifyMode, jobs: usize, reporter: &Reporter) -> Result<Summary> {
        let question = |(table, subject): (&QualifiedName, &subjects::Subject)| Question {
            table: table.clone(),
            query: self.view.under(&subject.query(mode)),
        };
        let questions: Vec<Question> = self.subjects.asked.iter().map(question).collect();
        let dial = async || self.view.session().await;
        let tables = sums::ask(dial, jobs, questions, reporter, self.side).await?;
        let holder = self.view.holder();
        let sequences = by_name(&values::read(holder.client(), &self.sequences, self.side).await?);
        let large_objects = match self.large_objects {
            true => Some(sums::large_objects(holder, mode).await?),
            false => None,
        };
        Ok(Summary { tables, sequences, large_objects })
    }
}

/// What we keep in a mirror's destination is nobody's data.
fn is_ours(name: &QualifiedName) -> bool {
    name.schema.as_str() == "multiboard_sync"
}

/// Sums both sides up at the same time, compares, and with [`VerifyMode::Rows`] looks for the rows of what differs.
async fn compare_both(
    source: &Looked,
    destination: &Looked,
    mode: VerifyMode,
    jobs: usize,
    reporter: &Reporter,
) -> Result<Verification> {
    let (mut there, mut here) =
        tokio::try_join!(source.sum_up(mode, jobs, reporter), destination.sum_up(mode, jobs, reporter))?;
    let mut left_out = Vec::new();
    let untold: BTreeSet<&QualifiedName> =
        source.subjects.untold.iter().chain(&destination.subjects.untold).collect();
    for tree in untold {
        there.tables.remove(tree);
        here.tables.remove(tree);
        left_out.push(not_told_apart(tree));
    }
    let mut rows = Vec::new();
    if mode == VerifyMode::Rows {
        rows = rows_of(source, destination, (&there, &here), reporter).await?;
    }
    // Last: what was changed by now was perhaps changed before it was read.
    let changed = changed(source, destination).await?;
    for table in &changed {
        there.tables.remove(table);
        here.tables.remove(table);
        rows.retain(|one| one.table != table.to_string());
        left_out.push(changed_meanwhile(table));
    }
    let findings = compare(&there, &here);
    Ok(Verification {
        mode,
        equal: findings.equal,
        different: findings.different,
        left_out,
        rows,
        as_of: None,
    })
}

async fn rows_of(
    source: &Looked,
    destination: &Looked,
    sums: (&Summary, &Summary),
    reporter: &Reporter,
) -> Result<Vec<DifferentRows>> {
    let keys = rows::keys(source.view.holder()).await?;
    let mut found = Vec::new();
    for (name, sum) in &sums.0.tables {
        let asked = (source.subjects.asked.get(name), destination.subjects.asked.get(name));
        let (Some(there), Some(here)) = asked else { continue };
        if sums.1.tables.get(name).is_none_or(|other| other == sum) {
            continue;
        }
        // Rows without columns are told apart by nothing.
        if there.table.columns.is_empty() && here.table.columns.is_empty() {
            continue;
        }
        let key = keys.get(name).map(Vec::as_slice).unwrap_or_default();
        let there = rows::Side { view: &source.view, subject: there };
        let here = rows::Side { view: &destination.view, subject: here };
        found.push(rows::different(name, key, there, here, reporter).await?);
    }
    Ok(found)
}

/// The subjects of which a table was truncated, rewritten or altered while they were compared.
async fn changed(source: &Looked, destination: &Looked) -> Result<BTreeSet<QualifiedName>> {
    let (there, here) = tokio::try_join!(source.view.changed(), destination.view.changed())?;
    let of = |looked: &Looked, changed: &BTreeSet<QualifiedName>| -> Vec<QualifiedName> {
        let asked = looked.subjects.asked.iter();
        asked
            .filter(|(_, subject)| !subject.lies_in.is_disjoint(changed))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let mut changed = of(source, &there);
    changed.extend(of(destination, &here));
    Ok(changed.into_iter().collect())
}

fn not_told_apart(tree: &QualifiedName) -> Skipped {
    let reason = "only some of its partitions are compared, or parts of them, and which rows lie in which may differ between \
                  servers";
    Skipped { object: format!("table {tree}"), reason: reason.to_owned() }
}

fn changed_meanwhile(table: &QualifiedName) -> Skipped {
    let reason = "it was truncated, rewritten or altered while it was compared: compare it again";
    Skipped { object: format!("table {table}"), reason: reason.to_owned() }
}

//! Compares two databases at rest: read-only on both sides, and says what differs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tokio_util::sync::CancellationToken;

use super::clone::{by_name, summed};
use super::party::{Party, Source};
use super::sums::{self, Question};
use super::{Result, platform, stoppable};
use crate::connect::{self, Settings};
use crate::engine::copy::{sequences, snapshot};
use crate::engine::introspect;
use crate::engine::preflight::source as readable;
use crate::engine::verify::compare::{Summary, compare};
use crate::engine::verify::query::{self, Rows};
use crate::pg::{Oid, QualifiedName, Sql};
use crate::platform::Wish;
use crate::progress::{Phase, Reporter, Side, Skipped, Verification, VerifyMode};
use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Catalog, class};
use crate::schema::select::{Choice, Selection};
use crate::schema::unselected::unselected;

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

/// Compares them. A difference is not an error here: it is in [`Verification::different`].
pub async fn run(request: &Request, reporter: &Reporter, stop: &CancellationToken) -> Result<Verification> {
    reporter.phase(Phase::Verify);
    let both = async {
        let apart = apart(request, reporter).await?;
        let (source, destination) = tokio::try_join!(
            sum_up(request, &request.source, Side::Source, &apart, reporter),
            sum_up(request, &request.destination, Side::Destination, &apart, reporter)
        )?;
        Ok((apart, source, destination))
    };
    let (apart, (mut source, untold), (mut destination, untold_there)) =
        stoppable(stop, "nothing was changed", both).await?;
    let untold: BTreeSet<QualifiedName> = untold.into_iter().chain(untold_there).collect();
    for tree in &untold {
        source.tables.remove(tree);
        destination.tables.remove(tree);
    }
    let findings = compare(&source, &destination);
    Ok(Verification {
        mode: request.mode,
        equal: findings.equal,
        different: findings.different,
        left_out: untold.iter().map(not_told_apart).chain(apart.into_values()).collect(),
    })
}

/// Tables and sequences that no clone has as the source has them, since they are the platform's own; each with a line.
type Apart = BTreeMap<QualifiedName, Skipped>;

/// What the profile of the source's platform leaves out, by the name that it has on both sides.
async fn apart(request: &Request, reporter: &Reporter) -> Result<Apart> {
    let opened = Source::open(&request.source).await?;
    let apart = apart_of(request, &opened, reporter).await;
    apart.map_err(|error| error.at(opened.connection.endpoint()))
}

async fn apart_of(request: &Request, opened: &Source, reporter: &Reporter) -> Result<Apart> {
    let (client, selection) = (opened.connection.client(), &request.selection);
    let chosen = platform::choose(request.profile, client, reporter).await?;
    let Some(profile) = chosen.profile else { return Ok(Apart::new()) };
    let role = &opened.facts.role;
    let mut relations = snapshot::relations(client).await?;
    let judged = platform::judge(selection, role, client, Some(profile), &mut relations).await?;
    let own = "the platform's own, which a clone leaves out";
    let mut apart = Apart::new();
    let mut leave = |kind: &str, name: QualifiedName, reason: String| {
        let object = format!("{kind} {name}");
        apart.insert(name, Skipped { object, reason });
    };
    for name in judged.left_out {
        leave("table", name, own.to_owned());
    }
    for (name, reason) in judged.without_rows.into_values() {
        leave("table", name, reason);
    }
    let others = snapshot::other_relations(client).await?.into_iter();
    let others = others.filter(|name| {
        profile.owns_schema(name.schema.as_str()) && selection.matches(name) != Choice::LeftOut
    });
    let (gone, here): (Vec<_>, Vec<_>) = others.partition(|name| profile.leaves_out(name.schema.as_str()));
    for name in gone {
        leave("relation", name, own.to_owned());
    }
    for closed in readable::unreadable_sequences(client, &here).await? {
        leave("sequence", closed.name, format!("role {role} may not read it on the source"));
    }
    Ok(apart)
}

fn not_told_apart(tree: &QualifiedName) -> Skipped {
    let reason =
        "the selection takes some of its partitions, and which rows lie in which may differ between servers";
    Skipped { object: format!("table {tree}"), reason: reason.to_owned() }
}

/// A database's sums, and the partition trees that cannot be summed up as selected.
async fn sum_up(
    request: &Request,
    party: &Party,
    side: Side,
    apart: &Apart,
    reporter: &Reporter,
) -> Result<(Summary, Vec<QualifiedName>)> {
    let opened = Source::open(party).await?;
    let summary = sum_up_opened(request, &opened, side, apart, reporter).await;
    summary.map_err(|error| error.at(opened.connection.endpoint()))
}

async fn sum_up_opened(
    request: &Request,
    opened: &Source,
    side: Side,
    apart: &Apart,
    reporter: &Reporter,
) -> Result<(Summary, Vec<QualifiedName>)> {
    let client = opened.connection.client();
    // One moment of the catalog; the rows are asked for by several sessions of a database at rest.
    opened.connection.batch(&Sql::fixed("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?;
    let catalog = introspect::read(client, opened.facts.version).await?;
    opened.connection.batch(&Sql::fixed("COMMIT")).await?;
    if side == Side::Source && !request.selection.is_everything() {
        // As a clone takes them: a pattern may name a view, of which there is nothing to compare.
        let mut names: Vec<_> =
            snapshot::relations(client).await?.into_iter().map(|relation| relation.name).collect();
        names.extend(snapshot::other_relations(client).await?);
        request.selection.check_all_match(&names, &snapshot::schemas(client).await?)?;
    }
    let (questions, untold) = questions(request, &catalog, apart);
    let dial = async || connect::source(&opened.party.options, &Settings::default()).await.map(Box::new);
    let tables = sums::ask(dial, request.jobs, questions, reporter, side).await?;
    let mut names = sequences_of(&request.selection, &catalog);
    names.retain(|name| !apart.contains_key(name));
    let large_objects = match request.selection.is_everything() {
        true => Some(sums::large_objects(&opened.connection, request.mode).await?),
        false => None,
    };
    let sequences = by_name(&sequences::read(client, &names, side).await?);
    Ok((Summary { tables, sequences, large_objects }, untold))
}

/// The sequences that a clone with this selection takes: a column's with its table, and by its own name only one that
/// stands for itself.
fn sequences_of(selection: &Selection, catalog: &Catalog) -> Vec<QualifiedName> {
    let left_out = catalog.tables.iter().filter(|table| selection.matches(&table.name) == Choice::LeftOut);
    let tables: HashSet<Address> = left_out.map(Table::address).collect();
    let unselected = unselected(catalog, selection, &tables);
    let taken = catalog.sequences.iter().filter(|sequence| match sequence.owned_by {
        Some(owner) => !tables.contains(&Address::new(class::RELATION, owner.table)),
        None => !unselected.contains(&sequence.address()),
    });
    taken.map(|sequence| sequence.name.clone()).collect()
}

/// One question for each table with rows; partitions whose rows may lie in other leaves are asked for at their root,
/// and not at all where only some of them are selected.
fn questions(request: &Request, catalog: &Catalog, apart: &Apart) -> (Vec<Question>, Vec<QualifiedName>) {
    let by_oid = catalog.tables_by_oid();
    let nothing = Sql::default();
    let tables = catalog.tables.iter().filter(|table| table.has_rows()).map(|table| (table, &nothing));
    let of_extensions = catalog.configurations.iter().map(|one| (&one.table, &one.condition));
    let is_kept = |table: &Table| request.selection.matches(&table.name) == Choice::Kept;
    let not_kept = catalog.tables.iter().filter(|table| table.has_rows() && !is_kept(table));
    let incomplete: HashSet<Oid> = not_kept.filter_map(|table| table.load_through).collect();
    let (mut asked, mut untold) = (BTreeMap::new(), Vec::new());
    for (table, condition) in tables.chain(of_extensions) {
        if !is_kept(table) || apart.contains_key(&table.name) {
            continue;
        }
        let root = table.load_through.and_then(|root| by_oid.get(&root));
        if let Some(root) = root.filter(|root| incomplete.contains(&root.oid)) {
            untold.push(root.name.clone());
            continue;
        }
        let (table, rows) = root.map_or((table, Rows::Own), |root| (*root, Rows::Tree));
        asked.entry(table.name.clone()).or_insert_with(|| match request.mode {
            VerifyMode::Checksum => query::checksum(&summed(table, condition), rows),
            _ => query::counts(&summed(table, condition), rows),
        });
    }
    (asked.into_iter().map(|(table, query)| Question { table, query }).collect(), untold)
}

//! The plan: one snapshot with its locks, the catalog read under it, and the script and the chunks made of it.

use std::collections::{HashMap, HashSet};

use super::{Context, Request};
use crate::connect::{self, Connection};
use crate::engine::copy::{self, large_objects, plan as chunks, snapshot};
use crate::engine::preflight::{self, check, destination as facts, source as readable};
use crate::engine::stage::create::{Locale, Provider};
use crate::engine::{introspect, verify};
use crate::pg::{Oid, QualifiedName};
use crate::progress::{IndexWork, Level, Skipped, TableWork, Update, VerifyMode, Warning, Work};
use crate::schema::model::{self, Address, Catalog};
use crate::schema::script::{Phase, Script};
use crate::schema::select::Kept;
use crate::schema::{self, binary, order, parse, render};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result};

/// Attempts at a snapshot that no change of a table's definition has overtaken.
const SNAPSHOTS: u32 = 10;

/// A table of at most this many bytes gets its keys inside CREATE TABLE: loading into them costs less than the
/// statements that build them later (1.2 ms of server CPU each).
const SMALL_TABLE: u64 = 1 << 20;

/// What the clone will do.
pub(super) struct Plan {
    /// Holds the snapshot and the locks until the last read.
    pub(super) holder: Connection,
    pub(super) snapshot: String,
    pub(super) catalog: Catalog,
    pub(super) script: Script,
    pub(super) tables: Vec<chunks::Table>,
    pub(super) large_objects: Vec<large_objects::Range>,
    pub(super) sequences: Vec<QualifiedName>,
    pub(super) locale: Locale,
    pub(super) skipped: Vec<Skipped>,
    pub(super) neutralized: Vec<String>,
}

/// Takes the snapshot, reads the catalog, and makes the plan; nothing is changed anywhere.
pub(super) async fn plan(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
) -> Result<Plan> {
    let held = hold(request, context, source).await?;
    context.reporter.operation("reading the source's catalog");
    let catalog = introspect::read(held.holder.client(), source.facts.version).await?;
    let data = if request.schema_only { HashSet::new() } else { held.with_data.clone() };
    let options = schema_options(request, &catalog, destination);
    let pieces = render::render(&catalog, &options);
    let script = order::arrange(pieces, &catalog.dependencies, &left_out(&catalog, &held.left_out));
    judge(&script, context)?;
    let skipped: Vec<Skipped> = catalog
        .unsupported
        .iter()
        .chain(&script.skipped)
        .map(|one| Skipped { object: one.object.clone(), reason: one.reason.clone() })
        .collect();
    if request.strict && !skipped.is_empty() {
        return Err(Error::Strict(skipped.iter().map(|one| format!("{} ({})", one.object, one.reason)).collect()));
    }
    for one in &skipped {
        context.reporter.warn(Warning::new("skipped", one.reason.clone()).about(&one.object));
    }
    let oids: Vec<Oid> = data.iter().copied().collect();
    let blocks = snapshot::blocks(held.holder.client(), &oids).await?;
    let tables = tables(&catalog, &script, &data, &blocks);
    let large_objects = if request.schema_only || catalog.large_objects.is_empty() {
        Vec::new()
    } else {
        large_objects::ranges(held.holder.client()).await?
    };
    let plan = Plan {
        locale: locale(request, &catalog),
        sequences: sequences(&catalog, &script),
        holder: held.holder,
        snapshot: held.snapshot,
        neutralized: Vec::new(),
        catalog,
        script,
        tables,
        large_objects,
        skipped,
    };
    announce(request, context, &plan);
    Ok(plan)
}

/// The snapshot with its locks.
struct Held {
    holder: Connection,
    snapshot: String,
    with_data: HashSet<Oid>,
    left_out: Vec<(Oid, QualifiedName)>,
}

/// Takes snapshots until one is not overtaken by a change of a table's definition before the locks are there.
async fn hold(request: &Request, context: &Context, source: &Source) -> Result<Held> {
    let fresh = source.connection.client();
    let mut changed = Vec::new();
    for attempt in 1..=SNAPSHOTS {
        context.reporter.operation("taking a snapshot of the source");
        let holder = connect::source(&request.source.options).await?;
        let id = snapshot::export(holder.client()).await?;
        let relations = snapshot::relations(holder.client()).await?;
        let names: Vec<&QualifiedName> = relations.iter().map(|relation| &relation.name).collect();
        request.selection.check(&names)?;
        let (mut kept, mut with_data, mut left_out) = (Vec::new(), HashSet::new(), Vec::new());
        for relation in relations {
            match request.selection.matches(&relation.name) {
                Kept::LeftOut => left_out.push((relation.oid, relation.name)),
                Kept::NoData => kept.push(relation),
                Kept::Kept => {
                    with_data.insert(relation.oid);
                    kept.push(relation);
                }
            }
        }
        let to_read: Vec<Oid> = with_data.iter().copied().collect();
        if !request.schema_only {
            let unreadable = readable::unreadable(holder.client(), &to_read).await?;
            preflight::fail_on(check::readable(&source.facts.role, &unreadable))?;
        }
        preflight::fail_on(check::locks(&source.facts, kept.len()).into_iter().collect())?;
        match snapshot::lock(holder.client(), fresh, &kept).await {
            Err(copy::Error::SnapshotOutdated { tables }) => changed = tables,
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let outdated = snapshot::outdated(fresh, &kept).await?;
                if outdated.is_empty() {
                    return Ok(Held { holder, snapshot: id, with_data, left_out });
                }
                changed = outdated.iter().map(ToString::to_string).collect();
            }
        }
        let message = format!("tables changed while they were being locked, taking a new snapshot: {}", changed.join(", "));
        tracing::info!(attempt, "{message}");
        context.reporter.warn(Warning::new("snapshot_retaken", message));
    }
    Err(copy::Error::SnapshotOutdated { tables: changed }.into())
}

fn schema_options(request: &Request, catalog: &Catalog, destination: &Destination) -> schema::Options {
    let small = catalog.tables.iter().filter(|table| table.has_rows() && table.bytes <= SMALL_TABLE);
    schema::Options {
        owners: request.owners,
        privileges: request.privileges,
        neutralize: request.neutralize,
        inline_keys: small.map(|table| table.oid).collect(),
        available_extensions: destination.facts.extensions.clone(),
        roles: destination.facts.roles.clone(),
        superuser: destination.facts.superuser,
        ..schema::Options::new(destination.facts.version)
    }
}

fn left_out(catalog: &Catalog, tables: &[(Oid, QualifiedName)]) -> HashMap<Address, String> {
    let mut left_out: HashMap<Address, String> = tables
        .iter()
        .map(|(oid, name)| (Address::new(model::class::RELATION, *oid), format!("table {name}")))
        .collect();
    let gone: HashSet<Oid> = tables.iter().map(|(oid, _)| *oid).collect();
    for sequence in &catalog.sequences {
        if sequence.owned_by.is_some_and(|owner| gone.contains(&owner.table)) {
            left_out.insert(sequence.address(), format!("sequence {}", sequence.name));
        }
    }
    left_out
}

/// The tables whose rows are copied: those that the script makes and the selection wants with their rows.
fn tables(catalog: &Catalog, script: &Script, data: &HashSet<Oid>, blocks: &HashMap<Oid, u32>) -> Vec<chunks::Table> {
    let by_oid = catalog.tables_by_oid();
    let wanted = catalog
        .tables
        .iter()
        .filter(|table| table.has_rows() && data.contains(&table.oid) && script.makes(table.address()));
    wanted
        .map(|table| {
            let root = by_oid.get(&table.root).filter(|_| table.load_through_root);
            chunks::Table {
                oid: table.oid,
                name: table.name.clone(),
                into: root.map_or_else(|| table.name.clone(), |root| root.name.clone()),
                columns: table.copied_columns().map(|column| column.name.clone()).collect(),
                format: if table.binary_safe { chunks::Format::Binary } else { chunks::Format::Text },
                bytes: table.bytes,
                blocks: blocks.get(&table.oid).copied().unwrap_or_default(),
            }
        })
        .collect()
}

/// The sequences that the script makes; a sequence of its own or one that comes with its identity column.
fn sequences(catalog: &Catalog, script: &Script) -> Vec<QualifiedName> {
    let made = catalog.sequences.iter().filter(|sequence| script.makes(sequence.address()));
    made.map(|sequence| sequence.name.clone()).collect()
}

fn locale(request: &Request, catalog: &Catalog) -> Locale {
    let database = &catalog.database;
    if let Some(locale) = &request.locale {
        return Locale {
            encoding: database.encoding.clone(),
            provider: Provider::Libc,
            collate: locale.clone(),
            ctype: locale.clone(),
        };
    }
    let named = || database.locale.clone().unwrap_or_default();
    Locale {
        encoding: database.encoding.clone(),
        provider: match database.provider {
            model::database::LocaleProvider::Libc => Provider::Libc,
            model::database::LocaleProvider::Icu => {
                Provider::Icu { locale: named(), rules: database.icu_rules.clone() }
            }
            model::database::LocaleProvider::Builtin => Provider::Builtin { locale: named() },
        },
        collate: database.collate.clone(),
        ctype: database.ctype.clone(),
    }
}

/// Every generated statement is judged before the first change. What only the newer grammar refuses of the
/// source's own text is a warning: the destination judges.
fn judge(script: &Script, context: &Context) -> Result<()> {
    for finding in parse::judge_script(script) {
        if finding.stops() {
            return Err(Error::Generated(finding.to_string()));
        }
        context.reporter.warn(Warning::new("not_parsed", finding.to_string()));
    }
    Ok(())
}

fn announce(request: &Request, context: &Context, plan: &Plan) {
    let statements = |phase| plan.script.steps.iter().filter(|s| s.phase == phase).map(|s| s.sql.len() as u64).sum();
    let by_oid = plan.catalog.tables_by_oid();
    let mut keys: HashMap<Oid, u32> = HashMap::new();
    for step in plan.script.steps.iter().filter(|step| step.phase == Phase::Constraint) {
        for table in &step.needs_rows_of {
            *keys.entry(*table).or_default() += 1;
        }
    }
    let tables = plan.tables.iter().map(|table| TableWork {
        table: table.name.clone(),
        bytes: table.bytes,
        rows_estimate: None,
        foreign_keys: keys.get(&table.oid).copied().unwrap_or_default(),
    });
    let indexes = plan.script.steps.iter().filter(|step| step.phase == Phase::Index).filter_map(|step| {
        let table = step.locks.first().and_then(|lock| by_oid.get(&lock.table))?;
        Some(IndexWork { index: step.builds.clone()?, table: table.name.clone(), bytes: 0 })
    });
    context.reporter.report(Update::Plan(Work {
        tables: tables.collect(),
        indexes: indexes.collect(),
        constraints: plan.script.steps.iter().filter(|step| step.phase == Phase::Constraint).count() as u64,
        pre_statements: statements(Phase::PreData),
        post_statements: statements(Phase::PostData),
        large_object_bytes: plan.large_objects.iter().map(|range| range.bytes).sum(),
        verify: request.verify,
        source_summary_during_copy: request.verify == VerifyMode::Checksum,
        analyze: true,
        lanes: u32::try_from(request.jobs).unwrap_or(u32::MAX),
    }));
    let total: u64 = plan.tables.iter().map(|table| table.bytes).sum();
    context.reporter.log(Level::Info, format!("{} tables, {} MB of rows", plan.tables.len(), total >> 20));
}

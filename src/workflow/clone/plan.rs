//! The plan: one snapshot with its locks, the catalog read under it, and the script and the chunks made of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use super::part::{self, Chosen};
use super::{Context, Request, look, losses, neutralize, settings, waiters};
use crate::connect::{self, Connection, Settings};
use crate::engine::copy::holder::Holder;
use crate::engine::copy::schedule::Tree;
use crate::engine::copy::snapshot::{self, Measure};
use crate::engine::copy::{self, lanes, large_objects, plan as chunks};
use crate::engine::introspect;
use crate::engine::preflight::{self, check, source as readable};
use crate::engine::verify::query;
use crate::failure::chain;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::progress::{IndexWork, Level, Skipped, TableWork, Update, VerifyMode, Warning, Work};
use crate::schema::model::database::{Database, LocaleProvider};
use crate::schema::model::{self, Address, Catalog};
use crate::schema::script::{Phase, Script};
use crate::schema::select::Choice;
use crate::schema::{self, adapt, order, parse, render};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result};

/// How long a lock on the source is waited for: ours queues behind an ALTER TABLE, and everybody else behind ours.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts at a snapshot that no change of a table's definition has overtaken.
const SNAPSHOTS: u32 = 10;

/// Bytes of a block where nobody changed them; for the percentage only.
const BLOCK: u64 = 8192;

/// What the clone will do.
pub(super) struct Plan {
    /// Holds the snapshot and the locks until the last read.
    pub(super) holder: Arc<Holder>,
    pub(super) snapshot: String,
    pub(super) catalog: Catalog,
    pub(super) script: Script,
    pub(super) tables: Vec<chunks::Table>,
    pub(super) large_objects: Vec<large_objects::Range>,
    pub(super) sequences: Vec<QualifiedName>,
    /// As the staging database is to be made: the source's encoding and locale, or `--locale`.
    pub(super) like: Database,
    /// The source database's own comment.
    pub(super) comment: Option<String>,
    pub(super) options: schema::Options,
    pub(super) skipped: Vec<Skipped>,
    /// What is switched off, one sentence each.
    pub(super) neutralized: Vec<String>,
    /// The table of pg_cron's jobs, if its rows are copied and the jobs are to be switched off.
    pub(super) jobs: Option<QualifiedName>,
}

/// Takes the snapshot, reads the catalog, and makes the plan; nothing is changed anywhere.
pub(super) async fn plan(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
    watched: &waiters::Held,
) -> Result<Plan> {
    let (held, mut catalog) = read(request, context, source, destination, watched).await?;
    let data = if request.schema_only { HashSet::new() } else { held.chosen.with_data.clone() };
    if request.schema_only {
        catalog.forget_rows();
    }
    part::check_partitions(&catalog, &held.chosen)?;
    let options = schema_options(request, &catalog, destination);
    let adapted = adapt::adapt(&mut catalog, &options);
    let rendering = render::render(&catalog, &options);
    let mut neutralized = rendering.neutralized;
    let mut left_out = part::left_out(&catalog, &held.chosen, &request.selection);
    left_out.extend(rendering.left_out);
    let script = order::arrange(rendering.pieces, &catalog.dependencies, &left_out);
    let replaces = destination.database.is_some();
    let name = Ident::new(destination.grant.database());
    let (of_database, of_it) = settings::statements(&catalog, &options, &[], replaces, &name);
    judge(&script, &of_database, &catalog, context)?;
    let skipped: Vec<Skipped> = rendering
        .skipped
        .iter()
        .chain(&script.skipped)
        .chain(&of_it.skipped)
        .chain(&adapted)
        .filter(|one| one.reason != part::BY_SELECTION)
        .map(|one| Skipped { object: one.object.clone(), reason: one.reason.clone() })
        .collect();
    if request.strict && !skipped.is_empty() {
        return Err(Error::Strict(
            skipped.iter().map(|one| format!("{} ({})", one.object, one.reason)).collect(),
        ));
    }
    for one in &skipped {
        context.reporter.warn(Warning::new("skipped", one.reason.clone()).about(&one.object));
    }
    let oids: Vec<Oid> = data.iter().copied().chain(catalog.indexes.iter().map(|index| index.oid)).collect();
    let measures = snapshot::measures(held.holder.client(), &oids).await?;
    let tables = tables(&catalog, &script, &data, &measures, destination.facts.superuser);
    let large_objects = if request.schema_only || catalog.large_objects.is_empty() {
        Vec::new()
    } else {
        large_objects::ranges(held.holder.client()).await?
    };
    let sequences = if request.schema_only { Vec::new() } else { sequences(&catalog, &script) };
    let unreadable = readable::unreadable_sequences(held.holder.client(), &sequences).await?;
    preflight::fail_on(check::readable_sequences(&source.facts.role, &unreadable))?;
    let jobs = if request.neutralize { neutralize::jobs(&catalog, &tables) } else { None };
    neutralized.extend(jobs.as_ref().map(|table| format!("every job in {table}: made inactive")));
    for line in &neutralized {
        context.reporter.log(Level::Info, format!("to be switched off: {line}"));
    }
    let plan = Plan {
        like: like(request, &catalog),
        comment: catalog.database.comment.take(),
        options,
        sequences,
        holder: Arc::new(Holder::new(held.holder).await?),
        snapshot: held.snapshot,
        neutralized,
        jobs,
        catalog,
        script,
        tables,
        large_objects,
        skipped,
    };
    if !request.selection.is_everything() && !request.schema_only {
        let indexes = plan.catalog.indexes.iter().filter(|index| data.contains(&index.table));
        let of_indexes = indexes.filter_map(|index| measures.get(&index.oid));
        let of_indexes: u64 = of_indexes.map(|measure| u64::from(measure.blocks) * BLOCK).sum();
        let of_tables: u64 = plan.tables.iter().map(|table| table.bytes).sum();
        look::has_room(context, destination, of_tables + of_indexes)?;
    }
    announce(request, context, &plan, &measures);
    losses::tell(request, context, destination, &plan);
    Ok(plan)
}

/// A snapshot with its locks, and the catalog under it. The server's functions that print definitions see the newest
/// catalog: where something was dropped beside us, they fail or print nothing, and a new snapshot is taken.
async fn read(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
    watched: &waiters::Held,
) -> Result<(Held, Catalog)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let held = hold(request, context, source, destination, watched).await?;
        context.reporter.operation("reading the source's catalog");
        match introspect::read(held.holder.client(), source.facts.version).await {
            Ok(catalog) => {
                for extension in &catalog.extensions {
                    for name in &extension.hidden_sequences {
                        not_read(context, source, extension.name.as_str(), name);
                    }
                }
                return Ok((held, catalog));
            }
            Err(error) if error.may_have_vanished() && attempt < SNAPSHOTS => {
                let message = format!(
                    "the source's schema changed while it was read, reading it again: {}",
                    chain(&error)
                );
                context.reporter.warn(Warning::new("snapshot_retaken", message));
                watched.no_more();
                held.holder.close().await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What verification compares: a table, or a whole partition tree where rows may lie in other leaves on the other side.
pub(super) struct Subject {
    pub(super) name: QualifiedName,
    /// Positions in [`Plan::tables`], each with the query that hashes that table's rows on the source: of a tree only
    /// some leaves may have been copied.
    pub(super) tables: Vec<(usize, Sql)>,
    /// What is asked on the destination.
    pub(super) counts: Sql,
    pub(super) checksum: Sql,
}

impl Plan {
    /// The steps of a phase, with their positions in the script.
    pub(super) fn steps(&self, phase: Phase) -> Vec<lanes::Placed<'_>> {
        self.script.steps.iter().enumerate().filter(|(_, step)| step.phase == phase).collect()
    }

    /// The partition trees that are loaded through their roots, every table of each.
    pub(super) fn trees(&self) -> Vec<Tree> {
        let mut trees: BTreeMap<Oid, Tree> = BTreeMap::new();
        for table in &self.catalog.tables {
            if let Some(root) = table.load_through {
                trees.entry(root).or_insert_with(|| vec![root]).push(table.oid);
            }
        }
        trees.into_values().collect()
    }

    /// Everything whose rows are copied, each row once.
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let nothing = Sql::default();
        let tables = self.catalog.tables.iter().map(|table| (table, &nothing));
        let of_extensions = self.catalog.configurations.iter().map(|one| (&one.table, &one.condition));
        let by_name: HashMap<&QualifiedName, (&model::relation::Table, &Sql)> =
            tables.chain(of_extensions).map(|one| (&one.0.name, one)).collect();
        let mut grouped: BTreeMap<&QualifiedName, Vec<usize>> = BTreeMap::new();
        for (at, table) in self.tables.iter().enumerate() {
            grouped.entry(&table.into).or_default().push(at);
        }
        let mut subjects = Vec::with_capacity(grouped.len());
        let summed = |name: &QualifiedName| {
            let (table, condition) = by_name.get(name)?;
            let rows = if table.partitioned { query::Rows::Tree } else { query::Rows::Own };
            let mut summed = summed(table, condition);
            if self.jobs.as_ref() == Some(name) {
                summed.columns.retain(|column| column.name.as_str() != neutralize::ACTIVE);
            }
            Some((summed, rows))
        };
        for (name, tables) in grouped {
            let Some((whole, rows)) = summed(name) else { continue };
            let on_source = |at: usize| {
                let (table, rows) = summed(&self.tables.get(at)?.name)?;
                Some((at, query::checksum(&table, rows)))
            };
            subjects.push(Subject {
                name: name.clone(),
                tables: tables.into_iter().filter_map(on_source).collect(),
                counts: query::counts(&whole, rows),
                checksum: query::checksum(&whole, rows),
            });
        }
        subjects
    }
}

/// A table as verification sees it; `condition` says which rows, if not all.
pub(in crate::workflow) fn summed(table: &model::relation::Table, condition: &Sql) -> query::Table {
    let columns = table.columns.iter();
    let columns =
        columns.map(|column| query::Column { name: column.name.clone(), is_bytea: column.type_oid == BYTEA });
    query::Table { name: table.name.clone(), columns: columns.collect(), condition: condition.clone() }
}

/// `pg_type.oid` of bytea, fixed in every PostgreSQL.
const BYTEA: Oid = 17;

/// The snapshot with its locks.
struct Held {
    holder: Connection,
    snapshot: String,
    chosen: Chosen,
}

/// Takes snapshots until one is not overtaken by a change of a table's definition before the locks are there.
async fn hold(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
    watched: &waiters::Held,
) -> Result<Held> {
    let settings = Settings {
        lock_timeout: Some(LOCK_TIMEOUT),
        // Another major version has other keywords.
        quote_all_identifiers: source.facts.version.major() != destination.facts.version.major(),
        ..Settings::default()
    };
    let fresh = source.connection.client();
    let mut changed = Vec::new();
    for attempt in 1..=SNAPSHOTS {
        context.reporter.operation("taking a snapshot of the source");
        let holder = connect::source(&request.source.options, &settings).await?;
        let snapshot::Exported { id, pid } = snapshot::export(holder.client()).await?;
        watched.by(pid);
        let relations = snapshot::relations(holder.client()).await?;
        if !request.selection.is_everything() {
            let mut names: Vec<QualifiedName> = relations.iter().map(|one| one.name.clone()).collect();
            names.extend(snapshot::other_relations(holder.client()).await?);
            let schemas = snapshot::schemas(holder.client()).await?;
            request.selection.check_all_match(&names, &schemas)?;
        }
        let (mut kept, mut chosen) = (Vec::new(), Chosen::default());
        let barred = barred(request, context, source, holder.client(), &relations).await?;
        for relation in relations {
            if barred.contains(&relation.oid) {
                continue;
            }
            match request.selection.matches(&relation.name) {
                Choice::LeftOut => {
                    chosen.left_out.insert(relation.oid);
                }
                Choice::NoData => {
                    chosen.without_rows.insert(relation.oid);
                    kept.push(relation);
                }
                Choice::Kept => {
                    chosen.with_data.insert(relation.oid);
                    kept.push(relation);
                }
            }
        }
        let to_read: Vec<Oid> = chosen.with_data.iter().copied().collect();
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
                    return Ok(Held { holder, snapshot: id, chosen });
                }
                changed = outdated.iter().map(ToString::to_string).collect();
            }
        }
        watched.no_more();
        let message = format!(
            "tables changed while they were being locked, taking a new snapshot: {}",
            changed.join(", ")
        );
        tracing::info!(attempt, "{message}");
        context.reporter.warn(Warning::new("snapshot_retaken", message));
    }
    Err(copy::Error::SnapshotOutdated { tables: changed }.into())
}

fn not_read(context: &Context, source: &Source, extension: &str, name: &QualifiedName) {
    let role = &source.facts.role;
    let reason = format!(
        "holds what users put into extension {extension}, which role {role} may not read, or not all of it, on the source"
    );
    context.reporter.warn(Warning::new("rows_of_extension_not_read", reason).about(name));
}

/// Tables of extensions that our role may not read whole: no reason to give the clone up, but a line in the report.
async fn barred(
    request: &Request,
    context: &Context,
    source: &Source,
    holder: &Client,
    relations: &[snapshot::Relation],
) -> Result<HashSet<Oid>> {
    let of_extensions = relations.iter().filter(|relation| {
        relation.extension.is_some() && request.selection.matches(&relation.name) == Choice::Kept
    });
    let of_extensions: Vec<&snapshot::Relation> = of_extensions.collect();
    if request.schema_only || of_extensions.is_empty() {
        return Ok(HashSet::new());
    }
    let oids: Vec<Oid> = of_extensions.iter().map(|relation| relation.oid).collect();
    let unreadable = readable::unreadable(holder, &oids).await?;
    let mut barred = HashSet::new();
    for relation in of_extensions.iter().filter(|one| unreadable.iter().any(|bad| bad.name == one.name)) {
        let extension = relation.extension.as_deref().unwrap_or_default();
        not_read(context, source, extension, &relation.name);
        barred.insert(relation.oid);
    }
    Ok(barred)
}

fn schema_options(request: &Request, catalog: &Catalog, destination: &Destination) -> schema::Options {
    let small = catalog.tables.iter().filter(|table| table.has_rows() && table.bytes <= chunks::SMALL_TABLE);
    schema::Options {
        owners: request.owners,
        privileges: request.privileges,
        neutralize: request.neutralize,
        inline_keys: small.map(|table| table.oid).collect(),
        role: Some(Ident::new(&destination.facts.role)),
        available_extensions: destination.facts.extensions.clone(),
        roles: destination.facts.roles.clone(),
        assumable: destination.facts.assumable.clone(),
        superuser: destination.facts.superuser,
        lz4: destination.facts.lz4,
        ..schema::Options::new(destination.facts.version)
    }
}

/// The tables whose rows are copied: those that the script makes and the selection wants with their rows. Tables of
/// extensions come with the extension.
fn tables(
    catalog: &Catalog,
    script: &Script,
    data: &HashSet<Oid>,
    measures: &HashMap<Oid, Measure>,
    superuser: bool,
) -> Vec<chunks::Table> {
    let by_oid = catalog.tables_by_oid();
    let wanted = catalog
        .tables
        .iter()
        .filter(|table| table.has_rows() && data.contains(&table.oid) && script.makes(table.address()));
    let of_users = wanted.map(|table| {
        let root = table.load_through.and_then(|root| by_oid.get(&root));
        chunks::Table {
            into: root.map_or_else(|| table.name.clone(), |root| root.name.clone()),
            ..chunk_table(table, measures)
        }
    });
    let of_extensions = catalog.configurations.iter().filter(|one| {
        let extension = Address::new(model::class::EXTENSION, one.extension);
        data.contains(&one.table.oid) && script.makes(extension)
    });
    let of_extensions = of_extensions.map(|one| {
        let condition = one.condition.clone();
        let configuration = Some(chunks::Configuration { condition, as_replica: superuser });
        chunks::Table { configuration, ..chunk_table(&one.table, measures) }
    });
    of_users.chain(of_extensions).collect()
}

fn chunk_table(table: &model::relation::Table, measures: &HashMap<Oid, Measure>) -> chunks::Table {
    chunks::Table {
        oid: table.oid,
        name: table.name.clone(),
        into: table.name.clone(),
        columns: table.copied_columns().map(|column| column.name.clone()).collect(),
        format: if table.binary_safe { chunks::Format::Binary } else { chunks::Format::Text },
        bytes: table.bytes,
        blocks: measures.get(&table.oid).copied().unwrap_or_default().blocks,
        configuration: None,
    }
}

/// The sequences that the script makes; a sequence of its own or one that comes with its identity column.
fn sequences(catalog: &Catalog, script: &Script) -> Vec<QualifiedName> {
    let made = catalog.sequences.iter().filter(|sequence| script.makes(sequence.address()));
    let extensions = catalog.extensions.iter();
    let extensions = extensions.filter(|one| script.makes(Address::new(model::class::EXTENSION, one.oid)));
    let of_extensions = extensions.flat_map(|one| &one.sequences).cloned();
    made.map(|sequence| sequence.name.clone()).chain(of_extensions).collect()
}

fn like(request: &Request, catalog: &Catalog) -> Database {
    let mut like = catalog.database.clone();
    if let Some(locale) = &request.locale {
        (like.provider, like.locale, like.icu_rules) = (LocaleProvider::Libc, None, None);
        like.collate.clone_from(locale);
        like.ctype.clone_from(locale);
    }
    like
}

/// Every generated statement is judged before the first change. What only the newer grammar refuses of the
/// source's own text is a warning: the destination judges.
fn judge(script: &Script, of_database: &[Sql], catalog: &Catalog, context: &Context) -> Result<()> {
    let of_database = of_database.iter().map(|sql| ("settings of the database", sql));
    let mut findings = parse::judge_script(script, catalog.version);
    findings.extend(parse::judge_all(of_database, catalog.version));
    for finding in findings {
        if finding.fatal {
            return Err(Error::Generated(format!("{}: {}", finding.label, finding.message)));
        }
        context.reporter.warn(Warning::new("not_parsed", finding.message).about(finding.label));
    }
    Ok(())
}

fn announce(request: &Request, context: &Context, plan: &Plan, measures: &HashMap<Oid, Measure>) {
    let effort = |phase| plan.steps(phase).iter().map(|(_, step)| step.effort()).sum::<u64>();
    let connections = lanes::worthwhile(&plan.steps(Phase::PreData), request.jobs) as u64;
    let by_oid = plan.catalog.tables_by_oid();
    let mut scans: HashMap<Oid, u32> = HashMap::new();
    let constraints = plan.steps(Phase::Constraint);
    for table in constraints.iter().filter_map(|(_, step)| step.scanned()) {
        *scans.entry(table).or_default() += 1;
    }
    let tables = plan.tables.iter().map(|table| TableWork {
        table: table.name.clone(),
        bytes: table.bytes,
        rows_estimate: measures.get(&table.oid).and_then(|measure| measure.rows),
        scans: scans.get(&table.oid).copied().unwrap_or_default(),
    });
    let sizes: HashMap<&QualifiedName, u64> = plan
        .catalog
        .indexes
        .iter()
        .filter_map(|index| Some((&index.name, u64::from(measures.get(&index.oid)?.blocks) * BLOCK)))
        .collect();
    let indexes = plan.script.steps.iter().filter(|step| step.phase == Phase::Index).filter_map(|step| {
        let table = step.locks.first().and_then(|lock| by_oid.get(&lock.table))?;
        let index = step.builds.clone()?;
        let bytes = sizes.get(&index).copied().unwrap_or_default();
        Some(IndexWork { index, table: table.name.clone(), bytes })
    });
    context.reporter.report(Update::Plan(Work {
        tables: tables.collect(),
        indexes: indexes.collect(),
        constraints: constraints.len() as u64,
        pre_effort: effort(Phase::PreData) / connections,
        post_effort: effort(Phase::PostData),
        large_object_bytes: plan.large_objects.iter().map(|range| range.bytes).sum(),
        verify: request.verify,
        source_summary_during_copy: request.verify == VerifyMode::Checksum,
        analyze: true,
        lanes: u32::try_from(request.jobs).unwrap_or(u32::MAX),
    }));
    let total: u64 = plan.tables.iter().map(|table| table.bytes).sum();
    context.reporter.log(Level::Info, format!("{} tables, {} MB of rows", plan.tables.len(), total >> 20));
}

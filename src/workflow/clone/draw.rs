//! What is made of the source's catalog for this destination: the script, and which rows, sequences and jobs it is about.

use std::collections::{HashMap, HashSet};

use super::given::Parts;
use super::part::{self, Chosen};
use super::{Context, Request, neutralize, rehearse, settings};
use crate::engine::copy::plan as chunks;
use crate::engine::copy::sequences::Wanted;
use crate::engine::copy::snapshot::Measure;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::progress::{Skipped, Warning};
use crate::schema::adapt::parameter;
use crate::schema::model::extension::Configuration;
use crate::schema::model::{self, Address, Catalog};
use crate::schema::script::{self, Script, Tolerated};
use crate::schema::{self, order, parse, render};
use crate::workflow::party::Destination;
use crate::workflow::{Error, Result};

/// What it is made of.
pub(super) struct Ground {
    pub(super) catalog: Catalog,
    pub(super) options: schema::Options,
    /// What cannot be had elsewhere, or on this server, and the catalog has lost already.
    pub(super) adapted: Vec<script::Skipped>,
    /// Objects that it has lost, with the reason, which what needs them is told.
    pub(super) left_out: HashMap<Address, String>,
    /// Sequences whose values our role may not read.
    pub(super) unread: HashSet<Oid>,
    pub(super) chosen: Chosen,
    /// What of the tables a publication gives out.
    pub(super) parts: Parts,
    pub(super) measures: HashMap<Oid, Measure>,
}

/// What comes of it.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) script: Script,
    pub(super) tables: Vec<chunks::Table>,
    pub(super) sequences: Vec<Wanted>,
    pub(super) skipped: Vec<Skipped>,
    /// What is switched off, one sentence each.
    pub(super) neutralized: Vec<String>,
    /// The table of pg_cron's jobs, if its rows are copied and the jobs are to be switched off.
    pub(super) jobs: Option<QualifiedName>,
}

impl Ground {
    /// Takes in what a rehearsal has found.
    pub(super) fn learn(&mut self, found: rehearse::Found) {
        self.adapted.extend(parameter::without(&mut self.catalog, &found.parameters));
        self.options.refused_extensions.extend(found.extensions);
        self.forget_rows_of(&found.members);
        self.options.lost_members.extend(found.members);
    }

    /// Rows that have no table there, or no column.
    fn forget_rows_of(&mut self, lost: &HashMap<Address, bool>) {
        let catalog = &mut self.catalog;
        catalog.configurations.retain(|one| !lost.contains_key(&one.table.address()));
        for Configuration { table, .. } in &mut catalog.configurations {
            let oid = table.oid;
            table.columns.retain(|column| !lost.contains_key(&Address::column(oid, column.number)));
        }
        for extension in &mut catalog.extensions {
            let there = |oid: Oid| !lost.contains_key(&Address::new(model::class::RELATION, oid));
            extension.sequences.retain(|(oid, _)| there(*oid));
        }
    }
}

impl Drawn {
    /// What `--strict` asks for: nothing is skipped.
    pub(super) fn is_whole(&self) -> Result<()> {
        if self.skipped.is_empty() {
            return Ok(());
        }
        let lines = self.skipped.iter().map(|one| format!("{} ({})", one.object, one.reason));
        Err(Error::Strict(lines.collect()))
    }
}

/// Draws it up; nothing is changed anywhere.
pub(super) fn draw(
    request: &Request,
    context: &Context,
    destination: &Destination,
    ground: &Ground,
) -> Result<Drawn> {
    let Ground { catalog, options, adapted, chosen, parts, measures, .. } = ground;
    let rendering = render::render(catalog, options);
    let mut neutralized = rendering.neutralized;
    let mut left_out = part::left_out(catalog, chosen, &request.selection);
    left_out.extend(parts.keys_without_values(catalog));
    left_out.extend(rendering.left_out);
    left_out.extend(ground.left_out.iter().map(|(address, reason)| (*address, reason.clone())));
    let mut script = order::arrange(rendering.pieces, &catalog.dependencies, &left_out);
    if request.strict {
        // What could not be foreseen ends the clone too, while the old database is in its place.
        script.steps.iter_mut().for_each(|step| step.tolerated = Tolerated::Nothing);
    }
    let replaces = destination.database.is_some();
    let name = Ident::new(destination.grant.database());
    let (of_database, of_it) = settings::statements(catalog, options, &[], replaces, &name);
    judge(&script, &of_database, catalog, context)?;
    let skipped = rendering.skipped.iter().chain(&script.skipped).chain(&of_it.skipped).chain(adapted);
    let skipped: Vec<Skipped> = skipped
        .filter(|one| one.reason != part::BY_SELECTION)
        .map(|one| Skipped { object: one.object.clone(), reason: one.reason.clone() })
        .collect();
    let none = HashSet::new();
    let data = if request.schema_only { &none } else { &chosen.with_data };
    let mut tables = tables(catalog, &script, data, measures, options.superuser);
    for table in &mut tables {
        table.columns.retain(|column| parts.gives(table.oid, column.as_str()));
        table.rows = parts.rows(table.oid).cloned();
    }
    let sequences =
        if request.schema_only { Vec::new() } else { sequences(catalog, &script, &ground.unread) };
    let jobs = if request.neutralize { neutralize::jobs(catalog, &tables) } else { None };
    neutralized.extend(jobs.as_ref().map(|table| format!("every job in {table}: made inactive")));
    Ok(Drawn { script, tables, sequences, skipped, neutralized, jobs })
}

/// What rendering has to know of the request and the destination.
pub(super) fn schema_options(
    request: &Request,
    catalog: &Catalog,
    measures: &HashMap<Oid, Measure>,
    destination: &Destination,
) -> schema::Options {
    let bytes = |of| measures.get(&of).map_or(0, |measure| measure.bytes);
    let small =
        catalog.tables.iter().filter(|table| table.has_rows() && bytes(table.oid) <= chunks::SMALL_TABLE);
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
        tablespaces: destination.facts.tablespaces.clone(),
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
    let measure = measures.get(&table.oid).copied().unwrap_or_default();
    chunks::Table {
        oid: table.oid,
        name: table.name.clone(),
        into: table.name.clone(),
        columns: table.copied_columns().map(|column| column.name.clone()).collect(),
        format: if table.binary_safe { chunks::Format::Binary } else { chunks::Format::Text },
        bytes: measure.bytes,
        blocks: measure.blocks,
        heap: table.access_method.is_none(),
        configuration: None,
        rows: None,
    }
}

/// The sequences that the script makes and whose values can be read; a sequence of its own or one that comes with its identity
/// column.
fn sequences(catalog: &Catalog, script: &Script, unread: &HashSet<Oid>) -> Vec<Wanted> {
    let made = catalog.sequences.iter();
    let made = made.filter(|one| script.makes(one.address()) && !unread.contains(&one.oid));
    let extensions = catalog.extensions.iter();
    let extensions = extensions.filter(|one| script.makes(Address::new(model::class::EXTENSION, one.oid)));
    let of_extensions = extensions.flat_map(|one| &one.sequences).cloned();
    let made = made.map(|sequence| (sequence.oid, sequence.name.clone()));
    made.chain(of_extensions).map(|(oid, name)| Wanted { oid, name }).collect()
}

/// Every generated statement is judged before the first change. What only the newer grammar refuses of the
/// source's own text is a warning: the destination judges.
fn judge(script: &Script, of_database: &[Sql], catalog: &Catalog, context: &Context) -> Result<()> {
    let of_database = of_database.iter().map(|sql| ("settings of the database", sql));
    let mut findings = parse::judge_script(script, catalog.version);
    findings.extend(parse::judge_all(of_database, catalog.version));
    heed(findings, context)
}

/// As the script, what is sent around it: the staging database's creation and that of roles.
pub(super) fn judge_around(statements: &[(String, Sql)], catalog: &Catalog, context: &Context) -> Result<()> {
    let statements = statements.iter().map(|(label, sql)| (label.as_str(), sql));
    heed(parse::judge_all(statements, catalog.version), context)
}

fn heed(findings: Vec<parse::Finding>, context: &Context) -> Result<()> {
    for finding in findings {
        if finding.fatal {
            return Err(Error::Generated(format!("{}: {}", finding.label, finding.message)));
        }
        context.reporter.warn(Warning::new("not_parsed", finding.message).about(finding.label));
    }
    Ok(())
}

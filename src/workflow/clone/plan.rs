//! The plan: one snapshot with its locks, the catalog read under it, and the script and the chunks made of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::draw::{self, Drawn, Ground};
use super::hold;
use super::part;
use super::unlogged::Life;
use super::{Context, Request, collations, look, losses, platform, refused, rehearse, roles, waiters};
use crate::engine::copy::holder::Holder;
use crate::engine::copy::schedule::Tree;
use crate::engine::copy::{lanes, large_objects, snapshot};
use crate::engine::preflight::{self, check, source as readable};
use crate::pg::name::for_people;
use crate::pg::{Ident, Oid, QualifiedName};
use crate::progress::{IndexWork, Level, TableWork, Update, Warning, Work};
use crate::schema::model::Catalog;
use crate::schema::model::database::{Database, LocaleProvider};
use crate::schema::script::{self, Phase};
use crate::schema::{Options, adapt, placing, render};
use crate::workflow::Result;
use crate::workflow::party::{Destination, Source};
use crate::workflow::platform::choose;

/// Bytes of a block where nobody changed them; for the percentage only.
const BLOCK: u64 = 8192;

/// What the clone will do.
pub(super) struct Plan {
    /// Holds the snapshot and the locks until the last read.
    pub(super) holder: Arc<Holder>,
    pub(super) snapshot: String,
    /// The profile of the source's platform, and why that one.
    pub(super) profile: Option<String>,
    /// To be created on the destination first.
    pub(super) roles: Vec<roles::Wanted>,
    pub(super) ground: Ground,
    pub(super) drawn: Drawn,
    pub(super) large_objects: Vec<large_objects::Range>,
    /// As the staging database is to be made: the source's encoding and locale, or `--locale`.
    pub(super) like: Database,
    /// The source database's own comment.
    pub(super) comment: Option<String>,
    /// Of the destination's server, where something unlogged hangs on it; noted when the staging database is there.
    pub(super) life: Option<Life>,
}

/// Takes the snapshot, reads the catalog, and makes the plan; nothing is changed anywhere.
pub(super) async fn plan(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
    watched: &waiters::Held,
) -> Result<Plan> {
    let shown_by = source.connection.client();
    let chosen = choose(request.profile, shown_by, &context.reporter).await?;
    let profile = chosen.profile;
    let (held, mut catalog) = hold::read(request, context, source, destination, profile, watched).await?;
    if request.schema_only {
        catalog.forget_rows();
    }
    part::check_partitions(&catalog, &held.chosen)?;
    if let Some((root, size)) = part::largest_tree(&catalog, &held.chosen) {
        preflight::fail_on(check::locks_of_tree(&destination.facts, &root.name, size).into_iter().collect())?;
    }
    let client = held.holder.client();
    let of_platform = platform::leave_out(request, source, client, &held, profile, &mut catalog).await?;
    let indexes = catalog.indexes.iter().map(|index| index.oid);
    let oids: Vec<Oid> = held.chosen.with_data.iter().copied().chain(indexes).collect();
    let measures = snapshot::measures(client, &oids).await?;
    let mut options = draw::schema_options(request, &catalog, &measures, destination);
    let there = destination.maintenance().await?;
    let known = roles::known(&catalog, client, there.client(), destination.facts.version).await?;
    let roles = roles::missing(request, profile, &catalog, &known, destination)?;
    let mut adapted = of_platform.lines;
    adapted.extend(held.parts.loosen(&mut catalog));
    adapted.extend(roles::expect(&roles, &mut options, context));
    adapted.extend(roles::lacking(request, profile, &catalog, &known, &roles));
    adapted.extend(adapt::adapt(&mut catalog, &options));
    let to_be_created: Vec<Ident> = roles.iter().map(|role| role.name.clone()).collect();
    adapted.extend(
        refused::settings(&mut catalog, &mut options, &to_be_created, there.client(), destination).await?,
    );
    adapted.extend(choose_tablespace(&catalog, destination, &mut options));
    let collations =
        collations::compare(request, client, there.client(), profile, &catalog, &held.chosen).await?;
    adapted.extend(collations.lines);
    placing::load_through(&mut catalog.tables, &collations.same);
    there.close().await;
    let comment = catalog.database.comment.take();
    let (left_out, unread) = (of_platform.reasons, of_platform.unread_sequences);
    let mut ground = Ground {
        catalog,
        options,
        adapted,
        left_out,
        unread,
        chosen: held.chosen,
        parts: held.parts,
        measures,
    };
    let mut drawn = draw::draw(request, context, destination, &ground)?;
    if request.strict {
        let found = rehearse::before_any_change(context, &ground, &drawn, destination).await?;
        if !found.is_nothing() {
            ground.learn(found);
            drawn = draw::draw(request, context, destination, &ground)?;
        }
        drawn.is_whole()?;
    }
    let like = like(request, &ground);
    let mut around = roles::statements(request, &roles, &ground.options);
    let name = Ident::new(destination.grant.database());
    let version = destination.facts.version;
    around.push(("the staging database".to_owned(), render::database::create(&like, &name, version)));
    draw::judge_around(&around, &ground.catalog, context)?;
    let sequences: Vec<QualifiedName> = drawn.sequences.iter().map(|one| one.name.clone()).collect();
    let unreadable = readable::unreadable_sequences(client, &sequences).await?;
    preflight::fail_on(check::readable_sequences(&source.facts.role, &unreadable))?;
    // No publication gives large objects out.
    let without = request.schema_only || !ground.parts.is_everything();
    let large_objects = if without || ground.catalog.large_objects.is_empty() {
        Vec::new()
    } else {
        large_objects::ranges(client).await?
    };
    let plan = Plan {
        profile: profile.and(chosen.why),
        roles,
        like,
        comment,
        holder: Arc::new(Holder::new(held.holder).await?),
        snapshot: held.snapshot,
        ground,
        drawn,
        large_objects,
        life: None,
    };
    plan.has_room(request, context, destination)?;
    plan.say(context, &Drawn::default());
    announce(request, context, &plan);
    losses::tell(request, context, destination, &plan);
    Ok(plan)
}

impl Plan {
    /// The steps of a phase, with their positions in the script.
    pub(super) fn steps(&self, phase: Phase) -> Vec<lanes::Placed<'_>> {
        self.drawn.script.steps.iter().enumerate().filter(|(_, step)| step.phase == phase).collect()
    }

    /// The partition trees that are loaded through their roots, every table of each.
    pub(super) fn trees(&self) -> Vec<Tree> {
        let mut trees: BTreeMap<Oid, Tree> = BTreeMap::new();
        for table in &self.ground.catalog.tables {
            if let Some(root) = table.load_through {
                trees.entry(root).or_insert_with(|| vec![root]).push(table.oid);
            }
        }
        trees.into_values().collect()
    }

    /// Draws the plan again for a destination that can do less than it said.
    pub(super) fn without(
        &mut self,
        found: rehearse::Found,
        request: &Request,
        context: &Context,
        destination: &Destination,
    ) -> Result<()> {
        self.ground.learn(found);
        let before = std::mem::take(&mut self.drawn);
        self.drawn = draw::draw(request, context, destination, &self.ground)?;
        if request.strict {
            self.drawn.is_whole()?;
        }
        self.say(context, &before);
        announce(request, context, self);
        Ok(())
    }

    /// What is skipped and switched off, but for what `before` has said.
    fn say(&self, context: &Context, before: &Drawn) {
        for one in self.drawn.skipped.iter().filter(|one| !before.skipped.contains(one)) {
            context.reporter.warn(Warning::new("skipped", one.reason.clone()).about(&one.object));
        }
        for line in self.drawn.neutralized.iter().filter(|line| !before.neutralized.contains(line)) {
            context.reporter.log(Level::Info, format!("to be switched off: {line}"));
        }
    }

    /// Whether there is room for a part of the source; for all of it preflight has looked.
    fn has_room(&self, request: &Request, context: &Context, destination: &Destination) -> Result<()> {
        if request.selection.is_everything() || request.schema_only {
            return Ok(());
        }
        let Ground { catalog, chosen, measures, .. } = &self.ground;
        let indexes = catalog.indexes.iter().filter(|index| chosen.with_data.contains(&index.table));
        let of_indexes = indexes.filter_map(|index| measures.get(&index.oid));
        let of_indexes: u64 = of_indexes.map(|measure| u64::from(measure.blocks) * BLOCK).sum();
        let of_tables: u64 = self.drawn.tables.iter().map(|table| table.bytes).sum();
        look::has_room(context, destination, of_tables + of_indexes)
    }
}

/// Where the new database is to lie: in the tablespace of the one that it replaces, or else in that of the source's name.
fn choose_tablespace(
    catalog: &Catalog,
    destination: &Destination,
    options: &mut Options,
) -> Option<script::Skipped> {
    let wanted = match &destination.database {
        Some(old) => Ident::new(&old.tablespace),
        None => catalog.database.tablespace.clone(),
    };
    let obstacle = options.no_tablespace(&wanted);
    if let Some(obstacle) = obstacle {
        let object = format!("tablespace {} of the database", for_people(wanted.as_str()));
        return Some(script::Skipped {
            object,
            reason: format!("{obstacle}: the server's default one is used"),
        });
    }
    options.own_tablespace = wanted;
    None
}

fn like(request: &Request, ground: &Ground) -> Database {
    let mut like = ground.catalog.database.clone();
    like.tablespace.clone_from(&ground.options.own_tablespace);
    if let Some(locale) = &request.locale {
        (like.provider, like.locale, like.icu_rules) = (LocaleProvider::Libc, None, None);
        like.collate.clone_from(locale);
        like.ctype.clone_from(locale);
    }
    like
}

/// Says how much work it is.
fn announce(request: &Request, context: &Context, plan: &Plan) {
    let (catalog, measures) = (&plan.ground.catalog, &plan.ground.measures);
    let effort = |phase| plan.steps(phase).iter().map(|(_, step)| step.effort()).sum::<u64>();
    let connections = lanes::worthwhile(&plan.steps(Phase::PreData), request.jobs) as u64;
    let by_oid = catalog.tables_by_oid();
    let mut scans: HashMap<Oid, u32> = HashMap::new();
    let constraints = plan.steps(Phase::Constraint);
    for table in constraints.iter().filter_map(|(_, step)| step.scanned()) {
        *scans.entry(table).or_default() += 1;
    }
    let tables = plan.drawn.tables.iter().map(|table| TableWork {
        table: table.name.clone(),
        bytes: table.bytes,
        rows_estimate: measures.get(&table.oid).and_then(|measure| measure.rows),
        scans: scans.get(&table.oid).copied().unwrap_or_default(),
    });
    let sizes: HashMap<&QualifiedName, u64> = catalog
        .indexes
        .iter()
        .filter_map(|index| Some((&index.name, u64::from(measures.get(&index.oid)?.blocks) * BLOCK)))
        .collect();
    let indexes =
        plan.drawn.script.steps.iter().filter(|step| step.phase == Phase::Index).filter_map(|step| {
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
        source_summary_during_copy: request.verify.hashes(),
        analyze: true,
        lanes: u32::try_from(request.jobs).unwrap_or(u32::MAX),
    }));
    let total: u64 = plan.drawn.tables.iter().map(|table| table.bytes).sum();
    context
        .reporter
        .log(Level::Info, format!("{} tables, {} MB of rows", plan.drawn.tables.len(), total >> 20));
}

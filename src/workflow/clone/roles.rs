//! Roles that the source's objects name and the destination lacks: with `--create-roles` all of them, with a platform's
//! profile those of the platform. They belong to the cluster, so a clone that fails takes away again what it made, and `clean` does
//! so after a crash.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::plan::Plan;
use super::staging::Staging;
use super::{Context, Request};
use crate::engine::preflight::role::{self, Facts};
use crate::engine::preflight::{self, check};
use crate::engine::stage::registry::MadeRole;
pub(super) use crate::engine::stage::roles::Wanted;
use crate::engine::stage::roles::{self as made, Group};
use crate::failure::chain;
use crate::pg::name::for_people;
use crate::pg::{Ident, Sql, Version, sqlstate};
use crate::platform::Profile;
use crate::progress::{Level, Warning};
use crate::schema::Options;
use crate::schema::model::Catalog;
use crate::schema::script::Skipped;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// What both clusters say of the roles that the source's objects name.
pub(super) struct Known {
    source: BTreeMap<String, Facts>,
    destination: BTreeMap<String, Facts>,
}

/// Asks both. Roles that begin with `pg_` are the system's own.
pub(super) async fn known(
    catalog: &Catalog,
    source: &Client,
    destination: &Client,
    version: Version,
) -> Result<Known> {
    let roles = catalog.roles().into_iter().map(Ident::as_str);
    let names: Vec<&str> = roles.filter(|role| !role.starts_with("pg_")).collect();
    let source = role::facts(source, catalog.version, &names).await?;
    let destination = role::facts(destination, version, &names).await?;
    Ok(Known { source, destination })
}

/// What is to be created; an error in preflight where our role may not and was told to. Where the profile alone wants them,
/// the report says what is lost without.
pub(super) fn missing(
    request: &Request,
    profile: Option<Profile>,
    catalog: &Catalog,
    known: &Known,
    destination: &Destination,
) -> Result<Vec<Wanted>> {
    let facts = &destination.facts;
    let of_platform = |role: &Ident| profile.and_then(|profile| profile.role(role.as_str()));
    let roles = catalog.roles().into_iter();
    // Names that begin so are the system's own, of a version that the destination is not.
    let missing =
        roles.filter(|role| !facts.roles.contains(role.as_str()) && !role.as_str().starts_with("pg_"));
    let wanted = missing.filter(|role| request.create_roles || of_platform(role).is_some());
    let wanted: Vec<Ident> = wanted.cloned().collect();
    if !request.create_roles && !facts.may_create_roles {
        return Ok(Vec::new());
    }
    preflight::fail_on(check::creates_roles(facts, &wanted).into_iter().collect())?;
    let nothing = Facts { inherits: true, ..Facts::default() };
    let made = wanted.iter().map(|name| {
        let facts = known.source.get(name.as_str()).unwrap_or(&nothing);
        let of_platform = of_platform(name).is_some_and(|role| role.bypasses_rls);
        let groups = facts.groups.iter().filter(|one| wanted.contains(&one.group));
        let groups = groups.map(|one| Group {
            name: one.group.clone(),
            admin: one.admin,
            inherit: one.inherit.unwrap_or(facts.inherits),
            set: one.set.unwrap_or(true),
        });
        Wanted {
            name: name.clone(),
            // No policy holds a superuser back.
            bypasses_rls: of_platform || facts.bypasses_rls || facts.superuser,
            inherits: facts.inherits,
            groups: groups.collect(),
        }
    });
    Ok(made.collect())
}

/// What roles that are there, or will be, lack of what they have on the source: a line each. What the platform's own roles
/// are on the platform is of no use elsewhere.
pub(super) fn lacking(
    request: &Request,
    profile: Option<Profile>,
    catalog: &Catalog,
    known: &Known,
    wanted: &[Wanted],
) -> Vec<Skipped> {
    let used = if request.owners || request.privileges { catalog.roles() } else { catalog.roles_of_rules() };
    let nothing = Facts::default();
    let lines = used.into_iter().filter_map(|name| {
        let source = known.source.get(name.as_str())?;
        let made = wanted.iter().find(|one| one.name == *name);
        let there = known.destination.get(name.as_str());
        if made.is_none() && there.is_none() || profile.is_some_and(|of| of.role(name.as_str()).is_some()) {
            return None;
        }
        let joins = |group: &Ident| made.is_some_and(|one| one.groups.iter().any(|joined| joined.name == *group));
        let lacking = role::lacking(source, there.unwrap_or(&nothing), made.is_some(), joins)?;
        Some(Skipped {
            object: format!("role {}", for_people(name.as_str())),
            reason: format!("has on the source and not on the destination: {lacking}; that belongs to the whole server, and is not copied"),
        })
    });
    lines.collect()
}

/// The plan is drawn as if they were there. Gives what will be missing of them.
pub(super) fn expect(roles: &[Wanted], options: &mut Options, context: &Context) -> Vec<Skipped> {
    let mut lost = Vec::new();
    for Wanted { name, bypasses_rls, .. } in roles {
        context.reporter.log(Level::Info, format!("to be created: role {}, without login", name.quoted()));
        options.roles.insert(name.as_str().to_owned());
        options.assumable.insert(name.as_str().to_owned());
        if *bypasses_rls && !options.superuser {
            let object = format!("BYPASSRLS of role {}", for_people(name.as_str()));
            let reason = "only a superuser of the destination can give it: policies hold for this role there";
            lost.push(Skipped { object, reason: reason.to_owned() });
        }
    }
    lost
}

/// The statements that create them, each with what it is about.
pub(super) fn statements(request: &Request, roles: &[Wanted], options: &Options) -> Vec<(String, Sql)> {
    let label = |role: &Wanted| format!("role {}", role.name.quoted());
    let create = roles.iter().map(|role| (label(role), made::create(role, &request.job, options.superuser)));
    let join = |role: &Wanted| made::join(role, options.destination_version);
    create.chain(roles.iter().flat_map(|role| join(role).into_iter().map(|sql| (label(role), sql)))).collect()
}

impl Staging {
    /// Creates them, each known to [`Staging::remove`], and to whoever comes after a crash, from then on. One that somebody
    /// else created meanwhile is theirs.
    pub(super) async fn create_roles(&self, context: &Context, plan: &Plan) -> Result<()> {
        if plan.roles.is_empty() {
            return Ok(());
        }
        context.reporter.operation("creating roles");
        let registry = context.registry.as_ref();
        let session = self.maintenance.session().await?;
        for role in &plan.roles {
            // Recorded first: after a lost answer it may be there.
            registry.record_role(&self.job, &self.cluster, role.name.as_str())?;
            let create = made::create(role, &self.job, plan.ground.options.superuser);
            let Err(error) = session.batch(&create).await else { continue };
            // Any other word of it, as that it shuts down, may have come after it was done.
            if error.server().is_some_and(|server| server.severity == "ERROR") {
                registry.forget_role(&self.job, &self.cluster, role.name.as_str())?;
            }
            if error.sqlstate() != Some(sqlstate::DUPLICATE_OBJECT) {
                return Err(error.into());
            }
        }
        let ours = self.ours(context)?;
        let is_ours = |name: &Ident| ours.iter().any(|one| one == name.as_str());
        for role in plan.roles.iter().filter(|role| is_ours(&role.name)) {
            let mut role = role.clone();
            role.groups.retain(|group| is_ours(&group.name));
            for join in made::join(&role, plan.ground.options.destination_version) {
                session.batch(&join).await?;
            }
        }
        Ok(())
    }

    /// What it created, a sentence each.
    pub(super) fn created_roles(&self, context: &Context, plan: &Plan) -> Result<Vec<String>> {
        let made: Vec<String> = self.ours(context)?;
        let line = |name: &String| {
            let wanted = plan.roles.iter().find(|role| role.name.as_str() == name);
            let groups = wanted.into_iter().flat_map(|role| &role.groups).map(|group| group.name.as_str());
            let groups: Vec<String> =
                groups.filter(|group| made.iter().any(|name| name == group)).map(for_people).collect();
            match groups.is_empty() {
                true => format!("role {}, without login", for_people(name)),
                false => format!("role {}, without login, member of {}", for_people(name), groups.join(", ")),
            }
        };
        Ok(made.iter().map(line).collect())
    }

    /// The roles that this job has made.
    fn ours(&self, context: &Context) -> Result<Vec<String>> {
        let made = context.registry.roles(&self.cluster)?.into_iter().filter(|role| role.job == self.job);
        Ok(made.map(|role| role.name).collect())
    }

    /// Drops what was created, after a failure. What somebody uses by now stays, is named, and is known to `clean`.
    pub(super) async fn drop_roles(&self, context: &Context) {
        self.each_role(context, async |client, role| {
            let used = made::drop_unused(client, &role.name, &role.job).await?;
            Ok(used.map_or(Ok(()), Err))
        })
        .await;
    }

    /// They belong to the clone, which is in place, and are no leftovers any more.
    pub(super) async fn keep_roles(&self, context: &Context) {
        self.each_role(context, async |client, role| {
            let unsettled = made::settle(client, &role.name).await?;
            Ok(unsettled.map_or(Ok(()), Err))
        })
        .await;
    }

    /// Settles each role that the job has on record. One for which that cannot be done, or which says why not, is a warning;
    /// `clean` settles it.
    async fn each_role(
        &self,
        context: &Context,
        settle: impl AsyncFn(&Client, &MadeRole) -> Result<std::result::Result<(), String>>,
    ) {
        let registry = context.registry.as_ref();
        let all = registry.roles(&self.cluster).unwrap_or_default();
        for role in all.into_iter().filter(|role| role.job == self.job) {
            let settled = async {
                let session = self.maintenance.session().await?;
                let settled = settle(session.client(), &role).await?;
                if settled.is_ok() {
                    registry.forget_role(&role.job, &self.cluster, &role.name)?;
                }
                Result::Ok(settled)
            };
            let why = match settled.await {
                Ok(Ok(())) => continue,
                Ok(Err(why)) => why,
                Err(error) => chain(&error),
            };
            let message = format!("role \"{}\", which this clone created, is left: {why}", role.name);
            context.reporter.warn(Warning::new("role_left", message));
        }
    }
}

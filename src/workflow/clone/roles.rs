//! Roles that the source's objects name and the destination lacks: with `--create-roles` all of them, with a platform's
//! profile those of the platform. They belong to the cluster, so a clone that fails takes away again what it made, and `clean` does
//! so after a crash.

use tokio_postgres::Client;

use super::plan::Plan;
use super::staging::Staging;
use super::{Context, Request};
use crate::engine::preflight::{self, check};
use crate::engine::stage::registry::MadeRole;
use crate::engine::stage::roles as made;
pub(super) use crate::engine::stage::roles::Wanted;
use crate::failure::chain;
use crate::pg::name::for_people;
use crate::pg::{Ident, Sql};
use crate::platform::Profile;
use crate::progress::{Level, Warning};
use crate::schema::Options;
use crate::schema::model::Catalog;
use crate::schema::script::Skipped;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// `duplicate_object`.
const ALREADY_THERE: &str = "42710";

/// What is to be created; an error in preflight where our role may not and was told to. Where the profile alone wants them,
/// the report says what is lost without.
pub(super) fn missing(
    request: &Request,
    profile: Option<Profile>,
    catalog: &Catalog,
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
    let wanted = wanted.into_iter().map(|name| {
        let bypasses_rls = of_platform(&name).is_some_and(|role| role.bypasses_rls);
        Wanted { name, bypasses_rls }
    });
    Ok(wanted.collect())
}

/// The plan is drawn as if they were there. Gives what will be missing of them.
pub(super) fn expect(roles: &[Wanted], options: &mut Options, context: &Context) -> Vec<Skipped> {
    let mut lost = Vec::new();
    for Wanted { name, bypasses_rls } in roles {
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
    let create = |role: &Wanted| made::create(role, &request.job, options.superuser);
    roles.iter().map(|role| (format!("role {}", role.name.quoted()), create(role))).collect()
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
            if error.sqlstate() != Some(ALREADY_THERE) {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// What it created, a sentence each.
    pub(super) fn created_roles(&self, context: &Context) -> Result<Vec<String>> {
        let made = context.registry.roles(&self.cluster)?.into_iter().filter(|role| role.job == self.job);
        Ok(made.map(|role| format!("role {}, without login", for_people(&role.name))).collect())
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

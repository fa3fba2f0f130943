//! Roles that the source's objects name and the destination lacks: with `--create-roles` all of them, with a platform's
//! profile those of the platform. They belong to the cluster, so a clone that fails takes away again what it made.

use super::plan::Plan;
use super::staging::Staging;
use super::{Context, Request};
use crate::engine::preflight::{self, check};
use crate::failure::chain;
use crate::pg::name::for_people;
use crate::pg::{Ident, Literal, Sql};
use crate::platform::Profile;
use crate::progress::Level;
use crate::safety;
use crate::schema::Options;
use crate::schema::model::Catalog;
use crate::schema::script::Skipped;
use crate::sql;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// `duplicate_object`.
const ALREADY_THERE: &str = "42710";

/// A role to be created.
pub(super) struct Wanted {
    name: Ident,
    /// Only a superuser can make one that row-level security does not hold for.
    bypasses_rls: bool,
}

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

/// One that cannot log in, marked as ours. Whoever is no superuser has to be a member to hand anything to it; from 16 on its
/// creator is an administrator of it and no more.
fn create(role: &Wanted, superuser: bool) -> Sql {
    let Wanted { name, bypasses_rls } = role;
    let mark = Literal(safety::MARK_OF_ROLES);
    let comment = sql!("COMMENT ON ROLE {name} IS {mark}", name = name, mark = mark);
    match superuser {
        true if *bypasses_rls => {
            sql!("CREATE ROLE {name} NOLOGIN BYPASSRLS; {comment}", name = name, comment = comment)
        }
        true => sql!("CREATE ROLE {name} NOLOGIN; {comment}", name = name, comment = comment),
        false => sql!(
            "CREATE ROLE {name} NOLOGIN; {comment}; GRANT {name} TO CURRENT_USER",
            name = name,
            comment = comment
        ),
    }
}

/// The statements that create them, each with what it is about.
pub(super) fn statements(roles: &[Wanted], options: &Options) -> Vec<(String, Sql)> {
    let statement = |role: &Wanted| (format!("role {}", role.name.quoted()), create(role, options.superuser));
    roles.iter().map(statement).collect()
}

impl Staging {
    /// Creates them, each known to [`Staging::remove`] from then on. One that somebody else created meanwhile is theirs.
    pub(super) async fn create_roles(&self, context: &Context, plan: &Plan) -> Result<()> {
        if plan.roles.is_empty() {
            return Ok(());
        }
        context.reporter.operation("creating roles");
        let session = self.maintenance.session().await?;
        for role in &plan.roles {
            // Noted first: after a lost answer it may be there.
            self.made_roles.lock().await.push(role.name.clone());
            let Err(error) = session.batch(&create(role, plan.ground.options.superuser)).await else {
                continue;
            };
            if error.server().is_some() {
                self.made_roles.lock().await.pop();
            }
            if error.sqlstate() != Some(ALREADY_THERE) {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// What it created, a sentence each.
    pub(super) async fn created_roles(&self) -> Vec<String> {
        let made = self.made_roles.lock().await;
        made.iter().map(|role| format!("role {}, without login", for_people(role.as_str()))).collect()
    }

    /// Drops what was created, after a failure. What somebody uses by now stays, and is named in the log.
    pub(super) async fn drop_roles(&self) {
        let roles = std::mem::take(&mut *self.made_roles.lock().await);
        for role in roles {
            let drop = sql!("DROP ROLE IF EXISTS {role}", role = role);
            let dropped = async {
                self.maintenance.session().await?.batch(&drop).await?;
                Result::Ok(())
            };
            if let Err(error) = dropped.await {
                let role = role.as_str();
                tracing::warn!(role, error = %chain(&error), "a role that this clone created is still there");
            }
        }
    }
}

//! `--create-roles`: roles that the source's objects name and the destination lacks. They belong to the cluster, so a clone
//! that fails takes away again what it made.

use super::plan::Plan;
use super::staging::Staging;
use super::{Context, Request};
use crate::engine::preflight::{self, check};
use crate::failure::chain;
use crate::pg::{Ident, Sql};
use crate::progress::Level;
use crate::schema::Options;
use crate::schema::model::Catalog;
use crate::sql;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// `duplicate_object`.
const ALREADY_THERE: &str = "42710";

/// What is to be created; an error in preflight where our role may not.
pub(super) fn missing(request: &Request, catalog: &Catalog, destination: &Destination) -> Result<Vec<Ident>> {
    if !request.create_roles {
        return Ok(Vec::new());
    }
    let facts = &destination.facts;
    let roles = catalog.roles().into_iter();
    // Names that begin so are the system's own, of a version that the destination is not.
    let missing =
        roles.filter(|role| !facts.roles.contains(role.as_str()) && !role.as_str().starts_with("pg_"));
    let missing: Vec<Ident> = missing.cloned().collect();
    preflight::fail_on(check::creates_roles(facts, &missing).into_iter().collect())?;
    Ok(missing)
}

/// The plan is drawn as if they were there.
pub(super) fn expect(roles: &[Ident], options: &mut Options, context: &Context) {
    for role in roles {
        context.reporter.log(Level::Info, format!("to be created: role {}, without login", role.quoted()));
        options.roles.insert(role.as_str().to_owned());
        options.assumable.insert(role.as_str().to_owned());
    }
}

/// One that cannot log in. Whoever is no superuser has to be a member to hand anything to it; from 16 on its creator is an
/// administrator of it and no more.
fn create(role: &Ident, superuser: bool) -> Sql {
    let create = sql!("CREATE ROLE {role} NOLOGIN", role = role);
    if superuser {
        return create;
    }
    sql!("{create}; GRANT {role} TO CURRENT_USER", create = create, role = role)
}

/// The statements that create them, each with what it is about.
pub(super) fn statements(roles: &[Ident], options: &Options) -> Vec<(String, Sql)> {
    roles.iter().map(|role| (format!("role {}", role.quoted()), create(role, options.superuser))).collect()
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
            self.made_roles.lock().await.push(role.clone());
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

//! Settings and storage parameters that the destination does not take: newer than its server, of an extension that it lacks, or not
//! for our role to set. Tried before anything is changed, in a transaction that is taken back.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::Client;

use crate::engine::stage::tried::{Refusal, tried};
use crate::pg::name::for_people;
use crate::pg::{Ident, Sql, sqlstate};
use crate::schema::Options;
use crate::schema::adapt::parameter::{self, Parameter};
use crate::schema::model::Catalog;
use crate::schema::model::database::Setting;
use crate::schema::render::database::{setting_of, trial};
use crate::schema::script::Skipped;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// Takes them out of the catalog, with a line each; functions that set one are left to rendering, which knows what needs them.
/// Roles that the clone will create are not there yet. `there` is a session of the maintenance database.
pub(super) async fn settings(
    catalog: &mut Catalog,
    options: &mut Options,
    to_be_created: &[Ident],
    there: &Client,
    destination: &Destination,
) -> Result<Vec<Skipped>> {
    let of_functions: BTreeSet<(String, String)> =
        catalog.functions.iter().flat_map(|function| function.settings.iter().cloned()).collect();
    // Methods of extensions are not there yet: their parameters are tried with the extensions.
    let parameters: Vec<Parameter> =
        parameter::all(catalog).into_iter().filter(|one| !one.is_of_extension()).collect();
    if catalog.database.settings.is_empty() && of_functions.is_empty() && parameters.is_empty() {
        return Ok(Vec::new());
    }
    let on = Ident::new(destination.grant.maintenance());
    let stands = |role: &Ident| options.roles.contains(role.as_str()) && !to_be_created.contains(role);
    let of_database = catalog.database.settings.iter().map(|setting| match &setting.role {
        Some(role) if stands(role) => setting_of(&on, setting),
        _ => trial(setting),
    });
    let of_database = refusals(there, of_database.collect()).await?;
    let as_setting = |(name, value): &(String, String)| {
        trial(&Setting { role: None, name: name.clone(), value: value.clone() })
    };
    let functions = refusals(there, of_functions.iter().map(as_setting).collect()).await?;
    let of_relations = parameters_of(there, parameters).await?;
    let mut lines = Vec::new();
    let mut refused = of_database.into_iter();
    catalog.database.settings.retain(|setting| {
        let Some(why) = refused.next().flatten() else { return true };
        let of = match &setting.role {
            Some(role) => format!("role {} in the database", for_people(role.as_str())),
            None => "the database".to_owned(),
        };
        lines.push(line(format!("setting {} of {of}", setting.name), &why));
        false
    });
    let refused = of_functions.into_iter().zip(functions);
    options.refused_settings = refused.filter_map(|(setting, why)| Some((setting, why?))).collect();
    lines.extend(parameter::without(catalog, &of_relations));
    Ok(lines)
}

fn line(object: String, why: &str) -> Skipped {
    Skipped { object, reason: format!("the destination does not take it: {why}") }
}

/// Those of the parameters that the server does not take, each with its reason.
async fn parameters_of(there: &Client, parameters: Vec<Parameter>) -> Result<HashMap<Parameter, String>> {
    let refused = refusals(there, parameters.iter().map(Parameter::trial).collect()).await?;
    Ok(parameters.into_iter().zip(refused).filter_map(|(parameter, why)| Some((parameter, why?))).collect())
}

/// For each statement why the server does not take it. That our role may make no temporary table says nothing of a parameter,
/// and a clash with somebody who alters the same role nothing of a setting.
async fn refusals(client: &Client, statements: Vec<Sql>) -> Result<Vec<Option<String>>> {
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let parameters =
        statements.iter().map(|statement| statement.as_str().starts_with("CREATE ")).collect::<Vec<_>>();
    let refused = tried(client, &statements).await?.into_iter().zip(parameters);
    let says_nothing = |refusal: &Refusal, parameter: bool| {
        refusal.code == sqlstate::INTERNAL_ERROR
            || parameter && refusal.code == sqlstate::INSUFFICIENT_PRIVILEGE
    };
    let told =
        refused.map(|(refusal, parameter)| refusal.filter(|refusal| !says_nothing(refusal, parameter)));
    Ok(told.map(|refusal| refusal.map(|refusal| refusal.message)).collect())
}

//! Functions are replaced; triggers, rules and policies are switched on and off, or altered.

use super::Reason;
use super::statement::on;
use super::work::Work;
use crate::pg::Sql;
use crate::schema::diff::member::{Aspect, MemberChange};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::rule::Firing;
use crate::sql;

/// CREATE OR REPLACE, which is how the server prints a function; with the arguments and result that it has, or else it
/// is made anew.
pub(super) fn alter(object: &Object, work: &mut Work<'_>) {
    let Some(entry) = work.at_source(object) else { return };
    let function = work.source.functions.iter().find(|function| function.oid == entry.address.object);
    let is_stuck = work.withheld.iter().any(|other| other.object == *object);
    if let Some(function) = function.filter(|_| !is_stuck) {
        work.alter(object, entry.address, vec![function.definition.clone()]);
    }
}

/// States of triggers and rules; roles and expressions of policies.
pub(super) fn alter_hung(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let (Some(entry), Some(relation)) = (work.at_source(object), on(object)) else { return };
    let oid = entry.address.object;
    if object.kind == Kind::Policy {
        let statement = policy(object, oid, work);
        work.alter(object, entry.address, statement.into_iter().collect());
        return;
    }
    if !changes.iter().any(|change| change.member.aspect == Aspect::State) {
        return;
    }
    let (word, state) = match object.kind {
        Kind::Trigger => {
            ("TRIGGER", work.source.triggers.iter().find(|one| one.oid == oid).map(|one| one.state))
        }
        _ => ("RULE", work.source.rules.iter().find(|one| one.oid == oid).map(|one| one.state)),
    };
    let Some(state) = state else { return };
    let statement = sql!(
        "ALTER TABLE {relation} {state} {word} {name}",
        relation = relation,
        state = firing(state),
        word = Sql::fixed(word),
        name = object.name
    );
    work.alter(object, entry.address, vec![statement]);
}

pub(super) fn firing(state: Firing) -> Sql {
    Sql::fixed(match state {
        Firing::Origin => "ENABLE",
        Firing::Disabled => "DISABLE",
        Firing::Always => "ENABLE ALWAYS",
        Firing::Replica => "ENABLE REPLICA",
    })
}

fn policy(object: &Object, oid: u32, work: &mut Work<'_>) -> Option<Sql> {
    let policy = work.source.policies.iter().find(|policy| policy.oid == oid)?;
    let missing = policy.roles.iter().find(|role| !work.options.roles.contains(role.as_str()));
    if let Some(role) = missing {
        let text = format!("role {} is not on the destination", crate::pg::name::for_people(role.as_str()));
        work.withhold(object, None, Reason::MissingThere, text);
        return None;
    }
    let roles = if policy.everyone { Sql::fixed("PUBLIC") } else { Sql::join(&policy.roles, ", ") };
    let mut text = sql!(
        "ALTER POLICY {name} ON {table} TO {roles}",
        name = policy.name,
        table = policy.table,
        roles = roles
    );
    if let Some(using) = &policy.using {
        text.push(&sql!(" USING ({using})", using = using));
    }
    if let Some(check) = &policy.check {
        text.push(&sql!(" WITH CHECK ({check})", check = check));
    }
    Some(text)
}

//! SQL of row-level security.

use crate::pg::name::for_people;
use crate::pg::{Ident, Sql};
use crate::schema::model::policy::{Command, Policy};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

fn force() -> Sql {
    Sql::fixed("FORCE ROW LEVEL SECURITY")
}

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    for table in &catalog.tables {
        let relation = table.address();
        let mut actions = Vec::new();
        if table.row_security.enabled {
            actions.push(Sql::fixed("ENABLE ROW LEVEL SECURITY"));
        }
        if table.row_security.forced && options.superuser {
            actions.push(force());
        } else if table.row_security.forced {
            // From then on the owner does not see all rows: they are verified first.
            to.push(Piece {
                sql: vec![sql!("ALTER TABLE {table} {force}", table = table.name, force = force())],
                phase: Phase::Last,
                ..piece(
                    relation.part(Rank::EventTrigger),
                    relation,
                    format!("forced row security of {}", table.name),
                )
            });
        }
        if actions.is_empty() {
            continue;
        }
        let actions = Sql::join(&actions, ", ");
        to.push(Piece {
            sql: vec![sql!("ALTER TABLE {table} {actions}", table = table.name, actions = actions)],
            ..piece(relation.part(Rank::Policy), relation, format!("row security of {}", table.name))
        });
    }
    for policy in &catalog.policies {
        render_policy(policy, options, to);
    }
}

fn piece(makes: Address, relation: Address, label: String) -> Piece {
    Piece {
        needs: vec![relation],
        part_of: Some(relation),
        locks: vec![Lock { table: relation.object, mode: LockMode::AccessExclusive }],
        ..Piece::new(makes, Rank::Policy, Phase::PostData, label)
    }
}

/// A role that the destination does not have drops out of the list. A policy for nobody else is not made: nobody
/// there could be let in, or held back, by it.
fn render_policy(policy: &Policy, options: &Options, to: &mut Rendering) {
    let label = format!("policy {} on {}", for_people(policy.name.as_str()), policy.table);
    let there = |role: &&Ident| options.roles.contains(role.as_str());
    let (present, missing): (Vec<&Ident>, Vec<&Ident>) = policy.roles.iter().partition(there);
    if !policy.everyone && present.is_empty() {
        to.left_out
            .insert(Address::new(class::POLICY, policy.oid), format!("needs {label}, which is not made"));
        to.skip(label, "none of its roles is on the destination");
        return;
    }
    for role in missing {
        let role = for_people(role.as_str());
        to.skip(format!("role {role} of {label}"), format!("role {role} is not on the destination"));
    }
    let roles = if policy.everyone { Sql::fixed("PUBLIC") } else { Sql::join(present, ", ") };
    let mut text = sql!(
        "CREATE POLICY {name} ON {table} AS {sort} FOR {command} TO {roles}",
        name = policy.name,
        table = policy.table,
        sort = Sql::fixed(if policy.permissive { "PERMISSIVE" } else { "RESTRICTIVE" }),
        command = command(policy.command),
        roles = roles
    );
    if let Some(using) = &policy.using {
        text.push(&sql!(" USING ({using})", using = using));
    }
    if let Some(check) = &policy.check {
        text.push(&sql!(" WITH CHECK ({check})", check = check));
    }
    let relation = Address::new(class::RELATION, policy.relation);
    let makes = Address::new(class::POLICY, policy.oid);
    to.push(Piece { sql: vec![text], ..piece(makes, relation, label) });
}

fn command(command: Command) -> Sql {
    Sql::fixed(match command {
        Command::All => "ALL",
        Command::Select => "SELECT",
        Command::Insert => "INSERT",
        Command::Update => "UPDATE",
        Command::Delete => "DELETE",
    })
}

//! SQL of row-level security.

use crate::pg::name::for_people;
use crate::pg::{Ident, QualifiedName, Sql};
use crate::schema::model::policy::{Command, Policy};
use crate::schema::model::relation::RowSecurity;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::{Lock, LockMode, Phase, Piece, Tolerated};
use crate::sql;

fn force() -> Sql {
    Sql::fixed("FORCE ROW LEVEL SECURITY")
}

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    for table in &catalog.tables {
        to.pieces.extend(row_security(table.address(), &table.name, table.row_security, options));
    }
    for member in &catalog.secured_members {
        let relation = Address::new(class::RELATION, member.relation);
        if member.security.forced && !options.superuser {
            let object = format!("forced row security of {}", member.table);
            to.skip(
                object,
                "only a superuser of the destination can verify what it hides of an extension's table",
            );
        }
        let security = RowSecurity { forced: member.security.forced && options.superuser, ..member.security };
        let secured = row_security(relation, &member.table, security, options).into_iter();
        to.pieces.extend(secured.map(|piece| Piece { tolerated: Tolerated::Anything, ..piece }));
    }
    for policy in &catalog.policies {
        render_policy(policy, options, to);
    }
}

fn row_security(
    relation: Address,
    table: &QualifiedName,
    security: RowSecurity,
    options: &Options,
) -> Vec<Piece> {
    let (mut pieces, mut actions) = (Vec::new(), Vec::new());
    if security.enabled {
        actions.push(Sql::fixed("ENABLE ROW LEVEL SECURITY"));
    }
    if security.forced && options.superuser {
        actions.push(force());
    } else if security.forced {
        // From then on the owner does not see all rows: they are verified first.
        pieces.push(Piece {
            sql: vec![sql!("ALTER TABLE {table} {force}", table = table, force = force())],
            phase: Phase::Last,
            ..piece(relation.part(Rank::EventTrigger), relation, format!("forced row security of {table}"))
        });
    }
    if !actions.is_empty() {
        let actions = Sql::join(&actions, ", ");
        pieces.push(Piece {
            sql: vec![sql!("ALTER TABLE {table} {actions}", table = table, actions = actions)],
            ..piece(relation.part(Rank::Policy), relation, format!("row security of {table}"))
        });
    }
    pieces
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
    let mut made = piece(makes, relation, label);
    if policy.of_extension {
        // The extension's script may have made one of that name; and its table is not ours to rely on.
        made.sql.push(sql!(
            "DROP POLICY IF EXISTS {name} ON {table}",
            name = policy.name,
            table = policy.table
        ));
        made.tolerated = Tolerated::Anything;
    }
    made.sql.push(text);
    to.push(made);
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

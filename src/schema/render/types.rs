//! SQL of the types that stand on their own.

use crate::pg::{Literal, Sql};
use crate::schema::model::types::{Composite, Default, Domain, DomainConstraint, Kind, Range, Type};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    for made in &catalog.types {
        match &made.kind {
            Kind::Shell => to.push(Piece { sql: vec![shell_sql(made)], ..piece(made) }),
            Kind::Enum(labels) => {
                let labels = Sql::join(labels.iter().map(|label| Literal(label)), ", ");
                let text = sql!("CREATE TYPE {name} AS ENUM ({labels})", name = made.name, labels = labels);
                to.push(Piece { sql: vec![text], ..piece(made) });
            }
            Kind::Composite(composite) => {
                let mut piece = Piece { sql: vec![composite_sql(made, composite)], ..piece(made) };
                piece.also_makes.push(Address::new(class::RELATION, composite.relation));
                to.push(piece);
            }
            Kind::Range(range) => render_range(made, range, to),
            Kind::Domain(domain) => render_domain(made, domain, options, to),
        }
    }
}

/// The shell of a type, which functions that the type needs can name before it is whole.
pub(super) fn shell(oid: crate::pg::Oid) -> Address {
    Address::new(class::TYPE, oid).part(Rank::ShellType)
}

fn piece(made: &Type) -> Piece {
    let mut piece =
        Piece::new(Address::new(class::TYPE, made.oid), Rank::Type, Phase::PreData, label("type", made));
    if made.array_type != 0 {
        piece.also_makes.push(Address::new(class::TYPE, made.array_type));
    }
    piece
}

fn label(word: &str, made: &Type) -> String {
    format!("{word} {}", made.name)
}

fn shell_sql(made: &Type) -> Sql {
    sql!("CREATE TYPE {name}", name = made.name)
}

fn composite_sql(made: &Type, composite: &Composite) -> Sql {
    let attributes = composite.attributes.iter().map(|attribute| {
        sql!(
            "\n    {name} {data_type}{collation}",
            name = attribute.name,
            data_type = attribute.data_type,
            collation = collate(attribute.collation.as_ref())
        )
    });
    sql!("CREATE TYPE {name} AS ({attributes}\n)", name = made.name, attributes = Sql::join(attributes, ","))
}

fn collate(collation: Option<&Sql>) -> Sql {
    collation.map_or_else(Sql::default, |name| sql!(" COLLATE {name}", name = name))
}

fn render_range(made: &Type, range: &Range, to: &mut Rendering) {
    let mut parts = vec![sql!("subtype = {subtype}", subtype = range.subtype)];
    if let Some(class) = &range.operator_class {
        parts.push(sql!("subtype_opclass = {class}", class = class));
    }
    if let Some(collation) = &range.collation {
        parts.push(sql!("collation = {collation}", collation = collation));
    }
    if let Some((_, function)) = &range.canonical {
        parts.push(sql!("canonical = {function}", function = function));
    }
    if let Some(function) = &range.subtype_diff {
        parts.push(sql!("subtype_diff = {function}", function = function));
    }
    let mut piece = piece(made);
    if let Some(multirange) = &range.multirange {
        parts.push(sql!("multirange_type_name = {name}", name = multirange.name));
        piece.also_makes.push(Address::new(class::TYPE, multirange.oid));
        piece.also_makes.push(Address::new(class::TYPE, multirange.array_type));
    }
    if range.canonical.is_some() {
        let label = label("shell of type", made);
        to.push(Piece {
            sql: vec![shell_sql(made)],
            ..Piece::new(shell(made.oid), Rank::ShellType, Phase::PreData, label)
        });
        piece.needs.push(shell(made.oid));
    }
    let parts = Sql::join(&parts, ",\n    ");
    piece.sql.push(sql!("CREATE TYPE {name} AS RANGE (\n    {parts}\n)", name = made.name, parts = parts));
    to.push(piece);
}

/// Validated checks stand inside CREATE DOMAIN, or beside it where one of them calls a function that itself uses
/// the domain. The others come after the rows, which they need not hold for.
fn render_domain(made: &Type, domain: &Domain, options: &Options, to: &mut Rendering) {
    let (checks, late): (Vec<_>, Vec<_>) = domain
        .constraints
        .iter()
        .filter(|constraint| !constraint.not_null)
        .partition(|check| check.validated);
    let bare = domain_sql(made, domain, &[], options);
    let mut whole = Piece { sql: vec![domain_sql(made, domain, &checks, options)], ..piece(made) };
    let not_null = domain.constraints.iter().filter(|constraint| constraint.not_null);
    whole.also_makes.extend(not_null.map(|constraint| Address::new(class::CONSTRAINT, constraint.oid)));
    if !checks.is_empty() {
        let mut steps = vec![Piece { sql: vec![bare], ..whole.clone() }];
        steps.extend(checks.iter().map(|check| added(made, check, Phase::PreData)));
        whole.fallback = Some(steps);
        whole.also_makes.extend(checks.iter().map(|check| Address::new(class::CONSTRAINT, check.oid)));
    }
    to.push(whole);
    for check in late {
        to.push(added(made, check, Phase::PostData));
    }
}

fn domain_sql(made: &Type, domain: &Domain, checks: &[&DomainConstraint], options: &Options) -> Sql {
    let mut text = sql!(
        "CREATE DOMAIN {name} AS {base}{collation}",
        name = made.name,
        base = domain.base,
        collation = collate(domain.collation.as_ref())
    );
    match &domain.default {
        None => {}
        Some(Default::Expression(value)) => text.push(&sql!(" DEFAULT {value}", value = value)),
        Some(Default::Text(value)) => text.push(&sql!(" DEFAULT {value}", value = Literal(value))),
    }
    if domain.not_null {
        let named = domain.constraints.iter().find(|constraint| constraint.not_null);
        if let Some(constraint) = named.filter(|_| options.destination_version.at_least(17)) {
            text.push(&sql!(" CONSTRAINT {name}", name = constraint.name));
        }
        text.push_fixed(" NOT NULL");
    }
    for check in checks {
        text.push(&sql!(
            "\n    CONSTRAINT {name} {definition}",
            name = check.name,
            definition = check.definition
        ));
    }
    text
}

/// A check that is added to a domain.
fn added(made: &Type, check: &DomainConstraint, phase: Phase) -> Piece {
    let label = format!("check {} of domain {}", crate::pg::name::for_people(check.name.as_str()), made.name);
    let domain = Address::new(class::TYPE, made.oid);
    Piece {
        sql: vec![sql!(
            "ALTER DOMAIN {domain} ADD CONSTRAINT {name} {definition}",
            domain = made.name,
            name = check.name,
            definition = check.definition
        )],
        needs: vec![domain],
        part_of: Some(domain),
        ..Piece::new(Address::new(class::CONSTRAINT, check.oid), Rank::Check, phase, label)
    }
}

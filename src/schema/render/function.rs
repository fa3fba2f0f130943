//! SQL of functions, procedures and aggregates.

use std::collections::HashMap;

use crate::pg::name::for_people;
use crate::pg::{Literal, Oid, Sql};
use crate::schema::model::function::{Aggregate, AggregateKind, Function, Transition, signature};
use crate::schema::model::types::Kind;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::{Rendering, types};
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    let canonical = canonical_functions(catalog);
    let bodies = needs_of_bodies(catalog);
    for function in &catalog.functions {
        let body = bodies.get(&function.oid).map(Vec::as_slice);
        render_function(function, canonical.get(&function.oid).copied(), body, options, to);
    }
    for aggregate in &catalog.aggregates {
        render_aggregate(aggregate, options, to);
    }
}

/// Canonical functions of range types, with the type that each takes and that needs it.
fn canonical_functions(catalog: &Catalog) -> HashMap<Oid, Oid> {
    let ranges = catalog.types.iter().filter_map(|made| match &made.kind {
        Kind::Range(range) => range.canonical.as_ref().map(|(function, _)| (*function, made.oid)),
        _ => None,
    });
    ranges.collect()
}

/// Of functions whose body is read when they are created, what it may need: all but types, which arguments and result have, and
/// what a function lies in or belongs to.
fn needs_of_bodies(catalog: &Catalog) -> HashMap<Oid, Vec<Address>> {
    let read = catalog.functions.iter().filter(|function| function.declaration.is_some());
    let mut bodies: HashMap<Oid, Vec<Address>> = read.map(|function| (function.oid, Vec::new())).collect();
    for one in catalog.dependencies.iter().filter(|one| one.dependent.class == class::FUNCTION) {
        let around = [class::TYPE, class::SCHEMA, class::EXTENSION];
        if let Some(needs) =
            bodies.get_mut(&one.dependent.object).filter(|_| !around.contains(&one.referenced.class))
        {
            needs.push(one.referenced);
        }
    }
    bodies
}

/// `body` is what its body needs, if that is read when the function is created. Where such functions use each other, each is
/// declared first and gets its body later.
fn render_function(
    function: &Function,
    range: Option<Oid>,
    body: Option<&[Address]>,
    options: &Options,
    to: &mut Rendering,
) {
    let address = Address::new(class::FUNCTION, function.oid);
    let word = if function.procedure { "procedure" } else { "function" };
    let label = format!("{word} {}", signature(&function.name, &function.arguments));
    if let Some(what) = function.for_superusers.as_deref().filter(|_| !options.superuser) {
        return leave_to_superusers(address, label, what, to);
    }
    if function.ambiguous {
        let reason = "PostgreSQL does not print which of its unnamed arguments its body means; give them names on the source";
        return leave_out(address, label, reason.to_owned(), to);
    }
    let refused = |setting: &(String, String)| {
        let why = options.refused_settings.get(setting)?;
        Some(format!("the destination does not take its setting {}: {why}", for_people(&setting.0)))
    };
    if let Some(reason) = function.settings.iter().find_map(refused) {
        return leave_out(address, label, reason, to);
    }
    let mut sql = vec![function.definition.clone()];
    sql.extend(function.depends_on_extensions.iter().map(|extension| {
        sql!(
            "ALTER ROUTINE {name}({arguments}) DEPENDS ON EXTENSION {extension}",
            name = function.name,
            arguments = function.arguments,
            extension = extension
        )
    }));
    let mut piece = Piece { sql, ..Piece::new(address, Rank::Function, Phase::PreData, label) };
    if let (Some(declaration), Some(needs)) = (&function.declaration, body) {
        if needs.contains(&address) {
            piece.sql.insert(0, declaration.clone());
        }
        piece.fallback = Some(in_two_steps(&piece, declaration, needs));
    }
    if let Some(range) = range {
        piece.needs.push(types::shell(range));
        piece.does_not_need.push(Address::new(class::TYPE, range));
    }
    to.push(piece);
}

/// The declaration, and the definition that takes its place.
fn in_two_steps(whole: &Piece, declaration: &Sql, needs: &[Address]) -> Vec<Piece> {
    let defined = whole.makes.part(Rank::Function);
    let declared = Piece {
        sql: vec![declaration.clone()],
        does_not_need: needs.to_vec(),
        // Without its body it would be a function that fails: if that is left out, so is the declaration.
        part_of: Some(defined),
        ..Piece::new(whole.makes, Rank::Function, Phase::PreData, ["declaration of ", &whole.label].concat())
    };
    let own = whole.sql.iter().filter(|sql| *sql != declaration).cloned().collect();
    let needs = needs.iter().copied().filter(|need| *need != whole.makes).chain([whole.makes]).collect();
    vec![
        declared,
        Piece { sql: own, needs, ..Piece::new(defined, Rank::Function, Phase::PreData, whole.label.clone()) },
    ]
}

fn leave_to_superusers(address: Address, label: String, what: &str, to: &mut Rendering) {
    leave_out(address, label, format!("{what} needs a superuser on the destination"), to);
}

fn leave_out(address: Address, label: String, reason: String, to: &mut Rendering) {
    to.left_out.insert(address, format!("needs {label}, which is not made: {reason}"));
    to.skip(label, reason);
}

fn render_aggregate(aggregate: &Aggregate, options: &Options, to: &mut Rendering) {
    let label = format!("aggregate {}", signature(&aggregate.name, &aggregate.identity_arguments));
    let address = Address::new(class::FUNCTION, aggregate.oid);
    // Manual, CREATE AGGREGATE, "state_data_type".
    let mut modes = std::iter::once(&aggregate.plain).chain(&aggregate.moving);
    if !options.superuser && modes.any(|mode| mode.state_type.as_str() == "internal") {
        return leave_to_superusers(address, label, "state type internal", to);
    }
    let mut parts = transition(&aggregate.plain, aggregate.kind, false);
    let function = |parts: &mut Vec<Sql>, option: &'static str, value: Option<&Sql>| {
        if let Some(value) = value {
            parts.push(Sql::join([&Sql::fixed(option), value], " = "));
        }
    };
    function(&mut parts, "COMBINEFUNC", aggregate.combine.as_ref());
    function(&mut parts, "SERIALFUNC", aggregate.serialize.as_ref());
    function(&mut parts, "DESERIALFUNC", aggregate.deserialize.as_ref());
    if let Some(moving) = &aggregate.moving {
        parts.extend(transition(moving, aggregate.kind, true));
    }
    if let Some(operator) = &aggregate.sort_operator {
        parts.push(sql!("SORTOP = OPERATOR({operator})", operator = operator));
    }
    match aggregate.parallel {
        's' => parts.push(Sql::fixed("PARALLEL = safe")),
        'r' => parts.push(Sql::fixed("PARALLEL = restricted")),
        _ => {}
    }
    if aggregate.kind == AggregateKind::HypotheticalSet {
        parts.push(Sql::fixed("HYPOTHETICAL"));
    }
    let arguments =
        if aggregate.arguments.is_empty() { Sql::fixed("*") } else { aggregate.arguments.clone() };
    let text = sql!(
        "CREATE AGGREGATE {name}({arguments}) (\n    {parts}\n)",
        name = aggregate.name,
        arguments = arguments,
        parts = Sql::join(&parts, ",\n    ")
    );
    to.push(Piece { sql: vec![text], ..Piece::new(address, Rank::Aggregate, Phase::PreData, label) });
}

/// The options of one mode; those of moving-aggregate mode have an M before their name.
fn transition(mode: &Transition, kind: AggregateKind, moving: bool) -> Vec<Sql> {
    let name = |plain: &'static str, moved: &'static str| Sql::fixed(if moving { moved } else { plain });
    let option = |name: Sql, value: &Sql| Sql::join([&name, value], " = ");
    let mut parts = vec![option(name("SFUNC", "MSFUNC"), &mode.function)];
    if let Some(inverse) = &mode.inverse {
        parts.push(sql!("MINVFUNC = {inverse}", inverse = inverse));
    }
    parts.push(option(name("STYPE", "MSTYPE"), &mode.state_type));
    if mode.state_space != 0 {
        parts.push(option(name("SSPACE", "MSSPACE"), &Sql::join([mode.state_space], "")));
    }
    if let Some(initial) = &mode.initial {
        parts.push(option(name("INITCOND", "MINITCOND"), &Sql::join([Literal(initial)], "")));
    }
    if let Some(function) = &mode.final_function {
        parts.push(option(name("FINALFUNC", "MFINALFUNC"), function));
        if mode.final_extra {
            parts.push(name("FINALFUNC_EXTRA", "MFINALFUNC_EXTRA"));
        }
    }
    // The default depends on the kind (manual, CREATE AGGREGATE).
    let default = if kind == AggregateKind::Normal { 'r' } else { 'w' };
    if mode.final_modify != default {
        let value = match mode.final_modify {
            'r' => "READ_ONLY",
            's' => "SHAREABLE",
            _ => "READ_WRITE",
        };
        parts.push(option(name("FINALFUNC_MODIFY", "MFINALFUNC_MODIFY"), &Sql::fixed(value)));
    }
    parts
}

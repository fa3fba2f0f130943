//! SQL of the kinds of which nothing but the text matters.

use crate::pg::QualifiedName;
use crate::pg::name::for_people;
use crate::schema::model::printed::{Kind, Printed};
use crate::schema::model::{Address, Catalog, class};
use crate::schema::options::Options;
use crate::schema::render::attach::Attacher;
use crate::schema::render::{Rendering, for_dependents};
use crate::schema::script::{Lock, LockMode, Piece};

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    for object in &catalog.printed {
        let label = label(object);
        if matches!(object.kind, Kind::Subscription | Kind::UserMapping) && options.neutralize {
            to.neutralized.push(format!("{label}: not created"));
            continue;
        }
        if let Some(reason) = obstacle(object, options) {
            to.left_out.insert(object.address, for_dependents(&label, &reason));
            to.skip(label, reason);
            continue;
        }
        to.push(piece(object, label));
    }
}

/// Why it cannot be made.
fn obstacle(object: &Printed, options: &Options) -> Option<String> {
    if object.statements.is_empty() {
        return Some("only a superuser of the source may read how it connects".to_owned());
    }
    if object.superuser && !options.superuser {
        return Some("only a superuser of the destination may make it".to_owned());
    }
    let role = object.role.as_ref().filter(|role| !options.roles.contains(role.as_str()))?;
    Some(format!("role {} is not on the destination", for_people(role.as_str())))
}

fn piece(object: &Printed, label: String) -> Piece {
    let (rank, phase) = object.kind.place();
    let table = object.table.map(|table| Address::new(class::RELATION, table));
    let within = object.within.as_ref().map(|(address, _)| *address);
    Piece {
        sql: object.statements.clone(),
        needs: table.into_iter().chain(within).collect(),
        // With its table goes what a publication lists of it, and with the publication the list.
        part_of: table.or(within),
        locks: object
            .table
            .into_iter()
            .map(|table| Lock { table, mode: LockMode::ShareUpdateExclusive })
            .collect(),
        ..Piece::new(object.address, rank, phase, label)
    }
}

fn label(object: &Printed) -> String {
    let name = match &object.schema {
        Some(schema) => QualifiedName { schema: schema.clone(), name: object.name.clone() }.to_string(),
        None => for_people(object.name.as_str()),
    };
    let within = object.within.as_ref().map(|(_, name)| for_people(name.as_str()));
    match (object.kind, within) {
        (Kind::Published, Some(publication)) => format!("{name} in publication {publication}"),
        (kind, Some(server)) => format!("{} {name} on server {server}", kind.word()),
        (kind, None) => format!("{} {name}", kind.word()),
    }
}

/// To be called when the pieces of everything else are there.
pub(super) fn render_ties(catalog: &Catalog, to: &mut Rendering) {
    let attacher = Attacher::new(catalog, to);
    for tie in &catalog.extension_ties {
        attacher.attach(&mut to.pieces, tie.of, std::slice::from_ref(&tie.statement));
    }
}

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
        if object.kind == Kind::Subscription && options.neutralize {
            to.neutralized.push(format!("{label}: not created"));
            continue;
        }
        let obstacle = if object.statements.is_empty() {
            Some("only a superuser of the source may read how it connects")
        } else if object.superuser && !options.superuser {
            Some("only a superuser of the destination may make it")
        } else {
            None
        };
        if let Some(reason) = obstacle {
            to.skip(&label, reason);
            to.left_out.insert(object.address, for_dependents(&label, reason));
            continue;
        }
        to.push(piece(object, label));
    }
}

fn piece(object: &Printed, label: String) -> Piece {
    let (rank, phase) = object.kind.place();
    let table = object.table.map(|table| Address::new(class::RELATION, table));
    let publication = object.publication.as_ref().map(|(oid, _)| Address::new(class::PUBLICATION, *oid));
    Piece {
        sql: object.statements.clone(),
        needs: table.into_iter().chain(publication).collect(),
        // With its table goes what a publication lists of it, and with the publication the list.
        part_of: table.or(publication),
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
    match &object.publication {
        Some((_, publication)) => {
            format!("{name} in publication {}", for_people(publication.as_str()))
        }
        None => format!("{} {name}", object.kind.word()),
    }
}

/// To be called when the pieces of everything else are there.
pub(super) fn render_ties(catalog: &Catalog, to: &mut Rendering) {
    let attacher = Attacher::new(catalog, &to.pieces);
    for tie in &catalog.extension_ties {
        attacher.attach(&mut to.pieces, tie.of, std::slice::from_ref(&tie.statement));
    }
}

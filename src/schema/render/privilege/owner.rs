//! Owners: a superuser sets each with the object itself; any other role when the rows are in, since it gives away
//! what it still needs.

use std::collections::HashSet;

use crate::pg::name::for_people;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::render::attach::Attacher;
use crate::schema::render::privilege::entry::{Right, Schemas};
use crate::schema::render::privilege::missing::Missing;
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(
    catalog: &Catalog,
    options: &Options,
    attacher: &Attacher,
    schemas: &Schemas<'_>,
    missing: &mut Missing,
    to: &mut Rendering,
) {
    let sequences = catalog.sequences.iter().filter(|sequence| sequence.owned_by.is_some());
    let of_a_column: HashSet<Address> = sequences.map(|sequence| sequence.address()).collect();
    for owner in &catalog.owners {
        let of_subscription = owner.of.class == class::SUBSCRIPTION;
        if of_subscription && !to.pieces.iter().any(|piece| piece.makes == owner.of) {
            continue;
        }
        if options.role.as_ref() == Some(&owner.owner) || !missing.can_own(&owner.owner, options) {
            continue;
        }
        let text = sql!("ALTER {subject} OWNER TO {owner}", subject = owner.subject, owner = owner.owner);
        // Up to 15 a subscription's owner had to be a superuser, and not every one from 16 on is: it may fail.
        if options.superuser && !of_subscription {
            attacher.attach(&mut to.pieces, owner.of, &[text]);
        } else if !of_a_column.contains(&owner.of) {
            // A column's sequence follows its table.
            let label = format!("owner of {}", owner.subject);
            if owner.of.class == class::PUBLICATION {
                // Nobody can give a right on the database that takes its name later (manual, ALTER PUBLICATION).
                let role = for_people(owner.owner.as_str());
                to.skip(
                    label,
                    format!("role {role} would need CREATE on the database, and our role is no superuser"),
                );
                continue;
            }
            to.push(Piece {
                sql: schemas.with(Right::Create, owner.of, &owner.owner, vec![text]),
                needs: std::iter::once(owner.of).chain(schemas.settled(owner.of)).collect(),
                part_of: Some(owner.of),
                tolerated: crate::schema::script::Tolerated::Anything,
                ..Piece::new(owner.of.part(Rank::Owner), Rank::Owner, Phase::PostData, label)
            });
        }
    }
}

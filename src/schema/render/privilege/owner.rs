//! Owners: a superuser sets each with the object itself; any other role when the rows are in, since it gives away
//! what it still needs.

use std::collections::{HashMap, HashSet};

use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::render::attach::Attacher;
use crate::schema::render::privilege::missing::Missing;
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(
    catalog: &Catalog,
    options: &Options,
    attacher: &Attacher,
    missing: &mut Missing,
    to: &mut Rendering,
) {
    let sequences = catalog.sequences.iter().filter(|sequence| sequence.owned_by.is_some());
    let of_a_column: HashSet<Address> = sequences.map(|sequence| sequence.address()).collect();
    let of_schemas = catalog.dependencies.iter().filter(|one| one.referenced.class == class::SCHEMA);
    let schemas: HashMap<Address, Address> =
        of_schemas.map(|one| (one.dependent, one.referenced.part(Rank::Owner))).collect();
    for owner in &catalog.owners {
        if options.role.as_ref() == Some(&owner.owner) || !missing.can_own(&owner.owner, options) {
            continue;
        }
        let text = sql!("ALTER {subject} OWNER TO {owner}", subject = owner.subject, owner = owner.owner);
        if options.superuser {
            attacher.attach(&mut to.pieces, owner.of, &[text]);
        } else if !of_a_column.contains(&owner.of) {
            // A column's sequence follows its table.
            let label = format!("owner of {}", owner.subject);
            to.push(Piece {
                sql: vec![text],
                // An owner needs CREATE on the schema, which comes with owning that (manual, ALTER TABLE, "OWNER").
                needs: [owner.of].into_iter().chain(schemas.get(&owner.of).copied()).collect(),
                part_of: Some(owner.of),
                tolerated: true,
                ..Piece::new(owner.of.part(Rank::Owner), Rank::Owner, Phase::PostData, label)
            });
        }
    }
}

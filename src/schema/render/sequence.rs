//! SQL of sequences. An identity column's sequence is part of its column's definition.

use crate::pg::Sql;
use crate::schema::model::sequence::Sequence;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, _options: &Options, to: &mut Rendering) {
    for sequence in catalog.sequences.iter().filter(|sequence| sequence.identity_of().is_none()) {
        let label = ["sequence ", &sequence.name.to_string()].concat();
        let owner = sequence.owned_by.map(|owner| Address::new(class::RELATION, owner.table));
        to.push(Piece {
            sql: vec![create(sequence)],
            // Its owner's default usually calls it, so it comes first and gets its owner afterwards.
            does_not_need: owner.into_iter().collect(),
            part_of: owner,
            ..Piece::new(sequence.address(), Rank::Sequence, Phase::PreData, label.clone())
        });
        // Of a table, a foreign table or a view.
        if let (Some(owner), Some(column)) = (owner, &sequence.owner_column) {
            to.push(Piece {
                sql: vec![sql!(
                    "ALTER SEQUENCE {sequence} OWNED BY {column}",
                    sequence = sequence.name,
                    column = column
                )],
                needs: vec![sequence.address(), owner],
                part_of: Some(owner),
                ..Piece::new(
                    sequence.address().part(Rank::SequenceOwner),
                    Rank::SequenceOwner,
                    Phase::PreData,
                    ["owner of ", &label].concat(),
                )
            });
        }
    }
}

fn create(sequence: &Sequence) -> Sql {
    let unlogged = Sql::fixed(if sequence.unlogged { "UNLOGGED " } else { "" });
    sql!(
        "CREATE {unlogged}SEQUENCE {name} AS {kind} {parameters}",
        unlogged = unlogged,
        name = sequence.name,
        kind = sequence.type_name,
        parameters = parameters(sequence)
    )
}

/// All parameters but the type, which an identity column gives its sequence itself.
pub(super) fn parameters(sequence: &Sequence) -> Sql {
    let mut text = sql!(
        "START WITH {start} INCREMENT BY {increment} MINVALUE {minimum} MAXVALUE {maximum} CACHE {cache}",
        start = sequence.start,
        increment = sequence.increment,
        minimum = sequence.minimum,
        maximum = sequence.maximum,
        cache = sequence.cache
    );
    if sequence.cycle {
        text.push_fixed(" CYCLE");
    }
    text
}

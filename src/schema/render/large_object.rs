//! SQL of large objects: empty ones under their old numbers, many in one statement.

use crate::pg::Sql;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::{Phase, Piece};
use crate::sql;

/// Large objects made in one step. Making one takes no lock, but its owner and its comment each do until the transaction
/// ends (seen on 15 and 18), and a server's lock table has room for some 7,000 by default.
const AT_ONCE: usize = 500;

pub(super) fn render(catalog: &Catalog, _options: &Options, to: &mut Rendering) {
    for some in catalog.large_objects.chunks(AT_ONCE) {
        let mut addresses = some.iter().map(|object| Address::new(class::LARGE_OBJECT, object.oid));
        let Some(first) = addresses.next() else { continue };
        let numbers = Sql::join(some.iter().map(|object| object.oid), ",");
        let last = some.last().map_or(first.object, |object| object.oid);
        let label = if last == first.object {
            format!("large object {last}")
        } else {
            format!("large objects {} to {last}", first.object)
        };
        to.push(Piece {
            also_makes: addresses.collect(),
            sql: vec![sql!(
                "SELECT pg_catalog.count(pg_catalog.lo_create(o)) FROM pg_catalog.unnest('{{{numbers}}}'::pg_catalog.oid[]) AS o",
                numbers = numbers
            )],
            ..Piece::new(first, Rank::LargeObject, Phase::PreData, label)
        });
    }
}

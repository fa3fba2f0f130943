//! A catalog without what a clone would not make: what is left out, and by the order of pieces whatever needs it.
//!
//! The same rendering and the same choice as for a clone decide, for a destination that can have everything; so a clone that
//! left something out can be compared with its source.

use std::collections::{HashMap, HashSet};

use crate::schema::model::{Address, Catalog, class};
use crate::schema::options::Options;
use crate::schema::{order, prune, render};

/// Takes it out, with defaults of columns that cannot be without it.
pub fn take_out(catalog: &mut Catalog, left_out: &HashMap<Address, String>) {
    if left_out.is_empty() {
        return;
    }
    let options = Options {
        neutralize: false,
        available_extensions: catalog.extensions.iter().map(|one| one.name.as_str().to_owned()).collect(),
        roles: catalog.roles().into_iter().map(|role| role.as_str().to_owned()).collect(),
        superuser: true,
        ..Options::new(catalog.version)
    };
    let pieces = render::render(catalog, &options).pieces;
    let all: HashSet<Address> =
        pieces.iter().flat_map(|piece| piece.also_makes.iter().chain([&piece.makes])).copied().collect();
    let made = order::arrange(pieces, &catalog.dependencies, left_out).made;
    let gone = |address: Address| {
        left_out.contains_key(&address) || all.contains(&address) && !made.contains(&address)
    };
    for column in catalog.tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.default.take_if(|default| gone(Address::new(class::COLUMN_DEFAULT, default.oid)));
    }
    for column in catalog.views.iter_mut().flat_map(|view| &mut view.columns) {
        column.default.take_if(|(oid, _)| gone(Address::new(class::COLUMN_DEFAULT, *oid)));
    }
    prune::take_out(catalog, gone);
}

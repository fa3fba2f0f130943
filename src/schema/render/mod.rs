//! From the catalog model to pieces of SQL, one file per kind; [`crate::schema::order`] puts them in order.

mod attach;
pub(in crate::schema) mod column;
mod comment;
mod constraint;
pub mod database;
mod excluding;
mod extension;
mod function;
mod index;
mod inheritance;
mod large_object;
mod namespace;
mod not_null;
mod outer_partition;
mod policy;
mod printed;
pub(in crate::schema) mod privilege;
mod relations;
mod rule;
mod sequence;
mod storage;
mod table;
mod tablespace;
mod trigger;
mod types;
mod view;

use std::collections::HashMap;

use crate::schema::model::{Address, Catalog};
use crate::schema::options::Options;
use crate::schema::script::{Piece, Skipped};

/// What a catalog is made of, before ordering.
#[derive(Clone, Debug, Default)]
pub struct Rendering {
    pub pieces: Vec<Piece>,
    /// What is not made, or not as it was, and why.
    pub skipped: Vec<Skipped>,
    /// What is made, but switched off so that a copy does not act on the outside world; one sentence each.
    pub neutralized: Vec<String>,
    /// Objects that cannot be made on this destination, with the reason: whatever needs them is left out too. To be
    /// joined with what the user left out and given to [`crate::schema::order::arrange`].
    pub left_out: HashMap<Address, String>,
}

impl Rendering {
    /// Adds a piece.
    pub fn push(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// Notes something that is not made.
    pub fn skip(&mut self, object: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push(Skipped { object: object.into(), reason: reason.into() });
    }
}

/// What is said of an object that needs one that has no piece of its own.
fn for_dependents(object: &str, reason: &str) -> String {
    [object, reason].join(": ")
}

/// Renders every object of the catalog.
pub fn render(catalog: &Catalog, options: &Options) -> Rendering {
    let mut to = Rendering::default();
    for unsupported in &catalog.unsupported {
        let Skipped { object, reason } = &unsupported.what;
        to.skip(object, reason);
        to.left_out.insert(unsupported.address, for_dependents(object, reason));
    }
    namespace::render(catalog, options, &mut to);
    extension::render(catalog, options, &mut to);
    types::render(catalog, options, &mut to);
    function::render(catalog, options, &mut to);
    sequence::render(catalog, options, &mut to);
    let relations = relations::Relations::new(catalog);
    table::render(catalog, &relations, options, &mut to);
    index::render(catalog, &relations, options, &mut to);
    constraint::render(catalog, &relations, options, &mut to);
    view::render(catalog, options, &mut to);
    rule::render(catalog, options, &mut to);
    trigger::render(catalog, options, &mut to);
    policy::render(catalog, options, &mut to);
    large_object::render(catalog, options, &mut to);
    printed::render(catalog, options, &mut to);
    printed::render_ties(catalog, &mut to);
    privilege::render(catalog, options, &mut to);
    comment::render(catalog, options, &mut to);
    to
}

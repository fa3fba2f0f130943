//! Puts what hangs on an object (owner, privileges, comment) into the step that makes it: one round trip for all,
//! and whatever leaves the object out leaves these out too.

use std::collections::HashMap;

use crate::pg::Sql;
use crate::schema::model::{Address, Catalog};
use crate::schema::render::Rendering;
use crate::schema::script::Piece;

/// Finds the piece that makes an object.
pub(super) struct Attacher {
    whole: HashMap<Address, usize>,
    /// The piece's position, and the position within its fallback.
    within: HashMap<Address, (usize, usize)>,
    /// Members of extensions, which the extension's piece makes.
    members: HashMap<Address, Address>,
}

impl Attacher {
    pub(super) fn new(catalog: &Catalog, rendering: &Rendering) -> Self {
        let Rendering { pieces, left_out, .. } = rendering;
        let members = catalog
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == 'e' && !left_out.contains_key(&dependency.dependent));
        let members = members.map(|member| (member.dependent, member.referenced)).collect();
        let mut attacher = Self { whole: HashMap::new(), within: HashMap::new(), members };
        for (position, piece) in pieces.iter().enumerate() {
            for address in addresses(piece) {
                attacher.whole.entry(address).or_insert(position);
            }
            for (inner, step) in piece.fallback.iter().flatten().enumerate() {
                for address in addresses(step) {
                    attacher.within.entry(address).or_insert((position, inner));
                }
            }
        }
        attacher
    }

    /// Adds statements to the piece that makes the object (of a column: the one that makes its table, unless it has
    /// one of its own; of an extension's member: the extension's), in both of its forms. Says whether there is such a piece.
    pub(super) fn attach(&self, pieces: &mut [Piece], to: Address, sql: &[Sql]) -> bool {
        let whole = self.whole.get(&to).or_else(|| self.whole.get(&to.whole()));
        let of_extension = || self.members.get(&to.whole()).and_then(|extension| self.whole.get(extension));
        let Some(position) = whole.or_else(of_extension) else { return false };
        let Some(piece) = pieces.get_mut(*position) else { return false };
        piece.sql.extend_from_slice(sql);
        if let Some(steps) = &mut piece.fallback {
            let found = self.within.get(&to).or_else(|| self.within.get(&to.whole()));
            let inner = found.filter(|(outer, _)| outer == position).map_or(0, |(_, inner)| *inner);
            if let Some(step) = steps.get_mut(inner) {
                step.sql.extend_from_slice(sql);
            }
        }
        true
    }
}

fn addresses(piece: &Piece) -> impl Iterator<Item = Address> {
    [piece.makes].into_iter().chain(piece.also_makes.iter().copied())
}

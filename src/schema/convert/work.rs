//! What is gathered while statements are sought: pieces to be ordered, what is withheld, what is made anew.

use std::collections::{BTreeSet, HashMap};

use super::{Reason, Withheld};
use crate::pg::Sql;
use crate::schema::diff::Diff;
use crate::schema::diff::inventory::Entry;
use crate::schema::diff::member::Member;
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::{Address, Catalog, Rank};
use crate::schema::options::Options;
use crate::schema::script::{Phase, Piece};

/// Both sides, and what has been found so far. Addresses are the source's; those of DROPs are the destination's,
/// [marked](dropped).
pub(super) struct Work<'a> {
    pub(super) source: &'a Catalog,
    pub(super) destination: &'a Catalog,
    pub(super) diff: &'a Diff,
    pub(super) options: &'a Options,
    pub(super) pieces: Vec<Piece>,
    pub(super) left_out: HashMap<Address, String>,
    pub(super) withheld: Vec<Withheld>,
    /// Every piece's label is its object's.
    pub(super) by_label: HashMap<String, Object>,
    /// Objects that are dropped and made again.
    pub(super) remade: BTreeSet<Object>,
    /// Objects that the source's pieces make.
    pub(super) made: BTreeSet<Object>,
}

/// The address of an object's DROP: oids of two servers mean different things.
pub(super) fn dropped(address: Address) -> Address {
    const MARK: u32 = 1 << 31;
    Address { class: address.class | MARK, ..address.whole() }
}

impl<'a> Work<'a> {
    pub(super) fn new(
        source: &'a Catalog,
        destination: &'a Catalog,
        diff: &'a Diff,
        options: &'a Options,
    ) -> Self {
        Self {
            source,
            destination,
            diff,
            options,
            pieces: Vec::new(),
            left_out: HashMap::new(),
            withheld: Vec::new(),
            by_label: HashMap::new(),
            remade: BTreeSet::new(),
            made: BTreeSet::new(),
        }
    }

    pub(super) fn at_source(&self, object: &Object) -> Option<&'a Entry> {
        self.diff.source.objects.get(object)
    }

    pub(super) fn at_destination(&self, object: &Object) -> Option<&'a Entry> {
        self.diff.destination.objects.get(object)
    }

    /// Whether the object, whole, is made by the source's pieces.
    pub(super) fn is_made(&self, object: &Object) -> bool {
        self.made.contains(object)
    }

    /// Takes in a piece for an object.
    pub(super) fn push(&mut self, object: &Object, mut piece: Piece) {
        let label = object.to_string();
        for part in piece.fallback.iter_mut().flatten() {
            part.label.clone_from(&label);
        }
        piece.label.clone_from(&label);
        self.by_label.insert(label, object.clone());
        self.pieces.push(piece);
    }

    /// Takes in statements that change an object of both sides. Later pieces that need what they make wait for them.
    pub(super) fn alter(&mut self, object: &Object, makes: Address, sql: Vec<Sql>) {
        if sql.is_empty() {
            return;
        }
        let (rank, phase) = match object.kind {
            Kind::Type => (Rank::Type, Phase::PreData),
            Kind::Function | Kind::Procedure => (Rank::Function, Phase::PreData),
            Kind::View => (Rank::View, Phase::PreData),
            Kind::Sequence => (Rank::Sequence, Phase::PreData),
            Kind::Column | Kind::Table => (Rank::ColumnDefault, Phase::PreData),
            Kind::Index => (Rank::Index, Phase::Index),
            Kind::EventTrigger => (Rank::EventTrigger, Phase::Last),
            _ => (Rank::Comment, Phase::PostData),
        };
        self.push(object, Piece { sql, ..Piece::new(makes, rank, phase, "") });
    }

    /// Says that no statement is given for a member, or for the object whole.
    pub(super) fn withhold(
        &mut self,
        object: &Object,
        member: Option<&Member>,
        reason: Reason,
        text: impl Into<String>,
    ) {
        let (object, member) = (object.clone(), member.cloned());
        self.withheld.push(Withheld { object, member, reason, text: text.into() });
    }

    /// The same of an object that is not made, so that nothing is made that needs it.
    pub(super) fn leave_out(&mut self, object: &Object, reason: Reason, text: impl Into<String>) {
        let text = text.into();
        if let Some(entry) = self.at_source(object) {
            self.left_out.insert(entry.address, format!("{object}: {text}"));
        }
        self.withhold(object, None, reason, text);
    }
}

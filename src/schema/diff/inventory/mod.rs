//! A catalog as a list of objects with their members: by names, with nothing that only this one server knows.
//!
//! Every structure of the model is taken apart whole (no `..`), so that a field that is added there has to be decided
//! about here. Left out on purpose: numbers, sizes, whether rows are there (materialized views), large objects, which
//! definition a column was inherited by (`attislocal`: a clone cannot always keep it), and what is a note
//! ([`super::note`]).

mod constraint;
mod database;
mod hung;
mod printed;
mod routine;
mod table;
mod types;
mod view;

use std::collections::{BTreeMap, HashMap};

pub use database::{name_of as setting_name, object as database_object};
pub use hung::default_object;
pub use routine::Parts as RoutineParts;
pub use table::is_wreck;

use super::Scope;
use super::member::Members;
use super::object::{Kind, Object};
use crate::pg::Version;
use crate::schema::model::{Address, Catalog, class};

/// The objects of a catalog.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub objects: BTreeMap<Object, Entry>,
    /// Which object an address of the catalog means: of a part without an entry of its own, what it is a part of.
    pub by_address: HashMap<Address, Object>,
}

/// An object of one catalog.
#[derive(Clone, Debug)]
pub struct Entry {
    pub address: Address,
    pub members: Members,
    /// What it comes and goes with: the table of a column, the index that a partition's index is attached to.
    pub within: Vec<Object>,
}

impl Inventory {
    /// Lists a catalog, to be compared with another: `older` is the older version of the two.
    pub fn of(catalog: &Catalog, scope: Scope, older: Version) -> Self {
        let mut inventory = Self::default();
        database::read(catalog, &mut inventory);
        routine::read(catalog, &mut inventory);
        types::read(catalog, &mut inventory);
        view::read_views(catalog, &mut inventory);
        table::read(catalog, &mut inventory);
        constraint::read(catalog, &mut inventory);
        view::read(catalog, &mut inventory);
        printed::read(catalog, &mut inventory);
        hung::read(catalog, scope, older, &mut inventory);
        inventory
    }

    /// The object that an address means, or that it is a part of.
    pub fn find(&self, address: Address) -> Option<&Object> {
        self.by_address.get(&address).or_else(|| self.by_address.get(&address.whole()))
    }

    fn add(&mut self, object: Object, address: Address, members: Members, within: Vec<Object>) {
        self.by_address.insert(address, object.clone());
        self.objects.insert(object, Entry { address, members, within });
    }

    /// Another address of an object.
    fn also(&mut self, address: Address, object: &Object) {
        self.by_address.insert(address, object.clone());
    }

    /// The members of the object that an address means; of one that no other list has, by the words that SQL names it with.
    fn members_of(&mut self, address: Address, subject: &str) -> Option<&mut Members> {
        if address.class == class::LARGE_OBJECT {
            return None;
        }
        let found = self.by_address.get(&address).or_else(|| self.by_address.get(&address.whole())).cloned();
        let object = found.unwrap_or_else(|| {
            let object = Object::global(Kind::System, &crate::pg::Ident::new(super::text::plain(subject)));
            self.add(object.clone(), address.whole(), Members::default(), Vec::new());
            object
        });
        self.objects.get_mut(&object).map(|entry| &mut entry.members)
    }
}

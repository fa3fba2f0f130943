//! What the renderers of tables, indexes and constraints have to look up about each other.

use std::collections::{HashMap, HashSet};

use crate::pg::{Ident, Oid, QualifiedName};
use crate::schema::model::constraint::{Constraint, Kind};
use crate::schema::model::index::Index;
use crate::schema::model::relation::Table;
use crate::schema::model::sequence::Sequence;
use crate::schema::model::{Address, Catalog, class};
use crate::schema::options::Options;
use crate::schema::render::not_null;
use crate::schema::script::Tolerated;

/// The catalog's relations by oid and by what they hang on.
pub(super) struct Relations<'a> {
    pub(super) tables: HashMap<Oid, &'a Table>,
    pub(super) indexes: HashMap<Oid, &'a Index>,
    /// Indexes below a partitioned one, directly.
    child_indexes: HashMap<Oid, Vec<&'a Index>>,
    /// Tables below a table, directly, by partition or INHERITS.
    children: HashMap<Oid, Vec<&'a Table>>,
    pub(super) constraints_of: HashMap<Oid, Vec<&'a Constraint>>,
    /// By table and column number.
    pub(super) identities: HashMap<(Oid, i16), &'a Sequence>,
    /// By table and column number: names of NOT NULL that have to be written although the source has none.
    pub(super) not_null_names: HashMap<(Oid, i16), Ident>,
    /// Keys that say the same as an earlier one of their table: of several in one CREATE TABLE the server makes one
    /// (`transformIndexConstraints`).
    repeated: HashSet<Oid>,
    /// Expressions, constraints and indexes that call a function or operator of the user.
    calling: HashSet<Address>,
    /// Expressions and constraints that need anything but their own table.
    reaching_out: HashSet<Address>,
}

impl<'a> Relations<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        let mut relations = Self {
            tables: catalog.tables_by_oid(),
            indexes: catalog.indexes.iter().map(|index| (index.oid, index)).collect(),
            child_indexes: HashMap::new(),
            children: HashMap::new(),
            constraints_of: HashMap::new(),
            identities: HashMap::new(),
            not_null_names: not_null::names(catalog),
            repeated: repeated(catalog),
            calling: HashSet::new(),
            reaching_out: HashSet::new(),
        };
        for index in &catalog.indexes {
            if let Some(parent) = index.parent {
                relations.child_indexes.entry(parent).or_default().push(index);
            }
        }
        for table in &catalog.tables {
            let partition_of = table.partition_of.as_ref().map(|partition| partition.parent);
            for parent in table.inherits.iter().copied().chain(partition_of) {
                relations.children.entry(parent).or_default().push(table);
            }
        }
        for constraint in &catalog.constraints {
            relations.constraints_of.entry(constraint.table).or_default().push(constraint);
        }
        for sequence in &catalog.sequences {
            if let Some(column) = sequence.identity_of() {
                relations.identities.insert(column, sequence);
            }
        }
        for dependency in &catalog.dependencies {
            let of_index = || relations.indexes.contains_key(&dependency.dependent.object);
            if dependency.referenced.class == class::FUNCTION
                && dependency.dependent.class == class::RELATION
                && of_index()
            {
                relations.calling.insert(dependency.dependent.whole());
            }
            if !matches!(dependency.dependent.class, class::COLUMN_DEFAULT | class::CONSTRAINT) {
                continue;
            }
            match dependency.referenced.class {
                class::FUNCTION | class::OPERATOR => {
                    relations.calling.insert(dependency.dependent);
                    relations.reaching_out.insert(dependency.dependent);
                }
                class::RELATION if dependency.kind != 'n' => {}
                _ => {
                    relations.reaching_out.insert(dependency.dependent);
                }
            }
        }
        relations
    }

    /// Whether the constraint stands inside its table's CREATE TABLE.
    pub(super) fn is_inline(&self, constraint: &Constraint, options: &Options) -> bool {
        let Some(table) = self.tables.get(&constraint.table) else { return false };
        match constraint.kind {
            // Checked row by row while loading, which costs less than another scan of the table. Not so with user
            // functions: they may read rows that are not there yet.
            Kind::Check => constraint.validated && !self.calling.contains(&constraint.address()),
            Kind::PrimaryKey | Kind::Unique => {
                let plain_index = constraint
                    .index
                    .and_then(|index| self.indexes.get(&index))
                    .is_some_and(|index| index.options.is_empty() && index.tablespace.is_none());
                // Inside CREATE TABLE a primary key makes an inherited NOT NULL the child's own (from 18 on).
                options.inline_keys.contains(&table.oid)
                    && (constraint.kind != Kind::PrimaryKey || table.inherits.is_empty())
                    && !table.partitioned
                    && !constraint.excluding
                    && !self.repeated.contains(&constraint.oid)
                    && plain_index
            }
            Kind::Exclusion | Kind::ForeignKey => false,
        }
    }

    /// Which failures of making an index or a check are tolerated: a function that it calls may want a `search_path`.
    pub(super) fn tolerated(&self, made: Address) -> Tolerated {
        if self.calling.contains(&made) { Tolerated::MissingNames } else { Tolerated::Nothing }
    }

    /// Whether a default or a check needs anything but its own table, and so may have to be made separately.
    pub(super) fn reaches_out(&self, address: Address) -> bool {
        self.reaching_out.contains(&address)
    }

    /// The name of a table's parent, be it ours or an extension's.
    pub(super) fn parent_name<'t>(&'t self, table: &'t Table, parent: Oid) -> Option<&'t QualifiedName> {
        let of_extension = || table.outer_parents.get(&parent);
        self.tables.get(&parent).map(|parent| &parent.name).or_else(of_extension)
    }

    /// Partitions of ours below an extension's table, directly.
    pub(super) fn below_an_extensions(&self, table: Oid) -> impl Iterator<Item = &'a Table> {
        let children = self.children.get(&table).into_iter().flatten().copied();
        children.filter(move |child| child.partition_of.is_some() && child.outer_parents.contains_key(&table))
    }

    /// The table and everything below it.
    pub(super) fn with_descendants(&self, table: Oid) -> Vec<&'a Table> {
        let mut found: Vec<&Table> = self.tables.get(&table).copied().into_iter().collect();
        let mut seen: HashSet<Oid> = HashSet::from([table]);
        let mut next = 0;
        while let Some(table) = found.get(next) {
            next += 1;
            for child in self.children.get(&table.oid).into_iter().flatten() {
                if seen.insert(child.oid) {
                    found.push(child);
                }
            }
        }
        found
    }

    /// Tables that hold the rows of a table: itself, or the leaves below a partitioned one.
    pub(super) fn with_rows(&self, table: Oid) -> Vec<Oid> {
        let below = self.with_descendants(table);
        below.into_iter().filter(|table| table.has_rows()).map(|table| table.oid).collect()
    }

    /// The index and, if it is partitioned, all below it.
    pub(super) fn index_with_descendants(&self, index: Oid) -> Vec<&'a Index> {
        let mut found: Vec<&Index> = self.indexes.get(&index).copied().into_iter().collect();
        let mut next = 0;
        while let Some(index) = found.get(next) {
            next += 1;
            found.extend(self.child_indexes.get(&index.oid).into_iter().flatten());
        }
        found
    }

    /// What must be done for a partitioned index to be valid: it is there and all below it are attached.
    pub(super) fn whole_index(&self, index: Oid) -> Vec<Address> {
        let with_descendants = self.index_with_descendants(index);
        let one = |below: &Index| match below.attachment() {
            Some(attachment) if below.oid != index => attachment,
            _ => below.address(),
        };
        with_descendants.into_iter().map(one).collect()
    }

    /// The topmost table above a partition; the table itself otherwise.
    pub(super) fn root_of(&self, table: Oid) -> Oid {
        let mut root = table;
        while let Some(place) = self.tables.get(&root).and_then(|table| table.partition_of.as_ref()) {
            root = place.parent;
        }
        root
    }
}

/// Keys of the same columns and options as another one of the table; primary keys are the first.
fn repeated(catalog: &Catalog) -> HashSet<Oid> {
    let is_key = |constraint: &&Constraint| matches!(constraint.kind, Kind::PrimaryKey | Kind::Unique);
    let mut keys: Vec<&Constraint> = catalog.constraints.iter().filter(is_key).collect();
    keys.sort_by_key(|key| (key.kind != Kind::PrimaryKey, key.oid));
    let mut seen = HashSet::new();
    let says = |key: &'_ Constraint| {
        let text = key.definition.as_str();
        let rest = text.strip_prefix("PRIMARY KEY").or_else(|| text.strip_prefix("UNIQUE"));
        rest.unwrap_or(text).to_owned()
    };
    keys.into_iter().filter(|key| !seen.insert((key.table, says(key)))).map(|key| key.oid).collect()
}

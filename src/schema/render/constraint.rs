//! SQL of constraints that do not stand in CREATE TABLE.
//!
//! A key of a table with rows is made in two steps, so that the long one takes a weak lock: CREATE UNIQUE INDEX
//! (Share: beside other index builds), then ADD CONSTRAINT .. USING INDEX (Access Exclusive, an instant). A foreign
//! key likewise: ADD .. NOT VALID, then VALIDATE, which lets others validate beside it. Lock modes are the manual's
//! ("Explicit Locking", "ALTER TABLE").

use crate::pg::Sql;
use crate::schema::model::constraint::{Constraint, Kind};
use crate::schema::model::index::Index;
use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::column::parameters;
use crate::schema::render::excluding;
use crate::schema::render::index::{attachment, finish, rows};
use crate::schema::render::relations::Relations;
use crate::schema::render::storage::with_parameters;
use crate::schema::render::{Rendering, tablespace};
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, relations: &Relations<'_>, options: &Options, to: &mut Rendering) {
    for constraint in &catalog.constraints {
        let Some(table) = relations.tables.get(&constraint.table) else { continue };
        if relations.is_inline(constraint, options) {
            let index = constraint.index.and_then(|index| relations.indexes.get(&index));
            to.pieces.extend(index.and_then(|index| attachment(index, relations)));
            continue;
        }
        let made = Made { constraint, table, relations, options };
        match constraint.kind {
            Kind::PrimaryKey | Kind::Unique | Kind::Exclusion => {
                to.pieces.extend(made.key());
                let index = constraint.index.and_then(|index| relations.indexes.get(&index));
                // A partition's excluding index comes with its parent's.
                if constraint.excluding {
                    note_tablespace(index.copied(), relations, to);
                    continue;
                }
                to.pieces.extend(index.and_then(|index| attachment(index, relations)));
            }
            Kind::Check => to.pieces.extend(made.check()),
            Kind::ForeignKey => to.pieces.extend(made.foreign_key()),
        }
    }
}

/// An excluding index of a partition, which lies where its parent's lies.
fn note_tablespace(index: Option<&Index>, relations: &Relations<'_>, to: &mut Rendering) {
    let Some(index) = index else { return };
    let parent = index.parent.and_then(|parent| relations.indexes.get(&parent));
    if parent.is_some_and(|parent| parent.tablespace != index.tablespace) {
        let object = ["tablespace of index ", &index.name.to_string()].concat();
        to.skip(object, "an excluding index comes with its partitioned one, and lies where that lies");
    }
}

/// A constraint in its surroundings.
struct Made<'a> {
    constraint: &'a Constraint,
    table: &'a Table,
    relations: &'a Relations<'a>,
    options: &'a Options,
}

impl Made<'_> {
    fn key(&self) -> Vec<Piece> {
        let Some(index) = self.constraint.index.and_then(|index| self.relations.indexes.get(&index)) else {
            return Vec::new();
        };
        if self.constraint.excluding {
            return self.excluding_key(index).into_iter().collect();
        }
        // From 18 on ADD PRIMARY KEY USING INDEX makes a NOT NULL of the table's own where one is inherited.
        if self.constraint.kind == Kind::PrimaryKey && !self.table.inherits.is_empty() {
            let mut piece = self.piece(Rank::Key, Phase::Constraint);
            piece.also_makes.push(index.address());
            piece.builds = Some(index.name.clone());
            piece.needs_rows_of = vec![self.table.oid];
            piece.sql.push(self.add(Only::Yes, &self.with_parameters(index)));
            tablespace::around(index.tablespace.as_ref(), self.options, &mut piece);
            self.lock(&mut piece, LockMode::AccessExclusive);
            finish(index, &mut piece);
            return vec![piece];
        }
        if self.table.partitioned {
            let mut piece = self.piece(Rank::Key, Phase::Index);
            piece.also_makes.push(index.address());
            piece.sql.push(self.add(Only::Yes, &self.with_parameters(index)));
            tablespace::around(index.tablespace.as_ref(), self.options, &mut piece);
            self.lock(&mut piece, LockMode::AccessExclusive);
            finish(index, &mut piece);
            return vec![piece];
        }
        vec![self.key_index(index), self.key_using_index(index)]
    }

    fn key_index(&self, index: &Index) -> Piece {
        let label = ["index ", &index.name.to_string()].concat();
        // The address of the index itself belongs to the constraint: whoever needs the one needs the other.
        let mut piece = Piece::new(index.address().part(Rank::Index), Rank::Index, Phase::Index, label);
        piece.part_of = Some(self.table.address());
        piece.needs.push(self.table.address());
        piece.needs_rows_of = rows(self.table.oid, Some(self.table));
        piece.sql.push(self.key_index_definition(index));
        piece.builds = Some(index.name.clone());
        self.lock(&mut piece, LockMode::Share);
        piece
    }

    /// CREATE UNIQUE INDEX from the constraint's `PRIMARY KEY (a) INCLUDE (b)` or `UNIQUE NULLS NOT DISTINCT (a)`. A
    /// key's index is always a btree with default operator classes and the columns' own collations.
    fn key_index_definition(&self, index: &Index) -> Sql {
        let mut text = self.constraint.definition.as_str();
        for suffix in [" INITIALLY DEFERRED", " DEFERRABLE"] {
            text = text.strip_suffix(suffix).unwrap_or(text);
        }
        let start = text.find('(').unwrap_or_default();
        let (kind, columns) = text.split_at(start);
        let mut definition = sql!(
            "CREATE UNIQUE INDEX {name} ON {table} {columns}",
            name = index.name.name,
            table = self.table.name,
            columns = Sql::printed_by_server(columns)
        );
        if kind.contains("NULLS NOT DISTINCT") {
            definition.push_fixed(" NULLS NOT DISTINCT");
        }
        if !index.options.is_empty() {
            definition.push(&sql!(" WITH ({options})", options = parameters(&index.options)));
        }
        definition.push(&tablespace::clause(index.tablespace.as_ref(), self.options));
        definition
    }

    fn key_using_index(&self, index: &Index) -> Piece {
        let mut piece = self.piece(Rank::Key, Phase::Constraint);
        piece.also_makes.push(index.address());
        piece.needs.push(index.address().part(Rank::Index));
        let mut definition = sql!(
            "{kind} USING INDEX {index}",
            kind =
                Sql::fixed(if self.constraint.kind == Kind::PrimaryKey { "PRIMARY KEY" } else { "UNIQUE" }),
            index = index.name.name
        );
        if self.constraint.deferrable {
            definition.push_fixed(" DEFERRABLE");
        }
        if self.constraint.deferred {
            definition.push_fixed(" INITIALLY DEFERRED");
        }
        piece.sql.push(self.add(Only::Yes, &definition));
        self.lock(&mut piece, LockMode::AccessExclusive);
        finish(index, &mut piece);
        piece
    }

    /// EXCLUDE and keys WITHOUT OVERLAPS. Such an index cannot be attached to a partitioned one, so a partition's comes
    /// with its parent's.
    fn excluding_key(&self, index: &Index) -> Option<Piece> {
        if index.parent.is_some() {
            return None;
        }
        let mut piece = self.piece(Rank::Key, Phase::Constraint);
        let with_descendants = self.relations.index_with_descendants(index.oid);
        piece.also_makes = with_descendants.iter().map(|index| index.address()).collect();
        piece.also_makes.extend(with_descendants.iter().filter_map(|index| index.attachment()));
        let constraints = with_descendants.iter().filter_map(|index| index.constraint);
        let constraints = constraints.filter(|constraint| *constraint != self.constraint.oid);
        piece.also_makes.extend(constraints.map(|oid| Address::new(class::CONSTRAINT, oid)));
        piece.builds = Some(index.name.clone());
        piece.needs_rows_of = self.relations.with_rows(self.table.oid);
        if !self.table.partitioned {
            piece.needs_rows_of.retain(|table| *table == self.table.oid);
        }
        let only = if self.table.partitioned { Only::No } else { Only::Yes };
        piece.sql.push(self.add(only, &self.with_parameters(index)));
        tablespace::around(index.tablespace.as_ref(), self.options, &mut piece);
        if self.table.partitioned {
            self.lock_with_descendants(&mut piece, LockMode::AccessExclusive);
        } else {
            self.lock(&mut piece, LockMode::AccessExclusive);
        }
        finish(index, &mut piece);
        excluding::finish_descendants(index, &with_descendants, &mut piece);
        Some(piece)
    }

    /// A check that is not valid (it stays so, and must not meet the old rows) or calls functions of the user (which
    /// may read any table, so all rows are in first).
    fn check(&self) -> Option<Piece> {
        if !self.constraint.is_local {
            return None;
        }
        let phase = if self.constraint.validated { Phase::PostData } else { Phase::Constraint };
        let mut piece = self.piece(Rank::Check, phase);
        piece.needs_rows_of = self.relations.with_rows(self.table.oid);
        piece.tolerated = self.relations.tolerated(self.constraint.address());
        piece.sql.push(self.add(Only::No, &self.constraint.definition));
        self.lock_with_descendants(&mut piece, LockMode::AccessExclusive);
        Some(piece)
    }

    fn foreign_key(&self) -> Vec<Piece> {
        let Some(referenced) = self.constraint.references.filter(|_| self.constraint.parent.is_none()) else {
            return Vec::new();
        };
        let mut piece = self.piece(Rank::ForeignKey, Phase::Constraint);
        piece.needs_rows_of = self.relations.with_rows(self.table.oid);
        if self.relations.tables.contains_key(&referenced) {
            piece.needs_rows_of.extend(self.relations.with_rows(referenced));
        } else {
            // A table of an extension, with rows of the user.
            piece.needs_rows_of.push(referenced);
            let below: Vec<&Table> = self.relations.below_an_extensions(referenced).collect();
            piece.needs.extend(below.iter().map(|table| table.attachment()));
            piece.needs_rows_of.extend(below.iter().flat_map(|table| self.relations.with_rows(table.oid)));
        }
        piece.needs_rows_of.sort_unstable();
        piece.needs_rows_of.dedup();
        // A partitioned key is valid, and can be pointed at, once every partition's is attached.
        if let Some(index) = self.constraint.index {
            piece.needs.extend(self.relations.whole_index(index));
        }
        let partitioned = self.table.partitioned
            || self.relations.tables.get(&referenced).is_some_and(|table| table.partitioned);
        let small = self.options.inline_keys.contains(&self.table.oid);
        if partitioned || small || !self.constraint.validated {
            let only = if self.table.partitioned { Only::No } else { Only::Yes };
            piece.sql.push(self.add(only, &self.constraint.definition));
            self.lock_with_descendants(&mut piece, LockMode::ShareRowExclusive);
            self.lock_descendants_of(referenced, &mut piece, LockMode::ShareRowExclusive);
            return vec![piece];
        }
        let not_valid = sql!("{definition} NOT VALID", definition = self.constraint.definition);
        piece.sql.push(self.add(Only::Yes, &not_valid));
        self.lock(&mut piece, LockMode::ShareRowExclusive);
        piece.locks.push(Lock { table: referenced, mode: LockMode::ShareRowExclusive });
        let mut validate = Piece::new(
            self.constraint.address().part(Rank::ForeignKey),
            Rank::ForeignKey,
            Phase::Constraint,
            ["validation of ", &piece.label].concat(),
        );
        validate.part_of = Some(self.constraint.address());
        validate.needs.push(self.constraint.address());
        validate.needs_rows_of.clone_from(&piece.needs_rows_of);
        validate.sql.push(sql!(
            "ALTER TABLE ONLY {table} VALIDATE CONSTRAINT {name}",
            table = self.table.name,
            name = self.constraint.name
        ));
        self.lock(&mut validate, LockMode::ShareUpdateExclusive);
        validate.locks.push(Lock { table: referenced, mode: LockMode::RowShare });
        vec![piece, validate]
    }

    fn piece(&self, rank: Rank, phase: Phase) -> Piece {
        let kind = match self.constraint.kind {
            Kind::PrimaryKey => "primary key ",
            Kind::Unique => "unique constraint ",
            Kind::Exclusion => "exclusion constraint ",
            Kind::Check => "check constraint ",
            Kind::ForeignKey => "foreign key ",
        };
        let name = self.constraint.name.as_str();
        let label = [kind, name, " on ", &self.table.name.to_string()].concat();
        let mut piece = Piece::new(self.constraint.address(), rank, phase, label);
        piece.part_of = Some(self.table.address());
        piece.needs.push(self.table.address());
        piece
    }

    /// Its definition, whole. Of an exclusion the server prints the storage parameters, of a key it does not.
    fn with_parameters(&self, index: &Index) -> Sql {
        match self.constraint.kind {
            Kind::PrimaryKey | Kind::Unique => with_parameters(&self.constraint.definition, &index.options),
            _ => self.constraint.definition.clone(),
        }
    }

    fn add(&self, only: Only, definition: &Sql) -> Sql {
        sql!(
            "ALTER TABLE {only}{table} ADD CONSTRAINT {name} {definition}",
            only = Sql::fixed(if only == Only::Yes { "ONLY " } else { "" }),
            table = self.table.name,
            name = self.constraint.name,
            definition = definition
        )
    }

    fn lock(&self, piece: &mut Piece, mode: LockMode) {
        piece.locks.push(Lock { table: self.table.oid, mode });
    }

    fn lock_with_descendants(&self, piece: &mut Piece, mode: LockMode) {
        self.lock_descendants_of(self.table.oid, piece, mode);
    }

    fn lock_descendants_of(&self, table: crate::pg::Oid, piece: &mut Piece, mode: LockMode) {
        let tables = self.relations.with_descendants(table);
        piece.locks.extend(tables.into_iter().map(|table| Lock { table: table.oid, mode }));
    }
}

/// Whether a statement stays with the table itself or goes on to its children.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Yes,
    No,
}

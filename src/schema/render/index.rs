//! SQL of indexes, except those of constraints, which [`super::constraint`] makes; and what tables say of indexes.

use crate::pg::{Oid, Sql};
use crate::schema::model::index::Index;
use crate::schema::model::relation::Table;
use crate::schema::model::{Catalog, Rank};
use crate::schema::options::Options;
use crate::schema::render::relations::Relations;
use crate::schema::render::{Rendering, tablespace};
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, relations: &Relations<'_>, options: &Options, to: &mut Rendering) {
    for index in &catalog.indexes {
        let label = ["index ", &index.name.to_string()].concat();
        tablespace::note(index.tablespace.as_ref(), &label, options, to);
        if index.constraint.is_none() {
            if index.valid || index.partitioned {
                to.push(create(index, relations, label, options));
                to.pieces.extend(attachment(index, relations));
            } else {
                to.skip(label, "it is not valid on the source (a CREATE INDEX CONCURRENTLY failed)");
            }
        }
        if let Some(piece) = partitioned_identity(index, relations) {
            to.push(piece);
        }
    }
}

fn create(index: &Index, relations: &Relations<'_>, label: String, options: &Options) -> Piece {
    let table = relations.tables.get(&index.table);
    // Without a table of ours it is on a materialized view, which gets its rows after the data.
    let phase = if table.is_some() { Phase::Index } else { Phase::PostData };
    let mut piece = Piece::new(index.address(), Rank::Index, phase, label);
    let whole = crate::schema::model::Address::new(crate::schema::model::class::RELATION, index.table);
    piece.part_of = Some(whole);
    piece.needs.push(whole);
    piece.needs_rows_of = rows(index.table, table.copied());
    piece.locks.push(Lock { table: index.table, mode: LockMode::Share });
    piece.sql.extend(index.definition.clone());
    piece.builds = Some(index.name.clone());
    piece.tolerated = relations.tolerated(index.address());
    tablespace::around(index.tablespace.as_ref(), options, &mut piece);
    finish(index, &mut piece);
    piece
}

/// What follows the making of any index in its own piece: its statistics, and what its table says of it.
pub(super) fn finish(index: &Index, piece: &mut Piece) {
    let targets = index.statistics.iter().map(|(column, target)| {
        sql!("ALTER COLUMN {column} SET STATISTICS {target}", column = *column, target = *target)
    });
    let targets = Sql::join(targets, ", ");
    if !targets.is_empty() {
        piece.sql.push(sql!("ALTER INDEX {index} {targets}", index = index.name, targets = targets));
    }
    if let Some(marks) = marks(index) {
        piece.sql.push(marks);
        piece.locks.push(Lock { table: index.table, mode: LockMode::AccessExclusive });
    }
}

/// Puts an index below its partitioned one. A step of its own, and never two in one tree at once: a partitioned index
/// becomes valid with the last one below it, level by level, and two sessions that attach at the same moment on two
/// levels can leave the upper one invalid for good (seen on 15; no foreign key can point to it then).
pub(super) fn attachment(index: &Index, relations: &Relations<'_>) -> Option<Piece> {
    let parent = relations.indexes.get(&index.parent?)?;
    let label = ["place of index ", &index.name.to_string(), " below its partitioned one"].concat();
    let mut piece = Piece::new(index.attachment()?, Rank::IndexAttach, Phase::Index, label);
    piece.part_of = Some(index.address());
    piece.needs.extend([index.address(), parent.address()]);
    // It waits for whoever writes rows into the index, and whoever writes them waits for the locks that other steps of its
    // transaction may have on the partitioned table.
    piece.needs_rows_of = rows(index.table, relations.tables.get(&index.table).copied());
    piece.tolerated = relations.tolerated(index.address());
    piece.sql.push(sql!(
        "ALTER INDEX {parent} ATTACH PARTITION {index}",
        parent = parent.name,
        index = index.name
    ));
    piece.locks.push(Lock { table: relations.root_of(parent.table), mode: LockMode::ShareUpdateExclusive });
    Some(piece)
}

/// CLUSTER ON and REPLICA IDENTITY USING INDEX, as one ALTER TABLE. A partitioned index has to wait: see
/// [`partitioned_identity`].
pub(super) fn marks(index: &Index) -> Option<Sql> {
    let clustered = index.clustered.then(|| sql!("CLUSTER ON {index}", index = index.name.name));
    let identity = (index.replica_identity && !index.partitioned)
        .then(|| sql!("REPLICA IDENTITY USING INDEX {index}", index = index.name.name));
    let actions = Sql::join(clustered.into_iter().chain(identity), ", ");
    (!actions.is_empty())
        .then(|| sql!("ALTER TABLE ONLY {table} {actions}", table = index.table_name, actions = actions))
}

/// A replica identity by a partitioned index, which is refused until all indexes below it are attached.
fn partitioned_identity(index: &Index, relations: &Relations<'_>) -> Option<Piece> {
    let table = relations.tables.get(&index.table)?;
    if !(index.replica_identity && index.partitioned && index.valid) {
        return None;
    }
    let label = ["replica identity of ", &table.name.to_string()].concat();
    let mut piece =
        Piece::new(index.address().part(Rank::IndexAttach), Rank::IndexAttach, Phase::Constraint, label);
    piece.sql.push(sql!(
        "ALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {index}",
        table = table.name,
        index = index.name.name
    ));
    piece.part_of = Some(table.address());
    piece.needs = relations.whole_index(index.oid);
    piece.locks.push(Lock { table: table.oid, mode: LockMode::AccessExclusive });
    Some(piece)
}

/// The table, if its rows are copied into it.
pub(super) fn rows(oid: Oid, table: Option<&Table>) -> Vec<Oid> {
    table.filter(|table| table.has_rows()).map(|_| oid).into_iter().collect()
}

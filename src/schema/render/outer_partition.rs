//! SQL that puts a partition below a table that an extension makes.
//!
//! A step of its own, after the partition's indexes: those that the extension's table has, too, are found and attached
//! by the server, where it would otherwise make them, under other names. Foreign keys and triggers come down with it.

use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Rank, class};
use crate::schema::render::relations::Relations;
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

pub(super) fn attachment(table: &Table, relations: &Relations<'_>) -> Option<Piece> {
    let partition = table.partition_of.as_ref()?;
    let parent = table.outer_parents.get(&partition.parent)?;
    let label = ["place of table ", &table.name.to_string(), " below its partitioned one"].concat();
    let mut piece = Piece::new(table.attachment(), Rank::TableAttach, Phase::Constraint, label);
    piece.sql.push(sql!(
        "ALTER TABLE ONLY {parent} ATTACH PARTITION {table} {bound}",
        parent = *parent,
        table = table.name,
        bound = partition.bound
    ));
    piece.part_of = Some(table.address());
    piece.needs = vec![table.address(), Address::new(class::RELATION, partition.parent)];
    let indexes = relations.indexes.values().filter(|index| index.table == table.oid);
    piece.needs.extend(indexes.flat_map(|index| relations.whole_index(index.oid)));
    piece.needs_rows_of = relations.with_rows(table.oid);
    let below = relations.with_descendants(table.oid);
    let locked = below.into_iter().map(|table| table.oid).chain([partition.parent]);
    piece.locks = locked.map(|table| Lock { table, mode: LockMode::AccessExclusive }).collect();
    Some(piece)
}

//! What partitions say of an excluding index of their own: it comes with the partitioned one, under a name that the
//! destination's server chooses, with that one's storage parameters.

use crate::pg::{Literal, Sql};
use crate::schema::model::index::Index;
use crate::schema::render::column::parameters;
use crate::schema::render::index::finish;
use crate::schema::script::Piece;
use crate::sql;

/// Gives the indexes below a partitioned one, which the piece has just made with it, the names, parameters and marks that
/// they have on the source. `with_descendants`: the index itself first, each before those below it.
pub(super) fn finish_descendants(root: &Index, with_descendants: &[&Index], piece: &mut Piece) {
    for index in with_descendants {
        let parent = with_descendants.iter().find(|parent| Some(parent.oid) == index.parent);
        let Some(parent) = parent.filter(|_| index.oid != root.oid) else { continue };
        piece.sql.push(name(index, parent));
        if !index.partitioned && index.options != root.options {
            let unset = root.options.iter().map(|option| option.split('=').next().unwrap_or(option));
            let unset = Sql::join(unset.map(crate::pg::Ident::from), ", ");
            let set = parameters(&index.options);
            for (word, list) in [("RESET", unset), ("SET", set)] {
                if !list.is_empty() {
                    piece.sql.push(sql!(
                        "ALTER INDEX {index} {word} ({list})",
                        index = index.name,
                        word = Sql::fixed(word),
                        list = list
                    ));
                }
            }
        }
        finish(index, piece);
    }
}

/// Renames the index that a table got below the parent's, whatever it is called; its constraint goes with it.
fn name(index: &Index, parent: &Index) -> Sql {
    let (parent, table) = (parent.name.quoted(), index.table_name.quoted());
    let body = sql!(
        "DECLARE made pg_catalog.text; BEGIN \
         SELECT i.inhrelid::pg_catalog.regclass::pg_catalog.text INTO STRICT made \
         FROM pg_catalog.pg_inherits AS i \
         JOIN pg_catalog.pg_index AS x ON x.indexrelid OPERATOR(pg_catalog.=) i.inhrelid \
         WHERE i.inhparent OPERATOR(pg_catalog.=) {parent}::pg_catalog.regclass \
         AND x.indrelid OPERATOR(pg_catalog.=) {table}::pg_catalog.regclass; \
         IF pg_catalog.to_regclass({wanted}) IS DISTINCT FROM made::pg_catalog.regclass THEN \
         EXECUTE pg_catalog.format('ALTER INDEX %s RENAME TO %I', made, {name}); END IF; END",
        parent = Literal(&parent),
        table = Literal(&table),
        wanted = Literal(&index.name.quoted()),
        name = Literal(index.name.name.as_str())
    );
    sql!("DO {body}", body = Literal(body.as_str()))
}

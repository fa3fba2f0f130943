//! Tablespaces: by a clause where the statement has room for one, else by what the session takes for the default.

use crate::pg::name::for_people;
use crate::pg::{Ident, Sql};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::Piece;
use crate::sql;

/// Says what cannot lie where it lay.
pub(super) fn note(tablespace: Option<&Ident>, label: &str, options: &Options, to: &mut Rendering) {
    let Some(tablespace) = tablespace else { return };
    if let Some(reason) = options.no_tablespace(tablespace) {
        let object = ["tablespace ", &for_people(tablespace.as_str()), " of ", label].concat();
        to.skip(object, [reason, ": the database's own is used"].concat());
    }
}

/// ` TABLESPACE name`, or nothing where that is not to be had.
pub(super) fn clause(tablespace: Option<&Ident>, options: &Options) -> Sql {
    match usable(tablespace, options) {
        Some(tablespace) => sql!(" TABLESPACE {tablespace}", tablespace = tablespace),
        None => Sql::default(),
    }
}

/// Makes the piece's indexes in the tablespace. What the server prints of an index has the clause in the middle or not
/// at all, so the session's default is changed around the statements, as pg_dump does.
pub(super) fn around(tablespace: Option<&Ident>, options: &Options, piece: &mut Piece) {
    let Some(tablespace) = usable(tablespace, options) else { return };
    piece.sql.insert(0, sql!("SET default_tablespace = {tablespace}", tablespace = tablespace));
    piece.sql.push(Sql::fixed("SET default_tablespace = ''"));
}

fn usable<'a>(tablespace: Option<&'a Ident>, options: &Options) -> Option<&'a Ident> {
    tablespace.filter(|tablespace| options.no_tablespace(tablespace).is_none())
}

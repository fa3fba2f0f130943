//! What the destination's server cannot have is taken out of the catalog before it is rendered, with a line for the report.

use crate::pg::name::for_people;
use crate::schema::model::Catalog;
use crate::schema::options::Options;
use crate::schema::script::Skipped;

/// Takes it out. Only how values are stored is ever changed, never what they are.
pub fn adapt(catalog: &mut Catalog, options: &Options) -> Vec<Skipped> {
    let mut changed = Vec::new();
    if options.lz4 {
        return changed;
    }
    let mut note = |relation: &dyn std::fmt::Display, column: &str| {
        changed.push(Skipped {
            object: format!("compression lz4 of column {} of {relation}", for_people(column)),
            reason: "the destination's server is built without it: its default is used".to_owned(),
        });
    };
    for table in &mut catalog.tables {
        let columns = table.columns.iter_mut().filter(|column| column.compression == Some("lz4"));
        for column in columns {
            column.compression = None;
            note(&table.name, column.name.as_str());
        }
    }
    for view in &mut catalog.views {
        for column in view.columns.iter_mut().filter(|column| column.compression == Some('l')) {
            column.compression = None;
            note(&view.name, column.name.as_str());
        }
    }
    changed
}

//! SQL of extensions. One that the destination cannot make is left out, and with it whatever needs its members.

use crate::pg::Sql;
use crate::pg::name::for_people;
use crate::schema::model::extension::Extension;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::{Rendering, for_dependents};
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    for extension in &catalog.extensions {
        let address = Address::new(class::EXTENSION, extension.oid);
        let label = format!("extension {}", for_people(extension.name.as_str()));
        let name = extension.name.as_str();
        let obstacle = match options.refused_extensions.get(name) {
            Some(reason) => Some(format!("cannot be created on the destination: {reason}")),
            None if options.available_extensions.contains(name) => None,
            None => Some("not available on the destination".to_owned()),
        };
        if let Some(reason) = obstacle {
            leave_out(catalog, address, &label, &reason, to);
            to.skip(label, reason);
            continue;
        }
        let schema = if extension.brings_schema {
            Sql::default()
        } else {
            sql!(" WITH SCHEMA {schema}", schema = extension.schema)
        };
        // IF NOT EXISTS: another extension's script may have made it.
        let make =
            sql!("CREATE EXTENSION IF NOT EXISTS {name}{schema}", name = extension.name, schema = schema);
        // It comes with the comment of its control file, which somebody may have taken away.
        let has_comment = catalog.comments.iter().any(|comment| comment.of == address);
        let silence =
            (!has_comment).then(|| sql!("COMMENT ON EXTENSION {name} IS NULL", name = extension.name));
        to.push(Piece {
            sql: std::iter::once(make).chain(silence).collect(),
            ..Piece::new(address, Rank::Extension, Phase::PreData, label.clone())
        });
        lose(extension, &label, options, to);
    }
}

/// Members that the extension does not have on the destination, and what hangs on those that it has.
fn lose(extension: &Extension, label: &str, options: &Options, to: &mut Rendering) {
    for member in &extension.members {
        let Some(said) = options.lost_members.get(&member.address) else { continue };
        to.left_out.insert(member.address, for_dependents(&member.name, &format!("not made by {label}")));
        if *said {
            let reason = format!(
                "not made by {label} on the destination: it was added by hand, and comes neither with a dump nor with a clone"
            );
            to.skip(&member.name, reason);
        }
    }
}

/// The extension itself and its members, so that what needs one of them is found.
fn leave_out(catalog: &Catalog, extension: Address, label: &str, reason: &str, to: &mut Rendering) {
    let reason = format!("needs {label}, which is {reason}");
    let members = catalog.dependencies.iter().filter(|d| d.kind == 'e' && d.referenced == extension);
    for address in members.map(|d| d.dependent).chain([extension]) {
        to.left_out.insert(address, reason.clone());
    }
}

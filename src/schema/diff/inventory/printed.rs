//! The kinds of which only the text is known, and those of which not even that is.

use super::Inventory;
use crate::pg::Ident;
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{self, Object};
use crate::schema::model::printed::{Kind, Printed};
use crate::schema::model::{Address, Catalog, Unsupported, class};

pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    for Printed { address, kind, schema, name, statements, table, within, role: _, superuser: _ } in
        &catalog.printed
    {
        let own = match kind {
            Kind::Collation => object::Kind::Collation,
            Kind::ForeignDataWrapper => object::Kind::ForeignDataWrapper,
            Kind::Server => object::Kind::ForeignServer,
            Kind::UserMapping => object::Kind::UserMapping,
            Kind::Statistics => object::Kind::Statistics,
            Kind::Publication => object::Kind::Publication,
            Kind::Published => object::Kind::PublicationEntry,
            Kind::Subscription => object::Kind::Subscription,
            Kind::EventTrigger => object::Kind::EventTrigger,
        };
        let on = within.as_ref().map(|(_, name)| name.clone());
        let object = Object { kind: own, schema: schema.clone(), on, name: name.clone(), arguments: None };
        let text: Vec<&str> = statements.iter().map(crate::pg::Sql::as_str).collect();
        let text = text.join(";\n");
        let mut members = Members::default();
        let value = match kind {
            Kind::UserMapping | Kind::Subscription => Value::Secret(text),
            _ => Value::Sql(text),
        };
        members.put(Aspect::Definition, value);
        let table =
            table.map(|table| Address::new(class::RELATION, table)).and_then(|table| to.find(table).cloned());
        let whole = within.as_ref().and_then(|(address, name)| {
            to.find(*address).cloned().or_else(|| {
                let kind = if *kind == Kind::Published {
                    object::Kind::Publication
                } else {
                    object::Kind::ForeignServer
                };
                Some(Object::global(kind, name))
            })
        });
        to.add(object, *address, members, whole.into_iter().chain(table).collect());
    }
    for Unsupported { address, what } in &catalog.unsupported {
        let object = Object::global(object::Kind::Other, &Ident::new(what.object.clone()));
        to.add(object, *address, Members::default(), Vec::new());
    }
}

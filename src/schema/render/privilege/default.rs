//! Default privileges, set last: what the clone itself makes has the privileges that it has on the source.

use crate::pg::Sql;
use crate::pg::name::for_people;
use crate::schema::model::privilege::{DefaultPrivilege, ObjectsToCome};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::render::privilege::item;
use crate::schema::render::privilege::missing::Missing;
use crate::schema::render::privilege::word::{self, Words};
use crate::schema::script::{Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, options: &Options, missing: &mut Missing, to: &mut Rendering) {
    for default in &catalog.default_privileges {
        if !missing.can_grant(&default.role, options) {
            continue;
        }
        let statements = statements(default, options, missing);
        if statements.is_empty() {
            continue;
        }
        let address = Address::new(class::DEFAULT_PRIVILEGE, default.oid);
        let schema = default.schema.as_ref();
        let label = format!(
            "default privileges of role {} on {}{}",
            for_people(default.role.as_str()),
            default.objects.words().to_ascii_lowercase(),
            schema.map(|(_, name)| format!(" in schema {}", for_people(name.as_str()))).unwrap_or_default()
        );
        let schema = schema.map(|(oid, _)| Address::new(class::SCHEMA, *oid));
        to.push(Piece {
            sql: statements,
            needs: schema.into_iter().collect(),
            part_of: schema,
            ..Piece::new(address, Rank::DefaultPrivilege, Phase::PostData, label)
        });
    }
}

fn statements(default: &DefaultPrivilege, options: &Options, missing: &mut Missing) -> Vec<Sql> {
    let mut before = sql!("ALTER DEFAULT PRIVILEGES FOR ROLE {role} ", role = default.role);
    if let Some((_, schema)) = &default.schema {
        before.push(&sql!("IN SCHEMA {schema} ", schema = schema));
    }
    let subject = Sql::fixed(default.objects.words());
    let words = Words {
        before,
        subject: &subject,
        column: None,
        all: word::all(default.kinds, default.objects == ObjectsToCome::Tables, options),
    };
    // Nobody but the role itself has granted them.
    item::between(&default.was, &default.is, &words, options, missing, |_, grants| grants).by_owner
}

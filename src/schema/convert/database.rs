//! The database as a whole: what ALTER DATABASE can say; encoding and locale are given when a database is made.

use super::Reason;
use super::work::Work;
use crate::pg::{Ident, Sql};
use crate::schema::diff::inventory::setting_name;
use crate::schema::diff::member::{Aspect, MemberChange};
use crate::schema::diff::object::Object;
use crate::schema::model::Rank;
use crate::schema::render::database::setting_of;
use crate::sql;

pub(super) fn alter(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let name = &work.destination.database.name;
    let mut statements = Vec::new();
    for change in changes {
        match change.member.aspect {
            Aspect::ConnectionLimit => statements.push(sql!(
                "ALTER DATABASE {name} CONNECTION LIMIT {limit}",
                name = name,
                limit = work.source.database.connection_limit
            )),
            Aspect::Template => statements.push(sql!(
                "ALTER DATABASE {name} IS_TEMPLATE {is}",
                name = name,
                is = Sql::fixed(if work.source.database.is_template { "true" } else { "false" })
            )),
            Aspect::Setting => statements.extend(setting(object, change, work)),
            _ => {
                let text = "a database has it from when it is made";
                work.withhold(object, Some(&change.member), Reason::NoStatement, text);
            }
        }
    }
    if let Some(entry) = work.at_source(object) {
        work.alter(object, entry.address.part(Rank::DatabaseSetting), statements);
    }
}

fn setting(object: &Object, change: &MemberChange, work: &mut Work<'_>) -> Option<Sql> {
    let name = &work.destination.database.name;
    let of_it =
        |setting: &&crate::schema::model::database::Setting| Some(setting_name(setting)) == change.member.of;
    let source = work.source.database.settings.iter().find(of_it);
    let setting = source.or_else(|| work.destination.database.settings.iter().find(of_it))?;
    let missing = setting.role.as_ref().filter(|role| !work.options.roles.contains(role.as_str()));
    if let Some(role) = missing {
        let text = format!("role {} is not on the destination", crate::pg::name::for_people(role.as_str()));
        work.withhold(object, Some(&change.member), Reason::MissingThere, text);
        return None;
    }
    if source.is_some() {
        return Some(setting_of(name, setting));
    }
    let parameter = Sql::join(setting.name.split('.').map(Ident::new), ".");
    Some(match &setting.role {
        Some(role) => sql!(
            "ALTER ROLE {role} IN DATABASE {name} RESET {parameter}",
            role = role,
            name = name,
            parameter = parameter
        ),
        None => sql!("ALTER DATABASE {name} RESET {parameter}", name = name, parameter = parameter),
    })
}

//! Supabase: a database with schemas and roles of its own around the application's.
//!
//! `auth` and `storage` come whole, since the application's tables and policies point there. What is left out is what only
//! that server can do (secrets sealed with its key, functions that need its superuser), what its services make anew,
//! and event triggers that look after its extensions. Roles are made without login, so that policies and grants load.
//! docs/supabase.md tells a user the same.

mod roles;
mod schemas;

use std::collections::{HashMap, HashSet};

use crate::pg::QualifiedName;
use crate::pg::name::for_people;
use crate::platform::{Fate, LeftOut};
use crate::schema::model::printed::Kind;
use crate::schema::model::{Address, Catalog, class};
use crate::schema::prune::{self, Parts};
use crate::schema::script::Skipped;
use crate::schema::select::Selection;

pub(super) use roles::role;
use schemas::Treatment;

/// Schemas that show the platform where a role of it owns them: what every project has.
const TELLTALE: [&str; 2] = ["auth", "storage"];

/// Tables of the platform to whose rows the application's own point.
const NEEDED: [(&str, &str); 4] =
    [("auth", "users"), ("auth", "identities"), ("storage", "buckets"), ("storage", "objects")];

/// Of messages on their way, a partition a day; the service makes and drops them.
const MESSAGES: (&str, &str) = ("realtime", "messages");
const OF_MESSAGES: &str = "messages_";

/// Event triggers that older projects gave to another owner.
const EVENT_TRIGGERS: [&str; 6] = [
    "issue_graphql_placeholder",
    "issue_pg_cron_access",
    "issue_pg_graphql_access",
    "issue_pg_net_access",
    "pgrst_ddl_watch",
    "pgrst_drop_watch",
];

/// What they call, in schema `extensions`.
const EVENT_FUNCTIONS: [&str; 6] = [
    "set_graphql_placeholder",
    "grant_pg_cron_access",
    "grant_pg_graphql_access",
    "grant_pg_net_access",
    "pgrst_ddl_watch",
    "pgrst_drop_watch",
];

/// A setting of the database with which older projects tell functions how their tokens are signed.
const SIGNS_TOKENS: &str = "app.settings.jwt_secret";

const WATCHES: &str = "looks after the platform's extensions and services, which are not here";

/// The publication of messages; `supabase_realtime`, whose tables the application chooses, is another one.
const PUBLICATION_OF_MESSAGES: &str = "supabase_realtime_messages_publication";

/// The words by which a database shows the platform, from its schemas and their owners. Anyone may call a schema so; whom it
/// belongs to tells.
pub(super) fn evidence(schemas: &[(String, String)]) -> Option<String> {
    let of_platform = schemas
        .iter()
        .filter(|(schema, owner)| TELLTALE.contains(&schema.as_str()) && roles::is_of_platform(owner));
    let words: Vec<String> =
        of_platform.map(|(schema, owner)| format!("schema {schema} of role {owner}")).collect();
    (!words.is_empty()).then(|| format!("it has {}", words.join(" and ")))
}

pub(super) fn owns_schema(schema: &str) -> bool {
    schemas::treatment(schema).is_some()
}

pub(super) fn leaves_out(schema: &str) -> bool {
    schemas::left_out(schema).is_some()
}

pub(super) fn fate(table: &QualifiedName, owner: &str) -> Fate {
    match schemas::treatment(table.schema.as_str()) {
        Some(Treatment::LeftOut(_)) => Fate::LeftOut,
        Some(Treatment::Definitions(_)) if is_part_of_messages(table) => Fate::LeftOut,
        // A table that the application put there is its own.
        Some(Treatment::Definitions(reason)) if roles::is_of_platform(owner) => Fate::NoRows(reason),
        _ => Fate::Kept,
    }
}

pub(super) fn needs_rows(table: &QualifiedName) -> bool {
    NEEDED.contains(&(table.schema.as_str(), table.name.as_str()))
}

fn is_part_of_messages(table: &QualifiedName) -> bool {
    table.schema.as_str() == MESSAGES.0 && table.name.as_str().starts_with(OF_MESSAGES)
}

/// The files of the buckets: the database has their names alone.
pub(super) fn outside(with_rows: &[&QualifiedName]) -> Vec<Skipped> {
    let objects = QualifiedName::new("storage", "objects");
    let line = |name: &&QualifiedName| Skipped {
        object: "files of storage".to_owned(),
        reason: format!("they lie outside of the database: {name} names files that are not copied"),
    };
    with_rows.iter().copied().filter(|name| **name == objects).map(|name| line(&name)).collect()
}

pub(super) fn leave_out(catalog: &mut Catalog, selection: &Selection) -> LeftOut {
    let parts = Parts::of(&catalog.dependencies);
    let mut left_out = LeftOut::default();
    for Group { object, reason, addresses, said } in groups(catalog, selection, &parts) {
        for address in parts.with(addresses) {
            left_out.reasons.entry(address).or_insert_with(|| [&object, ": ", &reason].concat());
        }
        if said {
            left_out.lines.push(Skipped { object, reason });
        }
    }
    catalog.database.settings.retain(|setting| {
        let kept = setting.name != SIGNS_TOKENS;
        if !kept {
            let reason = "signs tokens that the project itself takes: a copy has no need of it";
            left_out
                .lines
                .push(Skipped { object: format!("setting {SIGNS_TOKENS}"), reason: reason.to_owned() });
        }
        kept
    });
    let reasons = &left_out.reasons;
    prune::take_out(catalog, |address| reasons.contains_key(&address));
    left_out
}

/// Objects that are left out together.
struct Group {
    object: String,
    reason: String,
    addresses: HashSet<Address>,
    /// Whether it has a line in the report: not if the user left it out.
    said: bool,
}

fn groups(catalog: &Catalog, selection: &Selection, parts: &Parts) -> Vec<Group> {
    let mut groups = of_schemas(catalog, selection, parts);
    groups.extend(of_messages(catalog, selection));
    groups.extend(watchers(catalog));
    groups.extend(publications(catalog));
    groups
}

/// Extensions in schemas of which nothing comes, and those schemas, unless the extension is all that is there.
fn of_schemas(catalog: &Catalog, selection: &Selection, parts: &Parts) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut of_extensions = HashSet::new();
    for extension in &catalog.extensions {
        let Some(reason) = schemas::left_out(extension.schema.as_str()) else { continue };
        let address = Address::new(class::EXTENSION, extension.oid);
        groups.push(Group {
            object: format!("extension {}", for_people(extension.name.as_str())),
            reason: reason.to_owned(),
            addresses: HashSet::from([address]),
            said: true,
        });
        of_extensions.extend(parts.with([address]));
    }
    for schema in &catalog.namespaces {
        let Some(reason) = schemas::left_out(schema.name.as_str()) else { continue };
        let address = Address::new(class::SCHEMA, schema.oid);
        let inside: HashSet<Address> = prune::objects_in(catalog, address).collect();
        let count = match inside.difference(&of_extensions).count() {
            1 => "1 object".to_owned(),
            count => format!("{count} objects"),
        };
        groups.push(Group {
            object: format!("schema {}", for_people(schema.name.as_str())),
            reason: format!("{reason} ({count})"),
            said: selection.keeps_schema(schema.name.as_str())
                && (inside.is_empty() || !inside.is_subset(&of_extensions)),
            addresses: inside.into_iter().chain([address]).collect(),
        });
    }
    groups
}

fn of_messages(catalog: &Catalog, selection: &Selection) -> Option<Group> {
    let parts = catalog.tables.iter().filter(|table| is_part_of_messages(&table.name));
    let addresses: HashSet<Address> = parts.map(|table| table.address()).collect();
    let messages = QualifiedName::new(MESSAGES.0, MESSAGES.1);
    (!addresses.is_empty()).then(|| Group {
        object: format!("partitions of {messages}"),
        reason: format!("the platform's service makes and drops one a day ({} of them)", addresses.len()),
        addresses,
        said: !selection.excludes(&messages) && selection.keeps_schema(MESSAGES.0),
    })
}

/// Event triggers of the platform, and the functions that they call.
fn watchers(catalog: &Catalog) -> Vec<Group> {
    let owners: HashMap<Address, &str> =
        catalog.owners.iter().map(|one| (one.of, one.owner.as_str())).collect();
    let triggers = catalog.printed.iter().filter(|one| {
        let owned = owners.get(&one.address).is_some_and(|owner| roles::is_of_platform(owner));
        one.kind == Kind::EventTrigger && (owned || EVENT_TRIGGERS.contains(&one.name.as_str()))
    });
    let triggers =
        triggers.map(|one| (format!("event trigger {}", for_people(one.name.as_str())), one.address));
    let functions = catalog.functions.iter().filter(|one| {
        one.name.schema.as_str() == "extensions" && EVENT_FUNCTIONS.contains(&one.name.name.as_str())
    });
    let functions =
        functions.map(|one| (format!("function {}()", one.name), Address::new(class::FUNCTION, one.oid)));
    let group = |(object, address)| Group {
        object,
        reason: WATCHES.to_owned(),
        addresses: HashSet::from([address]),
        said: true,
    };
    triggers.chain(functions).map(group).collect()
}

fn publications(catalog: &Catalog) -> Vec<Group> {
    let of_messages = catalog.printed.iter().filter(|one| {
        one.kind == Kind::Publication && one.name.as_str().starts_with(PUBLICATION_OF_MESSAGES)
    });
    of_messages
        .map(|one| Group {
            object: format!("publication {}", for_people(one.name.as_str())),
            reason: "the platform's service makes it, of messages on their way".to_owned(),
            addresses: HashSet::from([one.address]),
            said: true,
        })
        .collect()
}

#[cfg(test)]
mod tests;

//! SQL of the database as a whole. None of it is in the script: the workflow says when, and under which name.

use crate::pg::name::for_people;
use crate::pg::{Ident, Literal, Sql, Version};
use crate::schema::model::Catalog;
use crate::schema::model::database::{Database, LocaleProvider, Setting};
use crate::schema::options::{Options, Standing};
use crate::schema::render::{Rendering, privilege};
use crate::sql;

/// Settings whose value is a list of names, each of them quoted by itself (`GUC_LIST_QUOTE` in PostgreSQL's
/// `guc_tables.c`; extensions cannot add any).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `CREATE DATABASE` from `template0` with the encoding and locale of `like`, under the name `name`, on a server of
/// `version`. The provider is always said: `template0` may have another one.
pub fn create(like: &Database, name: &Ident, version: Version) -> Sql {
    let mut text = sql!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}",
        name = name,
        encoding = Literal(&like.encoding),
        collate = Literal(&like.collate),
        ctype = Literal(&like.ctype)
    );
    let locale = like.locale.as_deref().unwrap_or_default();
    match like.provider {
        // 14 has no other, and no word for it.
        LocaleProvider::Libc if version.at_least(15) => text.push_fixed(" LOCALE_PROVIDER libc"),
        LocaleProvider::Libc => {}
        LocaleProvider::Icu => {
            text.push(&sql!(" LOCALE_PROVIDER icu ICU_LOCALE {locale}", locale = Literal(locale)));
            if let Some(rules) = &like.icu_rules {
                text.push(&sql!(" ICU_RULES {rules}", rules = Literal(rules)));
            }
        }
        LocaleProvider::Builtin => {
            text.push(&sql!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}", locale = Literal(locale)));
        }
    }
    // The template's own needs no privilege, and saying nothing means that.
    if like.tablespace.as_str() != "pg_default" {
        text.push(&sql!(" TABLESPACE {tablespace}", tablespace = like.tablespace));
    }
    text
}

/// Owner, privileges, connection limit, comment and settings of the source's database, for one of the name `on`;
/// what cannot be said there is in the report of `to`.
pub fn facts(catalog: &Catalog, on: &Ident, options: &Options, to: &mut Rendering) -> Vec<Sql> {
    let database = &catalog.database;
    let mut made = Vec::new();
    if options.owners && options.role.as_ref() != Some(&database.owner) {
        let owner = for_people(database.owner.as_str());
        match options.standing(&database.owner) {
            Standing::Ours => {
                made.push(sql!("ALTER DATABASE {on} OWNER TO {owner}", on = on, owner = database.owner));
            }
            Standing::Absent => {
                to.skip("owner of the database", format!("role {owner} is not on the destination"));
            }
            Standing::Other => to.skip(
                "owner of the database",
                format!("our role on the destination is not a member of role {owner}"),
            ),
        }
    }
    if options.privileges {
        made.extend(privilege::of_database(catalog, on, options, to));
    }
    if database.connection_limit != -1 {
        let limit = database.connection_limit;
        made.push(sql!("ALTER DATABASE {on} CONNECTION LIMIT {limit}", on = on, limit = limit));
    }
    if database.is_template {
        made.push(sql!("ALTER DATABASE {on} IS_TEMPLATE true", on = on));
    }
    if let Some(text) = &database.comment {
        made.push(sql!("COMMENT ON DATABASE {on} IS {text}", on = on, text = Literal(text)));
    }
    made.extend(settings(catalog, on, options, to));
    made
}

/// `ALTER DATABASE .. SET` and `ALTER ROLE .. IN DATABASE .. SET` values of the source's database, for one of the name `on`.
pub fn settings(catalog: &Catalog, on: &Ident, options: &Options, to: &mut Rendering) -> Vec<Sql> {
    let mut made = Vec::new();
    for setting in &catalog.database.settings {
        match &setting.role {
            Some(role) if !options.roles.contains(role.as_str()) => to.skip(
                format!("setting {} of role {role:?} in the database", setting.name),
                "the role is not on the destination",
            ),
            _ => made.push(setting_of(on, setting)),
        }
    }
    made
}

/// `ALTER DATABASE .. SET`, or `ALTER ROLE .. IN DATABASE .. SET` for the setting of a role.
pub fn setting_of(on: &Ident, setting: &Setting) -> Sql {
    let whom = match &setting.role {
        Some(role) => sql!("ROLE {role} IN DATABASE {on}", role = role, on = on),
        None => sql!("DATABASE {on}", on = on),
    };
    set(&whom, setting)
}

/// A statement by which a server tells whether it takes a setting from our role, to be taken back: anyone may alter their
/// own settings, and the server judges name and value as it does those of a database or of a function.
pub fn trial(setting: &Setting) -> Sql {
    set(&Sql::fixed("ROLE CURRENT_USER"), setting)
}

fn set(whom: &Sql, setting: &Setting) -> Sql {
    // A custom setting's name has a dot between two names; each is quoted by itself.
    let name = Sql::join(setting.name.split('.').map(Ident::new), ".");
    let value = if LISTS.contains(&setting.name.to_ascii_lowercase().as_str()) {
        list(&setting.value)
    } else {
        Sql::join([Literal(&setting.value)], "")
    };
    sql!("ALTER {whom} SET {name} TO {value}", whom = whom, name = name, value = value)
}

/// A list of names as the server stores it (commas between, names in double quotes where they need it), each as a
/// literal: one literal for the whole would become one name. An empty list is one empty name.
fn list(value: &str) -> Sql {
    let mut names: Vec<String> = Vec::new();
    let mut name = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                name.push('"');
            }
            '"' => (quoted, was_quoted) = (!quoted, true),
            ',' if !quoted => {
                names.push(std::mem::take(&mut name));
                was_quoted = false;
            }
            c if c.is_ascii_whitespace() && !quoted => {}
            c => name.push(c),
        }
    }
    if !name.is_empty() || was_quoted || names.is_empty() {
        names.push(name);
    }
    Sql::join(names.iter().map(|name| Literal(name)), ", ")
}

#[cfg(test)]
mod tests {
    use super::{Setting, setting_of};
    use crate::pg::Ident;

    fn check(name: &str, value: &str, expected: &str) {
        let setting = Setting { role: None, name: name.to_owned(), value: value.to_owned() };
        assert_eq!(setting_of(&Ident::from("d"), &setting).as_str(), expected);
    }

    #[test]
    fn quotes_each_name_of_a_list_and_other_values_as_a_whole() {
        check(
            "search_path",
            "\"$user\", public, \"we\"\"ird, one\"",
            "ALTER DATABASE \"d\" SET \"search_path\" TO '$user', 'public', 'we\"ird, one'",
        );
        check("search_path", "\"\"", "ALTER DATABASE \"d\" SET \"search_path\" TO ''");
        check("DateStyle", "ISO, DMY", "ALTER DATABASE \"d\" SET \"DateStyle\" TO 'ISO, DMY'");
        check("app.tenant", "it's", "ALTER DATABASE \"d\" SET \"app\".\"tenant\" TO 'it''s'");
    }

    #[test]
    fn sets_for_a_role_in_the_database() {
        let setting =
            Setting { role: Some(Ident::from("r")), name: "work_mem".to_owned(), value: "64MB".to_owned() };
        assert_eq!(
            setting_of(&Ident::from("d"), &setting).as_str(),
            "ALTER ROLE \"r\" IN DATABASE \"d\" SET \"work_mem\" TO '64MB'"
        );
    }
}

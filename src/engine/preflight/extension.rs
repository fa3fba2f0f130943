//! What a destination says of the extensions that it offers, and what follows for one in a new database before any is made.

use std::collections::{HashMap, HashSet};

use tokio_postgres::{Client, Row};

use super::{Error, Result};
use crate::pg::sqlstate;

/// What the server says of an extension, of the version that it would install.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Whether a superuser alone may make it (`superuser` and not `trusted` in its control file).
    pub for_superusers: bool,
    /// The one schema that it can be in.
    pub schema: Option<String>,
    /// Extensions that have to be there first.
    pub requires: Vec<String>,
    /// Whether the maintenance database has it, so that it cannot be tried there.
    pub is_here: bool,
    /// The one database that it can be in.
    pub only_in: Option<String>,
    /// Whether our role may try to make it in the maintenance database.
    pub may_try: bool,
}

/// Reads the facts on the maintenance database, by name.
///
/// # Errors
/// [`Error::Query`] where the query fails.
pub async fn offered(client: &Client, names: &[&str]) -> Result<HashMap<String, Offered>> {
    let failed = |source| Error::Query { doing: "reading what the destination says of extensions", source };
    let query = include_str!("../../../sql/destination/extension_facts.sql");
    let rows = client.query(query, &[&names]).await.map_err(failed)?;
    let read = |row: &Row| {
        let offered = Offered {
            for_superusers: row.try_get("for_superusers")?,
            schema: row.try_get("schema")?,
            requires: row.try_get("requires")?,
            is_here: row.try_get("is_here")?,
            only_in: row.try_get("only_in")?,
            may_try: row.try_get("may_try")?,
        };
        Ok((row.try_get("name")?, offered))
    };
    rows.iter().map(read).collect::<std::result::Result<_, _>>().map_err(failed)
}

impl Offered {
    /// Why no new database can have it, whoever makes it: `schema` is where it is to be, unless it brings its own, `coming`
    /// are all extensions of the source.
    pub fn obstacle(&self, schema: Option<&str>, coming: &HashSet<&str>) -> Option<String> {
        if let Some(database) = &self.only_in {
            return Some(format!("can only create extension in database {database}"));
        }
        if let (Some(own), Some(wanted)) = (&self.schema, schema)
            && own != wanted
        {
            return Some(format!(
                "it must be installed in schema \"{own}\", and is in \"{wanted}\" on the source"
            ));
        }
        let lacking = self.requires.iter().find(|name| !coming.contains(name.as_str()));
        lacking.map(|name| format!("it requires extension \"{name}\", which the source does not have"))
    }

    /// Why a role without superuser cannot make it, as far as the server says so without being asked.
    pub fn beyond_rights(&self, superuser: bool) -> Option<String> {
        (self.for_superusers && !superuser).then(|| "only a superuser may create it".to_owned())
    }
}

/// Whether a refusal in the maintenance database says that a new database would refuse it too: not where something of the
/// same name is in the way there, a schema is missing or somebody else has it locked; and where another extension could not
/// be tried (`untried`), not that this one misses it.
pub fn holds_elsewhere(code: &str, untried: bool) -> bool {
    let of_this_database = [
        sqlstate::DUPLICATE_OBJECT,
        sqlstate::DUPLICATE_SCHEMA,
        sqlstate::DUPLICATE_TABLE,
        sqlstate::DUPLICATE_FUNCTION,
        sqlstate::UNIQUE_VIOLATION,
        sqlstate::INVALID_SCHEMA_NAME,
    ];
    !(sqlstate::is_transient(code)
        || of_this_database.contains(&code)
        || untried && code == sqlstate::UNDEFINED_OBJECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_an_extension_is_an_obstacle_or_none() {
        let coming = HashSet::from(["cube", "earthdistance"]);
        let check = |offered: &Offered, schema: Option<&str>, expected: Option<&str>| {
            let found = offered.obstacle(schema, &coming);
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
            assert!(found.contains(expected), "{found}");
        };
        let plain = Offered::default();
        check(&plain, Some("public"), None);
        let fixed = Offered { schema: Some("cron".into()), ..plain.clone() };
        check(&fixed, Some("cron"), None);
        check(&fixed, None, None);
        check(&fixed, Some("public"), Some("must be installed in schema \"cron\""));
        let needs = |name: &str| Offered { requires: vec![name.into()], ..plain.clone() };
        check(&needs("cube"), None, None);
        check(&needs("plpython3u"), None, Some("requires extension \"plpython3u\""));
        check(&Offered { only_in: Some("postgres".into()), ..plain }, None, Some("in database postgres"));
    }

    #[test]
    fn rights_are_an_obstacle_to_those_who_are_no_superuser() {
        let guarded = Offered { for_superusers: true, ..Offered::default() };
        assert!(guarded.beyond_rights(false).is_some() && guarded.beyond_rights(true).is_none());
        assert_eq!(Offered::default().beyond_rights(false), None);
    }

    #[test]
    fn a_refusal_that_comes_of_the_database_says_nothing_of_another_one() {
        for code in ["42710", "42P07", "42723", "3F000", "55P03", "40P01"] {
            assert!(!holds_elsewhere(code, false), "{code}");
        }
        assert!(holds_elsewhere("42704", false) && !holds_elsewhere("42704", true));
        // `feature_not_supported`, `raise_exception`, a library that is not preloaded, a missing file.
        for code in ["0A000", "P0001", "55000", "58P01"] {
            assert!(holds_elsewhere(code, true), "{code}");
        }
    }
}

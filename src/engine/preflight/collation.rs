//! Collations that another server's libraries may order otherwise: which of the source are in use, what both servers say of each,
//! and what depends on those that differ.
//!
//! An index that is built on the destination is right there. What changes with a collation is the order of text: which rows lie
//! below a bound or pass a check that compares, and the order in which queries answer.

use std::collections::HashSet;

use tokio_postgres::Client;

use super::check::Finding;
use super::{Error, Result};
use crate::pg::name::for_people;
use crate::pg::{Oid, QualifiedName, Sql, sqlstate};
use crate::sql;

/// So many of what depends on one collation are named; of the rest the line has the number.
const NAMED: usize = 50;

/// What the report calls the collation of everything that names none.
pub const OF_DATABASE: &str = "default collation of the database";

/// A collation of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collation {
    pub oid: Oid,
    /// `None`: the default of the database.
    pub name: Option<QualifiedName>,
    pub provider: String,
    pub locale: String,
    /// What follows the name in CREATE COLLATION, where a clone makes it.
    pub definition: Option<Sql>,
    /// The version that the source noted when it, or the database, was made: by it rows were put in their places.
    pub noted: Option<String>,
}

/// What a server's libraries say of one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub version: Option<String>,
    /// Whether that is the version of this very locale; else that of a related one.
    pub exact: bool,
    /// It orders by bytes, as every server does.
    pub bytewise: bool,
    /// The provider of the collation of that name in `pg_catalog`, where one was asked for by name.
    pub provider: Option<String>,
    /// Why the server does not make it.
    pub refused: Option<String>,
}

/// A collation that differs, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub oid: Oid,
    /// `collation public.german`, `default collation of the database`.
    pub object: String,
    pub how: String,
    /// It is not there, and a clone cannot make it.
    pub missing: bool,
}

/// Something that depends on the order of a collation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    pub collation: Oid,
    /// The table, 0 for a domain.
    pub relation: Oid,
    /// `index public.people_name`.
    pub label: String,
}

impl Collation {
    fn is_built_in(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.schema.as_str() == "pg_catalog")
    }

    /// As the report calls it.
    fn object(&self) -> String {
        match &self.name {
            Some(name) => format!("collation {name}"),
            None => OF_DATABASE.to_owned(),
        }
    }
}

/// Reads the collations in use, under the caller's snapshot.
pub async fn in_use(client: &Client) -> Result<Vec<Collation>> {
    let failed = |source| Error::Query { doing: "reading the source's collations", source };
    let query = include_str!("../../../sql/source/collations_in_use.sql");
    let rows = client.query(query, &[]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        let name: Option<String> = row.try_get("name")?;
        let schema: Option<String> = row.try_get("schema")?;
        Ok(Collation {
            oid: row.try_get("oid")?,
            name: schema.zip(name).map(|(schema, name)| QualifiedName::new(schema, name)),
            provider: row.try_get("provider")?,
            locale: row.try_get("locale")?,
            definition: row.try_get::<_, Option<String>>("definition")?.map(Sql::printed_by_server),
            noted: row.try_get("noted")?,
        })
    });
    read.collect::<std::result::Result<_, _>>().map_err(failed)
}

/// What a server says of each of them, in a database of this encoding.
pub async fn answers(client: &Client, asked: &[Collation], encoding: &str) -> Result<Vec<Answer>> {
    let failed = |source| Error::Query { doing: "asking for versions of collations", source };
    let providers: Vec<&str> = asked.iter().map(|one| one.provider.as_str()).collect();
    let locales: Vec<&str> = asked.iter().map(|one| one.locale.as_str()).collect();
    let by_name = |one: &Collation| one.name.clone().filter(|_| one.is_built_in());
    let names: Vec<Option<String>> =
        asked.iter().map(|one| by_name(one).map(|name| name.name.as_str().to_owned())).collect();
    let query = include_str!("../../../sql/source/collation_versions.sql");
    let rows = client.query(query, &[&providers, &locales, &names, &encoding]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        Ok(Answer {
            version: row.try_get("version")?,
            exact: row.try_get("exact")?,
            bytewise: row.try_get("bytewise")?,
            provider: row.try_get("named_provider")?,
            refused: None,
        })
    });
    read.collect::<std::result::Result<_, _>>().map_err(failed)
}

/// As [`answers`], and makes those that a clone makes, in a transaction that is taken back: only a collation tells the version of
/// its locale, and whether there is one. In a database of another encoding the answer could be another one, so none is made there.
///
/// # Errors
/// A lost connection, or an answer that is not understood. What the server refuses is in the answers.
pub async fn tried(client: &Client, asked: &[Collation], encoding: &str) -> Result<Vec<Answer>> {
    let failed = |source| Error::Query { doing: "trying collations", source };
    let mut answers = answers(client, asked, encoding).await?;
    let query = "SELECT pg_catalog.current_setting('server_encoding')";
    let own: String = client.query_one(query, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
    if own != encoding {
        return Ok(answers);
    }
    client.batch_execute("BEGIN READ WRITE").await.map_err(failed)?;
    for (one, answer) in asked.iter().zip(&mut answers) {
        let Some(definition) = one.definition.as_ref().filter(|_| !answer.exact) else { continue };
        let make =
            sql!("SAVEPOINT one; CREATE COLLATION pg_temp.mbs_tried {definition}", definition = definition);
        match client.batch_execute(make.as_str()).await {
            Ok(()) => {
                let query = "SELECT pg_catalog.pg_collation_actual_version('pg_temp.mbs_tried'::pg_catalog.regcollation)";
                answer.version =
                    client.query_one(query, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
                answer.exact = true;
            }
            Err(source) => match source.as_db_error() {
                // Our role may make nothing here.
                Some(server) if server.code().code() == sqlstate::INSUFFICIENT_PRIVILEGE => {}
                Some(server) => answer.refused = Some(server.message().to_owned()),
                None => return Err(failed(source)),
            },
        }
        client.batch_execute("ROLLBACK TO SAVEPOINT one").await.map_err(failed)?;
    }
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    Ok(answers)
}

/// What depends on the order of these, under the caller's snapshot.
pub async fn concerns(client: &Client, of: &[Oid]) -> Result<Vec<Concern>> {
    let failed = |source| Error::Query { doing: "looking for what depends on a collation", source };
    let query = include_str!("../../../sql/source/collation_concerns.sql");
    let rows = client.query(query, &[&of]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
        let kind: &str = row.try_get("kind")?;
        let label = match row.try_get::<_, Option<&str>>("part")? {
            Some(part) => format!("{kind} {} of {name}", for_people(part)),
            None => format!("{kind} {name}"),
        };
        Ok(Concern { collation: row.try_get("collation")?, relation: row.try_get("relation")?, label })
    });
    read.collect::<std::result::Result<_, _>>().map_err(failed)
}

/// Compares what both servers say; in the order of `collations`.
pub fn differences(collations: &[Collation], source: &[Answer], destination: &[Answer]) -> Vec<Difference> {
    let told = collations.iter().zip(source).zip(destination);
    let found = told.filter_map(|((one, here), there)| {
        let obstacle = match &there.refused {
            Some(message) => Some(format!("it cannot be made on the destination: {message}")),
            None if one.is_built_in() && there.provider.is_none() => {
                Some("it is not on the destination".to_owned())
            }
            None => None,
        };
        let missing = obstacle.is_some();
        let how = obstacle.or_else(|| how(one, here, there))?;
        Some(Difference { oid: one.oid, object: one.object(), how, missing })
    });
    found.collect()
}

/// Those that order alike on both servers for all that is known: by bytes, or by the same version of the same library.
pub fn same(collations: &[Collation], source: &[Answer], destination: &[Answer]) -> HashSet<Oid> {
    let told = collations.iter().zip(source).zip(destination);
    let same = told.filter(|((one, here), there)| {
        if here.bytewise && there.bytewise {
            return true;
        }
        // Rows that are in their places by another version than the library's own may lie out of order.
        let moved =
            matches!((&one.noted, &here.version), (Some(noted), Some(now)) if here.exact && noted != now);
        let known = one.noted.is_some()
            || here.exact && here.version.is_some()
            || one.provider != "i" && here.version.is_some();
        known && !moved && (there.exact || one.provider != "i") && how(one, here, there).is_none()
    });
    same.map(|((one, _), _)| one.oid).collect()
}

fn how(one: &Collation, here: &Answer, there: &Answer) -> Option<String> {
    let made_by = one.noted.as_ref().or(here.version.as_ref());
    let what = format!("{} {}", provider_word(&one.provider), one.locale);
    // Without a version on either side both order by bytes, whoever does it, or nobody can tell.
    if made_by.is_none() && there.version.is_none() {
        return None;
    }
    if let Some(provider) = there.provider.as_ref().filter(|provider| **provider != one.provider) {
        let provider = provider_word(provider);
        return Some(format!("{what} on the source, of provider {provider} on the destination"));
    }
    // Of a related locale only the library's own version is the same: 153.120 of the root, 153.120.42 of a language.
    let library = |version: &String| version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let same = match there.exact || one.provider != "i" {
        true => made_by == there.version.as_ref(),
        false => made_by.map(library) == there.version.as_ref().map(library),
    };
    if same {
        return None;
    }
    let word = |version: Option<&String>| match version {
        Some(version) => format!("version {version}"),
        None => "of no known version".to_owned(),
    };
    let by_now = match (&one.noted, &here.version) {
        (Some(noted), Some(now)) if noted != now => {
            format!(
                " (made by that; its library is {now} by now, so the source itself may hold rows out of order)"
            )
        }
        _ => String::new(),
    };
    Some(format!(
        "{what}: {} on the source{by_now}, {} on the destination",
        word(made_by),
        word(there.version.as_ref())
    ))
}

fn provider_word(provider: &str) -> &'static str {
    match provider {
        "i" => "icu",
        "b" => "builtin",
        _ => "libc",
    }
}

/// Those that a clone cannot do without: PostgreSQL has them from the system on which it was installed.
pub fn missing(differences: &[Difference]) -> Vec<Finding> {
    let findings = differences.iter().filter(|one| one.missing).map(|one| Finding {
        code: "collation_missing",
        message: format!("{}: {}", one.object, one.how),
        hint: "install its locale on the destination's machine (of those in pg_catalog a new cluster takes over what is \
               there), or leave out what uses it with --exclude; for the database's own name another with --locale"
            .to_owned(),
    });
    findings.collect()
}

/// The reason that the report gives: how it differs, what that means, and what it concerns.
pub fn reason(difference: &Difference, concerns: &[Concern]) -> String {
    let mine = concerns.iter().filter(|one| one.collation == difference.oid);
    let names: Vec<&str> = mine.map(|one| one.label.as_str()).collect();
    let mut text = difference.how.clone();
    if !difference.missing {
        text.push_str("; text may come in another order");
    }
    if names.is_empty() {
        return text;
    }
    text.push_str("; concerns ");
    text.push_str(&names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
    if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collation(name: Option<(&str, &str)>, provider: &str, noted: Option<&str>) -> Collation {
        Collation {
            oid: 1,
            name: name.map(|(schema, name)| QualifiedName::new(schema, name)),
            provider: provider.to_owned(),
            locale: "de".to_owned(),
            definition: None,
            noted: noted.map(str::to_owned),
        }
    }

    fn answer(version: Option<&str>, provider: Option<&str>) -> Answer {
        let (version, provider) = (version.map(str::to_owned), provider.map(str::to_owned));
        Answer { version, exact: true, bytewise: false, provider, refused: None }
    }

    #[track_caller]
    fn check(one: Collation, here: Answer, there: Answer, expected: Option<&str>) {
        let found = differences(&[one], &[here], &[there]);
        assert_eq!(found.first().map(|one| one.how.as_str()), expected);
    }

    #[test]
    fn versions_that_differ_are_told_with_what_the_source_noted() {
        let (v1, v2) = (answer(Some("1"), None), answer(Some("2"), None));
        let own = |noted| collation(Some(("public", "german")), "i", noted);
        check(own(Some("1")), v1.clone(), v1.clone(), None);
        check(own(None), v1.clone(), v1.clone(), None);
        let differs = "icu de: version 1 on the source, version 2 on the destination";
        check(own(Some("1")), v1.clone(), v2.clone(), Some(differs));
        let stale = "icu de: version 1 on the source (made by that; its library is 2 by now, so the source itself may hold \
                     rows out of order), version 2 on the destination";
        check(own(Some("1")), v2.clone(), v2, Some(stale));
        let unknown = "libc de: version 1 on the source, of no known version on the destination";
        check(collation(None, "c", None), v1, Answer::default(), Some(unknown));
        check(collation(None, "c", None), Answer::default(), Answer::default(), None);
    }

    #[test]
    fn one_of_the_catalog_may_be_missing_or_another_providers() {
        let built_in = |provider| collation(Some(("pg_catalog", "x")), provider, None);
        let there = answer(Some("1"), Some("i"));
        check(built_in("i"), there.clone(), there.clone(), None);
        check(built_in("i"), there.clone(), Answer::default(), Some("it is not on the destination"));
        let other = "libc de on the source, of provider icu on the destination";
        check(built_in("c"), answer(Some("2.36"), Some("c")), there, Some(other));
        // "ucs_basic" went from libc to builtin in 17, and orders by code points in both.
        check(built_in("c"), answer(None, Some("c")), answer(None, Some("b")), None);
    }

    #[test]
    fn only_what_is_known_to_be_the_same_is() {
        let is_same = |one: Collation, here: &Answer, there: &Answer| {
            !same(&[one], std::slice::from_ref(here), std::slice::from_ref(there)).is_empty()
        };
        let (v1, v2) = (answer(Some("1"), None), answer(Some("2"), None));
        let own = |provider, noted| collation(Some(("public", "german")), provider, noted);
        assert!(is_same(own("i", Some("1")), &v1, &v1) && is_same(own("c", None), &v1, &v1));
        assert!(!is_same(own("i", Some("1")), &v1, &v2) && !is_same(own("i", Some("1")), &v2, &v1));
        let related = Answer { exact: false, ..v1.clone() };
        assert!(!is_same(own("i", Some("1")), &v1, &related) && !is_same(own("i", None), &related, &v1));
        // musl tells no version, and C needs none.
        let untold = Answer { exact: true, ..Answer::default() };
        assert!(!is_same(own("c", None), &untold, &untold));
        let bytes = Answer { bytewise: true, ..untold };
        assert!(is_same(own("c", None), &bytes, &bytes));
    }

    #[test]
    fn of_a_related_locale_the_library_alone_is_compared() {
        let own = || collation(Some(("public", "german")), "i", Some("153.120.42"));
        let related = |version| Answer { exact: false, ..answer(Some(version), None) };
        let here = answer(Some("153.120.42"), None);
        check(own(), here.clone(), related("153.120"), None);
        let differs = "icu de: version 153.120.42 on the source, version 153.80 on the destination";
        check(own(), here.clone(), related("153.80"), Some(differs));
        let refused = Answer { refused: Some("no such locale".to_owned()), ..Answer::default() };
        check(own(), here, refused, Some("it cannot be made on the destination: no such locale"));
    }

    #[test]
    fn what_is_concerned_is_named_up_to_a_bound() {
        let difference =
            Difference { oid: 1, object: String::new(), how: "differs".to_owned(), missing: false };
        let concern =
            |at: usize, collation| Concern { collation, relation: 7, label: format!("index i{at}") };
        assert_eq!(reason(&difference, &[concern(1, 2)]), "differs; text may come in another order");
        let few = [concern(1, 1), concern(2, 1)];
        assert_eq!(
            reason(&difference, &few),
            "differs; text may come in another order; concerns index i1, index i2"
        );
        let many: Vec<Concern> = (0..NAMED + 3).map(|at| concern(at, 1)).collect();
        assert!(reason(&difference, &many).ends_with("index i49 and 3 more"));
    }
}

//! What a cluster says of the roles that a database names: it belongs to no database, so no dump of one holds it, and yet
//! policies, views and functions of the database may work by it.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Row};

use super::{Error, Result};
use crate::pg::name::for_people;
use crate::pg::{Ident, Version};

/// The facts of one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub superuser: bool,
    pub bypasses_rls: bool,
    /// Whether it has what the roles have that it is a member of; from 16 on each membership says so itself.
    pub inherits: bool,
    /// The roles that it is a member of.
    pub groups: Vec<Membership>,
    /// Names of settings that it has in every database.
    pub settings: BTreeSet<String>,
    /// What it may do with parameters (15 on): `SET on work_mem`.
    pub parameters: BTreeSet<String>,
}

/// A role's membership in another, `INHERIT` and `SET` where the server is 16 or newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub group: Ident,
    pub admin: bool,
    pub inherit: Option<bool>,
    pub set: Option<bool>,
}

/// Reads the facts of these roles; one that is not there has none.
pub async fn facts(client: &Client, version: Version, names: &[&str]) -> Result<BTreeMap<String, Facts>> {
    let failed = |source| Error::Query { doing: "reading facts of roles", source };
    let query = include_str!("../../../sql/source/role_facts.sql");
    let rows = client.query(query, &[&names]).await.map_err(failed)?;
    let mut roles =
        rows.iter().map(read).collect::<std::result::Result<BTreeMap<_, _>, _>>().map_err(failed)?;
    if version.at_least(15) {
        let query = include_str!("../../../sql/source/parameter_privileges.sql");
        for row in client.query(query, &[&names]).await.map_err(failed)? {
            let role: String = row.try_get("role").map_err(failed)?;
            let privilege = row.try_get("privilege").map_err(failed)?;
            roles.entry(role).or_default().parameters.insert(privilege);
        }
    }
    Ok(roles)
}

fn read(row: &Row) -> std::result::Result<(String, Facts), tokio_postgres::Error> {
    let groups: Vec<String> = row.try_get("groups")?;
    let admin: Vec<bool> = row.try_get("admin")?;
    let (inherit, set): (Vec<Option<bool>>, Vec<Option<bool>>) =
        (row.try_get("inherit")?, row.try_get("set")?);
    let groups = groups.into_iter().zip(admin).zip(inherit.into_iter().zip(set));
    let groups = groups.map(|((group, admin), (inherit, set))| Membership {
        group: Ident::new(group),
        admin,
        inherit,
        set,
    });
    let settings: Vec<String> = row.try_get("settings")?;
    let facts = Facts {
        superuser: row.try_get("superuser")?,
        bypasses_rls: row.try_get("bypasses_rls")?,
        inherits: row.try_get("inherits")?,
        groups: groups.collect(),
        settings: settings.into_iter().collect(),
        parameters: BTreeSet::new(),
    };
    Ok((row.try_get("name")?, facts))
}

/// What a role has on the source and not on the destination, in words; `None` where there is nothing of it. `made` says which
/// memberships a clone makes itself, `bypasses_rls` whether it gives that.
pub fn lacking(
    source: &Facts,
    destination: &Facts,
    bypasses_rls: bool,
    made: impl Fn(&Ident) -> bool,
) -> Option<String> {
    // It may do everything there.
    if destination.superuser {
        return None;
    }
    let mut lacking = Vec::new();
    if source.superuser {
        lacking.push("SUPERUSER".to_owned());
    } else if source.bypasses_rls && !destination.bypasses_rls && !bypasses_rls {
        lacking.push("BYPASSRLS".to_owned());
    }
    let there = |group: &Ident| destination.groups.iter().any(|one| one.group == *group) || made(group);
    let groups = source.groups.iter().map(|one| &one.group).filter(|group| !there(group));
    let groups: Vec<String> = groups.map(|group| for_people(group.as_str())).collect();
    if !groups.is_empty() {
        lacking.push(format!("membership in {}", groups.join(", ")));
    }
    lacking.extend(source.parameters.difference(&destination.parameters).cloned());
    let settings: Vec<&str> = source.settings.difference(&destination.settings).map(String::as_str).collect();
    if !settings.is_empty() {
        lacking.push(format!("settings of its own ({})", settings.join(", ")));
    }
    (!lacking.is_empty()).then(|| lacking.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(groups: &[&str], settings: &[&str]) -> Facts {
        let membership =
            |group: &&str| Membership { group: Ident::from(*group), admin: false, inherit: None, set: None };
        Facts {
            groups: groups.iter().map(membership).collect(),
            settings: settings.iter().map(ToString::to_string).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn what_a_role_lacks_is_told_and_nothing_else() {
        let lacks = |source: &Facts, destination: &Facts| lacking(source, destination, false, |_| false);
        let has = role(&["readers", "Odd"], &["work_mem", "search_path"]);
        assert_eq!(lacks(&has, &has), None);
        assert_eq!(lacks(&Facts::default(), &has), None);
        assert_eq!(
            lacks(&has, &role(&["readers"], &["work_mem"])).as_deref(),
            Some("membership in \"Odd\"; settings of its own (search_path)")
        );
        assert_eq!(lacking(&has, &role(&[], &["work_mem", "search_path"]), false, |_| true), None);
        let all =
            Facts { bypasses_rls: true, parameters: BTreeSet::from(["SET on work_mem".to_owned()]), ..has };
        assert_eq!(
            lacks(&all, &Facts::default()).as_deref(),
            Some(
                "BYPASSRLS; membership in readers, \"Odd\"; SET on work_mem; settings of its own (search_path, work_mem)"
            )
        );
        let powerful = Facts { superuser: true, ..Facts::default() };
        assert_eq!(lacks(&all, &powerful), None);
        assert_eq!(lacks(&powerful, &Facts::default()).as_deref(), Some("SUPERUSER"));
    }

    #[test]
    fn a_right_that_the_clone_gives_is_not_lacking() {
        let source = Facts { bypasses_rls: true, ..Facts::default() };
        assert_eq!(lacking(&source, &Facts::default(), true, |_| false), None);
    }
}

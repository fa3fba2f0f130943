//! Roles that a clone creates: until it is in place their mark names the job, and they are dropped where nobody uses them.
//!
//! They belong to the cluster and not to the staging database, so they outlive it. What is left of a job is known as
//! with databases: by the mark in the role's COMMENT and by the record.

use tokio_postgres::error::Severity;
use tokio_postgres::{Client, Row};

use super::{Error, Result, facts};
use crate::id::JobId;
use crate::pg::{Ident, Literal, Sql, Version, sqlstate};
use crate::safety::MARK_OF_ROLES;
use crate::sql;

/// Between the mark that every role of ours has and the identity of the job that has not come to its end.
const UNFINISHED: &str = ", which is not in place yet: ";

/// A role whose mark names a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub name: String,
    /// The job that created it.
    pub job: JobId,
    /// By what can be seen from outside of databases: who uses it by now.
    pub used: Option<String>,
}

/// What is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: Ident,
    /// Only a superuser can make one that row-level security does not hold for.
    pub bypasses_rls: bool,
    /// As on the source; `false` is `NOINHERIT`.
    pub inherits: bool,
    /// Memberships in other roles that are created with it.
    pub groups: Vec<Group>,
}

/// A membership, with options that the source's version may not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: Ident,
    pub admin: bool,
    pub inherit: bool,
    pub set: bool,
}

/// Creates a role that cannot log in and carries the job's mark, both or neither. Whoever is no superuser has to be a member
/// to hand anything to it; from 16 on its creator is an administrator of it and no more.
pub fn create(role: &Wanted, job: &JobId, superuser: bool) -> Sql {
    let Wanted { name, bypasses_rls, inherits, .. } = role;
    let mark = format!("{MARK_OF_ROLES}{UNFINISHED}{job}");
    let comment = sql!("COMMENT ON ROLE {name} IS {mark}", name = name, mark = Literal(&mark));
    let mut create = sql!("CREATE ROLE {name} NOLOGIN", name = name);
    if !inherits {
        create.push_fixed(" NOINHERIT");
    }
    if *bypasses_rls && superuser {
        create.push_fixed(" BYPASSRLS");
    }
    let mut statements = vec![create, comment];
    if !superuser {
        statements.push(sql!("GRANT {name} TO CURRENT_USER", name = name));
    }
    Sql::join(&statements, "; ")
}

/// Makes a role a member of others, on a server of `version`: `INHERIT` and `SET` of a membership are from 16 on.
pub fn join(role: &Wanted, version: Version) -> Vec<Sql> {
    let grant = |group: &Group| {
        let mut grant = sql!("GRANT {group} TO {role}", group = group.name, role = role.name);
        if version.at_least(16) {
            let word = |yes| Sql::fixed(if yes { "TRUE" } else { "FALSE" });
            let (admin, inherit, set) = (word(group.admin), word(group.inherit), word(group.set));
            grant.push(&sql!(
                " WITH ADMIN {admin}, INHERIT {inherit}, SET {set}",
                admin = admin,
                inherit = inherit,
                set = set
            ));
        } else if group.admin {
            grant.push_fixed(" WITH ADMIN OPTION");
        }
        grant
    };
    role.groups.iter().map(grant).collect()
}

/// Every role of the cluster whose mark names a job.
pub async fn marked(client: &Client) -> Result<Vec<Marked>> {
    let query = include_str!("../../../sql/destination/marked_roles.sql");
    let mark = format!("{MARK_OF_ROLES}{UNFINISHED}");
    let read = |row: &Row| -> std::result::Result<Option<Marked>, tokio_postgres::Error> {
        let job: String = row.try_get("job")?;
        let Ok(job) = job.parse() else { return Ok(None) };
        let used = match (row.try_get("may_log_in")?, row.try_get("has_ties")?) {
            (true, _) => Some("it may log in by now"),
            (_, true) => Some("it is a member of other roles by now, or they of it"),
            _ => None,
        };
        Ok(Some(Marked { name: row.try_get("name")?, job, used: used.map(str::to_owned) }))
    };
    let found = facts::rows(client, "looking for roles of ours", query, &[&mark], read).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Drops a role that carries the job's mark; `Some` says why it was left.
pub async fn drop_unused(client: &Client, name: &str, job: &JobId) -> Result<Option<String>> {
    let marked = marked(client).await?.into_iter().find(|role| role.name == name && role.job == *job);
    let Some(role) = marked else { return Ok(None) };
    if role.used.is_some() {
        return Ok(role.used);
    }
    let drop = sql!("DROP ROLE {role}", role = Ident::new(name));
    refused(client.batch_execute(drop.as_str()).await, "dropping a role of ours")
}

/// A role belongs to a clone that is in place: its mark names no job any more. `Some` says why it still does.
pub async fn settle(client: &Client, name: &str) -> Result<Option<String>> {
    let mark = Literal(MARK_OF_ROLES);
    let settle = sql!("COMMENT ON ROLE {role} IS {mark}", role = Ident::new(name), mark = mark);
    refused(client.batch_execute(settle.as_str()).await, "changing the mark of a role")
}

/// Why the server did not do something to one role: others may fare better. Where it did not say, nothing is known.
fn refused(
    done: std::result::Result<(), tokio_postgres::Error>,
    doing: &'static str,
) -> Result<Option<String>> {
    let Err(source) = done else { return Ok(None) };
    let Some(server) = source.as_db_error() else { return Err(Error::Query { doing, source }) };
    if server.parsed_severity() != Some(Severity::Error) {
        return Err(Error::Query { doing, source });
    }
    let detail = server.detail().map(|detail| detail.replace('\n', "; "));
    Ok(Some(match (server.code().code(), detail) {
        (sqlstate::DEPENDENT_OBJECTS, detail) => {
            format!("it is used by now: {}", detail.unwrap_or_else(|| server.message().to_owned()))
        }
        (_, Some(detail)) => format!("{doing} failed: {} ({detail})", server.message()),
        (_, None) => format!("{doing} failed: {}", server.message()),
    }))
}

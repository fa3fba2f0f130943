//! The checks of a clone's preflight: facts in, findings out, no server.

use super::destination;
use super::source::{self, Unreadable, UnreadableSequence};
use crate::failure::Exit;
use crate::pg::{Ident, QualifiedName, Version};

/// A reason not to start, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable, for scripts and `docs/errors.md`.
    pub code: &'static str,
    pub message: String,
    pub hint: String,
}

impl Finding {
    /// Preflight findings all lead to one exit code.
    pub const EXIT: Exit = Exit::Preflight;

    fn new(code: &'static str, message: String, hint: impl Into<String>) -> Self {
        Self { code, message, hint: hint.into() }
    }
}

/// What the servers themselves rule out.
pub fn servers(source: &source::Facts, destination: &destination::Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = too_old("the source", source.version).into_iter().collect();
    if destination.version.major() < source.version.major() {
        findings.push(Finding::new(
            "destination_older",
            format!(
                "the destination is PostgreSQL {}, older than the source's {}: an older server cannot hold all that a newer one can",
                destination.version, source.version
            ),
            format!("use a destination of PostgreSQL {} or newer", source.version.major()),
        ));
    }
    if destination.in_recovery {
        findings.push(Finding::new(
            "destination_is_standby",
            "the destination is a standby and takes no writes".to_owned(),
            "use its primary, or promote it first",
        ));
    }
    if !destination.may_create_databases {
        findings.push(Finding::new(
            "create_database_not_permitted",
            format!("role {} may not create the staging database on the destination", destination.role),
            format!("run on the destination as a superuser: ALTER ROLE \"{}\" CREATEDB", destination.role),
        ));
    }
    findings
}

/// `--create-roles` by a role that may not.
pub fn creates_roles(destination: &destination::Facts, missing: &[Ident]) -> Option<Finding> {
    (!destination.may_create_roles && !missing.is_empty()).then(|| {
        let names: Vec<&str> = missing.iter().map(Ident::as_str).collect();
        Finding::new(
            "create_role_not_permitted",
            format!("role {} may not create roles on the destination; missing are: {}", destination.role, names.join(", ")),
            format!(
                "run on the destination as a superuser: ALTER ROLE \"{}\" CREATEROLE; or leave --create-roles out",
                destination.role
            ),
        )
    })
}

/// A server older than any that we know how to read.
pub fn too_old(server: &str, version: Version) -> Option<Finding> {
    (version < Version::OLDEST).then(|| {
        Finding::new(
            "source_too_old",
            format!("{server} is PostgreSQL {version}; 14 is the oldest that can be read"),
            "upgrade that server, or restore a dump of it into a newer one and use that",
        )
    })
}

/// A pooler that changes the backend between transactions cannot hold a snapshot or a session's settings.
pub fn transaction_pooler(endpoint: &str) -> Finding {
    Finding::new(
        "transaction_pooler",
        format!(
            "{endpoint} is a connection pooler in transaction mode: its sessions cannot hold a snapshot, locks or settings"
        ),
        "use the server's own port or the pooler's session mode (on Supabase: the direct host, or port 5432 in place of 6543)",
    )
}

/// Room for locks on the source: every table stays locked while its rows are read. A fifth is left to others.
pub fn locks(source: &source::Facts, tables: usize) -> Option<Finding> {
    let needed = i64::try_from(tables).unwrap_or(i64::MAX);
    (needed > source.lock_slots / 5 * 4).then(|| {
        Finding::new(
            "too_many_locks",
            format!(
                "{tables} tables are to be locked and the source's lock table holds {}",
                source.lock_slots
            ),
            "raise max_locks_per_transaction on the source and restart it, or select fewer tables",
        )
    })
}

/// Room for locks on the destination: whoever reads a partitioned table as a whole, verification for one, locks every
/// table and index below it. `tree` is the largest one, by name and number of tables and indexes.
pub fn locks_of_tree(
    destination: &destination::Facts,
    tree: &QualifiedName,
    relations: usize,
) -> Option<Finding> {
    let needed = i64::try_from(relations).unwrap_or(i64::MAX);
    (needed > destination.lock_slots / 5 * 4).then(|| {
        Finding::new(
            "too_many_locks",
            format!(
                "partitioned table {tree} has {relations} tables and indexes below it, all locked by who reads it, and the destination's lock table holds {}",
                destination.lock_slots
            ),
            format!("raise max_locks_per_transaction on the destination and restart it, or leave the table out with --exclude {tree}"),
        )
    })
}

/// Room on the destination's disk: a second copy while the old database is still there.
pub fn space(needed_bytes: u64, free_bytes: Option<u64>) -> Option<Finding> {
    let free = free_bytes?;
    (free < needed_bytes).then(|| {
        Finding::new(
            "not_enough_space",
            format!(
                "the clone needs about {} MB on the destination's disk beside the old database, and {} MB are free",
                needed_bytes >> 20,
                free >> 20
            ),
            "free space there (`multiboard-sync clean` names what is left of earlier clones), or take less: --exclude, --exclude-data",
        )
    })
}

/// Tables that our role cannot read whole, each by name.
pub fn readable(role: &str, tables: &[Unreadable]) -> Vec<Finding> {
    tables
        .iter()
        .map(|table| {
            if table.not_permitted {
                let name = &table.name;
                let grant = grant_select("", name, &table.owner, role);
                let hint = format!("{grant}; or leave it out with --exclude {name}");
                Finding::new("no_privilege", format!("role {role} may not read table {name}"), hint)
            } else {
                let hint = format!(
                    "use a role with BYPASSRLS (ALTER ROLE \"{role}\" BYPASSRLS, as a superuser), or leave it out with --exclude {}",
                    table.name
                );
                let message = format!("row-level security hides rows of table {} from role {role}", table.name);
                Finding::new("rows_hidden", message, hint)
            }
        })
        .collect()
}

/// Sequences whose values our role cannot read, each by name.
pub fn readable_sequences(role: &str, sequences: &[UnreadableSequence]) -> Vec<Finding> {
    let findings = sequences.iter().map(|UnreadableSequence { name, owner }| {
        let message = format!("role {role} may not read sequence {name}");
        Finding::new("no_privilege", message, grant_select("SEQUENCE ", name, owner, role))
    });
    findings.collect()
}

fn grant_select(kind: &str, name: &QualifiedName, owner: &str, role: &str) -> String {
    let (schema, object, role) = (name.schema.quoted(), name.quoted(), Ident::new(role));
    let role = role.quoted();
    format!(
        "as its owner {owner}: GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {kind}{object} TO {role}"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn source(version: u32) -> source::Facts {
        source::Facts {
            version: Version::from_number(version),
            role: "app".into(),
            superuser: false,
            bypasses_rls: false,
            database_oid: 5,
            database: "app".into(),
            encoding: "UTF8".into(),
            database_bytes: 1,
            relations: 1,
            system_identifier: "1".into(),
            in_recovery: false,
            lock_slots: 6400,
        }
    }

    fn destination(version: u32) -> destination::Facts {
        destination::Facts {
            version: Version::from_number(version),
            role: "me".into(),
            superuser: true,
            may_create_roles: true,
            lz4: true,
            may_create_databases: true,
            system_identifier: "2".into(),
            in_recovery: false,
            lock_slots: 6400,
            data_directory: None,
            extensions: HashSet::new(),
            roles: HashSet::new(),
            made_roles: HashSet::new(),
            assumable: HashSet::new(),
            tablespaces: std::collections::HashMap::new(),
        }
    }

    #[test]
    fn versions_decide() {
        let codes = |s, d| servers(&source(s), &destination(d)).iter().map(|f| f.code).collect::<Vec<_>>();
        assert_eq!(codes(150_018, 150_002), [""; 0]);
        assert_eq!(codes(150_018, 180_004), [""; 0]);
        assert_eq!(codes(180_004, 150_018), ["destination_older"]);
        assert_eq!(codes(130_004, 150_018), ["source_too_old"]);
    }

    #[test]
    fn room_is_checked_where_it_is_known() {
        assert!(space(100, None).is_none() && space(100, Some(100)).is_none());
        assert_eq!(space(101, Some(100)).map(|f| f.code), Some("not_enough_space"));
        assert!(locks(&source(150_000), 5000).is_none());
        assert_eq!(locks(&source(150_000), 6000).map(|f| f.code), Some("too_many_locks"));
    }

    #[test]
    fn a_tree_too_large_for_the_lock_table_is_named() {
        let tree = QualifiedName::new("public", "events");
        assert!(locks_of_tree(&destination(150_000), &tree, 5000).is_none());
        let finding = locks_of_tree(&destination(150_000), &tree, 6000).unwrap();
        assert!(
            finding.message.contains("public.events has 6000")
                && finding.hint.contains("--exclude public.events")
        );
    }

    #[test]
    fn each_unreadable_table_is_named() {
        let table = Unreadable {
            name: QualifiedName::new("public", "secrets"),
            owner: "boss".into(),
            not_permitted: true,
            rows_hidden: false,
        };
        let findings = readable(
            "app",
            &[table.clone(), Unreadable { not_permitted: false, rows_hidden: true, ..table }],
        );
        assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["no_privilege", "rows_hidden"]);
        assert!(findings.iter().all(|f| f.message.contains("public.secrets")));
    }
}

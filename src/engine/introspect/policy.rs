//! Reads row-level security policies.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, ident, letter, printed_option, qualified, query, unknown};
use crate::pg::{Ident, Version};
use crate::schema::model::policy::{Command, Policy, SecuredMember};
use crate::schema::model::relation::RowSecurity;

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Policy>, Error> {
    let rows = query(client, "policies", include_str!("../../../sql/catalog/policy.sql")).await?;
    rows.iter()
        .map(|row| {
            let command = match letter(row, "command")? {
                '*' => Command::All,
                'r' => Command::Select,
                'a' => Command::Insert,
                'w' => Command::Update,
                'd' => Command::Delete,
                other => return Err(unknown("a policy's command", other)),
            };
            let roles: Vec<String> = get(row, "roles")?;
            Ok(Policy {
                oid: get(row, "oid")?,
                name: ident(row, "name")?,
                relation: get(row, "relation")?,
                table: qualified(row, "schema", "table_name")?,
                of_extension: get(row, "of_extension")?,
                permissive: get(row, "permissive")?,
                command,
                everyone: get(row, "everyone")?,
                roles: roles.into_iter().map(Ident::new).collect(),
                using: printed_option(row, "using_expression")?,
                check: printed_option(row, "check_expression")?,
            })
        })
        .collect()
}

pub(super) async fn read_secured_members(client: &Client) -> Result<Vec<SecuredMember>, Error> {
    let sql = include_str!("../../../sql/catalog/extension_table.sql");
    let rows = query(client, "tables of extensions", sql).await?;
    rows.iter()
        .map(|row| {
            Ok(SecuredMember {
                relation: get(row, "oid")?,
                table: qualified(row, "schema", "name")?,
                security: RowSecurity { enabled: get(row, "enabled")?, forced: get(row, "forced")? },
            })
        })
        .collect()
}

//! Reads owners and privileges, of every kind alike.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, address, get, ident, letter, printed, query, unknown};
use crate::pg::{Ident, Version};
use crate::schema::model::privilege::{
    DefaultPrivilege, Grant, Grantee, Grantor, ObjectsToCome, Owner, Privilege,
};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Privilege>, Error> {
    let rows = query(client, "privileges", include_str!("../../../sql/catalog/privilege.sql")).await?;
    let mut privileges: Vec<Privilege> = Vec::new();
    for row in &rows {
        let of = address(row, get(row, "sub")?)?;
        if privileges.last().is_none_or(|last| last.of != of) {
            privileges.push(Privilege {
                of,
                subject: printed(row, "subject")?,
                column: get::<Option<String>>(row, "column_name")?.map(Ident::new),
                owner: ident(row, "owner")?,
                kinds: usize::try_from(get::<i32>(row, "kinds")?).unwrap_or_default(),
                was: Vec::new(),
                is: Vec::new(),
            });
        }
        if let Some(last) = privileges.last_mut() {
            let side = if get::<&str>(row, "side")? == "is" { &mut last.is } else { &mut last.was };
            side.push(grant(row)?);
        }
    }
    Ok(privileges)
}

fn grant(row: &Row) -> Result<Grant, Error> {
    let grantor = match (get::<bool>(row, "by_owner")?, get::<Option<String>>(row, "grantor")?) {
        (false, Some(role)) => Grantor::Role(Ident::new(role)),
        _ => Grantor::Owner,
    };
    let grantee = match (get::<bool>(row, "everyone")?, get::<Option<String>>(row, "grantee")?) {
        (true, _) => Grantee::Everyone,
        (false, Some(role)) => Grantee::Role(Ident::new(role)),
        (false, None) => Grantee::Gone(get(row, "grantee_oid")?),
    };
    Ok(Grant { grantor, grantee, privilege: get(row, "privilege")?, grantable: get(row, "grantable")? })
}

pub(super) async fn read_owners(client: &Client) -> Result<Vec<Owner>, Error> {
    let rows = query(client, "owners", include_str!("../../../sql/catalog/owner.sql")).await?;
    rows.iter()
        .map(|row| {
            Ok(Owner { of: address(row, 0)?, subject: printed(row, "subject")?, owner: ident(row, "owner")? })
        })
        .collect()
}

pub(super) async fn read_defaults(client: &Client) -> Result<Vec<DefaultPrivilege>, Error> {
    let rows =
        query(client, "default privileges", include_str!("../../../sql/catalog/default_privilege.sql"))
            .await?;
    let mut defaults: Vec<DefaultPrivilege> = Vec::new();
    for row in &rows {
        let oid = get(row, "oid")?;
        if defaults.last().is_none_or(|last| last.oid != oid) {
            let schema: Option<String> = get(row, "schema")?;
            defaults.push(DefaultPrivilege {
                oid,
                role: ident(row, "role")?,
                schema: schema.map(|name| Ok((get(row, "schema_oid")?, Ident::new(name)))).transpose()?,
                objects: match letter(row, "objects")? {
                    'r' => ObjectsToCome::Tables,
                    'S' => ObjectsToCome::Sequences,
                    'f' => ObjectsToCome::Functions,
                    'T' => ObjectsToCome::Types,
                    'n' => ObjectsToCome::Schemas,
                    'L' => ObjectsToCome::LargeObjects,
                    other => return Err(unknown("the objects of default privileges", other)),
                },
                kinds: usize::try_from(get::<i32>(row, "kinds")?).unwrap_or_default(),
                was: Vec::new(),
                is: Vec::new(),
            });
        }
        if let Some(last) = defaults.last_mut() {
            let side = if get::<&str>(row, "side")? == "is" { &mut last.is } else { &mut last.was };
            side.push(grant(row)?);
        }
    }
    Ok(defaults)
}

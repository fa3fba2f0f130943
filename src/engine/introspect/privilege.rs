//! Reads owners and privileges, of every kind alike.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, address, get, ident, printed, query};
use crate::pg::{Ident, Version};
use crate::schema::model::privilege::{Grant, Grantee, Grantor, Owner, Privilege};

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
        // An object whose every privilege was revoked has one row without a side.
        let side: Option<String> = get(row, "side")?;
        if let (Some(last), Some(side)) = (privileges.last_mut(), side) {
            let grant = grant(row)?;
            if side == "is" { last.is.push(grant) } else { last.was.push(grant) }
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

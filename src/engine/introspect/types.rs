//! Reads the types that stand on their own, with attributes and constraints from queries of their own.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{
    Error, get, ident, letter, printed, printed_option, qualified, query, unknown,
};
use crate::pg::{Ident, Oid, QualifiedName, Version};
use crate::schema::model::types::{
    Attribute, Composite, Default, Domain, DomainConstraint, Kind, Multirange, Range, Type,
};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Type>, Error> {
    let (types, attributes, constraints) = tokio::try_join!(
        query(client, "types", include_str!("../../../sql/catalog/types.sql")),
        query(client, "attributes of types", include_str!("../../../sql/catalog/composite_attribute.sql")),
        query(client, "constraints of domains", include_str!("../../../sql/catalog/domain_constraint.sql")),
    )?;
    let mut attributes = by_type(&attributes, "type", attribute)?;
    let mut constraints = by_type(&constraints, "domain", constraint)?;
    types
        .iter()
        .map(|row| {
            let oid: Oid = get(row, "oid")?;
            let kind = match letter(row, "kind")? {
                's' => Kind::Shell,
                'e' => Kind::Enum(get(row, "labels")?),
                'd' => Kind::Domain(domain(row, constraints.remove(&oid).unwrap_or_default())?),
                'c' => Kind::Composite(Composite {
                    relation: get(row, "relation")?,
                    attributes: attributes.remove(&oid).unwrap_or_default(),
                }),
                'r' => Kind::Range(range(row)?),
                other => return Err(unknown("a type's kind", other)),
            };
            Ok(Type {
                oid,
                name: qualified(row, "schema", "name")?,
                array_type: get(row, "array_type")?,
                kind,
            })
        })
        .collect()
}

/// Parts of types, grouped by the type that they belong to.
fn by_type<T>(
    rows: &[Row],
    owner: &'static str,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<HashMap<Oid, Vec<T>>, Error> {
    let mut parts: HashMap<Oid, Vec<T>> = HashMap::new();
    for row in rows {
        parts.entry(get(row, owner)?).or_default().push(read(row)?);
    }
    Ok(parts)
}

fn attribute(row: &Row) -> Result<Attribute, Error> {
    Ok(Attribute {
        name: ident(row, "name")?,
        data_type: printed(row, "data_type")?,
        collation: printed_option(row, "collation")?,
    })
}

fn constraint(row: &Row) -> Result<DomainConstraint, Error> {
    Ok(DomainConstraint {
        oid: get(row, "oid")?,
        name: ident(row, "name")?,
        not_null: letter(row, "kind")? == 'n',
        validated: get(row, "validated")?,
        definition: printed(row, "definition")?,
    })
}

fn domain(row: &Row, constraints: Vec<DomainConstraint>) -> Result<Domain, Error> {
    let default = match printed_option(row, "default_expression")? {
        Some(expression) => Some(Default::Expression(expression)),
        None => get::<Option<String>>(row, "default_text")?.map(Default::Text),
    };
    Ok(Domain {
        base: printed(row, "base_type")?,
        collation: printed_option(row, "collation")?,
        default,
        not_null: get(row, "not_null")?,
        constraints,
    })
}

fn range(row: &Row) -> Result<Range, Error> {
    let canonical = get::<Option<Oid>>(row, "canonical")?.zip(printed_option(row, "canonical_name")?);
    let multirange = match get::<Option<Oid>>(row, "multirange_type")? {
        None => None,
        Some(oid) => {
            let schema: Option<String> = get(row, "multirange_schema")?;
            let name: Option<String> = get(row, "multirange_name")?;
            let name = QualifiedName {
                schema: Ident::new(schema.unwrap_or_default()),
                name: Ident::new(name.unwrap_or_default()),
            };
            let array_type = get::<Option<Oid>>(row, "multirange_array_type")?.unwrap_or_default();
            Some(Multirange { oid, array_type, name })
        }
    };
    Ok(Range {
        subtype: printed(row, "subtype")?,
        operator_class: printed_option(row, "subtype_operator_class")?,
        collation: printed_option(row, "subtype_collation")?,
        canonical,
        subtype_diff: printed_option(row, "subtype_diff")?,
        multirange,
    })
}

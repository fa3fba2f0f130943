//! SQL of triggers. Those that call out to the world (webhooks) are made and switched off, if so asked.

use std::collections::HashMap;

use crate::pg::name::for_people;
use crate::pg::{Oid, Sql};
use crate::schema::model::rule::Firing;
use crate::schema::model::trigger::{Definition, Trigger};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::{Rendering, rule};
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

/// Schemas whose functions send requests: those of Supabase's webhooks and of pg_net.
const CALLING_OUT: [&str; 2] = ["supabase_functions", "net"];

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    let partitions = partitions(catalog);
    for trigger in &catalog.triggers {
        let label = format!("trigger {} on {}", for_people(trigger.name.as_str()), trigger.table);
        let switched_off = options.neutralize
            && trigger.state != Firing::Disabled
            && CALLING_OUT.contains(&trigger.function_schema.as_str());
        if switched_off {
            to.neutralized.push(format!("{label}: made but disabled, it calls out to the network"));
        }
        let state = if switched_off { Firing::Disabled } else { trigger.state };
        to.push(piece(trigger, state, label, locked_with(trigger.relation, &partitions)));
    }
}

/// The partitions of each partitioned table.
fn partitions(catalog: &Catalog) -> HashMap<Oid, Vec<Oid>> {
    let mut partitions: HashMap<Oid, Vec<Oid>> = HashMap::new();
    for table in &catalog.tables {
        if let Some(place) = &table.partition_of {
            partitions.entry(place.parent).or_default().push(table.oid);
        }
    }
    partitions
}

/// The table and, since they get a copy of its trigger, the partitions below it.
fn locked_with(table: Oid, partitions: &HashMap<Oid, Vec<Oid>>) -> Vec<Oid> {
    let mut locked = vec![table];
    let mut next = 0;
    while let Some(table) = locked.get(next) {
        locked.extend(partitions.get(table).into_iter().flatten());
        next += 1;
    }
    locked
}

fn piece(trigger: &Trigger, state: Firing, label: String, locked: Vec<Oid>) -> Piece {
    let relation = Address::new(class::RELATION, trigger.relation);
    let mut piece = Piece {
        needs: vec![relation],
        part_of: Some(relation),
        locks: locked.into_iter().map(|table| Lock { table, mode: LockMode::ShareRowExclusive }).collect(),
        ..Piece::new(Address::new(class::TRIGGER, trigger.oid), Rank::Trigger, Phase::PostData, label)
    };
    match &trigger.definition {
        Definition::Own(definition) => {
            piece.sql.push(definition.clone());
            piece.sql.extend(rule::state(state).map(|state| alter(trigger, &state)));
        }
        Definition::OfParent(parent) => {
            piece.needs.push(Address::new(class::TRIGGER, *parent));
            let state = rule::state(state).unwrap_or_else(|| Sql::fixed("ENABLE"));
            piece.sql.push(alter(trigger, &state));
        }
    }
    piece
}

fn alter(trigger: &Trigger, state: &Sql) -> Sql {
    sql!(
        "ALTER TABLE {table} {state} TRIGGER {name}",
        table = trigger.table,
        state = state,
        name = trigger.name
    )
}

#[cfg(test)]
mod tests {
    use super::{Definition, Firing, Trigger, render};
    use crate::pg::{Ident, QualifiedName, Sql, Version};
    use crate::schema::model::Catalog;
    use crate::schema::options::Options;
    use crate::schema::render::Rendering;

    fn rendered(function_schema: &str, neutralize: bool) -> (Vec<String>, usize) {
        let mut catalog = Catalog::empty(Version::from_number(150_000));
        catalog.triggers.push(Trigger {
            oid: 1,
            name: Ident::from("hook"),
            relation: 2,
            table: QualifiedName::new("public", "orders"),
            state: Firing::Origin,
            function_schema: Ident::from(function_schema),
            definition: Definition::Own(Sql::fixed("CREATE TRIGGER hook")),
        });
        let options = Options { neutralize, ..Options::new(catalog.version) };
        let mut to = Rendering::default();
        render(&catalog, &options, &mut to);
        let sql = to.pieces.iter().flat_map(|piece| &piece.sql).map(|sql| sql.as_str().to_owned());
        (sql.collect(), to.neutralized.len())
    }

    #[test]
    fn a_webhook_is_made_but_switched_off_and_said() {
        let off = "ALTER TABLE \"public\".\"orders\" DISABLE TRIGGER \"hook\"";
        for (schema, neutralize, expected, said) in [
            ("supabase_functions", true, vec!["CREATE TRIGGER hook", off], 1),
            ("net", true, vec!["CREATE TRIGGER hook", off], 1),
            ("net", false, vec!["CREATE TRIGGER hook"], 0),
            ("public", true, vec!["CREATE TRIGGER hook"], 0),
        ] {
            assert_eq!(
                rendered(schema, neutralize),
                (expected.iter().map(ToString::to_string).collect(), said)
            );
        }
    }
}

//! SQL of rewrite rules.

use crate::pg::Sql;
use crate::schema::model::rule::Firing;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::script::{Lock, LockMode, Phase, Piece};
use crate::sql;

pub(super) fn render(catalog: &Catalog, _options: &Options, to: &mut Rendering) {
    for rule in &catalog.rules {
        let relation = Address::new(class::RELATION, rule.relation);
        let label = format!("rule {} on {}", crate::pg::name::for_people(rule.name.as_str()), rule.table);
        let mut sql = vec![rule.definition.clone()];
        if let Some(state) = state(rule.state) {
            sql.push(sql!(
                "ALTER TABLE {table} {state} RULE {name}",
                table = rule.table,
                state = state,
                name = rule.name
            ));
        }
        to.push(Piece {
            sql,
            needs: vec![relation],
            part_of: Some(relation),
            locks: vec![Lock { table: rule.relation, mode: LockMode::AccessExclusive }],
            ..Piece::new(Address::new(class::RULE, rule.oid), Rank::Rule, Phase::PostData, label)
        });
    }
}

/// What ALTER TABLE says for a state that CREATE does not give.
pub(super) fn state(firing: Firing) -> Option<Sql> {
    match firing {
        Firing::Origin => None,
        Firing::Disabled => Some(Sql::fixed("DISABLE")),
        Firing::Always => Some(Sql::fixed("ENABLE ALWAYS")),
        Firing::Replica => Some(Sql::fixed("ENABLE REPLICA")),
    }
}

//! Orders of small schemas: dependencies, circles, ties.

use std::collections::HashMap;

use proptest::prelude::*;

use super::arrange;
use crate::pg::Sql;
use crate::schema::model::{Address, Dependency, Rank, class};
use crate::schema::script::{Phase, Piece, Script};

fn table(oid: u32) -> Address {
    Address::new(class::RELATION, oid)
}

fn function(oid: u32) -> Address {
    Address::new(class::FUNCTION, oid)
}

fn piece(makes: Address, rank: Rank, label: &str) -> Piece {
    Piece { sql: vec![Sql::printed_by_server(label)], ..Piece::new(makes, rank, Phase::PreData, label) }
}

fn needs(dependent: Address, referenced: Address) -> Dependency {
    Dependency { dependent, referenced, kind: 'n' }
}

fn labels(script: &Script) -> Vec<&str> {
    script.steps.iter().map(|step| step.label.as_str()).collect()
}

#[test]
fn ties_go_by_phase_then_rank_then_name() {
    let pieces = vec![
        Piece { phase: Phase::PostData, ..piece(function(9), Rank::Schema, "late") },
        piece(table(1), Rank::Table, "b"),
        piece(table(2), Rank::Table, "a"),
        piece(function(3), Rank::Function, "z"),
    ];
    assert_eq!(labels(&arrange(pieces, &[], &HashMap::new())), ["z", "a", "b", "late"]);
}

#[test]
fn parts_and_members_stand_for_their_whole() {
    let row_type = Address::new(class::TYPE, 50);
    let member = Address::new(class::TYPE, 51);
    let extension = Address::new(class::EXTENSION, 60);
    let pieces = vec![
        Piece { also_makes: vec![row_type], ..piece(table(1), Rank::Table, "table") },
        piece(function(2), Rank::Function, "function of its row"),
        piece(function(3), Rank::Function, "function of a column"),
        piece(extension, Rank::TableAttach, "extension"),
        piece(function(4), Rank::Function, "function of a member"),
    ];
    let dependencies = [
        needs(function(2), row_type),
        needs(function(3), Address::column(1, 4)),
        needs(function(4), member),
        Dependency { kind: 'e', ..needs(member, extension) },
    ];
    assert_eq!(
        labels(&arrange(pieces, &dependencies, &HashMap::new())),
        ["table", "function of a column", "function of its row", "extension", "function of a member"]
    );
}

#[test]
fn what_needs_something_after_the_rows_comes_after_them_too() {
    let key = Address::new(class::CONSTRAINT, 5);
    let pieces = vec![
        piece(table(1), Rank::Table, "table"),
        piece(table(2), Rank::View, "view grouped by the key"),
        piece(table(3), Rank::View, "view"),
        Piece { phase: Phase::Constraint, ..piece(key, Rank::Key, "key") },
    ];
    let script = arrange(pieces, &[needs(table(2), key), needs(key, table(1))], &HashMap::new());
    assert_eq!(labels(&script), ["table", "view", "key", "view grouped by the key"]);
    assert_eq!(script.steps.last().map(|step| step.phase), Some(Phase::Constraint));
}

/// A table whose default calls a function that reads the table.
fn circle() -> (Vec<Piece>, Vec<Dependency>) {
    let default = Address::new(class::COLUMN_DEFAULT, 7);
    let whole = Piece {
        also_makes: vec![default],
        fallback: Some(vec![
            piece(table(1), Rank::Table, "bare table"),
            Piece { part_of: Some(table(1)), ..piece(default, Rank::ColumnDefault, "default") },
        ]),
        ..piece(table(1), Rank::Table, "table")
    };
    let dependencies = vec![
        needs(default, Address::column(1, 1)),
        needs(default, function(2)),
        needs(function(2), table(1)),
    ];
    (vec![whole, piece(function(2), Rank::Function, "function")], dependencies)
}

#[test]
fn a_circle_is_broken_by_taking_a_piece_apart() {
    let (pieces, dependencies) = circle();
    let script = arrange(pieces, &dependencies, &HashMap::new());
    assert_eq!(labels(&script), ["bare table", "function", "default"]);
}

#[test]
fn only_the_part_that_needs_something_left_out_is_lost() {
    let (pieces, dependencies) = circle();
    let left_out = HashMap::from([(function(2), "as you asked".to_owned())]);
    let script = arrange(pieces, &dependencies, &left_out);
    assert_eq!(labels(&script), ["bare table"]);
    let lines: Vec<_> =
        script.skipped.iter().map(|line| (line.object.as_str(), line.reason.as_str())).collect();
    assert_eq!(lines, [("default", "needs function, which is left out"), ("function", "as you asked")]);
}

#[test]
fn what_is_left_out_takes_along_what_needs_it() {
    let key = Address::new(class::CONSTRAINT, 5);
    let foreign_key = Address::new(class::CONSTRAINT, 6);
    let foreign = Address::new(class::RELATION, 90);
    let pieces = vec![
        piece(table(1), Rank::Table, "table a"),
        Piece { part_of: Some(table(1)), ..piece(key, Rank::Key, "key of a") },
        piece(table(2), Rank::Table, "table b"),
        Piece { part_of: Some(table(2)), ..piece(foreign_key, Rank::ForeignKey, "foreign key b to a") },
        piece(table(3), Rank::View, "view of a"),
        piece(table(4), Rank::View, "view of the view"),
        piece(table(5), Rank::View, "view of a foreign table"),
    ];
    let dependencies = [
        needs(key, table(1)),
        needs(foreign_key, table(2)),
        needs(foreign_key, key),
        needs(table(3), table(1)),
        needs(table(4), table(3)),
        needs(table(5), foreign),
    ];
    let left_out =
        HashMap::from([(table(1), "excluded".to_owned()), (foreign, "foreign table public.f".to_owned())]);
    let script = arrange(pieces, &dependencies, &left_out);
    assert_eq!(labels(&script), ["table b"]);
    let lines: Vec<_> =
        script.skipped.iter().map(|line| (line.object.as_str(), line.reason.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("foreign key b to a", "needs key of a, which is left out"),
            ("table a", "excluded"),
            ("view of a", "needs table a, which is left out"),
            ("view of a foreign table", "needs what is left out: foreign table public.f"),
            ("view of the view", "needs view of a, which is left out"),
        ]
    );
}

proptest! {
    /// Without circles every dependency is honoured; with them every piece is still there, once.
    #[test]
    fn every_dependency_is_honoured(
        count in 1_u32..40,
        edges in prop::collection::vec((0_u32..40, 0_u32..40), 0..120),
        forward in any::<bool>(),
    ) {
        let ranks = [Rank::Type, Rank::Table, Rank::View, Rank::Function];
        let phases = [Phase::PreData, Phase::PostData, Phase::Index];
        let pieces: Vec<Piece> = (0..count)
            .map(|oid| Piece {
                phase: phases[oid as usize % 3],
                ..piece(table(oid), ranks[oid as usize % 4], &oid.to_string())
            })
            .collect();
        let edges: Vec<(u32, u32)> = edges
            .into_iter()
            .filter(|(a, b)| *a < count && *b < count && (!forward || a > b))
            .collect();
        let dependencies: Vec<Dependency> = edges.iter().map(|(a, b)| needs(table(*a), table(*b))).collect();
        let script = arrange(pieces, &dependencies, &HashMap::new());
        prop_assert_eq!(script.steps.len(), count as usize);
        let place: HashMap<u32, usize> =
            script.steps.iter().enumerate().map(|(place, step)| (step.label.parse().unwrap(), place)).collect();
        prop_assert_eq!(place.len(), count as usize);
        for (place, step) in script.steps.iter().enumerate() {
            prop_assert!(step.waits_for.iter().all(|other| *other < place));
        }
        if forward {
            for (a, b) in edges {
                prop_assert!(place[&b] < place[&a]);
                prop_assert!(script.steps[place[&a]].waits_for.contains(&place[&b]));
                prop_assert!(script.steps[place[&b]].phase <= script.steps[place[&a]].phase);
            }
        }
    }
}

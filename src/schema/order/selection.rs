//! Takes away what is left out and whatever needs it, with a reason for each.

use std::collections::HashMap;

use crate::schema::model::{Address, Dependency};
use crate::schema::order::graph::{self, Graph, Target, Targets};
use crate::schema::order::take_apart;
use crate::schema::script::{Piece, Skipped};

/// The pieces that stay, and what is said of those that do not.
pub(super) fn select(
    mut pieces: Vec<Piece>,
    dependencies: &[Dependency],
    left_out: &HashMap<Address, String>,
) -> (Vec<Piece>, Vec<Skipped>) {
    if left_out.is_empty() {
        return (pieces, Vec::new());
    }
    loop {
        let targets = Targets::new(&pieces, dependencies, left_out);
        let graph = Graph::new(&pieces, dependencies, left_out);
        let wholes: Vec<Option<Target>> =
            pieces.iter().map(|piece| piece.part_of.and_then(|whole| targets.find(whole))).collect();
        let fate = Fate::of(&pieces, &graph, &wholes, left_out);
        if take_apart(&mut pieces, |position| fate.apart.get(position).copied().unwrap_or(false)) {
            continue;
        }
        let mut skipped = report(&pieces, &graph, &wholes, &fate, left_out);
        skipped.sort();
        let mut gone = fate.gone.into_iter();
        pieces.retain(|_| !gone.next().unwrap_or(false));
        return (pieces, skipped);
    }
}

/// What becomes of each piece.
struct Fate {
    gone: Vec<bool>,
    /// Would be gone as a whole, but perhaps not its bare form.
    apart: Vec<bool>,
}

impl Fate {
    fn of(
        pieces: &[Piece],
        graph: &Graph,
        wholes: &[Option<Target>],
        left_out: &HashMap<Address, String>,
    ) -> Self {
        let mut fate = Self { gone: vec![false; pieces.len()], apart: vec![false; pieces.len()] };
        let users = graph::reversed(&graph.needs);
        let mut parts: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut open: Vec<(usize, bool)> = Vec::new();
        for (position, piece) in pieces.iter().enumerate() {
            let whole = wholes.get(position).copied().flatten();
            if let Some(Target::Piece(whole)) = whole {
                parts.entry(whole).or_default().push(position);
            }
            let chosen = left_out.contains_key(&piece.makes) || matches!(whole, Some(Target::LeftOut(_)));
            let lacking = graph.missing.get(position).is_some_and(|missing| !missing.is_empty());
            if chosen || lacking {
                open.push((position, chosen));
            }
        }
        while let Some((position, for_good)) = open.pop() {
            let (Some(gone), Some(apart)) = (fate.gone.get_mut(position), fate.apart.get_mut(position))
            else {
                continue;
            };
            if *gone {
                continue;
            }
            if !for_good && pieces.get(position).is_some_and(|piece| piece.fallback.is_some()) {
                *apart = true;
                continue;
            }
            *gone = true;
            *apart = false;
            open.extend(parts.get(&position).into_iter().flatten().map(|part| (*part, true)));
            open.extend(users.get(position).into_iter().flatten().map(|user| (*user, false)));
        }
        fate
    }
}

/// A line for each piece that is gone, but for parts of what is gone as a whole.
fn report(
    pieces: &[Piece],
    graph: &Graph,
    wholes: &[Option<Target>],
    fate: &Fate,
    left_out: &HashMap<Address, String>,
) -> Vec<Skipped> {
    let is_gone = |position: usize| fate.gone.get(position).copied().unwrap_or(false);
    let mut lines = Vec::new();
    for (position, piece) in pieces.iter().enumerate().filter(|(position, _)| is_gone(*position)) {
        let goes_with_its_whole = match wholes.get(position).copied().flatten() {
            Some(Target::Piece(whole)) => is_gone(whole),
            Some(Target::LeftOut(_)) => true,
            None => false,
        };
        if goes_with_its_whole {
            continue;
        }
        let reason = left_out.get(&piece.makes).cloned().unwrap_or_else(|| {
            let needs = graph.needs.get(position).into_iter().flatten().filter(|need| is_gone(**need));
            let named = needs.filter_map(|need| pieces.get(*need)).map(|need| need.label.as_str()).min();
            let missing = graph.missing.get(position).into_iter().flatten();
            let unnamed = missing.filter_map(|address| left_out.get(address)).min();
            match (named, unnamed) {
                (Some(label), _) => ["needs ", label, ", which is left out"].concat(),
                (None, Some(reason)) => ["needs what is left out: ", reason].concat(),
                (None, None) => "left out".to_owned(),
            }
        });
        lines.push(Skipped { object: piece.label.clone(), reason });
    }
    lines
}

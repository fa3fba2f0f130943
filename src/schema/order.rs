//! Puts pieces of SQL in an order that works: what `pg_depend` says, circles broken, ties by rank and name.
//!
//! An address in `pg_depend` is often not that of a piece: a column, a row type, the index of a key, a member of an
//! extension. It stands for the piece that makes its whole, or the object that it internally belongs to.
//!
//! Two things may take a piece apart into its [`Piece::fallback`]: a circle (a table's default calls a function that
//! reads the table), and a part that needs something left out (then only the part is lost). Pure: the same input
//! gives the same script.

mod graph;
mod selection;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::schema::model::{Address, Dependency, Rank};
use crate::schema::script::{Phase, Piece, Script, Step};
use graph::Graph;

/// Orders the pieces. `left_out` holds what is not to be made, with the reason: those pieces, and all that need
/// them, are not in the script but in its report.
pub fn arrange(
    pieces: Vec<Piece>,
    dependencies: &[Dependency],
    left_out: &HashMap<Address, String>,
) -> Script {
    let (pieces, skipped) = selection::select(pieces, dependencies, left_out);
    let (pieces, graph) = without_circles(pieces, dependencies);
    let mut needs = graph.needs;
    // Twice: the first order tells which pieces come after the rows because of what they need.
    let order = in_order(&needs, &keys(&pieces, &pieces.iter().map(|piece| piece.phase).collect::<Vec<_>>()));
    let phases = phases(&pieces, &mut needs, &order);
    let order = in_order(&needs, &keys(&pieces, &phases));
    let made =
        pieces.iter().flat_map(|piece| piece.also_makes.iter().chain([&piece.makes])).copied().collect();
    Script { steps: steps(pieces, &needs, &phases, &order), skipped, made }
}

/// Takes pieces apart as long as there are circles and pieces in them that can be.
fn without_circles(mut pieces: Vec<Piece>, dependencies: &[Dependency]) -> (Vec<Piece>, Graph) {
    loop {
        let graph = Graph::new(&pieces, dependencies, &HashMap::new());
        let circles = graph.in_circles();
        if !take_apart(&mut pieces, |position| circles.contains(&position)) {
            return (pieces, graph);
        }
    }
}

/// Replaces the chosen pieces by their fallback; says whether there was any to replace.
fn take_apart(pieces: &mut Vec<Piece>, chosen: impl Fn(usize) -> bool) -> bool {
    let before = std::mem::take(pieces);
    let mut any = false;
    for (position, mut piece) in before.into_iter().enumerate() {
        match piece.fallback.take() {
            Some(parts) if chosen(position) => {
                any = true;
                pieces.extend(parts);
            }
            fallback => pieces.push(Piece { fallback, ..piece }),
        }
    }
    any
}

/// What decides between pieces that are free to go.
type Key<'a> = (Phase, Rank, &'a str, Address);

fn keys<'a>(pieces: &'a [Piece], phases: &[Phase]) -> Vec<Key<'a>> {
    let key = |(piece, phase): (&'a Piece, &Phase)| (*phase, piece.rank, piece.label.as_str(), piece.makes);
    pieces.iter().zip(phases).map(key).collect()
}

/// Each position after those it needs, the smallest key first. A circle that nothing could break is entered at its
/// smallest key: the server has the last word on that statement, and its error names the object.
fn in_order(needs: &[Vec<usize>], keys: &[Key<'_>]) -> Vec<usize> {
    let users = graph::reversed(needs);
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut done = vec![false; needs.len()];
    let mut ready: BinaryHeap<_> = keys
        .iter()
        .zip(0..)
        .filter(|(_, position): &(_, usize)| needs.get(*position).is_some_and(Vec::is_empty))
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(needs.len());
    loop {
        let position = match ready.pop() {
            Some(Reverse((_, position))) => position,
            None => {
                let circles = graph::circles(needs, &done);
                match circles.into_iter().min_by_key(|position| keys.get(*position)) {
                    Some(position) => position,
                    None => return order,
                }
            }
        };
        if std::mem::replace(done.get_mut(position).unwrap_or(&mut false), true) {
            continue;
        }
        order.push(position);
        for user in users.get(position).into_iter().flatten() {
            if let (Some(left), Some(key)) = (open.get_mut(*user), keys.get(*user)) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.push(Reverse((key, *user)));
                }
            }
        }
    }
}

/// The phase in which each piece can run at the earliest. Forgets needs that the order does not honour, which only
/// happens in unbreakable circles.
fn phases(pieces: &[Piece], needs: &mut [Vec<usize>], order: &[usize]) -> Vec<Phase> {
    let places = places(order);
    let mut phases: Vec<Phase> = pieces.iter().map(|piece| piece.phase).collect();
    for position in order {
        let (Some(piece), Some(own)) = (pieces.get(*position), needs.get_mut(*position)) else { continue };
        own.retain(|need| places.get(need) < places.get(position));
        let own_phase = match piece.phase {
            Phase::PreData if !piece.needs_rows_of.is_empty() => Phase::Index,
            phase => phase,
        };
        let earliest = own.iter().filter_map(|need| phases.get(*need)).copied().fold(own_phase, Phase::max);
        if let Some(phase) = phases.get_mut(*position) {
            *phase = earliest;
        }
    }
    phases
}

/// Position of a piece → its place in the order.
fn places(order: &[usize]) -> HashMap<usize, usize> {
    order.iter().enumerate().map(|(place, position)| (*position, place)).collect()
}

fn steps(pieces: Vec<Piece>, needs: &[Vec<usize>], phases: &[Phase], order: &[usize]) -> Vec<Step> {
    let places = places(order);
    let mut steps: Vec<(usize, Step)> = pieces
        .into_iter()
        .zip(needs)
        .zip(phases)
        .enumerate()
        .filter_map(|(position, ((piece, needs), phase))| {
            let mut waits_for: Vec<usize> =
                needs.iter().filter_map(|need| places.get(need).copied()).collect();
            waits_for.sort_unstable();
            let step = Step {
                makes: piece.makes,
                rank: piece.rank,
                label: piece.label,
                phase: *phase,
                sql: piece.sql,
                waits_for,
                needs_rows_of: piece.needs_rows_of,
                locks: piece.locks,
                tolerated: piece.tolerated,
                builds: piece.builds,
            };
            Some((*places.get(&position)?, step))
        })
        .collect();
    steps.sort_unstable_by_key(|(place, _)| *place);
    steps.into_iter().map(|(_, step)| step).collect()
}

#[cfg(test)]
mod tests;

//! Which piece needs which, from `pg_depend` and from what the pieces say themselves.

use std::collections::{HashMap, HashSet};

use crate::schema::model::{Address, Dependency};
use crate::schema::script::Piece;

/// Pieces by position, with what each needs.
pub(super) struct Graph {
    /// Sorted, without repetition and without the piece itself.
    pub(super) needs: Vec<Vec<usize>>,
    /// What each needs that is left out and has no piece.
    pub(super) missing: Vec<Vec<Address>>,
}

/// What an address stands for.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Piece(usize),
    /// An address that is left out.
    LeftOut(Address),
}

/// Finds what an address stands for.
pub(super) struct Targets<'a> {
    makers: HashMap<Address, usize>,
    /// From what belongs to something, internally or as an extension's member, to what it belongs to.
    belongs: HashMap<Address, Vec<Address>>,
    left_out: &'a HashMap<Address, String>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(
        pieces: &[Piece],
        dependencies: &[Dependency],
        left_out: &'a HashMap<Address, String>,
    ) -> Self {
        let mut makers = HashMap::with_capacity(pieces.len() * 4);
        for (position, piece) in pieces.iter().enumerate() {
            for address in std::iter::once(&piece.makes).chain(&piece.also_makes) {
                makers.entry(*address).or_insert(position);
            }
        }
        let mut belongs: HashMap<Address, Vec<Address>> = HashMap::new();
        for dependency in dependencies.iter().filter(|dependency| matches!(dependency.kind, 'i' | 'e')) {
            belongs.entry(dependency.dependent.whole()).or_default().push(dependency.referenced);
        }
        Self { makers, belongs, left_out }
    }

    /// The address itself, its whole, or what that belongs to, whichever is known first.
    pub(super) fn find(&self, address: Address) -> Option<Target> {
        let mut seen = HashSet::new();
        let mut open = vec![address];
        while let Some(address) = open.pop() {
            for form in [address, address.whole()] {
                if self.left_out.contains_key(&form) {
                    return Some(
                        self.makers.get(&form).map_or(Target::LeftOut(form), |at| Target::Piece(*at)),
                    );
                }
                if let Some(position) = self.makers.get(&form) {
                    return Some(Target::Piece(*position));
                }
            }
            if seen.insert(address.whole()) {
                open.extend(self.belongs.get(&address.whole()).into_iter().flatten());
            }
        }
        None
    }
}

impl Graph {
    pub(super) fn new(
        pieces: &[Piece],
        dependencies: &[Dependency],
        left_out: &HashMap<Address, String>,
    ) -> Self {
        let targets = Targets::new(pieces, dependencies, left_out);
        let mut graph =
            Self { needs: vec![Vec::new(); pieces.len()], missing: vec![Vec::new(); pieces.len()] };
        // Between partitions' indexes, constraints and triggers (P and S) our pieces say themselves what they need.
        for dependency in dependencies.iter().filter(|dependency| !matches!(dependency.kind, 'P' | 'S')) {
            if let Some(Target::Piece(user)) = targets.find(dependency.dependent) {
                let unneeded = pieces.get(user).is_some_and(|piece| {
                    piece.does_not_need.contains(&dependency.referenced)
                        || piece.does_not_need.contains(&dependency.referenced.whole())
                });
                if !unneeded {
                    graph.add(user, targets.find(dependency.referenced));
                }
            }
        }
        for (user, piece) in pieces.iter().enumerate() {
            for need in &piece.needs {
                graph.add(user, targets.find(*need));
            }
        }
        for needs in &mut graph.needs {
            needs.sort_unstable();
            needs.dedup();
        }
        graph
    }

    fn add(&mut self, user: usize, need: Option<Target>) {
        match need {
            Some(Target::Piece(position)) if position != user => {
                if let Some(needs) = self.needs.get_mut(user) {
                    needs.push(position);
                }
            }
            Some(Target::LeftOut(address)) => {
                if let Some(missing) = self.missing.get_mut(user) {
                    missing.push(address);
                }
            }
            Some(Target::Piece(_)) | None => {}
        }
    }

    /// Pieces in circles, or between two of them.
    pub(super) fn in_circles(&self) -> HashSet<usize> {
        circles(&self.needs, &vec![false; self.needs.len()])
    }
}

/// For each position, those that need it.
pub(super) fn reversed(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut users = vec![Vec::new(); needs.len()];
    for (user, needs) in needs.iter().enumerate() {
        for need in needs {
            if let Some(users) = users.get_mut(*need) {
                users.push(user);
            }
        }
    }
    users
}

/// What remains of the positions not yet `done` once those that need none of the rest, and those that none of the
/// rest needs, are taken away again and again.
pub(super) fn circles(needs: &[Vec<usize>], done: &[bool]) -> HashSet<usize> {
    let users = reversed(needs);
    let mut left: HashSet<usize> =
        (0..needs.len()).filter(|position| !done.get(*position).copied().unwrap_or(true)).collect();
    for (near, far) in [(needs, users.as_slice()), (users.as_slice(), needs)] {
        let of = |lists: &[Vec<usize>], position: usize| lists.get(position).cloned().unwrap_or_default();
        let mut open: Vec<usize> = left.iter().copied().collect();
        while let Some(position) = open.pop() {
            if left.contains(&position) && !of(near, position).iter().any(|other| left.contains(other)) {
                left.remove(&position);
                open.extend(of(far, position));
            }
        }
    }
    left
}

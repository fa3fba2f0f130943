//! Whose turn it is to be copied: tables that stand aside, in the groups in which they are brought in. One that does not come in
//! tries again later, and does not keep the others. Values in, values out.

use std::time::{Duration, Instant};

use crate::change::members::Member;

/// Before what did not come in tries again: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A group that has tried so often is tried table by table.
const TOGETHER: u32 = 2;

/// Tables that are brought in together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) members: Vec<Member>,
    /// Others read the tables meanwhile.
    pub(super) gently: bool,
    /// How often that was tried.
    pub(super) tries: u32,
    due: Instant,
}

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Turns(Vec<Turn>);

impl Turns {
    /// Adds tables that have come to stand aside, to those of which none was tried. Each is in one turn.
    pub(super) fn add(&mut self, members: Vec<Member>, now: Instant) {
        for turn in &mut self.0 {
            turn.members.retain(|member| members.iter().all(|one| one.oid != member.oid));
        }
        self.0.retain(|turn| !turn.members.is_empty());
        match self.0.iter_mut().find(|turn| turn.tries == 0) {
            Some(turn) => turn.members.extend(members),
            None if members.is_empty() => {}
            None => self.0.push(Turn { members, gently: false, tries: 0, due: now }),
        }
    }

    /// They have not come in.
    pub(super) fn again(&mut self, turn: Turn, gently: bool, now: Instant) {
        if turn.members.is_empty() {
            return;
        }
        let tries = turn.tries + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << turn.tries.min(16)).min(LONGEST_PAUSE);
        let anew = |members| Turn { members, gently: gently || turn.gently, tries, due: now + pause };
        match tries < TOGETHER {
            true => self.0.push(anew(turn.members)),
            false => self.0.extend(turn.members.into_iter().map(|member| anew(vec![member]))),
        }
    }

    /// The tables of all of them.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.iter().flat_map(|turn| &turn.members)
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|turn| turn.due).min()
    }

    /// The next one.
    pub(super) fn take(&mut self) -> Option<Turn> {
        let (at, _) = self.0.iter().enumerate().min_by_key(|(_, turn)| turn.due)?;
        Some(self.0.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Turn, Turns};
    use crate::change::members::Member;
    use crate::pg::QualifiedName;

    fn member(oid: u32) -> Member {
        Member { oid, name: QualifiedName::new("s", format!("t{oid}")) }
    }

    fn oids(turn: &Turn) -> Vec<u32> {
        turn.members.iter().map(|member| member.oid).collect()
    }

    #[test]
    fn what_does_not_come_in_tries_again_later_and_in_the_end_alone() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        turns.add(Vec::new(), start);
        assert_eq!((turns.due(), turns.take()), (None, None));
        turns.add(vec![member(1)], start);
        turns.add(vec![member(2)], after(1));
        let first = turns.take().unwrap();
        assert_eq!((oids(&first), first.gently, first.due), (vec![1, 2], false, start));
        turns.again(first, true, after(2));
        // What has come meanwhile does not wait for it.
        turns.add(vec![member(3)], after(2));
        let new = turns.take().unwrap();
        assert_eq!((oids(&new), new.gently), (vec![3], false));
        assert_eq!(turns.due(), Some(after(3)));
        let second = turns.take().unwrap();
        assert_eq!((oids(&second), second.gently, second.tries), (vec![1, 2], true, 1));
        turns.again(second, false, after(10));
        assert_eq!(turns.due(), Some(after(12)));
        assert_eq!(turns.members().map(|member| member.oid).collect::<Vec<_>>(), [1, 2]);
        let alone = [turns.take().unwrap(), turns.take().unwrap()];
        assert_eq!(alone.clone().map(|turn| oids(&turn)), [vec![1], vec![2]]);
        assert!(alone.iter().all(|turn| turn.gently && turn.tries == 2));
        // One that was let go and stands aside anew has a turn as if it were new.
        let [mut one, other] = alone;
        turns.again(other, false, after(20));
        turns.add(vec![member(2)], after(21));
        let anew = turns.take().unwrap();
        assert_eq!((oids(&anew), anew.gently, anew.tries, turns.due()), (vec![2], false, 0, None));
        // Nothing is left of a turn whose tables were all let go.
        turns.again(Turn { members: Vec::new(), ..anew }, false, start);
        assert_eq!(turns.due(), None);
        for _ in 0..40 {
            turns.again(one, false, start);
            one = turns.take().unwrap();
        }
        assert_eq!(one.due, after(60));
    }
}

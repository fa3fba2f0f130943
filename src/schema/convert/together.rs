//! Steps of what is dropped and made again become one, so that nobody sees the time between: a trigger, a policy or a view
//! is there before and after the transaction, and where the second half fails the first is undone.
//!
//! Everything that the order puts necessarily between two such steps comes into theirs too.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::script::Step;

/// Puts together the steps that `group` gives one number, in an order that still works. Each list is one transaction.
/// Where a value of an enum is added in between, which cannot be used by the transaction that adds it, all stay apart.
pub(super) fn join(steps: Vec<Step>, group: impl Fn(&Step) -> Option<usize>) -> Vec<Vec<Step>> {
    let mut groups = group_of_each(&steps, group);
    let needs: Vec<&[usize]> = steps.iter().map(|step| step.waits_for.as_slice()).collect();
    let order = loop {
        match in_order(&groups, &needs) {
            Ok(order) => break order,
            Err(circle) => {
                let first = circle.iter().min().copied().unwrap_or_default();
                for number in groups.iter_mut().filter(|number| circle.contains(number)) {
                    *number = first;
                }
            }
        }
    };
    let mut lists: BTreeMap<usize, Vec<Step>> = BTreeMap::new();
    let places: BTreeMap<usize, usize> =
        order.iter().zip(0..).map(|(number, place)| (*number, place)).collect();
    let adds_value = |step: &Step| {
        step.sql
            .iter()
            .any(|sql| sql.as_str().starts_with("ALTER TYPE ") && sql.as_str().contains(" ADD VALUE "))
    };
    let mixed = steps
        .iter()
        .zip(&groups)
        .any(|(step, number)| adds_value(step) && groups.iter().filter(|other| *other == number).count() > 1);
    if mixed {
        return steps.into_iter().map(|step| vec![step]).collect();
    }
    for (step, number) in steps.into_iter().zip(&groups) {
        lists.entry(places.get(number).copied().unwrap_or_default()).or_default().push(step);
    }
    lists.into_values().collect()
}

/// The last position among those of its group: a DROP waits for what has to come before the CREATE.
fn group_of_each(steps: &[Step], group: impl Fn(&Step) -> Option<usize>) -> Vec<usize> {
    let groups: Vec<Option<usize>> = steps.iter().map(group).collect();
    let last: BTreeMap<usize, usize> =
        groups.iter().zip(0..).filter_map(|(group, position)| Some(((*group)?, position))).collect();
    let number = |(group, position): (&Option<usize>, usize)| {
        group.and_then(|group| last.get(&group).copied()).unwrap_or(position)
    };
    groups.iter().zip(0..).map(number).collect()
}

/// Groups, each after those that it needs, the smallest number first; or those in circles and between them.
fn in_order(groups: &[usize], needs: &[&[usize]]) -> Result<Vec<usize>, BTreeSet<usize>> {
    let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (group, needs) in groups.iter().zip(needs) {
        let needed = needs.iter().filter_map(|need| groups.get(*need));
        edges.extend(needed.filter(|other| *other != group).map(|other| (*other, *group)));
    }
    let mut open: BTreeMap<usize, usize> = groups.iter().map(|group| (*group, 0)).collect();
    for (_, user) in &edges {
        *open.entry(*user).or_default() += 1;
    }
    let mut ready: BTreeSet<usize> =
        open.iter().filter(|(_, needs)| **needs == 0).map(|(group, _)| *group).collect();
    let mut order = Vec::with_capacity(open.len());
    while let Some(group) = ready.pop_first() {
        open.remove(&group);
        order.push(group);
        for (_, user) in edges.range((group, 0)..=(group, usize::MAX)) {
            if let Some(left) = open.get_mut(user) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(*user);
                }
            }
        }
    }
    if open.is_empty() {
        return Ok(order);
    }
    // What only comes after circles is in none.
    let mut circle: BTreeSet<usize> = open.into_keys().collect();
    loop {
        let is_needed = |group: &usize| {
            edges.range((*group, 0)..=(*group, usize::MAX)).any(|(_, user)| circle.contains(user))
        };
        let kept: BTreeSet<usize> = circle.iter().filter(|group| is_needed(group)).copied().collect();
        if kept.len() == circle.len() {
            return Err(kept);
        }
        circle = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::join;
    use crate::pg::Sql;
    use crate::schema::model::{Address, Rank};
    use crate::schema::script::{Phase, Step, Tolerated};

    fn step(sql: &str, waits_for: &[usize]) -> Step {
        Step {
            makes: Address::new(1, 1),
            rank: Rank::View,
            label: sql.chars().skip(1).collect(),
            phase: Phase::PreData,
            sql: vec![Sql::printed_by_server(sql)],
            waits_for: waits_for.to_vec(),
            needs_rows_of: Vec::new(),
            locks: Vec::new(),
            tolerated: Tolerated::Nothing,
            builds: None,
        }
    }

    /// A step is its sign and a letter; steps of `together` are of one group.
    fn check(steps: &[(&str, &[usize])], together: &[&str], expected: &[&str]) {
        let steps: Vec<Step> = steps.iter().map(|(sql, needs)| step(sql, needs)).collect();
        let joined = join(steps, |step| together.iter().position(|group| group.contains(&step.label)));
        let found: Vec<String> = joined
            .iter()
            .map(|list| list.iter().flat_map(|step| &step.sql).map(Sql::as_str).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_drop_goes_to_its_create_and_what_waits_for_it_comes_after() {
        check(&[("-a", &[]), ("~x", &[]), ("+a", &[0])], &["a"], &["~x", "-a +a"]);
        check(&[("-a", &[]), ("~x", &[0]), ("+a", &[0])], &["a"], &["-a +a", "~x"]);
        check(&[("-a", &[]), ("~x", &[])], &[], &["-a", "~x"]);
    }

    #[test]
    fn what_is_between_comes_along() {
        check(&[("-a", &[]), ("~x", &[0]), ("+a", &[1]), ("~y", &[2])], &["a"], &["-a ~x +a", "~y"]);
        let nested: &[(&str, &[usize])] =
            &[("-v", &[]), ("-f", &[0]), ("~x", &[]), ("+f", &[1]), ("+v", &[0, 3])];
        check(nested, &["f", "v"], &["~x", "-v -f +f +v"]);
    }

    #[test]
    fn a_value_of_an_enum_is_never_among_them() {
        let steps: &[(&str, &[usize])] = &[("-a", &[]), ("ALTER TYPE t ADD VALUE 'x'", &[0]), ("+a", &[1])];
        check(steps, &["a"], &["-a", "ALTER TYPE t ADD VALUE 'x'", "+a"]);
    }
}

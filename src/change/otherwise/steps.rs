//! Renames one after the other, so that each finds its name free: by way of another name where two have changed places. Values in,
//! values out.

/// Renames in an order that can be run on what has these names.
pub(super) fn steps(renames: &[(&str, &str)], names: &[&str]) -> Vec<(String, String)> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut open: Vec<(String, String)> = renames
        .iter()
        .filter(|(from, _)| names.iter().any(|name| name == from))
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
        .collect();
    // A name that is another's here and stays so is not to be had.
    loop {
        let blocked = |to: &String| names.contains(to) && !open.iter().any(|(from, _)| from == to);
        let Some(at) = open.iter().position(|(_, to)| blocked(to)) else { break };
        open.remove(at);
    }
    let mut steps = Vec::new();
    while let Some((first, _)) = open.first() {
        let (from, to) = match open.iter().position(|(_, to)| !names.contains(to)) {
            Some(at) => open.remove(at),
            None => {
                let from = first.clone();
                let mut way = format!("{from}_");
                while names.contains(&way) || open.iter().any(|(_, to)| *to == way) {
                    way.push('_');
                }
                for (one, _) in open.iter_mut().filter(|(one, _)| *one == from) {
                    one.clone_from(&way);
                }
                (from, way)
            }
        };
        for name in names.iter_mut().filter(|name| **name == from) {
            name.clone_from(&to);
        }
        steps.push((from, to));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn renames_can_be_run_one_after_the_other() {
        let run = |renames: &[(&str, &str)], names: &str| {
            let mut names: Vec<String> = names.split(' ').map(str::to_owned).collect();
            for (from, to) in steps(renames, &names.iter().map(String::as_str).collect::<Vec<_>>()) {
                assert!(!names.contains(&to), "{to} is there");
                let at = names.iter().position(|name| *name == from).unwrap();
                names[at] = to;
            }
            names.join(" ")
        };
        assert_eq!(run(&[("a", "b"), ("b", "c"), ("c", "a")], "a b c a_"), "b c a a_");
        assert_eq!(run(&[("a", "b"), ("b", "c"), ("x", "y")], "a b"), "b c");
        // The name of one that stays.
        assert_eq!(run(&[("a", "b"), ("c", "a"), ("d", "e")], "a b c d"), "a b c e");
    }
}

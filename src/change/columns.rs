//! Whether the columns of a table are still those that were copied, though their names are the same: one that was dropped and made
//! anew, one that got the name of another. Values in, values out.

use serde::Deserialize;

use super::meaning::{Kept, Meaning};

/// A column of one side by its number, which it keeps for good and no other one gets (`pg_attribute.attnum`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Column {
    pub number: i16,
    pub name: String,
    /// It is computed.
    pub generated: bool,
    pub meaning: Meaning,
}

impl Column {
    /// Those of a table, as `sql/catalog/member_columns.sql` prints them.
    ///
    /// # Errors
    /// They are not.
    pub fn parse(text: &str) -> Result<Vec<Self>, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// The columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Changes with any of them.
    pub sum: String,
    pub columns: Vec<Column>,
}

/// Which column here was filled from which column there: their numbers.
pub type Pairs = Vec<(i16, i16)>;

/// Pairs columns by their names.
pub fn pair(there: &[Column], here: &[Column]) -> Pairs {
    let named = |name: &str| here.iter().find(|column| column.name == name);
    there.iter().filter_map(|column| Some((column.number, named(&column.name)?.number))).collect()
}

/// The pairs as they are by now, where none was replaced. What was dropped there alone stays the pair of what is here: whoever gets
/// its name is another column.
pub fn renew(pairs: &[(i16, i16)], there: &[Column], here: &[Column]) -> Pairs {
    let mut renewed = pair(there, here);
    let is_known = |(number, _): &&(i16, i16)| there.iter().any(|column| column.number == *number);
    let left: Vec<_> = pairs.iter().filter(|pair| !is_known(pair)).copied().collect();
    renewed.extend(left);
    renewed
}

/// The columns whose name is that of another one than of which the values here are.
pub fn replaced(pairs: &[(i16, i16)], there: &[Column], here: &[Column]) -> Vec<String> {
    let is_here = |number: i16| here.iter().any(|column| column.number == number);
    let is_other = |column: &&Column| {
        let Some(named) = here.iter().find(|one| one.name == column.name) else { return false };
        match pairs.iter().find(|(number, _)| *number == column.number) {
            // What somebody dropped here is nobody's pair.
            Some((_, pair)) => *pair != named.number && is_here(*pair),
            None => pairs.iter().any(|(_, pair)| *pair == named.number),
        }
    };
    there.iter().filter(is_other).map(|column| column.name.clone()).collect()
}

/// What is kept of the source's columns from now on, by their numbers.
pub fn kept(there: &[Column], here: &[Column]) -> Vec<(i16, Kept)> {
    let computed = |name: &str| here.iter().find(|column| column.name == name)?.meaning.computed.clone();
    let kept = |column: &Column| {
        let kept = Kept { there: column.meaning.clone(), computed_here: computed(&column.name) };
        (column.number, kept)
    };
    there.iter().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::{Column, pair, renew, replaced};

    fn columns(text: &str) -> Vec<Column> {
        let column = |text: &str| {
            let (number, name) = text.split_once(':').unwrap();
            Column { number: number.parse().unwrap(), name: name.to_owned(), ..Column::default() }
        };
        text.split_whitespace().map(column).collect()
    }

    #[test]
    fn a_name_is_that_of_another_column() {
        let here = "1:id 2:a 3:b 9:local";
        let pairs = pair(&columns("1:id 2:a 4:b 5:elsewhere"), &columns(here));
        assert_eq!(pairs, [(1, 1), (2, 2), (4, 3)]);
        for (there, here, expected) in [
            ("1:id 2:a 4:b", here, &[][..]),
            // Added, dropped, added again.
            ("1:id 2:a 4:b 6:c", here, &[]),
            ("1:id 4:b", here, &[]),
            ("1:id 4:b 6:a", here, &["a"]),
            // Dropped and added on both sides.
            ("1:id 4:b 6:a", "1:id 3:b 10:a", &[]),
            // Another name: whoever sends it is told; made here as there it is the same column.
            ("1:id 2:x 4:b", here, &[]),
            ("1:id 2:x 4:b", "1:id 2:x 3:b", &[]),
            ("1:id 2:x 4:b", "1:id 3:b 10:x", &[]),
            // One name goes, another gets it.
            ("1:id 4:a", here, &["a"]),
            ("1:id 4:a", "1:id 3:a", &[]),
            // They change places.
            ("1:id 2:b 4:a", here, &["b", "a"]),
            ("1:id 2:b 4:a", "1:id 2:b 3:a", &[]),
            // The name of one that only the destination has.
            ("1:id 2:a 4:b 6:local", here, &[]),
        ] {
            assert_eq!(replaced(&pairs, &columns(there), &columns(here)), expected, "{there} / {here}");
        }
        let (dropped, again) = (columns("1:id 4:b"), columns("1:id 4:b 7:a"));
        let renewed = renew(&pairs, &dropped, &columns(here));
        assert_eq!(renewed, [(1, 1), (4, 3), (2, 2)]);
        assert_eq!(replaced(&renewed, &again, &columns(here)), ["a"]);
    }
}

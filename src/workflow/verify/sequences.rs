//! Sequences of a mirror, which have no moment: what the source had handed out by one must be handed out on the destination
//! soon after.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::view::View;
use crate::connect::Connection;
use crate::engine::copy::sequences::{self, Value};
use crate::engine::verify::compare::Findings;
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Side, Skipped};
use crate::schema::select::Selection;
use crate::workflow::Result;
use crate::workflow::mirror;

/// A running mirror looks after its sequences every half minute.
const SOON: Duration = Duration::from_secs(45);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Where the source's sequences stood.
pub(super) struct Wanted(Vec<(Value, Step)>);

/// How a sequence counts.
#[derive(Clone, Copy, Debug)]
struct Step {
    increment: i64,
    cycles: bool,
}

/// Reads where they stand now.
pub(super) async fn wanted(source: &Connection, selection: &Selection) -> Result<Wanted> {
    let names = mirror::sequences(source, selection).await?;
    let query = Sql::fixed(include_str!("../../../sql/verify/sequence_steps.sql"));
    let rows = source.query(&query, &[]).await?;
    let steps = rows.iter().map(|row| {
        let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
        Ok((name, Step { increment: row.try_get("increment")?, cycles: row.try_get("cycles")? }))
    });
    let steps: std::result::Result<HashMap<QualifiedName, Step>, tokio_postgres::Error> = steps.collect();
    let steps = steps.map_err(|error| source.error(error))?;
    let values = sequences::read(source.client(), &names, Side::Source).await?;
    let known = values.into_iter().filter_map(|value| {
        let step = *steps.get(&value.name)?;
        Some((value, step))
    });
    Ok(Wanted(known.collect()))
}

/// Waits until none on the destination is behind, for as long as that may take; who then is is told.
pub(super) async fn not_behind(destination: &View, wanted: &Wanted) -> Result<(Findings, Vec<Skipped>)> {
    let session = destination.fresh().await?;
    let here: Vec<QualifiedName> = mirror::sequences(&session, &Selection::default()).await?;
    let (mut compared, mut left_out) = (Vec::new(), Vec::new());
    for (value, step) in &wanted.0 {
        let reason = match step {
            Step { cycles: true, .. } => {
                "it begins again at its end, so it cannot be told whether it is behind"
            }
            _ if !here.contains(&value.name) => {
                "the mirror does not follow it: the destination has none of the name"
            }
            _ => {
                compared.push((value, *step));
                continue;
            }
        };
        left_out.push(Skipped { object: format!("sequence {}", value.name), reason: reason.to_owned() });
    }
    let names: Vec<QualifiedName> = compared.iter().map(|(value, _)| value.name.clone()).collect();
    let until = Instant::now() + SOON;
    let behind = loop {
        let values = sequences::read(session.client(), &names, Side::Destination).await?;
        let now: HashMap<&QualifiedName, &Value> = values.iter().map(|value| (&value.name, value)).collect();
        let behind: Vec<String> = compared
            .iter()
            .filter_map(|(wanted, step)| {
                let found = now.get(&wanted.name)?;
                is_behind(found, wanted, step.increment).then(|| {
                    let (at, of) = (found.last_value, wanted.last_value);
                    format!("sequence {}: {at} on the destination, behind {of} of the source", wanted.name)
                })
            })
            .collect();
        if behind.is_empty() || Instant::now() >= until {
            break behind;
        }
        tokio::time::sleep(LOOK).await;
    };
    session.close().await;
    let equal = (compared.len() - behind.len()) as u64;
    Ok((Findings { equal, different: behind }, left_out))
}

/// Whether the next value of one comes before that of the other.
fn is_behind(one: &Value, other: &Value, increment: i64) -> bool {
    let next = |value: &Value| {
        let step = if value.is_called { i128::from(increment) } else { 0 };
        (i128::from(value.last_value) + step) * i128::from(increment.signum())
    };
    next(one) < next(other)
}

#[cfg(test)]
mod tests {
    use super::is_behind;
    use crate::engine::copy::sequences::Value;
    use crate::pg::QualifiedName;

    #[test]
    fn behind_is_where_a_value_would_be_handed_out_again() {
        let value =
            |last_value, is_called| Value { name: QualifiedName::new("a", "s"), last_value, is_called };
        for (one, other, increment, expected) in [
            (value(5, true), value(5, true), 1, false),
            (value(5, true), value(6, true), 1, true),
            (value(5, false), value(5, true), 1, true),
            (value(6, false), value(5, true), 1, false),
            (value(6, true), value(5, true), 1, false),
            (value(-5, true), value(-6, true), -1, true),
            (value(-7, true), value(-6, true), -1, false),
            (value(i64::MAX, true), value(i64::MAX, false), 1, false),
        ] {
            assert_eq!(is_behind(&one, &other, increment), expected, "{one:?} {other:?}");
        }
    }
}

//! What the session that applies is doing, as another session of the destination sees it: at work, or waiting for somebody.

use super::{Error, Result};
use crate::connect::Connection;
use crate::pg::Sql;

/// What it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// A statement is at work, and waits for nobody.
    pub works: bool,
    /// Whom it waits for, in words for people.
    pub waits: Option<String>,
}

/// Looks at the session of this backend; one that is gone does nothing.
pub async fn look(connection: &Connection, pid: i32) -> Result<Busy> {
    let query = Sql::fixed(include_str!("../../../sql/destination/applying.sql"));
    let Some(row) = connection.query_opt(&query, &[&pid]).await? else { return Ok(Busy::default()) };
    let read = || {
        let works: Option<bool> = row.try_get("works")?;
        let on: Option<String> = row.try_get("waits_for")?;
        Ok(Busy {
            works: works.unwrap_or_default(),
            waits: waits(on.as_deref(), &row.try_get::<_, Vec<String>>("blocked_by")?),
        })
    };
    let doing = "looking at what the session that applies waits for";
    read().map_err(|source| Error::Destination { doing, source })
}

fn waits(on: Option<&str>, by: &[String]) -> Option<String> {
    if by.is_empty() {
        return None;
    }
    let what = on.map_or_else(|| "a lock".to_owned(), |relation| format!("a lock on {relation}"));
    Some(format!("the destination waits for {what}, behind {}", by.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::waits;

    #[test]
    fn who_blocks_is_named_with_what_is_locked() {
        let by = ["process 7 of ann, active: LOCK TABLE t".to_owned(), "a prepared transaction".to_owned()];
        let said = "the destination waits for a lock on public.t, behind process 7 of ann, active: LOCK TABLE t; a prepared transaction";
        assert_eq!(waits(Some("public.t"), &by).as_deref(), Some(said));
        assert!(waits(None, &by).is_some_and(|said| said.contains("a lock, behind")));
        assert_eq!(waits(Some("public.t"), &[]), None);
    }
}

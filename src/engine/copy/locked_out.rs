//! Who keeps a read of ours waiting on the source, in words.
//!
//! COPY of a whole table locks that alone. COPY of a range of blocks, and a query that hashes rows, are planned, and the
//! planner locks every index of the table too: there is no way around it. The snapshot's holder has no lock on indexes,
//! since whoever then waited for one would keep all others from that table. So behind an index that somebody has locked
//! in a transaction (`BEGIN; REINDEX INDEX`) such a read waits, as every query on that table there does, and this tells.

use super::holder::Holder;
use super::{Result, Table};
use crate::pg::Sql;
use crate::progress::Warning;
use crate::sql;

/// A session in the way of a read.
pub(super) struct InTheWay {
    pub(super) pid: i32,
    pub(super) warning: Warning,
}

/// Asks over the holder's session, which is in use and so surely there.
pub(super) async fn in_the_way(holder: &Holder, table: &Table) -> Result<Vec<InTheWay>> {
    let query = sql!(
        "WITH wanted (oid) AS (VALUES ({oid}::pg_catalog.oid))\n{query}",
        oid = table.oid,
        query = Sql::fixed(include_str!("../../../sql/source/read_locked_out.sql"))
    );
    // Within a transaction the sessions are those that were looked up first, unless that is forgotten.
    let _forgotten = holder.ask(&Sql::fixed("SELECT pg_catalog.pg_stat_clear_snapshot()")).await??;
    let rows = holder.ask(&query).await??.into_iter().flat_map(|answer| answer.rows);
    Ok(rows.filter_map(|row| told(table, &row)).collect())
}

fn told(table: &Table, row: &[Option<String>]) -> Option<InTheWay> {
    let [Some(pid), Some(user), Some(locked), Some(query)] = row else { return None };
    let message = format!(
        "reading it waits on the source for pid {pid} (user {user}), which has {locked} locked or is about to: {}; \
         the copy goes on when that session's transaction ends",
        query.escape_debug()
    );
    let warning = Warning::new("waits_for_source", message).about(&table.name);
    Some(InTheWay { pid: pid.parse().ok()?, warning })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::QualifiedName;

    #[test]
    fn a_session_in_the_way_is_named_with_what_it_has_locked() {
        let name = QualifiedName::new("public", "t");
        let table = Table { oid: 1, name, bytes: 0, hash: None, analyze: false };
        let row = ["17", "dba", "index i", "REINDEX\nINDEX i"].map(|text| Some(text.to_owned()));
        let told = told(&table, &row).expect("a whole row");
        assert_eq!(told.pid, 17);
        let words = ["pid 17 (user dba)", "index i", "REINDEX\\nINDEX i"];
        assert!(words.iter().all(|word| told.warning.message.contains(word)), "{}", told.warning.message);
        assert!(super::told(&table, &[None, None, None, None]).is_none());
    }
}

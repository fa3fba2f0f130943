//! Who is measured: each tool's command line, as its documentation gives it, up to an analyzed database.
//!
//! The lines run in bash with `pipefail`, and see `SOURCE` and `DESTINATION` (URLs over unix sockets), `WORK` (an empty
//! folder), `OURS` (our program) and `PATH` with PostgreSQL's own programs first.

use crate::data::DataSet;

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Not timed: what stands in the destination before.
    pub(crate) before: &'static str,
    pub(crate) line: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Peer,
    /// No clone, only the rows: what nobody can be faster than without touching the servers' settings.
    Floor,
}

impl Contender {
    /// Whether it means something for a data set. The floor starts two processes a table.
    pub(crate) fn can(&self, set: DataSet) -> bool {
        self.kind != Kind::Floor || set != DataSet::Many
    }
}

pub(crate) fn all() -> Vec<Contender> {
    let mut all = vec![
        // As the peers: nothing verified, nobody asked, two jobs. The empty database that was there is kept beside it: to
        // drop it is to have the destination write a checkpoint first, which no peer waits for.
        ours(
            "ours, --verify none",
            r#"exec "$OURS" --json clone --from source --to destination --verify none --terminate-sessions --jobs 2"#,
        ),
        // What a user gets who types the two names.
        ours("ours, defaults", r#"exec "$OURS" --json clone --from source --to destination"#),
        peer(
            "pg_dump -Fd -j2 + pg_restore -j2",
            r#"pg_dump -Fd -j2 -f "$WORK/dump" "$SOURCE"; pg_restore -j2 -d "$DESTINATION" "$WORK/dump"
               vacuumdb --quiet --analyze-only --jobs=2 --dbname="$DESTINATION""#,
        ),
        // Without the compression that is its default: between two servers on one machine it only costs.
        peer(
            "pg_dump -Fd -j2 -Z0 + pg_restore -j2",
            r#"pg_dump -Fd -j2 -Z0 -f "$WORK/dump" "$SOURCE"; pg_restore -j2 -d "$DESTINATION" "$WORK/dump"
               vacuumdb --quiet --analyze-only --jobs=2 --dbname="$DESTINATION""#,
        ),
        peer(
            "pg_dump | psql",
            r#"pg_dump "$SOURCE" | psql -X -q -v ON_ERROR_STOP=1 -o /dev/null "$DESTINATION"
               vacuumdb --quiet --analyze-only --jobs=2 --dbname="$DESTINATION""#,
        ),
        floor(
            "floor: rows only, text, two streams",
            r#"psql -X -A -t -c "SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY pg_table_size(oid) DESC" "$SOURCE" |
               xargs -P 2 -I '{}' bash -euo pipefail -c 'psql -X -q -c "COPY {} TO STDOUT" "$SOURCE" | psql -X -q -c "COPY {} FROM STDIN" "$DESTINATION"'"#,
        ),
    ];
    if crate::support::installation::program("pgcopydb").is_some() {
        // It vacuums and analyzes every table itself. Its version 0.10 has no binary format to choose.
        all.push(peer(
            "pgcopydb",
            r#"pgcopydb clone --source "$SOURCE" --target "$DESTINATION" --dir "$WORK/pgcopydb""#,
        ));
        all.push(peer(
            "pgcopydb, tuned",
            r#"pgcopydb clone --source "$SOURCE" --target "$DESTINATION" --dir "$WORK/pgcopydb" --table-jobs 2 --index-jobs 2 --split-tables-larger-than 256MB"#,
        ));
    } else {
        eprintln!("SKIPPED pgcopydb: it is not here; `scripts/setup bench` brings it");
    }
    all
}

fn ours(name: &'static str, line: &'static str) -> Contender {
    Contender { name, kind: Kind::Ours, before: "", line }
}

fn peer(name: &'static str, line: &'static str) -> Contender {
    Contender { name, kind: Kind::Peer, before: "", line }
}

fn floor(name: &'static str, line: &'static str) -> Contender {
    let before =
        r#"pg_dump --section=pre-data "$SOURCE" | psql -X -q -v ON_ERROR_STOP=1 -o /dev/null "$DESTINATION""#;
    Contender { name, kind: Kind::Floor, before, line }
}

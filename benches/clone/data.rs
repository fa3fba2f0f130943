//! The data sets: what is in the source database, and how big it is.

use std::process::{Command, Stdio};

use crate::pair::Pair;
use crate::support::Session;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataSet {
    /// pgbench at scale 50: one table holds nearly everything, in rows of integers and blanks.
    Pgbench,
    /// An application's schema, `mixed.sql`.
    Mixed,
    /// A thousand small tables, `many.sql`.
    Many,
}

impl DataSet {
    pub(crate) const ALL: [Self; 3] = [Self::Pgbench, Self::Mixed, Self::Many];

    /// Whether a clone of it is thousands of files. ext4 without a journal does not use the inodes of deleted files
    /// again for minutes, and looks at each of them for every new file: whoever comes after a DROP DATABASE would pay.
    pub(crate) fn has_many_files(self) -> bool {
        self == Self::Many
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pgbench => "pgbench",
            Self::Mixed => "mixed",
            Self::Many => "many",
        }
    }
}

/// How much there is to copy.
pub(crate) struct Size {
    /// Heap and TOAST.
    pub(crate) table_bytes: f64,
    index_bytes: f64,
    tables: u64,
    indexes: u64,
    rows: u64,
}

impl Size {
    pub(crate) fn gigabytes(&self) -> f64 {
        self.table_bytes / 1e9
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "{:.0} MB in {} tables, {} rows; {:.0} MB in {} indexes",
            self.table_bytes / 1e6,
            self.tables,
            self.rows,
            self.index_bytes / 1e6,
            self.indexes
        )
    }
}

/// Makes the source database and leaves it as one that has been in use: vacuumed, analyzed, in the cache.
pub(crate) async fn fill(pair: &Pair, set: DataSet, scale: f64) -> Size {
    eprintln!("filling the data set {} times {scale}", set.name());
    pair.create_source().await;
    let url = pair.source_url();
    match set {
        DataSet::Pgbench => {
            let pgbench_scale = (50.0 * scale).round().max(1.0);
            let scale = pgbench_scale.to_string();
            run("pgbench", &["--initialize", "--quiet", "--foreign-keys", "--scale", &scale, &url]);
            // Its fourth table would stay empty.
            run("pgbench", &["--no-vacuum", "--transactions=2000", "--random-seed=1", &url]);
        }
        DataSet::Mixed => psql(&url, scale, concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clone/mixed.sql")),
        DataSet::Many => psql(&url, scale, concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clone/many.sql")),
    }
    let session = Session::open(&url).await;
    session.execute_all("VACUUM (ANALYZE)").await;
    let query = "SELECT pg_catalog.sum(pg_catalog.pg_table_size(c.oid)), pg_catalog.sum(pg_catalog.pg_indexes_size(c.oid)), \
        pg_catalog.count(*), pg_catalog.sum(c.reltuples::int8), \
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
         WHERE t.relkind = 'r' AND t.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')) \
        FROM pg_catalog.pg_class c \
        WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')";
    let row = session.query_rows(query).await.remove(0);
    let cell = |at: usize| row[at].as_deref().unwrap_or("0").to_owned();
    Size {
        table_bytes: cell(0).parse().unwrap(),
        index_bytes: cell(1).parse().unwrap(),
        tables: cell(2).parse().unwrap(),
        rows: cell(3).parse().unwrap(),
        indexes: cell(4).parse().unwrap(),
    }
}

fn psql(url: &str, scale: f64, file: &str) {
    let scale = format!("scale={scale}");
    run("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", &scale, "-f", file, url]);
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(Pair::programs().join(program));
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
}

//! How much memory our process takes where there is much of something: one transaction of 5,000,000 rows, and 2,000 tables.

use std::time::{Duration, Instant};

use crate::contender::{Contender, Kind};
use crate::cost::Cost;
use crate::options::{Options, Part};
use crate::servers::Servers;
use crate::support::Session;

/// What our process may have at its peak.
pub(crate) const ALLOWED_MIB: u64 = 128;

const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn is_kept(cost: &Cost) -> bool {
    cost.peak_kib <= ALLOWED_MIB * 1024
}

/// Whether our memory stayed within its bound.
pub(crate) async fn run(servers: &Servers, part: Part, options: &Options) -> bool {
    let database = part.name();
    servers.source.execute(&format!("CREATE DATABASE {database}")).await;
    let source = servers.source_session(database).await;
    match part {
        Part::Large => source.execute_all(LARGE).await,
        _ => make_tables(&source, options.scaled(TABLES)).await,
    }
    let mut ours = Contender::new(servers, Kind::Ours, database, &options.program);
    ours.prepare().await;
    let load = Instant::now();
    let name = match part {
        Part::Large => one_transaction(&source, options.scaled(5_000_000)).await,
        _ => in_all_tables(&source, options.scaled(TABLES)).await,
    };
    source.execute_all("INSERT INTO fence VALUES (1)").await;
    eprintln!("{}: the load took {:.1} s", part.name(), load.elapsed().as_secs_f64());
    let here = ours.session().await;
    let before = ours.cost();
    let start = Instant::now();
    ours.start().await;
    while here.query_text("SELECT pg_catalog.count(*) FROM fence").await != "1" {
        assert!(start.elapsed() < PATIENCE, "{name} did not come:\n{}", ours.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let wall = start.elapsed();
    let after = ours.cost();
    let cost = ours.stop().await;
    let [source_cpu, destination_cpu, own] =
        [0, 1, 2].map(|who| after[who].saturating_sub(before[who]).as_secs_f64());
    println!("\n## {}: {name}\n", part.name());
    println!(
        "applied after {:.2} s; CPU of source {source_cpu:.2} s, destination {destination_cpu:.2} s, ours {own:.2} s; \
         {:.0} MiB at the peak (allowed: {ALLOWED_MIB})",
        wall.as_secs_f64(),
        cost.peak_mib()
    );
    drop(here);
    ours.remove().await;
    drop(source);
    servers.source.execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await;
    is_kept(&cost)
}

const LARGE: &str = "CREATE TABLE fence (mark integer PRIMARY KEY);
    CREATE TABLE item (id bigint PRIMARY KEY, owner integer NOT NULL, name text NOT NULL, price numeric(12, 2) NOT NULL,
        changed_at timestamptz NOT NULL)";

/// Half of it inside a subtransaction, which is kept.
async fn one_transaction(source: &Session, rows: u64) -> String {
    let insert = |from: u64, to: u64| {
        format!(
            "INSERT INTO item SELECT n, n % 1000, 'item number ' || n, n % 10000 / 100.0, now() FROM generate_series({from}, {to}) AS n"
        )
    };
    let (first, second) = (insert(1, rows / 2), insert(rows / 2 + 1, rows));
    source.execute_all(&format!("BEGIN; {first}; SAVEPOINT one; {second}; COMMIT")).await;
    format!("one transaction of {rows} rows")
}

const TABLES: u64 = 2_000;

async fn make_tables(source: &Session, tables: u64) {
    source.execute_all("CREATE TABLE fence (mark integer PRIMARY KEY)").await;
    for from in (1..=tables).step_by(200) {
        let to = (from + 199).min(tables);
        source
            .execute_all(&format!(
                "DO $do$ BEGIN FOR i IN {from}..{to} LOOP
                     EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, name text NOT NULL, amount numeric(12, 2), at timestamptz,
                         data jsonb, tags text[], is_open boolean)', i);
                     EXECUTE format('INSERT INTO t%s SELECT n, ''row '' || n, n FROM generate_series(1, 10) AS n', i);
                 END LOOP; END $do$"
            ))
            .await;
    }
}

/// A transaction that changes every table, then one for each table: the widest batch there is.
async fn in_all_tables(source: &Session, tables: u64) -> String {
    let changes = "EXECUTE format('INSERT INTO t%1$s SELECT n, ''new '' || n, n, now(), ''{\"a\": 1}'', ''{x,y}'', true FROM generate_series(11, 20) AS n', i);
         EXECUTE format('UPDATE t%1$s SET name = name || ''!'', at = now() WHERE id <= 5', i);
         EXECUTE format('DELETE FROM t%1$s WHERE id BETWEEN 6 AND 8', i);";
    source
        .execute_all(&format!("DO $do$ BEGIN FOR i IN 1..{tables} LOOP {changes} END LOOP; END $do$"))
        .await;
    let again = "EXECUTE format('UPDATE t%1$s SET amount = amount + 1 WHERE id <= 20', i);
         EXECUTE format('DELETE FROM t%1$s WHERE id BETWEEN 9 AND 12', i); COMMIT;";
    source.execute_all(&format!("DO $do$ BEGIN FOR i IN 1..{tables} LOOP {again} END LOOP; END $do$")).await;
    format!("{tables} tables, all of them changed by one transaction and then one by one")
}

//! How long a backlog takes: the load is made while nobody follows, then each drains it.

use std::time::{Duration, Instant};

use crate::contender::{Contender, Kind};
use crate::cost::Cost;
use crate::load::{self, Stretch};
use crate::memory;
use crate::options::{Options, Part};
use crate::servers::{Servers, program};
use crate::support::Session;

/// Longer than any drain; then something is wrong, and what the follower said is shown.
const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks at the destination.
const TICK: Duration = Duration::from_millis(2);

struct Drained {
    kind: Kind,
    /// When each stretch was all there, from the start on.
    at: Vec<Duration>,
    /// CPU of source, destination and our process.
    cpu: [Duration; 3],
    cost: Cost,
}

/// Whether our memory stayed within its bound.
pub(crate) async fn run(
    servers: &Servers,
    contenders: &mut [Contender<'_>],
    part: Part,
    options: &Options,
    mark: &mut i32,
) -> bool {
    let floors = Floor::create(servers).await;
    let began = Instant::now();
    let stretches = load::make(servers, part, options, mark).await;
    eprintln!("{}: the load took {:.1} s", part.name(), began.elapsed().as_secs_f64());
    let session = servers.source_session("bench").await;
    session.execute_all("VACUUM (ANALYZE)").await;
    let end = session.query_text("SELECT pg_catalog.pg_current_wal_insert_lsn()").await;
    let floors = Floor::measure(servers, &floors, &end).await;
    let mut drained = Vec::new();
    for contender in contenders.iter_mut() {
        contender.rest().await;
        let one = drain(contender, &stretches).await;
        eprintln!("{} {}: {:.2} s", part.name(), one.kind.name(), total(&one).as_secs_f64());
        same(&session, contender).await;
        drained.push(one);
    }
    print(part, &stretches, &drained, &floors);
    drained.iter().all(|one| memory::is_kept(&one.cost))
}

async fn drain(contender: &mut Contender<'_>, stretches: &[Stretch]) -> Drained {
    let session = contender.session().await;
    let before = contender.cost();
    let start = Instant::now();
    contender.start().await;
    let mut at = Vec::new();
    for stretch in stretches {
        let query = format!("SELECT pg_catalog.count(*) FROM fence WHERE mark = {}", stretch.mark);
        while session.query_text(&query).await != "1" {
            assert!(start.elapsed() < PATIENCE, "{} did not come:\n{}", stretch.name, contender.said());
            tokio::time::sleep(TICK).await;
        }
        at.push(start.elapsed());
    }
    let after = contender.cost();
    let cpu = [0, 1, 2].map(|who| after[who].saturating_sub(before[who]));
    Drained { kind: contender.kind, at, cpu, cost: contender.stop().await }
}

fn total(drained: &Drained) -> Duration {
    drained.at.last().copied().unwrap_or_default()
}

/// Every table holds the same rows on both sides.
async fn same(source: &Session, contender: &Contender<'_>) {
    let destination = contender.session().await;
    for table in ["account", "entry", "item", "document", "fence"] {
        let query = format!(
            "SELECT pg_catalog.count(*) || ' ' || COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(t::text, 0)), 0) FROM {table} AS t"
        );
        let (there, here) = (source.query_text(&query).await, destination.query_text(&query).await);
        assert_eq!(there, here, "{} made other rows in {table}", contender.kind.name());
    }
}

fn print(part: Part, stretches: &[Stretch], drained: &[Drained], floors: &[(&str, Duration)]) {
    let names: Vec<&str> = stretches.iter().map(|stretch| stretch.name.as_str()).collect();
    println!("\n## {}: {}\n", part.name(), names.join(", "));
    println!(
        "| {:32} | {:>7} | {:>9} | {:>10} | {:>15} | {:>7} | {:>8} |",
        "drained by", "wall s", "of native", "source CPU", "destination CPU", "own CPU", "peak MiB"
    );
    println!("|{:-<34}|{}", "", [9, 11, 12, 17, 9, 10].map(|width| format!("{:->width$}|", ":")).concat());
    for (name, wall) in floors {
        println!(
            "| {name:32} | {:7.2} | {:>9} | {:>10} | {:>15} | {:>7} | {:>8} |",
            wall.as_secs_f64(),
            "",
            "",
            "",
            "",
            ""
        );
    }
    let native = drained.iter().find(|one| one.kind == Kind::Native).map(total);
    for one in drained {
        let wall = total(one);
        let ratio = native
            .map_or_else(String::new, |native| format!("{:.2}", wall.as_secs_f64() / native.as_secs_f64()));
        let [source, destination, own] = one.cpu.map(|cpu| format!("{:.2}", cpu.as_secs_f64()));
        let (own, peak) = match one.kind {
            Kind::Ours => (own, format!("{:.0}", one.cost.peak_mib())),
            _ => (String::new(), String::new()),
        };
        println!(
            "| {:32} | {:7.2} | {ratio:>9} | {source:>10} | {destination:>15} | {own:>7} | {peak:>8} |",
            one.kind.name(),
            wall.as_secs_f64()
        );
    }
    if stretches.len() > 1 {
        for one in drained {
            let at: Vec<String> = one.at.iter().map(|at| format!("{:.2}", at.as_secs_f64())).collect();
            println!("{} had them after {} s", one.kind.name(), at.join(", "));
        }
    }
    if let (Some(native), Some(ours)) = (native, drained.iter().find(|one| one.kind == Kind::Ours).map(total))
    {
        println!("native takes {:.2} times as long as ours", native.as_secs_f64() / ours.as_secs_f64());
    }
}

/// What decoding alone takes: PostgreSQL's own client, which writes what it gets to nowhere.
struct Floor {
    slot: &'static str,
    name: &'static str,
    options: &'static [&'static str],
}

const FLOORS: [Floor; 2] = [
    Floor { slot: "floor", name: "decode floor (pg_recvlogical)", options: &["--option=proto_version=1"] },
    Floor {
        slot: "floor_streaming",
        name: "decode floor, streaming, binary",
        options: &["--option=proto_version=2", "--option=streaming=on", "--option=binary=true"],
    },
];

impl Floor {
    async fn create(servers: &Servers) -> Vec<Self> {
        let session = servers.source_session("bench").await;
        let there = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_publication WHERE pubname = 'native'";
        if session.query_text(there).await == "0" {
            session.execute_all("CREATE PUBLICATION native FOR ALL TABLES").await;
        }
        for floor in FLOORS {
            let create =
                format!("SELECT pg_catalog.pg_create_logical_replication_slot('{}', 'pgoutput')", floor.slot);
            session.query_text(&create).await;
        }
        FLOORS.into()
    }

    /// Drops the slots too.
    async fn measure(servers: &Servers, floors: &[Self], end: &str) -> Vec<(&'static str, Duration)> {
        let session = servers.source_session("bench").await;
        let mut measured = Vec::new();
        for floor in floors {
            let start = Instant::now();
            let (slot, endpos) = (format!("--slot={}", floor.slot), format!("--endpos={end}"));
            let mut arguments = vec![
                "--dbname=bench",
                "--start",
                "--no-loop",
                "--file=/dev/null",
                "--option=publication_names=native",
                &slot,
                &endpos,
            ];
            arguments.extend(floor.options);
            if program("pg_recvlogical", "bench", servers, &arguments).await.is_some() {
                measured.push((floor.name, start.elapsed()));
            }
            session
                .query_text(&format!("SELECT pg_catalog.pg_drop_replication_slot('{}')", floor.slot))
                .await;
        }
        measured
    }
}

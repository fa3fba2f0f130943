//! Simulated clones: at every moment the percentage is near the truth, and never goes backwards.

mod simulated;

use std::time::Duration;

use simulated::{Clone, MB, index, table};

use super::Tally;
use crate::progress::event::{Event, Status, Warning};
use crate::progress::report::Report;
use crate::progress::update::{Phase, Update, VerifyMode};

fn shapes() -> Vec<(&'static str, Clone)> {
    let mut mixed = vec![(700 * MB, 3)];
    mixed.extend((0..30).map(|n| ((1 + n) * MB, 3)));
    mixed.extend((0..100).map(|_| (16_384, 0)));
    let many = vec![(16_384, 0); 1000];
    let pgbench = vec![(640 * MB, 1), (MB / 4, 0), (MB / 20, 0), (2 * MB, 0)];
    vec![
        ("one big table", Clone { tables: vec![(1300 * MB, 3)], ..Clone::default() }),
        ("pgbench", Clone { tables: pgbench, ..Clone::default() }),
        ("many small", Clone { tables: many, ..Clone::default() }),
        ("mixed", Clone { tables: mixed, ..Clone::default() }),
        ("tiny", Clone { tables: vec![(8192, 1); 5], ..Clone::default() }),
        ("huge", Clone { tables: vec![(20_000 * MB, 4), (5_000 * MB, 4)], lanes: 4, ..Clone::default() }),
    ]
}

type Machine = (&'static str, fn(&mut Clone));

const MACHINES: [Machine; 14] = [
    ("as expected", |_| {}),
    ("three times slower", |clone| {
        clone.copy_bytes_s /= 3.0;
        clone.build_bytes_s /= 3.0;
        clone.scan_bytes_s /= 3.0;
        clone.analyze_bytes_s /= 3.0;
        clone.verify_bytes_s /= 3.0;
        clone.statement *= 3.0;
        clone.table *= 3.0;
        clone.before_plan *= 3.0;
        clone.stage *= 3.0;
    }),
    ("three times faster", |clone| {
        clone.copy_bytes_s *= 3.0;
        clone.build_bytes_s *= 3.0;
        clone.scan_bytes_s *= 3.0;
        clone.analyze_bytes_s *= 3.0;
        clone.verify_bytes_s *= 3.0;
        clone.statement /= 3.0;
        clone.table /= 3.0;
    }),
    ("slow network", |clone| clone.copy_bytes_s = 8e6),
    ("slow statements", |clone| clone.statement = 0.004),
    ("cheap indexes", |clone| clone.index_of_copy = 0.2),
    ("dear indexes", |clone| clone.index_of_copy = 0.6),
    ("dear statistics and checks", |clone| {
        clone.scan_bytes_s = 500e6;
        clone.analyze_bytes_s = 300e6;
    }),
    ("no verify", |clone| clone.verify = VerifyMode::None),
    ("cold verify", |clone| clone.verify_bytes_s = 700e6),
    ("a neighbour in the first half", |clone| clone.neighbour = (0.0, 0.5, 1.7)),
    ("a neighbour in the second half", |clone| clone.neighbour = (0.5, 1.0, 1.7)),
    ("a neighbour in the middle", |clone| clone.neighbour = (0.3, 0.6, 2.0)),
    ("unknown rows, wide copy", |clone| {
        clone.rows_known = false;
        clone.index_progress = false;
        clone.copy_of_disk = 1.2;
    }),
];

#[test]
fn percent_stays_within_20_points_of_the_truth() {
    let mut wrong = Vec::new();
    for (shape, clone) in shapes() {
        for (machine, change) in MACHINES {
            let mut clone = clone.clone();
            change(&mut clone);
            let worst = clone.worst();
            // A clone that is over in a second has nothing to learn from.
            let allowed = if shape == "tiny" { 25.0 } else { 20.0 };
            if worst > allowed {
                wrong.push(format!("{shape}, {machine}: {worst:.1} points"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn checksums_are_expected_to_take_long() {
    for verify_bytes_s in [70e6, 110e6, 180e6] {
        let tables = vec![(1300 * MB, 3)];
        let clone = Clone { tables, verify: VerifyMode::Checksum, verify_bytes_s, ..Clone::default() };
        let worst = clone.worst();
        assert!(worst <= 20.0, "{worst:.1} points at {verify_bytes_s} bytes a second");
    }
}

#[test]
fn an_eta_appears_when_it_means_something_and_holds_the_truth() {
    let (line, total) = Clone { tables: vec![(1300 * MB, 3)], ..Clone::default() }.timeline();
    let mut tally = Tally::new();
    let mut updates = line.into_iter().peekable();
    let mut held = (0, 0);
    for step in 0..(total * 4.0) as u32 {
        let now = f64::from(step) / 4.0;
        while let Some((at, update)) = updates.next_if(|(at, _)| *at <= now) {
            tally.on(update, Duration::from_secs_f64(at));
        }
        let eta = tally.progress(Duration::from_secs_f64(now)).eta_seconds;
        assert!(now >= 2.0 || eta.is_none(), "an ETA out of nothing: {eta:?}");
        if let Some(eta) = eta {
            assert!(eta.low <= eta.high);
            let left = total - now;
            held.1 += 1;
            held.0 += u32::from(eta.low as f64 <= left && left <= eta.high as f64);
        }
    }
    assert!(held.1 > 50 && held.0 * 10 >= held.1 * 8, "{} of {} ranges held the truth", held.0, held.1);
}

#[test]
fn a_stalled_copy_does_not_creep_to_the_end() {
    let (line, _) = Clone { tables: vec![(1300 * MB, 0)], scans: 0, ..Clone::default() }.timeline();
    let mut tally = Tally::new();
    for (at, update) in line.into_iter().take_while(|(at, _)| *at < 6.0) {
        tally.on(update, Duration::from_secs_f64(at));
    }
    let before = tally.progress(Duration::from_secs(6)).percent;
    let after = tally.progress(Duration::from_secs(600)).percent;
    assert!(after - before < 10.0, "{before} became {after} while nothing moved");
}

#[test]
fn events_come_in_order_and_the_report_has_the_counts() {
    let mut tally = Tally::new();
    let mut events = Vec::new();
    let work = Clone { tables: vec![(MB, 1)], ..Clone::default() }.work();
    let updates = [
        Update::Phase(Phase::Plan),
        Update::Plan(work),
        Update::Phase(Phase::Copy),
        Update::TableStarted { table: table(0) },
        Update::Bytes { table: table(0), bytes: 500, rows: 5 },
        Update::TableFinished { table: table(0), rows: 10, bytes: 1000 },
        Update::IndexStarted { index: index(0, 0) },
        Update::IndexFinished { index: index(0, 0) },
        Update::Finished(Box::new(Report::new("job_1", "a", "b"))),
        Update::Phase(Phase::Copy),
    ];
    for (second, update) in updates.into_iter().enumerate() {
        events.extend(tally.on(update, Duration::from_secs(second as u64)));
    }
    let report = events.iter().find_map(|event| match event {
        Event::JobReport(report) => Some(report),
        _ => None,
    });
    let report = report.expect("a report");
    assert_eq!((report.tables, report.rows, report.bytes, report.indexes), (1, 10, 1000, 1));
    assert_eq!((report.elapsed_ms, report.status), (8000, Status::Succeeded));
    assert_eq!(
        events[4],
        Event::TableFinished { table: "public.t0".into(), rows: 10, bytes: 1000, ms: 2000 }
    );
    assert_eq!(events.last(), Some(&Event::JobStatus { status: Status::Succeeded, error: None }));
}

#[test]
fn a_run_of_months_repeats_so_many_warnings_and_counts_the_rest() {
    let mut tally = Tally::new();
    for n in 0..super::WARNINGS + 3 {
        let told = tally.on(Update::Warning(Warning::new("x", n.to_string())), Duration::from_secs(n as u64));
        assert!(matches!(&told[..], [Event::Warning(_)]), "each is told when it comes");
    }
    let end = Update::Finished(Box::new(Report::new("job_1", "a", "b")));
    let ended = tally.on(end, Duration::from_secs(100_000));
    let report = ended.iter().find_map(|event| match event {
        Event::JobReport(report) => Some(report),
        _ => None,
    });
    let report = report.expect("a report");
    assert_eq!(report.warnings.len(), super::WARNINGS + 1);
    assert!(report.warnings.last().is_some_and(|last| last.message.starts_with("3 more warnings")));
}

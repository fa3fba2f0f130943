//! A recorded run as each renderer shows it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use indicatif::{ProgressDrawTarget, TermLike};
use insta::assert_snapshot;

use super::{Bars, Look, Ndjson, Output, Plain, Quiet, Shown, choose, report};
use crate::pg::{Lsn, QualifiedName};
use crate::progress::{
    Counts, Eta, Event, Followed, Frame, History, MirrorPhase, Phase, Progress, Report, Skipped, Status,
    TablePercent, Tables, Timestamp, Undo, Verification, VerifyMode, Warning,
};
use crate::workflow::report::Subscriber;

/// Somewhere to write that can be read afterwards.
#[derive(Clone, Debug, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run with a table whose name would clear the screen.
fn recorded() -> Vec<Frame> {
    let nasty = QualifiedName::new("public", "a\x1b[2J\nb").to_string();
    let mut history = History::new("e1", 0, 100);
    let at = |ms: u64| Timestamp::from_unix_ms(1_764_000_000_000 + ms);
    let mut frames = Vec::new();
    let mut event = |ms, event| history.publish(event, at(ms));
    frames.push(event(0, Event::JobStatus { status: Status::Running, error: None }));
    frames.push(event(0, Event::JobPhase { phase: Phase::Preflight }));
    let warning = Warning::new("role_missing", "role \"app\x07\" is missing; its grants are left out");
    frames.push(event(400, Event::Warning(warning.about(&nasty))));
    frames.push(event(900, Event::JobPhase { phase: Phase::Copy }));
    frames.push(event(950, Event::TableStarted { table: nasty.clone() }));
    for (ms, percent) in [(1000, 4.0), (1250, 6.0), (5000, 9.1), (11_500, 9.3), (12_000, 55.0)] {
        let data = Progress {
            percent,
            estimate: true,
            bytes_done: ms * 1000,
            bytes_total: 20_000_000,
            rows_done: ms,
            rate_bytes_s: 1_000_000,
            eta_seconds: (ms > 2000).then_some(Eta { low: 8, high: 12 }),
            table_counts: Tables { done: 0, running: 1, total: 1 },
            tables: vec![TablePercent { table: nasty.clone(), percent }],
            indexes: Counts { done: 0, total: 2 },
            constraints: Counts { done: 0, total: 1 },
            operation: format!("COPY {nasty}"),
        };
        frames.push(Frame::Progress { sub: None, ts: at(ms), data });
    }
    frames.push(event(
        19_000,
        Event::TableFinished { table: nasty, rows: 910_233, bytes: 20_000_000, ms: 18_050 },
    ));
    frames.push(event(20_000, Event::JobPhase { phase: Phase::Swap }));
    let kept_as = Some("mbs_old_app".to_owned());
    frames.push(event(20_100, Event::SwapDone { database: "app".to_owned(), kept_as }));
    let done =
        Progress { percent: 100.0, bytes_done: 20_000_000, bytes_total: 20_000_000, ..Progress::default() };
    frames.push(Frame::Progress { sub: None, ts: at(20_200), data: done });
    frames.push(event(20_200, Event::JobReport(Box::new(outcome()))));
    frames.push(event(20_200, Event::JobStatus { status: Status::Succeeded, error: None }));
    frames
}

fn outcome() -> Report {
    let no_key = |table: &str| Warning::new("no_key", "has no primary key").about(table);
    let skip = |object: &str| Skipped {
        object: object.to_owned(),
        reason: "extension postgis is not on the destination".to_owned(),
    };
    Report {
        status: Status::Succeeded,
        elapsed_ms: 20_200,
        tables: 1,
        rows: 910_233,
        bytes: 20_000_000,
        indexes: 2,
        constraints: 1,
        verification: Some(Verification {
            mode: VerifyMode::Counts,
            equal: 12,
            different: Vec::new(),
            left_out: Vec::new(),
            rows: Vec::new(),
            as_of: None,
        }),
        profile: Some("supabase of the source: it has schema auth".to_owned()),
        created: vec!["role anon, without login".to_owned()],
        skipped: vec![skip("view public.map"), skip("table public.places")],
        warnings: vec![
            no_key("public.log"),
            Warning::new("skipped", "extension postgis is not on the destination").about("view public.map"),
            no_key("public.audit"),
            Warning::new("slow", "a\x1b[2J thing"),
        ],
        undo: Some(Undo {
            kind: "rename".to_owned(),
            available: true,
            kept_as: "mbs_old_app".to_owned(),
            command: "multiboard-sync undo job_1".to_owned(),
        }),
        ..Report::new("job_1", "staging", "local")
    }
}

fn show(mut output: impl Output) {
    for frame in recorded() {
        output.show(&frame).unwrap();
    }
}

#[test]
fn plain_lines_come_every_ten_seconds_or_five_per_cent() {
    let (out, err) = (Page::default(), Page::default());
    show(Plain::new(out.clone(), err.clone()));
    assert_snapshot!(err.text(), @r#"
[    0.0 s] phase preflight
[    0.4 s] warning: public."a\u{1b}[2J\nb": role "app\u{7}" is missing; its grants are left out (role_missing)
[    0.9 s] phase copy
[    1.0 s]   4.0 % · 1.0 MB of 20.0 MB · 1.0 MB/s · COPY public."a\u{1b}[2J\nb"
[    5.0 s]   9.1 % · 5.0 MB of 20.0 MB · 1.0 MB/s · 8-12 s left · COPY public."a\u{1b}[2J\nb"
[   12.0 s]  55.0 % · 12.0 MB of 20.0 MB · 1.0 MB/s · 8-12 s left · COPY public."a\u{1b}[2J\nb"
[   20.0 s] phase swap
[   20.1 s] database app is in place; the old one is kept as mbs_old_app
[   20.2 s] 100.0 % · 20.0 MB of 20.0 MB
"#);
    assert_snapshot!(out.text(), @r#"
staging -> local: done
  copied    1 table, 910,233 rows, 20.0 MB in 20.2 s
  built     2 indexes, 1 constraint
  verified  12 objects equal by counts
  profile   supabase of the source: it has schema auth
  created   role anon, without login
  skipped   extension postgis is not on the destination (2 times)
            - view public.map
            - table public.places
  warnings  a\u{1b}[2J thing
  warnings  has no primary key (2 times)
            - public.log
            - public.audit
  undo      multiboard-sync undo job_1   (the old database is kept as mbs_old_app)
  job       job_1
"#);
}

/// A mirror that follows: phases, and how far it is behind, not more often than anybody reads it.
#[test]
fn a_mirror_says_how_far_it_is_behind() {
    let mut history = History::new("e1", 0, 100);
    let at = |ms: u64| Timestamp::from_unix_ms(1_764_000_000_000 + ms);
    let mut event = |ms, event| history.publish(event, at(ms));
    let phase = |phase| Event::MirrorPhase { phase, error: None };
    let lag = |bytes, seconds| Event::MirrorLag { bytes, seconds, retained_wal_bytes: bytes };
    let frames = [
        event(0, phase(MirrorPhase::Snapshotting)),
        event(10, phase(MirrorPhase::CatchingUp)),
        event(20, lag(7_000_000_000, None)),
        event(1000, lag(4_000_000_000, Some(4000.0))),
        event(2000, phase(MirrorPhase::Streaming)),
        event(2100, lag(1_200_000, Some(0.42))),
        event(9000, lag(900_000, Some(0.3))),
        event(12_200, lag(0, Some(0.0))),
        event(12_300, phase(MirrorPhase::Paused)),
        event(12_400, lag(600, Some(0.1))),
    ];
    let err = Page::default();
    let mut plain = Plain::new(Page::default(), err.clone());
    for frame in &frames {
        plain.show(frame).unwrap();
    }
    assert_snapshot!(err.text(), @r#"
[    0.0 s] snapshotting
[    0.0 s] catching up
[    0.0 s] catching up, 7.0 GB behind
[    2.0 s] streaming
[    2.1 s] streaming, 1.2 MB (0.4 s) behind
[   12.2 s] streaming, 0 B (0.0 s) behind
[   12.3 s] paused
[   12.4 s] paused, 600 B (0.1 s) behind
"#);
    let terminal = Terminal::default();
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
    let mut bars = Bars::on(Page::default(), target, true);
    for frame in &frames {
        bars.show(frame).unwrap();
    }
    let drawn = terminal.0.text();
    for part in [
        "catching up, 7.0 GB behind",
        "catching up, 4.0 GB (1 h 06 min) behind",
        "paused, 600 B (0.1 s) behind",
    ] {
        assert!(drawn.contains(part), "{part:?} is not in {drawn}");
    }
}

#[test]
fn ndjson_has_the_shapes_of_the_websocket() {
    let out = Page::default();
    show(Ndjson::new(out.clone()));
    let text = out.text();
    let back: Vec<Frame> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, recorded());
    let shown: Vec<&str> = text.lines().filter(|line| !line.contains("job.report")).take(7).collect();
    assert_snapshot!(shown.join("\n"), @r#"
{"type":"event","seq":1,"ts":"2025-11-24T16:00:00Z","event":"job.status","data":{"status":"running","error":null}}
{"type":"event","seq":2,"ts":"2025-11-24T16:00:00Z","event":"job.phase","data":{"phase":"preflight"}}
{"type":"event","seq":3,"ts":"2025-11-24T16:00:00.4Z","event":"warning","data":{"code":"role_missing","message":"role \"app\u0007\" is missing; its grants are left out","object":"public.\"a\\u{1b}[2J\\nb\""}}
{"type":"event","seq":4,"ts":"2025-11-24T16:00:00.9Z","event":"job.phase","data":{"phase":"copy"}}
{"type":"event","seq":5,"ts":"2025-11-24T16:00:00.95Z","event":"table.started","data":{"table":"public.\"a\\u{1b}[2J\\nb\""}}
{"type":"progress","ts":"2025-11-24T16:00:01Z","data":{"percent":4.0,"estimate":true,"bytes_done":1000000,"bytes_total":20000000,"rows_done":1000,"rate_bytes_s":1000000,"eta_seconds":null,"table_counts":{"done":0,"running":1,"total":1},"tables":[{"table":"public.\"a\\u{1b}[2J\\nb\"","percent":4.0}],"indexes":{"done":0,"total":2},"constraints":{"done":0,"total":1},"operation":"COPY public.\"a\\u{1b}[2J\\nb\""}}
{"type":"progress","ts":"2025-11-24T16:00:01.25Z","data":{"percent":6.0,"estimate":true,"bytes_done":1250000,"bytes_total":20000000,"rows_done":1250,"rate_bytes_s":1000000,"eta_seconds":null,"table_counts":{"done":0,"running":1,"total":1},"tables":[{"table":"public.\"a\\u{1b}[2J\\nb\"","percent":6.0}],"indexes":{"done":0,"total":2},"constraints":{"done":0,"total":1},"operation":"COPY public.\"a\\u{1b}[2J\\nb\""}}
"#);
}

#[test]
fn quiet_tells_warnings_only() {
    let err = Page::default();
    show(Quiet::new(err.clone()));
    assert_snapshot!(err.text(), @r#"
warning: public."a\u{1b}[2J\nb": role "app\u{7}" is missing; its grants are left out (role_missing)
"#);
}

#[test]
fn the_report_of_a_difference_cannot_be_overlooked() {
    let mut of = outcome();
    of.status = Status::Failed;
    of.undo = None;
    of.skipped.clear();
    of.created.clear();
    of.profile = None;
    of.warnings.clear();
    let different = (0..12).map(|n| format!("table public.t{n}: 7 rows and 8 rows")).collect();
    of.verification = Some(Verification {
        mode: VerifyMode::Checksum,
        equal: 3,
        different,
        left_out: Vec::new(),
        rows: Vec::new(),
        as_of: None,
    });
    assert_snapshot!(report::text(&of), @r#"
staging -> local: failed
  copied    1 table, 910,233 rows, 20.0 MB in 20.2 s
  built     2 indexes, 1 constraint
  verified  12 objects DIFFERENT, 3 objects equal by checksums
            - table public.t0: 7 rows and 8 rows
            - table public.t1: 7 rows and 8 rows
            - table public.t2: 7 rows and 8 rows
            - table public.t3: 7 rows and 8 rows
            - table public.t4: 7 rows and 8 rows
            - table public.t5: 7 rows and 8 rows
            - table public.t6: 7 rows and 8 rows
            - table public.t7: 7 rows and 8 rows
            - table public.t8: 7 rows and 8 rows
            - table public.t9: 7 rows and 8 rows
            - and 2 more
  job       job_1
"#);
}

#[test]
fn the_report_of_a_mirror_that_went_on_tells_of_no_copy() {
    let followed = Followed {
        transactions: 1,
        rows: 12_400,
        applied_lsn: Some(Lsn::from_u64(0x3F2B_E3C0)),
        reconnects: 2,
    };
    let of = Report {
        status: Status::Succeeded,
        elapsed_ms: 245_000,
        followed: Some(followed),
        ..Report::new("job_1", "staging", "local")
    };
    assert_snapshot!(report::text(&of), @r#"
staging -> local: done
  followed  1 transaction, 12,400 rows, up to 0/3F2BE3C0, in 4 min 05 s; 2 reconnects
  job       job_1
"#);
}

#[test]
fn the_job_json_has_the_counts_under_tables() {
    let progress =
        Progress { table_counts: Tables { done: 41, running: 2, total: 58 }, ..Progress::default() };
    let json = serde_json::to_value(crate::progress::JobProgress::from(progress)).unwrap();
    assert_eq!(json["tables"], serde_json::json!({"done": 41, "running": 2, "total": 58}));
    assert_eq!(json["eta_seconds"], serde_json::Value::Null);
}

/// A terminal of 100 columns that keeps what is written.
#[derive(Clone, Debug, Default)]
struct Terminal(Page);

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        100
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(&format!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.clone().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn bars_show_the_whole_the_running_tables_and_keep_warnings() {
    let (out, terminal) = (Page::default(), Terminal::default());
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
    show(Bars::on(out.clone(), target, true));
    let drawn = terminal.0.text();
    assert!(!drawn.contains('\x1b') && !drawn.contains('\x07'), "{drawn:?}");
    for part in [
        "warning: public.\"a\\u{1b}[2J\\nb\": role \"app\\u{7}\" is missing",
        "55.0 % copy · 12.0 MB of 20.0 MB · 1.0 MB/s · 8-12 s left",
        "55 % public.\"a\\u{1b}[2J\\nb\"",
        "database app is in place; the old one is kept as mbs_old_app",
    ] {
        assert!(drawn.contains(part), "{part:?} is not in {drawn}");
    }
    assert!(out.text().starts_with("staging -> local: done\n"));
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let look = Look { json: true, ..Look::default() };
    let mut shown = Shown::new(choose(look, Box::new(Closed), Box::new(Closed)));
    for frame in recorded() {
        shown.frame(&frame);
    }
    assert!(shown.output.is_none());
}

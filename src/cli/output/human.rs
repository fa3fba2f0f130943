//! Numbers and sentences as people read them; nothing that a server said can move the cursor.

use std::time::Duration;

use crate::progress::{Eta, Lag, MirrorPhase, Problem, Progress, Warning};

/// `3.1 GB`, in units of 1000.
pub(in crate::cli) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    let mut unit = UNITS.iter();
    let mut name = unit.next().copied().unwrap_or_default();
    while value >= 999.95
        && let Some(next) = unit.next()
    {
        value /= 1000.0;
        name = next;
    }
    if name == "B" { format!("{count} B") } else { format!("{value:.1} {name}") }
}

/// `12,400,311`.
pub(in crate::cli) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 table`, `12 tables`.
pub(in crate::cli) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 14 min`.
pub(in crate::cli) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `20-30 s left`, `3-5 min left`.
pub(in crate::cli) fn eta(eta: Eta) -> String {
    let (low, high, unit) = match eta.high {
        0..120 => (eta.low, eta.high, "s"),
        120..7200 => (eta.low / 60, eta.high.div_ceil(60), "min"),
        _ => (eta.low / 3600, eta.high.div_ceil(3600), "h"),
    };
    if low == high { format!("{high} {unit} left") } else { format!("{low}-{high} {unit} left") }
}

/// ` 62.4 % · 3.3 GB of 5.3 GB · 88.1 MB/s · 20-30 s left · COPY public.events`.
pub(in crate::cli) fn progress(progress: &Progress) -> String {
    let mut parts = vec![format!("{:5.1} %", progress.percent)];
    if progress.bytes_total > 0 {
        parts.push(format!("{} of {}", bytes(progress.bytes_done), bytes(progress.bytes_total)));
    }
    if progress.rate_bytes_s > 0 {
        parts.push(format!("{}/s", bytes(progress.rate_bytes_s)));
    }
    if let Some(left) = progress.eta_seconds {
        parts.push(eta(left));
    }
    if !progress.operation.is_empty() {
        parts.push(safe(&progress.operation));
    }
    parts.join(" · ")
}

/// `1.2 MB (0.4 s)`; without the time where that is not known.
pub(in crate::cli) fn lag(lag: Lag) -> String {
    match lag.seconds {
        Some(seconds) if seconds < 60.0 => format!("{} ({seconds:.1} s)", bytes(lag.bytes)),
        Some(seconds) => format!("{} ({})", bytes(lag.bytes), duration(Duration::from_secs_f64(seconds))),
        None => bytes(lag.bytes),
    }
}

/// `streaming, 1.2 MB (0.4 s) behind`.
pub(in crate::cli) fn mirror(phase: MirrorPhase, behind: Option<Lag>) -> String {
    let name = phase.name().replace('_', " ");
    match behind {
        Some(behind) => format!("{name}, {} behind", lag(behind)),
        None => name,
    }
}

/// `warning: public.t: it has no primary key (no_key)`.
pub(in crate::cli) fn warning(warning: &Warning) -> String {
    let about = warning.object.as_ref().map(|object| format!("{}: ", safe(object))).unwrap_or_default();
    format!("warning: {about}{} ({})", safe(&warning.message), safe(&warning.code))
}

/// Error and hint, in the words of `cli::complain`.
pub(in crate::cli) fn problem(problem: &Problem) -> String {
    let mut text = format!("error: {}", safe(&problem.message));
    if let Some(hint) = &problem.hint {
        text.push_str("\nhint: ");
        text.push_str(&safe(hint));
    }
    text
}

/// Text from elsewhere with its control characters escaped, direction overrides included.
pub(in crate::cli) fn safe(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, count, duration, eta, safe};
    use crate::progress::Eta;

    #[test]
    fn numbers_read_well() {
        let shown = [0, 999, 1000, 999_949, 999_950, 3_328_599_654].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "3.3 GB"]);
        assert_eq!([7, 999, 1000, 12_400_311].map(count), ["7", "999", "1,000", "12,400,311"]);
        let shown = [0.85, 12.34, 245.0, 8040.0].map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(shown, ["850 ms", "12.3 s", "4 min 05 s", "2 h 14 min"]);
        let shown = [(20, 30), (100, 170), (5, 5)].map(|(low, high)| eta(Eta { low, high }));
        assert_eq!(shown, ["20-30 s left", "1-3 min left", "5 s left"]);
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(safe("a\x1b[2Jb\r\n\u{202e}c ü"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c ü");
    }
}

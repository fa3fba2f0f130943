//! Whether a job is tried again after a run of it failed, and when. Values in, values out.

use std::time::Duration;

use super::record::{Kind, Record};
use crate::failure::Next;

/// Runs of a job that may fail in a row; a mirror is tried for as long as what it meets may pass by itself.
const ATTEMPTS: u32 = 3;

/// Before the first repetition; each further one waits three times as long.
const PAUSE: Duration = Duration::from_secs(5);

/// It waits no longer than this.
const LONGEST: Duration = Duration::from_secs(300);

/// A run of this length had its way: what it met is new.
const LONG_RUN_MS: i64 = 10 * 60 * 1000;

/// What follows from the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The job is over.
    Over,
    /// It is tried again, after so long.
    Again(Duration),
}

/// Why a run ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It failed, and this may happen next.
    Failed(Next),
    /// Its process died.
    ProcessGone,
    /// The job was cancelled.
    Cancelled,
    /// The server that ran it was stopped: the next one goes on.
    Shutdown,
}

/// Counts a failed run in the record, which still says when the run began, and decides what follows.
pub fn after(record: &mut Record, cause: Cause, now_ms: i64) -> Verdict {
    let again = match cause {
        Cause::Cancelled => return Verdict::Over,
        Cause::Shutdown => return Verdict::Again(Duration::ZERO),
        Cause::Failed(Next::Operator | Next::Bug) => false,
        Cause::Failed(Next::Retry) | Cause::ProcessGone => true,
    };
    let was_long = record.started_ms.is_some_and(|began| now_ms.saturating_sub(began) >= LONG_RUN_MS);
    record.failures = if was_long { 1 } else { record.failures.saturating_add(1) };
    if !again || (record.kind != Kind::Mirror && record.failures >= ATTEMPTS) {
        return Verdict::Over;
    }
    if cause == Cause::ProcessGone && record.failures == 1 {
        // What ended the process has passed: it is looked at by the next one.
        return Verdict::Again(Duration::ZERO);
    }
    let times = 3_u32.saturating_pow(record.failures.saturating_sub(1));
    Verdict::Again(PAUSE.saturating_mul(times).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cause, LONG_RUN_MS, Verdict, after};
    use crate::failure::Next;
    use crate::id::JobId;
    use crate::job::{Kind, Record};

    fn record(kind: Kind) -> Record {
        Record { started_ms: Some(0), ..Record::new(JobId::generate(), kind, "a", "b", "c", 0) }
    }

    fn again(seconds: u64) -> Verdict {
        Verdict::Again(Duration::from_secs(seconds))
    }

    #[test]
    fn what_may_pass_is_tried_three_times_and_longer_apart() {
        let mut clone = record(Kind::Clone);
        let mut fails = |cause| after(&mut clone, cause, 1_000);
        assert_eq!(fails(Cause::Failed(Next::Retry)), again(5));
        assert_eq!(fails(Cause::Shutdown), again(0));
        assert_eq!(fails(Cause::ProcessGone), again(15));
        assert_eq!(fails(Cause::Failed(Next::Retry)), Verdict::Over);
    }

    #[test]
    fn one_whose_process_died_goes_on_at_once_and_not_without_end() {
        let mut clone = record(Kind::Clone);
        let mut dies = || after(&mut clone, Cause::ProcessGone, 1_000);
        assert_eq!([dies(), dies(), dies()], [again(0), again(15), Verdict::Over]);
    }

    #[test]
    fn a_mirror_is_tried_for_good() {
        let mut mirror = record(Kind::Mirror);
        let mut last = Verdict::Over;
        for _ in 0..100 {
            last = after(&mut mirror, Cause::Failed(Next::Retry), 1_000);
        }
        assert_eq!(last, again(300));
        assert_eq!(
            after(&mut mirror, Cause::Failed(Next::Retry), LONG_RUN_MS),
            again(5),
            "it had run for long"
        );
    }

    #[test]
    fn what_a_person_has_to_mend_is_over() {
        for kind in Kind::ALL {
            for cause in [Cause::Failed(Next::Operator), Cause::Failed(Next::Bug), Cause::Cancelled] {
                assert_eq!(after(&mut record(kind), cause, 1_000), Verdict::Over);
            }
        }
    }
}

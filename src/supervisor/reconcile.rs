//! What a supervisor has to do, from what should run and what runs. Values in, values out, time as an argument.

use std::collections::BTreeSet;

use crate::id::JobId;
use crate::job::{Kind, Record};
use crate::progress::Status;

/// A job that has not ended, as it is seen now. Those of commands are not seen here: they belong to their processes.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) record: Record,
    /// Somebody wants it to end.
    pub(super) cancel: bool,
    /// This process runs it.
    pub(super) runs: bool,
    /// It was told to end.
    pub(super) told: bool,
    /// While another job writes to its destination it is to end, and say so.
    pub(super) refuses: bool,
}

/// What is to be done about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Run it.
    Start(JobId),
    /// Tell the run to clean up and end.
    Stop(JobId),
    /// It does not run: remove what an earlier run may have left, and say that it is cancelled.
    Cancel(JobId),
}

/// How many run at once. Mirrors are not counted: they run for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) jobs: usize,
}

/// What is to be done now, in this order; and when it is to be asked again at the latest, in milliseconds since 1970, where that is
/// known.
pub(super) fn reconcile(jobs: &[Seen], limits: Limits, now_ms: i64) -> (Vec<Action>, Option<i64>) {
    let mut actions = Vec::new();
    let counted = |job: &&Seen| job.record.kind != Kind::Mirror;
    // A mirror writes for good: whoever waited for it would wait for ever, and is told by its run.
    let mut written: BTreeSet<&str> =
        jobs.iter().filter(|job| job.runs).filter(counted).filter_map(writes).collect();
    let mut free = limits.jobs.saturating_sub(jobs.iter().filter(|job| job.runs).filter(counted).count());
    let mut next = None;
    let mut waiting = Vec::new();
    for job in jobs {
        let id = || job.record.id.clone();
        match (job.cancel, job.runs) {
            (true, true) if !job.told => actions.push(Action::Stop(id())),
            (true, false) => actions.push(Action::Cancel(id())),
            (false, false) if matches!(job.record.status, Status::Queued | Status::Retrying) => {
                match job.record.not_before_ms.filter(|then| *then > now_ms) {
                    Some(then) => next = Some(next.map_or(then, |known: i64| known.min(then))),
                    None => waiting.push(job),
                }
            }
            _ => {}
        }
    }
    // The oldest first; one whose destination is being written to lets others go first.
    waiting.sort_by(|a, b| (a.record.created_ms, &a.record.id).cmp(&(b.record.created_ms, &b.record.id)));
    for job in waiting {
        let is_counted = counted(&job);
        let is_busy = writes(job).is_some_and(|destination| written.contains(destination));
        if (is_counted && free == 0) || (is_busy && !job.refuses) {
            continue;
        }
        written.extend(writes(job));
        free -= usize::from(is_counted);
        actions.push(Action::Start(job.record.id.clone()));
    }
    (actions, next)
}

/// The destination that a job writes to, as the configuration names it. Two names of one database are told apart on its server.
fn writes(job: &Seen) -> Option<&str> {
    match job.record.kind {
        Kind::Clone | Kind::Mirror => job.record.to.as_deref(),
        Kind::Verify | Kind::Test => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Limits, Seen, reconcile};
    use crate::id::JobId;
    use crate::job::{Kind, Record, RunBy};
    use crate::progress::Status;

    const LIMITS: Limits = Limits { jobs: 2 };

    fn job(kind: Kind, to: &str, created_ms: i64) -> Seen {
        let record = Record {
            to: Some(to.to_owned()),
            run_by: RunBy::Server,
            ..Record::new(JobId::generate(), kind, "a", to, "app", created_ms)
        };
        Seen { record, cancel: false, runs: false, told: false, refuses: false }
    }

    fn running(job: Seen) -> Seen {
        let record = Record { status: Status::Running, ..job.record };
        Seen { record, runs: true, ..job }
    }

    fn id(job: &Seen) -> JobId {
        job.record.id.clone()
    }

    #[test]
    fn the_oldest_go_first_and_no_more_than_there_is_room_for() {
        let jobs = [job(Kind::Clone, "x", 3), job(Kind::Clone, "y", 1), job(Kind::Test, "-", 2)];
        let (actions, _) = reconcile(&jobs, LIMITS, 10);
        assert_eq!(actions, [Action::Start(id(&jobs[1])), Action::Start(id(&jobs[2]))]);
        let jobs = jobs.map(running);
        assert_eq!(reconcile(&jobs, LIMITS, 10), (vec![], None));
    }

    #[test]
    fn mirrors_take_nobodys_room() {
        let mirrors: Vec<Seen> = (0..5).map(|n| running(job(Kind::Mirror, &format!("m{n}"), n))).collect();
        let clone = job(Kind::Clone, "x", 9);
        let start = Action::Start(id(&clone));
        let jobs: Vec<Seen> = mirrors.into_iter().chain([clone]).collect();
        assert_eq!(reconcile(&jobs, LIMITS, 10).0, [start]);
    }

    #[test]
    fn one_writes_to_a_destination_at_a_time_and_others_pass_by() {
        let jobs = [
            running(job(Kind::Clone, "x", 1)),
            job(Kind::Clone, "x", 2),
            job(Kind::Clone, "y", 3),
            job(Kind::Clone, "y", 4),
        ];
        assert_eq!(reconcile(&jobs, Limits { jobs: 9 }, 10).0, [Action::Start(id(&jobs[2]))]);
        let mut refusing = [running(job(Kind::Clone, "x", 1)), job(Kind::Clone, "x", 2)];
        refusing[1].refuses = true;
        assert_eq!(reconcile(&refusing, LIMITS, 10).0, [Action::Start(id(&refusing[1]))]);
        let mirrored = [running(job(Kind::Mirror, "x", 1)), job(Kind::Clone, "x", 2)];
        assert_eq!(reconcile(&mirrored, LIMITS, 10).0, [Action::Start(id(&mirrored[1]))]);
        let comparing = [running(job(Kind::Mirror, "x", 1)), job(Kind::Verify, "x", 2)];
        assert_eq!(reconcile(&comparing, LIMITS, 10).0, [Action::Start(id(&comparing[1]))]);
    }

    #[test]
    fn one_that_is_tried_again_waits_for_its_time() {
        let mut jobs = [job(Kind::Clone, "x", 1), job(Kind::Clone, "y", 2)];
        for (job, then) in jobs.iter_mut().zip([20, 15]) {
            (job.record.status, job.record.not_before_ms) = (Status::Retrying, Some(then));
        }
        assert_eq!(reconcile(&jobs, LIMITS, 10), (vec![], Some(15)));
        assert_eq!(reconcile(&jobs, LIMITS, 15), (vec![Action::Start(id(&jobs[1]))], Some(20)));
    }

    #[test]
    fn what_is_to_end_is_told_once_and_what_does_not_run_is_cancelled() {
        let mut jobs = [running(job(Kind::Clone, "x", 1)), job(Kind::Clone, "y", 2)];
        jobs.iter_mut().for_each(|job| job.cancel = true);
        let expected = [Action::Stop(id(&jobs[0])), Action::Cancel(id(&jobs[1]))];
        assert_eq!(reconcile(&jobs, LIMITS, 10).0, expected);
        jobs[0].told = true;
        assert_eq!(reconcile(&jobs[..1], LIMITS, 10).0, []);
    }

    #[test]
    fn what_another_process_may_run_is_left_alone() {
        // A status that only a run gives, and no run of ours: `settle` says what becomes of it.
        let mut jobs = [job(Kind::Clone, "x", 1)];
        jobs[0].record.status = Status::Running;
        assert_eq!(reconcile(&jobs, LIMITS, 10), (vec![], None));
    }
}

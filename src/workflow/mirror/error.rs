//! Why a mirror is not run, or does not go on, beyond what its engines say.

use crate::change::positions::Reason;
use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::progress::MirrorPhase;

/// What can go wrong with a mirror as such.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No record of the name.
    #[error("there is no mirror \"{name}\" in this data directory")]
    NoSuchMirror { name: String },
    /// The name is taken.
    #[error("mirror \"{name}\" copies {known}, and not {asked}")]
    Another { name: String, known: String, asked: String },
    /// It began with another publication.
    #[error("mirror \"{name}\" follows publication \"{known}\", and not \"{asked}\"")]
    OfAnotherPublication { name: String, known: String, asked: String },
    /// It began with other tables.
    #[error("mirror \"{name}\" follows {known}, as it was begun with, and not {asked}")]
    OfAnotherSelection { name: String, known: String, asked: String },
    /// The destination's checkpoint of this name was written by a mirror of another machine or data directory.
    #[error(
        "mirror \"{name}\" of this destination was set up from another machine or data directory, with slot \"{slot}\""
    )]
    OfAnotherInstallation { name: String, slot: String },
    /// It had its copy once, and the destination knows nothing of it any more.
    #[error(
        "the destination has no checkpoint of mirror \"{name}\" any more: its database was dropped, replaced or set back"
    )]
    NoCheckpoint { name: String },
    /// Something stands on the source under the names that it would make.
    #[error("the source has {} already, of which this machine knows nothing: mirror \"{mirror}\" was not begun", taken.join(" and "))]
    Taken { mirror: String, taken: Vec<String> },
    /// A process has it.
    #[error("mirror \"{name}\" runs in another process of this machine ({job})")]
    Runs { name: String, job: JobId },
    /// Somebody dropped it while it ran.
    #[error("mirror \"{name}\" was dropped, or taken over, by another process of this machine")]
    Gone { name: String },
    /// What could not be taken away.
    #[error("left: {}; {why}", left.join(", "))]
    Left { left: Vec<String>, why: String },
    /// Its slot has to go, or went: it kept too much of the source's log.
    #[error(
        "mirror \"{name}\" kept {} MB of its source's log {why}, more than its budget of {} MB: its slot was dropped",
        .retained >> 20, .budget >> 20
    )]
    BudgetPassed { name: String, retained: u64, budget: u64, why: &'static str },
    /// It did not get on, and connects anew before its slot goes for that.
    #[error("the mirror does not get on, and keeps more of its source's log than its budget")]
    Rests,
    /// Its slot went at an earlier time.
    #[error("{said}")]
    GivenUp { said: String },
    /// The first copy comes to nothing: nothing follows it.
    #[error("{0}, before the first copy was done")]
    LostInCopy(Reason),
    /// Somebody else compares its sides.
    #[error("job {job} holds mirror \"{name}\" back at this moment")]
    HeldBy { name: String, job: JobId },
    /// Its process went away while it was to be held back.
    #[error("the process that ran mirror \"{name}\" has ended, in phase {}", phase.name())]
    Ended { name: String, phase: MirrorPhase },
    /// It comes to no position at all.
    #[error("mirror \"{name}\" does not follow its source: it is in phase {}", phase.name())]
    StandsStill { name: String, phase: MirrorPhase },
    /// It did not come to where it was to be held.
    #[error("mirror \"{name}\" neither stood still nor came any further for {seconds} s")]
    NotHeld { name: String, seconds: u64 },
    /// Source and destination could not be seen at one moment.
    #[error("the sides of mirror \"{name}\" could not be seen at one moment: {reason}")]
    NoMoment { name: String, reason: String },
    /// There is nothing to compare.
    #[error("mirror \"{name}\" has not had its first copy yet")]
    NotBegun { name: String },
    /// It cannot be started from its record.
    #[error("how mirror \"{name}\" was started cannot be read from its record: {why}")]
    Options { name: String, why: String },
}

impl Error {
    /// The code of a mirror whose slot was given up.
    pub(super) const BUDGET_PASSED: &'static str = "wal_budget_passed";
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::NoSuchMirror { .. } => Failure::operator("no_such_mirror", Exit::Usage)
                .hint("`multiboard-sync mirror list` shows the mirrors of this data_dir"),
            Self::Another { name, .. } => Failure::operator("mirror_is_another", Exit::Usage).hint(format!(
                "give this one another --name, or end that one for good: `multiboard-sync mirror drop {name}`"
            )),
            Self::OfAnotherPublication { name, .. } => Failure::operator("mirror_is_another", Exit::Usage).hint(format!(
                "start it without --publication; to follow the other one, drop it first: `multiboard-sync mirror drop {name}`"
            )),
            Self::OfAnotherSelection { name, .. } => Failure::operator("mirror_is_another", Exit::Usage).hint(format!(
                "start it without patterns; to follow other tables, drop it first: `multiboard-sync mirror drop {name}`"
            )),
            Self::OfAnotherInstallation { .. } => Failure::operator("mirror_of_another_machine", Exit::Usage)
                .hint("run it there, or give this one another --name and another destination"),
            Self::NoCheckpoint { name } => Failure::operator("resync_required", Exit::ResyncRequired)
                .hint(format!("`multiboard-sync mirror drop {name}`, then set it up again")),
            Self::Taken { .. } => Failure::operator("mirror_name_taken", Exit::Preflight).hint(
                "a data directory that was lost may have left it: `multiboard-sync mirror drop NAME --from .. --to ..` takes it away; \
                 or give the mirror another --name",
            ),
            Self::Runs { .. } => Failure::operator("mirror_runs", Exit::Failed)
                .hint("end that process first (Ctrl-C, or SIGTERM)"),
            Self::Gone { .. } => Failure::operator("mirror_gone", Exit::Failed),
            Self::Left { .. } => Failure::operator("mirror_left_behind", Exit::Failed).hint(
                "a slot keeps log on its source: see that the server can be reached, then drop the mirror again, or drop what is \
                 named by hand",
            ),
            Self::BudgetPassed { .. } | Self::GivenUp { .. } => {
                Failure::operator(Self::BUDGET_PASSED, Exit::ResyncRequired).hint(
                    "drop the mirror and set it up again; a larger --wal-budget lets it stand still for longer, if the \
                     source's disk has room for that",
                )
            }
            Self::LostInCopy(lost) => {
                let again = "nothing of the mirror is left: set it up again";
                let hint = lost.remedy().map_or_else(|| again.to_owned(), |remedy| format!("{again}; {remedy}"));
                Failure::operator("slot_lost_in_copy", Exit::Failed).hint(hint)
            }
            Self::HeldBy { .. } => Failure::retry("mirror_held"),
            Self::Rests => Failure::retry("mirror_rests"),
            Self::Ended { name, .. } | Self::NotBegun { name } => Failure::operator("mirror_does_not_run", Exit::Failed)
                .hint(format!("`multiboard-sync mirror status {name}` says where it stands")),
            Self::StandsStill { name, .. } => Failure::operator("mirror_stands_still", Exit::Failed).hint(format!(
                "`multiboard-sync mirror status {name}` says why; `multiboard-sync mirror resume {name}` lets it go on"
            )),
            Self::NotHeld { .. } => Failure::operator("mirror_not_held", Exit::Failed)
                .hint("a very large transaction may be on its way: try again when the mirror has caught up"),
            Self::NoMoment { .. } => Failure::operator("verify_no_moment", Exit::Failed)
                .hint("try again when fewer long transactions run on the source"),
            Self::Options { .. } => Failure::operator("mirror_options_unreadable", Exit::Usage)
                .hint("start it with `multiboard-sync mirror --name NAME --from .. --to ..`"),
        }
    }
}

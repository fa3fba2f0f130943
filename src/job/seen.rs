//! What a job has said so far, in short: for whoever looks at it now and does not want to read all of it.

use serde::{Deserialize, Serialize};

use crate::progress::{Event, Frame, MirrorPhase, Phase, Progress, Warning};

/// Warnings of a run that are kept here; all of them are among the events.
const WARNINGS: usize = 100;

/// The newest of each thing that its newest run has said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The number of the newest event.
    pub seq: u64,
    /// Where the run stands.
    pub phase: Option<Phase>,
    /// Where a mirror stands.
    pub mirror_phase: Option<MirrorPhase>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What the person should know, the first ones.
    pub warnings: Vec<Warning>,
    /// The backup that it made.
    pub backup_id: Option<String>,
}

impl Seen {
    /// Of a run that begins after event number `seq`.
    pub fn after(seq: u64) -> Self {
        Self { seq, ..Self::default() }
    }

    /// Takes in what the run says; whether that changes how the job is shown, beside how far it is.
    pub fn take(&mut self, frame: &Frame) -> bool {
        match frame {
            Frame::Progress { data, .. } => {
                self.progress = Some(data.clone());
                false
            }
            Frame::Event { seq, event, .. } => {
                self.seq = *seq;
                self.take_event(event)
            }
        }
    }

    fn take_event(&mut self, event: &Event) -> bool {
        match event {
            Event::JobPhase { phase } => self.phase = Some(*phase),
            Event::MirrorPhase { phase, .. } => self.mirror_phase = Some(*phase),
            Event::BackupCreated { backup_id, .. } => self.backup_id = Some(backup_id.clone()),
            Event::Warning(warning) if self.warnings.len() < WARNINGS => self.warnings.push(warning.clone()),
            Event::JobStatus { .. } => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, WARNINGS};
    use crate::progress::{Event, Frame, Level, Phase, Progress, Timestamp, Warning};

    #[test]
    fn the_newest_of_each_thing_is_seen() {
        let ts = Timestamp::from_unix_ms(0);
        let mut seen = Seen::after(4);
        let mut say = |seq, event| seen.take(&Frame::Event { sub: None, seq, ts, event });
        assert!(say(5, Event::JobPhase { phase: Phase::Copy }));
        assert!(!say(6, Event::Log { level: Level::Info, message: "line".into() }));
        for seq in 7..=200 {
            say(seq, Event::Warning(Warning::new("code", "sentence")));
        }
        let data = Progress { percent: 12.5, ..Progress::default() };
        assert!(!seen.take(&Frame::Progress { sub: None, ts, data: data.clone() }));
        assert_eq!((seen.seq, seen.phase, seen.progress), (200, Some(Phase::Copy), Some(data)));
        assert_eq!(seen.warnings.len(), WARNINGS);
    }
}

//! A job followed to its end, over lost connections and servers that are started again: each of its events once, in order.

use std::time::Duration;

use serde_json::Value;

use super::error::Error;
use super::http::Http;
use super::socket::{Came, Socket};
use crate::failure::Exit;
use crate::id::JobId;
use crate::progress::{Event, Frame, Status};

/// The first pause before a lost server is looked for again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Its last event is told a moment before the record is written.
const SOON: Duration = Duration::from_millis(100);

/// What a follower tells.
pub enum Told<'a> {
    /// Something of the job.
    Frame(&'a Frame),
    /// The server is away.
    Lost(&'a Error),
    /// The server is there again.
    Back,
    /// So many events are told by nobody any more.
    Skipped(u64),
}

/// How the job ended.
#[derive(Debug)]
pub struct Ended {
    /// The job, as the server shows it.
    pub job: Value,
    /// The exit code of a command that had run it.
    pub exit: Exit,
}

/// Follows the job from its first event to its end. Cancel-safe: whoever stops to listen changes nothing of the job.
///
/// # Errors
/// Nobody answers at the beginning; the job is not there, or the token does not do.
pub async fn follow(http: &Http, id: &JobId, mut tell: impl FnMut(Told<'_>)) -> Result<Ended, Error> {
    let mut reached = 0;
    let mut pause = PAUSES.0;
    // At first nobody waits for a server that may never come.
    let mut socket = Some(Socket::open(http.server(), id, reached).await?);
    let mut away = false;
    loop {
        let lost = match session(http, id, &mut reached, socket.take(), &mut away, &mut tell).await {
            Ok(ended) => return Ok(ended),
            Err(error) if error.is_unreachable() => error,
            Err(error) => return Err(error),
        };
        if away {
            pause = PAUSES.1.min(pause * 2);
        } else {
            (away, pause) = (true, PAUSES.0);
            tell(Told::Lost(&lost));
        }
        tokio::time::sleep(pause).await;
    }
}

/// Follows it over one connection.
async fn session(
    http: &Http,
    id: &JobId,
    reached: &mut u64,
    socket: Option<Socket>,
    away: &mut bool,
    tell: &mut impl FnMut(Told<'_>),
) -> Result<Ended, Error> {
    let mut socket = match socket {
        Some(socket) => socket,
        None => Socket::open(http.server(), id, *reached).await?,
    };
    // Where it is over already, and all of it told, nothing comes any more.
    let mut look = Some(Look::Once);
    let mut known = 0;
    loop {
        if let Some(look) = look.take() {
            match over(http, id, *reached, look).await? {
                Stands::Over(ended) => return Ok(*ended),
                Stands::At(seq) => known = seq,
            }
        }
        let came = socket.next().await?;
        if std::mem::take(away) {
            tell(Told::Back);
        }
        match came {
            Came::Frame(frame) => {
                if let Frame::Event { seq, event, .. } = &frame {
                    if *seq <= *reached {
                        continue;
                    }
                    *reached = *seq;
                    look = match event {
                        Event::JobStatus { status, .. } if status.is_over() => Some(Look::Patiently),
                        // What was there when we came: a job whose process died ends without a word.
                        _ => (*seq == known).then_some(Look::Once),
                    };
                }
                tell(Told::Frame(&frame));
            }
            Came::Snapshot { seq } => {
                // Also where the numbering begins anew, after a crash that lost its newest.
                if seq > *reached {
                    tell(Told::Skipped(seq - *reached));
                }
                *reached = seq;
                look = Some(Look::Once);
            }
            Came::Heartbeat => look = Some(Look::Once),
        }
    }
}

/// How long the end of a job is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Once,
    /// It was told already, and is a moment from being written.
    Patiently,
}

/// Where a job stands.
enum Stands {
    /// It is over, and nothing of it is left to tell.
    Over(Box<Ended>),
    /// It is not, or more is to be told, up to the event of this number.
    At(u64),
}

async fn over(http: &Http, id: &JobId, reached: u64, look: Look) -> Result<Stands, Error> {
    let mut tries = if look == Look::Patiently { 50 } else { 1 };
    loop {
        let job = http.job(id).await?;
        let status = job.get("status").cloned().and_then(|status| serde_json::from_value(status).ok());
        let seq = job.get("seq").and_then(Value::as_u64).unwrap_or(0);
        match status {
            Some(status) if Status::is_over(status) && seq <= reached => {
                let exit = exit(status, &job);
                return Ok(Stands::Over(Box::new(Ended { job, exit })));
            }
            Some(Status::Running | Status::Cancelling) if seq <= reached && tries > 1 => {
                tries -= 1;
                tokio::time::sleep(SOON).await;
            }
            _ => return Ok(Stands::At(seq)),
        }
    }
}

/// What a command that had run the job itself would have ended with.
fn exit(status: Status, job: &Value) -> Exit {
    let at = |pointer: &str| job.pointer(pointer);
    match status {
        Status::Succeeded => {
            let different = at("/report/verification/different").and_then(Value::as_array);
            if different.is_some_and(|tables| !tables.is_empty()) { Exit::Different } else { Exit::Done }
        }
        Status::Cancelled => Exit::Interrupted,
        _ => {
            let all = [
                Exit::Usage,
                Exit::Preflight,
                Exit::ResyncRequired,
                Exit::Different,
                Exit::Refused,
                Exit::ConfirmationMissing,
                Exit::Findings,
                Exit::Interrupted,
            ];
            let code = at("/error/exit").and_then(Value::as_u64);
            all.into_iter().find(|exit| Some(*exit as u64) == code).unwrap_or(Exit::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::exit;
    use crate::failure::Exit;
    use crate::progress::Status;

    #[test]
    fn the_exit_code_is_that_of_a_run_here() {
        let different = json!({"report": {"verification": {"different": ["public.t"]}}});
        assert_eq!(exit(Status::Succeeded, &json!({"report": null})), Exit::Done);
        assert_eq!(exit(Status::Succeeded, &different), Exit::Different);
        assert_eq!(exit(Status::Cancelled, &json!({})), Exit::Interrupted);
        for (code, expected) in [
            (1, Exit::Failed),
            (3, Exit::Preflight),
            (4, Exit::ResyncRequired),
            (6, Exit::Refused),
            (99, Exit::Failed),
        ] {
            assert_eq!(exit(Status::Failed, &json!({"error": {"exit": code}})), expected);
        }
        assert_eq!(exit(Status::Failed, &json!({"error": null})), Exit::Failed);
    }
}

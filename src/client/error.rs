//! What goes wrong between a client and its server, each with what to do.

use crate::failure::{Classify, Exit, Failure};

/// An error of the client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text after `--server`, or of the variable.
    #[error(
        "the server is named by a URL without a password, as http://127.0.0.1:8080 or https://sync.example.com"
    )]
    NotAServer,
    /// Nobody answers there, or the connection was cut.
    #[error("cannot reach the server at {place}")]
    Unreachable {
        place: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server says no.
    #[error("{detail}")]
    Refused { place: String, status: u16, code: String, detail: String, hint: Option<String> },
    /// Something else than our server answers there.
    #[error("what answers at {place} is no server of multiboard-sync: {why}")]
    NotOurs { place: String, why: String },
    /// The program cannot speak HTTP here: the system's certificates, as a rule.
    #[error("cannot make an HTTP client")]
    NoClient(#[source] reqwest::Error),
}

/// What the server refuses with, as far as a command is told of it by name.
const CODES: [&str; 9] = [
    "no_such_job",
    "token_missing",
    "scope_too_small",
    "job_over",
    "job_not_over",
    "job_of_a_command",
    "job_has_swapped",
    "connection_not_a_name",
    "too_many_requests",
];

impl Error {
    /// Whether there is nobody at that address; another one may come.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // A proxy whose server is away, or one that has no room.
            Self::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::NotAServer => Failure::operator("not_a_server", Exit::Usage),
            Self::Unreachable { .. } => Failure::retry("server_unreachable").hint(
                "start it with `multiboard-sync serve`, or name another one with --server or MULTIBOARD_SYNC_SERVER",
            ),
            Self::Refused { place, status, code, hint, .. } => {
                let named = CODES.into_iter().find(|known| known == code);
                let failure = match status {
                    401 => Failure::operator("token_missing", Exit::Usage).hint(format!(
                        "{place} does not know the token: give one by --token-file or MULTIBOARD_SYNC_TOKEN; \
                         `multiboard-sync token create` makes one where the server runs"
                    )),
                    403 => Failure::operator(named.unwrap_or("forbidden"), Exit::Usage).hint(
                        "use a token of a larger scope: `multiboard-sync token create --scope run` makes one where the server runs",
                    ),
                    404 => Failure::operator(named.unwrap_or("not_found"), Exit::Usage)
                        .hint("`multiboard-sync jobs list` shows the jobs of this server"),
                    500.. => Failure::retry(named.unwrap_or("server_failed")),
                    _ => Failure::operator(named.unwrap_or("request_refused"), Exit::Failed),
                };
                match hint {
                    // The server's own words, but where it cannot know how a command is given a token.
                    Some(hint) if *status != 401 => failure.hint(hint),
                    _ => failure,
                }
            }
            Self::NotOurs { .. } => Failure::operator("not_our_server", Exit::Usage)
                .hint("name the server with --server or MULTIBOARD_SYNC_SERVER"),
            Self::NoClient(_) => Failure::operator("cannot_start", Exit::Failed),
        }
    }
}

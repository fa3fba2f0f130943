//! What a client may say.

use serde::Deserialize;

/// The first message of one that sent no token in a header.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Hello {
    Hello { token: String },
}

/// A message.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Client {
    Hello {
        #[serde(rename = "token", default)]
        _token: Option<String>,
    },
    Subscribe {
        /// The client's name for it: every frame of the topic carries it.
        sub: String,
        /// `jobs`, or `job:ID`.
        topic: String,
        #[serde(default)]
        resume: Option<Resume>,
    },
    Unsubscribe {
        sub: String,
    },
    Ping {
        n: i64,
    },
}

/// Where the client was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    pub(super) epoch: String,
    pub(super) after: u64,
}

//! What clients send, as values.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::config;
use crate::id::JobId;
use crate::job::spec::{CloneOptions, MirrorOptions, TestOptions, VerifyOptions};
use crate::job::{Kind, Spec, Work};

/// What a job is asked to do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobRequest {
    #[serde(rename = "type")]
    kind: Kind,
    /// The name of the source's connection.
    #[schema(example = "staging")]
    source: Option<String>,
    /// The name of the destination's connection.
    #[schema(example = "local")]
    destination: Option<String>,
    /// The name of the destination's database, needed where that is not empty.
    #[schema(example = "app_dev")]
    confirm: Option<String>,
    /// Those of its type; what is left out is as on the command line.
    #[serde(default)]
    #[schema(value_type = Option<Options>)]
    options: Value,
}

/// The options of each type of job.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is there for the API's document")]
enum Options {
    Clone(CloneOptions),
    Mirror(MirrorOptions),
    Verify(VerifyOptions),
    Test(TestOptions),
}

impl JobRequest {
    /// What is asked for.
    ///
    /// # Errors
    /// Options that cannot be meant, or a connection that is given by more than its name.
    pub(super) fn spec(self) -> Result<Spec, Problem> {
        for (member, text) in [("source", &self.source), ("destination", &self.destination)] {
            if text.as_deref().is_some_and(config::looks_like_url) {
                let detail = format!("member {member} is no name of a connection");
                return Err(Problem::new(
                    http::StatusCode::UNPROCESSABLE_ENTITY,
                    "connection_not_a_name",
                    detail,
                )
                .hint("jobs carry names only: put the connection string into multiboard-sync.toml, under a name"));
            }
        }
        let work = Work::read(self.kind, &self.options)?;
        Ok(Spec { source: self.source, destination: self.destination, confirm: self.confirm, work })
    }
}

/// A job's identity in a path. What is none names no job.
pub(super) fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|_| {
        Problem::new(http::StatusCode::NOT_FOUND, "no_such_job", format!("there is no job {text:?}"))
            .hint("GET /v1/jobs lists them")
    })
}

/// Tables of a mirror.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TablesRequest {
    /// schema.table, schema.* or schema, with * and ?
    #[schema(example = json!(["public.orders"]))]
    pub(super) tables: Vec<String>,
}

/// A transaction of the source.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SkipRequest {
    /// Where its commit stands in the source's log, as the mirror's error says.
    #[schema(value_type = String, example = "16/B374D848")]
    pub(super) lsn: String,
}

/// How a clone is taken back.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UndoRequest {
    /// End other sessions in the database.
    pub(super) terminate_sessions: bool,
}

/// How the two sides of a mirror are compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VerifyRequest {
    pub(super) mode: crate::job::spec::Mode,
}

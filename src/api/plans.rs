//! Plans: what a job would do and destroy, before it is asked for.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::act::within;
use super::errors::Json;
use super::guard::Runner;
use super::problem::Problem;
use super::requests::JobRequest;
use super::state::Api;
use crate::id::JobId;
use crate::job::Kind;
use crate::pg::Oid;
use crate::progress::Warning;
use crate::runner::{self, Foresight, Prepared};
use crate::workflow::clone::Place;

/// Relations that are named; more are counted.
const NAMED: usize = 1_000;

/// What a job would do, from looks at both databases; nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plan {
    /// Of which type the job would be.
    #[serde(rename = "type")]
    kind: Kind,
    /// The two databases that were looked at, as one text. A job that is given it as its option `planned_for` runs on these and
    /// no others; where one was replaced meanwhile it fails with `plan_outdated`.
    #[schema(example = "7713135561477022130/16384>7713135561477022131/16385")]
    planned_for: String,
    /// The source, as its cluster knows it.
    source: Identity,
    /// The destination. Without an oid there is no database of its name.
    destination: Identity,
    /// What would be destroyed, but for the replaced databases that are kept; absent where nothing is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Replaced>,
    /// What the job has to be given as `confirm`; absent where it needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<String>,
    /// How much it is.
    work: Work,
    /// What would be made on the source: by a mirror.
    creates: Vec<String>,
    /// What the job would warn of.
    warnings: Vec<Warning>,
    /// What else it would say: what is switched off.
    notes: Vec<String>,
}

/// A database, as its cluster knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Identity {
    system_identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_oid: Option<Oid>,
}

/// The database that would be replaced.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replaced {
    /// Its name.
    database: String,
    /// Tables, views and sequences in it.
    count: usize,
    /// Their names, the first 1,000 of them.
    relations: Vec<String>,
}

/// How much work it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Work {
    /// Tables whose rows are copied.
    tables: u64,
    /// Their size on the source's disk.
    bytes: u64,
    /// Indexes to be built.
    indexes: u64,
    /// Constraints to be made.
    constraints: u64,
}

impl Plan {
    fn of(kind: Kind, foresight: Foresight) -> Self {
        let Foresight { foreseen, work, creates, warnings, notes } = foresight;
        let identity = |place: &Place| Identity {
            system_identifier: place.system_identifier.clone(),
            database_oid: place.database_oid,
        };
        let database = foreseen.database;
        Self {
            kind,
            planned_for: foreseen.planned_for.to_string(),
            source: identity(&foreseen.planned_for.source),
            destination: identity(&foreseen.planned_for.destination),
            confirm: foreseen.to_be_confirmed.then(|| database.clone()),
            replaces: foreseen.replaced.map(|relations| Replaced {
                database,
                count: relations.len(),
                relations: relations.iter().take(NAMED).map(ToString::to_string).collect(),
            }),
            work: Work {
                tables: work.table_counts.total,
                bytes: work.bytes_total,
                indexes: work.indexes.total,
                constraints: work.constraints.total,
            },
            creates,
            warnings,
            notes,
        }
    }
}

/// Says what a clone or a mirror would do and destroy, by the looks and the plan that its run begins with.
#[utoipa::path(post, path = "/v1/plans", tag = "jobs", request_body = JobRequest, responses(
    (status = 201, body = Plan),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn plan(
    State(api): State<Api>,
    _: Runner,
    Json(request): Json<JobRequest>,
) -> Result<(StatusCode, axum::Json<Plan>), Problem> {
    let spec = request.spec()?;
    let kind = spec.work.kind();
    let foresight = within(api, async move |inner, stop| {
        let prepared = Prepared::new(&inner.config, &inner.store, &JobId::generate(), spec)?;
        Ok(runner::foresee(prepared, &inner.config, &inner.store, stop).await?)
    });
    Ok((StatusCode::CREATED, axum::Json(Plan::of(kind, foresight.await?))))
}

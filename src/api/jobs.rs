//! Jobs: asked for, listed, shown; with their tables, runs and logs.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::errors::{Json, Path, Query, Raw};
use super::guard::{Caller, Reader, Runner};
use super::problem::Problem;
use super::requests::{JobRequest, job_id};
use super::shown::{Job, Run};
use super::state::{Api, Inner};
use crate::id::JobId;
use crate::job::spec::TestOptions;
use crate::job::{Filter, Inserted, Journal, Kind, Once, RunBy, Spec, Store, Work};
use crate::live::TableState;
use crate::progress::{Event, Frame, Level, Status, Timestamp};
use crate::runner::Prepared;
use crate::workflow::mirror::record::Records;

/// Jobs on a page, unless otherwise asked for; and the most.
const PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 500;

/// Which jobs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only of this type.
    #[serde(rename = "type")]
    kind: Option<Kind>,
    /// Only those that stand so.
    status: Option<Status>,
    /// At most so many, up to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Those after a page: its `next`.
    cursor: Option<String>,
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// The newest first.
    jobs: Vec<Job>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists jobs, the newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(Which), responses(
    (status = 200, body = Page),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(api): State<Api>,
    _: Reader,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(out_of_range("limit", "is a number from 1 to 500"));
    }
    let before = match which.cursor.as_deref() {
        None => None,
        Some(cursor) => {
            Some(cursor.parse::<JobId>().map_err(|_| out_of_range("cursor", "is the `next` of a page"))?)
        }
    };
    let filter = Filter { kind: which.kind, status: which.status, before, limit: Some(limit + 1) };
    let page = api.store(move |inner| {
        let mut records = inner.store.list(&filter).map_err(Problem::from)?;
        let more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| more).map(|record| record.id.to_string());
        let jobs = records.into_iter().map(|record| Job::of(inner, record)).collect::<Result<_, _>>()?;
        Ok::<_, Problem>(Page { jobs, next })
    });
    Ok(axum::Json(page.await?))
}

fn out_of_range(parameter: &str, why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "query_malformed", format!("parameter {parameter} {why}"))
}

/// Asks for a job. It is queued, and runs as soon as there is room and nobody else writes to its destination.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(("Idempotency-Key" = Option<String>, Header, max_length = 255,
        description = "The same request with the same key within a day is answered with the job that came of the first one")),
    responses(
        (status = 202, body = Job, headers(
            ("Location" = String, description = "The job's path"),
            ("Retry-After" = u32, description = "When to look, in seconds"))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(api): State<Api>,
    _: Runner,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(request): Json<serde_json::Value>,
) -> Result<Response, Problem> {
    let asked = Sha256::digest(serde_json::to_vec(&request).unwrap_or_default()).to_vec();
    let once = match headers.get("idempotency-key") {
        None => None,
        Some(key) => {
            let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
            let key = key.ok_or_else(|| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "header_malformed",
                    "Idempotency-Key is 1 to 255 characters",
                )
            })?;
            Some(Once { token: caller.token.id, key: key.to_owned(), asked })
        }
    };
    let request: JobRequest = serde_json::from_value(request).map_err(|error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_of_another_shape", error.to_string())
    })?;
    let spec = request.spec()?;
    let job = api.store(move |inner| queue(inner, spec, once)).await?;
    api.board.wake();
    Ok(accepted(job.id().clone(), axum::Json(job)))
}

/// A small job through the whole queue: it writes a file in the data directory and reads it back.
#[utoipa::path(post, path = "/jobs/test", tag = "service", request_body(content = Option<TestOptions>), responses(
    (status = 202, body = TestJob),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn test(State(api): State<Api>, _: Runner, Raw(body): Raw) -> Result<Response, Problem> {
    let options = match body.is_empty() {
        true => serde_json::Value::Null,
        false => serde_json::from_slice(&body)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body_malformed", error.to_string()))?,
    };
    let work = Work::read(Kind::Test, &options)?;
    let spec = Spec { source: None, destination: None, confirm: None, work };
    let job = api.store(move |inner| queue(inner, spec, None)).await?;
    api.board.wake();
    let id = job.id().clone();
    Ok(accepted(id.clone(), axum::Json(TestJob { id })))
}

/// The job that tests the queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestJob {
    #[schema(value_type = String)]
    id: JobId,
}

/// Puts a job into the queue, or finds the one that the same request came to before.
pub(super) fn queue(inner: &Inner, spec: Spec, once: Option<Once>) -> Result<Job, Problem> {
    let id = JobId::generate();
    let prepared = Prepared::new(&inner.config, &inner.store, &id, spec)?;
    if let Some(name) = prepared.mirror()
        && let Some(known) = inner.store.mirror(name)?
    {
        let record = inner.store.get(&known.job).ok();
        if let Some(record) = record.filter(|record| !record.status.is_over()) {
            let detail = format!("mirror \"{name}\" is there already, run by job {}", record.id);
            return Err(Problem::new(StatusCode::CONFLICT, "mirror_runs_already", detail)
                .hint("resume, cancel or drop that one, or give this one another name")
                .with("job", record.id.as_str()));
        }
    }
    let record = prepared.record(id.clone(), RunBy::Server);
    let Some(once) = once else {
        inner.store.insert(&record)?;
        return Ok(Job::of(inner, record)?);
    };
    match inner.store.insert_once(&record, &once)? {
        Inserted::New => Ok(Job::of(inner, record)?),
        Inserted::Before(job) => Ok(Job::of(inner, inner.store.get(&job)?)?),
        Inserted::AnotherRequest => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "something else was asked for with this Idempotency-Key",
        )
        .hint("a new request needs a new key")),
    }
}

/// 202, where the job is, and when to look.
pub(super) fn accepted(job: JobId, body: impl IntoResponse) -> Response {
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/jobs/{job}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Shows a job.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "The job")), responses(
    (status = 200, body = Job),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(api): State<Api>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<axum::Json<Job>, Problem> {
    let id = job_id(&id)?;
    Ok(axum::Json(api.store(move |inner| shown(inner, &id)).await?))
}

/// A job as it is now.
pub(super) fn shown(inner: &Inner, id: &JobId) -> Result<Job, Problem> {
    Ok(Job::of(inner, inner.store.get(id)?)?)
}

/// The tables of a job's newest run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TableList {
    /// In the order in which they began; those that have not begun are not among them.
    tables: Vec<TableState>,
}

/// Lists the tables of a job's newest run that have begun.
#[utoipa::path(get, path = "/v1/jobs/{id}/tables", tag = "jobs", params(("id" = String, Path, description = "The job")), responses(
    (status = 200, body = TableList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn tables(
    State(api): State<Api>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<axum::Json<TableList>, Problem> {
    let id = job_id(&id)?;
    let tables = api.store(move |inner| inner.live.job(&id).map(|topic| topic.tables())).await?;
    Ok(axum::Json(TableList { tables }))
}

/// The runs of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    /// The first one first.
    runs: Vec<Run>,
}

/// Lists the runs of a job: each attempt with its error and its report.
#[utoipa::path(get, path = "/v1/jobs/{id}/runs", tag = "jobs", params(("id" = String, Path, description = "The job")), responses(
    (status = 200, body = Runs),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn runs(
    State(api): State<Api>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<axum::Json<Runs>, Problem> {
    let id = job_id(&id)?;
    let runs = api.store(move |inner| {
        inner.store.get(&id)?;
        inner.store.runs(&id)
    });
    Ok(axum::Json(Runs { runs: runs.await?.into_iter().map(Run::from).collect() }))
}

/// Which lines of a log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// Those after the event of this number.
    after: Option<u64>,
    /// At most so many events are gone through, up to 5000.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<u32>,
}

/// A line of a job's log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Line {
    seq: u64,
    #[schema(value_type = String, format = DateTime)]
    ts: Timestamp,
    level: Level,
    message: String,
}

/// Lines of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// Where to go on; absent where that was all there is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Lists what a job said for the record: its log lines, its warnings and its errors.
#[utoipa::path(get, path = "/v1/jobs/{id}/logs", tag = "jobs",
    params(("id" = String, Path, description = "The job"), After), responses(
    (status = 200, body = Lines),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn logs(
    State(api): State<Api>,
    _: Reader,
    Path(id): Path<String>,
    Query(After { after, limit }): Query<After>,
) -> Result<axum::Json<Lines>, Problem> {
    let (id, limit) = (job_id(&id)?, limit.unwrap_or(1000));
    if !(1..=5000).contains(&limit) {
        return Err(out_of_range("limit", "is a number from 1 to 5000"));
    }
    let events = api.store(move |inner| {
        inner.store.get(&id)?;
        inner.store.events(&id, after.unwrap_or(0), limit)
    });
    let events = events.await?;
    let next = match events.last() {
        Some(Frame::Event { seq, .. }) if events.len() == limit as usize => Some(*seq),
        _ => None,
    };
    Ok(axum::Json(Lines { lines: events.into_iter().filter_map(line).collect(), next }))
}

fn line(frame: Frame) -> Option<Line> {
    let Frame::Event { seq, ts, event, .. } = frame else { return None };
    let (level, message) = match event {
        Event::Log { level, message } => (level, message),
        Event::Warning(warning) => (Level::Warn, warning.message),
        Event::JobStatus { error: Some(problem), .. } | Event::MirrorPhase { error: Some(problem), .. } => {
            (Level::Error, problem.message)
        }
        _ => return None,
    };
    Some(Line { seq, ts, level, message })
}

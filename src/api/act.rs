//! What can be done with a job: it is cancelled, tried again, taken back; a mirror is paused, resumed, mended, compared, dropped.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::errors::{Json, Path, Raw};
use super::guard::{Admin, Runner};
use super::jobs::{accepted, queue, shown};
use super::problem::Problem;
use super::requests::{SkipRequest, TablesRequest, UndoRequest, VerifyRequest, job_id};
use super::shown::Job;
use super::state::{Api, Inner};
use crate::config;
use crate::engine::stage::registry::Registry;
use crate::engine::stage::swap::Sessions;
use crate::id::JobId;
use crate::job::spec::VerifyOptions;
use crate::job::{Kind, Record, RunBy, Spec, Store, UndoState, Work};
use crate::pg::Lsn;
use crate::progress::{Reporter, Status};
use crate::runner::{WhatIsWrong, mark, parties};
use crate::schema::select::Selection;
use crate::workflow::mirror::mark::What;
use crate::workflow::mirror::record::{Record as Mirror, Records, Wanted};
use crate::workflow::party::unix_ms;
use crate::workflow::undo as taking_back;

/// What is answered within the request is given up after so long: others may be in its way.
const WITHIN: Duration = Duration::from_secs(60);

/// Futures within futures: a thread's usual two megabytes are few for them.
const STACK: usize = 16 << 20;

/// Cancels a job: it stops reading and writing at once, cleans up (`cancelling`), and is over when nothing of it is left.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path, description = "The job")), responses(
    (status = 202, body = Job),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(api): State<Api>,
    _: Runner,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = job_id(&id)?;
    let job = api.store(move |inner| {
        let record = inner.store.get(&id)?;
        if record.status == Status::Cancelled {
            return shown(inner, &id);
        }
        not_over(&record)?;
        of_this_server(&record)?;
        inner.store.wish_cancelled(&id)?;
        shown(inner, &id)
    });
    let job = job.await?;
    api.board.wake();
    Ok(accepted(job.id().clone(), axum::Json(job)))
}

/// Tries a job again that failed or was cancelled. One of a command that is gone is taken over by that.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path, description = "The job")), responses(
    (status = 202, body = Job),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn retry(
    State(api): State<Api>,
    _: Runner,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = job_id(&id)?;
    let job = api.store(move |inner| {
        let record = inner.store.get(&id)?;
        again(inner, record)
    });
    let job = job.await?;
    api.board.wake();
    Ok(accepted(job.id().clone(), axum::Json(job)))
}

/// Puts a job that is over into the queue once more.
fn again(inner: &Inner, record: Record) -> Result<Job, Problem> {
    if !matches!(record.status, Status::Failed | Status::Cancelled) {
        let detail = format!("job {} has neither failed nor been cancelled", record.id);
        return Err(conflict("job_not_over", detail));
    }
    // A mirror goes on with what it has made.
    if record.kind != Kind::Mirror && matches!(record.undo, UndoState::Available { .. }) {
        let detail = format!("job {} has replaced its destination already", record.id);
        return Err(conflict("job_has_swapped", detail).hint("undo it first, or ask for a new job"));
    }
    for reach in [&record.from, &record.to].into_iter().flatten() {
        if config::looks_like_url(reach) {
            let detail = format!("job {} was given a URL, whose password nobody kept", record.id);
            return Err(conflict("connection_not_a_name", detail)
                .hint("ask for a new job, between connections of multiboard-sync.toml"));
        }
    }
    let id = record.id.clone();
    let queued = Record {
        status: Status::Queued,
        run_by: RunBy::Server,
        failures: 0,
        not_before_ms: None,
        ended_ms: None,
        error: None,
        ..record
    };
    inner.store.update(&queued)?;
    shown(inner, &id)
}

/// What became of an undo.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Undone {
    /// The database that is back as it was.
    database: String,
    /// The clone, under the name that it is kept by.
    clone_kept_as: String,
}

/// Takes a clone back: the database that it replaced takes its place again.
#[utoipa::path(post, path = "/v1/jobs/{id}/undo", tag = "jobs", params(("id" = String, Path, description = "The job")),
    request_body(content = Option<UndoRequest>), responses(
    (status = 200, body = Undone),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn undo(
    State(api): State<Api>,
    _: Admin,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Result<axum::Json<Undone>, Problem> {
    let (id, asked): (_, UndoRequest) = (job_id(&id)?, optional(&body)?);
    let sessions = if asked.terminate_sessions { Sessions::Terminate } else { Sessions::Wait };
    within(api, async move |inner, stop| {
        let mut record = inner.store.get(&id)?;
        let destination = parties::party(&inner.config, "--to", record.reach_of_destination())?;
        let request = taking_back::Request { job: id, destination };
        let (_choose, sessions) = watch::channel(sessions);
        let (destinations, sources) = (&inner.config.destinations, parties::sources(&inner.config));
        let nobody = Reporter::silent();
        let undone = taking_back::run(
            &request,
            inner.store.as_ref(),
            destinations,
            &sources,
            &nobody,
            &sessions,
            &stop,
        );
        let undone = undone.await.map_err(|error| error.at(&request.destination.options.endpoint()))?;
        record.undo = UndoState::Done { at_ms: unix_ms() };
        inner.store.update(&record)?;
        Ok(axum::Json(Undone { database: undone.database, clone_kept_as: undone.clone_kept_as }))
    })
    .await
}

/// Lets a mirror stand still at a transaction's end; slot and checkpoint stay, and the source keeps its log.
#[utoipa::path(post, path = "/v1/jobs/{id}/pause", tag = "jobs", params(("id" = String, Path, description = "The mirror's job")), responses(
    (status = 202, body = Job),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn pause(
    State(api): State<Api>,
    _: Runner,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = job_id(&id)?;
    let job = api.store(move |inner| {
        let (record, mirror) = mirror_of(inner, &id)?;
        not_over(&record)?;
        inner.store.wish(&mirror.name, Wanted::Pause)?;
        shown(inner, &id)
    });
    let job = job.await?;
    Ok(accepted(job.id().clone(), axum::Json(job)))
}

/// Lets a mirror go on: one that stands still, or one whose job is over, be it a command's.
#[utoipa::path(post, path = "/v1/jobs/{id}/resume", tag = "jobs", params(("id" = String, Path, description = "The mirror's job")), responses(
    (status = 202, body = Job),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resume(
    State(api): State<Api>,
    _: Runner,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = job_id(&id)?;
    let job = api.store(move |inner| {
        let (record, mirror) = mirror_of(inner, &id)?;
        inner.store.wish(&mirror.name, Wanted::Run)?;
        match record.status.is_over() {
            true => again(inner, record),
            false => shown(inner, &id),
        }
    });
    let job = job.await?;
    api.board.wake();
    Ok(accepted(job.id().clone(), axum::Json(job)))
}

/// Tables that are copied again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resynced {
    tables: Vec<String>,
    /// Whether that begins now; else when the mirror runs next.
    runs: bool,
}

/// Copies tables of a mirror again, as they are on its source now, while the others go on.
#[utoipa::path(post, path = "/v1/jobs/{id}/resync", tag = "jobs", params(("id" = String, Path, description = "The mirror's job")),
    request_body = TablesRequest, responses(
    (status = 202, body = Resynced),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resync(
    State(api): State<Api>,
    _: Runner,
    Path(id): Path<String>,
    Json(asked): Json<TablesRequest>,
) -> Result<(StatusCode, axum::Json<Resynced>), Problem> {
    let id = job_id(&id)?;
    if asked.tables.is_empty() {
        let detail = "member tables names no table";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_of_another_shape", detail));
    }
    let what = What::Tables(Selection::parse(&asked.tables, &[], &[])?);
    let marked = marked(api, id, move |_, _| Ok(what)).await?;
    let tables = marked.tables.iter().map(ToString::to_string).collect();
    Ok((StatusCode::ACCEPTED, axum::Json(Resynced { tables, runs: marked.runs })))
}

/// A transaction that is left out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOut {
    lsn: String,
    /// Whether the mirror runs; else it is to be resumed.
    runs: bool,
}

/// Leaves the transaction out at which a mirror stopped, for good: the destination then lacks what it did.
#[utoipa::path(post, path = "/v1/jobs/{id}/skip", tag = "jobs", params(("id" = String, Path, description = "The mirror's job")),
    request_body = SkipRequest, responses(
    (status = 202, body = LeftOut),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn skip(
    State(api): State<Api>,
    _: Admin,
    Path(id): Path<String>,
    Json(asked): Json<SkipRequest>,
) -> Result<(StatusCode, axum::Json<LeftOut>), Problem> {
    let id = job_id(&id)?;
    let lsn: Lsn = asked.lsn.parse().map_err(|_| {
        let detail = format!("{:?} is no position of a log; one looks like 16/B374D848", asked.lsn);
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_of_another_shape", detail)
    })?;
    let marked = marked(api, id, move |inner, name| mark::skips(&inner.store, name, lsn)).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(LeftOut { lsn: lsn.to_string(), runs: marked.runs })))
}

async fn marked(
    api: Api,
    id: JobId,
    what: impl FnOnce(&Inner, &str) -> Result<What, WhatIsWrong> + Send + 'static,
) -> Result<mark::Marked, Problem> {
    within(api, async move |inner, stop| {
        let (_, mirror) = mirror_of(inner, &id)?;
        let what = what(inner, &mirror.name)?;
        let waits = |_| Ok(());
        let marked = mark::mark(&inner.config, &inner.store, &mirror.name, what, &stop, waits).await?;
        marked.ok_or_else(|| in_the_way("the mirror does not stand still for it"))
    })
    .await
}

/// Compares the two sides of a mirror at one moment while it goes on: a job of its own.
#[utoipa::path(post, path = "/v1/jobs/{id}/verify", tag = "jobs", params(("id" = String, Path, description = "The mirror's job")),
    request_body(content = Option<VerifyRequest>), responses(
    (status = 202, body = Job),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn verify(
    State(api): State<Api>,
    _: Runner,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let (id, asked): (_, VerifyRequest) = (job_id(&id)?, optional(&body)?);
    let job = api.store(move |inner| {
        let (_, mirror) = mirror_of(inner, &id)?;
        let options =
            VerifyOptions { mirror: Some(mirror.name), mode: asked.mode, ..VerifyOptions::default() };
        let work = Work::Verify(options);
        queue(inner, Spec { source: None, destination: None, confirm: None, work }, None)
    });
    let job = job.await?;
    api.board.wake();
    Ok(accepted(job.id().clone(), axum::Json(job)))
}

/// What became of a mirror that was dropped.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dropped {
    /// The mirror's name.
    dropped: String,
}

/// Ends a mirror for good: its slot, its publication and its checkpoint go; what it copied stays.
#[utoipa::path(post, path = "/v1/jobs/{id}/drop", tag = "jobs", params(("id" = String, Path, description = "The mirror's job")), responses(
    (status = 200, body = Dropped),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn drop_mirror(
    State(api): State<Api>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<axum::Json<Dropped>, Problem> {
    let id = job_id(&id)?;
    let (board, job) = (std::sync::Arc::clone(&api.board), id.clone());
    let dropped = within(api, async move |inner, stop| {
        let (record, mirror) = mirror_of(inner, &id)?;
        if !record.status.is_over() && record.run_by == RunBy::Server {
            // Else it would be tried again.
            inner.store.wish_cancelled(&id)?;
            inner.board.wake();
            while inner.store.is_held(&job)? && !stop.is_cancelled() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let (config, store, name) = (&inner.config, &inner.store, mirror.name.clone());
        mark::drop_mirror(config, store, name, None, None, &stop).await?;
        Ok(axum::Json(Dropped { dropped: mirror.name }))
    });
    let dropped = dropped.await?;
    board.wake();
    Ok(dropped)
}

/// Does something with servers within the time of a request. On a thread of its own, as runs do: see `supervisor`.
pub(super) async fn within<T, F>(api: Api, work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: AsyncFnOnce(&Inner, CancellationToken) -> Result<T, Problem> + Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    let stop = api.stop.child_token();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let working = move || {
        let done = runtime.block_on(async {
            let mut work = Box::pin(work(&api, stop.clone()));
            tokio::select! {
                biased;
                done = &mut work => done,
                () = tokio::time::sleep(WITHIN) => {
                    stop.cancel();
                    work.await
                }
            }
        });
        // Whoever asked may be gone.
        drop(answer.send(done));
    };
    let thread = std::thread::Builder::new().name("request".to_owned()).stack_size(STACK).spawn(working);
    let answered = match thread {
        Ok(_) => answered.await.ok(),
        Err(_) => None,
    };
    answered.unwrap_or_else(|| {
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "defect", "the request ended without an answer"))
    })
}

fn optional<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        let (status, code) = match error.classify() {
            serde_json::error::Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "body_of_another_shape"),
            _ => (StatusCode::BAD_REQUEST, "body_malformed"),
        };
        Problem::new(status, code, error.to_string())
    })
}

fn mirror_of(inner: &Inner, id: &JobId) -> Result<(Record, Mirror), Problem> {
    let record = inner.store.get(id)?;
    if record.kind != Kind::Mirror {
        let detail = format!("job {id} is of type {}, and only mirrors can do that", record.kind);
        return Err(conflict("not_a_mirror", detail));
    }
    let mirror = inner.store.mirrors()?.into_iter().find(|mirror| mirror.job == *id);
    let mirror = mirror.ok_or_else(|| {
        conflict(
            "mirror_not_begun",
            format!(
                "job {id} has no mirror: it has not begun, or another job runs it now, or it was dropped"
            ),
        )
    })?;
    Ok((record, mirror))
}

fn not_over(record: &Record) -> Result<(), Problem> {
    match record.status.is_over() {
        true => Err(conflict("job_over", format!("job {} is over", record.id))),
        false => Ok(()),
    }
}

fn of_this_server(record: &Record) -> Result<(), Problem> {
    match record.run_by {
        RunBy::Server => Ok(()),
        RunBy::Command => {
            let detail = format!("job {} belongs to a command that runs it", record.id);
            Err(conflict("job_of_a_command", detail).hint("press Ctrl-C where that runs"))
        }
    }
}

fn conflict(code: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}

fn in_the_way(detail: &str) -> Problem {
    conflict("not_now", detail).hint("try again")
}

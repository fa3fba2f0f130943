//! `/metrics` for Prometheus: what is counted, and how the jobs stand at the moment of the question.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::guard::Reader;
use super::problem::Problem;
use super::state::{Api, Inner};
use crate::job::{Journal, Store};
use crate::workflow::mirror::record::Records;

/// How long requests took, by route.
pub(super) type Latencies = Family<Request, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds.
const BOUNDS: [f64; 8] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// A kind of request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Request {
    pub(super) method: String,
    /// As the document has it: without what varies.
    pub(super) route: String,
    pub(super) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    r#type: &'static str,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OneJob {
    job: String,
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OneMirror {
    mirror: String,
}

/// An empty count.
pub(super) fn latencies() -> Latencies {
    Family::new_with_constructor(|| Histogram::new(BOUNDS))
}

/// The service in numbers, as Prometheus reads them (OpenMetrics text).
#[utoipa::path(get, path = "/metrics", tag = "service", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn metrics(State(api): State<Api>, _: Reader) -> Result<Response, Problem> {
    let text = api.store(page).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn page(inner: &Inner) -> Result<String, Problem> {
    let mut registry = Registry::with_prefix("multiboard_sync");
    let counters = &inner.counters;
    registry.register("http_request_seconds", "How long requests took", counters.latencies.clone());
    let count = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    count(&mut registry, "watchers", "Live streams that are open", counters.watchers.load(Ordering::Relaxed));
    count(
        &mut registry,
        "connections",
        "HTTP connections that are open",
        counters.connections.load(Ordering::Relaxed),
    );
    let slow = counters.slow_clients.load(Ordering::Relaxed);
    count(&mut registry, "slow_clients_closed", "Websockets that were closed for being too slow", slow);
    jobs(inner, &mut registry)?;
    mirrors(inner, &mut registry)?;
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => Ok(text),
        Err(error) => {
            // Writing to a string does not fail.
            let _ = write!(text, "# {error}");
            Ok(text)
        }
    }
}

fn jobs(inner: &Inner, registry: &mut Registry) -> Result<(), Problem> {
    let states = Family::<JobLabels, Gauge>::default();
    for (kind, status, count) in inner.store.count_jobs()? {
        states.get_or_create(&JobLabels { r#type: kind.as_str(), status }).set(count);
    }
    registry.register("jobs", "Jobs on record, by type and status", states);
    let (bytes, rows, rate) = (
        Family::<OneJob, Gauge>::default(),
        Family::<OneJob, Gauge>::default(),
        Family::<OneJob, Gauge>::default(),
    );
    let mut queued = 0;
    for record in inner.store.unfinished()? {
        queued += u64::from(matches!(
            record.status,
            crate::progress::Status::Queued | crate::progress::Status::Retrying
        ));
        let seen = match inner.live.known(&record.id) {
            Some(topic) => topic.seen(),
            None => inner.store.seen(&record.id)?.unwrap_or_default(),
        };
        let Some(progress) = seen.progress else { continue };
        let labels = OneJob { job: record.id.to_string(), r#type: record.kind.as_str() };
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        bytes.get_or_create(&labels).set(signed(progress.bytes_done));
        rows.get_or_create(&labels).set(signed(progress.rows_done));
        rate.get_or_create(&labels).set(signed(progress.rate_bytes_s));
    }
    registry.register("job_bytes", "Bytes of COPY data that went through", bytes);
    registry.register("job_rows", "Rows that went through", rows);
    registry.register("job_rate_bytes", "Bytes of COPY data a second, over the last seconds", rate);
    let depth: Gauge = Gauge::default();
    depth.set(i64::try_from(queued).unwrap_or(i64::MAX));
    registry.register("queue_depth", "Jobs that wait for their turn", depth);
    Ok(())
}

fn mirrors(inner: &Inner, registry: &mut Registry) -> Result<(), Problem> {
    let lag_bytes = Family::<OneMirror, Gauge>::default();
    let lag_seconds = Family::<OneMirror, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let retained = Family::<OneMirror, Gauge>::default();
    let (rows, transactions) = (Family::<OneMirror, Gauge>::default(), Family::<OneMirror, Gauge>::default());
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for mirror in inner.store.mirrors()? {
        let labels = OneMirror { mirror: mirror.name };
        if let Some(lag) = mirror.standing.lag {
            lag_bytes.get_or_create(&labels).set(signed(lag.bytes));
            lag_seconds.get_or_create(&labels).set(lag.seconds.unwrap_or(0.0));
        }
        if let Some(wal) = mirror.standing.wal {
            retained.get_or_create(&labels).set(signed(wal.retained_bytes));
        }
        rows.get_or_create(&labels).set(signed(mirror.standing.counters.rows));
        transactions.get_or_create(&labels).set(signed(mirror.standing.counters.transactions));
    }
    registry.register("mirror_lag_bytes", "Log of the source that is not applied", lag_bytes);
    registry.register("mirror_lag_seconds", "How long the oldest of it has been there", lag_seconds);
    registry.register("mirror_retained_wal_bytes", "Log that the slot keeps on the source", retained);
    registry.register("mirror_applied_rows", "Rows applied since the mirror began", rows);
    registry.register("mirror_applied_transactions", "Transactions applied since it began", transactions);
    Ok(())
}

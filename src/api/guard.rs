//! The guard in front of every route: whom a request is for, from which page it comes, how often, and whose it is.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use subtle::ConstantTimeEq;

use super::limits::Limits;
use super::metrics::Request as Labels;
use super::problem::Problem;
use super::state::Api;
use crate::access::{Scope, Token, Tokens, hash};
use crate::secret::Secret;

/// A token that was taken back is refused after so long.
const TOKENS_FOR: Duration = Duration::from_secs(1);

/// Who may come in.
pub(super) struct Guard {
    /// `host` or `host:port`, in lower case, as a client's `Host` header has it.
    hosts: Vec<String>,
    requests: DefaultKeyedRateLimiter<IpAddr>,
    refusals: DefaultKeyedRateLimiter<IpAddr>,
    tokens: Mutex<Option<(Instant, Arc<Known>)>>,
}

type Known = Vec<(Token, [u8; 32])>;

/// Whose request it is.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) token: Token,
}

impl Guard {
    pub(super) fn new(hosts: Vec<String>, limits: &Limits) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let requests =
            Quota::per_second(at_least_one(limits.requests_a_second)).allow_burst(at_least_one(limits.burst));
        let refusals = Quota::per_minute(at_least_one(limits.refusals_a_minute));
        Self {
            hosts: hosts.into_iter().map(|host| host.to_lowercase()).collect(),
            requests: RateLimiter::keyed(requests),
            refusals: RateLimiter::keyed(refusals),
            tokens: Mutex::new(None),
        }
    }

    /// Forgets addresses that have not come for a while.
    pub(super) fn tidy(&self) {
        self.requests.retain_recent();
        self.refusals.retain_recent();
    }

    /// Whether a request is for this server, and from a page of it if from any: a page elsewhere may have its visitor's browser send
    /// requests here, by a name that its owner lets point to this machine.
    fn is_for_us(&self, headers: &HeaderMap, uri: &http::Uri) -> Result<(), Problem> {
        let named = uri.authority().map(ToString::to_string);
        let host = named.or_else(|| Some(headers.get(header::HOST)?.to_str().ok()?.to_owned()));
        let known = |host: &str| self.hosts.contains(&host.to_lowercase());
        if !host.as_deref().is_some_and(known) {
            return Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "host_not_allowed",
                format!("this server is not called {}", host.as_deref().unwrap_or("nothing")),
            )
            .hint("add the name by which it is reached to `hosts` in [server] of multiboard-sync.toml"));
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let ours = origin.to_str().ok().and_then(|origin| {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).map(known)
        });
        match ours {
            Some(true) => Ok(()),
            _ => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "the request comes from a page of another server",
            )),
        }
    }

    /// Whose token this is. Compared in constant time, each with each.
    pub(super) async fn identify(&self, api: &Api, token: &Secret) -> Result<Option<Caller>, Problem> {
        let given = hash(token);
        let mut found = None;
        for (token, kept) in self.known(api).await?.iter() {
            if bool::from(kept.ct_eq(&given)) {
                found = Some(Caller { token: token.clone() });
            }
        }
        Ok(found)
    }

    async fn known(&self, api: &Api) -> Result<Arc<Known>, Problem> {
        let kept = |guard: &Self| {
            let kept = guard.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            kept.as_ref().filter(|(read, _)| read.elapsed() < TOKENS_FOR).map(|(_, known)| Arc::clone(known))
        };
        if let Some(known) = kept(self) {
            return Ok(known);
        }
        let known = Arc::new(api.store(|inner| inner.store.tokens()).await?);
        let now = (Instant::now(), Arc::clone(&known));
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(known)
    }

    /// Whether this address may try another token. Each refusal counts.
    pub(super) fn refuse(&self, address: IpAddr) -> Problem {
        if self.refusals.check_key(&address).is_err() {
            return too_many("too many requests without a valid token came from this address");
        }
        Problem::new(StatusCode::UNAUTHORIZED, "token_missing", "the request has no valid token")
            .hint("send `Authorization: Bearer TOKEN`; `multiboard-sync token create` makes one, and the first one is in the file admin-token of data_dir")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }
}

fn too_many(what: &str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", what)
        .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// What everyone may have: it says nothing of a job. A websocket shows its token by itself.
fn is_open(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/v1/ws") || super::viewer_paths().contains(&path)
}

/// Lets a request through, or answers it.
pub(super) async fn watch(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Err(problem) = api.guard.is_for_us(request.headers(), request.uri()) {
        return problem.into_response();
    }
    if api.guard.requests.check_key(&from.ip()).is_err() {
        return too_many("too many requests came from this address").into_response();
    }
    if !is_open(&path) {
        let caller = match bearer(request.headers()) {
            Some(token) => api.guard.identify(&api, &token).await,
            None => Ok(None),
        };
        match caller {
            Ok(Some(caller)) => drop(request.extensions_mut().insert(caller)),
            Ok(None) => return api.guard.refuse(from.ip()).into_response(),
            Err(problem) => return problem.into_response(),
        }
    }
    let caller = request.extensions().get::<Caller>().cloned();
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let began = Instant::now();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        // Whoever invents methods makes no series.
        let known = matches!(
            method,
            Method::GET
                | Method::HEAD
                | Method::POST
                | Method::PUT
                | Method::DELETE
                | Method::OPTIONS
                | Method::PATCH
        );
        let method = if known { method.to_string() } else { "other".to_owned() };
        let labels = Labels { method, route, status: response.status().as_u16() };
        api.counters.latencies.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
    }
    if let Some(caller) = caller.filter(|_| !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS)) {
        tracing::info!(
            target: "multiboard_sync::audit", %method, path, status = response.status().as_u16(),
            token = caller.token.id, name = caller.token.name, from = %from.ip(), "request"
        );
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The token of a request's `Authorization` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

/// A request whose token has at least this scope.
macro_rules! scoped {
    ($(#[$doc:meta])* $name:ident, $scope:expr) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                may(parts, $scope).map(|()| Self)
            }
        }
    };
}

scoped!(
    /// May look.
    Reader,
    Scope::Read
);
scoped!(
    /// May have jobs run.
    Runner,
    Scope::Run
);
scoped!(
    /// May do what is not taken back.
    Admin,
    Scope::Admin
);

fn may(parts: &Parts, needed: Scope) -> Result<(), Problem> {
    let caller = parts.extensions.get::<Caller>();
    let Some(caller) = caller else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "token_missing",
            "the request has no valid token",
        ));
    };
    if caller.token.scope < needed {
        let detail =
            format!("this needs a token of scope {needed}, and yours has scope {}", caller.token.scope);
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope_too_small", detail)
            .hint(format!("`multiboard-sync token create --scope {needed}` makes one")));
    }
    Ok(())
}

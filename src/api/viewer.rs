//! The page that shows jobs: files built into the program, served to everyone, since they say nothing of a job.
//!
//! The browser is told to keep to them: no script or style but these, no request to anybody else, no text read as HTML.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use sha2::{Digest, Sha256};

use super::errors;
use super::state::Api;

/// What the page may do. `require-trusted-types-for` has the browser refuse text as HTML, should the page ever try. The websocket is
/// named for browsers that do not count it among `'self'`, by a name that the guard has let pass.
fn policy(host: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// A file of the page.
struct File {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// The files, and the paths that everyone may have: one list, so that none can be forgotten in the other.
macro_rules! files {
    ($($path:literal: $name:literal, $kind:expr;)*) => {
        const FILES: &[File] = &[$(File { path: $path, kind: $kind, bytes: include_bytes!(concat!("viewer/", $name)) }),*];

        /// The paths of the page.
        pub(super) const PATHS: &[&str] = &[$($path),*];
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

files! {
    "/": "index.html", HTML;
    "/assets/icon.svg": "icon.svg", "image/svg+xml";
    "/assets/colors.css": "colors.css", STYLE;
    "/assets/page.css": "page.css", STYLE;
    "/assets/parts.css": "parts.css", STYLE;
    "/assets/actions.js": "actions.js", SCRIPT;
    "/assets/api.js": "api.js", SCRIPT;
    "/assets/badge.js": "badge.js", SCRIPT;
    "/assets/bar.js": "bar.js", SCRIPT;
    "/assets/chart.js": "chart.js", SCRIPT;
    "/assets/dialog.js": "dialog.js", SCRIPT;
    "/assets/dom.js": "dom.js", SCRIPT;
    "/assets/format.js": "format.js", SCRIPT;
    "/assets/freshness.js": "freshness.js", SCRIPT;
    "/assets/gauge.js": "gauge.js", SCRIPT;
    "/assets/job.js": "job.js", SCRIPT;
    "/assets/list.js": "list.js", SCRIPT;
    "/assets/live.js": "live.js", SCRIPT;
    "/assets/log.js": "log.js", SCRIPT;
    "/assets/main.js": "main.js", SCRIPT;
    "/assets/mirror.js": "mirror.js", SCRIPT;
    "/assets/outcome.js": "outcome.js", SCRIPT;
    "/assets/problem.js": "problem.js", SCRIPT;
    "/assets/session.js": "session.js", SCRIPT;
    "/assets/signin.js": "signin.js", SCRIPT;
    "/assets/start.js": "start.js", SCRIPT;
    "/assets/tables.js": "tables.js", SCRIPT;
    "/assets/theme.js": "theme.js", SCRIPT;
}

/// A hash of each file: what the browser has is asked for again and mostly not sent again.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |file: &File| {
        let hash = Sha256::digest(file.bytes);
        let hex: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        format!("\"{hex}\"")
    };
    FILES.iter().map(tag).collect()
});

/// The routes of the page. They are no part of the API's document.
pub(super) fn routes() -> Router<Api> {
    Router::new().route("/", get(file)).route("/assets/{name}", get(file))
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    match answer(uri.path(), &headers) {
        Some(response) => response,
        None => errors::not_found(uri).await.into_response(),
    }
}

fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    let (file, tag) = FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.path == path)?;
    let mut response = match has(headers, tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, HeaderValue::from_static(file.kind))], file.bytes).into_response(),
    };
    let answered = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answered.insert(header::ETAG, tag);
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    answered.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy(host)).ok()?);
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (http::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (http::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        answered.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// Whether the browser has this already.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FILES, PATHS};

    /// Every file of the folder is served, and what a file names is there.
    #[test]
    fn the_page_is_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/viewer");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .map(|name| format!("/assets/{name}"))
            .collect();
        let served: BTreeSet<String> =
            PATHS.iter().filter(|path| **path != "/").map(|path| (*path).to_owned()).collect();
        assert_eq!(there, served);
        for file in FILES.iter().filter(|file| file.kind != "image/svg+xml") {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let imported = text.lines().filter(|line| line.starts_with("import "));
            for line in imported {
                let name = line.rsplit('"').nth(1).unwrap().trim_start_matches("./");
                assert!(served.contains(&format!("/assets/{name}")), "{}: {line}", file.path);
            }
            for named in text.split('"').filter(|word| word.starts_with("/assets/")) {
                assert!(served.contains(named), "{}: {named}", file.path);
            }
        }
    }

    /// Nobody else is asked for anything, and nothing is read as HTML or run that came as text.
    #[test]
    fn the_page_keeps_to_itself() {
        for file in FILES {
            let text = std::str::from_utf8(file.bytes).unwrap().replace("http://www.w3.org/2000/svg", "");
            for word in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "<style",
                " onclick",
            ] {
                assert!(!text.contains(word), "{} has {word}", file.path);
            }
        }
    }
}

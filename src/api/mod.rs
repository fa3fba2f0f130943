//! The HTTP API (interface.md §4 and §5): routes, each with its document; live streams; and the guard in front of all of them.

mod act;
mod connections;
mod errors;
mod events;
mod guard;
mod health;
mod jobs;
mod limits;
mod metrics;
mod plans;
mod problem;
mod requests;
mod serve;
mod shown;
mod state;
mod token;
mod viewer;
mod websocket;

use axum::Router;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use limits::Limits;
pub use serve::{Serving, serve};
pub use state::Api;

/// The document, without what the routes say of themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "multiboard-sync",
        description = "Clones and mirrors PostgreSQL databases over the wire protocol, with proof and an undo.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
    tags(
        (name = "jobs", description = "What was asked for, and how far it is"),
        (name = "live", description = "Events and progress as they happen"),
        (name = "connections", description = "The databases of the configuration"),
        (name = "service", description = "The service itself")
    )
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The paths of the page, which everyone may have.
fn viewer_paths() -> &'static [&'static str] {
    viewer::PATHS
}

/// All routes, and their document.
pub fn routes() -> (Router<Api>, utoipa::openapi::OpenApi) {
    let (routes, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(jobs::test))
        .routes(routes!(plans::plan))
        .routes(routes!(jobs::list, jobs::create))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::tables))
        .routes(routes!(jobs::runs))
        .routes(routes!(jobs::logs))
        .routes(routes!(act::cancel))
        .routes(routes!(act::retry))
        .routes(routes!(act::undo))
        .routes(routes!(act::pause))
        .routes(routes!(act::resume))
        .routes(routes!(act::resync))
        .routes(routes!(act::skip))
        .routes(routes!(act::verify))
        .routes(routes!(act::drop_mirror))
        .routes(routes!(events::events))
        .routes(routes!(websocket::websocket))
        .routes(routes!(connections::list))
        .routes(routes!(connections::test))
        .routes(routes!(token::token))
        .routes(routes!(health::document))
        .split_for_parts();
    (routes.merge(viewer::routes()), document)
}

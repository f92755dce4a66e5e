//! HTTP: the whole route table on one screen. The only module that knows axum and status codes.

pub mod activities;
mod activity_draft;
mod activity_reading;
pub mod activity_view;
pub mod aliases;
pub mod body;
pub mod cards;
pub mod closings;
mod conditions;
pub mod daybooks;
mod decision_request;
pub mod decisions;
pub mod deprecated;
pub mod devices;
pub mod editing;
pub mod effects;
pub mod enrolments;
pub mod error;
pub mod events;
mod examples;
pub mod extract;
pub mod grants;
pub mod health;
pub mod held;
pub mod invitations;
pub mod journal;
pub mod ledger;
mod links;
pub mod me;
pub mod members;
mod metrics;
mod middleware;
mod misfits;
pub mod neighbourhoods;
pub mod oauth;
mod openapi;
pub mod outcomes;
pub mod pages;
pub mod params;
pub mod parties;
pub mod patience;
pub mod periods;
mod plain;
pub mod preview;
pub mod quarantine;
mod rate;
pub mod recording;
pub mod replies;
mod rules;
mod shaped;
pub mod suspicions;
pub mod sync;
mod sync_outcome;
pub mod totals;
pub mod types;
mod well_known;

pub use metrics::metrics_router;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use patience::Patience;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{Any, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::domain::limits::BODY_BYTES_MAX;

/// What the document says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Daybook",
        description = include_str!("about.md"),
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "sync", description = "Daybooks: push changes, pull what is missing."),
        (name = "people", description = "Invitations, enrolment, devices, parties."),
        (name = "access", description = "Tokens, grants and keys."),
        (name = "activities", description = "What was recorded, as read from the daybooks."),
        (name = "reconcile", description = "What coordinators decide."),
        (name = "ledger", description = "Accounts, statements and totals in minutes, and the journal that they stand on."),
        (name = "operation", description = "For whoever runs the server."),
    ),
)]
struct Document;

/// Every route.
fn table() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(enrolments::routes())
        .merge(invitations::routes())
        .merge(devices::routes())
        .merge(me::routes())
        .merge(grants::routes())
        .merge(oauth::routes())
        .merge(parties::routes())
        .merge(members::routes())
        .merge(aliases::routes())
        .merge(sync::routes())
        .merge(daybooks::routes())
        .merge(outcomes::routes())
        .merge(held::routes())
        .merge(activities::routes())
        .merge(recording::routes())
        .merge(editing::routes())
        .merge(replies::routes())
        .merge(events::routes())
        .merge(cards::routes())
        .merge(preview::routes())
        .merge(decisions::routes())
        .merge(suspicions::routes())
        .merge(rules::routes())
        .merge(ledger::routes())
        .merge(closings::routes())
        .merge(totals::routes())
        .merge(periods::routes())
        .merge(journal::routes())
        .merge(neighbourhoods::routes())
        .merge(quarantine::routes())
        .merge(health::routes())
        .merge(well_known::routes())
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) = table().split_for_parts();
    openapi::finish(&mut document);
    document
}

/// The service, ready to serve.
pub fn router(app: App) -> Router {
    router_within(app, Patience::default())
}

/// The service, with so long for a request until its answer begins.
pub fn router_within(app: App, patience: Patience) -> Router {
    app.metrics().http.know_problems(error::CODES.iter().map(|code| code.code));
    let (routes, described) = table().split_for_parts();
    let leaving = deprecated::Notices::of(deprecated::LEAVING, &described);
    let routes = if leaving.is_empty() {
        routes
    } else {
        routes.layer(from_fn_with_state(Arc::new(leaving), deprecated::tell))
    };
    routes
        .merge(pages::routes())
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        // As one: each layer of a router boxes every request's future once more.
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(app.clone(), middleware::observe))
                .layer(cors())
                .layer(from_fn(middleware::careful))
                .layer(CompressionLayer::new().compress_when(worth_compressing()))
                .layer(from_fn(middleware::problems))
                .layer(from_fn_with_state(patience, patience::wait))
                .layer(CatchPanicLayer::custom(middleware::panicked))
                .layer(from_fn_with_state(app.clone(), middleware::next_nonce)),
        )
        .with_state(app)
}

/// Stored bytes go out as they are: a snapshot is deflated already, and an `ETag` names exactly these bytes.
fn worth_compressing() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"))
}

/// Any origin, no credentials: tokens are not cookies.
fn cors() -> CorsLayer {
    let exposed = [
        "dpop-nonce",
        "www-authenticate",
        "etag",
        "link",
        "location",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "deprecation",
        "sunset",
        "x-request-id",
        "content-range",
        "daybook-cursor",
    ];
    let allowed = [
        HeaderName::from_static("dpop"),
        header::AUTHORIZATION,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::RANGE,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        HeaderName::from_static("last-event-id"),
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(allowed)
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(Duration::from_secs(3_600))
}

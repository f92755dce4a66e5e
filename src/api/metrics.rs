//! The metrics, for a listener of their own: never part of the public table.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::get;

use crate::app::App;
use crate::metrics::CONTENT_TYPE as OPEN_METRICS;

/// What Prometheus asks, on a port that the public does not reach.
pub fn metrics_router(app: App) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(app)
}

/// Everything counted and timed, as OpenMetrics text; what is not counted on the way is read now.
async fn scrape(State(app): State<App>) -> Result<([(HeaderName, &'static str); 1], String), StatusCode> {
    let metrics = app.metrics();
    metrics.clerk.rung(app.bell().depth());
    metrics.clerk.drifted(app.shares().drifted());
    for pool in app.db().pools() {
        metrics.database.pool(pool.name, pool.size, pool.idle);
    }
    let text = metrics.text().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text))
}

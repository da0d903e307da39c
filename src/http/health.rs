//! For orchestrators.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Desk;

/// A worker loop that has not turned for so many seconds is stuck: longer than a group of visits takes.
const STUCK: i64 = 120;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(metrics))
}

/// The state of a probe.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok` or `unready`.
    status: &'static str,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Is the process alive?
#[utoipa::path(get, path = "/health/live", tag = "operations", operation_id = "live",
    responses((status = 200, description = "It is", body = Health)))]
async fn live() -> Json<Health> {
    Json(Health { status: "ok", reason: None })
}

/// Can it work?
///
/// The database is reachable, all migrations are applied, and the worker's loop turns.
#[utoipa::path(get, path = "/health/ready", tag = "operations", operation_id = "ready",
    responses((status = 200, description = "It can", body = Health),
              (status = 503, description = "It cannot, and why", body = Health)))]
async fn ready(State(desk): State<Desk>) -> Response {
    let reason = match desk.store.pending_migrations().await {
        Err(error) => Some(error.to_string()),
        Ok(pending) if !pending.is_empty() => Some(format!("migrations are pending: {pending:?}")),
        Ok(_) => {
            let age = desk.pulse.age(desk.clock.now());
            (age > STUCK).then(|| format!("the worker's loop has not turned for {age} seconds"))
        }
    };
    match reason {
        None => Json(Health { status: "ok", reason: None }).into_response(),
        reason => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "unready", reason })).into_response()
        }
    }
}

/// Metrics in Prometheus' text form
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
async fn metrics(State(desk): State<Desk>) -> Response {
    super::figures::count(&desk).await;
    let text = crate::telemetry::metrics().render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

//! THE FRONT DESK: the two doors for notices, the REST interface, the console page, health and metrics.

mod acts;
pub mod api;
pub mod arrival;
pub mod auth;
mod docs;
mod document;
mod figures;
pub mod health;
pub mod limits;
pub mod listen;
mod oauth;
mod operations;
pub mod problem;
pub mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use self::arrival::Entrance;
pub use self::figures::Counted;
use self::limits::Limiter;
use crate::clock::{Instant, SharedClock};
use crate::connections::Accounts;
use crate::ids::SharedIds;
use crate::receive::Inbox;
use crate::reconcile::Corridor;
use crate::store::Store;

/// Largest body of a notice (INTERFACE: 256 KiB) and of any other request without a token, in bytes.
pub const LARGEST_BODY: usize = 256 * 1024;
/// Largest body of a request to the REST interface, in bytes.
pub const LARGEST_REST_BODY: usize = 1024 * 1024;
/// Longest that a request may take.
const SLOWEST: Duration = Duration::from_secs(30);

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The database.
    pub store: Store,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// For plans.
    pub corridor: Corridor,
    /// For notices.
    pub inbox: Inbox,
    /// The clock.
    pub clock: SharedClock,
    /// Ids.
    pub ids: SharedIds,
    /// Who may.
    pub auth: auth::AdminToken,
    /// How often.
    pub limiter: Arc<Limiter>,
    /// Base of the addresses handed out, without a slash at its end.
    pub public_base: Arc<str>,
    /// The worker's heartbeat.
    pub pulse: Pulse,
    /// Wakes the worker.
    pub wake: Arc<Notify>,
    /// When the gauges were last brought up to date.
    pub counted: Counted,
}

/// When the worker's loop last turned.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicI64>);

impl Pulse {
    /// The loop has turned.
    pub fn beat(&self, now: Instant) {
        self.0.store(now.timestamp(), Ordering::Relaxed);
    }

    /// Seconds since it last did.
    #[must_use]
    pub fn age(&self, now: Instant) -> i64 {
        now.timestamp().saturating_sub(self.0.load(Ordering::Relaxed))
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Concord",
        description = "Keeps a product catalogue in step, both ways, between Lightspeed Retail POS (R-Series) and \
                       Lightspeed eCom (E-Series). Money is a decimal in a string, times are RFC 3339 in UTC, lists \
                       are `{\"items\": […], \"next\": cursor or null}`, errors are RFC 9457 problem details."
    ),
    tags(
        (name = "connections", description = "Pairs of accounts"),
        (name = "products", description = "Products and their state"),
        (name = "ledger", description = "Why every value is what it is"),
        (name = "syncs", description = "Runs over a whole catalogue"),
        (name = "webhooks", description = "Doors for signed change notices"),
        (name = "access", description = "Keys of this interface, and who did what with them"),
        (name = "operations", description = "For orchestrators"),
    )
)]
struct Document;

/// All routes with their description. What asks for a key, and what takes notices, each stands behind a guard.
fn routes(
    guard: impl FnOnce(OpenApiRouter<Desk>) -> OpenApiRouter<Desk>,
    watch: impl FnOnce(OpenApiRouter<Desk>) -> OpenApiRouter<Desk>,
) -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(watch(webhooks::routes()))
        .merge(oauth::routes())
        .merge(health::routes())
        .merge(problem::page::routes())
        .nest("/v1", guard(api::routes()))
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> serde_json::Value {
    document::complete(&routes(|open| open, |doors| doors).into_openapi())
}

/// The service.
pub fn app(desk: Desk) -> Router {
    let guarded = from_fn_with_state(desk.clone(), auth::guard);
    let watched = from_fn_with_state(desk.clone(), limits::at_the_doors);
    let (router, document) = routes(
        |open| open.layer(DefaultBodyLimit::max(LARGEST_REST_BODY)).layer(guarded),
        |doors| doors.layer(watched),
    )
    .split_for_parts();
    let document: Arc<str> = document::complete(&document).to_string().into();
    let entrance = Entrance::new(&desk);
    router
        .route("/", get(console))
        .route("/docs", get(docs::page))
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document.to_string()) }),
        )
        .fallback(|| async {
            problem::Problem::new(StatusCode::NOT_FOUND, "no-such-page", "there is nothing at this address")
        })
        .method_not_allowed_fallback(not_this_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(in_time))
        .layer(CatchPanicLayer::custom(broken))
        .layer(from_fn_with_state(entrance, arrival::enter))
        .with_state(desk)
}

/// The router adds the `Allow` header to either answer.
async fn not_this_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let words = "this address does not take that method; those it takes stand in the Allow header";
    problem::Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", words).into_response()
}

/// Ends a request that takes too long: what it holds is free again.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(SLOWEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => too_slow().into_response(),
    }
}

fn too_slow() -> problem::Problem {
    let words = "this took too long and was given up; try again";
    problem::Problem::new(StatusCode::SERVICE_UNAVAILABLE, "slow", words)
}

/// Whatever broke stays with the request that met it, and is told without inner words.
fn broken(_: Box<dyn std::any::Any + Send>) -> Response {
    error!("a request broke off");
    let words = "Concord failed at this; the log has the reason";
    problem::Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", words).into_response()
}

async fn console() -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                          connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("http/console.html"))).into_response()
}

//! THE FRONT DESK: the two doors for notices, the REST interface, the console page, health and metrics.

pub mod api;
pub mod auth;
mod figures;
pub mod health;
pub mod listen;
mod oauth;
pub mod problem;
pub mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::error;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use self::auth::BearerScheme;
pub use self::figures::Counted;
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
    modifiers(&BearerScheme),
    tags(
        (name = "connections", description = "Pairs of accounts"),
        (name = "products", description = "Products and their state"),
        (name = "ledger", description = "Why every value is what it is"),
        (name = "syncs", description = "Runs over a whole catalogue"),
        (name = "webhooks", description = "Doors for signed change notices"),
        (name = "operations", description = "For orchestrators"),
    )
)]
struct Document;

/// All routes with their description.
fn routes(guard: impl FnOnce(OpenApiRouter<Desk>) -> OpenApiRouter<Desk>) -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(webhooks::routes())
        .merge(oauth::routes())
        .merge(health::routes())
        .nest("/v1", guard(api::routes()))
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    label_problems(routes(|open| open).into_openapi())
}

/// Problems are labelled `application/problem+json`; derived descriptions say `application/json` of every body.
fn label_problems(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    use utoipa::openapi::{Content, Ref, RefOr};
    let is_problem = |content: &RefOr<Content>| {
        let RefOr::T(Content { schema: Some(RefOr::Ref(Ref { ref_location, .. })), .. }) = content else {
            return false;
        };
        ref_location.ends_with("/Problem")
    };
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            for response in operation.responses.responses.values_mut() {
                let RefOr::T(response) = response else { continue };
                let plain = response.content.get("application/json");
                if !plain.is_some_and(is_problem) {
                    continue;
                }
                if let Some(content) = response.content.shift_remove("application/json") {
                    response.content.insert("application/problem+json".into(), content);
                }
            }
        }
    }
    document
}

/// The service.
pub fn app(desk: Desk) -> Router {
    let guarded = from_fn_with_state(desk.clone(), auth::guard);
    let (router, document) =
        routes(|open| open.layer(DefaultBodyLimit::max(LARGEST_REST_BODY)).layer(guarded)).split_for_parts();
    let document: Arc<str> = label_problems(document).to_json().unwrap_or_default().into();
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .route("/", get(console))
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document.to_string()) }),
        )
        .fallback(|| async {
            problem::Problem::new(StatusCode::NOT_FOUND, "no-such-page", "there is nothing at this address")
        })
        .method_not_allowed_fallback(|| async {
            problem::Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "this address does not take that method",
            )
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(in_time))
        .layer(CatchPanicLayer::custom(broken))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .with_state(desk)
}

/// Ends a request that takes too long: what it holds is free again.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(SLOWEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let words = "this took too long and was given up; try again";
            problem::Problem::new(StatusCode::SERVICE_UNAVAILABLE, "slow", words).into_response()
        }
    }
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

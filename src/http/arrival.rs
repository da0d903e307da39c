//! What every request meets first and every answer last: an id, an address, the limit of that address, and the
//! headers that keep browsers from mischief.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, debug, info_span};

use super::limits::{self, Limiter};
use super::problem::Problem;
use crate::clock::SharedClock;

/// The header with the id of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from a request.
const LONGEST_ID: usize = 128;
/// Asked by orchestrators, however often.
const UNLIMITED: [&str; 2] = ["/health/", "/metrics"];
/// Limited by what is refused there: see `limits`.
const DOORS: &str = "/webhooks/";

/// Where a connection comes from; told by whoever accepted it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What is known of a request before anybody has looked into it.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// Its id: in the answer, in the log, and in the audit.
    pub request_id: String,
    /// Where it comes from, as far as that can be trusted.
    pub address: Option<IpAddr>,
}

/// Stands at the entrance.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    limiter: Arc<Limiter>,
    clock: SharedClock,
    /// Ids of requests begin with it: no two processes have the same.
    prefix: Arc<str>,
    count: Arc<AtomicU64>,
    /// The service is reached through HTTPS.
    secure: bool,
}

impl Entrance {
    pub(super) fn new(desk: &super::Desk) -> Self {
        let mut prefix = [0; 6];
        desk.ids.fill(&mut prefix);
        Self {
            limiter: desk.limiter.clone(),
            clock: desk.clock.clone(),
            prefix: hex::encode(prefix).into(),
            count: Arc::default(),
            secure: desk.public_base.starts_with("https://"),
        }
    }

    /// The id that the request brings, if it is sane; else a new one.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let brought = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let sane = |id: &&str| {
            (1..=LONGEST_ID).contains(&id.len())
                && id.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        };
        brought.filter(sane).map_or_else(
            || format!("{}-{}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed)),
            str::to_owned,
        )
    }
}

/// Lets a request in, and sees its answer off.
pub(super) async fn enter(State(entrance): State<Entrance>, mut request: Request, next: Next) -> Response {
    let request_id = entrance.request_id(request.headers());
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = peer.map(|peer| entrance.limiter.address_of(peer, request.headers()));
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    request.extensions_mut().insert(Arrival { request_id: request_id.clone(), address });
    let limited = !UNLIMITED.iter().any(|open| path.starts_with(open)) && !path.starts_with(DOORS);
    let now = entrance.clock.now();
    let room = match address {
        Some(address) if limited => entrance.limiter.address(address, now),
        _ => Ok(()),
    };
    let mut response = match room {
        Ok(()) => {
            let span = info_span!("request", id = %request_id);
            async {
                let response = next.run(request).await;
                debug!(%method, path, status = response.status().as_u16(), "answered");
                response
            }
            .instrument(span)
            .await
        }
        Err(wait) => limits::too_often("address", wait).into_response(),
    };
    // A problem names the request it is about.
    if let Some(problem) = response.extensions().get::<Problem>().cloned()
        && method != Method::HEAD
    {
        let renewed = problem.about(&request_id).into_response();
        let (parts, body) = renewed.into_parts();
        let (mut before, _) = response.into_parts();
        before.headers.remove(header::CONTENT_LENGTH);
        before.headers.extend(parts.headers);
        response = Response::from_parts(before, body);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    dress(response.headers_mut(), entrance.secure);
    response
}

/// The headers of every answer. Pages bring a policy of their own; nothing else is ever to be shown as one.
pub(super) fn dress(headers: &mut HeaderMap, secure: bool) {
    const USUAL: [(HeaderName, &str); 7] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in USUAL {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
}

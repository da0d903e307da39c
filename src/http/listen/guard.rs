//! What every request passes before the handlers see it: is there room, is its address of a sane length, does
//! its body arrive in time.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::clock::{Instant, SharedClock, after};
use crate::http::arrival::{Peer, dress};
use crate::http::problem::Problem;

/// Longest path with its query, in bytes. The longest that the interface itself hands out is under 300.
const LONGEST_ADDRESS: usize = 8 * 1024;
/// Served whatever else is going on: orchestrators must not take an overloaded service for a dead one.
const ALWAYS: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

/// Requests under way on one connection, and since when there have been none.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    under_way: usize,
    /// A request has been made.
    used: bool,
    idle_since: Instant,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(State { under_way: 0, used: false, idle_since: now }))
    }

    fn state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves once nothing has been under way for `limit`, or, before the first request, for `first`.
    pub(super) async fn idle(&self, clock: &SharedClock, first: Duration, limit: Duration) {
        loop {
            let now = clock.now();
            let until = self.state(|state| {
                let since = if state.under_way == 0 { state.idle_since } else { now };
                after(since, if state.used { limit } else { first })
            });
            if until <= now {
                return;
            }
            clock.sleep_until(until).await;
        }
    }
}

/// A request that is under way until its answer has been sent.
#[derive(Debug)]
struct UnderWay {
    activity: Arc<Activity>,
    clock: SharedClock,
}

impl UnderWay {
    fn new(activity: Arc<Activity>, clock: SharedClock) -> Self {
        activity.state(|state| (state.under_way, state.used) = (state.under_way.saturating_add(1), true));
        Self { activity, clock }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.activity.state(|state| {
            (state.under_way, state.idle_since) = (state.under_way.saturating_sub(1), now);
        });
    }
}

/// Stands before the handlers, one for each connection.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) app: Router,
    pub(super) requests: Arc<Semaphore>,
    pub(super) activity: Arc<Activity>,
    pub(super) clock: SharedClock,
    /// For a body to arrive.
    pub(super) body: Duration,
    /// The connection is one of the reserve.
    pub(super) reserve: bool,
    /// Where the connection comes from.
    pub(super) peer: Peer,
}

impl Guard {
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response {
        let under_way = UnderWay::new(self.activity.clone(), self.clock.clone());
        let version = request.version();
        let mut response = self.admit(request).await;
        // What was turned away here has not seen the app.
        dress(response.headers_mut(), false);
        // HTTP/2 has no such header: its connection is closed by the limits on connections.
        if version >= axum::http::Version::HTTP_2 {
            response.headers_mut().remove(header::CONNECTION);
        }
        response.map(|body| Body::new(Answer { body, _under_way: under_way }))
    }

    async fn admit(self, request: Request<Incoming>) -> Response {
        let always = ALWAYS.contains(&request.uri().path());
        if self.reserve && !always {
            return closing(busy("connections"));
        }
        let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
        if address > LONGEST_ADDRESS {
            let words = format!("the address is longer than {LONGEST_ADDRESS} bytes");
            return closing(Problem::new(StatusCode::URI_TOO_LONG, "address", words).into_response());
        }
        // Held until the handler has answered; taking the answer is limited by the connection.
        let _room = if always {
            None
        } else {
            match self.requests.try_acquire() {
                Ok(room) => Some(room),
                Err(_) => return busy("requests"),
            }
        };
        let late = Arc::new(AtomicBool::new(false));
        let mut request = request.map(|body| self.in_time(body, late.clone()));
        request.extensions_mut().insert(self.peer);
        // The router never fails: its error type has no values.
        let response = self.app.oneshot(request).await.unwrap_or_else(|never| match never {});
        if late.load(Ordering::Relaxed) {
            let words = "the body did not arrive in time";
            return closing(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", words).into_response());
        }
        if self.reserve { closing(response) } else { response }
    }

    /// The body, ending in an error when it has not arrived in time.
    fn in_time(&self, body: Incoming, late: Arc<AtomicBool>) -> Body {
        if body.is_end_stream() {
            return Body::new(body);
        }
        let deadline = self.clock.sleep_until(after(self.clock.now(), self.body));
        let pieces = Body::new(body).into_data_stream();
        let pieces = stream::unfold(Some((pieces, deadline)), move |state| {
            let late = late.clone();
            async move {
                let (mut pieces, mut deadline) = state?;
                tokio::select! {
                    piece = pieces.next() => Some((piece?, Some((pieces, deadline)))),
                    () = deadline.as_mut() => {
                        late.store(true, Ordering::Relaxed);
                        Some((Err(axum::Error::new("the body did not arrive in time")), None))
                    }
                }
            }
        });
        Body::from_stream(pieces)
    }
}

fn busy(what: &'static str) -> Response {
    metrics::counter!("concord_turned_away_total", "full" => what).increment(1);
    let words = "more is asked at once than can be served; come again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", words).into_response()
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer that is under way until its last byte is handed over.
struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Faults at the edge of a sandboxed platform, shared by both.
//!
//! A fault is met by one request before or after the platform has worked on
//! it. Faults are either put in line by hand ([`Faults::next`]) or drawn with
//! given chances from a seeded generator ([`Faults::chances`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::{Instant, SharedClock, after};

/// One way in which a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Fault {
    /// Answers with this status and does nothing. `retry_after` is in seconds.
    Status {
        /// HTTP status, such as 429, 449, 500 or 503.
        status: u16,
        /// Value of a `Retry-After` header.
        retry_after: Option<u32>,
    },
    /// The connection breaks before the platform has done anything.
    ResetBefore,
    /// The platform does what was asked, then the answer is lost.
    ResetAfter,
    /// The platform does what was asked, then answers 502.
    BadGatewayAfter,
    /// The platform never answers; nothing is done.
    HangBefore,
    /// The platform does what was asked and never answers.
    HangAfter,
    /// The platform does what was asked and answers 200 with bytes that are no JSON.
    GarbageAfter,
    /// The platform does what was asked, and the answer comes so much later.
    SlowAfter {
        /// Seconds on the stage's clock.
        seconds: u32,
    },
    /// The platform does what was asked only so much later, whether or not anybody still waits, and never
    /// answers.
    Late {
        /// Seconds on the stage's clock.
        seconds: u32,
    },
    /// A list comes without one of its rows, as if that record were not there. A request that is answered with
    /// no list meets nothing.
    ShortList,
}

/// Which requests a fault put in line by hand waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The next request of any kind.
    Any,
    /// The next GET.
    Read,
    /// The next POST, PUT or DELETE.
    Write,
}

#[derive(Debug)]
struct Inner {
    /// Each with the number of fitting requests that it still lets pass.
    line: VecDeque<(usize, Aim, Fault)>,
    chances: Vec<(Aim, Fault, f64)>,
    generator: ChaCha12Rng,
    met: u64,
    /// When each request goes on whose sender is kept waiting at the moment; the far end of time if never.
    held: Vec<(u64, Instant)>,
    /// When each request is carried out that is late.
    late: Vec<(u64, Instant)>,
    holds: u64,
}

/// The faults of one sandboxed platform.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    clock: SharedClock,
    /// Told whenever `held` or `late` has changed.
    holding: Arc<watch::Sender<()>>,
}

/// A request that is held back, for as long as this is kept.
#[derive(Debug)]
struct Held {
    faults: Faults,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let others = |(number, _): &(u64, Instant)| *number != self.number;
        self.faults.with(|inner| {
            inner.held.retain(others);
            inner.late.retain(others);
        });
        self.faults.holding.send_replace(());
    }
}

impl Faults {
    /// No faults until told otherwise; chances are drawn from `seed`, delays run on `clock`.
    #[must_use]
    pub fn seeded(seed: u64, clock: SharedClock) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                line: VecDeque::new(),
                chances: Vec::new(),
                generator: ChaCha12Rng::seed_from_u64(seed),
                met: 0,
                held: Vec::new(),
                late: Vec::new(),
                holds: 0,
            })),
            clock,
            holding: Arc::new(watch::Sender::new(())),
        }
    }

    /// Puts one fault in line: the first request that fits `aim` meets it.
    pub fn next(&self, aim: Aim, fault: Fault) {
        self.next_after(0, aim, fault);
    }

    /// Puts one fault in line that lets `skip` requests that fit `aim` pass and is met by the one after them.
    pub fn next_after(&self, skip: usize, aim: Aim, fault: Fault) {
        self.with(|inner| inner.line.push_back((skip, aim, fault)));
    }

    /// From now on each request that fits meets `fault` with this chance (0 to 1). Replaces earlier chances.
    pub fn chances(&self, chances: Vec<(Aim, Fault, f64)>) {
        self.with(|inner| inner.chances = chances);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.with(|inner| {
            inner.line.clear();
            inner.chances.clear();
        });
    }

    /// How many requests have met a fault.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.with(|inner| inner.met)
    }

    /// Resolves once a sender is kept waiting; tells until when, which for a hanging request is the far end of
    /// time.
    pub async fn keeps_waiting(&self) -> Instant {
        self.until(|inner| inner.held.first().map(|(_, until)| *until)).await
    }

    /// Resolves once no sender is kept waiting.
    pub async fn keeps_nobody(&self) {
        self.until(|inner| inner.held.is_empty().then_some(())).await;
    }

    /// Resolves once every late request whose time has come is carried out.
    pub async fn caught_up(&self) {
        let now = self.clock.now();
        self.until(|inner| inner.late.iter().all(|(_, due)| *due > now).then_some(())).await;
    }

    async fn until<T>(&self, reached: impl Fn(&Inner) -> Option<T>) -> T {
        let mut changes = self.holding.subscribe();
        loop {
            if let Some(reached) = self.with(|inner| reached(inner)) {
                return reached;
            }
            // The sender is ours, so it is never gone.
            let _ = changes.changed().await;
        }
    }

    fn hold(&self, until: Instant) -> Held {
        self.book(|inner, number| inner.held.push((number, until)))
    }

    fn delay(&self, due: Instant) -> Held {
        self.book(|inner, number| inner.late.push((number, due)))
    }

    fn book(&self, book: impl FnOnce(&mut Inner, u64)) -> Held {
        let number = self.with(|inner| {
            inner.holds += 1;
            let number = inner.holds;
            book(inner, number);
            number
        });
        self.holding.send_replace(());
        Held { faults: self.clone(), number }
    }

    async fn hold_for_ever(&self) -> Response {
        let _held = self.hold(Instant::MAX_UTC);
        std::future::pending().await
    }

    fn in_seconds(&self, seconds: u32) -> Instant {
        after(self.clock.now(), Duration::from_secs(seconds.into()))
    }

    /// A list without one of its rows; anything else as it is.
    async fn shorten(&self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let mut json = serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null);
        let Some(rows) = rows_of(&mut json) else {
            return Response::from_parts(parts, Body::from(bytes));
        };
        let leave_out = self.with(|inner| inner.generator.random_range(0..rows.len()));
        rows.remove(leave_out);
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(json.to_string()))
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Inner) -> T) -> T {
        use_it(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn draw(&self, is_read: bool) -> Option<Fault> {
        let fits = |aim: Aim| match aim {
            Aim::Any => true,
            Aim::Read => is_read,
            Aim::Write => !is_read,
        };
        self.with(|inner| {
            let mut fault = None;
            if let Some(at) = inner.line.iter().position(|(skip, aim, _)| *skip == 0 && fits(*aim)) {
                fault = inner.line.remove(at).map(|(_, _, fault)| fault);
            }
            for (skip, aim, _) in &mut inner.line {
                if fits(*aim) {
                    *skip = skip.saturating_sub(1);
                }
            }
            if fault.is_none() {
                for (aim, candidate, chance) in inner.chances.clone() {
                    if fits(aim) && inner.generator.random_bool(chance.clamp(0.0, 1.0)) {
                        fault = Some(candidate);
                        break;
                    }
                }
            }
            inner.met += u64::from(fault.is_some());
            fault
        })
    }
}

/// The middleware: `axum::middleware::from_fn_with_state(faults, faults::meet)`.
pub async fn meet(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let Some(fault) = faults.draw(request.method().is_safe()) else {
        return next.run(request).await;
    };
    match fault {
        Fault::Status { status, retry_after } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, "").into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        Fault::ResetBefore => broken(),
        Fault::HangBefore => faults.hold_for_ever().await,
        Fault::ResetAfter => {
            next.run(request).await;
            broken()
        }
        Fault::BadGatewayAfter => {
            next.run(request).await;
            (StatusCode::BAD_GATEWAY, "<html>502 Bad Gateway</html>").into_response()
        }
        Fault::HangAfter => {
            next.run(request).await;
            faults.hold_for_ever().await
        }
        Fault::SlowAfter { seconds } => {
            let response = next.run(request).await;
            let until = faults.in_seconds(seconds);
            let held = faults.hold(until);
            faults.clock.sleep_until(until).await;
            drop(held);
            response
        }
        Fault::Late { seconds } => {
            // A task of its own, because the connection takes this one with it.
            let until = faults.in_seconds(seconds);
            let (held, clock) = (faults.delay(until), faults.clock.clone());
            tokio::spawn(async move {
                clock.sleep_until(until).await;
                next.run(request).await;
                drop(held);
            });
            faults.hold_for_ever().await
        }
        Fault::ShortList => {
            let response = next.run(request).await;
            faults.shorten(response).await
        }
        Fault::GarbageAfter => {
            next.run(request).await;
            (StatusCode::OK, "{\"this is\": not JSON").into_response()
        }
    }
}

/// The rows of a list of two or more products or items.
fn rows_of(json: &mut serde_json::Value) -> Option<&mut Vec<serde_json::Value>> {
    let lists = json.as_object_mut()?;
    let name = ["items", "Item"].into_iter().find(|name| lists.contains_key(*name))?;
    lists.get_mut(name)?.as_array_mut().filter(|rows| rows.len() > 1)
}

/// An answer whose connection breaks before its body has come.
fn broken() -> Response {
    let cut = futures::stream::once(std::future::ready(Err::<Bytes, _>(std::io::Error::other("reset"))));
    let mut response = Response::new(Body::from_stream(cut));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(64_u16));
    response
}

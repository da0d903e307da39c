//! Faults at the edge of a sandboxed platform, shared by both.
//!
//! A fault is met by one request before or after the platform has worked on
//! it. Faults are either put in line by hand ([`Faults::next`]) or drawn with
//! given chances from a seeded generator ([`Faults::chances`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

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
}

/// The faults of one sandboxed platform.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

impl Faults {
    /// No faults until told otherwise; chances are drawn from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                line: VecDeque::new(),
                chances: Vec::new(),
                generator: ChaCha12Rng::seed_from_u64(seed),
                met: 0,
            })),
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
        Fault::HangBefore => std::future::pending().await,
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
            std::future::pending().await
        }
        Fault::GarbageAfter => {
            next.run(request).await;
            (StatusCode::OK, "{\"this is\": not JSON").into_response()
        }
    }
}

/// An answer whose connection breaks before its body has come.
fn broken() -> Response {
    let cut = futures::stream::once(std::future::ready(Err::<Bytes, _>(std::io::Error::other("reset"))));
    let mut response = Response::new(Body::from_stream(cut));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(64_u16));
    response
}

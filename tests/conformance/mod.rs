//! The facts about both platforms that Concord relies on, each with its section of the reference, checked twice by the
//! same code: on the sandbox called in memory with bodies written by hand, and through the real client over HTTP.
//!
//! A fact that fails in memory is a mistake of the sandbox; one that fails through the client alone is a mistake of the
//! client. Against a live account, another implementation of [`r_series::Shop`] and [`e_series::Store`] is all it
//! takes.

mod e_series;
mod r_series;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use concord::clock::{Instant, after};
use concord::platforms::CallError;
use rust_decimal::Decimal;
use serde_json::Value;
use tower::ServiceExt;

/// What can be opened anew for each fact.
pub trait Open {
    async fn open() -> Self;
}

/// Tests of these facts, on both implementations. What stands before a fact is its section.
macro_rules! facts {
    ($memory:ident, $client:ident: $($section:literal $fact:ident)+) => {
        mod in_memory {
            $(
                #[doc = concat!("Section ", $section)]
                #[tokio::test]
                async fn $fact() {
                    let it = <super::$memory as $crate::conformance::Open>::open().await;
                    super::$fact(&it).await;
                }
            )+
        }
        mod through_the_client {
            $(
                #[doc = concat!("Section ", $section)]
                #[tokio::test]
                async fn $fact() {
                    let it = <super::$client as $crate::conformance::Open>::open().await;
                    super::$fact(&it).await;
                }
            )+
        }
    };
}
use facts;

/// What a platform says where it does not do what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Not now.
    Later,
    /// Perhaps done.
    Unclear,
    /// There is no such record.
    Gone,
    /// No, with status and code.
    Refused(u16, Option<String>),
    /// The caller may not.
    Account,
}

impl From<CallError> for Told {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Later { .. } | CallError::Busy { .. } => Self::Later,
            CallError::Unclear { .. } => Self::Unclear,
            CallError::Gone { .. } => Self::Gone,
            CallError::Refused { status, code, .. } => Self::Refused(status, code),
            CallError::Account { .. } => Self::Account,
        }
    }
}

/// One request to a platform in memory. The body of the answer is JSON, or null.
async fn ask(
    router: Router,
    (method, url): (&str, &url::Url),
    token: &str,
    body: Sent<'_>,
) -> (u16, HeaderMap, Value) {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    let request = match body {
        Sent::Nothing => request.body(Body::empty()),
        Sent::Json(json) => {
            request.header("content-type", "application/json").body(Body::from(json.to_string()))
        }
        Sent::Bytes(bytes) => {
            request.header("content-type", "application/octet-stream").body(Body::from(bytes.to_vec()))
        }
    };
    let answer = router.oneshot(request.unwrap()).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 24).await.unwrap();
    (status, headers, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// What is sent in memory.
#[derive(Debug, Clone, Copy)]
enum Sent<'a> {
    Nothing,
    Json(&'a Value),
    Bytes(&'a [u8]),
}

/// A whole number, as a number or as a text; 0 where there is none.
fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An amount, as a number or as a text.
fn amount(value: &Value) -> Decimal {
    let printed = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    printed.parse::<Decimal>().unwrap().normalize()
}

/// Rows, whether there are none, one or several of them.
fn rows(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(rows) => rows.clone(),
        Value::Object(_) => vec![value.clone()],
        _ => Vec::new(),
    }
}

/// Late enough for a write that is made now.
fn soon(now: Instant) -> Instant {
    after(now, std::time::Duration::from_secs(30))
}

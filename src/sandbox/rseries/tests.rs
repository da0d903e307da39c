//! Tests, all through the router in memory.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Config, Habits, NewItem, RSeriesSandbox};
use crate::clock::{Instant, ManualClock};

mod category;
mod image;
mod limits;
mod matrix;
mod oauth;
mod paging;
mod sale;
mod stock;
mod wire;
mod write;

/// A sandbox with a bearer, and a clock that stands still.
struct Bench {
    sandbox: RSeriesSandbox,
    clock: ManualClock,
    router: Router,
    token: String,
}

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header is text"))
    }

    fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or_default()
    }
}

/// Limits so wide that only the tests of the limits meet them.
fn roomy() -> Config {
    Config {
        shops: vec!["Main Street".to_owned(), "Harbour".to_owned()],
        bucket_size: 1e9,
        burst_limit: 1_000_000,
        ..Config::default()
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(roomy())
    }

    fn with(config: Config) -> Self {
        let clock = ManualClock::starting_at("2024-05-17T09:30:02.7Z".parse().expect("a time"));
        let sandbox = RSeriesSandbox::new(config, std::sync::Arc::new(clock.clone()), 7);
        sandbox.set_base_url("http://127.0.0.1:4000".to_owned());
        let (token, _) = sandbox.issue_tokens();
        Self { router: sandbox.router(), sandbox, clock, token }
    }

    fn with_habits(change: impl FnOnce(&mut Habits)) -> Self {
        let bench = Self::new();
        bench.sandbox.habits(change);
        bench
    }

    fn item(&self, description: &str) -> i64 {
        self.sandbox.create_item(NewItem {
            description: description.to_owned(),
            default_price: Decimal::new(1250, 2),
            stock: vec![(1, 10), (2, 5)],
            ..NewItem::default()
        })
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// `path` stands below the account.
    async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        let path = format!("/API/V3/Account/4711/{path}");
        let bearer = format!("Bearer {}", self.token);
        self.send(method, &path, &[("authorization", &bearer)], &body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, Value::Null).await
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.call("PUT", path, body).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let json = serde_json::from_str(&text).unwrap_or_default();
        Reply { status: parts.status, headers: parts.headers, text, json }
    }
}

fn ids(page: &Value, resource: &str, key: &str) -> Vec<i64> {
    let id = |row: &Value| row[key].as_str().expect("a string").parse().expect("a number");
    match &page[resource] {
        Value::Array(rows) => rows.iter().map(id).collect(),
        Value::Null => Vec::new(),
        row => vec![id(row)],
    }
}

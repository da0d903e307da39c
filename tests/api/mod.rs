//! The REST interface, one file a resource. Every call is held against the interface document, and every
//! answer is searched for secrets.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

mod access;
mod brake;
mod choices;
mod conflicts;
mod connections;
mod document;
mod health;
mod idempotency;
mod ledger;
mod mass_update;
mod misuse;
mod oauth;
mod products;
mod quality;
mod reviews;
mod rotate_key;
mod settings;
mod syncs;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Plan, TOKEN, World, mug};

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub text: String,
    pub json: Value,
    pub headers: HeaderMap,
}

/// A world, and what must never be seen in an answer.
pub struct Api {
    pub world: World,
    pub secrets: Vec<String>,
}

/// The credentials of a connect as they were sent.
fn tokens_of(body: &Value) -> Vec<String> {
    let at = ["/r_series/access_token", "/r_series/refresh_token", "/e_series/access_token"];
    at.iter().filter_map(|at| body.pointer(at)?.as_str()).map(str::to_owned).collect()
}

impl Api {
    /// Nothing is connected yet.
    pub async fn open() -> Self {
        Self { world: World::open(Plan::default()).await, secrets: vec![TOKEN.into()] }
    }

    /// One mug, connected through this interface, and quiet.
    pub async fn with_a_mug() -> Self {
        let mut api = Self::open().await;
        api.world.stage.r.create_item(mug());
        api.connect().await;
        api.world.settle().await;
        api
    }

    pub async fn connect(&mut self) {
        let body = self.world.credentials();
        let made = self.send("POST", "/v1/connections", Some(body.clone())).await.expect(201);
        self.world.adopt(&made);
        self.secrets.extend(tokens_of(&body));
        self.secrets.push(self.world.r_secret.clone());
    }

    /// The path below the connection.
    pub fn at(&self, path: &str) -> String {
        format!("/v1/connections/{}{path}", self.world.connection)
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut headers = vec![("authorization", format!("Bearer {TOKEN}"))];
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json".to_owned())));
        self.send_raw(method, path, &headers, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send("GET", &self.at(path), None).await.expect(200)
    }

    pub async fn send_raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.world.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let kind =
            response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let at = format!("{method} {path} → {status}");
        document::check(method, path, status, &kind, &at);
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{at}: a secret stands in the answer");
        }
        if status >= 400 && status != 503 {
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(kind, "application/problem+json", "{at}");
            assert_eq!(problem["status"], status, "{at}");
            assert!(problem["type"].as_str().unwrap().starts_with("/problems/"), "{at}");
            assert!(!problem["detail"].as_str().unwrap().is_empty(), "{at}");
            let id = headers["x-request-id"].to_str().unwrap();
            assert_eq!(problem["instance"], format!("urn:concord:request:{id}"), "{at}");
        }
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, kind, text, json, headers }
    }

    /// Refused without a token and with a wrong one, and not because of anything else.
    pub async fn check_guarded(&self, method: &str, path: &str) {
        let wrong = ["Bearer wrong", "Bearer", "Basic dGVzdA==", TOKEN, "Bearer test-admin-toke"];
        let mut tries = vec![vec![("content-type", "application/json".to_owned())]];
        tries.extend(wrong.map(|value| vec![("authorization", value.to_owned())]));
        for headers in tries {
            let answer = self.send_raw(method, path, &headers, "{}".into()).await;
            assert_eq!(answer.status, 401, "{method} {path} with {headers:?}: {}", answer.text);
        }
    }

    /// Bodies that are none, not labelled as one, or hold something unknown.
    pub async fn check_body(&self, method: &str, path: &str, good: &Value) {
        let token = ("authorization", format!("Bearer {TOKEN}"));
        let labelled = |kind: &str| vec![token.clone(), ("content-type", kind.to_owned())];
        let mut unknown = good.clone();
        unknown["surprise"] = json!(1);
        let cases = [
            (labelled("application/json"), "{".to_owned(), 400),
            (labelled("application/json"), String::new(), 400),
            (labelled("application/json"), unknown.to_string(), 422),
            (labelled("application/json"), "[]".to_owned(), 422),
            (labelled("text/plain"), good.to_string(), 415),
            (vec![token.clone()], good.to_string(), 415),
        ];
        for (headers, body, status) in cases {
            let answer = self.send_raw(method, path, &headers, body.clone()).await;
            assert_eq!(answer.status, status, "{method} {path} {body:.200}: {}", answer.text);
        }
    }

    /// Lists take `limit` and `cursor`, and say so when they cannot be taken.
    pub async fn check_paging(&self, path: &str) {
        for (query, status) in [
            ("limit=0", 422),
            ("limit=201", 422),
            ("limit=-1", 422),
            ("limit=x", 400),
            ("limit=1.5", 400),
            ("cursor=nonsense", 422),
            ("cursor=%00", 422),
            ("limit=1", 200),
            ("limit=200", 200),
        ] {
            let path = format!("{path}?{query}");
            let answer = self.send("GET", &path, None).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text);
        }
    }
}

impl Answer {
    /// A header as a text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }
}

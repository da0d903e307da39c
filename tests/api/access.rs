//! Who may: keys, scopes, limits, and the audit of what they did.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use concord::cli::service::{Assembled, Parts, assemble};
use concord::http::arrival::Peer;
use concord::http::limits::Rates;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::document::DOCUMENT;
use super::{Answer, Api};
use crate::support::TOKEN;

impl Api {
    /// A request with this key instead of the admin token.
    pub async fn send_as(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut headers = vec![("authorization", format!("Bearer {key}"))];
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json".to_owned())));
        self.send_raw(method, path, &headers, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    /// Makes a key; gives its id and itself.
    pub async fn key(&self, name: &str, scopes: &[&str]) -> (String, String) {
        let new = json!({"name": name, "scopes": scopes});
        let made = self.send("POST", "/v1/api-keys", Some(new)).await.expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    /// A request from an address, with these headers.
    pub async fn answer_to(
        &self,
        peer: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, HeaderMap) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer: SocketAddr = format!("{peer}:4000").parse().unwrap();
        let request = request.extension(Peer(peer)).body(Body::empty()).unwrap();
        let response = self.world.app.clone().oneshot(request).await.unwrap();
        (response.status().as_u16(), response.headers().clone())
    }

    /// The same service with other rates.
    pub fn limited(&mut self, rates: Rates) {
        let parts = Parts { rates, ..self.world.parts(99) };
        let Assembled { desk, .. } = assemble(parts, "http://concord.test").unwrap();
        self.world.app = crate::support::front(desk);
    }
}

#[tokio::test]
async fn a_key_is_shown_once_kept_as_a_hash_used_and_revoked() {
    let api = Api::with_a_mug().await;
    let before = api.world.clock_now();
    let new = json!({"name": "Till", "scopes": ["operate", "read", "read"]});
    let made = api.send("POST", "/v1/api-keys", Some(new)).await.expect(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with("concord_key_") && key.len() > 80, "{made}");
    assert_eq!((&made["name"], &made["scopes"]), (&json!("Till"), &json!(["read", "operate"])), "{made}");
    assert_eq!((&made["created_by"], &made["expires_at"]), (&json!("admin"), &json!(null)));
    assert!(!api.world.dump().await.contains(key), "the key lies in the database");

    api.send_as(key, "GET", &api.at(""), None).await.expect(200);
    let list = api.send("GET", "/v1/api-keys", None).await;
    assert!(!list.text.contains(key), "{}", list.text);
    let shown = list.expect(200)["items"][0].clone();
    assert_eq!(shown["last_used_at"], json!(before), "{shown}");
    // Not every use is written down.
    api.world.clock.advance(Duration::from_secs(299));
    api.send_as(key, "GET", &api.at(""), None).await.expect(200);
    assert_eq!(api.send("GET", "/v1/api-keys", None).await.expect(200)["items"][0], shown);
    api.world.clock.advance(Duration::from_secs(2));
    api.send_as(key, "GET", &api.at(""), None).await.expect(200);
    assert_ne!(api.send("GET", "/v1/api-keys", None).await.expect(200)["items"][0], shown);

    // Neither half of a key is one, nor is it one with another secret.
    let (stem, secret) = key.rsplit_once('_').unwrap();
    let other = format!("{stem}_{}", "0".repeat(secret.len()));
    let unknown = format!("concord_key_{}_{secret}", Uuid::nil().simple());
    let mut refusals = Vec::new();
    let last = key.chars().next_back().unwrap();
    for wrong in [stem, secret, &other, &unknown, key.strip_suffix(last).unwrap(), &format!("{key}0")] {
        refusals.push(api.send_as(wrong, "GET", &api.at(""), None).await.expect(401)["detail"].clone());
    }
    let path = format!("/v1/api-keys/{id}");
    assert_eq!(api.send("DELETE", &path, None).await.status, 204);
    refusals.push(api.send_as(key, "GET", &api.at(""), None).await.expect(401)["detail"].clone());
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "a refusal tells why: {refusals:?}");
    api.send("DELETE", &path, None).await.expect(404);
    let shown = api.send("GET", "/v1/api-keys", None).await.expect(200)["items"][0].clone();
    assert!(shown["revoked_at"].is_string(), "{shown}");
}

#[tokio::test]
async fn a_key_ends_when_it_expires() {
    let api = Api::open().await;
    let soon = concord::clock::after(api.world.clock_now(), Duration::from_secs(60));
    let new = json!({"name": "For a minute", "scopes": ["read"], "expires_at": soon});
    let made = api.send("POST", "/v1/api-keys", Some(new)).await.expect(201);
    let key = made["key"].as_str().unwrap();
    api.send_as(key, "GET", "/v1/connections", None).await.expect(200);
    api.world.clock.advance(Duration::from_secs(60));
    api.send_as(key, "GET", "/v1/connections", None).await.expect(401);
}

#[tokio::test]
async fn keys_are_guarded_and_know_what_they_cannot_take() {
    let api = Api::open().await;
    let good = json!({"name": "x", "scopes": ["read"]});
    api.check_body("POST", "/v1/api-keys", &good).await;
    for wrong in [
        json!({"name": "", "scopes": ["read"]}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["root"]}),
        json!({"name": "x", "scopes": "read"}),
        json!({"name": "x"}),
        json!({"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}),
        json!({"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}),
    ] {
        api.send("POST", "/v1/api-keys", Some(wrong)).await.expect(422);
    }
    for (method, path) in [("POST", "/v1/api-keys"), ("GET", "/v1/api-keys"), ("GET", "/v1/audit")] {
        api.check_guarded(method, path).await;
    }
    api.check_guarded("DELETE", &format!("/v1/api-keys/{}", Uuid::nil())).await;
    api.check_paging("/v1/api-keys").await;
    api.check_paging("/v1/audit").await;
    for id in [Uuid::nil().to_string(), "nonsense".into()] {
        api.send("DELETE", &format!("/v1/api-keys/{id}"), None).await.expect(404);
    }
    api.send("GET", "/v1/audit?connection_id=x", None).await.expect(400);
    api.send("GET", "/v1/audit?actor=%00", None).await.expect(422);
}

/// Every operation there is, with keys of every scope: refused exactly where the document says so.
#[tokio::test]
async fn every_operation_demands_the_scope_that_the_document_names() {
    let api = Api::with_a_mug().await;
    let mut keys = Vec::new();
    for scope in ["read", "operate", "admin"] {
        keys.push((scope, api.key(scope, &[scope]).await.1));
    }
    let rank = |scope: &str| ["read", "operate", "admin"].iter().position(|one| *one == scope).unwrap();
    let mut seen = 0;
    for (template, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(needed) = operation["security"][0]["bearer"][0].as_str() else { continue };
            seen += 1;
            // Ids that name nothing, so that nothing happens.
            let path: Vec<String> = template
                .split('/')
                .map(|part| if part.starts_with('{') { Uuid::nil().to_string() } else { part.to_owned() })
                .collect();
            let (method, path) = (method.to_ascii_uppercase(), path.join("/"));
            for (scope, key) in &keys {
                let body = operation["requestBody"].is_object().then(|| json!({"surprise": 1}));
                let answer = api.send_as(key, &method, &path, body).await;
                if rank(scope) < rank(needed) {
                    assert_eq!(answer.status, 403, "{method} {path} with {scope}: {}", answer.text);
                    let detail = answer.json["detail"].as_str().unwrap();
                    assert!(detail.contains(&format!("scope {needed}")), "{detail}");
                } else {
                    assert!(
                        ![401, 403].contains(&answer.status),
                        "{method} {path} with {scope}: {}",
                        answer.text
                    );
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} operations were found");
}

#[tokio::test]
async fn every_act_is_in_the_audit_with_who_when_from_where_and_what() {
    let mut api = Api::open().await;
    api.connect().await;
    let tick = |api: &Api| api.world.clock.advance(Duration::from_millis(1));
    tick(&api);
    let (key_id, key) = api.key("Night shift", &["operate"]).await;
    tick(&api);
    let paused_at = api.world.clock_now();
    let path = api.at("/pause");
    let headers = [("authorization", format!("Bearer {key}")), ("x-request-id", "night-1".to_owned())];
    let request =
        headers.iter().fold(Request::post(&path), |request, (name, value)| request.header(*name, value));
    let peer: SocketAddr = "192.0.2.9:4000".parse().unwrap();
    let request = request.extension(Peer(peer)).body(Body::empty()).unwrap();
    assert_eq!(api.world.app.clone().oneshot(request).await.unwrap().status(), 200);
    tick(&api);
    api.send_as(&key, "POST", &format!("/v1/connections/{}/pause", Uuid::nil()), None).await.expect(404);
    // What only looks is no act, and what may not be done is not begun.
    api.send_as(&key, "GET", &api.at(""), None).await.expect(200);
    api.send_as(&key, "DELETE", &api.at(""), None).await.expect(403);
    tick(&api);
    api.send("PATCH", &api.at(""), Some(json!({"name": "Other"}))).await.expect(200);
    tick(&api);
    assert_eq!(api.send("DELETE", &api.at(""), None).await.status, 204);
    tick(&api);
    assert_eq!(api.send("DELETE", &format!("/v1/api-keys/{key_id}"), None).await.status, 204);

    let all = api.send("GET", "/v1/audit", None).await.expect(200)["items"].as_array().unwrap().clone();
    let acts: Vec<(&str, u64)> =
        all.iter().map(|act| (act["act"].as_str().unwrap(), act["status"].as_u64().unwrap())).collect();
    assert_eq!(
        acts,
        [
            ("revoke_api_key", 204),
            ("delete_connection", 204),
            ("update_connection", 200),
            ("pause_connection", 404),
            ("pause_connection", 200),
            ("create_api_key", 201),
            ("create_connection", 201),
        ]
    );
    let paused = &all[4];
    for (name, value) in [
        ("actor", json!(key_id)),
        ("actor_name", json!("Night shift")),
        ("address", json!("192.0.2.9")),
        ("request_id", json!("night-1")),
        ("method", json!("POST")),
        ("path", json!(path)),
        ("connection_id", json!(api.world.connection)),
        ("at", json!(paused_at)),
    ] {
        assert_eq!(paused[name], value, "{name} in {paused}");
    }
    assert_eq!(all[5]["detail"], json!({"key_id": key_id, "name": "Night shift", "scopes": ["operate"]}));
    assert_eq!((&all[6]["actor"], &all[6]["connection_id"]), (&json!("admin"), &json!(api.world.connection)));
    // It outlives the connection, and is found by it and by who did it.
    let about = format!("/v1/audit?connection_id={}&limit=2", api.world.connection);
    let page = api.send("GET", &about, None).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap(), &all[1..3]);
    let next = api
        .send("GET", &format!("{about}&cursor={}", page["next"].as_str().unwrap()), None)
        .await
        .expect(200);
    assert_eq!((&next["items"][0], &next["items"][1]), (&all[4], &all[6]));
    let by = api.send("GET", &format!("/v1/audit?actor={key_id}"), None).await.expect(200);
    assert_eq!(by["items"].as_array().unwrap(), &all[3..5]);
    let dump = api.world.dump().await;
    assert!(api.secrets.iter().all(|secret| !dump.contains(secret.as_str())), "a secret lies in the audit");
}

#[tokio::test]
async fn a_key_has_a_budget_and_the_admin_token_has_none() {
    let mut api = Api::open().await;
    let (_, one) = api.key("one", &["read"]).await;
    let (_, two) = api.key("two", &["read"]).await;
    api.limited(Rates { per_key: 3, ..Rates::default() });
    for _ in 0..3 {
        api.send_as(&one, "GET", "/v1/connections", None).await.expect(200);
    }
    let refused = api.send_as(&one, "GET", "/v1/connections", None).await;
    assert_eq!(refused.header("retry-after"), "20", "{}", refused.text);
    refused.expect(429);
    api.send_as(&two, "GET", "/v1/connections", None).await.expect(200);
    for _ in 0..10 {
        api.send("GET", "/v1/connections", None).await.expect(200);
    }
    api.world.clock.advance(Duration::from_secs(20));
    api.send_as(&one, "GET", "/v1/connections", None).await.expect(200);
    api.send_as(&one, "GET", "/v1/connections", None).await.expect(429);
}

#[tokio::test]
async fn an_address_has_a_budget_and_probes_always_get_through() {
    let mut api = Api::open().await;
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    api.limited(Rates { per_address: 2, proxies, ..Rates::default() });
    let token = format!("Bearer {TOKEN}");
    let mine = [("authorization", token.as_str())];
    // Whether it was let in or not counts alike.
    assert_eq!(api.answer_to("192.0.2.1", "GET", "/v1/connections", &mine).await.0, 200);
    assert_eq!(api.answer_to("192.0.2.1", "GET", "/v1/connections", &[]).await.0, 401);
    let (status, headers) = api.answer_to("192.0.2.1", "GET", "/v1/connections", &mine).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "30"));
    assert_eq!(api.answer_to("192.0.2.1", "GET", "/health/live", &[]).await.0, 200);
    assert_eq!(api.answer_to("192.0.2.1", "GET", "/metrics", &[]).await.0, 200);
    assert_eq!(
        api.answer_to("192.0.2.2", "GET", "/v1/connections", &mine).await.0,
        200,
        "others have their own"
    );
    // Behind a proxy of ours it is the one in front of it who counts; a stranger's word is none.
    for (forwarded, status) in
        [("192.0.2.1", 429), ("192.0.2.3", 200), ("192.0.2.1, 192.0.2.3", 200), ("192.0.2.3", 429)]
    {
        let headers = [("authorization", token.as_str()), ("x-forwarded-for", forwarded)];
        assert_eq!(
            api.answer_to("10.1.1.1", "GET", "/v1/connections", &headers).await.0,
            status,
            "{forwarded}"
        );
    }
    let headers = [("authorization", token.as_str()), ("x-forwarded-for", "192.0.2.77")];
    assert_eq!(api.answer_to("192.0.2.1", "GET", "/v1/connections", &headers).await.0, 429);
}

/// Forgeries use up a budget; genuine notices do not, however many they are.
#[tokio::test]
async fn genuine_notices_are_never_turned_away_and_forgeries_are() {
    let mut api = Api::with_a_mug().await;
    api.limited(Rates { refused_notices: 3, per_address: 1, ..Rates::default() });
    let path = format!("/webhooks/r-series/{}", api.world.connection);
    let body = json!({"type": "item.update", "payload": {"itemID": "1"}}).to_string();
    let signature = concord::sandbox::relay::signature(&api.world.r_secret, body.as_bytes());
    let send = async |peer: &str, signature: &str| {
        let peer: SocketAddr = format!("{peer}:4000").parse().unwrap();
        let request =
            Request::post(&path).header("content-type", "application/json").header("x-signature", signature);
        let request = request.extension(Peer(peer)).body(Body::from(body.clone())).unwrap();
        api.world.app.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    // Nobody writes the notices of this second service down, so a genuine one is asked to come again; what counts is
    // that it is not refused.
    for _ in 0..3 {
        assert_eq!(send("192.0.2.1", "signature=00,algorithm=HMAC-SHA256").await, 401);
    }
    assert_eq!(send("192.0.2.1", "signature=00,algorithm=HMAC-SHA256").await, 429);
    assert_eq!(send("192.0.2.1", &signature).await, 429, "the same address is to come again");
    for _ in 0..20 {
        let status = send("192.0.2.2", &signature).await;
        assert!([200, 503].contains(&status), "{status}");
    }
    api.world.clock.advance(Duration::from_secs(20));
    assert!([200, 503].contains(&send("192.0.2.1", &signature).await), "it fills up again");
}

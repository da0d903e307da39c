//! Accounts that come and go: the application is removed, permission is taken back, and connecting anew loses nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use concord::clock::Clock;
use concord::sandbox::faults::{Aim, Fault};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{World, mug};

impl World {
    async fn replace(&self, body: Value) -> (StatusCode, Value) {
        let path = format!("/v1/connections/{}/credentials", self.connection);
        self.call("PUT", &path, Some(body)).await
    }

    async fn new_e_token(&self) -> Value {
        let (status, connection) =
            self.replace(json!({"e_series": {"access_token": self.stage.e.issue_token()}})).await;
        assert_eq!(status, StatusCode::OK, "{connection}");
        connection
    }

    async fn links(&self) -> Value {
        let products = self.get("/products").await;
        let both = |it: &Value| json!([it["id"], it["r_series"], it["e_series"]]);
        products["items"].as_array().unwrap().iter().map(both).collect()
    }

    async fn needs_attention(&self) -> String {
        let status = self.get("/status").await;
        assert_eq!(status["state"], "needs_attention", "{status}");
        assert_eq!(status["in_step"], false, "nobody looks: {status}");
        status["state_reason"].as_str().unwrap().to_owned()
    }

    /// A notice of the store under a true signature.
    async fn notice(&self, event_id: &str, event_type: &str) -> u16 {
        let (created, secret) =
            (self.clock.now().timestamp(), concord::sandbox::eseries::Config::default().client_secret);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{created}.{event_id}").as_bytes());
        let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let body = json!({"eventId": event_id, "eventCreated": created, "storeId": 1003, "entityId": "1003",
            "eventType": event_type});
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}/webhooks/e-series", self.door)).json(&body);
        let request = request.header("x-ecwid-webhook-signature", signature);
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_removed_application_stops_the_connection_at_once_and_connecting_anew_loses_nothing() {
    let world = World::with_a_mug().await;
    let (links, item) = (world.links().await, world.stage.r.items()[0].item_id);
    let product = world.product_of(item).unwrap().id;
    world.stage.e.uninstall();
    let delivered = world.stage.deliver_due().await;
    assert_eq!(delivered.iter().map(|it| it.status).collect::<Vec<_>>(), [Some(200)]);
    // The very next step looks into it, long before the sweep was due.
    world.worker.step().await.unwrap();
    let reason = world.needs_attention().await;
    assert!(
        reason.contains("removed from the store") && reason.contains("Connect the store again"),
        "{reason}"
    );

    // Life goes on in the shop and on the web.
    let calls = world.stage.e.calls().len();
    world.stage.r.sell(item, 1, 3);
    assert!(world.stage.e.sell(product, 2));
    world.stage.r.rename(item, "Mug, glazed");
    world.sweep().await;
    assert_eq!(world.stage.e.calls().len(), calls, "nobody is asked meanwhile");

    // Resuming without tokens brings it back to where it was.
    let path = format!("/v1/connections/{}/resume", world.connection);
    world.call("POST", &path, None).await;
    world.worker.step().await.unwrap();
    world.needs_attention().await;

    let connection = world.new_e_token().await;
    assert_eq!((&connection["state"], &connection["state_reason"]), (&json!("active"), &Value::Null));
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.links().await, links, "the same links");
    let (item, product_now) = world.pair(item);
    assert_eq!((product_now.id, product_now.name.as_str()), (product, "Mug, glazed"));
    assert_eq!((item.stock[&1], product_now.quantity), (5, Some(5)), "both sales count");
    world.check_laws().await;
}

#[tokio::test]
async fn a_forged_word_of_removal_stops_nothing() {
    let world = World::with_a_mug().await;
    // The body is not signed, so whoever saw one genuine notice can write this.
    assert_eq!(world.notice("5f1d7c1e-0000-4000-8000-000000000001", "application.uninstalled").await, 200);
    let told = "select count(*) from connections where e_uninstalled_at is not null";
    assert_eq!(world.sql_count(told).await, 1);
    world.worker.step().await.unwrap();
    assert_eq!(world.get("/status").await["state"], "active");
    assert_eq!(world.sql_count(told).await, 0, "it was looked into");
    // The same again is no news.
    assert_eq!(world.notice("5f1d7c1e-0000-4000-8000-000000000001", "application.uninstalled").await, 200);
    assert_eq!(world.sql_count(told).await, 0);
    assert_eq!(world.notice("5f1d7c1e-0000-4000-8000-000000000002", "application.installed").await, 202);
    world.settle().await;
    world.check_laws().await;
}

#[tokio::test]
async fn permission_that_is_taken_back_is_given_again_by_oauth_and_the_links_stay() {
    let world = World::with_a_mug().await;
    let (links, item) = (world.links().await, world.stage.r.items()[0].item_id);
    world.stage.r.revoke_all();
    world.stage.r.sell(item, 1, 4);
    world.settle().await;
    let reason = world.needs_attention().await;
    assert!(reason.contains("R-Series") && reason.contains("Connect the account again"), "{reason}");

    let ask = |side: &str| format!("/v1/oauth/{side}/start");
    let body = json!({"connection_id": world.connection});
    let (_, started) = world.call("POST", &ask("r-series"), Some(body.clone())).await;
    let code = world.stage.r.authorization_code("employee:all");
    let back = format!("/oauth/r-series/callback?code={code}&state={}", started["state"].as_str().unwrap());
    assert_eq!(world.call("GET", &back, None).await.0, StatusCode::OK);
    assert_eq!(world.get("").await["state"], "active");
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.links().await, links);
    let (item, product) = world.pair(item);
    assert_eq!((item.stock[&1], product.quantity), (6, Some(6)));
    world.check_laws().await;

    // The same for the store, which hands no state back.
    let (_, started) = world.call("POST", &ask("e-series"), Some(body)).await;
    assert!(started["authorize_url"].as_str().unwrap().contains("/api/oauth/authorize?"));
    let code = world.stage.e.authorize();
    let back = format!("/oauth/e-series/callback?code={code}");
    assert_eq!(world.call("GET", &back, None).await.0, StatusCode::OK);
    assert_eq!(world.get("").await["state"], "active");
    world.sweep().await;
    world.check_laws().await;
    let kinds = world.secrets().await.into_keys().collect::<Vec<_>>();
    assert_eq!(kinds, ["e_access_token", "r_access_token", "r_refresh_token", "r_webhook_secret"]);
}

#[tokio::test]
async fn tokens_of_another_account_are_refused_and_change_nothing() {
    let world = World::with_a_mug().await;
    let secrets = world.secrets().await;
    // As if it had been connected to others.
    world.sql("update connections set r_account_id = 4799, e_store_id = 1099").await;
    let tokens = world.stage.r.issue_tokens();
    let (status, problem) = world.replace(json!({"r_series": {"access_token": tokens.0}})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("4711") && detail.contains("4799"), "{problem}");
    let (status, problem) =
        world.replace(json!({"e_series": {"access_token": world.stage.e.issue_token()}})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "the store of the address refuses: {problem}");

    for (side, code) in [
        ("r-series", world.stage.r.authorization_code("employee:all")),
        ("e-series", world.stage.e.authorize()),
    ] {
        let body = json!({"connection_id": world.connection});
        let (_, started) = world.call("POST", &format!("/v1/oauth/{side}/start"), Some(body)).await;
        let state = started["state"].as_str().unwrap();
        let back = format!("/oauth/{side}/callback?code={code}&state={state}");
        assert_eq!(world.call("GET", &back, None).await.0, StatusCode::CONFLICT, "{side}");
        let path = format!("/v1/oauth/{side}/grants/{}", world.connection);
        let (_, grant) = world.call("GET", &path, None).await;
        assert_eq!(grant["state"], "failed", "{grant}");
    }
    assert_eq!(world.secrets().await, secrets, "what was stored is still there");
}

#[tokio::test]
async fn a_pause_outlasts_new_tokens_and_tokens_without_renewal_replace_those_with_it() {
    let world = World::with_a_mug().await;
    let path = format!("/v1/connections/{}/pause", world.connection);
    world.call("POST", &path, None).await;
    let connection = world.new_e_token().await;
    assert_eq!(connection["state"], "paused");

    assert_eq!(world.get("/status").await["tokens"]["warning"], Value::Null);
    world.clock.advance(Duration::from_secs(24 * 24 * 60 * 60));
    let tokens = world.get("/status").await["tokens"].clone();
    assert!(tokens["warning"].as_str().unwrap().contains("resume the connection"), "{tokens}");
    assert_eq!(tokens["r_series_unused_until"], "2026-04-01T09:00:00Z");
    world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    let tokens = world.get("/status").await["tokens"].clone();
    assert!(tokens["warning"].as_str().unwrap().contains("ended at"), "{tokens}");

    let (access, refresh) = world.stage.r.issue_tokens();
    let (status, answer) = world.replace(json!({"r_series": {"access_token": access}})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(
        !world.secrets().await.contains_key("r_refresh_token"),
        "the old one must not bring old tokens back"
    );
    let tokens = world.get("/status").await["tokens"].clone();
    assert!(tokens["warning"].as_str().unwrap().contains("no R-Series refresh token"), "{tokens}");
    let both = json!({"r_series": {"access_token": access, "refresh_token": refresh}});
    assert_eq!(world.replace(both).await.0, StatusCode::OK);
    assert_eq!(world.get("/status").await["tokens"]["warning"], Value::Null);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_by_that_no_call_is_refused() {
    let world = World::with_a_mug().await;
    let before = world.secrets().await;
    world.clock.advance(Duration::from_secs(3_600 - 80));
    world.stage.r.sell(world.stage.r.items()[0].item_id, 1, 1);
    world.settle().await;
    world.sweep().await;
    let after = world.secrets().await;
    for kind in ["r_access_token", "r_refresh_token"] {
        assert_ne!(before[kind], after[kind], "{kind}");
    }
    let refused = world.stage.r.calls().into_iter().filter(|call| call.status == 401).count();
    assert_eq!(refused, 0);
    world.check_laws().await;

    // A sign-in that is away costs nothing while the token works.
    world.clock.advance(Duration::from_secs(3_600 - 80));
    world.stage.r.faults().next(Aim::Write, Fault::Status { status: 503, retry_after: None });
    world.stage.r.sell(world.stage.r.items()[0].item_id, 1, 1);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.get("/status").await["state"], "active");
    world.check_laws().await;
}

#[tokio::test]
async fn another_process_uses_new_tokens_at_once() {
    let world = World::with(crate::support::Plan::default(), vec![mug()]).await;
    // It has the old ones in memory.
    let other = world.another_worker(3);
    world.stage.r.sell(world.stage.r.items()[0].item_id, 1, 1);
    world.stage.deliver_due().await;
    assert!(other.visit().await.unwrap());
    world.stage.e.uninstall();
    world.new_e_token().await;
    world.stage.r.sell(world.stage.r.items()[0].item_id, 1, 1);
    world.stage.deliver_due().await;
    for _ in 0..4 {
        other.step().await.unwrap();
    }
    assert_eq!(world.get("/status").await["state"], "active");
    world.settle().await;
    world.check_laws().await;
}

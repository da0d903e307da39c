//! Webhooks, the stage door and the seed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Stage;
use crate::clock::{Clock, after};
use crate::sandbox::eseries::webhook;
use crate::sandbox::outbox::DeliveryFaults;

/// What a receiver was sent: the URL and the headers and the body.
type Seen = Arc<Mutex<Vec<(String, HeaderMap, Value)>>>;

async fn receiver() -> (String, Seen) {
    let seen = Seen::default();
    let take = |State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        seen.lock().unwrap().push((uri.to_string(), headers, serde_json::from_slice(&body).unwrap()));
        StatusCode::OK
    };
    let app = Router::new().route("/hook", axum::routing::post(take)).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

#[tokio::test]
async fn every_change_fires_a_signed_webhook_ours_and_the_empty_ones_too() {
    let stage = Stage::new();
    let (url, seen) = receiver().await;
    stage.sandbox.set_webhook_url(Some(url));
    let id = stage.sandbox.create_product(json!({"name": "Cup", "quantity": 3}));
    stage.sandbox.sell(id, 1);
    stage.call("PUT", &format!("/products/{id}/inventory"), json!({"quantityDelta": 1})).await;
    stage.call("PUT", &format!("/products/{id}"), json!({"name": "Cup"})).await;
    stage.sandbox.habits(|habits| habits.noop_puts_fire = false);
    let (_, nothing) = stage.call("PUT", &format!("/products/{id}"), json!({"name": "Cup"})).await;
    assert_eq!(nothing, json!({"updateCount": 0}));
    stage.sandbox.delete_product(id);
    stage.sandbox.uninstall();
    stage.sandbox.create_product(json!({"name": "told to nobody"}));
    assert!(stage.sandbox.outbox().deliver_due().await.iter().all(|delivery| delivery.accepted));

    let seen = seen.lock().unwrap();
    let kinds: Vec<&str> = seen.iter().map(|(_, _, body)| body["eventType"].as_str().unwrap()).collect();
    let updated = "product.updated";
    assert_eq!(
        kinds,
        ["product.created", updated, updated, updated, "product.deleted", "application.uninstalled"]
    );
    let mut events: Vec<&str> = seen.iter().map(|(_, _, body)| body["eventId"].as_str().unwrap()).collect();
    for (uri, headers, body) in seen.iter() {
        let (created, event) = (body["eventCreated"].as_i64().unwrap(), body["eventId"].as_str().unwrap());
        let signature = webhook::signature("sandbox_client_secret", created, event);
        assert_eq!(headers["x-ecwid-webhook-signature"], signature);
        assert_eq!(*uri, format!("/hook?eventtype={}", body["eventType"].as_str().unwrap()));
        assert_eq!((created, &body["storeId"]), (stage.clock.now().timestamp(), &json!(1003)));
        assert!(body.get("data").is_none());
    }
    assert_eq!((&seen[0].2["entityId"], &seen[5].2["entityId"]), (&json!(id), &json!("1003")));
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), 6);
}

#[tokio::test]
async fn a_forgery_has_a_wrong_signature_or_a_true_one_over_another_body() {
    let stage = Stage::new();
    let (url, _) = receiver().await;
    stage.sandbox.set_webhook_url(Some(url));
    stage.sandbox.outbox().set(DeliveryFaults { tamper: 1.0, ..DeliveryFaults::default() });
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    for _ in 0..9 {
        stage.sandbox.restock(id, 1);
    }
    let (mut unsigned, mut changed) = (0, 0);
    for delivery in stage.sandbox.outbox().deliver_due().await {
        assert!(delivery.tampered);
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        let event = body["eventId"].as_str().unwrap();
        let good = webhook::signature("sandbox_client_secret", body["eventCreated"].as_i64().unwrap(), event);
        let is_signed = delivery.headers.iter().any(|(_, value)| *value == good);
        assert_eq!(is_signed, body["entityId"] != json!(id));
        if is_signed { changed += 1 } else { unsigned += 1 }
    }
    assert!(unsigned > 0 && changed > 0);
}

#[tokio::test]
async fn the_same_seed_plays_the_same_piece() {
    let play = async || {
        let stage = Stage::new();
        stage.sandbox.set_webhook_url(Some("http://127.0.0.1:1/".into()));
        stage.sandbox.create_product(json!({"name": "Cup"}));
        let lag = (0..=5000).find(|millis| {
            let then = after(stage.clock.now(), Duration::from_millis(*millis));
            stage.sandbox.with(|store| !store.index.at(then).is_empty())
        });
        (stage.token.clone(), lag, stage.sandbox.outbox().deliver_due().await)
    };
    assert_eq!(play().await, play().await);
}

#[tokio::test]
async fn the_stage_door_directs_the_merchant_the_habits_and_the_faults() {
    let stage = Stage::new();
    let door = async |method: &str, path: &str, body: Value| {
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = stage.sandbox.control_router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap_or(Value::Null))
    };
    let (_, made) = door("POST", "/products", json!({"name": "Cup", "quantity": 3})).await;
    let id = made["id"].as_i64().unwrap();
    let path = format!("/products/{id}");
    assert_eq!(door("POST", &format!("{path}/sell"), json!({"quantity": 2})).await.0, 200);
    assert_eq!(door("POST", &format!("{path}/price"), json!({"price": "9.90"})).await.0, 200);
    assert_eq!(door("POST", &format!("{path}/edit"), json!({"name": ""})).await.0, 400);
    let (_, shown) = door("GET", &path, Value::Null).await;
    assert_eq!((&shown["quantity"], &shown["json"]["price"]), (&json!(1), &json!(9.9)));
    assert_eq!(door("GET", "/products", Value::Null).await.1.as_array().unwrap().len(), 1);
    assert_eq!(door("POST", "/habits", json!({"import_running": true})).await.0, 200);
    assert_eq!(door("POST", "/habits", json!({"imports_running": true})).await.0, 400);
    assert!(stage.sandbox.with(|store| store.config.habits.import_running));
    let fault = json!({"next": [["any", {"kind": "status", "status": 503, "retry_after": null}]]});
    assert_eq!(door("POST", "/faults", fault).await.0, 200);
    assert_eq!(stage.get("/profile").await.0, 503);
    assert_eq!(door("POST", "/deliveries", json!({"lose": 0.5})).await.0, 200);
    assert!((stage.sandbox.outbox().faults().lose - 0.5).abs() < f64::EPSILON);
    assert_eq!(door("POST", &format!("{path}/delete"), Value::Null).await.0, 200);
    assert_eq!(door("POST", &format!("{path}/sell"), json!({"quantity": 2})).await.0, 404);
}

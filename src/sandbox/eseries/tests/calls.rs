//! Batches, limits, tokens and lost answers.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::Stage;
use crate::sandbox::eseries::{Config, ErrorBodies};
use crate::sandbox::faults::{Aim, Fault};

#[tokio::test]
async fn a_batch_is_executed_once_for_its_key_and_stops_at_the_first_failure() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup", "quantity": 10}));
    let requests = json!([
        {"id": "a", "path": format!("products/{id}/inventory"), "method": "PUT", "body": {"quantityDelta": -1}},
        {"id": "b", "path": "/products/1", "method": "GET"},
        {"path": "/latest-stats", "method": "GET"},
    ]);
    let (_, first) = stage.call("POST", "/batch?deduplicationKey=k", requests.clone()).await;
    assert_eq!(
        stage.sandbox.product(id).unwrap().quantity,
        Some(10),
        "nothing happens before the first poll"
    );
    let poll = format!("/batch?ticket={}", first["ticket"].as_str().unwrap());
    let (_, report) = stage.get(&poll).await;
    assert_eq!(
        (&report["status"], &report["totalRequests"], &report["completedRequests"]),
        (&json!("COMPLETED"), &json!(3), &json!(2))
    );
    assert_eq!(
        report["responses"][0],
        json!({"id": "a", "status": "COMPLETED", "httpStatusCode": 200, "httpStatusLine": "OK", "httpBody": {"updateCount": 1}})
    );
    let second = &report["responses"][1];
    assert_eq!(
        (&second["status"], &second["httpStatusCode"], &second["httpStatusLine"]),
        (&json!("FAILED"), &json!(404), &json!("Not Found"))
    );
    assert_eq!(report["responses"][2], json!({"status": "NOT_EXECUTED"}));
    assert_eq!(stage.sandbox.write_calls(), 1, "a batch counts as the writes in it");

    assert_eq!(stage.call("POST", "/batch?deduplicationKey=k", requests.clone()).await.1, first);
    assert_eq!(stage.get(&poll).await.1, report);
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(9));
    stage.wait(3600);
    let (_, later) = stage.call("POST", "/batch?deduplicationKey=k&stopOnFirstFailure=false", requests).await;
    assert_ne!(later, first, "after an hour the key is forgotten");
    let poll = format!("/batch?ticket={}&escapedJson=true", later["ticket"].as_str().unwrap());
    let (_, report) = stage.get(&poll).await;
    assert_eq!(report["responses"][0]["escapedHttpBody"], "{\"updateCount\":1}");
    assert_eq!(
        (&report["responses"][2]["status"], &report["completedRequests"]),
        (&json!("COMPLETED"), &json!(3))
    );
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(8));
}

#[tokio::test]
async fn batches_run_one_after_the_other_and_by_themselves_after_a_while() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let rename = |name: &str| {
        let one = json!({"path": format!("/products/{id}"), "method": "PUT", "body": {"name": name}});
        stage.call("POST", "/batch", json!([one, one]))
    };
    let (_, first) = rename("first").await;
    let (_, second) = rename("second").await;
    let poll = |ticket: &Value| format!("/batch?ticket={}", ticket["ticket"].as_str().unwrap());
    stage.sandbox.habits(|habits| habits.batch_requests_per_poll = 1);
    let (_, report) = stage.get(&poll(&second)).await;
    assert_eq!((&report["status"], &report["completedRequests"]), (&json!("IN_PROGRESS"), &json!(1)));
    assert_eq!(stage.get(&poll(&first)).await.1["status"], "COMPLETED", "the earlier one went first");
    assert_eq!(stage.get(&poll(&second)).await.1["status"], "COMPLETED");
    assert_eq!(stage.sandbox.product(id).unwrap().name, "second");

    stage.sandbox.habits(|habits| habits.batch_runs_at_first_poll = false);
    let (_, third) = rename("third").await;
    assert_eq!(stage.get(&poll(&third)).await.1["status"], "QUEUED");
    assert_eq!(stage.get("/batch?status=QUEUED").await.1["items"][0]["ticket"], third["ticket"]);
    stage.wait(60);
    assert_eq!(stage.sandbox.product(id).unwrap().name, "third");
    let (_, fourth) =
        stage.call("POST", "/batch?groupId=g", json!([{"path": "/profile", "method": "GET"}])).await;
    assert_eq!(
        stage.call("POST", "/batch/cancel-group?groupId=g", json!({})).await.1,
        json!({"updateCount": 1})
    );
    assert_eq!(stage.get(&poll(&fourth)).await.1["responses"], json!([{"status": "NOT_EXECUTED"}]));
}

#[tokio::test]
async fn a_bad_batch_is_refused_as_a_whole() {
    let stage = Stage::new();
    let get = |path: &str| json!({"path": path, "method": "GET"});
    let (_, body) =
        stage.call("POST", "/batch", json!([{"id": 5, "path": "/profile", "method": "GET"}])).await;
    assert_eq!(
        body["errorMessage"],
        "Can't create batch. Batch request body is invalid. Path $[0].id contains bad value"
    );
    for wrong in
        [json!([]), json!({}), json!([get("/batch?ticket=1")]), Value::from(vec![get("/profile"); 501])]
    {
        assert_eq!(stage.call("POST", "/batch", wrong).await.0, 400);
    }
    assert_eq!(stage.call("POST", "/batch", Value::from(vec![get("/profile"); 500])).await.0, 200);
    assert_eq!(stage.get("/batch?ticket=none").await.0, 404);
}

#[tokio::test]
async fn the_limit_is_a_sliding_minute_and_going_on_makes_it_worse() {
    let stage = Stage::with(Config { requests_per_minute: 2, ..Config::default() });
    let other = stage.sandbox.issue_token();
    let refused = async || {
        let (status, body, headers) =
            stage.send(stage.request("GET", "/profile").body(Body::empty()).unwrap()).await;
        assert_eq!((status, &body["errorCode"]), (429, &json!("RATE_LIMITED")));
        headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(stage.get("/profile").await.0, 200);
    stage.wait(20);
    assert_eq!(stage.get("/profile").await.0, 200);
    assert_eq!(refused().await, 40);
    stage.wait(39);
    assert_eq!(refused().await, 1);
    stage.wait(1);
    assert_eq!(stage.get("/profile").await.0, 200);
    for _ in 0..20 {
        refused().await;
    }
    assert_eq!(refused().await, 600, "a token that goes on is blocked for longer");
    stage.wait(599);
    assert_eq!(refused().await, 1);
    stage.wait(1);
    assert_eq!(stage.get("/profile").await.0, 200);
    let stage = Stage { token: other, ..stage };
    assert_eq!(stage.get("/profile").await.0, 200, "each token has its own window");
}

#[tokio::test]
async fn tokens_scopes_and_plans_are_asked_first() {
    let mut config = Config::default();
    config.scopes.retain(|scope| scope != "create_catalog");
    config.max_product_limit = 1;
    let mut stage = Stage::with(config);
    let code = |(status, body): (u16, Value)| (status, body["errorCode"].as_str().unwrap_or("").to_owned());
    assert_eq!(
        code(stage.call("POST", "/products", json!({"name": "a"})).await),
        (403, "INSUFFICIENT_APP_SCOPE".into())
    );
    stage.sandbox.with(|store| store.config.scopes.push("create_catalog".into()));
    let old = std::mem::replace(&mut stage.token, stage.sandbox.issue_token());
    let (_, made) = stage.call("POST", "/products", json!({"name": "a"})).await;
    assert_eq!(code(stage.call("POST", "/products", json!({"name": "b"})).await), (402, String::new()));
    let path = format!("/products/{}", made["id"]);
    assert_eq!(stage.call("PUT", &path, json!({"name": "c"})).await.0, 200);
    stage.sandbox.set_max_product_limit(0);
    assert_eq!(stage.call("PUT", &path, json!({"name": "c"})).await.0, 402);
    assert_eq!(
        stage.get("/profile?responseFields=account(limitsAndRestrictions)").await.1["account"],
        json!({"limitsAndRestrictions": {"maxProductLimit": 0}})
    );

    stage.sandbox.habits(|habits| habits.import_running = true);
    assert_eq!(stage.call("PUT", &path, json!({"name": "c"})).await.0, 449);
    assert_eq!(stage.get(&path).await.0, 200);
    let typed = stage.request("PUT", &path).header(header::CONTENT_TYPE, "text/plain");
    stage.sandbox.habits(|habits| habits.import_running = false);
    assert_eq!(stage.send(typed.body("{}".into()).unwrap()).await.0, 415);
    let malformed =
        stage.request("PUT", &path).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    let (status, body, _) = stage.send(malformed.body("{".into()).unwrap()).await;
    assert_eq!(code((status, body)), (400, "WRONG_PARAMETER".into()));
    assert_eq!(code(stage.call("PATCH", &path, json!({})).await), (405, "METHOD_NOT_ALLOWED".into()));

    let foreign = Request::get("/api/v3/1004/profile").header(header::AUTHORIZATION, format!("Bearer {old}"));
    let (status, body, _) = stage.send(foreign.body(Body::empty()).unwrap()).await;
    assert_eq!(code((status, body)), (403, "INVALID_API_TOKEN".into()));
    let query = Request::get(format!("/api/v3/1003/profile?token={old}")).body(Body::empty()).unwrap();
    assert_eq!(stage.send(query).await.0, 403);
    stage.sandbox.uninstall();
    assert_eq!(code(stage.get("/profile").await), (403, "INVALID_API_TOKEN".into()));
    stage.sandbox.habits(|habits| habits.error_bodies = ErrorBodies::Empty);
    assert_eq!(stage.get("/profile").await, (403, Value::Null));
}

#[tokio::test]
async fn a_code_works_once_and_using_it_twice_kills_its_token() {
    let mut stage = Stage::new();
    let redirect = "http://127.0.0.1:9/back?x=1";
    let query = format!(
        "client_id=concord-sandbox&response_type=code&scope=read_catalog&state=s&redirect_uri={}",
        percent_encoding::utf8_percent_encode(redirect, percent_encoding::NON_ALPHANUMERIC)
    );
    let page = Request::get(format!("/api/oauth/authorize?{query}")).body(Body::empty()).unwrap();
    let (status, _, headers) = stage.send(page).await;
    let back = url::Url::parse(headers[header::LOCATION].to_str().unwrap()).unwrap();
    assert_eq!(status, 302);
    assert!(back.as_str().starts_with(redirect) && !back.as_str().contains("state"));
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = serde_urlencoded::to_string([
        ("client_id", "concord-sandbox"),
        ("client_secret", "sandbox_client_secret"),
        ("grant_type", "authorization_code"),
        ("redirect_uri", redirect),
        ("code", &code),
    ])
    .unwrap();
    let post = || Request::post("/api/oauth/token").body(Body::from(form.clone())).unwrap();
    let (status, body, _) = stage.send(post()).await;
    assert_eq!(
        (status, &body["scope"], &body["store_id"]),
        (200, &json!("read_catalog read_store_profile"), &json!(1003))
    );
    stage.token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(stage.get("/products").await.0, 200);
    assert_eq!(stage.call("POST", "/products", json!({"name": "a"})).await.0, 403, "only what was granted");
    assert_eq!(stage.send(post()).await.0, 400);
    assert_eq!(stage.get("/products").await.0, 403);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_was_carried_out_and_noted() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    stage.sandbox.faults().next(Aim::Write, Fault::BadGatewayAfter);
    assert_eq!(stage.call("PUT", &format!("/products/{id}"), json!({"name": "Mug"})).await.0, 502);
    assert_eq!(stage.sandbox.product(id).unwrap().name, "Mug");
    let call = stage.sandbox.calls().pop().unwrap();
    assert_eq!(
        (call.method.as_str(), call.path, call.status),
        ("PUT", format!("/api/v3/1003/products/{id}"), 200)
    );
    assert_eq!((call.body, stage.sandbox.write_calls()), (Some(json!({"name": "Mug"})), 1));
    stage.sandbox.clear_calls();
    assert_eq!((stage.sandbox.calls().len(), stage.sandbox.write_calls()), (0, 0));
}

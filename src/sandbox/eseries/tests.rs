//! What the sandbox promises, tried over its router.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Config, ESeriesSandbox, ErrorBodies, webhook};
use crate::clock::{Clock, Instant, ManualClock, after};
use crate::sandbox::faults::{Aim, Fault};
use crate::sandbox::outbox::DeliveryFaults;

struct Stage {
    sandbox: ESeriesSandbox,
    clock: ManualClock,
    token: String,
}

impl Stage {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let start = "2026-01-05T09:12:44.250Z".parse::<Instant>().unwrap();
        let clock = ManualClock::starting_at(start);
        let sandbox = ESeriesSandbox::new(config, Arc::new(clock.clone()), 7);
        let token = sandbox.issue_token();
        Self { sandbox, clock, token }
    }

    /// Search sees each write after exactly five seconds.
    fn with_lag() -> Self {
        let stage = Self::new();
        stage.sandbox.habits(|habits| habits.index_lag_min_seconds = 5);
        stage
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn send(&self, request: Request<Body>) -> (u16, Value, HeaderMap) {
        let response = self.sandbox.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or(Value::Null), parts.headers)
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("/api/v3/1003{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body, _) = self.send(self.request("GET", path).body(Body::empty()).unwrap()).await;
        (status, body)
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        let (status, body, _) = self.send(request.body(Body::from(body.to_string())).unwrap()).await;
        (status, body)
    }

    async fn ids(&self, query: &str) -> Vec<i64> {
        let (status, body) = self.get(&format!("/products?{query}")).await;
        assert_eq!(status, 200, "{body}");
        body["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    }
}

#[tokio::test]
async fn by_id_sees_a_write_at_once_and_search_after_the_lag() {
    let stage = Stage::with_lag();
    let (_, made) =
        stage.call("POST", "/products", json!({"name": "Cup", "sku": "C-1", "price": 10.0})).await;
    let id = made["id"].as_i64().unwrap();
    assert_eq!(stage.get(&format!("/products/{id}")).await.1["name"], "Cup");
    assert_eq!(
        stage.ids(&format!("productId={id}&enabled=false")).await,
        [id],
        "by id other filters are ignored"
    );
    assert!(stage.ids("sku=C-1").await.is_empty());
    stage.wait(5);
    assert_eq!(stage.ids("sku=C-1&enabled=false").await, [id], "by SKU other filters are ignored");

    stage.call("PUT", &format!("/products/{id}"), json!({"sku": "C-2"})).await;
    assert_eq!(stage.ids("sku=C-1").await, [id], "search shows the last indexed version");
    stage.wait(5);
    assert!(stage.ids("sku=C-1").await.is_empty());
    assert_eq!(stage.ids("sku=C-2").await, [id]);

    stage.call("DELETE", &format!("/products/{id}"), Value::Null).await;
    assert_eq!(stage.get(&format!("/products/{id}")).await.0, 404);
    assert_eq!(stage.ids("sku=C-2").await, [id], "a deleted product is still found");
    assert!(stage.ids(&format!("productId={id}")).await.is_empty());
    stage.wait(5);
    assert!(stage.ids("sku=C-2").await.is_empty());
}

#[tokio::test]
async fn an_update_changes_only_what_is_sent_and_other_fields_stay_as_they_were() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({
        "name": "Cup <em>", "price": 12.50, "description": "<p>a&nbsp;b</p>", "subtitle": "s", "weight": 0.125,
        "compareToPrice": 20.0, "seoTitle": "t", "quantity": 3, "unknownField": 1, "id": 5,
    }));
    let before = stage.sandbox.product(id).unwrap().json;
    assert_eq!(
        (&before["sku"], &before["quantity"], &before["unlimited"]),
        (&json!("00000"), &json!(3), &json!(false))
    );
    assert_eq!(
        (before["price"].to_string(), before["compareToPrice"].to_string()),
        ("12.5".into(), "20".into())
    );
    assert_eq!((&before["created"], before.get("unknownField")), (&json!("2026-01-05 09:12:44 +0000"), None));
    assert_eq!(before["nameTranslated"], json!({"en": "Cup <em>"}));

    let path = format!("/products/{id}?returnItem=true&responseFields=item(id,price)");
    let (_, answer) = stage.call("PUT", &path, json!({"price": 13, "name": null})).await;
    assert_eq!(answer, json!({"updateCount": 1, "item": {"id": id, "price": 13}}));
    let mut after = stage.sandbox.product(id).unwrap().json;
    for field in ["price", "priceInProductList", "defaultDisplayedPrice", "defaultDisplayedPriceFormatted"] {
        after[field] = before[field].clone();
    }
    assert_eq!(after, before);
}

#[tokio::test]
async fn deltas_add_up_go_below_zero_with_a_warning_and_pass_unlimited_products_by() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup", "quantity": 15}));
    let path = format!("/products/{id}/inventory");
    assert_eq!(
        stage.call("PUT", &path, json!({"quantityDelta": -5})).await,
        (200, json!({"updateCount": 1}))
    );
    let (_, answer) = stage.call("PUT", &path, json!({"quantityDelta": -15})).await;
    assert_eq!(answer, json!({"updateCount": 1, "warning": "Product has negative stock."}));
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(-5));
    assert_eq!(stage.call("PUT", &path, json!({"quantityDelta": 1.5})).await.0, 400);

    assert!(stage.sandbox.set_unlimited(id, true));
    let record = stage.get(&format!("/products/{id}")).await.1;
    assert_eq!(
        (record.get("quantity"), &record["unlimited"], &record["inStock"]),
        (None, &json!(true), &json!(true))
    );
    assert_eq!(stage.call("PUT", &path, json!({"quantityDelta": 1})).await, (200, json!({"updateCount": 0})));
    stage.call("PUT", &format!("/products/{id}"), json!({"quantity": 4})).await;
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(4), "a quantity makes it tracked");
    stage.call("PUT", &format!("/products/{id}"), json!({"quantity": 9, "unlimited": true})).await;
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, None, "unlimited wins");
    stage.call("PUT", &format!("/products/{id}"), json!({"unlimited": false})).await;
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(0));
}

#[tokio::test]
async fn skus_and_external_ids_are_unique_and_an_empty_sku_gets_a_number() {
    let stage = Stage::new();
    let make = |body: Value| stage.call("POST", "/products", body);
    assert_eq!(make(json!({"sku": "x"})).await.0, 400, "a name is required");
    let (_, first) = make(json!({"name": "a", "sku": " 00000 ", "externalReferenceId": "7"})).await;
    let (_, second) = make(json!({"name": "b", "sku": ""})).await;
    let (first, second) = (first["id"].as_i64().unwrap(), second["id"].as_i64().unwrap());
    assert_eq!(stage.sandbox.product(first).unwrap().sku, "00000", "trimmed");
    assert_eq!(stage.sandbox.product(second).unwrap().sku, "00001", "taken ones are skipped");

    let (status, body) = make(json!({"name": "c", "sku": "00000"})).await;
    assert_eq!((status, &body["errorCode"]), (409, &json!("SKU_ALREADY_EXISTS")));
    let (status, body) = stage.call("PUT", &format!("/products/{second}"), json!({"sku": "00000"})).await;
    assert_eq!((status, &body["errorCode"]), (409, &json!("SKU_ALREADY_EXISTS")));
    assert_eq!(stage.call("PUT", &format!("/products/{first}"), json!({"sku": "00000"})).await.0, 200);
    let (status, body) = make(json!({"name": "c", "externalReferenceId": "7"})).await;
    assert_eq!((status, &body["errorCode"]), (409, &json!("EXTERNAL_ID_ALREADY_USED")));
    assert_eq!(stage.sandbox.products().len(), 2, "a refused create leaves nothing behind");

    stage.sandbox.habits(|habits| habits.sku_may_repeat = true);
    assert_eq!(make(json!({"name": "c", "sku": "00000"})).await.0, 200);
    let (_, bare) = make(json!({"name": "d"})).await;
    assert_eq!(stage.sandbox.product(bare["id"].as_i64().unwrap()).unwrap().sku, "");
    stage.wait(5);
    assert_eq!(stage.ids("sku=00000").await.len(), 2);
    assert_eq!(stage.ids("externalReferenceId=7").await, [first]);
    let toggles = stage.get("/profile").await.1["featureToggles"].clone();
    assert_eq!(toggles[0]["enabled"], true);
}

#[tokio::test]
async fn search_filters_sorts_and_pages() {
    let stage = Stage::new();
    let mut ids = Vec::new();
    for (name, quantity) in [("Blue Cup", 1), ("Red cup", 0), ("Cupboard", 2)] {
        ids.push(stage.sandbox.create_product(json!({"name": name, "quantity": quantity, "sku": name})));
        stage.wait(10);
    }
    stage.sandbox.enable(ids[0], false);
    stage.wait(10);
    assert_eq!(stage.ids("keyword=cup&sortBy=ADDED_TIME_ASC").await, ids[..2]);
    assert_eq!(stage.ids("keyword=cup*&sortBy=NAME_DESC").await, [ids[1], ids[2], ids[0]]);
    assert_eq!(stage.ids("enabled=no").await, [ids[0]]);
    assert_eq!(stage.ids("inStock=false").await, [ids[1]]);
    assert_eq!(stage.ids("sortBy=UPDATED_TIME_ASC").await, [ids[1], ids[2], ids[0]]);
    assert_eq!(
        stage.ids("createdFrom=2026-01-05%2009:12:54&createdTo=2026-01-05%2009:13:04").await,
        [ids[1]]
    );
    assert_eq!(
        stage.ids("updatedFrom=2026-01-05%2009:13:14&updatedTo=2026-01-05%2009:13:15").await,
        [ids[0]]
    );
    assert!(stage.ids("updatedTo=2026-01-05%2009:12:54").await.is_empty());

    let (_, page) = stage.get("/products?sortBy=ADDED_TIME_ASC&offset=1&limit=1&responseFields=total,count,offset,limit,items(id)").await;
    assert_eq!(page, json!({"total": 3, "count": 1, "offset": 1, "limit": 1, "items": [{"id": ids[1]}]}));
    let (_, page) = stage.get("/products?limit=500&offset=9").await;
    assert_eq!(page, json!({"total": 3, "count": 0, "offset": 9, "limit": 100, "items": []}));
    for wrong in ["limit=0", "offset=-1", "enabled=maybe", "sortBy=X", "updatedFrom=soon", "productId=a"] {
        let (status, body) = stage.get(&format!("/products?{wrong}")).await;
        assert_eq!((status, &body["errorCode"]), (400, &json!("WRONG_PARAMETER")), "{wrong}");
    }
}

#[tokio::test]
async fn deleted_products_stand_in_the_history() {
    let stage = Stage::with_lag();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    assert!(stage.sandbox.delete_product(id));
    assert_eq!(stage.get("/products/deleted").await.1["total"], 0);
    stage.wait(5);
    let (_, page) = stage.get("/products/deleted?from_date=2026-01-05%2009:12:44").await;
    assert_eq!(page["items"], json!([{"id": id, "date": "2026-01-05 09:12:44 +0000"}]));
    assert_eq!(stage.get("/products/deleted?from_date=2026-01-05%2009:12:45").await.1["total"], 0);
    let (status, body) = stage.call("DELETE", &format!("/products/{id}"), Value::Null).await;
    assert_eq!((status, &body["errorMessage"]), (404, &json!(format!("Product #{id} not found"))));
    stage.sandbox.habits(|habits| habits.delete_unknown_is_404 = false);
    assert_eq!(
        stage.call("DELETE", &format!("/products/{id}"), Value::Null).await,
        (200, json!({"deleteCount": 0}))
    );
    assert!(stage.sandbox.create_product(json!({"name": "Cup"})) > id, "ids are never reused");
}

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

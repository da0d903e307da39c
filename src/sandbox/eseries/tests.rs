//! What the sandbox promises, tried over its router: the catalogue here, the rest in the parts.

mod calls;
mod categories;
mod door;
mod goods;
mod notices;
mod pictures;
mod variations;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Config, ESeriesSandbox};
use crate::clock::{Instant, ManualClock};

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

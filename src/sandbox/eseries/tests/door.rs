//! The stage door's second leaf, row by row of its list.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Stage;

async fn send(stage: &Stage, method: &str, path: &str, body: Body) -> (u16, Value) {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let response = stage.sandbox.control_router().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[tokio::test]
async fn it_directs_variations_categories_and_pictures() {
    let stage = Stage::new();
    let shop = &stage.sandbox;
    let id = shop.create_product(json!({"name": "Cup", "quantity": 9}));
    let post =
        async |path: String, body: Value| send(&stage, "POST", &path, Body::from(body.to_string())).await;
    let ok = async |path: String, body: Value| {
        let (status, answer) = post(path.clone(), body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer["id"].as_i64().unwrap_or_default()
    };
    let bytes = async |path: String, bytes: &'static [u8]| {
        let (status, answer) = send(&stage, "POST", &path, Body::from(bytes)).await;
        (status, answer["id"].as_i64())
    };
    let p = format!("/products/{id}");

    ok(format!("{p}/options"), json!({"type": "SELECT", "name": "Size", "choices": [{"text": "S"}]})).await;
    ok(format!("{p}/choices"), json!({"option": "Size", "choice": {"text": "M"}})).await;
    let fields = json!({"options": [{"name": "Size", "value": "S"}], "sku": "A", "quantity": 5});
    let variation = ok(format!("{p}/variations"), fields.clone()).await;
    assert_eq!(post(format!("{p}/variations"), fields).await.0, 409);
    let v = format!("{p}/variations/{variation}");
    ok(format!("{p}/options/rename"), json!({"option": "Size", "choice": "S", "to": "XS"})).await;
    ok(format!("{p}/options/rename"), json!({"option": "Size", "to": "Format"})).await;
    ok(format!("{p}/options/delete"), json!({"option": "Format", "choice": "M"})).await;
    ok(format!("{v}/sell"), json!({"quantity": 3})).await;
    ok(format!("{v}/restock"), json!({"quantity": 1})).await;
    ok(format!("{v}/price"), json!({"price": "9.50"})).await;
    ok(format!("{v}/edit"), json!({"weight": 0.5})).await;
    let (_, read) = send(&stage, "GET", &format!("{p}/variations"), Body::empty()).await;
    let read = &read[0];
    assert_eq!(
        (
            &read["quantity"],
            &read["price"],
            &read["weight"],
            &read["options"][0]["name"],
            &read["options"][0]["value"]
        ),
        (&json!(3), &json!(9.5), &json!(0.5), &json!("Format"), &json!("XS"))
    );
    ok(format!("{v}/price"), json!({"price": null})).await;
    assert_eq!(shop.variation(id, variation).unwrap().get("price"), None);

    let category =
        ok("/categories".into(), json!({"name": "a", "origin": "X-SERIES", "productIds": [id]})).await;
    let own = ok("/categories".into(), json!({"name": "b"})).await;
    ok(format!("/categories/{own}/edit"), json!({"parentId": category})).await;
    ok(format!("/categories/{own}/assign"), json!({"products": [id]})).await;
    assert_eq!(shop.product(id).unwrap().json["categoryIds"], json!([category, own]));
    ok(format!("/categories/{own}/unassign"), json!({"products": [id]})).await;
    assert_eq!(post(format!("/categories/{category}/unassign"), json!({"products": [id]})).await.0, 404);
    ok(format!("/categories/{own}/edited-elsewhere"), json!({"writes": 1})).await;
    assert_eq!(stage.call("PUT", &format!("/categories/{own}"), json!({})).await.0, 409);
    let (_, all) = send(&stage, "GET", "/categories", Body::empty()).await;
    assert_eq!((&all[0]["origin"], &all[1]["parentId"]), (&json!("X-SERIES"), &json!(category)));

    let picture = b"GIF89a\x01\0\x01\0";
    assert_eq!(bytes(format!("{p}/picture"), b"no").await.0, 422);
    for path in [format!("{p}/picture"), format!("{v}/picture"), format!("/categories/{own}/picture")] {
        assert!(bytes(path, picture).await.1.is_some());
    }
    assert_eq!(bytes(format!("{p}/gallery"), picture).await, (200, Some(1)));
    ok(format!("{p}/pictures/arrange"), json!({"order": [1, 0]})).await;
    ok(format!("{p}/pictures/0/alt"), json!({"text": "x"})).await;
    let (_, record) = send(&stage, "GET", &format!("{p}/record"), Body::empty()).await;
    let places: Vec<&Value> = record["pictures"].as_array().unwrap().iter().map(|it| &it["place"]).collect();
    assert_eq!(places, [&json!("main"), &json!("gallery 1"), &json!(format!("variation {variation}"))]);
    assert_eq!((&record["product"]["id"], &record["pictures"][0]["alt"]["main"]), (&json!(id), &json!("x")));
    let (_, shown) = send(&stage, "GET", &format!("/categories/{own}/picture"), Body::empty()).await;
    assert_eq!((&shown["sha256"], shown["size"].as_u64()), (&record["pictures"][0]["sha256"], Some(10)));
    for path in [
        format!("{p}/picture/delete"),
        format!("{p}/gallery/1/delete"),
        format!("{v}/picture/delete"),
        format!("/categories/{own}/picture/delete"),
    ] {
        ok(path.clone(), Value::Null).await;
        assert_eq!(post(path.clone(), Value::Null).await.0, 404, "{path}");
    }
    ok(format!("{v}/delete"), Value::Null).await;
    ok(format!("{p}/options/delete"), json!({"option": "Format"})).await;
    ok(format!("/categories/{own}/delete"), Value::Null).await;
    assert_eq!(send(&stage, "GET", &format!("/categories/{own}"), Body::empty()).await.0, 404);
    assert_eq!(
        post(format!("/categories/{category}/delete"), Value::Null).await.0,
        404,
        "it came from the POS"
    );
    assert_eq!(send(&stage, "GET", &format!("{p}/pictures"), Body::empty()).await.1, json!([]));
}

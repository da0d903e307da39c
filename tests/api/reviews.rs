//! Products whose match is in doubt.

use serde_json::json;
use uuid::Uuid;

use super::Api;
use crate::support::item;

#[tokio::test]
async fn a_doubt_is_listed_with_its_candidates_and_resolved() {
    let mut api = Api::open().await;
    for (name, sku) in [("Cup", "CUP-1"), ("Mug", "MUG-1")] {
        api.world.stage.r.create_item(item(name, sku, "4", 2));
    }
    let e = &api.world.stage.e;
    let cup = e.create_product(
        json!({"name": "Cup", "sku": "cup-1", "price": 4, "quantity": 2, "unlimited": false}),
    );
    let mug = e.create_product(
        json!({"name": "Mug", "sku": "MUG-1", "price": 4, "quantity": 2, "unlimited": false}),
    );
    api.connect().await;
    api.world.settle().await;
    api.check_paging(&api.at("/reviews")).await;
    api.check_guarded("GET", &api.at("/reviews")).await;
    let listed = api.get("/reviews").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let review = &listed["items"][0];
    assert_eq!((&review["sku"], &review["code"]), (&json!("CUP-1"), &json!("sku_case")), "{review}");
    let candidate = json!({"e_product_id": cup, "name": "Cup", "skus": ["cup-1"], "tied": false});
    assert_eq!(review["candidates"], json!([candidate]), "{review}");

    let path = api.at(&format!("/reviews/{}/resolve", review["product_id"].as_str().unwrap()));
    api.check_guarded("POST", &path).await;
    api.check_body("POST", &path, &json!({ "link_to": cup })).await;
    for (link_to, status) in
        [(json!("nonsense"), 422), (json!(null), 422), (json!(999_999), 422), (json!(mug), 409)]
    {
        api.send("POST", &path, Some(json!({ "link_to": link_to }))).await.expect(status);
    }
    for other in [Uuid::nil().to_string(), "nonsense".into()] {
        let path = api.at(&format!("/reviews/{other}/resolve"));
        api.send("POST", &path, Some(json!({"link_to": "create"}))).await.expect(404);
    }
    api.send("POST", &path, Some(json!({ "link_to": cup.to_string() }))).await.expect(202);
    api.world.settle().await;
    assert_eq!(api.get("/reviews").await["items"], json!([]));
    let product = api.get("/products?sku=CUP-1").await["items"][0].clone();
    assert_eq!((&product["e_series"]["id"], &product["state"]), (&json!(cup.to_string()), &json!("in_step")));
    let told = api.get("/ledger").await["items"].to_string();
    assert!(told.contains("an operator said so"), "{told}");
}

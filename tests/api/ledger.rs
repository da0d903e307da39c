//! The ledger and the conflicts.

use serde_json::json;
use uuid::Uuid;

use super::Api;

#[tokio::test]
async fn the_ledger_is_listed_filtered_and_paged() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    api.world.stage.r.rename(id, "Renamed");
    api.world.stage.e.sell(web, 2);
    api.world.settle().await;
    let all = api.get("/ledger?limit=200").await["items"].as_array().unwrap().clone();
    assert!(all.len() >= 3, "{all:?}");
    let write = all.iter().find(|entry| entry["kind"] == "write" && entry["field"] == "name").unwrap();
    for (name, value) in [
        ("origin", json!("r_series")),
        ("side", json!("e_series")),
        ("before", json!("Stoneware mug")),
        ("after", json!("Renamed")),
        ("result", json!("landed")),
        ("product_name", json!("Renamed")),
    ] {
        assert_eq!(write[name], value, "{name} in {write}");
    }
    assert!(write["cause"].as_str().unwrap().starts_with("notice "), "{write}");
    // Page by page it is the same list.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/ledger?limit=1{cursor}")).await;
        assert!(page["items"].as_array().unwrap().len() <= 1);
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let product = write["product_id"].as_str().unwrap();
    for (query, name, value) in [
        ("origin=r_series", "origin", "r_series"),
        ("origin=echo", "origin", "echo"),
        ("side=e_series", "side", "e_series"),
        ("field=name", "field", "name"),
        (&format!("product_id={product}"), "product_id", product),
    ] {
        let found = api.get(&format!("/ledger?limit=200&{query}")).await["items"].as_array().unwrap().clone();
        let wanted: Vec<_> = all.iter().filter(|entry| entry[name] == value).cloned().collect();
        assert!(!wanted.is_empty(), "{query}");
        assert_eq!(found, wanted, "{query}");
    }
    assert_eq!(api.get(&format!("/ledger?product_id={}", Uuid::nil())).await["items"], json!([]));
    for query in ["origin=x", "side=left", "field=color", "product_id=x"] {
        api.send("GET", &api.at(&format!("/ledger?{query}")), None).await.expect(400);
    }
}

#[tokio::test]
async fn conflicts_are_listed() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    assert_eq!(api.get("/conflicts").await, json!({"items": [], "next": null}));
    for (shop, online) in [("Shop 1", "Web 1"), ("Shop 2", "Web 2")] {
        api.world.stage.r.rename(id, shop);
        api.world.stage.e.rename(web, online);
        api.world.settle().await;
        api.world.clock.advance(std::time::Duration::from_secs(1));
    }
    let first = api.get("/conflicts?limit=1").await;
    assert_eq!(
        (&first["items"][0]["r_series"], &first["items"][0]["e_series"]),
        (&json!("Shop 2"), &json!("Web 2"))
    );
    assert_eq!(
        (&first["items"][0]["field"], &first["items"][0]["winner"]),
        (&json!("name"), &json!("r_series"))
    );
    let second = api.get(&format!("/conflicts?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((&second["items"][0]["r_series"], &second["next"]), (&json!("Shop 1"), &json!(null)));
}

#[tokio::test]
async fn the_ledger_is_guarded_and_knows_what_it_cannot_take() {
    let api = Api::with_a_mug().await;
    for path in ["/ledger", "/conflicts"] {
        api.check_guarded("GET", &api.at(path)).await;
        api.check_paging(&api.at(path)).await;
        for id in [Uuid::nil().to_string(), "nonsense".into()] {
            api.send("GET", &format!("/v1/connections/{id}{path}"), None).await.expect(404);
        }
    }
}

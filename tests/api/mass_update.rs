//! Many products enabled or disabled at once.

use serde_json::{Value, json};

use super::Api;
use crate::flow::variants::shirt;
use crate::support::{Plan, World, item};

/// A shop of twelve items and a matrix.
async fn shop() -> Api {
    let world = World::open(Plan::default()).await;
    for number in 0..12 {
        world.stage.r.create_item(item(&format!("Thing {number}"), &format!("T-{number}"), "5", 1));
    }
    world.stage.r.create_matrix(shirt()).unwrap();
    let mut api = Api { world, secrets: Vec::new() };
    api.connect().await;
    api.world.settle().await;
    api
}

impl Api {
    async fn order(&self, order: Value) -> (u16, Value) {
        let answer = self.send("POST", &self.at("/products/mass-update"), Some(order)).await;
        (answer.status, answer.json)
    }

    fn on_offer(&self) -> usize {
        self.world.stage.e.products().iter().filter(|product| product.enabled).count()
    }
}

#[tokio::test]
async fn all_are_enabled_and_some_disabled_on_both_sides_and_the_order_tells_how_far_it_is() {
    let api = shop().await;
    // One was taken off the web in the shop, and is wanted there now.
    api.world.stage.r.publish(1, false);
    api.world.settle().await;
    let (status, taken) = api.order(json!({"all": true, "enabled": true})).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(13)), "{taken}");
    let path = format!("/products/mass-updates/{}", taken["id"].as_str().unwrap());
    let shown = api.get(&path).await;
    assert_eq!((&shown["done"], &shown["left"]), (&json!(0), &json!(13)), "{shown}");
    api.world.settle().await;
    assert_eq!(api.on_offer(), 13);
    assert!(api.world.stage.r.item(1).unwrap().publish_to_ecom, "the shop follows");
    let shown = api.get(&path).await;
    assert_eq!((&shown["done"], &shown["left"], &shown["enabled"]), (&json!(13), &json!(0), &json!(true)));

    let ids: Vec<Value> = api.get("/products?q=Thing%201").await["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].clone())
        .collect();
    let (status, taken) = api.order(json!({"ids": ids, "enabled": false})).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(3)), "{taken}");
    api.world.settle().await;
    assert_eq!(api.on_offer(), 10);
    assert!(!api.world.stage.r.item(2).unwrap().publish_to_ecom);
    let ledger = api.world.ledger().await;
    let cause = format!("order {}", taken["id"].as_str().unwrap());
    let written = ledger.iter().filter(|entry| entry["kind"] == "write" && entry["cause"] == *cause);
    assert_eq!(
        written.filter(|entry| entry["origin"] == "operator").count(),
        6,
        "three products, both sides"
    );
    api.world.check_laws().await;
    api.world.clear_calls();
    api.world.sweep().await;
    assert_eq!(api.world.writes(), 0);
}

#[tokio::test]
async fn an_order_holds_against_any_way_of_the_field() {
    for way in ["both", "r_to_e", "e_to_r", "off"] {
        let api = shop().await;
        let settings = json!({"settings": {"fields": {"enabled": {"way": way}}}});
        api.send("PATCH", &api.at(""), Some(settings)).await.expect(200);
        for on in [true, false] {
            api.order(json!({"all": true, "enabled": on})).await;
            api.world.settle().await;
            assert_eq!(api.on_offer(), if on { 13 } else { 0 }, "{way}");
            api.world.clear_calls();
            api.world.sweep().await;
            assert_eq!(api.world.writes(), 0, "{way}: it stays");
        }
        api.world.close().await;
    }
}

#[tokio::test]
async fn a_bad_order_is_refused_and_changes_nothing() {
    let api = shop().await;
    let nobody = uuid::Uuid::nil();
    for order in [
        json!({"enabled": true}),
        json!({"ids": [], "enabled": true}),
        json!({"ids": [nobody], "enabled": true}),
        json!({"ids": [nobody], "all": true, "enabled": true}),
        json!({"all": true}),
        json!({"all": true, "enabled": "yes"}),
        json!({"all": true, "enabled": true, "price": 5}),
    ] {
        let (status, problem) = api.order(order.clone()).await;
        assert_eq!(status, 422, "{order}: {problem}");
    }
    api.world.settle().await;
    assert_eq!(api.on_offer(), 0);
    let path = api.at(&format!("/products/mass-updates/{nobody}"));
    api.send("GET", &path, None).await.expect(404);
}

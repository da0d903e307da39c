//! What the merchant does to options and variations, what of it is told, and what the plan allows.

use serde_json::{Value, json};

use super::variations::{add, of, with_shirt};

#[tokio::test]
async fn the_limit_counts_products_and_by_habit_variations() {
    let (stage, id, path) = with_shirt();
    stage.sandbox.set_max_product_limit(2);
    for size in ["S", "M", "L"] {
        add(&stage, &path, json!({"options": of(size, "red")})).await;
    }
    assert_eq!(stage.call("POST", "/products", json!({"name": "a"})).await.0, 200, "variations do not count");
    assert_eq!(stage.call("POST", "/products", json!({"name": "b"})).await.0, 402);
    stage.sandbox.habits(|habits| habits.variations_count = true);
    stage.sandbox.set_max_product_limit(4);
    assert_eq!(stage.call("POST", &path, json!({"options": of("S", "blue")})).await.0, 402);
    assert_eq!(stage.sandbox.variations(id).len(), 3);
    assert_eq!(stage.call("PUT", &format!("/products/{id}"), json!({"name": "c"})).await.0, 200);
    stage.sandbox.set_max_product_limit(5);
    assert_eq!(stage.call("POST", &path, json!({"options": of("S", "blue")})).await.0, 200);
    let body = json!({"name": "d", "combinations": [{"options": of("S", "red")}]});
    assert_eq!(stage.call("POST", "/products?saveCombinations=1", body).await.0, 402);
    stage.sandbox.set_max_product_limit(4);
    assert_eq!(stage.call("PUT", &format!("/products/{id}"), json!({"name": "c"})).await.0, 402);
}

#[tokio::test]
async fn the_merchant_renames_and_removes_and_the_variations_follow() {
    let (stage, id, path) = with_shirt();
    let red = add(&stage, &path, json!({"options": of("S", "red"), "sku": "A"})).await;
    let blue = add(&stage, &path, json!({"options": of("S", "blue"), "sku": "B"})).await;
    let shop = &stage.sandbox;
    let value = |id: i64, variation: i64| shop.variation(id, variation).map(|it| it["options"][1].clone());
    assert!(shop.rename_option(id, "Colour", "Color") && !shop.rename_option(id, "Colour", "x"));
    assert!(!shop.rename_option(id, "Color", "Size"), "that name is taken");
    assert!(
        shop.rename_choice(id, "Color", "red", "crimson")
            && !shop.rename_choice(id, "Color", "blue", "crimson")
    );
    let read = value(id, red).unwrap();
    assert_eq!((&read["name"], &read["value"]), (&json!("Color"), &json!("crimson")));
    assert!(shop.add_choice(id, "Color", json!({"text": "green", "priceModifier": 1})));
    assert!(
        !shop.add_choice(id, "Color", json!({"text": "green"}))
            && !shop.add_choice(id, "x", json!({"text": "g"}))
    );
    assert!(shop.add_option(id, json!({"type": "FILES", "name": "Logo"})));
    assert!(!shop.add_option(id, json!({"type": "FILES", "name": "Logo"})));
    let names: Vec<Value> = shop.product(id).unwrap().json["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(names, [json!("Size"), json!("Color"), json!("Logo")]);
    assert!(shop.remove_choice(id, "Color", "blue") && !shop.remove_choice(id, "Color", "blue"));
    assert_eq!(value(id, blue), None);
    assert!(shop.remove_option(id, "Size") && !shop.remove_option(id, "Size"));
    assert!(shop.variations(id).is_empty());

    let made = shop.create_product(json!({
        "name": "bulk", "combinations": [{"options": of("S", "red")}, {"options": of("M", "red")}],
    }));
    let numbers: Vec<Value> =
        shop.variations(made).iter().map(|it| it["combinationNumber"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(1)], "bulk creation numbers them backwards");
}

#[tokio::test]
async fn every_change_of_a_variation_is_an_update_of_its_product() {
    let (stage, id, path) = with_shirt();
    stage.sandbox.set_webhook_url(Some("http://127.0.0.1:1/".into()));
    let one = add(&stage, &path, json!({"options": of("S", "red"), "sku": "A", "quantity": 1})).await;
    let at = format!("{path}/{one}");
    stage.call("PUT", &at, json!({})).await;
    stage.call("PUT", &format!("{at}/inventory"), json!({"quantityDelta": 1})).await;
    stage.sandbox.sell_variation(id, one, 1);
    stage.sandbox.rename_choice(id, "Size", "S", "XS");
    stage.call("DELETE", &at, Value::Null).await;
    let sent = stage.sandbox.outbox().deliver_due().await;
    assert_eq!(sent.len(), 6);
    for delivery in sent {
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_eq!((&body["eventType"], &body["entityId"]), (&json!("product.updated"), &json!(id)));
    }
    stage.sandbox.habits(|habits| habits.noop_puts_fire = false);
    let one = add(&stage, &path, json!({"options": of("M", "red")})).await;
    let (_, nothing) = stage.call("PUT", &format!("{path}/{one}"), json!({"options": of("M", "red")})).await;
    assert_eq!(nothing, json!({"updateCount": 0}));
}

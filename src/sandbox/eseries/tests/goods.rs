//! What the merchant does to options and variations, what of it is told, and what the plan allows.

use serde_json::{Value, json};

use super::Stage;
use super::variations::{add, of, shirt, with_shirt};

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

#[tokio::test]
async fn a_record_sent_back_as_it_was_read_changes_nothing() {
    let stage = Stage::new();
    stage.sandbox.habits(|habits| habits.languages = vec!["en".into(), "de".into()]);
    let category = stage.sandbox.create_category(json!({"name": "a"}));
    let mut body = shirt();
    body["categoryIds"] = json!([category]);
    body["options"][0]["nameTranslated"] = json!({"de": "Größe"});
    body["combinations"] = json!([
        {"options": of("S", "red")}, {"options": of("M", "red"), "sku": "S", "price": 3},
        {"options": of("M", "blue"), "sku": "A", "quantity": 4, "externalReferenceId": "7"},
    ]);
    let id = stage.sandbox.create_product(body);
    stage.sandbox.set_picture(id, b"GIF89a\x01\0\x01\0").unwrap();
    stage.sandbox.add_gallery_picture(id, b"GIF89a\x01\0\x01\0").unwrap();
    let before = stage.sandbox.product_record(id);
    assert_eq!(before.as_ref().unwrap()["product"]["options"][0]["nameTranslated"]["de"], "Größe");
    for query in ["", "?saveCombinations=true", "?rebuildVariationsOnOptionsUpdate=no"] {
        let path = format!("/products/{id}");
        let (_, read) = stage.get(&path).await;
        assert_eq!(stage.call("PUT", &format!("{path}{query}"), read).await.0, 200);
        assert_eq!(stage.sandbox.product_record(id), before, "{query}");
    }
    let path = format!("/products/{id}/combinations");
    stage.sandbox.habits(|habits| habits.noop_puts_fire = false);
    for variation in stage.get(&path).await.1.as_array().unwrap() {
        assert_eq!(stage.call("PUT", &format!("{path}/{}", variation["id"]), variation.clone()).await.0, 200);
    }
    assert_eq!(stage.sandbox.product_record(id), before);
}

#[tokio::test]
async fn search_sees_variations_as_late_as_products() {
    let stage = Stage::with_lag();
    let id = stage.sandbox.create_product(shirt());
    stage.wait(5);
    let path = format!("/products/{id}/combinations");
    let one =
        add(&stage, &path, json!({"options": of("S", "red"), "sku": "A", "externalReferenceId": "7"})).await;
    assert_eq!(stage.get(&path).await.1[0]["id"], one, "by the product's id at once");
    for query in ["sku=A", "externalReferenceId=7", "keyword=a"] {
        assert!(stage.ids(query).await.is_empty(), "{query}");
    }
    let (_, page) = stage.get("/products?responseFields=items(combinations(id))").await;
    assert_eq!(page["items"][0]["combinations"], json!([]));
    stage.wait(5);
    for query in ["sku=A", "externalReferenceId=7", "keyword=a"] {
        assert_eq!(stage.ids(query).await, [id], "{query}");
    }
    let (_, page) = stage.get("/products?responseFields=items(combinations(id))").await;
    assert_eq!(page["items"][0]["combinations"], json!([{"id": one}]));
}

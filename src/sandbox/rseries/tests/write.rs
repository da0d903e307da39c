//! POST and PUT of items, prices, the calls' record, changes told to listeners, faults, control.

use std::sync::{Arc, Mutex};

use super::super::LongText;
use super::*;
use crate::sandbox::faults::{Aim, Fault};

#[tokio::test]
async fn a_minimal_post_answers_200_with_defaults_and_relations() {
    let bench = Bench::new();
    let reply = bench.call("POST", "Item.json", json!({ "description": "Onesie" })).await;
    assert_eq!(reply.status, StatusCode::OK);
    let item = &reply.json["Item"];
    for (field, value) in [
        ("itemID", "1"),
        ("defaultCost", "0"),
        ("discountable", "true"),
        ("tax", "true"),
        ("archived", "false"),
        ("itemType", "default"),
        ("taxClassID", "1"),
        ("categoryID", "0"),
        ("customSku", ""),
        ("publishToEcom", "true"),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
    assert_eq!(item["createTime"], item["timeStamp"]);
    assert_eq!(item["ItemShops"]["ItemShop"].as_array().map(Vec::len), Some(3));
    assert_eq!(item["Prices"]["ItemPrice"].as_array().map(Vec::len), Some(3));
    assert!(item["systemSku"].as_str().is_some_and(|sku| sku.len() == 12 && sku.starts_with("21000000000")));
    let stocked = json!({
        "description": "Mug", "customSku": "M", "publishToEcom": false,
        "ItemShops": { "ItemShop": { "shopID": 2, "qoh": 4 } },
        "Prices": { "ItemPrice": { "amount": 12.50, "useType": "Default" } },
    });
    bench.call("POST", "Item.json", stocked).await;
    let view = bench.sandbox.item(2).expect("an item");
    assert_eq!((view.stock[&2], view.publish_to_ecom, view.default_price), (4, false, Decimal::new(125, 1)));
}

#[tokio::test]
async fn a_put_keeps_what_it_does_not_name_and_clears_what_is_empty() {
    let bench = Bench::new();
    let id = bench.sandbox.create_item(NewItem {
        description: "Mug".to_owned(),
        custom_sku: "M-1".to_owned(),
        manufacturer_sku: "X".to_owned(),
        ..NewItem::default()
    });
    let path = format!("Item/{id}.json");
    let body = json!({ "manufacturerSku": "", "taxClassID": null, "tax": false, "itemID": 77, "bogus": [1] });
    let reply = bench.put(&path, body).await;
    let item = &reply.json["Item"];
    assert_eq!((&item["itemID"], &item["customSku"]), (&json!("1"), &json!("M-1")));
    assert_eq!((&item["manufacturerSku"], &item["taxClassID"]), (&json!(""), &json!("0")));
    assert_eq!(item["tax"], "false");
    for body in [json!({ "description": "" }), json!({ "description": null })] {
        let refused = bench.put(&path, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.message(), "Item not updated. An Item must have a description.");
    }
    let refused = bench.call("POST", "Item.json", json!({ "customSku": "x" })).await;
    assert_eq!(refused.message(), "Item not created. An Item must have a description.");
    assert_eq!(bench.put(&path, json!([1])).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.put(&path, json!({ "itemType": "wonder" })).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn prices_are_written_by_level() {
    let bench = Bench::with(Config { online_price_level_id: Some(5), ..roomy() });
    let id = bench.item("a");
    let path = format!("Item/{id}.json");
    let online =
        json!({ "Prices": { "ItemPrice": { "amount": "11.90", "useTypeID": "5", "useType": "Default" } } });
    let reply = bench.put(&path, online).await;
    assert_eq!(reply.json["Item"]["Prices"]["ItemPrice"][2]["amount"], "11.9");
    let view = bench.sandbox.item(id).expect("an item");
    assert_eq!((view.default_price, view.online_price), (Decimal::new(125, 1), Some(Decimal::new(119, 1))));
    let cleared = json!({ "Prices": { "ItemPrice": [{ "amount": "", "useType": "online" }] } });
    bench.put(&path, cleared).await;
    assert_eq!(bench.sandbox.item(id).expect("an item").online_price, None);
    for row in [
        json!({ "amount": 1, "useTypeID": 3 }),
        json!({ "amount": 1 }),
        json!({ "amount": "x", "useTypeID": 1 }),
    ] {
        let body = json!({ "Prices": { "ItemPrice": row } });
        assert_eq!(bench.put(&path, body).await.status, StatusCode::BAD_REQUEST, "{row}");
    }
}

#[tokio::test]
async fn texts_are_normalised_only_where_that_is_the_habit() {
    let bench = Bench::new();
    let id = bench.item("a");
    let path = format!("Item/{id}.json");
    let blank = json!({ "description": " Mug  " });
    assert_eq!(bench.put(&path, blank.clone()).await.json["Item"]["description"], " Mug  ");
    bench.sandbox.habits(|habits| habits.trim_text = true);
    assert_eq!(bench.put(&path, blank).await.json["Item"]["description"], "Mug");
    let long = json!({ "description": "ä".repeat(300) });
    let cut = bench.put(&path, long.clone()).await;
    assert_eq!(cut.json["Item"]["description"], "ä".repeat(255));
    bench.sandbox.habits(|habits| habits.long_text = LongText::Refuse);
    assert_eq!(bench.put(&path, long.clone()).await.status, StatusCode::BAD_REQUEST);
    bench.sandbox.habits(|habits| habits.long_text = LongText::Keep);
    assert_eq!(bench.put(&path, long).await.json["Item"]["description"], "ä".repeat(300));
}

#[tokio::test]
async fn barcodes_are_unique_and_skus_are_not() {
    let bench = Bench::new();
    let body = json!({ "description": "a", "ean": "0614121182479", "customSku": "S" });
    assert_eq!(bench.call("POST", "Item.json", body.clone()).await.json["Item"]["ean"], "0614121182479");
    let twice = bench.call("POST", "Item.json", body).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert!(twice.message().contains("already exists"));
    let same_sku = bench.call("POST", "Item.json", json!({ "description": "b", "customSku": "S" })).await;
    assert_eq!(same_sku.status, StatusCode::OK);
    let own = bench.put("Item/1.json", json!({ "ean": "0614121182479" })).await;
    assert_eq!(own.status, StatusCode::OK);
}

#[tokio::test]
async fn time_stamps_of_items_move_with_edits() {
    let bench = Bench::new();
    let id = bench.item("a");
    let path = format!("Item/{id}.json");
    let stamp = |bench: &Bench| bench.sandbox.item(id).expect("an item").time_stamp;
    let mut last: Instant = stamp(&bench);
    bench.sandbox.habits(|habits| habits.unchanged_write_moves_item_time_stamp = false);
    bench.wait(1);
    bench.put(&path, json!({ "description": "a" })).await;
    assert_eq!(stamp(&bench), last);
    for body in [
        json!({ "description": "b" }),
        json!({ "Prices": { "ItemPrice": { "amount": "3", "useTypeID": "1" } } }),
    ] {
        bench.wait(1);
        bench.put(&path, body).await;
        assert!(stamp(&bench) > last);
        last = stamp(&bench);
    }
    bench.wait(1);
    bench.sandbox.publish(id, false);
    assert!(stamp(&bench) > last);
}

#[tokio::test]
async fn listeners_hear_of_every_change_and_may_ask_back() {
    let bench = Bench::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (ears, asked) = (Arc::clone(&heard), bench.sandbox.clone());
    bench.sandbox.on_change(move |change| {
        asked.items();
        let id = change.payload["itemID"].as_str().unwrap_or_default().to_owned();
        ears.lock().expect("a lock").push((change.kind, id));
    });
    let take = || {
        let heard = std::mem::take(&mut *heard.lock().expect("a lock"));
        heard.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    let id = bench.item("a");
    assert_eq!(take(), ["item.create", "inventory.update", "inventory.update"]);
    bench.sandbox.sell(id, 1, 1);
    assert_eq!(take(), ["inventory.update"]);
    bench.put(&format!("Item/{id}.json"), json!({ "description": "b" })).await;
    assert_eq!(take(), ["item.update"]);
    bench
        .put(&format!("Item/{id}.json"), json!({ "ItemShops": { "ItemShop": { "shopID": 1, "qoh": 9 } } }))
        .await;
    assert_eq!(take(), Vec::<&str>::new());
    bench.sandbox.archive(id);
    assert_eq!(take(), ["inventory.update", "inventory.update", "item.delete"]);
    bench.sandbox.unarchive(id);
    assert_eq!(take(), ["item.update"]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_was_still_done_and_is_counted() {
    let bench = Bench::new();
    let id = bench.item("a");
    bench.sandbox.faults().next(Aim::Write, Fault::BadGatewayAfter);
    let lost = bench.put(&format!("Item/{id}.json"), json!({ "description": "b" })).await;
    assert_eq!(lost.status, StatusCode::BAD_GATEWAY);
    assert_eq!(bench.sandbox.item(id).expect("an item").description, "b");
    bench.sandbox.faults().next(Aim::Any, Fault::Status { status: 503, retry_after: None });
    bench.put(&format!("Item/{id}.json"), json!({ "description": "c" })).await;
    assert_eq!(bench.sandbox.write_calls(), 1);
    let calls = bench.sandbox.calls();
    assert_eq!(calls.len(), 1, "what never reached the platform is no call");
    assert_eq!((calls[0].method.as_str(), calls[0].status), ("PUT", 200));
    assert_eq!(calls[0].body, json!({ "description": "b" }));
    bench.sandbox.clear_calls();
    assert_eq!((bench.sandbox.write_calls(), bench.sandbox.calls().len()), (0, 0));
}

#[tokio::test]
async fn the_same_seed_makes_the_same_platform() {
    let texts = |_| async {
        let bench = Bench::new();
        for name in ["a", "b", "c"] {
            bench.item(name);
        }
        (bench.token.clone(), bench.get("Item.json?load_relations=all").await.text)
    };
    assert_eq!(texts(1).await, texts(2).await);
}

#[tokio::test]
async fn the_control_doors_are_the_merchants_hands() {
    let mut bench = Bench::new();
    bench.router = bench.sandbox.control_router();
    let json_body = [("content-type", "application/json")];
    let new = json!({ "description": "Mug", "default_price": "12.5", "stock": [[1, 4]] });
    let made = bench.send("POST", "/items", &json_body, &new).await;
    assert_eq!((made.status, &made.json["stock"]["1"]), (StatusCode::OK, &json!(4)), "{}", made.text);
    let sold =
        bench.send("POST", "/sell", &json_body, &json!({ "item_id": 1, "shop_id": 1, "quantity": 1 })).await;
    assert_eq!(sold.json["stock"]["1"], 3);
    let edit = json!({ "change": "online_price", "item_id": 1, "price": "9" });
    assert_eq!(bench.send("POST", "/edit", &json_body, &edit).await.json["online_price"], "9");
    let habits = bench.send("POST", "/habits", &json_body, &json!({ "trim_text": true })).await;
    assert_eq!((&habits.json["trim_text"], &habits.json["fold_case"]), (&json!(true), &json!(true)));
    let wrong = bench.send("POST", "/habits", &json_body, &json!({ "trim_text": "perhaps" })).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fault = json!({ "aim": "any", "fault": { "kind": "status", "status": 500, "retry_after": null } });
    assert_eq!(bench.send("POST", "/faults/next", &json_body, &fault).await.status, StatusCode::NO_CONTENT);
    let log = bench.send("GET", "/inventory-log", &[], &Value::Null).await;
    assert_eq!(log.json[1]["change"], -1);
    assert_eq!(bench.send("GET", "/items", &[], &Value::Null).await.json[0]["description"], "Mug");
}

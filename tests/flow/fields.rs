//! Each field, each way; conflicts; rest.

use std::time::Duration;

use serde_json::json;

use crate::support::{Plan, World, decimal, item, mug};

#[tokio::test]
async fn the_first_look_creates_every_product_disabled() {
    let items = vec![
        mug(),
        item("Teapot \"Oma\" & <b>co</b>", "POT-1", "39.9", 3),
        item("  Löffel 🥄 ", "", "2.25", -4),
    ];
    let world = World::with(Plan::default(), items).await;
    assert_eq!(world.stage.e.products().len(), 3);
    for item in world.stage.r.items() {
        let (item, product) = world.pair(item.item_id);
        assert!(!product.enabled, "new products arrive disabled: {product:?}");
        assert_eq!(product.name.trim(), item.description.trim());
    }
    world.check_laws().await;
    let status = world.get("/status").await;
    assert_eq!((&status["linked"], &status["sync"]["state"]), (&json!(3), &json!("done")), "{status}");
}

#[tokio::test]
async fn each_field_edited_in_the_shop_reaches_the_web() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.rename(id, "Mug, new");
    world.stage.r.set_sku(id, "MUG-2");
    world.stage.r.reprice_default(id, decimal("14"));
    world.stage.r.sell(id, 1, 4);
    world.settle().await;
    let (_, product) = world.pair(id);
    assert_eq!((product.name.as_str(), product.sku.as_str()), ("Mug, new", "MUG-2"));
    assert_eq!((product.price, product.quantity), (decimal("14"), Some(6)));

    world.stage.r.reprice_online(id, decimal("11.9"));
    world.settle().await;
    assert_eq!(world.pair(id).1.price, decimal("11.9"));
    // Online 0 falls back to Default.
    world.stage.r.reprice_online(id, decimal("0"));
    world.settle().await;
    assert_eq!(world.pair(id).1.price, decimal("14"));

    // It arrived disabled; a change in the shop carries.
    world.stage.r.publish(id, false);
    world.settle().await;
    world.stage.r.publish(id, true);
    world.settle().await;
    assert!(world.pair(id).1.enabled);
    world.stage.r.publish(id, false);
    world.settle().await;
    assert!(!world.pair(id).1.enabled);
    world.check_laws().await;
}

#[tokio::test]
async fn each_field_edited_on_the_web_reaches_the_shop() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.rename(product, "Mug, web");
    world.stage.e.set_sku(product, "WEB-2");
    world.stage.e.reprice(product, decimal("9.99"));
    world.stage.e.sell(product, 4);
    world.settle().await;
    let (item, _) = world.pair(id);
    assert_eq!((item.description.as_str(), item.custom_sku.as_str()), ("Mug, web", "WEB-2"));
    // E-Series' price writes only Online.
    assert_eq!((item.online_price, item.default_price), (Some(decimal("9.99")), decimal("12.5")));
    assert_eq!(item.stock[&1], 6);

    world.stage.r.publish(id, false);
    world.settle().await;
    world.stage.e.enable(product, true);
    world.settle().await;
    assert!(world.pair(id).0.publish_to_ecom);
    world.stage.e.enable(product, false);
    world.settle().await;
    assert!(!world.pair(id).0.publish_to_ecom);
    world.check_laws().await;
}

#[tokio::test]
async fn polling_alone_gives_the_same_end() {
    let world = World::with(Plan { relay: false, ..Plan::default() }, vec![mug()]).await;
    world.stage.e.set_webhook_url(None);
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.r.sell(id, 1, 2);
    world.stage.r.rename(id, "Polled");
    world.stage.e.sell(product, 3);
    world.stage.e.reprice(product, decimal("8"));
    let fresh = world.stage.r.create_item(item("Born later", "LATE-1", "5", 7));
    world.sweep().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.stock[&1], product.quantity), (5, Some(5)));
    assert_eq!((product.name.as_str(), item.online_price), ("Polled", Some(decimal("8"))));
    assert_eq!(world.pair(fresh).1.quantity, Some(7));
    world.check_laws().await;
    let metrics = concord::telemetry::metrics().render();
    assert!(metrics.contains("concord_found_by_sweep_total"), "what the sweep found is counted");
}

#[tokio::test]
async fn a_matching_edit_on_both_sides_makes_no_call() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.r.rename(id, "Same");
    world.stage.e.rename(product, "Same");
    world.stage.r.reprice_online(id, decimal("10"));
    world.stage.e.reprice(product, decimal("10.00"));
    world.settle().await;
    assert_eq!(world.writes(), 0, "{:?}", world.stage.e.calls());
    assert_eq!(world.pair(id).0.description, "Same");
    world.check_laws().await;
}

#[tokio::test]
async fn different_fields_edited_on_both_sides_both_survive() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.r.rename(id, "From the shop");
    world.stage.e.reprice(product, decimal("7"));
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((product.name.as_str(), item.online_price), ("From the shop", Some(decimal("7"))));
    world.check_laws().await;
}

#[tokio::test]
async fn the_same_field_edited_on_both_sides_ends_equal_and_the_ledger_names_the_loser() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.r.rename(id, "Shop wins");
    world.stage.e.rename(product, "Web loses");
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.description.as_str(), product.name.as_str()), ("Shop wins", "Shop wins"));
    let ledger = world.ledger().await;
    let conflict = ledger.iter().find(|entry| entry["kind"] == "conflict").expect("a conflict is told");
    assert_eq!(conflict["detail"]["losing_value"], "Web loses", "{conflict}");
    assert_eq!(conflict["detail"]["loser"], "e_series");
    let conflicts = world.get("/conflicts").await;
    assert_eq!(conflicts["items"][0]["e_series"], "Web loses");
    assert_eq!(conflicts["items"][0]["winner"], "r_series");
    world.check_laws().await;
}

#[tokio::test]
async fn echoes_are_recognised_and_writes_stop() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.r.rename(id, "One");
    world.stage.r.sell(id, 1, 1);
    world.stage.e.reprice(product, decimal("6"));
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert!(world.writes() <= 2 * 4, "{} writes for 4 edits", world.writes());
    let before = world.writes();
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
    }
    assert_eq!(world.writes(), before, "writes go on after the last edit");
    let ledger = world.ledger().await;
    let echoes: Vec<_> = ledger.iter().filter(|entry| entry["kind"] == "echo").collect();
    assert!(!echoes.is_empty(), "no echo was recognised");
    for echo in echoes {
        let write = echo["detail"]["write"].as_str().unwrap();
        assert!(
            ledger.iter().any(|entry| entry["id"] == write),
            "the echo names a write of the ledger: {echo}"
        );
    }
    let status = world.get("/status").await;
    assert_eq!(status["in_step"], true, "{status}");
    world.check_laws().await;
}

#[tokio::test]
async fn a_price_of_zero_on_the_web_is_held_with_a_reason_and_other_fields_go_on() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.reprice(product, decimal("0"));
    world.stage.e.rename(product, "Free mug");
    world.settle().await;
    let item = world.stage.r.item(id).unwrap();
    assert_eq!((item.description.as_str(), item.online_price), ("Free mug", None));
    let parked = world.get("/parked").await;
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("Online price of 0"), "{parked}");
    // It goes on by itself once the price can be kept.
    world.stage.e.reprice(product, decimal("5"));
    world.settle().await;
    assert_eq!(world.stage.r.item(id).unwrap().online_price, Some(decimal("5")));
    assert_eq!(world.get("/parked").await["items"], json!([]));
    world.check_laws().await;
}

#[tokio::test]
async fn unlimited_on_the_web_is_not_zero() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.set_unlimited(product, true);
    world.settle().await;
    assert_eq!(world.stage.r.item(id).unwrap().stock[&1], 10, "nothing was sold");
    assert!(world.get("/parked").await["items"][0]["reason"].as_str().unwrap().contains("unlimited"));
}

#[tokio::test]
async fn what_is_there_already_is_tied_by_sku_and_not_doubled() {
    let mut world = World::open(Plan::default()).await;
    let id = world.stage.r.create_item(mug());
    let there = world.stage.e.create_product(json!({
        "name": "Mug (old)", "sku": "MUG-1", "price": 10, "quantity": 3, "enabled": true,
        "description": "<p>Kept</p>"}));
    world.clock.advance(Duration::from_secs(10));
    world.connect().await;
    world.settle().await;
    assert_eq!(world.stage.e.products().len(), 1);
    let product = world.stage.e.product(there).unwrap();
    let item = world.stage.r.item(id).unwrap();
    assert_eq!((product.name.as_str(), product.price), ("Stoneware mug", decimal("12.5")), "the shop wins");
    assert_eq!((product.quantity, item.stock[&1]), (Some(10), 10), "the shop's count is the opening stock");
    assert!(product.enabled, "tying takes nothing off the web");
    assert_eq!(product.json["description"], "<p>Kept</p>");
    assert_eq!(product.external_reference_id, None, "a marker that is not ours is not written");
}

/// An account without eCom takes the flag and keeps nothing of it: that is no success, and no reason to try for ever.
#[tokio::test]
async fn a_write_that_the_platform_ignores_is_held_and_not_repeated() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.enable(product, true);
    world.settle().await;
    world.stage.r.habits(|habits| habits.show_publish_to_ecom = false);
    world.stage.e.enable(product, false);
    world.clear_calls();
    world.settle().await;
    assert_eq!(world.writes(), 1);
    let list = world.get("/products").await;
    let path = format!("/products/{}", list["items"][0]["id"].as_str().unwrap());
    let shown = world.get(&path).await;
    let enabled =
        shown["fields"].as_array().unwrap().iter().find(|field| field["field"] == "enabled").unwrap();
    assert_eq!(enabled["hold"]["code"], "ignored", "{enabled}");
    let write =
        world.ledger().await.into_iter().find(|entry| {
            entry["kind"] == "write" && entry["field"] == "enabled" && entry["side"] == "r_series"
        });
    assert_eq!(write.unwrap()["result"], "refused");
    for name in ["One", "Two"] {
        world.stage.r.rename(id, name);
        world.settle().await;
    }
    let flags = world.stage.r.calls().iter().filter(|call| call.method == "PUT").count();
    assert_eq!(flags, 1, "the same is not written again");
    // A person says that it may be different now: once more, and no more.
    let retry = path.replace("/products/", "/parked/");
    assert_eq!(world.ask(&format!("{retry}/retry"), None).await.0, 202);
    world.settle().await;
    world.stage.r.rename(id, "Three");
    world.settle().await;
    let flags = world.stage.r.calls().iter().filter(|call| call.method == "PUT").count();
    assert_eq!(flags, 2, "a retry writes it once more");
    assert_eq!(world.get(&path).await["fields"].to_string().matches("\"ignored\"").count(), 1);
}

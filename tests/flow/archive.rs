//! What is archived in the shop goes from the web with everything it had, and comes back with it.

use concord::sandbox::faults::{Aim, Fault};
use serde_json::{Value, json};

use super::variants::shirt;
use crate::support::{Plan, World, item, mug};

/// What a merchant wrote online, and Concord never touches.
fn only_online() -> Value {
    json!({"description": "<p>Keeps tea hot</p>", "subtitle": "Stoneware", "compareToPrice": 20, "weight": 0.35,
        "seoTitle": "Best mug", "seoDescription": "A mug", "ribbon": {"text": "New", "color": "#FF0000"},
        "options": [{"type": "TEXTFIELD", "name": "Engraving", "required": false}]})
}

fn same(before: &Value, after: &Value, names: &[&str]) {
    for name in names {
        assert_eq!(before[*name], after[*name], "{name}");
        assert!(!before[*name].is_null(), "{name} was never there");
    }
}

const KEPT: [&str; 8] = [
    "description",
    "subtitle",
    "compareToPrice",
    "weight",
    "seoTitle",
    "seoDescription",
    "ribbon",
    "options",
];

#[tokio::test]
async fn an_archived_item_leaves_the_web_and_comes_back_with_everything_it_had_online() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.try_edit_product(product, only_online()).unwrap();
    world.stage.e.enable(product, true);
    world.settle().await;
    let before = world.record(product);
    world.clear_calls();

    world.stage.r.archive(id);
    world.sweep().await;
    assert!(world.stage.e.products().is_empty());
    assert_eq!(world.writes(), 1);
    let ledger = world.ledger().await;
    let removal = ledger.iter().find(|entry| entry["kind"] == "remove").unwrap();
    assert_eq!((&removal["result"], &removal["cause"]), (&json!("landed"), &json!("the item was archived")));
    assert_eq!(removal["before"]["description"], before["description"]);
    let status = world.get("/status").await;
    assert_eq!((&status["parked"], &status["in_step"]), (&json!(0), &json!(true)), "{status}");

    world.stage.r.unarchive(id);
    world.stage.r.restock(id, 1, 4);
    world.sweep().await;
    let back = world.product_of(id).expect("it is back");
    let after = world.record(back.id);
    same(&before, &after, &KEPT);
    assert_eq!((back.enabled, back.quantity), (true, Some(4)), "as it was, with what the shop counts now");
    world.check_laws().await;
    world.clear_calls();
    world.sweep().await;
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn an_archived_matrix_leaves_the_web_as_a_whole_and_comes_back_as_a_whole() {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    world
        .stage
        .e
        .try_edit_product(product, json!({"description": "<p>Cotton</p>", "seoTitle": "Tee"}))
        .unwrap();
    let red = world.stage.e.variations(product)[0]["id"].as_i64().unwrap();
    world.stage.e.edit_variation(product, red, json!({"weight": 0.2, "compareToPrice": 29.9})).unwrap();
    world.stage.e.enable(product, true);
    world.settle().await;
    let before = world.record(product);
    world.clear_calls();
    world.stage.r.archive_matrix(matrix);
    world.sweep().await;
    assert!(world.stage.e.products().is_empty());
    assert_eq!(world.writes(), 1, "the product goes with its variations");
    world.sweep().await;
    let status = world.get("/status").await;
    assert_eq!((&status["parked"], &status["in_step"]), (&json!(0), &json!(true)), "{status}");

    for item in world.stage.r.items() {
        world.stage.r.unarchive(item.item_id);
    }
    world.sweep().await;
    world.sweep().await;
    let product = world.product_of_matrix(matrix).expect("it is back");
    let after = world.record(product);
    same(&before, &after, &["description", "seoTitle", "enabled"]);
    assert_eq!(world.stage.e.variations(product).len(), 4);
    let red = &world.stage.e.variations(product)[0];
    assert_eq!((&red["weight"], &red["compareToPrice"]), (&json!(0.2), &json!(29.9)));
    world.check_laws().await;
}

#[tokio::test]
async fn what_the_snapshot_points_to_may_be_gone_and_the_product_comes_back_all_the_same() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    let shelf = world.stage.e.create_category(json!({"name": "Sale"}));
    world.stage.e.assign(shelf, &[product]);
    world.stage.e.try_edit_product(product, only_online()).unwrap();
    world.settle().await;
    let before = world.record(product);
    world.stage.r.archive(id);
    world.sweep().await;
    world.stage.e.delete_category(shelf);
    world.stage.r.unarchive(id);
    world.sweep().await;
    let back = world.product_of(id).expect("it is back");
    same(&before, &world.record(back.id), &KEPT);
    assert_eq!(world.get("/status").await["parked"], 0);
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_judged_by_looking() {
    for fault in
        [Fault::ResetBefore, Fault::ResetAfter, Fault::BadGatewayAfter, Fault::GarbageAfter, Fault::HangAfter]
    {
        let world = World::with_a_mug().await;
        let id = world.stage.r.items()[0].item_id;
        world.stage.r.archive(id);
        world.stage.e.faults().next(Aim::Write, fault);
        world.sweep().await;
        assert!(world.stage.e.products().is_empty(), "{fault:?}");
        let status = world.get("/status").await;
        assert_eq!(
            (&status["open_writes"], &status["parked"]),
            (&json!(0), &json!(0)),
            "{fault:?}: {status}"
        );
        world.stage.r.unarchive(id);
        world.sweep().await;
        assert!(world.product_of(id).is_some(), "{fault:?}");
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_item_that_came_back_at_the_last_moment_keeps_its_product() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.r.archive(id);
    world.stage.r.unarchive(id);
    world.sweep().await;
    assert!(world.stage.e.product(product).is_some());
    world.check_laws().await;
}

#[tokio::test]
async fn an_item_that_was_merged_into_another_one_is_sold_there_alone() {
    for archived in [false, true] {
        let world = World::with(Plan::default(), vec![mug(), item("Cup", "CUP", "9", 3)]).await;
        world.stage.r.habits(|habits| habits.merged_items_stay_archived = archived);
        let ids: Vec<i64> = world.stage.r.items().iter().map(|item| item.item_id).collect();
        let [mug, cup] = ids.try_into().unwrap();
        world.stage.r.merge_items(cup, mug);
        world.sweep().await;
        // What left no other trace is found by the full look.
        world.clock.advance(std::time::Duration::from_secs(25 * 3_600));
        world.sweep().await;
        assert_eq!(world.stage.e.products().len(), 1, "nothing is offered twice");
        assert_eq!(world.product_of(mug).unwrap().quantity, Some(13));
        let ledger = world.ledger().await;
        let removal = ledger.iter().find(|entry| entry["kind"] == "remove").unwrap();
        assert_eq!((&removal["before"]["sku"], &removal["product_name"]), (&json!("CUP"), &json!("Cup")));
        assert_eq!(world.get("/status").await["parked"], 0);
        world.close().await;
    }
}

/// Its pieces lie on another item now, and what was sold of it is not booked there: a person is told, once.
#[tokio::test]
async fn what_was_sold_of_an_item_before_it_was_merged_is_told() {
    for archived in [false, true] {
        let world = World::with(Plan::default(), vec![mug(), item("Cup", "CUP", "9", 3)]).await;
        world.stage.r.habits(|habits| habits.merged_items_stay_archived = archived);
        let ids: Vec<i64> = world.stage.r.items().iter().map(|item| item.item_id).collect();
        let [mug, cup] = ids.try_into().unwrap();
        world.stage.e.sell(world.product_of(cup).unwrap().id, 1);
        world.stage.r.merge_items(cup, mug);
        world.sweep().await;
        world.clock.advance(std::time::Duration::from_secs(25 * 3_600));
        world.sweep().await;
        let parked = world.get("/parked").await;
        let row = &parked["items"][0];
        assert!(row["reason"].as_str().unwrap().contains("-1 pieces"), "{parked}");
        let retry =
            format!("/v1/connections/{}/parked/{}/retry", world.connection, row["id"].as_str().unwrap());
        assert_eq!(world.call("POST", &retry, None).await.0, 202);
        world.settle().await;
        assert_eq!(world.stage.e.products().len(), 1, "nothing is offered twice");
        world.close().await;
    }
}

#[tokio::test]
async fn an_item_that_vanished_without_a_word_keeps_its_product_and_asks() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.merge_away(id);
    world.clock.advance(std::time::Duration::from_secs(25 * 3_600));
    world.sweep().await;
    assert_eq!(world.stage.e.products().len(), 1);
    let reason = world.get("/parked").await["items"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("no longer exists"), "{reason}");
}

#[tokio::test]
async fn what_was_sold_of_a_variant_before_it_was_merged_is_told_too() {
    let (world, _, product) = World::with_a_shirt().await;
    world.stage.r.habits(|habits| habits.merged_items_stay_archived = true);
    let [losing, winning] = ["TS-R-S", "TS-B-S"].map(|sku| world.item_called(sku));
    let variation = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    world.stage.e.sell_variation(product, variation, 2);
    world.stage.r.merge_items(losing, winning);
    world.sweep().await;
    world.clock.advance(std::time::Duration::from_secs(25 * 3_600));
    world.sweep().await;
    let parked = world.get("/parked").await;
    let row = &parked["items"][0];
    assert!(row["reason"].as_str().unwrap().contains("-2 pieces"), "{parked}");
    let retry = format!("/v1/connections/{}/parked/{}/retry", world.connection, row["id"].as_str().unwrap());
    assert_eq!(world.call("POST", &retry, None).await.0, 202);
    world.settle().await;
    assert_eq!(world.stage.e.variations(product).len(), 3, "nothing is offered twice");
}

#[tokio::test]
async fn where_availability_is_not_the_shops_to_say_an_archived_variant_stays_online() {
    let (world, _, product) = World::with_a_shirt().await;
    let path = format!("/v1/connections/{}", world.connection);
    let off = json!({"settings": {"fields": {"enabled": {"way": "off"}}}});
    let (status, body) = world.call("PATCH", &path, Some(off)).await;
    assert_eq!(status, 200, "{body}");
    world.settle().await;
    world.stage.r.archive(world.item_called("TS-R-S"));
    world.sweep().await;
    assert_eq!(world.stage.e.variations(product).len(), 4);
}

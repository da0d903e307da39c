//! Items that change their place in the shop, and matrices that lose or gain them: nothing sold is lost on the way, and
//! what exists only online is kept.

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::NewMatrix;
use serde_json::json;

use super::variants::shirt;
use crate::support::{World, mug};

#[tokio::test]
async fn an_item_that_joins_a_matrix_leaves_its_own_product_with_everything_kept() {
    let (world, matrix, product) = World::with_a_shirt().await;
    let id = world.stage.r.create_item(mug());
    world.settle().await;
    let own = world.product_of(id).unwrap().id;
    world
        .stage
        .e
        .try_edit_product(own, json!({"description": "<p>Alone</p>", "weight": 0.4, "compareToPrice": 30}))
        .unwrap();
    world.settle().await;
    world.later();
    world.stage.r.put_into_matrix(id, matrix, ["White", "S", ""]);
    // Sold on both sides before anybody has looked.
    world.stage.e.sell(own, 3);
    world.stage.r.sell(id, 1, 1);
    world.settle().await;
    assert!(world.stage.e.product(own).is_none());
    let variation = world.variation(product, "MUG-1");
    assert_eq!(variation["quantity"], 6);
    assert_eq!(
        (&variation["weight"], &variation["compareToPrice"]),
        (&json!(0.4), &json!(30)),
        "{variation}"
    );
    assert_eq!(world.stage.r.item(id).unwrap().stock[&1], 6);
    let ledger = world.ledger().await;
    let removal = ledger.iter().find(|entry| entry["kind"] == "remove").unwrap();
    assert_eq!(removal["before"]["description"], "<p>Alone</p>");
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn what_is_sold_while_it_moves_is_counted_once_whatever_answer_is_lost() {
    for fault in [Fault::ResetAfter, Fault::BadGatewayAfter, Fault::HangAfter, Fault::ResetBefore] {
        for platform in 0..2 {
            let (world, matrix, product) = World::with_a_shirt().await;
            let id = world.stage.r.create_item(mug());
            world.settle().await;
            let own = world.product_of(id).unwrap().id;
            world.later();
            world.stage.r.put_into_matrix(id, matrix, ["White", "S", ""]);
            world.stage.e.sell(own, 3);
            let faults = [world.stage.r.faults(), world.stage.e.faults()][platform].clone();
            faults.next(Aim::Write, fault);
            world.settle().await;
            world.sweep().await;
            assert_eq!(world.variation(product, "MUG-1")["quantity"], 7, "{fault:?} {platform}");
            assert_eq!(world.stage.r.item(id).unwrap().stock[&1], 7, "{fault:?} {platform}");
            assert!(world.stage.e.product(own).is_none(), "{fault:?} {platform}");
            world.check_laws().await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn what_is_sold_of_a_variant_before_it_moves_is_counted() {
    let (world, _, product) = World::with_a_shirt().await;
    let other = NewMatrix { variants: Vec::new(), description: "Other".into(), ..shirt() };
    let other = world.stage.r.create_matrix(other).unwrap().0;
    let item = world.item_called("TS-B-M");
    let variation = world.variation(product, "TS-B-M")["id"].as_i64().unwrap();
    world.later();
    world.stage.r.put_into_matrix(item, other, ["Blue", "M", ""]);
    world.stage.e.sell_variation(product, variation, 2);
    world.settle().await;
    let elsewhere = world.product_of_matrix(other).expect("its new product is online");
    assert_eq!(world.variation(elsewhere, "TS-B-M")["quantity"], 3);
    assert_eq!(world.stage.r.item(item).unwrap().stock[&1], 3);
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_matrix_that_loses_all_its_items_keeps_its_product_for_new_ones() {
    let (world, matrix, product) = World::with_a_shirt().await;
    world.stage.e.try_edit_product(product, json!({"description": "<p>Cotton</p>"})).unwrap();
    world.settle().await;
    world.later();
    for item in world.stage.r.items() {
        world.stage.r.take_out_of_matrix(item.item_id);
    }
    world.settle().await;
    world.sweep().await;
    assert!(world.stage.e.variations(product).is_empty());
    let record = world.record(product);
    assert_eq!((&record["description"], &record["enabled"]), (&json!("<p>Cotton</p>"), &json!(false)));
    for item in world.stage.r.items() {
        let own = world.product_of(item.item_id).expect("each is a product by itself");
        assert_eq!(own.quantity, Some(5));
        assert_eq!(world.record(own.id)["options"], json!([]), "values of a variation are no options");
    }
    world.check_laws().await;
    let back = world.item_called("TS-R-S");
    world.later();
    world.stage.r.put_into_matrix(back, matrix, ["Red", "S", ""]);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.variation(product, "TS-R-S")["quantity"], 5);
    assert_eq!(world.record(product)["description"], "<p>Cotton</p>");
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_variant_that_becomes_an_item_of_its_own_keeps_what_it_had_online() {
    let (world, _, product) = World::with_a_shirt().await;
    let item = world.item_called("TS-R-M");
    let variation = world.variation(product, "TS-R-M")["id"].as_i64().unwrap();
    world.stage.e.edit_variation(product, variation, json!({"weight": 0.2, "compareToPrice": 29.9})).unwrap();
    world.settle().await;
    world.later();
    world.stage.r.take_out_of_matrix(item);
    world.settle().await;
    let own = world.product_of(item).expect("it is a product by itself");
    let record = world.record(own.id);
    assert_eq!((&record["weight"], &record["compareToPrice"]), (&json!(0.2), &json!(29.9)), "{record}");
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn only_what_the_store_refuses_is_left_behind_and_the_ledger_says_so() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.try_edit_product(product, json!({"description": "<p>Hot</p>", "weight": 0.35})).unwrap();
    let shelf = world.stage.e.create_category(json!({"name": "Sale"}));
    world.stage.e.assign(shelf, &[product]);
    world.settle().await;
    world.stage.r.archive(id);
    world.sweep().await;
    // Visits that fail for other reasons cost nothing of what was kept.
    world.stage.r.unarchive(id);
    world.clock.advance(std::time::Duration::from_secs(61));
    for _ in 0..4 {
        world.stage.e.faults().next(Aim::Read, Fault::GarbageAfter);
    }
    world.settle().await;
    let back = world.record(world.product_of(id).expect("it is back").id);
    assert_eq!(
        (&back["description"], &back["categoryIds"]),
        (&json!("<p>Hot</p>"), &json!([shelf])),
        "{back}"
    );

    world.stage.r.archive(id);
    world.sweep().await;
    world.stage.e.delete_category(shelf);
    world.stage.r.unarchive(id);
    world.sweep().await;
    let back = world.record(world.product_of(id).expect("it is back").id);
    assert_eq!(back["description"], "<p>Hot</p>");
    let ledger = world.ledger().await;
    let created =
        ledger.iter().find(|entry| entry["kind"] == "create" && entry["result"] == "landed").unwrap();
    assert!(created["cause"].as_str().unwrap().contains("categoryIds"), "{created}");
}

#[tokio::test]
async fn a_variation_that_was_only_tied_keeps_what_it_had_online_too() {
    let mut world = World::open(crate::support::Plan::default()).await;
    let product =
        world.stage.e.create_product(json!({"name": "T-shirt", "sku": "TEE", "price": 20, "quantity": 0,
        "options": [{"type": "SELECT", "name": "Size", "choices": [{"text": "S"}, {"text": "M"}]},
                    {"type": "SELECT", "name": "Color", "choices": [{"text": "Red"}, {"text": "Blue"}]}]}));
    for (color, size, sku) in [("Red", "S", "TS-R-S"), ("Blue", "M", "TS-B-M")] {
        let options = json!([{"name": "Size", "value": size}, {"name": "Color", "value": color}]);
        let fields =
            json!({"options": options, "sku": sku, "quantity": 5, "unlimited": false, "weight": 0.25});
        world.stage.e.add_variation(product, fields).unwrap();
    }
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    world.clock.advance(std::time::Duration::from_secs(10));
    world.connect().await;
    world.settle().await;
    world.stage.r.archive_matrix(matrix);
    world.sweep().await;
    assert!(world.stage.e.products().is_empty());
    for item in world.stage.r.items() {
        world.stage.r.unarchive(item.item_id);
    }
    world.sweep().await;
    world.sweep().await;
    let product = world.product_of_matrix(matrix).expect("it is back");
    assert_eq!(world.variation(product, "TS-R-S")["weight"], 0.25);
    assert_eq!(world.variation(product, "TS-B-M")["weight"], 0.25);
    world.check_laws().await;
}

/// The search of E-Series shows the variation for a while after it was removed: nobody is asked about what is gone.
#[tokio::test]
async fn a_variant_that_leaves_its_matrix_is_no_matter_of_doubt_while_the_search_lags() {
    let (world, matrix, _) = World::with_a_shirt().await;
    world.stage.e.habits(|habits| (habits.index_lag_min_seconds, habits.index_lag_max_seconds) = (40, 40));
    let leaves = world.stage.r.matrix(matrix).unwrap().variants[0].0;
    world.stage.r.take_out_of_matrix(leaves);
    world.sweep().await;
    assert_eq!(world.get("/parked").await["items"], json!([]));
    assert!(world.product_of(leaves).is_some(), "it is a product of its own");
    world.clock.advance(std::time::Duration::from_secs(61));
    world.settle().await;
    world.check_laws().await;
}

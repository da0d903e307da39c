//! Deleted on E-Series while the item lives on: created again, given up, or asked about.

use axum::http::StatusCode;
use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;

use super::variants::shirt;
use crate::support::{Plan, World};

#[tokio::test]
async fn a_deleted_product_waits_and_is_created_again_at_a_word() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.enable(product, true);
    world.settle().await;
    let own = world.id_of(product, None).await;
    let (status, problem) = world.decide(&own, "recreate").await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    world.later();
    world.stage.e.delete_product(product);
    world.settle().await;
    let parked = world.get("/parked").await;
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("recreate"), "{parked}");
    world.stage.r.sell(id, 1, 4);
    let (status, _) = world.decide(&own, "recreate").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle().await;
    let back = world.product_of(id).expect("it is back");
    assert_eq!(
        (back.enabled, back.quantity),
        (true, Some(6)),
        "as it was offered, with what the shop counts"
    );
    assert_eq!(world.stage.e.products().len(), 1);
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn what_was_kept_of_it_once_comes_back_with_it() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.try_edit_product(product, json!({"description": "<p>Hot</p>", "weight": 0.35})).unwrap();
    world.settle().await;
    world.stage.r.archive(id);
    world.sweep().await;
    world.stage.r.unarchive(id);
    world.stage.r.restock(id, 1, 3);
    world.sweep().await;
    let product = world.product_of(id).unwrap().id;
    world.later();
    world.stage.e.delete_product(product);
    world.settle().await;
    let own = world.get("/parked").await["items"][0]["id"].as_str().unwrap().to_owned();
    world.decide(&own, "recreate").await;
    world.settle().await;
    let record = world.record(world.product_of(id).expect("it is back").id);
    assert_eq!((&record["description"], &record["weight"]), (&json!("<p>Hot</p>"), &json!(0.35)));
    world.check_quiet().await;
}

#[tokio::test]
async fn by_setting_it_comes_back_by_itself_but_not_against_a_stubborn_hand() {
    let world = World::with_a_mug().await;
    world.set(json!({"gone_online": "recreate"})).await;
    let id = world.stage.r.items()[0].item_id;
    // It was created once within the hour already.
    world.later();
    world.stage.e.delete_product(world.product_of(id).unwrap().id);
    world.settle().await;
    let again = world.product_of(id).expect("it is back");
    world.check_laws().await;
    world.later();
    world.stage.e.delete_product(again.id);
    world.settle().await;
    assert!(world.product_of(id).is_none(), "who deletes it time and again means it");
    assert_eq!(world.get("/status").await["parked"], 1);
}

#[tokio::test]
async fn an_unpublished_item_asks_no_more_until_it_is_published_again() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.enable(product, true);
    world.settle().await;
    let own = world.id_of(product, None).await;
    world.later();
    world.stage.e.delete_product(product);
    world.settle().await;
    world.stage.r.faults().next(Aim::Write, Fault::ResetAfter);
    let (status, _) = world.decide(&own, "unpublish").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle().await;
    assert!(!world.stage.r.item(id).unwrap().publish_to_ecom);
    assert!(world.stage.e.products().is_empty());
    world.check_quiet().await;
    let (status, _) = world.decide(&own, "recreate").await;
    assert_eq!(status, StatusCode::CONFLICT, "that is settled");
    world.stage.r.sell(id, 1, 1);
    world.settle().await;
    assert!(world.stage.e.products().is_empty());
    world.stage.r.publish(id, true);
    world.settle().await;
    let back = world.product_of(id).expect("it is back");
    assert_eq!(back.quantity, Some(9));
    world.check_laws().await;
}

#[tokio::test]
async fn a_deleted_product_with_variations_comes_back_as_a_whole() {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    world.stage.e.enable(product, true);
    world.settle().await;
    let own = world.id_of(product, None).await;
    world.later();
    world.stage.e.delete_product(product);
    world.settle().await;
    assert_eq!(world.get("/status").await["parked"], 1, "one question for all of it");
    world.decide(&own, "recreate").await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).expect("it is back");
    assert_eq!(
        (world.stage.e.variations(product).len(), &world.record(product)["enabled"]),
        (4, &json!(true))
    );
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_deleted_variation_has_the_same_choice() {
    let (world, matrix, product) = World::with_a_shirt().await;
    let id = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    let own = world.id_of(product, Some(id)).await;
    world.later();
    world.stage.e.delete_variation(product, id);
    world.settle().await;
    assert_eq!(world.get("/status").await["parked"], 1);
    world.decide(&own, "recreate").await;
    world.settle().await;
    assert_eq!(world.variation(product, "TS-R-S")["quantity"], 5);
    world.check_laws().await;

    let id = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    world.later();
    world.stage.e.delete_variation(product, id);
    world.settle().await;
    world.decide(&own, "unpublish").await;
    world.settle().await;
    let item = world.item_called("TS-R-S");
    assert!(!world.stage.r.item(item).unwrap().publish_to_ecom);
    assert_eq!(world.stage.e.variations(product).len(), 3);
    assert!(world.stage.r.item(world.item_called("TS-B-M")).unwrap().publish_to_ecom);
    world.check_quiet().await;
    world.stage.r.publish(item, true);
    world.settle().await;
    assert_eq!(world.variation(product, "TS-R-S")["quantity"], 5);
    assert_eq!(world.stage.r.matrix(matrix).unwrap().variants.len(), 4);
    world.check_laws().await;
}

#[tokio::test]
async fn a_lost_answer_to_the_new_creation_makes_one_product() {
    for fault in [Fault::ResetAfter, Fault::BadGatewayAfter, Fault::HangAfter, Fault::ResetBefore] {
        let world = World::with_a_mug().await;
        world.set(json!({"gone_online": "recreate"})).await;
        let id = world.stage.r.items()[0].item_id;
        world.later();
        world.stage.e.delete_product(world.product_of(id).unwrap().id);
        world.stage.e.faults().next(Aim::Write, fault);
        world.settle().await;
        assert_eq!(world.stage.e.products().len(), 1, "{fault:?}");
        world.check_laws().await;
        world.close().await;
    }
}

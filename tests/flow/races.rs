//! What happens between a look and a write, and beside it.

use std::time::Duration;

use concord::queue::Worker;
use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;

use crate::support::mortal::mortal;
use crate::support::{Plan, World, decimal, item, mug};

/// Steps the worker one await at a time, and lets `act` happen as soon as `when` says so.
pub(super) async fn step_with(
    world: &World,
    worker: Worker,
    when: impl Fn(&World) -> bool,
    act: impl FnOnce(&World),
) {
    let mut act = Some(act);
    let mut step = Box::pin(async move { while worker.visit().await.unwrap() {} });
    while mortal(step.as_mut(), 0).await.is_none() {
        tokio::task::yield_now().await;
        if act.is_some() && when(world) {
            act.take().unwrap()(world);
        }
    }
    assert!(act.is_none(), "the moment never came");
}

#[tokio::test]
async fn a_sale_between_look_and_write_of_the_shops_stock_is_put_back() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.e.sell(product, 2);
    world.stage.deliver_due().await;
    // The log has been read twice: the look is over, the absolute write is next.
    let looked = |world: &World| {
        let logs = world.stage.r.calls().iter().filter(|call| call.path.contains("InventoryLog")).count();
        let written = world.stage.r.calls().iter().any(|call| call.method == "PUT");
        assert!(!written || logs >= 2);
        logs == 2 && !written
    };
    step_with(&world, world.worker.clone(), looked, |world| world.stage.r.sell(id, 1, 1)).await;
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.stock[&1], product.quantity), (7, Some(7)), "10 − 2 on the web − 1 in the shop");
    assert!(concord::telemetry::metrics().render().contains("concord_trampled_repairs_total"));
    world.check_laws().await;
}

#[tokio::test]
async fn an_edit_between_the_first_look_and_the_write_is_seen_by_the_second_look() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.r.rename(id, "From the shop");
    world.stage.deliver_due().await;
    let looked = |world: &World| world.stage.e.calls().iter().any(|call| call.query.contains("productId"));
    step_with(&world, world.worker.clone(), looked, |world| {
        world.stage.e.rename(product, "From the web");
    })
    .await;
    world.settle().await;
    let ledger = world.ledger().await;
    let conflict = ledger.iter().find(|entry| entry["kind"] == "conflict").expect("the loser is named");
    assert_eq!(conflict["detail"]["losing_value"], "From the web");
    assert_eq!(world.pair(id).1.name, "From the shop");
    world.check_laws().await;
}

#[tokio::test]
async fn a_mark_during_a_visit_means_one_more_visit() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.rename(id, "First");
    world.stage.deliver_due().await;
    world.clear_calls();
    let written = |world: &World| world.stage.e.write_calls() == 1;
    step_with(&world, world.worker.clone(), written, |world| world.stage.r.rename(id, "Second")).await;
    world.settle().await;
    assert_eq!(world.pair(id).1.name, "Second");
    world.check_laws().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_nothing_more() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.e.sell(product, 3);
    world.stage.deliver_due().await;
    // The slow worker has looked; then its lease runs out, and another one does the whole work.
    let slow = world.worker.clone();
    let mut step = Box::pin(async move { slow.visit().await });
    while !world.stage.r.calls().iter().any(|call| call.path.contains("InventoryLog")) {
        assert!(mortal(step.as_mut(), 0).await.is_none(), "the visit ended before it looked at the log");
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(61));
    let quick = world.another_worker(7);
    while quick.visit().await.unwrap() {}
    assert_eq!(world.stage.r.item(id).unwrap().stock[&1], 7);
    step.await.unwrap();
    world.settle().await;
    assert_eq!(world.stage.r.item(id).unwrap().stock[&1], 7, "the late worker wrote again");
    world.check_laws().await;
}

#[tokio::test]
async fn several_shops_are_summed_and_web_sales_are_booked_in_the_primary_one() {
    let mut mug = mug();
    mug.stock = vec![(1, 4), (2, 6)];
    let world = World::with(Plan { shops: 2, ..Plan::default() }, vec![mug]).await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap();
    assert_eq!(product.quantity, Some(10));
    world.stage.r.sell(id, 2, 5);
    world.stage.e.sell(product.id, 3);
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.stock[&1], item.stock[&2], product.quantity), (1, 1, Some(2)));
    world.check_laws().await;
}

#[tokio::test]
async fn a_sku_that_two_items_share_matches_nothing_until_one_of_them_changes() {
    let mut world = World::open(Plan::default()).await;
    let first = world.stage.r.create_item(item("One", "SAME", "1", 1));
    let second = world.stage.r.create_item(item("Two", "SAME", "2", 2));
    world.connect().await;
    world.settle().await;
    assert_eq!(world.stage.e.products().len(), 0, "nothing is guessed");
    let parked = world.get("/parked").await;
    assert_eq!(parked["items"].as_array().unwrap().len(), 2, "{parked}");
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("SAME"), "{parked}");
    world.stage.r.set_sku(second, "OTHER");
    world.settle().await;
    assert_eq!(world.pair(first).1.sku, "SAME", "the twin goes on by itself");
    assert_eq!(world.pair(second).1.sku, "OTHER");
    world.check_laws().await;
}

#[tokio::test]
async fn a_platform_that_trims_ends_in_rest() {
    let world = World::with(Plan::default(), vec![item("  Spaced  ", "S-1", "3", 1)]).await;
    world.stage.e.habits(|habits| habits.trim_names = true);
    let id = world.stage.r.items()[0].item_id;
    world.clear_calls();
    world.stage.r.rename(id, "  Still spaced ");
    world.settle().await;
    assert_eq!(world.pair(id).1.name, "Still spaced");
    assert_eq!(world.writes(), 1);
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.writes(), 1, "a trimmed name travels to and fro");
    assert_eq!(world.stage.r.item(id).unwrap().description, "  Still spaced ");
    world.stage.r.reprice_default(id, decimal("4.99"));
    world.settle().await;
    world.check_laws().await;
}

#[tokio::test]
async fn an_edit_between_a_creation_and_its_first_look_is_carried() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.create_item(item("Bowl", "BOWL", "7", 3));
    world.stage.deliver_due().await;
    let born = |world: &World| world.product_of(id).is_some();
    step_with(&world, world.worker.clone(), born, |world| {
        let product = world.product_of(id).unwrap().id;
        world.stage.e.reprice(product, decimal("9"));
        world.stage.e.rename(product, "Bowl, blue");
    })
    .await;
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.online_price, product.price), (Some(decimal("9")), decimal("9")));
    assert_eq!((item.description.as_str(), product.name.as_str()), ("Bowl, blue", "Bowl, blue"));
    world.check_laws().await;
}

#[tokio::test]
async fn a_creation_that_its_own_product_stands_in_the_way_of_has_landed() {
    let world = World::with_a_mug().await;
    world.stage.e.habits(|habits| {
        (habits.index_lag_min_seconds, habits.index_lag_max_seconds) = (40, 40);
    });
    let id = world.stage.r.create_item(item("Bowl", "BOWL", "7", 3));
    world.stage.deliver_due().await;
    // The first request is lost on the way, the second one's answer on the way back; the third finds the SKU taken
    // by a product that the index does not show yet.
    let faults = world.stage.e.faults();
    faults.next(Aim::Write, Fault::ResetBefore);
    faults.next(Aim::Write, Fault::BadGatewayAfter);
    let refused = |world: &World| world.stage.e.calls().iter().any(|call| call.status == 409);
    while !refused(&world) {
        while world.worker.step().await.unwrap() {}
        world.clock.advance(Duration::from_secs(1));
    }
    // So it is known to be there, under the SKU that it was created with, when the shop gives it another one.
    world.stage.r.set_sku(id, "BOWL-2");
    world.stage.r.rename(id, "Bowl, blue");
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.custom_sku.as_str(), product.sku.as_str()), ("BOWL-2", "BOWL-2"));
    assert_eq!((item.description.as_str(), product.name.as_str()), ("Bowl, blue", "Bowl, blue"));
    world.check_laws().await;
}

#[tokio::test]
async fn a_product_with_our_marker_and_another_sku_is_tied_and_not_taken_for_news() {
    let world = World::with_a_mug().await;
    let next = world.stage.r.items()[0].item_id + 1;
    // Left by an earlier connection: nothing is known about it here.
    let marker = format!("concord-r-{next}");
    world.stage.e.create_product(
        json!({"name": "Bowl", "sku": "BOWL", "price": 7, "quantity": 3, "externalReferenceId": marker}),
    );
    world.settle().await;
    let id = world.stage.r.create_item(item("Bowl, blue", "BOWL-2", "7", 3));
    assert_eq!(id, next);
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.custom_sku.as_str(), product.sku.as_str()), ("BOWL-2", "BOWL-2"));
    assert_eq!((item.description.as_str(), product.name.as_str()), ("Bowl, blue", "Bowl, blue"));
    assert_eq!(world.stage.e.products().len(), 2, "the mug and the bowl");
    world.check_laws().await;
}

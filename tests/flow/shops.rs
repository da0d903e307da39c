//! Which shops take part, and what other settings mean for products that nobody touches: whatever an operator changes
//! reaches every product, and takes nothing away that nobody has ordered.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

use axum::http::StatusCode;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::NewItem;
use serde_json::{Value, json};

use crate::support::{Plan, World, decimal, item, mug};

fn two_shops() -> Plan {
    Plan { shops: 2, ..Plan::default() }
}

/// Six pieces in shop 1 and four in shop 2.
async fn in_two_shops() -> (World, i64, i64) {
    let world = World::with(two_shops(), vec![NewItem { stock: vec![(1, 6), (2, 4)], ..mug() }]).await;
    world.sweep().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    (world, id, product)
}

async fn patch(world: &World, body: Value) -> Value {
    let path = format!("/v1/connections/{}", world.connection);
    let (status, answer) = world.call("PATCH", &path, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn replace(world: &World, body: Value) -> (StatusCode, Value) {
    let path = format!("/v1/connections/{}/credentials", world.connection);
    world.call("PUT", &path, Some(body)).await
}

/// What shop 1, shop 2 and the web show.
fn counts(world: &World, id: i64) -> (i64, i64, Option<i64>) {
    let (item, product) = world.pair(id);
    (item.stock[&1], item.stock[&2], product.quantity)
}

#[tokio::test]
async fn the_web_shows_the_sum_over_the_shops_that_an_operator_connects() {
    let (world, id, product) = in_two_shops().await;
    assert_eq!(counts(&world, id), (6, 4, Some(10)));
    let answer = patch(&world, json!({"shop_ids": ["1"]})).await;
    assert_eq!(answer["r_series"]["shop_ids"], json!(["1"]));
    assert_eq!(world.get("/status").await["in_step"], false, "it is not known to be in step");
    world.settle().await;
    assert_eq!(counts(&world, id), (6, 4, Some(6)), "nothing is written in the shops");
    // What the other one sells is nobody's business any more, and what the web sells is sold in the first.
    world.stage.r.sell(id, 2, 3);
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(counts(&world, id), (5, 1, Some(5)));
    patch(&world, json!({"shop_ids": []})).await;
    world.settle().await;
    assert_eq!(counts(&world, id), (5, 1, Some(6)), "all that are open");
    let ledger = world.ledger().await;
    let told: Vec<&Value> = ledger.iter().filter(|entry| entry["kind"] == "operator").collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(
        (&told[1]["before"]["shop_ids"], &told[1]["after"]["shop_ids"]),
        (&json!(["1", "2"]), &json!(["1"]))
    );
    let stock = ledger.iter().find(|entry| entry["kind"] == "stock" && entry["after"] == 6).unwrap();
    assert_eq!(stock["cause"], "other shops are connected than before");
    world.check_laws().await;
}

#[tokio::test]
async fn a_web_sale_is_booked_in_the_primary_shop_of_the_day_as_a_count_and_as_a_sale() {
    let (world, id, product) = in_two_shops().await;
    patch(&world, json!({"primary_shop_id": "2"})).await;
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(counts(&world, id), (6, 3, Some(9)));
    // As a sale it needs a register of that shop.
    patch(&world, json!({"settings": {"web_sales": "sale"}})).await;
    patch(&world, json!({"primary_shop_id": "1"})).await;
    world.stage.e.sell(product, 2);
    world.settle().await;
    let sales = world.stage.r.sales();
    assert_eq!((sales.len(), sales[0].shop_id, sales[0].completed), (1, 1, true), "{sales:?}");
    assert_eq!(counts(&world, id), (4, 3, Some(7)));
    world.check_laws().await;
}

#[tokio::test]
async fn shops_that_are_disconnected_with_all_their_stock_neither_park_nor_brake_anything() {
    let plan = Plan { relay: false, ..two_shops() };
    let items = (0..12)
        .map(|n| NewItem { stock: vec![(2, 5)], ..item(&format!("Cup {n}"), &format!("CUP-{n}"), "5", 0) });
    let world = World::with(plan, items.collect()).await;
    world.sweep().await;
    patch(&world, json!({"settings": {"caps": {"zeroes_percent": 1, "at_least": 1}}})).await;
    world.settle().await;
    let ids: Vec<i64> = world.stage.r.items().iter().map(|item| item.item_id).collect();
    // The sweep asks for the same visits.
    for id in &ids {
        world.stage.r.rename(*id, &format!("Cup, renamed {id}"));
    }
    patch(&world, json!({"shop_ids": [1]})).await;
    world.sweep().await;
    let all = |expected: i64| {
        let wrong: Vec<_> =
            ids.iter().map(|id| counts(&world, *id)).filter(|it| it.2 != Some(expected)).collect();
        assert!(wrong.is_empty(), "{expected} online: {wrong:?}");
    };
    all(0);
    let status = world.get("/status").await;
    assert_eq!((&status["parked"], &status["brake"]["on"]), (&json!(0), &json!(false)), "{status}");
    patch(&world, json!({"shop_ids": ["1", "2"]})).await;
    world.settle().await;
    all(5);
    // And from then on a fall that nobody has ordered is doubted as ever.
    world.stage.r.glitch(ids[0], 2, 0);
    world.sweep().await;
    world.settle().await;
    let parked = world.get("/parked").await;
    assert_eq!(parked["items"].as_array().unwrap().len(), 1, "{parked}");
    assert_eq!(counts(&world, ids[0]), (0, 0, Some(5)));
}

#[tokio::test]
async fn a_fall_in_the_shops_as_they_were_is_doubted_also_if_others_are_connected_since() {
    let world = World::with(two_shops(), vec![NewItem { stock: vec![(2, 5)], ..mug() }]).await;
    world.sweep().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.glitch(id, 2, 0);
    patch(&world, json!({"shop_ids": ["2"], "primary_shop_id": "2"})).await;
    world.settle().await;
    assert_eq!(counts(&world, id), (0, 0, Some(5)));
    let parked = world.get("/parked").await;
    let reason = parked["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("showed 5") && reason.contains("does not explain"), "{reason}");
}

#[tokio::test]
async fn what_was_sold_on_the_web_and_is_not_booked_yet_survives_a_change_of_shops() {
    let cases = [None, Some(Fault::ResetBefore), Some(Fault::ResetAfter), Some(Fault::HangAfter)];
    for (fault, both) in cases.iter().flat_map(|fault| [(fault, false), (fault, true)]) {
        let (world, id, product) = in_two_shops().await;
        world.stage.e.sell(product, 2);
        world.stage.r.sell(id, 2, 1);
        if let Some(fault) = fault {
            // Under way to shop 1, and nobody knows whether it arrived.
            world.stage.deliver_due().await;
            world.stage.r.faults().next(Aim::Write, *fault);
            world.worker.visit().await.unwrap();
            assert_eq!(world.get("/status").await["open_writes"], 1, "{fault:?}");
            // Until R-Series is asked again.
            world.clock.advance(std::time::Duration::from_secs(2));
        }
        let shops = if both { json!(["1", "2"]) } else { json!(["2"]) };
        patch(&world, json!({"shop_ids": shops, "primary_shop_id": "2"})).await;
        world.settle().await;
        world.sweep().await;
        let (first, second, web) = counts(&world, id);
        assert_eq!(first + second, 7, "every sale counts once: {fault:?}");
        assert_eq!(web, Some(if both { 7 } else { second }), "{fault:?}");
        let in_first = matches!(fault, Some(Fault::ResetAfter | Fault::HangAfter));
        assert_eq!(first, if in_first { 4 } else { 6 }, "{fault:?}: booked where the primary shop was then");
        assert_eq!(world.get("/status").await["parked"], 0);
        world.check_queue_and_ledger().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_visit_that_is_under_way_during_the_change_is_made_again() {
    for stop in 0.. {
        let (world, id, product) = in_two_shops().await;
        world.stage.e.sell(product, 1);
        world.stage.r.sell(id, 2, 1);
        world.stage.deliver_due().await;
        let worker = world.worker.clone();
        let mut visit = Box::pin(async move { while worker.visit().await.unwrap() {} });
        let calls = || world.stage.r.calls().len() + world.stage.e.calls().len();
        let mut ended = false;
        while calls() < stop && !ended {
            ended = crate::support::mortal::mortal(visit.as_mut(), 0).await.is_some();
            tokio::task::yield_now().await;
        }
        if ended {
            assert!(stop > 4, "only {stop} moments");
            break;
        }
        patch(&world, json!({"shop_ids": ["2"], "primary_shop_id": "2"})).await;
        visit.await;
        world.settle().await;
        let (first, second, web) = counts(&world, id);
        assert_eq!((first + second, web), (8, Some(second)), "after call {stop}");
        world.check_queue_and_ledger().await;
        world.close().await;
    }
}

#[tokio::test]
async fn what_was_trampled_is_put_back_in_the_shop_in_which_it_was() {
    let (world, id, product) = in_two_shops().await;
    // One was sold in shop 1 while its count was written: that piece is still to be taken off there.
    world.sql("update links set owed_on_r = -1, owed_shop_id = 1").await;
    patch(&world, json!({"primary_shop_id": "2"})).await;
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(counts(&world, id), (5, 3, Some(8)));
}

#[tokio::test]
async fn connecting_anew_leaves_out_shops_that_were_archived_and_reads_the_online_level() {
    let plan = Plan { shops: 3, online_level: None, ..two_shops() };
    let stock = vec![(1, 6), (2, 4), (3, 2)];
    let world = World::with(plan, vec![NewItem { stock, ..mug() }]).await;
    world.sweep().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    assert_eq!(counts(&world, id).2, Some(12));
    world.stage.r.archive_shop(1);
    world.stage.r.set_price_level(5, "Online", false);
    let tokens = || {
        let (access, refresh) = world.stage.r.issue_tokens();
        json!({"r_series": {"access_token": access, "refresh_token": refresh}})
    };
    let (status, connection) = replace(&world, tokens()).await;
    assert_eq!(status, StatusCode::OK, "{connection}");
    assert_eq!(
        connection["r_series"],
        json!({"account_id": "4711", "shop_ids": ["2", "3"], "primary_shop_id": "2", "online_price_level_id": "5"})
    );
    assert_eq!(connection["generation"], 2);
    world.stage.e.sell(product, 1);
    world.stage.e.reprice(product, decimal("11"));
    world.settle().await;
    assert_eq!(counts(&world, id), (6, 3, Some(5)));
    assert_eq!(world.stage.r.item(id).unwrap().default_price, decimal("12.5"), "never from the web");
    let history = world.get("/settings/history").await;
    assert_eq!(history["items"][0]["changed_by"], "connecting anew", "{history}");
    // The same again is no news.
    let (_, connection) = replace(&world, tokens()).await;
    assert_eq!(connection["generation"], 2);
    world.check_queue_and_ledger().await;

    for shop in [2, 3] {
        world.stage.r.archive_shop(shop);
    }
    world.stage.r.open_shop("Harbour");
    let (status, problem) = replace(&world, tokens()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("none of the connected shops (2, 3)"), "{problem}");
    // So an operator connects another one, and then it goes.
    patch(&world, json!({"shop_ids": [], "primary_shop_id": "4"})).await;
    assert_eq!(replace(&world, tokens()).await.0, StatusCode::OK);
    world.settle().await;
    assert_eq!(world.pair(id).1.quantity, Some(0));
}

#[tokio::test]
async fn another_sku_source_reaches_every_product_that_nobody_touches() {
    let items = (0..8).map(|n| NewItem {
        manufacturer_sku: format!("MADE-{n}"),
        ..item(&format!("Cup {n}"), &format!("CUP-{n}"), "5", 3)
    });
    let world = World::with(Plan::default(), items.collect()).await;
    world.sweep().await;
    patch(&world, json!({"settings": {"sku_source": "manufacturer_sku"}})).await;
    assert_eq!(world.get("/status").await["waiting"], 8);
    world.settle().await;
    let skus = || {
        let mut skus: Vec<_> = world.stage.e.products().iter().map(|product| product.sku.clone()).collect();
        skus.sort();
        skus
    };
    assert_eq!(skus(), (0..8).map(|n| format!("MADE-{n}")).collect::<Vec<_>>());
    assert!(world.stage.r.items().iter().all(|item| item.custom_sku.starts_with("CUP-")));
    world.check_queue_and_ledger().await;
    // What changes nothing marks nothing.
    patch(&world, json!({"name": "Another name", "settings": {"sku_source": "manufacturer_sku"}})).await;
    assert_eq!(world.get("/status").await["waiting"], 0);
    patch(&world, json!({"plan": "business"})).await;
    assert_eq!(world.get("/status").await["waiting"], 8);
    world.settle().await;
    assert_eq!(world.get("/status").await["parked"], 0);
}

#[tokio::test]
async fn a_rule_that_decides_resolves_the_questions_that_are_open() {
    let world = World::with_a_mug().await;
    patch(&world, json!({"settings": {"fields": {"name": {"rule": "ask"}}}})).await;
    world.settle().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.rename(id, "Shop's");
    world.stage.e.rename(world.product_of(id).unwrap().id, "Web's");
    world.settle().await;
    assert_eq!(world.get("/status").await["conflicts_open"], 1);
    patch(&world, json!({"settings": {"fields": {"name": {"rule": "r_wins"}}}})).await;
    world.settle().await;
    assert_eq!(world.pair(id).1.name, "Shop's");
    let status = world.get("/status").await;
    assert_eq!((&status["conflicts_open"], &status["parked"]), (&json!(0), &json!(0)), "{status}");
    world.check_laws().await;
}

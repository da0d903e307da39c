//! What others do to the shop's stock while we write it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

use std::cell::Cell;
use std::time::Duration;

use crate::support::mortal::mortal;
use crate::support::{Plan, World, item, mug};

/// Reads of the log and writes of the item so far.
fn progress(world: &World) -> (usize, usize) {
    let calls = world.stage.r.calls();
    let logs = calls.iter().filter(|call| call.path.contains("InventoryLog")).count();
    (logs, calls.iter().filter(|call| call.method == "PUT").count())
}

/// Lets the worker work one await at a time, and `at` see the world in between.
async fn watched(world: &World, at: impl Fn(&World)) {
    let worker = world.worker.clone();
    let mut step = Box::pin(async move { while worker.visit().await.unwrap() {} });
    while mortal(step.as_mut(), 0).await.is_none() {
        tokio::task::yield_now().await;
        at(world);
    }
}

fn counts(world: &World, id: i64) -> (i64, Option<i64>) {
    let (item, product) = world.pair(id);
    (item.stock.values().sum(), product.quantity)
}

/// A mug of which two were sold on the web, and the visit is about to begin.
async fn sold_on_the_web(plan: Plan) -> (World, i64) {
    let mut mug = mug();
    if plan.shops > 1 {
        mug.stock = vec![(1, 4), (2, 6)];
    }
    let world = World::with(plan, vec![mug]).await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.e.sell(product, 2);
    world.stage.deliver_due().await;
    (world, id)
}

#[tokio::test]
async fn a_sale_or_a_delivery_after_any_call_of_the_visit_is_kept() {
    for change in [-1, 4] {
        let mut moments = 0;
        for calls in 1.. {
            let (world, id) = sold_on_the_web(Plan::default()).await;
            let done = Cell::new(false);
            watched(&world, |world| {
                let reached = world.stage.r.calls().len() + world.stage.e.calls().len() >= calls;
                if reached && !done.replace(done.get() || reached) {
                    if change < 0 {
                        world.stage.r.sell(id, 1, -change);
                    } else {
                        world.stage.r.restock(id, 1, change);
                    }
                }
            })
            .await;
            if !done.get() {
                break;
            }
            moments += 1;
            world.settle().await;
            let end = 8 + change;
            assert_eq!(counts(&world, id), (end, Some(end)), "{change:+} after call {calls}");
            world.check_laws().await;
        }
        assert!(moments >= 6, "only {moments} moments");
    }
}

#[tokio::test]
async fn two_trampled_in_a_row_are_both_put_back() {
    let (world, id) = sold_on_the_web(Plan::default()).await;
    let times = Cell::new(0);
    watched(&world, |world| {
        // Twice between the look and the write that follows it: the write, and the one that puts back.
        let moment = match progress(world) {
            (2, 0) => times.get() == 0,
            (5, 1) => times.get() == 1,
            _ => false,
        };
        if moment {
            times.set(times.get() + 1);
            world.stage.r.sell(id, 1, 1);
        }
    })
    .await;
    assert_eq!(times.get(), 2, "the moments never came");
    world.settle().await;
    assert_eq!(counts(&world, id), (6, Some(6)), "10 − 2 on the web − 1 − 1 in the shop");
    world.check_laws().await;
}

#[tokio::test]
async fn what_was_trampled_before_a_death_is_put_back_after_it() {
    let mut deaths = 0;
    for awaits in 0.. {
        let (mut world, id) = sold_on_the_web(Plan::default()).await;
        let worker = world.worker.clone();
        let mut step = Box::pin(async move { while worker.visit().await.unwrap() {} });
        let (mut sold, mut left, mut died) = (false, awaits, false);
        while mortal(step.as_mut(), 0).await.is_none() {
            tokio::task::yield_now().await;
            if !sold && progress(&world) == (2, 0) {
                world.stage.r.sell(id, 1, 1);
                sold = true;
            }
            if progress(&world).1 > 0 {
                // The write has trampled the sale; from here on it may die at any moment.
                if left == 0 {
                    died = true;
                    break;
                }
                left -= 1;
            }
        }
        drop(step);
        assert!(sold);
        world.drain().await;
        world.restart_worker(7_000 + awaits);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        assert_eq!(counts(&world, id), (7, Some(7)), "death {awaits} awaits after the write");
        world.check_laws().await;
        if !died {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 4, "only {deaths} deaths");
}

/// The pieces lie on another item by then: what a count of ours has trampled can only be told.
#[tokio::test]
async fn what_was_trampled_before_a_merge_is_put_back_or_told() {
    let mut told = 0;
    for awaits in (0..).step_by(2) {
        let (world, id) = sold_on_the_web(Plan::default()).await;
        let heir = world.stage.r.create_item(item("Cup", "CUP", "9", 3));
        world.stage.r.habits(|habits| habits.merged_items_stay_archived = awaits % 4 == 0);
        let (sold, left) = (Cell::new(false), Cell::new(Some(awaits)));
        watched(&world, |world| {
            if !sold.get() && progress(world) == (2, 0) {
                world.stage.r.sell(id, 1, 1);
                sold.set(true);
            }
            match left.get().filter(|_| progress(world).1 > 0) {
                Some(0) => {
                    world.stage.r.merge_items(id, heir);
                    left.set(None);
                }
                Some(more) => left.set(Some(more - 1)),
                None => {}
            }
        })
        .await;
        assert!(sold.get());
        if left.get().is_some() {
            break;
        }
        world.settle().await;
        world.clock.advance(Duration::from_secs(25 * 3_600));
        world.sweep().await;
        let parked = world.get("/parked").await;
        let reason = parked["items"][0]["reason"].as_str().unwrap_or_default();
        let pieces = reason.split_once(" before ").and_then(|(_, pieces)| pieces.split_once(" pieces"));
        let pieces: i64 = pieces.map_or(0, |(pieces, _)| pieces.parse().unwrap());
        let (item, product) = world.pair(heir);
        let there = item.stock.values().sum::<i64>();
        assert_eq!(product.quantity, Some(there), "awaits {awaits}");
        assert_eq!(there + pieces, 3 + 10 - 2 - 1, "awaits {awaits}: {parked}");
        told += usize::from(pieces != 0);
        world.close().await;
    }
    assert!(told > 3, "it was told {told} times");
}

#[tokio::test]
async fn a_recount_by_a_person_between_look_and_write_is_kept() {
    for recount in [15, 3] {
        let (world, id) = sold_on_the_web(Plan::default()).await;
        let done = Cell::new(false);
        watched(&world, |world| {
            if progress(world) == (2, 0) && !done.replace(true) {
                world.stage.r.recount(id, 1, recount);
            }
        })
        .await;
        assert!(done.get());
        world.settle().await;
        // Two were sold on the web before the person counted what is in the shop.
        assert_eq!(counts(&world, id), (recount - 2, Some(recount - 2)), "counted {recount}");
        world.check_laws().await;
    }
}

#[tokio::test]
async fn with_several_shops_only_the_primary_ones_changes_can_be_trampled() {
    for shop in [1, 2] {
        let (world, id) = sold_on_the_web(Plan { shops: 2, ..Plan::default() }).await;
        let done = Cell::new(false);
        watched(&world, |world| {
            if progress(world) == (2, 0) && !done.replace(true) {
                world.stage.r.sell(id, shop, 1);
            }
        })
        .await;
        assert!(done.get());
        world.settle().await;
        assert_eq!(counts(&world, id), (7, Some(7)), "sold in shop {shop}");
        let stock = world.stage.r.item(id).unwrap().stock;
        assert_eq!((stock[&1], stock[&2]), if shop == 1 { (1, 6) } else { (2, 5) });
        world.check_laws().await;
    }
}

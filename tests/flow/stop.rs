//! A worker that is stopped in the middle of a visit: what it holds is given back.

use std::time::Duration;

use concord::clock::{Clock, after};
use concord::sandbox::faults::{Aim, Fault};

use crate::support::{Plan, World, mug};

#[tokio::test]
async fn what_a_dropped_visit_holds_is_given_back_and_visited_at_once() {
    let plan = Plan { time_passes: false, ..Plan::default() };
    let world = World::with(plan, vec![mug()]).await;
    let item = world.stage.r.items()[0].item_id;
    world.stage.r.sell(item, 1, 2);
    world.stage.deliver_due().await;
    let met = world.stage.r.faults().met();
    world.stage.r.faults().next(Aim::Read, Fault::HangBefore);
    let held = "select count(*) from dirty where lease_token is not null";
    tokio::select! {
        stepped = world.worker.step() => panic!("the look hangs: {stepped:?}"),
        // Once the look hangs, the lease is held.
        () = async {
            while world.stage.r.faults().met() == met {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    assert_eq!(world.sql_count(held).await, 1);
    assert_eq!(world.worker.give_back().await.unwrap(), 1);
    assert_eq!(world.sql_count(held).await, 0);
    assert_eq!(world.worker.give_back().await.unwrap(), 0, "there is nothing left to give back");

    let stopped = world.clock.now();
    world.settle().await;
    assert!(world.clock.now() < after(stopped, Duration::from_secs(10)), "it waited for the lease");
    let (item, product) = world.pair(item);
    assert_eq!((item.stock[&1], product.quantity), (8, Some(8)));
    world.check_laws().await;
}

#[tokio::test]
async fn a_visit_that_came_to_its_end_holds_nothing() {
    let world = World::with_a_mug().await;
    assert_eq!(world.worker.give_back().await.unwrap(), 0);
}

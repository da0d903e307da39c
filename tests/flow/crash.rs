//! kill -9 at every point of the corridor, then a restart: the same end as without.

use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault, Faults};

use crate::support::mortal::mortal;
use crate::support::{Plan, World, decimal, item, mug};

/// Everything that can change in one visit: a sale on both sides, a price on one, a name on the other.
async fn stir(world: &World, item_id: i64) {
    let product = world.product_of(item_id).unwrap();
    world.stage.r.sell(item_id, 1, 2);
    world.stage.e.sell(product.id, 3);
    world.stage.r.reprice_default(item_id, decimal("13.75"));
    world.stage.e.rename(product.id, "Stoneware mug, blue");
    world.stage.deliver_due().await;
}

fn check_end(world: &World, item_id: i64, awaits: usize) {
    let (item, product) = world.pair(item_id);
    assert_eq!(item.stock[&1], 5, "R-Series after a death at await {awaits}: {item:#?}");
    assert_eq!(product.quantity, Some(5), "E-Series after a death at await {awaits}: {product:#?}");
    assert_eq!(item.description, "Stoneware mug, blue", "death at await {awaits}");
    assert_eq!(product.name, "Stoneware mug, blue", "death at await {awaits}");
    assert_eq!(product.price, decimal("13.75"), "death at await {awaits}");
    assert_eq!(item.online_price, None, "the Online price was never touched");
}

#[tokio::test]
async fn a_death_at_any_point_of_a_visit_changes_nothing_in_the_end() {
    let mut world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let mut points = 0;
    loop {
        // Back to the beginning: 10 pieces, the old name and price on both sides.
        world.let_bygones_be().await;
        world.stage.r.rename(id, "Stoneware mug");
        world.stage.r.reprice_default(id, decimal("12.5"));
        let missing = 10 - world.stage.r.item(id).unwrap().stock[&1];
        world.stage.r.restock(id, 1, missing);
        world.settle().await;

        stir(&world, id).await;
        let died = world.die_after(points as u64, points).await;
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        check_end(&world, id, points);
        world.check_laws().await;
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 60, "only {points} points: the visit did not do what it should");
}

#[tokio::test]
async fn a_death_at_any_point_of_a_creation_never_makes_a_second_product() {
    let mut world = World::with(Plan::default(), vec![mug()]).await;
    let mut points = 0;
    loop {
        let sku = format!("NEW-{points}");
        let id = world.stage.r.create_item(item("Fresh", &sku, "3", 4));
        let delivered = world.stage.deliver_due().await;
        assert!(delivered.iter().all(|delivery| delivery.accepted), "{delivered:?}");
        let died = world.die_after(points as u64, points).await;
        // A sale on the web before anybody has noticed that the product is there.
        let sold = match world.product_of(id) {
            Some(product) => world.stage.e.sell(product.id, 1),
            None => false,
        };
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        let (item, product) = world.pair(id);
        let left = if sold { 3 } else { 4 };
        let there = (item.stock[&1], product.quantity);
        assert_eq!(there, (left, Some(left)), "death at point {points}, sold: {sold}");
        let twins = world.stage.e.products().iter().filter(|product| product.sku == sku).count();
        assert_eq!(twins, 1, "death at point {points}");
        world.check_laws().await;
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 20, "only {points} points: the visit did not do what it should");
}

/// Visits until call number `call` hangs with this fault, then dies. False when there was no such call.
async fn die_at_call(world: &World, faults: &Faults, call: usize, fault: Fault) -> bool {
    let met = faults.met();
    faults.next_after(call, Aim::Any, fault);
    let worker = world.worker.clone();
    let mut work = Box::pin(async move { while worker.visit().await.unwrap() {} });
    while mortal(work.as_mut(), 0).await.is_none() {
        tokio::task::yield_now().await;
        if faults.met() > met {
            // The platform gets the time to do what was asked, where it is to do it.
            faults.heal();
            world.drain().await;
            return true;
        }
    }
    faults.heal();
    false
}

#[tokio::test]
async fn a_death_before_or_after_each_single_call_changes_nothing_in_the_end() {
    let plan = Plan { time_passes: false, ..Plan::default() };
    let mut world = World::with(plan, vec![mug()]).await;
    let id = world.stage.r.items()[0].item_id;
    let mut deaths = 0;
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for platform in 0..2 {
            for call in 0.. {
                world.let_bygones_be().await;
                world.stage.r.rename(id, "Stoneware mug");
                world.stage.r.reprice_default(id, decimal("12.5"));
                let missing = 10 - world.stage.r.item(id).unwrap().stock[&1];
                world.stage.r.restock(id, 1, missing);
                world.settle().await;
                stir(&world, id).await;
                let faults = [world.stage.r.faults(), world.stage.e.faults()][platform].clone();
                let died = die_at_call(&world, &faults, call, fault).await;
                deaths += u64::from(died);
                world.restart_worker(1_000 + deaths);
                world.clock.advance(Duration::from_secs(61));
                world.settle().await;
                check_end(&world, id, call);
                world.check_laws().await;
                if !died {
                    break;
                }
            }
        }
    }
    assert!(deaths >= 20, "only {deaths} calls were met");
}

#[tokio::test]
async fn a_first_look_that_is_cut_again_and_again_goes_on_where_it_stood() {
    let mut world = World::open(Plan::default()).await;
    // More than a page on either side, some of it there already.
    for n in 0..120 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 3));
    }
    for n in 0..110 {
        world.stage.e.create_product(serde_json::json!({
            "name": format!("Web {n}"), "sku": if n < 20 { format!("T-{n}") } else { format!("W-{n}") },
            "price": 1, "quantity": 1}));
    }
    world.clock.advance(Duration::from_secs(10));
    world.connect().await;
    let mut deaths = 0;
    while world.next_due().await.is_some() && deaths < 25 {
        let worker = world.worker.clone();
        let life = async move { while worker.step().await.unwrap() {} };
        deaths += u64::from(mortal(life, 60 + 40 * usize::try_from(deaths).unwrap()).await.is_none());
        world.drain().await;
        world.restart_worker(2_000 + deaths);
        world.clock.advance(Duration::from_secs(61));
        world.stage.deliver_due().await;
    }
    assert!(deaths > 3, "only {deaths} deaths");
    world.settle().await;
    let status = world.get("/status").await;
    assert_eq!((&status["linked"], &status["sync"]["state"]), (&120.into(), &"done".into()), "{status}");
    assert_eq!(world.stage.e.products().len(), 110 + 100, "20 were tied, 100 created");
    for n in 0..120 {
        let sku = format!("T-{n}");
        let there: Vec<_> =
            world.stage.e.products().into_iter().filter(|product| product.sku == sku).collect();
        assert_eq!(there.len(), 1, "{sku}");
        assert_eq!((there[0].name.clone(), there[0].quantity), (format!("Thing {n}"), Some(3)), "{sku}");
    }
}

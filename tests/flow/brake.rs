//! Fields that swing, products that keep failing, and sweeps that want to take too much away.

use std::time::Duration;

use concord::clock::{Clock, Instant, after};
use concord::sandbox::faults::{Aim, Fault};
use serde_json::{Value, json};

use crate::support::{Plan, World, decimal, item, start_of_time};

impl World {
    /// The hold on a field of the only product.
    async fn hold(&self, field: &str) -> Value {
        let id = self.only_id().await;
        let product = self.get(&format!("/products/{id}")).await;
        let fields = product["fields"].as_array().unwrap().clone();
        fields.into_iter().find(|row| row["field"] == field).unwrap()["hold"].clone()
    }

    async fn only_id(&self) -> String {
        self.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str) -> Value {
        let path = format!("/v1/connections/{}{path}", self.connection);
        let (status, answer) = self.call("POST", &path, None).await;
        assert_eq!(status, 202, "{path}: {answer}");
        answer
    }

    async fn brake(&self) -> Value {
        self.get("/status").await["brake"].clone()
    }

    /// So many products on the web have this many pieces.
    fn with_stock(&self, pieces: i64) -> usize {
        self.stage.e.products().iter().filter(|product| product.quantity == Some(pieces)).count()
    }

    fn on_offer(&self) -> usize {
        self.stage.e.products().iter().filter(|product| product.enabled).count()
    }
}

/// An app in the shop and one on the web that disagree about the price.
async fn quarrel(world: &World, turns: usize, pause: Duration) {
    let web = world.product_of(1).unwrap().id;
    for turn in 0..turns {
        if turn % 2 == 0 {
            world.stage.r.reprice_online(1, decimal("12"));
        } else {
            world.stage.e.reprice(web, decimal("10"));
        }
        world.settle().await;
        world.clock.advance(pause);
    }
}

#[tokio::test]
async fn a_price_that_is_set_back_again_and_again_is_frozen_and_everything_else_goes_on() {
    let world = World::with_a_mug().await;
    world.clear_calls();
    quarrel(&world, 12, Duration::from_secs(5)).await;
    assert_eq!(world.writes(), 4, "12, 10, 12, 10, and no more");
    let hold = world.hold("price").await;
    assert_eq!(hold["code"], "alternates", "{hold}");
    let reason = hold["reason"].as_str().unwrap();
    assert!(reason.contains("12") && reason.contains("10"), "{reason}");

    // The other fields go on, the hold survives visits, and time does not lift it.
    world.stage.r.rename(1, "Still carried");
    world.stage.r.sell(1, 1, 2);
    world.settle().await;
    assert_eq!(world.product_of(1).unwrap().name, "Still carried");
    assert_eq!(world.product_of(1).unwrap().quantity, Some(8));
    world.clock.advance(Duration::from_secs(3600));
    world.settle().await;
    let id = world.only_id().await;
    world.post(&format!("/products/{id}/sync")).await;
    world.settle().await;
    assert_eq!(world.hold("price").await["code"], "alternates");
    let listed = world.get("/parked").await;
    assert_eq!(listed["items"][0]["id"], id.as_str(), "{listed}");

    // An operator lets it go: what differs is carried, once.
    world.clear_calls();
    world.post(&format!("/parked/{id}/retry")).await;
    world.settle().await;
    assert_eq!(world.hold("price").await, Value::Null);
    assert_eq!(world.writes(), 1);
    let (item, product) = world.pair(1);
    assert_eq!(item.online_price, Some(product.price));
    let ledger = world.ledger().await;
    let told = ledger.iter().find(|entry| entry["kind"] == "operator").expect("the release is in the ledger");
    assert_eq!((&told["field"], &told["origin"]), (&json!("price"), &json!("operator")));
    world.check_laws().await;
    // And if they quarrel on, it is frozen again.
    quarrel(&world, 12, Duration::from_secs(5)).await;
    assert_eq!(world.hold("price").await["code"], "alternates");
}

#[tokio::test]
async fn people_who_change_their_minds_slowly_are_left_alone() {
    let world = World::with_a_mug().await;
    quarrel(&world, 14, Duration::from_secs(160)).await;
    assert_eq!(world.hold("price").await, Value::Null);
    // A few times to and fro, and then something else.
    let web = world.product_of(1).unwrap().id;
    for name in ["A", "B", "A", "B", "C", "D", "E"] {
        world.stage.e.rename(web, name);
        world.settle().await;
    }
    assert_eq!(world.pair(1).0.description, "E");
    world.check_laws().await;
}

#[tokio::test]
async fn a_release_during_a_visit_is_not_lost() {
    let world = World::with_a_mug().await;
    quarrel(&world, 12, Duration::from_secs(5)).await;
    let id = world.only_id().await;
    // A visit that began before the release writes the link as it knew it, with the hold.
    world.post(&format!("/products/{id}/sync")).await;
    let worker = world.worker.clone();
    let mut visit = Box::pin(async move { worker.visit().await });
    let seen = world.stage.e.calls().len();
    while world.stage.e.calls().len() == seen {
        assert!(crate::support::mortal::mortal(visit.as_mut(), 0).await.is_none(), "it ended too early");
        tokio::task::yield_now().await;
    }
    world.post(&format!("/parked/{id}/retry")).await;
    visit.await.unwrap();
    world.settle().await;
    assert_eq!(world.hold("price").await, Value::Null);
    world.check_laws().await;
}

#[tokio::test]
async fn stock_that_goes_to_and_fro_is_held_and_a_busy_day_is_not() {
    let world = World::with(Plan::default(), vec![item("Mug", "M-1", "5", 100)]).await;
    let web = world.product_of(1).unwrap().id;
    // Thirty-five sales and a delivery that makes up for them.
    for _ in 0..35 {
        world.stage.e.sell(web, 1);
        world.settle().await;
    }
    world.stage.r.restock(1, 1, 35);
    world.settle().await;
    assert_eq!(world.hold("stock").await, Value::Null);
    world.check_laws().await;
    world.clock.advance(Duration::from_secs(3600));
    world.settle().await;
    world.clear_calls();
    for turn in 0..50 {
        if turn % 2 == 0 {
            world.stage.r.restock(1, 1, 1);
        } else {
            assert!(world.stage.e.sell(web, 1));
        }
        world.settle().await;
        world.clock.advance(Duration::from_secs(1));
    }
    let hold = world.hold("stock").await;
    assert_eq!(hold["code"], "alternates", "{hold}");
    assert!(world.writes() <= 35, "{}", world.writes());
    let id = world.only_id().await;
    world.post(&format!("/parked/{id}/retry")).await;
    world.settle().await;
    assert_eq!(world.hold("stock").await, Value::Null);
    world.check_laws().await;
}

#[tokio::test]
async fn a_product_that_fails_twelve_times_is_parked_and_tried_again_when_something_changes() {
    let world = World::with_a_mug().await;
    // The database refuses to write this field down, whatever is tried.
    world
        .sql("alter table ledger add constraint broken check (field is distinct from 'name') not valid")
        .await;
    world.stage.r.rename(1, "Never");
    world.settle().await;
    assert_eq!(world.sql_count("select attempts::bigint from dirty").await, 11);
    let parked = world.get("/parked").await;
    let reason = parked["items"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("12 visits"), "{parked}");
    assert!(
        world.clock.now() > after(start_of_time(), Duration::from_secs(3 * 3600)),
        "it was tried for hours"
    );
    world.sql("alter table ledger drop constraint broken").await;
    world.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(world.product_of(1).unwrap().name, "Stoneware mug", "time alone does not unpark it");
    world.stage.r.rename(1, "Something changed");
    world.settle().await;
    assert_eq!(world.product_of(1).unwrap().name, "Something changed");
    world.check_laws().await;
}

#[tokio::test]
async fn rate_limits_and_outages_park_nobody() {
    use concord::sandbox::faults::{Aim, Fault};
    let world = World::with_a_mug().await;
    for fault in [
        Fault::Status { status: 429, retry_after: Some(2) },
        Fault::Status { status: 503, retry_after: None },
        Fault::ResetBefore,
    ] {
        world.stage.e.faults().chances(vec![(Aim::Any, fault, 1.0)]);
        world.stage.r.rename(1, &format!("Through {fault:?}").replace(['{', '}', '"'], ""));
        world.stage.deliver_due().await;
        for _ in 0..400 {
            world.worker.step().await.unwrap();
            world.clock.advance(Duration::from_secs(30));
        }
        assert_eq!(
            world.sql_count("select coalesce(sum(attempts), 0)::bigint from dirty").await,
            0,
            "{fault:?}"
        );
        assert_eq!(world.get("/status").await["parked"], 0, "{fault:?}");
        world.stage.e.faults().heal();
        world.clock.advance(Duration::from_secs(600));
        world.settle().await;
        world.check_laws().await;
    }
}

/// Fifty products on offer, found by polls alone.
async fn shop(pieces: i64) -> World {
    let items = (0..50).map(|n| item(&format!("Thing {n}"), &format!("T-{n}"), "5", pieces)).collect();
    let world = World::with(Plan { relay: false, ..Plan::default() }, items).await;
    for product in world.stage.e.products() {
        world.stage.e.enable(product.id, true);
    }
    world.settle().await;
    world.stage.e.set_webhook_url(None);
    world.sweep().await;
    assert_eq!(world.on_offer(), 50);
    world
}

#[tokio::test]
async fn a_sweep_that_would_empty_the_web_is_braked_until_an_operator_releases_it() {
    let world = shop(0).await;
    for id in 1..=30 {
        world.stage.r.archive(id);
    }
    world.stage.r.rename(40, "Goes on");
    world.sweep().await;
    assert_eq!(world.on_offer(), 40, "ten may go");
    assert_eq!(world.product_of(40).unwrap().name, "Goes on");
    let brake = world.brake().await;
    assert_eq!((&brake["on"], &brake["held"]), (&json!(true), &json!(20)), "{brake}");
    assert!(brake["reason"].as_str().unwrap().contains("10 of 40"), "{brake}");
    assert!(brake["since"].is_string(), "{brake}");
    assert_eq!(world.get("/parked?limit=100").await["items"].as_array().unwrap().len(), 20);
    // Time does not lift it, nor does a run, nor a notice.
    world.clock.advance(Duration::from_secs(2 * 3600));
    world.settle().await;
    let path = format!("/v1/connections/{}/syncs", world.connection);
    world.call("POST", &path, Some(json!({"mode": "apply"}))).await;
    world.settle().await;
    world.stage.e.set_webhook_url(Some(format!("{}/webhooks/e-series", world.door)));
    for product in world.stage.e.products() {
        world.stage.e.rename(product.id, &format!("{} *", product.name));
    }
    world.settle().await;
    world.stage.r.archive(45);
    world.sweep().await;
    assert_eq!((world.on_offer(), world.brake().await["held"].clone()), (40, json!(21)));
    // One is let through by itself, then all.
    let one = world.get("/parked").await["items"][0]["id"].as_str().unwrap().to_owned();
    world.post(&format!("/parked/{one}/retry")).await;
    world.settle().await;
    assert_eq!((world.on_offer(), world.brake().await["held"].clone()), (39, json!(20)));
    assert_eq!(world.post("/brake/release").await, json!({"accepted": 20}));
    world.settle().await;
    assert_eq!(world.on_offer(), 19);
    let off = json!({"on": false, "since": null, "reason": null, "held": 0});
    assert_eq!(world.brake().await, off);
    assert_eq!(world.sql_count("select count(*) from brakes where state <> 'passed'").await, 0);
    assert_eq!(world.post("/brake/release").await, json!({"accepted": 0}));
    let ledger = world.ledger().await;
    let told = ledger.iter().filter(|entry| entry["kind"] == "operator").count();
    assert_eq!(told, 2, "one for the single product, one for the rest");
    // They were not counted: ten more may go.
    for id in 31..=40 {
        world.stage.r.archive(id);
    }
    world.sweep().await;
    assert_eq!((world.on_offer(), world.brake().await), (9, off));
    assert!(concord::telemetry::metrics().render().contains("concord_braked_total"));
}

#[tokio::test]
async fn stock_that_a_sweep_lets_fall_to_nothing_is_braked_and_sales_that_notices_tell_of_are_not() {
    let world = shop(2).await;
    let path = format!("/v1/connections/{}", world.connection);
    let caps = json!({"zeroes_percent": 8, "at_least": 3});
    world.call("PATCH", &path, Some(json!({"settings": {"caps": caps}}))).await;
    for id in 1..=9 {
        world.stage.r.sell(id, 1, 2);
    }
    for id in 20..=29 {
        world.stage.r.sell(id, 1, 1);
    }
    world.sweep().await;
    assert_eq!((world.with_stock(0), world.with_stock(1)), (4, 10), "8 % of 50");
    assert_eq!(world.brake().await["held"], 5);
    // Goods come for one that waits: it no longer wants to.
    let waits = (1..=9).find(|id| world.product_of(*id).unwrap().quantity == Some(2)).unwrap();
    world.stage.r.restock(waits, 1, 5);
    world.sweep().await;
    assert_eq!(world.product_of(waits).unwrap().quantity, Some(5));
    assert_eq!(world.brake().await["held"], 4);
    // Sales on the web that a notice tells of are carried, however many.
    world.stage.e.set_webhook_url(Some(format!("{}/webhooks/e-series", world.door)));
    for id in 30..=49 {
        world.stage.e.sell(world.product_of(id).unwrap().id, 2);
    }
    world.settle().await;
    assert!((30..=49).all(|id| world.pair(id).0.stock[&1] == 0));
    assert_eq!(world.post("/brake/release").await["accepted"], 4);
    world.settle().await;
    world.check_laws().await;
}

#[tokio::test]
async fn the_cap_is_exact_among_workers() {
    let world = shop(0).await;
    for id in 1..=45 {
        world.stage.r.archive(id);
    }
    world.clock.advance(Duration::from_secs(61));
    let others: Vec<_> = (0..3).map(|salt| world.another_worker(salt)).collect();
    for _ in 0..30 {
        let steps = others.iter().map(concord::queue::Worker::step);
        for stepped in futures::future::join_all(steps).await {
            stepped.unwrap();
        }
        world.clock.advance(Duration::from_millis(100));
    }
    world.settle().await;
    assert_eq!((world.on_offer(), world.brake().await["held"].clone()), (40, json!(35)));
}

/// Somebody has the record open in the POS and does not close it: the product is tried less and less often, and the
/// allowance of calls stays for the others.
#[tokio::test]
async fn a_record_that_stays_busy_is_tried_less_and_less_often() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let busy = Fault::Status { status: 409, retry_after: None };
    for _ in 0..7 {
        world.stage.r.faults().next(Aim::Write, busy);
    }
    world.stage.e.rename(world.product_of(id).unwrap().id, "Renamed");
    world.settle().await;
    let ledger = world.ledger().await;
    let tries = ledger.iter().rev().filter(|entry| entry["kind"] == "write" && entry["field"] == "name");
    let at: Vec<Instant> = tries.map(|entry| entry["at"].as_str().unwrap().parse().unwrap()).collect();
    let pauses: Vec<i64> = at.windows(2).map(|two| (two[1] - two[0]).num_seconds()).collect();
    assert_eq!(pauses.len(), 7, "{pauses:?}");
    assert!(pauses.is_sorted() && pauses[6] >= 600, "{pauses:?}");
    assert_eq!(world.pair(id).0.description, "Renamed", "it is carried as soon as the record is free");
}

//! Many products enabled or disabled at once.

use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use serde_json::{Value, json};

use super::Api;
use crate::flow::variants::shirt;
use crate::support::{Plan, World, item};

/// A shop of twelve items and a matrix.
async fn shop() -> Api {
    let world = World::open(Plan::default()).await;
    for number in 0..12 {
        world.stage.r.create_item(item(&format!("Thing {number}"), &format!("T-{number}"), "5", 1));
    }
    world.stage.r.create_matrix(shirt()).unwrap();
    let mut api = Api { world, secrets: Vec::new() };
    api.connect().await;
    api.world.settle().await;
    api
}

impl Api {
    async fn order(&self, order: Value) -> (u16, Value) {
        let answer = self.send("POST", &self.at("/products/mass-update"), Some(order)).await;
        (answer.status, answer.json)
    }

    /// Writes on E-Series since the calls were last forgotten: batches, and others.
    fn sent(&self) -> (usize, usize) {
        let calls = self.world.stage.e.calls();
        let writes: Vec<bool> = calls
            .iter()
            .filter(|call| call.method != "GET")
            .map(|call| call.path.ends_with("/batch"))
            .collect();
        (writes.iter().filter(|batch| **batch).count(), writes.iter().filter(|batch| !**batch).count())
    }

    /// All or none are on offer on both sides, every order is done, and it rests.
    async fn check_offer(&self, enabled: bool, of: &str) {
        assert_eq!(self.on_offer(), if enabled { 13 } else { 0 }, "{of}");
        for item in self.world.stage.r.items() {
            assert_eq!(item.publish_to_ecom, enabled, "{of}: {item:?}");
        }
        let left = self.world.sql_count("select count(*) from wishes").await;
        assert_eq!(left, 0, "{of}: orders are left");
        self.world.check_laws().await;
        self.world.clear_calls();
        self.world.sweep().await;
        assert_eq!(self.world.writes(), 0, "{of}: it rests");
    }

    fn on_offer(&self) -> usize {
        self.world.stage.e.products().iter().filter(|product| product.enabled).count()
    }
}

#[tokio::test]
async fn all_are_enabled_and_some_disabled_on_both_sides_and_the_order_tells_how_far_it_is() {
    let api = shop().await;
    // One was taken off the web in the shop, and is wanted there now.
    api.world.stage.r.publish(1, false);
    api.world.settle().await;
    let (status, taken) = api.order(json!({"all": true, "enabled": true})).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(13)), "{taken}");
    let path = format!("/products/mass-updates/{}", taken["id"].as_str().unwrap());
    let shown = api.get(&path).await;
    assert_eq!((&shown["done"], &shown["left"]), (&json!(0), &json!(13)), "{shown}");
    api.world.settle().await;
    assert_eq!(api.on_offer(), 13);
    assert!(api.world.stage.r.item(1).unwrap().publish_to_ecom, "the shop follows");
    let shown = api.get(&path).await;
    assert_eq!((&shown["done"], &shown["left"], &shown["enabled"]), (&json!(13), &json!(0), &json!(true)));

    let ids: Vec<Value> = api.get("/products?q=Thing%201").await["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].clone())
        .collect();
    let (status, taken) = api.order(json!({"ids": ids, "enabled": false})).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(3)), "{taken}");
    api.world.settle().await;
    assert_eq!(api.on_offer(), 10);
    assert!(!api.world.stage.r.item(2).unwrap().publish_to_ecom);
    let ledger = api.world.ledger().await;
    let cause = format!("order {}", taken["id"].as_str().unwrap());
    let written = ledger.iter().filter(|entry| entry["kind"] == "write" && entry["cause"] == *cause);
    assert_eq!(
        written.filter(|entry| entry["origin"] == "operator").count(),
        6,
        "three products, both sides"
    );
    api.world.check_laws().await;
    api.world.clear_calls();
    api.world.sweep().await;
    assert_eq!(api.world.writes(), 0);
}

#[tokio::test]
async fn an_order_says_what_it_waits_for_and_why() {
    let api = shop().await;
    api.world.stage.e.delete_product(api.world.product_of(3).unwrap().id);
    api.world.settle().await;
    let (_, taken) = api.order(json!({"all": true, "enabled": true})).await;
    let path = format!("/products/mass-updates/{}", taken["id"].as_str().unwrap());
    let waiting = api.get(&path).await["waiting"].clone();
    assert_eq!(waiting.as_array().unwrap().len(), 13, "{waiting}");
    api.world.settle().await;
    let shown = api.get(&path).await;
    assert_eq!((&shown["done"], &shown["left"]), (&json!(12), &json!(1)), "{shown}");
    let [waiting] = shown["waiting"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!((&waiting["sku"], &waiting["code"]), (&json!("T-2"), &json!("gone_online")), "{shown}");
    assert!(waiting["reason"].as_str().unwrap().contains("recreate"), "{shown}");
}

#[tokio::test]
async fn an_order_holds_against_any_way_of_the_field() {
    for way in ["both", "r_to_e", "e_to_r", "off"] {
        let api = shop().await;
        let settings = json!({"settings": {"fields": {"enabled": {"way": way}}}});
        api.send("PATCH", &api.at(""), Some(settings)).await.expect(200);
        for on in [true, false] {
            api.order(json!({"all": true, "enabled": on})).await;
            api.world.settle().await;
            assert_eq!(api.on_offer(), if on { 13 } else { 0 }, "{way}");
            api.world.clear_calls();
            api.world.sweep().await;
            assert_eq!(api.world.writes(), 0, "{way}: it stays");
        }
        api.world.close().await;
    }
}

#[tokio::test]
async fn a_bad_order_is_refused_and_changes_nothing() {
    let api = shop().await;
    let nobody = uuid::Uuid::nil();
    for order in [
        json!({"enabled": true}),
        json!({"ids": [], "enabled": true}),
        json!({"ids": [nobody], "enabled": true}),
        json!({"ids": [nobody], "all": true, "enabled": true}),
        json!({"all": true}),
        json!({"all": true, "enabled": "yes"}),
        json!({"all": true, "enabled": true, "price": 5}),
    ] {
        let (status, problem) = api.order(order.clone()).await;
        assert_eq!(status, 422, "{order}: {problem}");
    }
    api.world.settle().await;
    assert_eq!(api.on_offer(), 0);
    let path = api.at(&format!("/products/mass-updates/{nobody}"));
    api.send("GET", &path, None).await.expect(404);
}

#[tokio::test]
async fn one_batch_sees_to_many_on_e_series_and_two_are_written_by_themselves() {
    let api = shop().await;
    api.world.clear_calls();
    let (_, taken) = api.order(json!({"all": true, "enabled": true})).await;
    api.world.settle().await;
    assert_eq!(api.sent(), (1, 0));
    let calls = api.world.stage.e.calls().len();
    assert!(calls <= 6, "{calls} calls for thirteen products");
    api.check_offer(true, "enabled").await;
    // One call, and undone as one.
    let order = taken["id"].as_str().unwrap();
    let cause = format!("order {order}");
    let ledger = api.world.ledger().await;
    let written: Vec<&Value> =
        ledger.iter().filter(|entry| entry["kind"] == "write" && entry["cause"] == *cause).collect();
    assert_eq!(written.len(), 13);
    assert!(
        written.iter().all(|entry| entry["call_id"] == written[0]["call_id"] && entry["result"] == "landed")
    );
    let ids: Vec<Value> = written.iter().take(2).map(|entry| entry["product_id"].clone()).collect();
    let (status, _) = api.order(json!({"ids": ids, "enabled": false})).await;
    assert_eq!(status, 202);
    api.world.settle().await;
    assert_eq!(api.sent(), (0, 2));
    assert_eq!(api.on_offer(), 11);
}

#[tokio::test]
async fn a_batch_that_is_queued_broken_off_or_turned_away_is_done_once_and_in_full() {
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::BadGatewayAfter,
        Fault::GarbageAfter,
        Fault::HangAfter,
        Fault::Status { status: 429, retry_after: Some(3) },
        Fault::Status { status: 400, retry_after: None },
    ];
    let api = shop().await;
    let mut enabled = true;
    for fault in faults {
        // The batch itself, or the question how it went.
        for aim in [Aim::Write, Aim::Read] {
            api.world.let_bygones_be().await;
            api.order(json!({"all": true, "enabled": enabled})).await;
            // The common look comes first.
            api.world.stage.e.faults().next_after(usize::from(aim == Aim::Read), aim, fault);
            api.world.settle().await;
            api.world.clock.advance(Duration::from_secs(61));
            api.world.settle().await;
            api.check_offer(enabled, &format!("{fault:?} {aim:?}")).await;
            enabled = !enabled;
        }
    }
    api.world
        .stage
        .e
        .habits(|habits| (habits.batch_runs_at_first_poll, habits.batch_delay_seconds) = (false, 40));
    api.world.let_bygones_be().await;
    api.world.clear_calls();
    api.order(json!({"all": true, "enabled": enabled})).await;
    api.world.settle().await;
    api.check_offer(enabled, "queued").await;
    api.world.stage.e.habits(|habits| {
        (habits.batch_runs_at_first_poll, habits.batch_requests_per_poll) = (true, 2);
    });
    api.world.let_bygones_be().await;
    api.order(json!({"all": true, "enabled": !enabled})).await;
    api.world.settle().await;
    api.check_offer(!enabled, "a part of it at each question").await;
}

#[tokio::test]
async fn a_product_that_goes_while_the_batch_is_on_its_way_keeps_nobody() {
    let api = shop().await;
    let gone = api.world.stage.e.products()[4].id;
    api.world
        .stage
        .e
        .habits(|habits| (habits.batch_runs_at_first_poll, habits.batch_delay_seconds) = (false, 10));
    api.order(json!({"all": true, "enabled": true})).await;
    api.world.worker.step().await.unwrap();
    api.world.stage.e.delete_product(gone);
    api.world.settle().await;
    assert_eq!(api.on_offer(), 12);
    api.world.check_queue_and_ledger().await;
}

#[tokio::test]
async fn a_death_at_any_point_of_a_batch_changes_nothing_in_the_end() {
    let mut api = shop().await;
    let (mut points, mut enabled) = (0, true);
    loop {
        api.world.let_bygones_be().await;
        api.order(json!({"all": true, "enabled": enabled})).await;
        let died = api.world.die_after(points, usize::try_from(points).unwrap() * 5).await;
        api.world.restart_worker(points);
        api.world.clock.advance(Duration::from_secs(61));
        api.world.settle().await;
        api.check_offer(enabled, &format!("death at point {}", points * 5)).await;
        if !died {
            break;
        }
        (points, enabled) = (points + 1, !enabled);
    }
    assert!(points > 15, "only {points} deaths: the order did not do what it should");
}

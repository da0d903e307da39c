//! Pieces sold on the web, booked in the shop as sales instead of counts.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use axum::http::StatusCode;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::SaleView;
use serde_json::{Value, json};

use super::races::step_with;
use crate::support::mortal::mortal;
use crate::support::{Plan, World, decimal, mug};

impl World {
    /// A mug whose web sales are booked as sales.
    async fn selling(plan: Plan) -> (Self, i64, i64) {
        let world = Self::with(plan, vec![mug()]).await;
        let (status, answer) = world.set_web_sales("sale").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["settings"]["web_sales"], "sale");
        world.settle().await;
        let id = world.stage.r.items()[0].item_id;
        let product = world.product_of(id).unwrap().id;
        world.clear_calls();
        (world, id, product)
    }

    /// Sales of ours: those with a reference number.
    fn ours(&self) -> Vec<SaleView> {
        let mut sales = self.stage.r.sales();
        sales.retain(|sale| !sale.reference_number.is_empty());
        sales
    }

    fn counts(&self, id: i64) -> (i64, Option<i64>) {
        let (item, product) = self.pair(id);
        (item.stock.values().sum(), product.quantity)
    }

    pub fn drips(&self) -> f64 {
        self.stage.r.calls().iter().map(|call| call.drips).sum()
    }

    async fn parked_code(&self) -> Value {
        let parked = self.get("/parked").await;
        parked["items"].as_array().unwrap().first().cloned().unwrap_or_default()
    }

    pub(super) async fn retry(&self, product: &Value) {
        let path =
            format!("/v1/connections/{}/parked/{}/retry", self.connection, product["id"].as_str().unwrap());
        let (status, answer) = self.call("POST", &path, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }
}

#[tokio::test]
async fn pieces_sold_on_the_web_are_one_completed_sale_in_the_shop() {
    let (world, id, product) = World::selling(Plan::default()).await;
    world.stage.r.reprice_online(id, decimal("11.9"));
    world.settle().await;
    world.stage.e.sell(product, 3);
    world.settle().await;
    assert_eq!(world.counts(id), (7, Some(7)));
    let ours = world.ours();
    assert_eq!(ours.len(), 1, "{ours:#?}");
    let sale = &ours[0];
    assert!(sale.completed && !sale.voided);
    assert_eq!((sale.shop_id, sale.lines.clone()), (1, vec![(id, 3, decimal("11.9"))]));
    assert_eq!(sale.paid, sale.total, "the payment is the platform's own total, tax included");
    let ledger = world.ledger().await;
    let entry = ledger.iter().find(|entry| entry["id"] == sale.reference_number.as_str()).expect("its entry");
    assert_eq!((&entry["kind"], &entry["result"]), (&json!("stock"), &json!("landed")));
    assert_eq!(entry["detail"]["sale_id"], sale.sale_id);
    assert!(
        !world.stage.r.calls().iter().any(|call| call.body.get("ItemShops").is_some()),
        "no count is written"
    );

    // What comes back is a count.
    world.stage.e.restock(product, 2);
    world.settle().await;
    assert_eq!((world.counts(id), world.ours().len()), ((9, Some(9)), 1));
    world.check_laws().await;
}

#[tokio::test]
async fn without_an_online_price_the_default_price_is_taken_and_what_costs_nothing_needs_no_payment() {
    let (world, id, product) = World::selling(Plan::default()).await;
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(world.ours()[0].lines, [(id, 1, decimal("12.5"))]);
    world.stage.r.reprice_default(id, decimal("0"));
    world.settle().await;
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!((world.counts(id), world.ours()[1].completed), ((8, Some(8)), true));
}

#[tokio::test]
async fn both_ways_of_booking_cost_what_the_documentation_says() {
    let mut costs = Vec::new();
    for way in ["count", "sale"] {
        let world = World::with_a_mug().await;
        world.set_web_sales(way).await;
        world.settle().await;
        let id = world.stage.r.items()[0].item_id;
        let product = world.product_of(id).unwrap().id;
        world.clear_calls();
        world.stage.e.sell(product, 1);
        world.stage.deliver_due().await;
        while world.worker.visit().await.unwrap() {}
        let visit = world.drips();
        world.settle().await;
        eprintln!("{way}: {visit:.1} drips for the visit, {:.1} with the visit for its echo", world.drips());
        assert_eq!(world.counts(id), (9, Some(9)));
        costs.push(format!("{visit:.1}"));
    }
    // A look of 1.8 each; then three reads of the log, a read and a write of the item, or a sale in two steps.
    assert_eq!(costs, ["7.7", "9.8"]);
}

#[tokio::test]
async fn a_death_at_any_await_sells_exactly_once() {
    let (mut world, id, product) = World::selling(Plan::default()).await;
    let (mut awaits, mut deaths, mut lives) = (0, 0, 0);
    while lives < 4 {
        let before = world.ours().iter().filter(|sale| sale.completed).count();
        let stock = world.counts(id).0;
        world.stage.e.sell(product, 2);
        world.stage.r.restock(id, 1, 3);
        world.stage.deliver_due().await;
        let worker = world.worker.clone();
        let all = async move { while worker.visit().await.unwrap() {} };
        let died = mortal(all, awaits).await.is_none();
        world.drain().await;
        world.restart_worker(5_000 + awaits as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        assert_eq!(world.counts(id), (stock + 1, Some(stock + 1)), "death at await {awaits}");
        let ours = world.ours();
        assert_eq!(ours.iter().filter(|sale| sale.completed).count(), before + 1, "death at await {awaits}");
        world.check_laws().await;
        (deaths, lives) = if died { (deaths + 1, 0) } else { (deaths, lives + 1) };
        awaits += 1;
    }
    assert!(deaths > 8, "only {deaths} deaths");
    assert!(
        world.ours().iter().all(|sale| sale.completed),
        "an open sale is left behind: {:#?}",
        world.ours()
    );
}

#[tokio::test]
async fn a_lost_answer_sells_exactly_once_whatever_the_filter_does() {
    for honoured in [false, true] {
        let (world, id, product) = World::selling(Plan::default()).await;
        world.stage.r.habits(|habits| {
            habits.sale_reference_filter = honoured;
            habits.completed_sales_take_writes = honoured;
        });
        let faults = [
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::BadGatewayAfter,
            Fault::GarbageAfter,
            Fault::HangAfter,
        ];
        let mut sold = 0;
        for fault in faults {
            for write in 0..2 {
                world.stage.r.restock(id, 1, 1);
                world.settle().await;
                world.stage.r.faults().next_after(write, Aim::Write, fault);
                world.stage.e.sell(product, 1);
                sold += 1;
                world.stage.r.sell(id, 1, 0);
                world.settle().await;
                world.stage.r.faults().heal();
                let case = format!("{fault:?} at write {write}, filter honoured: {honoured}");
                assert_eq!(world.counts(id), (10, Some(10)), "{case}");
                let completed = world.ours().iter().filter(|sale| sale.completed).count();
                assert_eq!(completed, sold, "{case}");
                assert!(
                    world.ours().iter().all(|sale| sale.completed || sale.archived),
                    "{case}: an open one"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_person_who_completes_or_discards_the_open_sale_is_reckoned_with() {
    for complete in [true, false] {
        let (world, id, product) = World::selling(Plan::default()).await;
        world.stage.r.faults().next(Aim::Write, Fault::ResetAfter);
        world.stage.e.sell(product, 2);
        world.stage.deliver_due().await;
        world.worker.visit().await.unwrap();
        let open = world.ours().remove(0);
        assert!(!open.completed);
        if complete {
            world.stage.r.complete_sale(open.sale_id);
        } else {
            world.stage.r.discard_sale(open.sale_id);
        }
        world.settle().await;
        assert_eq!(world.counts(id), (8, Some(8)), "completed by a person: {complete}");
        assert_eq!(world.ours().iter().filter(|sale| sale.completed).count(), 1);
        world.check_laws().await;
    }
}

#[tokio::test]
async fn a_sale_that_is_voided_later_puts_its_pieces_back_on_the_web() {
    let (world, id, product) = World::selling(Plan::default()).await;
    world.stage.e.sell(product, 2);
    world.settle().await;
    world.stage.r.void_sale(world.ours()[0].sale_id);
    world.settle().await;
    assert_eq!(world.counts(id), (10, Some(10)));
    world.check_laws().await;
}

#[tokio::test]
async fn a_register_that_will_not_take_the_sale_parks_it_and_leaves_nothing_behind() {
    for stays_open in [false, true] {
        let (world, id, product) = World::selling(Plan::default()).await;
        world.stage.r.habits(|habits| habits.refused_completion_leaves_open = stays_open);
        world.stage.r.set_registers_open(1, false);
        world.stage.e.sell(product, 2);
        world.settle().await;
        let parked = world.parked_code().await;
        assert!(parked["reason"].as_str().unwrap().contains("register"), "{parked}");
        assert!(world.ours().iter().all(|sale| sale.archived), "{:#?}", world.ours());
        assert_eq!(world.counts(id), (10, Some(8)));
        world.stage.r.set_registers_open(1, true);
        world.retry(&parked).await;
        world.settle().await;
        assert_eq!(world.counts(id), (8, Some(8)));
        world.check_laws().await;
    }
}

#[tokio::test]
async fn a_sale_at_the_till_at_any_moment_of_the_booking_stays_what_it_is() {
    let mut moments = 0;
    for calls in 1.. {
        let (world, id, product) = World::selling(Plan::default()).await;
        world.stage.e.sell(product, 2);
        world.stage.deliver_due().await;
        let reached = |world: &World| world.stage.r.calls().len() >= calls;
        let worker = world.worker.clone();
        let mut step = Box::pin(async move { while worker.visit().await.unwrap() {} });
        let mut sold = false;
        while mortal(step.as_mut(), 0).await.is_none() {
            tokio::task::yield_now().await;
            if !sold && reached(&world) {
                world.stage.r.sell(id, 1, 1);
                sold = true;
            }
        }
        if !sold {
            break;
        }
        moments += 1;
        world.settle().await;
        assert_eq!(world.counts(id), (7, Some(7)), "after call {calls}");
        assert_eq!(world.ours().len(), 1, "after call {calls}");
        world.check_laws().await;
    }
    assert!(moments >= 3, "only {moments} moments");
}

#[tokio::test]
async fn what_is_missing_for_sales_is_said_in_words_and_the_setting_is_refused() {
    let missing = async |take_away: fn(&World), words: &str| {
        let world = World::with_a_mug().await;
        take_away(&world);
        let (status, answer) = world.set_web_sales("sale").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(words), "{answer}");
        let connection = world.get("").await;
        assert!(connection["settings"].get("web_sales").is_none(), "{connection}");
    };
    missing(|world| world.stage.r.remove_registers(1), "register").await;
    missing(|world| world.stage.r.remove_payment_type("Web"), "payment type").await;

    let mut world = World::open(Plan::default()).await;
    let scope = "employee:inventory employee:inventory_log";
    let mut body = world.credentials();
    let (access, refresh) = world.stage.r.issue_scoped_tokens(scope);
    body["r_series"]["access_token"] = json!(access);
    body["r_series"]["refresh_token"] = json!(refresh);
    body["settings"] = json!({"web_sales": "sale"});
    let (status, answer) = world.call("POST", "/v1/connections", Some(body.clone())).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("employee:register"), "{answer}");
    body["settings"] = json!({"web_sales": "count"});
    world.connect_with(body).await;
    let (status, answer) = world.set_web_sales("later").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
}

#[tokio::test]
async fn several_shops_sell_in_the_primary_one_and_a_change_of_mind_finishes_what_was_begun() {
    let mut mug = mug();
    mug.stock = vec![(1, 4), (2, 6)];
    let world = World::with(Plan { shops: 2, ..Plan::default() }, vec![mug]).await;
    world.set_web_sales("sale").await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.r.faults().next_after(1, Aim::Write, Fault::ResetBefore);
    world.stage.e.sell(product, 3);
    world.stage.r.sell(id, 2, 1);
    world.stage.deliver_due().await;
    world.worker.visit().await.unwrap();
    assert!(!world.ours()[0].completed, "it is rung up and not completed");
    world.set_web_sales("count").await;
    world.settle().await;
    let stock = world.stage.r.item(id).unwrap().stock;
    assert_eq!((stock[&1], stock[&2], world.counts(id).1), (1, 5, Some(6)));
    assert!(world.ours()[0].completed);
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!((world.counts(id), world.ours().len()), ((5, Some(5)), 1));
    world.check_laws().await;
}

#[tokio::test]
async fn a_trampled_sale_of_before_is_still_put_back_as_a_count() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.clear_calls();
    world.stage.e.sell(product, 2);
    world.stage.deliver_due().await;
    let looked = |world: &World| {
        let calls = world.stage.r.calls();
        calls.iter().filter(|call| call.path.contains("InventoryLog")).count() == 2
            && !calls.iter().any(|call| call.method == "PUT")
    };
    step_with(&world, world.worker.clone(), looked, |world| world.stage.r.sell(id, 1, 1)).await;
    world.set_web_sales("sale").await;
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(world.counts(id), (6, Some(6)));
    world.check_laws().await;
}

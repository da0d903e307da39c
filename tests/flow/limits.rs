//! Platforms that refuse, break, hang or take their permission back, at every single call of a visit: the same
//! end as without, nothing twice.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use concord::catalog::Side;
use concord::clock::{Clock, Instant, after};
use concord::ids::{ConnectionId, GeneratedIds, LeaseToken, SharedIds};
use concord::sandbox::faults::{Aim, Fault, Faults};
use concord::store::inbox::{self, Delivery};
use concord::store::{connections, dirty};
use concord::vault::Vault;
use secrecy::SecretString;
use serde_json::json;

use crate::support::{KEY, Plan, World, decimal, item};

const SIDES: [Side; 2] = [Side::RSeries, Side::ESeries];

/// Everything after which the platform goes on as if nothing had been.
const PASSING: [Fault; 6] = [
    Fault::Status { status: 500, retry_after: None },
    Fault::Status { status: 503, retry_after: Some(2) },
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::BadGatewayAfter,
    Fault::GarbageAfter,
];

impl World {
    fn faults(&self, side: Side) -> &Faults {
        if side == Side::RSeries { self.stage.r.faults() } else { self.stage.e.faults() }
    }

    /// When each request reached that platform, and what it was answered.
    fn reached(&self, side: Side) -> Vec<(Instant, u16)> {
        match side {
            Side::RSeries => self.stage.r.calls().into_iter().map(|call| (call.at, call.status)).collect(),
            Side::ESeries => self.stage.e.calls().into_iter().map(|call| (call.at, call.status)).collect(),
        }
    }

    fn renewals(&self) -> usize {
        self.stage.r.calls().iter().filter(|call| call.path == "/auth/oauth/token").count()
    }

    async fn attempts(&self) -> i64 {
        self.sql_count("select coalesce(sum(attempts), 0)::bigint from dirty").await
    }

    async fn resume(&self) {
        let path = format!("/v1/connections/{}/resume", self.connection);
        let (status, answer) = self.call("POST", &path, None).await;
        assert_eq!((status.as_u16(), &answer["state"]), (200, &json!("active")));
    }

    /// 10 pieces, the old name and price on both sides.
    async fn reset(&self, item_id: i64) {
        self.let_bygones_be().await;
        self.stage.r.rename(item_id, "Stoneware mug");
        self.stage.r.reprice_default(item_id, decimal("12.5"));
        let missing = 10 - self.stage.r.item(item_id).unwrap().stock[&1];
        self.stage.r.restock(item_id, 1, missing);
        self.settle().await;
    }

    /// A sale on both sides, a price on one, a name on the other.
    async fn stir(&self, item_id: i64) {
        let product = self.product_of(item_id).unwrap();
        self.stage.r.sell(item_id, 1, 2);
        self.stage.e.sell(product.id, 3);
        self.stage.r.reprice_default(item_id, decimal("13.75"));
        self.stage.e.rename(product.id, "Stoneware mug, blue");
        self.stage.deliver_due().await;
    }

    async fn check_stirred(&self, item_id: i64, case: &str) {
        let (item, product) = self.pair(item_id);
        assert_eq!((item.stock[&1], product.quantity), (5, Some(5)), "{case}: {item:#?} {product:#?}");
        let name = "Stoneware mug, blue";
        assert_eq!((item.description.as_str(), product.name.as_str()), (name, name), "{case}");
        assert_eq!((product.price, item.online_price), (decimal("13.75"), None), "{case}");
        let parked = self.get("/parked").await;
        assert_eq!(parked["items"], json!([]), "{case}");
        self.check_laws().await;
    }
}

/// Acts while `future` waits for the `awaits`-th time. True when it came to that.
async fn meanwhile<F: Future>(future: F, mut awaits: usize, act: impl FnOnce()) -> (F::Output, bool) {
    let (mut future, mut act) = (Box::pin(future), Some(act));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready((output, act.is_none())),
        Poll::Pending => {
            if awaits == 0 {
                act.take().into_iter().for_each(|act| act());
            }
            awaits = awaits.saturating_sub(1);
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn after_a_429_that_platform_is_left_alone_until_the_time_it_names() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    for side in SIDES {
        let mut nth = 0;
        loop {
            let case = format!("seed {}: 429 of {side} at call {nth}", world.plan.seed);
            world.reset(id).await;
            world.stir(id).await;
            world.clear_calls();
            let faults = world.faults(side);
            let met = faults.met();
            faults.next_after(nth, Aim::Any, Fault::Status { status: 429, retry_after: Some(30) });
            // Visits until it is met, or until nothing is left to do.
            while faults.met() == met {
                let delivered = !world.stage.deliver_due().await.is_empty();
                if world.worker.step().await.unwrap() || delivered {
                    continue;
                }
                match world.next_due().await {
                    Some(next) => {
                        world.clock.set(next.max(after(world.clock.now(), Duration::from_millis(1))));
                    }
                    None => break,
                }
            }
            if faults.met() == met {
                faults.heal();
                break;
            }
            assert_eq!(world.reached(side).len(), nth, "{case}: calls went on after it");
            assert_eq!(world.attempts().await, 0, "{case}: it was counted against the product");
            let until = after(world.clock.now(), Duration::from_secs(30));
            world.settle().await;
            let later = world.reached(side).split_off(nth);
            assert!(!later.is_empty(), "{case}: nothing was called again");
            let early: Vec<_> = later.iter().filter(|(at, _)| *at < until).collect();
            assert!(early.is_empty(), "{case}: called before {until}: {early:?}");
            assert_eq!(faults.met(), met + 1, "{case}");
            world.check_stirred(id, &case).await;
            nth += 1;
        }
        assert!(nth >= 4, "only {nth} calls of {side} were reached");
    }
}

#[tokio::test]
async fn a_closed_gate_holds_back_one_connection_only() {
    let world = World::with_a_mug().await;
    let now = world.clock.now();
    let ids: SharedIds = Arc::new(GeneratedIds::seeded(99));
    let neighbour = ConnectionId::new(&ids, now);
    let mut db = world.store.begin().await.unwrap();
    let row = connections::get(&mut db, world.connection).await.unwrap().unwrap();
    let other = connections::Row {
        connection_id: neighbour,
        r_account_id: row.r_account_id + 1,
        e_store_id: row.e_store_id + 1,
        ..row.clone()
    };
    connections::insert(&mut db, &other).await.unwrap();
    let notice = |connection_id| Delivery {
        connection_id,
        side: Side::RSeries,
        event_id: "event".into(),
        event_type: "item.update".into(),
        record: Some(world.stage.r.items()[0].item_id),
        is_matrix: false,
    };
    inbox::accept(&mut db, &[notice(world.connection), notice(neighbour)], &ids, now).await.unwrap();
    db.commit().await.unwrap();

    let open = world.accounts.open(&row).await.unwrap();
    for side in SIDES {
        let until = after(world.clock.now(), Duration::from_secs(30));
        let gate = if side == Side::RSeries { open.r.gate() } else { open.e.gate() };
        gate.close_until(until);
        let now = world.clock.now();
        assert_eq!(world.accounts.closed_until(world.connection, now), Some(until), "{side}");
        assert_eq!(world.accounts.closed_until(neighbour, now), None, "{side}: the neighbour is held back");
        let (closed, _) = world.accounts.closed(now);
        assert_eq!(closed, [world.connection], "{side}");
        let mut db = world.store.begin().await.unwrap();
        let claims = dirty::claim(&mut db, None, &closed, 20, LeaseToken::new(&ids, now), now).await.unwrap();
        let whose: Vec<_> = claims.iter().map(|claim| claim.connection_id).collect();
        assert_eq!(whose, [neighbour], "{side}: the neighbour's work goes on, ours waits");
        db.commit().await.unwrap();
        // The gate is open again, and the lease has run out.
        world.clock.advance(dirty::LEASE);
    }
}

/// One fault at each call of a visit in turn.
async fn every_call_meets(side: Side, fault: Fault) {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let mut nth = 0;
    loop {
        let case = format!("seed {}: {fault:?} of {side} at call {nth}", world.plan.seed);
        world.reset(id).await;
        let met = world.faults(side).met();
        world.stir(id).await;
        world.faults(side).next_after(nth, Aim::Any, fault);
        world.settle().await;
        let was_met = world.faults(side).met() > met;
        world.faults(side).heal();
        world.check_stirred(id, &case).await;
        assert_eq!(world.stage.e.products().len(), 1, "{case}");
        if !was_met {
            break;
        }
        nth += 1;
    }
    assert!(nth >= 4, "only {nth} calls of {side} were reached under {fault:?}");
}

#[tokio::test]
async fn whatever_breaks_at_any_call_of_r_series_the_end_is_the_same() {
    for fault in PASSING {
        every_call_meets(Side::RSeries, fault).await;
    }
}

#[tokio::test]
async fn whatever_breaks_at_any_call_of_e_series_the_end_is_the_same() {
    for fault in PASSING {
        every_call_meets(Side::ESeries, fault).await;
    }
}

#[tokio::test]
async fn whatever_breaks_at_any_call_of_a_creation_there_is_one_product() {
    let world = World::with_a_mug().await;
    for (side, fault) in SIDES.into_iter().flat_map(|side| PASSING.map(|fault| (side, fault))) {
        let mut nth = 0;
        loop {
            let case = format!("seed {}: {fault:?} of {side} at call {nth}", world.plan.seed);
            let sku = format!("NEW-{side}-{}-{nth}", world.stage.r.items().len());
            let met = world.faults(side).met();
            let id = world.stage.r.create_item(item("Fresh", &sku, "3", 4));
            world.stage.deliver_due().await;
            world.faults(side).next_after(nth, Aim::Any, fault);
            world.settle().await;
            let was_met = world.faults(side).met() > met;
            world.faults(side).heal();
            let twins = world.stage.e.products().iter().filter(|product| product.sku == sku).count();
            assert_eq!(twins, 1, "{case}");
            let (item, product) = world.pair(id);
            assert_eq!((item.stock[&1], product.quantity), (4, Some(4)), "{case}");
            assert!(!product.enabled, "{case}: new products arrive disabled");
            world.check_laws().await;
            if !was_met {
                break;
            }
            nth += 1;
        }
        assert!(nth >= 1, "no call of {side} was reached under {fault:?}");
    }
}

/// Each case waits for the client's own time limit, in real time.
#[tokio::test]
async fn a_platform_that_never_answers_is_given_up_and_looked_at_again() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let cases = [
        (Side::ESeries, Aim::Read, Fault::HangBefore),
        (Side::ESeries, Aim::Write, Fault::HangAfter),
        (Side::RSeries, Aim::Write, Fault::HangAfter),
    ];
    for (side, aim, fault) in cases {
        let case = format!("seed {}: {fault:?} of {side} at a {aim:?}", world.plan.seed);
        world.reset(id).await;
        let met = world.faults(side).met();
        world.stir(id).await;
        world.faults(side).next(aim, fault);
        world.settle().await;
        assert_eq!(world.faults(side).met(), met + 1, "{case}: it was not met");
        world.check_stirred(id, &case).await;
    }
}

#[tokio::test]
async fn a_first_look_under_the_real_limits_is_never_refused() {
    let items =
        (0..60).map(|number| item(&format!("Item {number}"), &format!("SKU-{number}"), "4.5", number));
    let world = World::with(Plan { real_limits: true, ..Plan::default() }, items.collect()).await;
    assert_eq!(world.stage.e.products().len(), 60);
    let status = world.get("/status").await;
    assert_eq!((&status["linked"], &status["sync"]["state"]), (&json!(60), &json!("done")), "{status}");
    // A busy hour after it, too.
    for round in 1..=3 {
        for item in world.stage.r.items() {
            world.stage.r.sell(item.item_id, 1, round);
            world.stage.r.rename(item.item_id, &format!("{} ({round})", item.custom_sku));
        }
        world.settle().await;
    }
    for side in SIDES {
        let calls = world.reached(side);
        let refused = calls.iter().filter(|(_, status)| *status == 429).count();
        assert_eq!(refused, 0, "{side} refused {refused} of {} calls that our gate let through", calls.len());
    }
    let calls = world.reached(Side::ESeries);
    for (first, (from, _)) in calls.iter().enumerate() {
        let minute =
            calls[first..].iter().take_while(|(at, _)| *at < after(*from, Duration::from_mins(1))).count();
        assert!(minute <= 600, "{minute} calls of E-Series in the minute from {from}");
    }
    world.check_laws().await;
}

#[tokio::test]
async fn an_access_token_that_dies_at_any_moment_is_renewed_once() {
    let mut world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let (mut awaits, mut renewed) = (0, 0);
    loop {
        let case = format!("seed {}: expired at await {awaits}", world.plan.seed);
        // The platform's sign-in takes few requests in a minute.
        world.clock.advance(Duration::from_secs(61));
        world.reset(id).await;
        world.stir(id).await;
        world.clear_calls();
        let secrets = "select count(*) from secrets where kind in ('r_access_token', 'r_refresh_token')";
        let before = world.secrets().await;
        let visits = async { while world.worker.visit().await.unwrap() {} };
        let ((), expired) = meanwhile(visits, awaits, || world.stage.r.expire_access_tokens()).await;
        world.settle().await;
        assert!(world.renewals() <= 1, "{case}: renewed {} times", world.renewals());
        world.check_stirred(id, &case).await;
        if world.renewals() == 1 {
            renewed += 1;
            assert_eq!(world.sql_count(secrets).await, 2, "{case}");
            let after = world.secrets().await;
            for kind in ["r_access_token", "r_refresh_token"] {
                assert_ne!(before[kind], after[kind], "{case}: {kind} is still the old one");
            }
            // A process that knows only what is stored goes on with the new ones.
            world.restart_worker(awaits as u64);
            world.clear_calls();
            world.stage.r.rename(id, "Renamed");
            world.settle().await;
            assert_eq!(world.product_of(id).unwrap().name, "Renamed", "{case}");
            assert_eq!(world.renewals(), 0, "{case}: the stored token is not the new one");
            assert!(world.reached(Side::RSeries).iter().all(|(_, status)| *status != 401), "{case}");
        }
        if !expired {
            break;
        }
        awaits += 5;
    }
    assert!(renewed >= 3, "only {renewed} renewals in {awaits} awaits");
}

#[tokio::test]
async fn a_sign_in_that_asks_for_patience_is_given_it() {
    let world =
        World::with(Plan::default(), (0..30).map(|n| item("Cup", &format!("CUP-{n}"), "2", 3)).collect())
            .await;
    for item in world.stage.r.items() {
        world.stage.r.rename(item.item_id, "Cup, new");
    }
    world.stage.deliver_due().await;
    world.clear_calls();
    world.stage.r.expire_access_tokens();
    // The first write is the request for new tokens.
    world.stage.r.faults().next(Aim::Write, Fault::Status { status: 429, retry_after: Some(30) });
    while world.worker.visit().await.unwrap() {}
    assert_eq!(world.stage.r.faults().met(), 1);
    assert_eq!(world.reached(Side::RSeries).len(), 1, "asked again at once: {:?}", world.stage.r.calls());
    assert_eq!(world.attempts().await, 0);
    let until = after(world.clock.now(), Duration::from_secs(30));
    world.settle().await;
    let later = world.reached(Side::RSeries).split_off(1);
    assert!(later.iter().all(|(at, _)| *at >= until), "called before {until}: {later:?}");
    assert!(world.stage.e.products().iter().all(|product| product.name == "Cup, new"));
    world.check_laws().await;
}

#[tokio::test]
async fn two_workers_whose_token_dies_both_go_on() {
    let items = (0..50).map(|number| item(&format!("Item {number}"), &format!("SKU-{number}"), "4.5", 9));
    let world = World::with(Plan::default(), items.collect()).await;
    let second = world.another_worker(1);
    for round in 0..10 {
        let case = format!("seed {}: round {round}", world.plan.seed);
        world.clock.advance(Duration::from_secs(61));
        for item in world.stage.r.items() {
            world.stage.r.rename(item.item_id, &format!("{} ({round})", item.custom_sku));
        }
        world.stage.deliver_due().await;
        world.clear_calls();
        let work = |worker: &concord::queue::Worker| {
            let worker = worker.clone();
            async move { while worker.visit().await.unwrap() {} }
        };
        let both = async { tokio::join!(work(&world.worker), work(&second)) };
        meanwhile(Box::pin(both), round * 7, || world.stage.r.expire_access_tokens()).await;
        let renewals = world.renewals();
        assert!(renewals <= 1, "{case}: renewed {renewals} times by two workers");
        let status = world.get("/status").await;
        assert_eq!(status["state"], "active", "{case}: {status}");
        world.settle().await;
        assert_eq!(world.renewals(), 1, "{case}");
        world.check_laws().await;
    }
}

#[tokio::test]
async fn a_permission_taken_back_stops_the_connection_and_loses_nothing() {
    for side in SIDES {
        let case = format!("{side} took the permission back");
        let mut world = World::with_a_mug().await;
        let id = world.stage.r.items()[0].item_id;
        match side {
            Side::RSeries => world.stage.r.revoke_all(),
            Side::ESeries => world.stage.e.uninstall(),
        }
        world.stir(id).await;
        let inbox = world.sql_count("select count(*) from inbox").await;
        world.settle().await;
        let status = world.get("/status").await;
        assert_eq!(status["state"], "needs_attention", "{case}: {status}");
        let reason = status["state_reason"].as_str().unwrap();
        let name = if side == Side::RSeries { "R-Series" } else { "E-Series" };
        assert!(reason.contains(name) && reason.len() > 30, "{case}: {reason:?} tells a merchant nothing");
        assert_eq!((&status["waiting"], world.attempts().await), (&json!(1), 0), "{case}: {status}");

        // Notices are still taken in, and nobody is called any more.
        world.clear_calls();
        world.stage.r.sell(id, 1, 1);
        world.stage.r.restock(id, 1, 1);
        world.sweep().await;
        assert!(
            world.sql_count("select count(*) from inbox").await > inbox,
            "{case}: notices are turned away"
        );
        assert_eq!(
            (world.reached(Side::RSeries).len(), world.reached(Side::ESeries).len()),
            (0, 0),
            "{case}"
        );

        // Resumed without anything being better, it says so again.
        world.resume().await;
        world.settle().await;
        assert_eq!(world.get("/status").await["state"], "needs_attention", "{case}, resumed in vain");
        assert_eq!(world.writes(), 0, "{case}: written on one side while the other is away");

        // Let in again: new credentials, sealed as a connect would.
        let (access, refresh) = world.stage.r.issue_tokens();
        let fresh = [
            ("r_access_token", access),
            ("r_refresh_token", refresh),
            ("e_access_token", world.stage.e.issue_token()),
        ];
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(7));
        let vault = Vault::new(&SecretString::from(KEY)).unwrap();
        let mut db = world.store.begin().await.unwrap();
        for (kind, token) in fresh {
            let sealed = vault.seal(&ids, world.connection, kind, &SecretString::from(token)).unwrap();
            let now = world.clock.now();
            connections::put_secret(&mut db, world.connection, kind, &sealed, vault.key_id(), now)
                .await
                .unwrap();
        }
        db.commit().await.unwrap();
        world.restart_worker(1);
        world.resume().await;
        world.sweep().await;
        world.check_stirred(id, &case).await;
        assert_eq!(world.get("/status").await["state"], "active", "{case}");
    }
}

//! Several processes on one database: each connection is worked on by one of them at a time.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use concord::clock::{Clock, after};
use concord::connections::Accounts;
use concord::connections::tenure::{EXTEND, LEASE};
use concord::ids::ConnectionId;
use concord::queue::Worker;
use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Plan, World, mug};

/// One process.
struct Replica {
    accounts: Arc<Accounts>,
    worker: Worker,
    id: Uuid,
    place: Option<&'static str>,
}

impl Replica {
    fn of(world: &World, number: u64, place: Option<&'static str>) -> Self {
        let house = world.another_house(number);
        house.desk.accounts.begin_tenure();
        let id = Uuid::from_u128(number.into());
        Self { accounts: house.desk.accounts.clone(), worker: house.worker, id, place }
    }

    /// What happens every few seconds; gives what it works on afterwards.
    async fn extend(&self, world: &World) -> Vec<ConnectionId> {
        self.accounts.extend_tenure(self.id, self.place, false).await.unwrap();
        self.mine(world)
    }

    fn mine(&self, world: &World) -> Vec<ConnectionId> {
        self.accounts.mine(world.clock.now()).unwrap()
    }
}

async fn sell(world: &World) {
    world.stage.r.sell(world.stage.r.items()[0].item_id, 1, 1);
    world.stage.deliver_due().await;
}

/// More connections, to nobody's accounts.
async fn strangers(world: &World, count: i64) {
    world
        .sql(&format!(
            "insert into connections (connection_id, name, state, r_account_id, r_shop_ids, r_primary_shop_id, e_store_id,
                                      plan, settings, created_at, updated_at, sweep_due_at)
             select gen_random_uuid(), 'Stranger', 'active', 5000 + n, '{{1}}', 1, 5000 + n, 'unlimited', '{{}}',
                    now(), now(), '2999-01-01' from generate_series(1, {count}) n"
        ))
        .await;
}

#[tokio::test]
async fn one_process_works_on_a_connection_and_another_takes_over_when_it_falls_silent() {
    // A look that hangs must not be ended by a clock that moves by itself.
    let world = World::with(Plan { time_passes: false, ..Plan::default() }, vec![mug()]).await;
    let (a, b) = (Replica::of(&world, 1, None), Replica::of(&world, 2, None));
    sell(&world).await;
    assert!(!a.worker.visit().await.unwrap(), "nothing without a lease");
    assert_eq!(a.extend(&world).await, [world.connection]);
    assert_eq!(b.extend(&world).await, []);
    assert!(!b.worker.step().await.unwrap(), "it belongs to the other");
    assert!(a.worker.visit().await.unwrap());

    // As long as it says that it lives, it keeps it.
    for _ in 0..8 {
        world.clock.advance(EXTEND);
        assert_eq!(a.extend(&world).await, [world.connection]);
        assert_eq!(b.extend(&world).await, []);
    }
    // Then it dies in the middle of a visit, with a claim.
    sell(&world).await;
    let met = world.stage.r.faults().met();
    world.stage.r.faults().next(Aim::Read, Fault::HangBefore);
    tokio::select! {
        stepped = a.worker.step() => panic!("the look hangs: {stepped:?}"),
        () = async {
            while world.stage.r.faults().met() == met {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let died = world.clock.now();
    while b.extend(&world).await.is_empty() {
        world.clock.advance(Duration::from_millis(500));
    }
    let took = (world.clock.now() - died).to_std().unwrap();
    assert!(took <= LEASE, "taken over after {took:?}");
    assert!(took + EXTEND < Duration::from_secs(15), "in 15 seconds, whenever its successor looks");
    assert!(b.worker.visit().await.unwrap(), "what the dead one had claimed need not wait for its lease");

    // The dead one was not dead: it finds out, and works on nothing.
    assert_eq!(a.mine(&world), []);
    assert!(a.accounts.engage(world.connection).is_none());
    assert_eq!(a.extend(&world).await, []);
    sell(&world).await;
    assert!(!a.worker.step().await.unwrap());
    while b.worker.visit().await.unwrap() {}
    // Whoever looks at the database sees both of them, and who has it.
    assert_eq!(world.sql_count("select count(*) from replicas").await, 2);
    world.settle().await;
    world.check_laws().await;
}

#[tokio::test]
async fn who_ends_leaves_its_connections_to_others_at_once() {
    let world = World::with_a_mug().await;
    let (a, b) = (Replica::of(&world, 1, None), Replica::of(&world, 2, None));
    a.extend(&world).await;
    b.extend(&world).await;
    sell(&world).await;
    assert!(a.worker.visit().await.unwrap());
    // While a hand is at work nothing is left; afterwards all of it is.
    let engaged = a.accounts.engage(world.connection).unwrap();
    a.accounts.extend_tenure(a.id, None, true).await.unwrap();
    assert_eq!(b.extend(&world).await, []);
    drop(engaged);
    a.accounts.extend_tenure(a.id, None, true).await.unwrap();
    assert_eq!(b.extend(&world).await, [world.connection]);
    assert_eq!(a.mine(&world), []);

    let c = Replica::of(&world, 3, None);
    b.accounts.end_tenure(b.id).await.unwrap();
    assert_eq!(c.extend(&world).await, [world.connection]);
    assert_eq!(world.sql_count("select count(*) from replicas").await, 2, "the one that ended is forgotten");
}

#[tokio::test]
async fn who_starts_where_another_was_knows_that_it_is_gone() {
    let world = World::with_a_mug().await;
    let a = Replica::of(&world, 1, Some("here"));
    a.extend(&world).await;
    sell(&world).await;
    let elsewhere = Replica::of(&world, 2, Some("there"));
    assert_eq!(elsewhere.extend(&world).await, []);
    elsewhere.accounts.end_tenure(elsewhere.id).await.unwrap();
    let again = Replica::of(&world, 3, Some("here"));
    assert_eq!(again.extend(&world).await, [world.connection]);
    assert!(again.worker.visit().await.unwrap());
    // The one before was only about to end, and does not drive out who came after it.
    assert_eq!(a.extend(&world).await, []);
    assert_eq!(again.extend(&world).await, [world.connection]);
}

#[tokio::test]
async fn connections_are_divided_among_those_who_live() {
    let world = World::with_a_mug().await;
    strangers(&world, 6).await;
    let replicas: Vec<Replica> = (1..=3).map(|number| Replica::of(&world, number, None)).collect();
    assert_eq!(replicas[0].extend(&world).await.len(), 7);
    let mut parts = Vec::new();
    for _ in 0..4 {
        parts.clear();
        for replica in &replicas {
            parts.push(replica.extend(&world).await);
        }
    }
    let mut lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
    lengths.sort_unstable();
    assert_eq!(lengths.iter().sum::<usize>(), 7, "{lengths:?}");
    assert!(lengths[2] <= 3 && lengths[0] >= 1, "{lengths:?}");
    let mut all: Vec<ConnectionId> = parts.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 7, "no connection is with two");

    // Two fall silent: the third has all of them.
    world.clock.advance(LEASE);
    assert_eq!(replicas[2].extend(&world).await.len(), 7);
    // Paused connections need nobody.
    world.sql("update connections set state = 'paused' where name = 'Stranger'").await;
    assert_eq!(replicas[2].extend(&world).await, [world.connection]);
    // But while a preview of one is under way, somebody has to make it.
    let path = format!("/v1/connections/{}", world.connection);
    assert_eq!(world.call("POST", &format!("{path}/pause"), None).await.0, StatusCode::OK);
    assert_eq!(replicas[2].extend(&world).await, []);
    let preview = Some(json!({"mode": "preview"}));
    let (status, run) = world.call("POST", &format!("{path}/syncs"), preview).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{run}");
    assert_eq!(replicas[2].extend(&world).await, [world.connection]);
    let run = format!("/syncs/{}", run["id"].as_str().unwrap());
    for _ in 0..20 {
        assert_eq!(replicas[2].extend(&world).await, [world.connection]);
        while replicas[2].worker.step().await.unwrap() {}
        if world.get(&run).await["state"] == "done" {
            break;
        }
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.get(&run).await["state"], "done");
    assert_eq!(replicas[2].extend(&world).await, [], "and then nobody again");
}

#[tokio::test]
async fn a_successor_counts_on_from_what_was_called() {
    let world = World::with_a_mug().await;
    let (a, b) = (Replica::of(&world, 1, None), Replica::of(&world, 2, None));
    a.extend(&world).await;
    b.extend(&world).await;
    let before = world.stage.e.calls().len();
    for _ in 0..5 {
        sell(&world).await;
        while a.worker.visit().await.unwrap() {}
    }
    let made = i64::try_from(world.stage.e.calls().len() - before).unwrap();
    assert!(made >= 5);
    world.clock.advance(EXTEND);
    a.extend(&world).await;
    let now = world.clock.now().timestamp();
    let written = format!(
        "select sum((pair->>1)::bigint)::bigint from leases, jsonb_array_elements(e_calls) pair
         where (pair->>0)::bigint <= {now}"
    );
    assert_eq!(world.sql_count(&written).await, made, "what was called is written down");
    let ahead = written.replace("<=", ">");
    assert_eq!(world.sql_count(&ahead).await, 240, "and what may follow");
    world.clock.set(after(world.clock.now(), LEASE));
    assert_eq!(b.extend(&world).await, [world.connection]);
    let known = "select sum((pair->>1)::bigint)::bigint from leases, jsonb_array_elements(e_calls) pair";
    assert_eq!(world.sql_count(known).await, made + 240 + 240);
}

#[tokio::test]
async fn a_process_without_the_lease_still_answers_its_callers_from_a_reserve() {
    let world = World::with(Plan { relay: false, ..Plan::default() }, vec![mug()]).await;
    let a = Replica::of(&world, 1, None);
    a.extend(&world).await;
    // The front desk's process has none.
    world.accounts.begin_tenure();
    let row = {
        let mut db = world.store.begin().await.unwrap();
        concord::store::connections::get(&mut db, world.connection).await.unwrap().unwrap()
    };
    world.accounts.extend_tenure(Uuid::from_u128(9), None, false).await.unwrap();
    assert_eq!(world.accounts.mine(world.clock.now()).unwrap(), []);
    let other = world.another_house(5);
    other.desk.accounts.begin_tenure();
    let e = other.desk.accounts.open(&row).await.unwrap().e;
    let mut let_through = 0;
    while e.profile().await.is_ok() {
        let_through += 1;
    }
    assert_eq!(let_through, concord::platforms::gate::RESERVE);
    // In a minute there is room again.
    world.clock.advance(Duration::from_secs(60));
    assert!(e.profile().await.is_ok());
}

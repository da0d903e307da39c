//! The full look: finds what no notice told and no poll can see.

use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;

use crate::support::{Plan, World, decimal, item, mug};

const DAY: Duration = Duration::from_secs(24 * 3600 + 1);

/// Nobody tells of anything.
async fn silent(items: Vec<concord::sandbox::rseries::NewItem>) -> World {
    let world = World::with(Plan { relay: false, ..Plan::default() }, items).await;
    world.stage.e.set_webhook_url(None);
    world.sweep().await;
    world.sweep().await;
    world
}

/// Moves the feeds far ahead, as by a platform whose clock was wrong for a moment: polls see nothing any more.
async fn blind(world: &World) {
    world
        .sql(
            "update cursors set position = jsonb_set(position, '{time}', '\"2030-01-01T00:00:00Z\"')
             where position->'time' <> 'null'",
        )
        .await;
}

async fn looks(world: &World) -> i64 {
    world.sql_count("select count(*) from syncs where mode = 'full_look' and state = 'done'").await
}

#[tokio::test]
async fn what_no_poll_can_see_is_found_within_a_day() {
    let world = silent(vec![mug(), item("Teapot", "POT-1", "39", 3), item("Old", "OLD-1", "1", 1)]).await;
    let [mug, pot, old] = [1, 2, 3];
    blind(&world).await;
    let web = world.product_of(pot).unwrap().id;
    world.stage.r.rename(mug, "Renamed in secret");
    world.stage.e.reprice(web, decimal("41"));
    world.stage.r.merge_away(old);
    for _ in 0..3 {
        world.sweep().await;
    }
    assert_eq!(world.product_of(mug).unwrap().name, "Stoneware mug", "no poll sees it");
    assert_eq!(looks(&world).await, 0, "not before its time");

    world.clock.advance(DAY);
    world.settle().await;
    assert_eq!(looks(&world).await, 1);
    assert_eq!(world.product_of(mug).unwrap().name, "Renamed in secret");
    assert_eq!(world.pair(pot).0.online_price, Some(decimal("41")));
    let parked = world.get("/parked").await;
    assert_eq!(parked["items"][0]["sku"], "OLD-1", "{parked}");
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("no longer exists"), "{parked}");
    assert!(world.product_of(old).is_some(), "absence is never a deletion");
    let status = world.get("/status").await;
    assert_eq!(status["sync"]["mode"], "full_look", "{status}");
    world.check_equal();
}

#[tokio::test]
async fn a_full_look_over_what_is_in_step_writes_nothing_and_costs_a_call_a_hundred_records() {
    let items = (0..230).map(|n| item(&format!("Thing {n}"), &format!("T-{n}"), "5", 4)).collect();
    let world = silent(items).await;
    // The first one meets products that were born since the first look; the second one only what is new.
    world.clock.advance(DAY);
    world.settle().await;
    world.stage.r.archive(1);
    world.sweep().await;
    world.clear_calls();
    world.clock.advance(DAY);
    world.settle().await;
    assert_eq!(looks(&world).await, 2);
    assert_eq!(world.writes(), 0);
    let r = world.stage.r.calls();
    let pages = r.iter().filter(|call| call.query.contains("sort=itemID")).count();
    assert_eq!(pages, 3, "230 items");
    let listed = world.stage.e.calls().len();
    // The polls of a round, the tree of categories and a walk over the pictures are among them.
    assert!(r.len() + listed < 28, "{} and {listed} calls", r.len());
    assert!(world.product_of(1).is_none());
}

#[tokio::test]
async fn a_full_look_survives_restarts_and_a_broken_platform() {
    let items = (0..130).map(|n| item(&format!("Thing {n}"), &format!("T-{n}"), "5", 4)).collect();
    let mut world = silent(items).await;
    blind(&world).await;
    world.stage.r.rename(120, "In secret");
    world.stage.r.merge_away(7);
    world.clock.advance(DAY);
    for round in 0..40 {
        world.stage.r.faults().next(Aim::Read, Fault::Status { status: 503, retry_after: None });
        world.restart_worker(round);
        world.worker.step().await.unwrap();
        world.clock.advance(Duration::from_secs(2));
    }
    world.stage.r.faults().heal();
    world.settle().await;
    world.clock.advance(Duration::from_secs(120));
    world.settle().await;
    assert_eq!(looks(&world).await, 1);
    assert_eq!(world.product_of(120).unwrap().name, "In secret");
    assert_eq!(world.get("/parked").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_pause_is_a_setting_and_a_run_that_was_asked_for_counts() {
    let world = silent(vec![mug()]).await;
    let path = format!("/v1/connections/{}", world.connection);
    let set = |hours: i64| Some(json!({"settings": {"full_look_hours": hours}}));
    world.call("PATCH", &path, set(0)).await;
    world.clock.advance(DAY * 3);
    world.settle().await;
    assert_eq!(looks(&world).await, 0, "0 is never");
    world.call("POST", &format!("{path}/syncs"), Some(json!({"mode": "apply"}))).await;
    world.settle().await;
    world.call("PATCH", &path, set(2)).await;
    world.clock.advance(Duration::from_secs(2 * 3600 - 60));
    world.settle().await;
    assert_eq!(looks(&world).await, 0);
    world.sweep().await;
    assert_eq!(looks(&world).await, 1);
    world.sweep().await;
    assert_eq!(looks(&world).await, 1);
}

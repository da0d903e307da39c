//! Plan limits: exactly what fits is online, the rest is listed with its reason, and goes on by itself.

use std::time::Duration;

use axum::http::StatusCode;
use concord::sandbox::rseries::NewMatrix;
use serde_json::{Value, json};

use super::variants::variant;
use crate::support::{Plan, World, item};

/// A matrix of so many variants.
fn matrix(name: &str, variants: i64) -> NewMatrix {
    let one = |number: i64| variant([&format!("V{number}"), "M", ""], &format!("{name}-{number}"), "9.5", 2);
    NewMatrix { description: name.into(), variants: (0..variants).map(one).collect(), ..NewMatrix::default() }
}

impl World {
    async fn patch(&self, change: Value) -> Value {
        let (status, body) =
            self.call("PATCH", &format!("/v1/connections/{}", self.connection), Some(change)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    async fn plan(&self) -> Value {
        self.get("/status").await["plan"].clone()
    }

    /// Products and variants online, counted on E-Series itself.
    fn pieces_online(&self) -> usize {
        let pieces = |product: i64| self.stage.e.variations(product).len().max(1);
        self.stage.e.products().iter().map(|product| pieces(product.id)).sum()
    }

    /// A shop of 84 items and six matrices of six: 120 pieces.
    async fn with_a_full_shop(plan: &str) -> Self {
        let mut world = Self::open(Plan::default()).await;
        for number in 0..84 {
            world.stage.r.create_item(item(&format!("Thing {number}"), &format!("T-{number}"), "5", 1));
            if number % 14 == 0 {
                world.stage.r.create_matrix(matrix(&format!("Shirt {number}"), 6)).unwrap();
            }
        }
        world.connect_on_plan(plan).await;
        world.settle().await;
        world
    }
}

#[tokio::test]
async fn a_hundred_fit_and_the_rest_goes_on_once_the_plan_is_raised() {
    let world = World::with_a_full_shop("venture").await;
    assert_eq!(world.pieces_online(), 100, "exactly what fits");
    for product in world.stage.e.products() {
        assert!([0, 6].contains(&world.stage.e.variations(product.id).len()), "never half a matrix");
    }
    let plan = world.plan().await;
    assert_eq!((&plan["name"], &plan["limit"], &plan["used"]), (&json!("venture"), &json!(100), &json!(100)));
    assert_eq!((&plan["waiting_for"], &plan["excess"]), (&json!(20), &json!(0)), "{plan}");
    let parked = world.get("/parked?limit=100").await;
    let parked = parked["items"].as_array().unwrap();
    assert_eq!(json!(parked.len()), plan["waiting"], "{parked:#?}");
    let reason = parked[0]["reason"].as_str().unwrap();
    assert!(reason.contains("room for 100") && reason.contains("upgrade the plan"), "{reason}");

    world.clear_calls();
    world.sweep().await;
    assert_eq!(world.writes(), 0, "who waits for room is not tried again and again");

    world.patch(json!({"plan": "business"})).await;
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.pieces_online(), 120);
    let status = world.get("/status").await;
    assert_eq!((&status["parked"], &status["plan"]["waiting"]), (&json!(0), &json!(0)), "{status}");
    world.check_laws().await;
}

#[tokio::test]
async fn a_removal_makes_room_for_one_who_waits() {
    let world = World::with_a_full_shop("venture").await;
    let gone = world.stage.e.products().iter().find(|product| product.name.starts_with("Thing")).unwrap().id;
    world.stage.e.delete_product(gone);
    world.settle().await;
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.pieces_online(), 100, "a simple product took its place");
    assert_eq!(world.plan().await["waiting_for"], 19);
}

#[tokio::test]
async fn a_store_that_says_it_is_full_is_believed_until_it_tells_another_limit() {
    let mut world = World::open(Plan::default()).await;
    for number in 0..8 {
        world.stage.r.create_item(item(&format!("Thing {number}"), &format!("T-{number}"), "5", 1));
    }
    world.connect().await;
    // Lowered since Concord asked.
    world.stage.e.set_max_product_limit(5);
    world.settle().await;
    assert_eq!(world.stage.e.products().len(), 5);
    let plan = world.plan().await;
    assert_eq!((&plan["store_limit"], &plan["waiting"]), (&json!(5), &json!(3)), "{plan}");
    let reason = world.get("/parked").await["items"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("has no room") || reason.contains("takes 5 products"), "{reason}");
    world.clear_calls();
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.writes(), 0, "the limit is no error to be tried again");

    world.stage.e.set_max_product_limit(7);
    world.clock.advance(Duration::from_secs(11 * 60));
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.stage.e.products().len(), 7);
    let plan = world.plan().await;
    assert_eq!((&plan["store_limit"], &plan["waiting"]), (&json!(7), &json!(1)), "{plan}");

    world.stage.e.set_max_product_limit(100);
    world.clock.advance(Duration::from_secs(11 * 60));
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.stage.e.products().len(), 8);
    world.check_laws().await;
}

#[tokio::test]
async fn a_downgrade_removes_nothing_and_is_told() {
    let world = World::with_a_full_shop("business").await;
    assert_eq!(world.pieces_online(), 120);
    world.patch(json!({"plan": "venture"})).await;
    world.sweep().await;
    world.stage.r.create_item(item("One more", "MORE", "5", 1));
    world.sweep().await;
    assert_eq!(world.pieces_online(), 120);
    let plan = world.plan().await;
    assert_eq!((&plan["excess"], &plan["waiting"]), (&json!(20), &json!(1)), "{plan}");
    // What is online stays in step.
    let some = world.stage.r.items().iter().find(|item| item.custom_sku == "T-3").unwrap().item_id;
    world.stage.r.rename(some, "Renamed");
    world.settle().await;
    assert_eq!(world.pair(some).1.name, "Renamed");
}

#[tokio::test]
async fn a_store_over_its_limit_that_refuses_updates_gets_them_once_there_is_room() {
    let mut world = World::open(Plan::default()).await;
    let mut items = Vec::new();
    for number in 0..3 {
        items.push(world.stage.r.create_item(item(
            &format!("Thing {number}"),
            &format!("T-{number}"),
            "5",
            1,
        )));
    }
    world.connect().await;
    world.settle().await;
    world.stage.e.habits(|habits| habits.limit_blocks_updates = true);
    world.stage.e.set_max_product_limit(2);
    world.stage.r.rename(items[0], "Renamed");
    world.sweep().await;
    let status = world.get("/status").await;
    assert_eq!(status["parked"], 1, "{status}");
    world.stage.e.set_max_product_limit(10);
    world.clock.advance(Duration::from_secs(11 * 60));
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.pair(items[0]).1.name, "Renamed");
    world.check_laws().await;
}

#[tokio::test]
async fn beyond_seventy_thousand_nothing_is_added_until_support_was_asked() {
    let mut world = World::open(Plan::default()).await;
    world.stage.e.set_max_product_limit(1_000_000);
    world.stage.r.create_item(item("One", "ONE", "5", 1));
    world.connect().await;
    world.settle().await;
    world
        .sql(
            "insert into links (connection_id, product_id, e_product_id, standing, name, created_at)
             select connection_id, gen_random_uuid(), 1000000 + n, 'only_online', 'Old ' || n, now()
             from connections cross join generate_series(1, 69999) n",
        )
        .await;
    // A new process counts anew.
    world.restart_worker(1);
    let more = world.stage.r.create_item(item("One more", "MORE", "5", 1));
    world.sweep().await;
    assert!(world.product_of(more).is_none());
    let reason = world.get("/parked").await["items"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("Lightspeed Support"), "{reason}");
    world.patch(json!({"settings": {"support_asked": true}})).await;
    world.sweep().await;
    assert!(world.product_of(more).is_some());
    assert_eq!(world.plan().await["pieces_limit"], Value::Null);
}

//! What the lists of E-Series do not show yet, and what is there twice all the same: it is found, or somebody is asked.

use std::time::Duration;

use serde_json::{Value, json};

use super::variants::shirt;
use crate::support::{Plan, World, item, mug};

fn on_the_web(name: &str, sku: &str) -> Value {
    json!({"name": name, "sku": sku, "price": 4, "quantity": 2, "unlimited": false, "enabled": true})
}

impl World {
    /// Its lists show what was written five seconds later, and no sooner.
    fn lag(&self) {
        self.stage.e.habits(|habits| (habits.index_lag_min_seconds, habits.index_lag_max_seconds) = (5, 5));
    }

    async fn reviews(&self) -> Vec<Value> {
        self.get("/reviews").await["items"].as_array().unwrap().clone()
    }

    async fn say(&self, review: &Value, link_to: Value) -> (u16, Value) {
        let path = format!("/reviews/{}/resolve", review["product_id"].as_str().unwrap());
        self.order(&path, Some(json!({ "link_to": link_to }))).await
    }

    /// Calls on E-Series that list products which changed since some time.
    fn lists(&self) -> usize {
        let lists = |query: &str| query.contains("updatedFrom");
        self.stage.e.calls().iter().filter(|call| lists(&call.query)).count()
    }
}

#[tokio::test]
async fn what_came_to_the_web_a_moment_before_is_there_for_the_first_run() {
    for mode in ["preview", "apply"] {
        let mut world = World::open(Plan { relay: false, ..Plan::default() }).await;
        world.lag();
        world.stage.r.create_item(item("Cup", "CUP-1", "4", 2));
        world.stage.r.create_item(item("Spoon", "", "4", 2));
        world.stage.r.create_item(mug());
        world.stage.r.create_matrix(shirt()).unwrap();
        world.stage.e.create_product(on_the_web("Cup", "cup-1"));
        world.stage.e.create_product(on_the_web("Spoon", "S-1"));
        let web_mug = world.stage.e.create_product(on_the_web("Stoneware mug", "MUG-1"));
        let web_shirt = world.stage.e.create_product(on_the_web("Shirt", "SHIRT"));
        let small = shirt().variants.remove(0).custom_sku.to_lowercase();
        world
            .stage
            .e
            .add_variation(
                web_shirt,
                json!({"sku": small, "price": 4, "options": [{"name": "Size", "value": "S"}]}),
            )
            .unwrap();
        world.clock.advance(Duration::from_secs(1));
        world.connect().await;
        if mode == "preview" {
            let run = world.get("/status").await["sync"]["id"].as_str().unwrap().to_owned();
            assert_eq!(world.order(&format!("/syncs/{run}/cancel"), None).await.0, 200);
            assert_eq!(world.order("/pause", None).await.0, 200);
            let run = world.begin("preview").await;
            world.settle().await;
            let run = world.get(&run).await;
            let actions = &run["summary"]["preview"]["actions"];
            assert_eq!((&actions["review"], &actions["link"]), (&json!(3), &json!(1)), "{run}");
            assert_eq!(actions.get("create"), None, "{run}");
            continue;
        }
        world.settle().await;
        let reviews = world.reviews().await;
        let mut codes: Vec<&str> = reviews.iter().map(|review| review["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["sku_case", "sku_case", "sku_missing"], "{reviews:#?}");
        assert_eq!(world.stage.e.products().len(), 4, "nothing is there twice");
        assert_eq!(world.get("/products?sku=MUG-1").await["items"][0]["e_series"]["id"], web_mug.to_string());
    }
}

#[tokio::test]
async fn a_store_at_rest_is_not_waited_for() {
    for (rested, lists) in [(3_600, 1), (1, 2)] {
        let mut world = World::open(Plan { relay: false, ..Plan::default() }).await;
        world.lag();
        world.stage.r.create_item(mug());
        world.stage.e.create_product(on_the_web("Cup", "CUP-1"));
        world.clock.advance(Duration::from_secs(rested));
        world.connect().await;
        let run = world.get("/status").await["sync"]["id"].as_str().unwrap().to_owned();
        let mut listed = 0;
        for _ in 0..400 {
            world.worker.step().await.unwrap();
            if world.product_of(1).is_some() {
                break;
            }
            listed = world.lists();
            world.clock.advance(Duration::from_millis(100));
        }
        assert!(world.product_of(1).is_some(), "{}", world.get("/status").await);
        let (began, now) = (crate::support::start_of_time(), world.clock_now());
        let waited = (now - began).num_seconds() - i64::try_from(rested).unwrap();
        assert!(if rested == 1 { (15..20).contains(&waited) } else { waited < 10 }, "{waited} seconds");
        assert!(listed >= lists, "{listed} lists in run {run}");
    }
}

/// A mug in step, and a product of the web that may be the same.
async fn perhaps_twice(policy: &str, sku: &str, twin: Value) -> (World, i64) {
    let mut world = World::open(Plan { relay: false, ..Plan::default() }).await;
    world.stage.r.create_item(item("Cup", sku, "4", 2));
    world.connect().await;
    world.set(json!({ "born_online": policy })).await;
    world.settle().await;
    assert!(world.product_of(1).is_some());
    let twin = world.stage.e.create_product(twin);
    world.settle().await;
    (world, twin)
}

#[tokio::test]
async fn what_may_be_on_the_web_twice_is_asked_about_once() {
    for policy in ["ask", "auto"] {
        for (sku, twin, code) in [
            ("CUP-1", on_the_web("Cup", "cup-1"), "sku_case"),
            ("", on_the_web("Cup", "WEB-7"), "sku_missing"),
        ] {
            let (world, twin) = perhaps_twice(policy, sku, twin).await;
            let reviews = world.reviews().await;
            let [review] = reviews.as_slice() else { panic!("{policy}, {code}: {reviews:#?}") };
            let own = world.product_of(1).unwrap().id;
            assert_eq!(review["code"], code, "{review}");
            assert_eq!(review["candidates"][0]["e_product_id"], own, "{review}");
            assert_eq!(review["candidates"][0]["tied"], true, "{review}");
            assert_eq!(world.stage.r.items().len(), 1, "{policy}, {code}: nothing is created in doubt");
            for wrong in [own, twin] {
                let (status, problem) = world.say(review, json!(wrong)).await;
                assert_eq!(status, 422, "{problem}");
                assert!(problem["detail"].as_str().unwrap().contains("create"), "{problem}");
            }
            assert_eq!(world.say(review, json!("create")).await.0, 202);
            world.settle().await;
            assert_eq!(world.reviews().await, [] as [Value; 0]);
            // Said is said, whatever becomes of it.
            world.stage.e.edit_product(twin, json!({"price": 5}));
            world.settle().await;
            assert_eq!(world.reviews().await, [] as [Value; 0], "{policy}, {code}");
            assert_eq!(world.stage.e.products().len(), 2);
        }
    }
}

#[tokio::test]
async fn a_doubt_about_the_web_alone_goes_with_its_reason() {
    let (world, twin) = perhaps_twice("ask", "CUP-1", on_the_web("Cup", "cup-1")).await;
    assert_eq!(world.reviews().await.len(), 1);
    world.stage.r.set_sku(1, "CUP-2");
    world.sweep().await;
    assert_eq!(world.reviews().await, [] as [Value; 0], "the other one has a SKU of its own now");
    let row = world.get(&format!("/products/{}", world.id_of(twin, None).await)).await;
    assert_eq!(row["standing"], "only_online", "{row}");

    // And when the one too many is deleted, be it ours.
    let other = json!({"name": "Old cup", "sku": "cup-1", "price": 9, "quantity": 7, "unlimited": false});
    let (world, twin) = perhaps_twice("ask", "CUP-1", other).await;
    world.stage.e.delete_product(world.product_of(1).unwrap().id);
    world.settle().await;
    let own = world.get("/products?sku=CUP-1").await["items"][0].clone();
    let (status, answer) = world.decide(own["id"].as_str().unwrap(), "recreate").await;
    assert_eq!(status, 202, "{answer}");
    world.settle().await;
    let reviews = world.reviews().await;
    let [review] = reviews.as_slice() else { panic!("{reviews:#?}") };
    assert_eq!((&review["code"], &review["sku"]), (&json!("sku_case"), &json!("CUP-1")), "{review}");
    assert_eq!(world.say(review, json!(twin)).await.0, 202);
    world.settle().await;
    assert_eq!(world.stage.e.products().len(), 1);
    let tied = world.stage.e.product(twin).unwrap();
    assert_eq!(
        (tied.sku.as_str(), tied.name.as_str(), tied.quantity),
        ("CUP-1", "Cup", Some(2)),
        "the shop's word"
    );
    assert_eq!(tied.price, crate::support::decimal("4"));
    world.check_laws().await;
}

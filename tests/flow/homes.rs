//! Items that are put into a matrix stay products by themselves until the matrix can have them: nothing goes from the web
//! for a home that it cannot have.

use std::time::Duration;

use axum::http::StatusCode;
use concord::sandbox::rseries::NewMatrix;
use serde_json::{Value, json};

use super::variants::{shirt, variant};
use crate::support::{Plan, World, item, mug};

/// Two cups in the shop and online, with the ids of their items.
async fn with_two_cups(plan: &str) -> (World, [i64; 2]) {
    let mut world = World::open(Plan::default()).await;
    let ids = ["A", "B"].map(|sku| world.stage.r.create_item(item(&format!("Cup {sku}"), sku, "9", 5)));
    world.connect_on_plan(plan).await;
    world.settle().await;
    (world, ids)
}

impl World {
    /// Makes one matrix of these items, as the shop's own screens do.
    fn make_matrix_of(&self, items: &[i64]) -> i64 {
        let empty = NewMatrix { description: "Cups".into(), variants: Vec::new(), ..shirt() };
        let matrix = self.stage.r.create_matrix(empty).unwrap().0;
        self.later();
        for (id, color) in items.iter().zip(["Red", "Blue"]) {
            self.stage.r.put_into_matrix(*id, matrix, [color, "S", ""]);
        }
        matrix
    }

    fn enable_both(&self, items: [i64; 2], enabled: [bool; 2]) {
        for (id, enabled) in items.into_iter().zip(enabled) {
            self.stage.e.enable(self.product_of(id).unwrap().id, enabled);
        }
    }

    /// A matrix and all of its items come back.
    pub async fn unarchive_whole(&self, matrix: i64) {
        self.stage.r.unarchive_matrix(matrix);
        for item in self.stage.r.items() {
            self.stage.r.unarchive(item.item_id);
        }
        self.settle().await;
        self.sweep().await;
        self.sweep().await;
    }

    async fn only_parked(&self) -> Value {
        let parked = self.get("/parked").await;
        assert_eq!(parked["items"].as_array().unwrap().len(), 1, "{parked}");
        parked["items"][0].clone()
    }
}

#[tokio::test]
async fn on_a_plan_without_variations_items_stay_products_in_step_and_go_when_it_has_them() {
    for told in [true, false] {
        let (world, ids) = with_two_cups("unlimited").await;
        // The profile says so, or the store refuses a variation without having said so.
        world.stage.e.habits(|habits| habits.plan_has_variations = false);
        if told {
            world.clock.advance(Duration::from_secs(25 * 3_600));
            world.sweep().await;
        }
        let matrix = world.make_matrix_of(&ids);
        world.settle().await;
        world.sweep().await;
        if told {
            let parked = world.only_parked().await;
            assert!(parked["reason"].as_str().unwrap().contains("has no variations"), "{parked}");
            let own: Vec<i64> = ids.iter().map(|id| world.product_of(*id).expect("it stays").id).collect();
            assert!(world.stage.e.sell(own[0], 2));
            world.stage.r.sell(ids[1], 1, 1);
            world.settle().await;
            assert_eq!(world.stage.r.item(ids[0]).unwrap().stock[&1], 3, "in step as ever");
            assert_eq!(world.product_of(ids[1]).unwrap().quantity, Some(4));
            let run = world.begin("preview").await;
            world.settle().await;
            let items = world.all(&format!("{run}/items")).await;
            let of_matrix = items.iter().find(|item| !item["r_matrix_id"].is_null()).unwrap();
            assert_eq!(of_matrix["code"], "plan_feature", "{of_matrix}");
        }
        world.stage.e.habits(|habits| habits.plan_has_variations = true);
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(11 * 60));
            world.sweep().await;
        }
        let product = world.product_of_matrix(matrix).expect("it went on by itself");
        assert_eq!(world.stage.e.variations(product).len(), 2, "told: {told}");
        assert!(ids.iter().all(|id| world.product_of(*id).is_none()));
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn items_stay_products_while_the_plan_has_no_room_for_all_of_their_matrix() {
    let (world, ids) = with_two_cups("unlimited").await;
    let limit = |limit: u32| json!({"settings": {"plan_limit": limit}});
    let path = format!("/v1/connections/{}", world.connection);
    assert_eq!(world.call("PATCH", &path, Some(limit(3))).await.0, StatusCode::OK);
    world.settle().await;
    let matrix = world.make_matrix_of(&ids);
    for (color, sku) in [("Green", "C"), ("White", "D")] {
        world.stage.r.add_variant(matrix, variant([color, "S", ""], sku, "9", 1)).unwrap();
    }
    world.settle().await;
    world.sweep().await;
    let parked = world.get("/parked").await;
    assert!(parked.to_string().contains("room for 3"), "{parked}");
    assert!(ids.iter().all(|id| world.product_of(*id).is_some()), "what was online is online");
    world.stage.r.sell(ids[0], 1, 1);
    world.settle().await;
    assert_eq!(world.product_of(ids[0]).unwrap().quantity, Some(4));

    // Four pieces, two of which are online already, fit into four.
    assert_eq!(world.call("PATCH", &path, Some(limit(4))).await.0, StatusCode::OK);
    world.settle().await;
    world.sweep().await;
    world.sweep().await;
    let product = world.product_of_matrix(matrix).expect("all of it fits");
    assert_eq!(world.stage.e.variations(product).len(), 4);
    assert_eq!(world.stage.e.products().len(), 1);
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn items_stay_products_while_it_is_in_doubt_which_product_their_matrix_is() {
    let (world, ids) = with_two_cups("unlimited").await;
    // Another product of the web has one of the SKUs that the matrix will have.
    let other =
        world.stage.e.create_product(json!({"name": "Old cups", "price": 9, "quantity": 1, "sku": "OLD"}));
    world.settle().await;
    let _ = other;
    let empty = NewMatrix { description: "Cups".into(), variants: Vec::new(), ..shirt() };
    let matrix = world.stage.r.create_matrix(empty).unwrap().0;
    world.stage.r.add_variant(matrix, variant(["Green", "S", ""], "old", "9", 1)).unwrap();
    world.later();
    for (id, color) in ids.iter().zip(["Red", "Blue"]) {
        world.stage.r.put_into_matrix(*id, matrix, [color, "S", ""]);
    }
    world.settle().await;
    world.sweep().await;
    assert!(ids.iter().all(|id| world.product_of(*id).is_some()), "what was online is online");
    let parked = world.get("/parked").await.to_string();
    assert!(parked.contains("OLD") || parked.contains("old"), "{parked}");
}

#[tokio::test]
async fn a_new_matrix_is_on_offer_if_all_that_goes_into_it_was() {
    for (enabled, offered) in [([true, true], true), ([true, false], false), ([false, false], false)] {
        let (world, ids) = with_two_cups("unlimited").await;
        world.enable_both(ids, enabled);
        world.settle().await;
        let matrix = world.make_matrix_of(&ids);
        world.settle().await;
        world.sweep().await;
        let product = world.product_of_matrix(matrix).expect("it is online");
        assert_eq!(world.record(product)["enabled"], offered, "{enabled:?}");
        assert_eq!(world.stage.e.variations(product).len(), 2);
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_variant_that_becomes_an_item_of_its_own_is_on_offer_as_it_was() {
    for enabled in [true, false] {
        let (world, _, product) = World::with_a_shirt().await;
        world.stage.e.enable(product, enabled);
        world.settle().await;
        let item = world.item_called("TS-R-M");
        world.later();
        world.stage.r.take_out_of_matrix(item);
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.product_of(item).expect("by itself").enabled, enabled);
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_item_that_changes_its_mind_before_it_was_called_stays_what_it_was() {
    let (world, matrix, _) = World::with_a_shirt().await;
    let id = world.stage.r.create_item(mug());
    world.settle().await;
    let own = world.product_of(id).unwrap().id;
    world.later();
    world.stage.r.put_into_matrix(id, matrix, ["White", "S", ""]);
    world.stage.r.take_out_of_matrix(id);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.product_of(id).map(|product| product.id), Some(own));
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_matrix_that_is_archived_with_items_on_their_way_to_it_comes_back_whole() {
    let (world, matrix, _) = World::with_a_shirt().await;
    let id = world.stage.r.create_item(mug());
    world.settle().await;
    world.later();
    world.stage.r.put_into_matrix(id, matrix, ["White", "S", ""]);
    world.stage.r.take_out_of_matrix(world.item_called("TS-R-S"));
    world.stage.r.archive_matrix(matrix);
    world.sweep().await;
    world.sweep().await;
    let at = world.clock_now();
    world.unarchive_whole(matrix).await;
    let took = world.clock_now() - at;
    let product = world.product_of_matrix(matrix).expect("it is back");
    assert_eq!(world.stage.e.variations(product).len(), 4);
    assert!(took.num_seconds() < 300, "it took {took}");
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn an_item_that_cannot_be_a_variation_stays_a_product_in_step_and_the_matrix_says_so() {
    for attributes in [["Red", "S", ""], ["", "", ""]] {
        let (world, matrix, _) = World::with_a_shirt().await;
        let id = world.stage.r.create_item(mug());
        world.settle().await;
        let own = world.product_of(id).unwrap().id;
        world.later();
        world.stage.r.put_into_matrix(id, matrix, attributes);
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.product_of(id).map(|product| product.id), Some(own), "{attributes:?}");
        let parked = world.only_parked().await;
        let reason = parked["reason"].as_str().unwrap();
        assert!(reason.contains("Stoneware mug") && reason.contains("attributes of its own"), "{reason}");
        assert_eq!((&parked["r_series"]["id"], &parked["variants"]), (&json!(matrix.to_string()), &json!(4)));
        world.stage.r.sell(id, 1, 1);
        world.settle().await;
        assert_eq!(world.product_of(id).unwrap().quantity, Some(9), "in step as ever");
        let at_rest = world.ledger().await.len();
        world.sweep().await;
        world.sweep().await;
        assert_eq!(world.ledger().await.len(), at_rest, "it is told once");

        world.later();
        world.stage.r.set_attributes(id, ["White", "S", ""]);
        world.settle().await;
        world.sweep().await;
        assert!(world.product_of(id).is_none(), "it is a variation now");
        let product = world.product_of_matrix(matrix).unwrap();
        assert_eq!(world.stage.e.variations(product).len(), 5);
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn of_two_items_with_the_same_attributes_a_new_matrix_takes_the_first() {
    let (world, ids) = with_two_cups("unlimited").await;
    world.enable_both(ids, [true, true]);
    world.settle().await;
    let matrix = world.make_matrix_of(&ids);
    world.stage.r.set_attributes(ids[1], ["Red", "S", ""]);
    world.settle().await;
    world.sweep().await;
    let product = world.product_of_matrix(matrix).expect("it is online");
    assert_eq!(world.record(product)["enabled"], true, "what goes into it was on offer");
    assert_eq!(world.stage.e.variations(product).len(), 1);
    assert!(world.product_of(ids[0]).is_none() && world.product_of(ids[1]).is_some());
    world.later();
    world.stage.r.set_attributes(ids[1], ["Blue", "S", ""]);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.stage.e.variations(product).len(), 2);
    assert_eq!(world.stage.e.products().len(), 1);
    world.check_laws().await;
    world.check_quiet().await;
}

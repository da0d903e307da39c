//! Which category a product is in, both ways within the shop's tree.

use concord::clock::Clock;
use serde_json::{Value, json};

use super::categories::number;
use super::variants::shirt;
use crate::support::{Plan, World, item, mug};

impl World {
    /// A mug in the first of two categories, connected and quiet: item, product, both categories on both sides.
    async fn with_a_mug_in_a_category() -> (Self, i64, i64, [i64; 2], [i64; 2]) {
        let mut world = Self::open(Plan::default()).await;
        let ids = world.plant(&[("Kitchen", None), ("Mugs", Some(0))]);
        let item = world.stage.r.create_item(mug());
        world.stage.r.set_category(item, ids[0]);
        world.connect().await;
        world.settle().await;
        let product = world.product_of(item).expect("it is online").id;
        let tied = world.tied().await;
        (world, item, product, [ids[0], ids[1]], [tied[&ids[0]], tied[&ids[1]]])
    }

    fn category_of(&self, item: i64) -> i64 {
        number(&self.stage.r.raw_item(item).unwrap()["categoryID"])
    }

    fn categories_of(&self, product: i64) -> Vec<i64> {
        let record = self.record(product);
        let mut ids: Vec<i64> = record["categoryIds"].as_array().into_iter().flatten().map(number).collect();
        ids.sort_unstable();
        ids
    }

    async fn hold_of(&self, item: i64) -> Value {
        let products = self.get("/products?limit=200").await;
        let products = products["items"].as_array().unwrap();
        let found = products.iter().find(|it| number(&it["r_series"]["id"]) == item).unwrap();
        self.get(&format!("/products/{}", found["id"].as_str().unwrap())).await
    }
}

#[tokio::test]
async fn a_product_is_created_in_its_category_and_follows_the_shop() {
    let (world, item, product, [_, mugs], [kitchen_e, mugs_e]) = World::with_a_mug_in_a_category().await;
    assert_eq!(world.categories_of(product), [kitchen_e]);
    let created = world
        .stage
        .e
        .calls()
        .into_iter()
        .find(|call| call.method == "POST" && call.path.ends_with("/products"));
    let body = created.expect("it was created").body.unwrap();
    assert_eq!(body["categoryIds"], json!([kitchen_e]), "with the creation call itself");
    assert_eq!(world.stage.e.write_calls(), 3, "two categories, one product");
    world.check_rest().await;

    world.stage.r.set_category(item, mugs);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.categories_of(product), [mugs_e]);
    world.stage.r.set_category(item, 0);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.categories_of(product), Vec::<i64>::new());
    world.check_laws().await;
    world.check_rest().await;
    let told = world.ledger().await;
    let write = told.iter().find(|entry| entry["field"] == "category" && entry["kind"] == "write").unwrap();
    assert_eq!(write["before"]["path"], json!(["Kitchen", "Mugs"]), "it says so in words: {write}");
}

#[tokio::test]
async fn the_shop_follows_the_web_within_its_own_tree() {
    let (world, item, product, [_, mugs], [kitchen_e, mugs_e]) = World::with_a_mug_in_a_category().await;
    let own = world.stage.e.create_category(json!({"name": "Sale"}));
    world.stage.e.assign(own, &[product]);
    world.settle().await;
    assert_eq!(world.category_of(item), number(&json!(world.shop_tree()[0].0)), "Sale is none of the shop's");
    world.stage.e.unassign(kitchen_e, &[product]);
    world.stage.e.assign(mugs_e, &[product]);
    world.settle().await;
    assert_eq!(world.category_of(item), mugs);
    let mut both = vec![mugs_e, own];
    both.sort_unstable();
    assert_eq!(world.categories_of(product), both);
    world.check_rest().await;
    // A write leaves what exists online only.
    world.stage.r.set_category(item, 0);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.categories_of(product), [own]);
    world.stage.r.set_category(item, mugs);
    world.settle().await;
    world.sweep().await;
    assert!(world.categories_of(product).contains(&own) && world.categories_of(product).contains(&mugs_e));
    world.stage.e.unassign(mugs_e, &[product]);
    world.settle().await;
    assert_eq!((world.category_of(item), world.categories_of(product)), (0, vec![own]));
    world.check_laws().await;
}

#[tokio::test]
async fn both_sides_at_once_is_a_conflict_that_the_shop_wins() {
    let (world, item, product, [kitchen, _], [kitchen_e, mugs_e]) = World::with_a_mug_in_a_category().await;
    let art = world.stage.r.create_category("Art", 0).unwrap();
    world.sweep().await;
    let art_e = world.tied().await[&art];
    world.stage.r.set_category(item, art);
    world.stage.e.unassign(kitchen_e, &[product]);
    world.stage.e.assign(mugs_e, &[product]);
    world.settle().await;
    world.sweep().await;
    assert_eq!((world.category_of(item), world.categories_of(product)), (art, vec![art_e]));
    let conflicts = world.get("/conflicts").await;
    let conflict = &conflicts["items"][0];
    assert_eq!(
        (&conflict["field"], &conflict["winner"]),
        (&json!("category"), &json!("r_series")),
        "{conflicts}"
    );
    assert_eq!(conflict["e_series"]["path"], json!(["Kitchen", "Mugs"]), "{conflict}");
    assert_ne!(kitchen, art);
    world.check_rest().await;
}

#[tokio::test]
async fn a_product_in_several_of_the_shops_categories_is_held_in_words() {
    let (world, item, product, [kitchen, mugs], [kitchen_e, mugs_e]) =
        World::with_a_mug_in_a_category().await;
    world.stage.e.assign(mugs_e, &[product]);
    world.stage.e.rename(product, "Cup");
    world.settle().await;
    assert_eq!(world.category_of(item), kitchen);
    let mut both = vec![kitchen_e, mugs_e];
    both.sort_unstable();
    assert_eq!(world.categories_of(product), both, "nothing is lost");
    assert_eq!(world.stage.r.item(item).unwrap().description, "Cup", "the other fields go on");
    let detail = world.hold_of(item).await.to_string();
    assert!(detail.contains("several_categories") && detail.contains("Kitchen / Mugs"), "{detail}");
    world.check_rest().await;
    world.stage.e.unassign(kitchen_e, &[product]);
    world.settle().await;
    assert_eq!(world.category_of(item), mugs, "the choice is followed");
    assert!(!world.hold_of(item).await.to_string().contains("several_categories"));
}

#[tokio::test]
async fn a_matrix_takes_its_items_along() {
    let mut world = World::open(Plan::default()).await;
    let ids = world.plant(&[("Shirts", None), ("Sale", None)]);
    let mut new = shirt();
    new.category_id = ids[0];
    let (matrix, items) = world.stage.r.create_matrix(new).unwrap();
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    let tied = world.tied().await;
    assert_eq!(world.categories_of(product), [tied[&ids[0]]]);
    world.stage.e.unassign(tied[&ids[0]], &[product]);
    world.stage.e.assign(tied[&ids[1]], &[product]);
    world.settle().await;
    assert_eq!(number(&world.stage.r.raw_matrix(matrix).unwrap()["categoryID"]), ids[1]);
    for item in &items {
        assert_eq!(world.category_of(*item), ids[1], "reports show the variants where their product is");
    }
    // One item by itself is nobody's business.
    world.stage.r.set_category(items[0], ids[0]);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.categories_of(product), [tied[&ids[1]]]);
    world.check_laws().await;
    world.check_rest().await;
}

#[tokio::test]
async fn a_product_waits_for_its_category_and_not_for_one_that_is_held() {
    let (world, ..) = World::with_a_mug_in_a_category().await;
    let fresh = world.stage.r.create_category("Fresh", 0).unwrap();
    let bowl = world.stage.r.create_item(item("Bowl", "BOWL", "5", 1));
    world.stage.r.set_category(bowl, fresh);
    // The item is told of at once, the category is found by the next poll, or because the item asks for it.
    world.settle().await;
    let product = world.product_of(bowl).expect("it is online").id;
    assert_eq!(world.categories_of(product), [world.tied().await[&fresh]], "created in it, not moved later");
    let moved = world.stage.e.calls().into_iter().filter(|call| call.method == "PUT").count();
    assert_eq!(moved, 0);

    world.stage.e.habits(|habits| habits.category_limit = Some(3));
    let full = world.stage.r.create_category("Full", 0).unwrap();
    let plate = world.stage.r.create_item(item("Plate", "PLATE", "5", 1));
    world.stage.r.set_category(plate, full);
    world.settle().await;
    let product = world.product_of(plate).expect("it does not wait for a category that is held").id;
    assert_eq!(world.categories_of(product), Vec::<i64>::new());
    let detail = world.hold_of(plate).await.to_string();
    assert!(detail.contains("category_waits"), "{detail}");
    assert_eq!(world.category_of(plate), full, "the shop keeps what it says");
    world.check_rest().await;
    world.stage.e.habits(|habits| habits.category_limit = None);
    let path = format!("/v1/connections/{}", world.connection);
    world.call("PATCH", &path, Some(json!({"plan": "unlimited"}))).await;
    world.settle().await;
    assert_eq!(world.categories_of(product), [world.tied().await[&full]]);
    assert_eq!(world.get("/conflicts").await["items"], json!([]), "that is no conflict");
    world.check_laws().await;
    world.check_rest().await;
}

#[tokio::test]
async fn a_category_deleted_on_either_side_is_nobodys_edit_of_a_product() {
    let (world, item, product, [kitchen, mugs], [_, mugs_e]) = World::with_a_mug_in_a_category().await;
    world.stage.r.set_category(item, mugs);
    world.settle().await;
    world.sweep().await;
    // The store loses the category, and the product with it its place: the shop keeps it, and it comes back.
    world.stage.e.delete_category(mugs_e);
    world.settle().await;
    world.sweep().await;
    world.check_trees().await;
    assert_eq!(world.category_of(item), mugs);
    assert_eq!(world.categories_of(product), [world.tied().await[&mugs]]);
    world.check_rest().await;
    // The shop deletes it: then the product is in none.
    world.stage.r.delete_category(mugs);
    world.sweep().await;
    world.clock.advance(std::time::Duration::from_secs(3_700));
    world.settle().await;
    assert_eq!((world.category_of(item), world.categories_of(product)), (0, vec![]));
    assert_eq!(world.tied().await.keys().copied().collect::<Vec<_>>(), [kitchen]);
    world.check_laws().await;
    world.check_rest().await;
}

#[tokio::test]
async fn who_moves_a_product_out_of_a_category_that_is_deleted_online_is_followed() {
    let (world, item, product, [_, mugs], [kitchen_e, mugs_e]) = World::with_a_mug_in_a_category().await;
    world.stage.e.delete_category(kitchen_e);
    world.settle().await;
    let tied = world.tied().await;
    let mugs_e = tied.get(&mugs).copied().unwrap_or(mugs_e);
    for other in tied.values() {
        world.stage.e.unassign(*other, &[product]);
    }
    world.stage.e.assign(mugs_e, &[product]);
    world.settle().await;
    world.sweep().await;
    assert_eq!(
        (world.category_of(item), world.categories_of(product)),
        (mugs, vec![world.tied().await[&mugs]])
    );
    world.check_laws().await;
    world.check_rest().await;

    // Both before anybody has looked.
    let aisle = world.stage.r.create_category("Aisle", 0).unwrap();
    world.sweep().await;
    let tied = world.tied().await;
    let (mugs_e, aisle_e) = (tied[&mugs], tied[&aisle]);
    world.stage.e.delete_category(mugs_e);
    world.stage.e.assign(aisle_e, &[product]);
    let began = world.clock.now();
    world.settle().await;
    assert!((world.clock.now() - began).num_seconds() < 120, "it is not tried again and again");
    assert_eq!((world.category_of(item), world.categories_of(product)), (aisle, vec![aisle_e]));
    world.check_rest().await;
}

#[tokio::test]
async fn a_renamed_category_is_no_edit_of_its_products_and_ways_are_kept() {
    let (world, item, product, [kitchen, mugs], [kitchen_e, mugs_e]) =
        World::with_a_mug_in_a_category().await;
    world.clear_calls();
    world.stage.r.rename_category(kitchen, "Cuisine");
    world.sweep().await;
    assert_eq!(world.writes(), 1, "the category alone");
    assert_eq!(world.categories_of(product), [kitchen_e]);

    let path = format!("/v1/connections/{}", world.connection);
    let only_from_shop = json!({"settings": {"fields": {"category": {"way": "r_to_e"}}}});
    world.call("PATCH", &path, Some(only_from_shop)).await;
    world.stage.e.unassign(kitchen_e, &[product]);
    world.settle().await;
    assert_eq!((world.category_of(item), world.categories_of(product)), (kitchen, vec![]), "left alone");
    world.stage.r.set_category(item, mugs);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.categories_of(product), [mugs_e]);
    world.check_rest().await;
}

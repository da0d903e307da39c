//! Matrices: one product with options, its items the variations.

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::{NewMatrix, NewVariant};
use serde_json::{Value, json};

use crate::support::{Plan, SHOP, World, decimal};

/// A variant with these attributes.
pub fn variant(values: [&str; 3], sku: &str, price: &str, stock: i64) -> NewVariant {
    NewVariant {
        values: values.map(str::to_owned),
        custom_sku: sku.into(),
        default_price: Some(decimal(price)),
        stock: vec![(SHOP, stock)],
        ..NewVariant::default()
    }
}

/// A T-shirt in two colours and two sizes, 5 pieces each.
pub fn shirt() -> NewMatrix {
    let mut variants = Vec::new();
    for (color, letter) in [("Red", "R"), ("Blue", "B")] {
        for size in ["S", "M"] {
            let sku = format!("TS-{letter}-{size}");
            variants.push(variant([color, size, ""], &sku, "19.9", 5));
        }
    }
    NewMatrix { description: "T-shirt".into(), variants, ..NewMatrix::default() }
}

impl World {
    /// A world with a T-shirt, connected and quiet: the matrix and its product.
    pub async fn with_a_shirt() -> (Self, i64, i64) {
        let mut world = Self::open(Plan::default()).await;
        let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
        world.connect().await;
        world.settle().await;
        let product = world.product_of_matrix(matrix).expect("the T-shirt is online");
        (world, matrix, product)
    }

    pub fn variation(&self, product: i64, sku: &str) -> Value {
        let variations = self.stage.e.variations(product);
        let found = variations.iter().find(|variation| variation["sku"] == sku).cloned();
        found.unwrap_or_else(|| panic!("no variation {sku} among {variations:#?}"))
    }

    pub fn item_called(&self, sku: &str) -> i64 {
        self.stage.r.items().iter().find(|item| item.custom_sku == sku).expect("the item is there").item_id
    }

    pub fn choices(&self, product: i64, option: &str) -> Vec<String> {
        let record = self.record(product);
        let options = record["options"].as_array().unwrap();
        let option = options.iter().find(|found| found["name"] == option).cloned().unwrap_or_default();
        let choices = option["choices"].as_array().cloned().unwrap_or_default();
        choices.iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_matrix_becomes_one_disabled_product_with_its_options_and_variations() {
    let (world, _, product) = World::with_a_shirt().await;
    let record = world.record(product);
    assert_eq!((&record["name"], &record["enabled"]), (&json!("T-shirt"), &json!(false)));
    assert_eq!(world.stage.e.products().len(), 1);
    assert_eq!(world.stage.e.variations(product).len(), 4);
    assert_eq!(
        (world.choices(product, "Color"), world.choices(product, "Size")),
        (vec!["Red".into(), "Blue".into()], vec!["S".to_owned(), "M".into()])
    );
    world.check_laws().await;
    let status = world.get("/status").await;
    assert_eq!((&status["linked"], &status["parked"]), (&json!(4), &json!(0)), "{status}");

    let listed = world.get("/products").await;
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "variants stand in their product: {listed:?}");
    let shown = &listed[0];
    assert_eq!((&shown["variants"], &shown["state"]), (&json!(4), &json!("in_step")), "{shown}");
    assert_eq!(shown["r_series"]["kind"], "matrix");
    let detail = world.get(&format!("/products/{}", shown["id"].as_str().unwrap())).await;
    assert_eq!(detail["variant_products"].as_array().unwrap().len(), 4, "{detail}");
    assert_eq!(world.get("/products?sku=TS-B-M").await["items"][0]["id"], shown["id"]);
}

#[tokio::test]
async fn a_second_run_over_a_matrix_writes_nothing() {
    let (world, ..) = World::with_a_shirt().await;
    world.clear_calls();
    let path = format!("/v1/connections/{}/syncs", world.connection);
    world.call("POST", &path, Some(json!({"mode": "apply"}))).await;
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn each_field_of_a_variant_edited_in_the_shop_reaches_its_variation() {
    let (world, matrix, product) = World::with_a_shirt().await;
    let red_s = world.item_called("TS-R-S");
    world.stage.r.reprice_online(red_s, decimal("17.5"));
    world.stage.r.sell(red_s, 1, 2);
    world.stage.r.rename_matrix(matrix, "Tee");
    world.settle().await;
    let variation = world.variation(product, "TS-R-S");
    assert_eq!((&variation["price"], &variation["quantity"]), (&json!(17.5), &json!(3)));
    assert_eq!(world.record(product)["name"], "Tee");
    world.stage.r.set_sku(red_s, "TS-1");
    world.stage.r.set_attributes(red_s, ["Crimson", "S", ""]);
    world.settle().await;
    let variation = world.variation(product, "TS-1");
    assert_eq!(variation["options"][0]["value"], "Crimson", "{variation}");
    assert_eq!(world.choices(product, "Color"), ["Red", "Blue", "Crimson"]);
    // The last red one goes, and nobody needs the choice any more.
    world.stage.r.set_attributes(world.item_called("TS-R-M"), ["Crimson", "M", ""]);
    world.settle().await;
    assert_eq!(world.choices(product, "Color"), ["Blue", "Crimson"]);
    world.check_laws().await;
}

#[tokio::test]
async fn each_field_of_a_variation_edited_on_the_web_reaches_its_item() {
    let (world, matrix, product) = World::with_a_shirt().await;
    let red_s = world.item_called("TS-R-S");
    let id = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    world.stage.e.reprice_variation(product, id, Some(decimal("15")));
    world.stage.e.sell_variation(product, id, 2);
    world.stage.e.set_variation_sku(product, id, "WEB-1");
    world.stage.e.rename(product, "Web tee");
    world.settle().await;
    let shown = world.stage.r.item(red_s).unwrap();
    assert_eq!((shown.online_price, shown.default_price), (Some(decimal("15")), decimal("19.9")));
    assert_eq!((shown.stock[&1], shown.custom_sku.as_str()), (3, "WEB-1"));
    assert_eq!(world.stage.r.matrix(matrix).unwrap().description, "Web tee");
    world.stage.e.rename_choice(product, "Color", "Red", "Crimson");
    world.settle().await;
    assert_eq!(world.stage.r.item(red_s).unwrap().attributes, ["Crimson", "S", ""]);
    assert_eq!(world.stage.r.item(world.item_called("TS-R-M")).unwrap().attributes[0], "Crimson");
    world.check_laws().await;
}

#[tokio::test]
async fn the_size_of_the_size_set_is_the_second_attribute_both_ways() {
    let mut world = World::open(Plan::default()).await;
    let variants = ["38", "39"].map(|size| variant(["", size, ""], &format!("SHOE-{size}"), "80", 2));
    let shoe = NewMatrix {
        description: "Shoe".into(),
        attribute_set_id: 2,
        variants: variants.into(),
        ..NewMatrix::default()
    };
    let matrix = world.stage.r.create_matrix(shoe).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    assert_eq!(world.choices(product, "Size"), ["38", "39"]);
    world.stage.e.rename_choice(product, "Size", "39", "39.5");
    world.settle().await;
    assert_eq!(world.stage.r.item(world.item_called("SHOE-39")).unwrap().attributes, ["", "39.5", ""]);
    world.check_laws().await;
}

#[tokio::test]
async fn a_variant_added_in_the_shop_arrives_and_one_archived_goes_with_its_data_kept() {
    let (world, matrix, product) = World::with_a_shirt().await;
    world.stage.r.add_variant(matrix, variant(["Green", "M", ""], "TS-G-M", "21", 7)).unwrap();
    world.settle().await;
    assert_eq!(world.variation(product, "TS-G-M")["quantity"], 7);
    world.stage.r.archive(world.item_called("TS-G-M"));
    world.settle().await;
    assert_eq!(world.stage.e.variations(product).len(), 4);
    assert_eq!(world.choices(product, "Color"), ["Red", "Blue"]);
    let ledger = world.ledger().await;
    let removed = ledger.iter().find(|entry| entry["kind"] == "remove").expect("it is written down");
    assert_eq!(
        (&removed["before"]["sku"], &removed["result"]),
        (&json!("TS-G-M"), &json!("landed")),
        "{removed}"
    );
    world.stage.r.unarchive(world.item_called("TS-G-M"));
    world.settle().await;
    assert_eq!(world.variation(product, "TS-G-M")["quantity"], 0);
    world.check_laws().await;
}

#[tokio::test]
async fn options_are_renamed_on_either_side_and_no_value_is_lost() {
    let (world, matrix, product) = World::with_a_shirt().await;
    assert!(world.stage.e.rename_option(product, "Color", "Colour"));
    world.settle().await;
    let shown = world.stage.r.matrix(matrix).unwrap();
    assert_eq!(shown.names, ["Colour", "Size", ""]);
    assert_eq!(world.stage.r.item(world.item_called("TS-B-M")).unwrap().attributes, ["Blue", "M", ""]);
    world.check_laws().await;

    let set = world.stage.r.create_attribute_set("Farbe/Größe", ["Farbe", "Größe", ""]);
    world.stage.r.set_attribute_set(matrix, set);
    world.sweep().await;
    assert_eq!(world.choices(product, "Farbe"), ["Red", "Blue"]);
    assert!(world.choices(product, "Colour").is_empty());
    world.check_laws().await;
}

#[tokio::test]
async fn a_matrix_that_is_on_both_sides_already_is_tied_by_its_skus_and_options() {
    let mut world = World::open(Plan::default()).await;
    let product = world.stage.e.create_product(json!({
        "name": "T-Shirt (web)", "sku": "TEE", "price": 20, "quantity": 0, "enabled": true, "description": "<p>Soft</p>",
        "options": [
            {"type": "SIZE", "name": "Size", "choices": [{"text": "S"}, {"text": "M"}]},
            {"type": "SELECT", "name": "Color", "choices": [{"text": "Red"}, {"text": "Blue"}]},
            {"type": "TEXTFIELD", "name": "Print"}],
    }));
    let add = |color: &str, size: &str, sku: &str, quantity: i64| {
        let options = json!([{"name": "Size", "value": size}, {"name": "Color", "value": color}]);
        let fields = json!({"options": options, "sku": sku, "quantity": quantity, "price": 18});
        world.stage.e.add_variation(product, fields).unwrap()
    };
    add("Red", "S", "TS-R-S", 1);
    add("Red", "M", "OTHER", 9);
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    // The index shows it by then.
    world.clock.advance(std::time::Duration::from_secs(10));
    world.connect().await;
    world.settle().await;
    assert_eq!(world.stage.e.products().len(), 1, "nothing is there twice");
    let record = world.record(product);
    assert_eq!((&record["name"], &record["enabled"]), (&json!("T-shirt"), &json!(true)));
    assert_eq!(record["description"], "<p>Soft</p>");
    assert_eq!(world.stage.e.variations(product).len(), 4);
    // The second was known by its options, and has the shop's SKU now.
    assert_eq!(world.variation(product, "TS-R-M")["quantity"], 5);
    assert_eq!(world.variation(product, "TS-R-S")["price"], json!(19.9));
    assert_eq!(world.stage.r.matrix(matrix).unwrap().names, ["Color", "Size", ""]);
    assert!(record["options"].as_array().unwrap().iter().any(|option| option["name"] == "Print"));
    world.check_queue_and_ledger().await;
}

#[tokio::test]
async fn an_item_moves_between_matrices_into_one_and_out_of_it() {
    let (world, _, product) = World::with_a_shirt().await;
    let other = world
        .stage
        .r
        .create_matrix(NewMatrix { variants: Vec::new(), description: "Other".into(), ..shirt() })
        .unwrap()
        .0;
    let blue_m = world.item_called("TS-B-M");
    world.stage.r.put_into_matrix(blue_m, other, ["Blue", "M", ""]);
    world.settle().await;
    assert_eq!(world.stage.e.variations(product).len(), 3);
    let elsewhere = world.product_of_matrix(other).expect("its new product is online");
    assert_eq!(world.variation(elsewhere, "TS-B-M")["quantity"], 5);
    world.stage.r.take_out_of_matrix(blue_m);
    world.settle().await;
    assert!(world.stage.e.variations(elsewhere).is_empty());
    assert_eq!(world.product_of(blue_m).expect("it is a product by itself").sku, "TS-B-M");
    world.check_laws().await;
}

#[tokio::test]
async fn items_without_a_sku_have_variations_with_a_stock_of_their_own() {
    let mut world = World::open(Plan::default()).await;
    let mut new = shirt();
    for variant in &mut new.variants {
        variant.custom_sku = String::new();
    }
    let matrix = world.stage.r.create_matrix(new).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    let variations = world.stage.e.variations(product);
    assert!(variations.iter().all(|variation| variation["quantity"] == 5), "{variations:#?}");
    world.check_laws().await;
}

#[tokio::test]
async fn items_that_share_a_sku_are_all_online_and_get_their_own_once_it_is_theirs_alone() {
    let mut world = World::open(Plan::default()).await;
    let mut new = shirt();
    new.variants[1].custom_sku = "TS-R-S".into();
    let matrix = world.stage.r.create_matrix(new).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    assert_eq!(world.stage.e.variations(product).len(), 4);
    let twins: Vec<_> =
        world.stage.r.items().into_iter().filter(|item| item.custom_sku == "TS-R-S").collect();
    for twin in &twins {
        assert_eq!(world.variation(product, &twin.system_sku)["quantity"], 5);
    }
    world.stage.r.set_sku(twins[1].item_id, "TS-R-M");
    world.settle().await;
    assert_eq!(world.variation(product, "TS-R-M")["quantity"], 5);
    world.check_queue_and_ledger().await;
}

#[tokio::test]
async fn publishing_and_enabling_a_matrix_go_both_ways() {
    let (world, _, product) = World::with_a_shirt().await;
    for item in world.stage.r.items() {
        world.stage.r.publish(item.item_id, false);
    }
    world.settle().await;
    world.stage.r.publish(world.item_called("TS-R-S"), true);
    world.settle().await;
    assert_eq!(world.record(product)["enabled"], true);
    world.stage.e.enable(product, false);
    world.settle().await;
    assert!(world.stage.r.items().iter().all(|item| !item.publish_to_ecom));
    world.stage.e.enable(product, true);
    world.settle().await;
    assert!(world.stage.r.items().iter().all(|item| item.publish_to_ecom));
    world.check_laws().await;
}

#[tokio::test]
async fn a_variation_removed_on_the_web_waits_with_a_reason_and_the_others_go_on() {
    let (world, _, product) = World::with_a_shirt().await;
    let id = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    world.stage.e.delete_variation(product, id);
    world.stage.r.sell(world.item_called("TS-B-M"), 1, 1);
    world.settle().await;
    assert_eq!(world.variation(product, "TS-B-M")["quantity"], 4);
    let listed = world.get("/products").await;
    let shown = &listed["items"][0];
    assert_eq!(shown["state"], "parked", "{shown}");
    assert!(shown["reason"].as_str().unwrap().contains("TS-R-S"), "{shown}");
}

#[tokio::test]
async fn a_value_that_is_edited_again_right_after_it_was_carried_is_carried_again() {
    let (world, _, product) = World::with_a_shirt().await;
    let item = world.item_called("TS-R-S");
    let variation = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    let dye = |color: &str| {
        world.stage.e.add_choice(product, "Color", json!({ "text": color }));
        let options = json!([{"name": "Color", "value": color}, {"name": "Size", "value": "S"}]);
        world.stage.e.edit_variation(product, variation, json!({ "options": options })).unwrap();
    };
    dye("Green");
    for _ in 0..100 {
        if world.stage.r.item(item).unwrap().attributes[0] == "Green" {
            break;
        }
        world.stage.deliver_due().await;
        world.worker.visit().await.unwrap();
        world.clock.advance(std::time::Duration::from_millis(500));
    }
    // Nobody has looked at R-Series since it was written.
    dye("Olive");
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.stage.r.item(item).unwrap().attributes[0], "Olive");
    let ledger = world.ledger().await;
    assert!(
        ledger.iter().all(|entry| entry["kind"] != "conflict"),
        "one side alone has changed: {ledger:#?}"
    );
    world.check_laws().await;
}

#[tokio::test]
async fn a_flag_that_reached_some_items_of_a_matrix_reaches_the_others_whatever_refuses() {
    let refusal = |status| Fault::Status { status, retry_after: None };
    for fault in [Fault::ResetAfter, refusal(429), refusal(400), refusal(409)] {
        for skip in 0..4 {
            let (world, _, product) = World::with_a_shirt().await;
            for item in world.stage.r.items() {
                world.stage.r.publish(item.item_id, false);
            }
            world.settle().await;
            world.stage.e.enable(product, true);
            world.stage.r.faults().next_after(skip, Aim::Write, fault);
            world.settle().await;
            world.clock.advance(std::time::Duration::from_secs(60));
            world.sweep().await;
            let published: Vec<bool> =
                world.stage.r.items().iter().map(|item| item.publish_to_ecom).collect();
            assert_eq!(published, [true; 4], "{fault:?} at write {skip}");
            world.check_laws().await;
            world.close().await;
        }
    }
}

/// What is sold of them would reach nobody.
#[tokio::test]
async fn a_simple_item_whose_product_gets_variations_is_told_and_one_with_a_text_to_fill_in_is_not() {
    let world = World::with_a_mug().await;
    let item = world.stage.r.items()[0].item_id;
    let product = world.product_of(item).unwrap().id;
    world.stage.e.add_option(product, json!({"type": "TEXTFIELD", "name": "Engraving"}));
    world.stage.e.add_option(
        product,
        json!({"type": "SELECT", "name": "Box", "choices": [{"text": "none"}, {"text": "wood"}]}),
    );
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(world.stage.r.item(item).unwrap().stock[&1], 9);
    world.check_quiet().await;
    let options = json!([{"name": "Box", "value": "wood"}]);
    let fields = json!({"options": options, "sku": "MUG-WOOD", "quantity": 2, "unlimited": false});
    world.stage.e.add_variation(product, fields).unwrap();
    world.settle().await;
    let parked = world.get("/parked").await;
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("has variations"), "{parked}");
    let variation = world.variation(product, "MUG-WOOD")["id"].as_i64().unwrap();
    world.stage.e.delete_variation(product, variation);
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(world.stage.r.item(item).unwrap().stock[&1], 8, "it goes on");
    world.check_quiet().await;
}

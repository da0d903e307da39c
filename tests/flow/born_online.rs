//! Born on E-Series: one call, or a setting, makes the item or the matrix of it on R-Series. Never twice.

use std::time::Duration;

use axum::http::StatusCode;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::{ItemView, LongText};
use serde_json::{Value, json};

use crate::support::{Plan, World, decimal, item};

impl World {
    /// Changes settings of the connection.
    pub async fn set(&self, settings: Value) {
        let path = format!("/v1/connections/{}", self.connection);
        let (status, answer) = self.call("PATCH", &path, Some(json!({ "settings": settings }))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// Concord's id of what E-Series has under this id, or of this variation of it.
    pub async fn id_of(&self, product: i64, variation: Option<i64>) -> String {
        let listed = self.get("/products?limit=200").await;
        let is = |row: &&Value| row["e_series"]["id"] == product.to_string().as_str();
        let row = listed["items"].as_array().unwrap().iter().find(is).expect("it is listed");
        let id = row["id"].as_str().unwrap().to_owned();
        let Some(variation) = variation else { return id };
        let detail = self.get(&format!("/products/{id}")).await;
        let variants = detail["variant_products"].as_array().unwrap();
        let is = |row: &&Value| row["e_series"]["combination_id"] == variation.to_string().as_str();
        variants.iter().find(is).expect("it is listed")["id"].as_str().unwrap().to_owned()
    }

    /// An operator decides about a product.
    pub async fn decide(&self, id: &str, word: &str) -> (StatusCode, Value) {
        self.call("POST", &format!("/v1/connections/{}/products/{id}/{word}", self.connection), None).await
    }

    async fn create_on_r(&self, product: i64, variation: Option<i64>) {
        let id = self.id_of(product, variation).await;
        let (status, answer) = self.decide(&id, "create-on-r-series").await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        self.settle().await;
    }

    pub fn items_called(&self, sku: &str) -> Vec<ItemView> {
        self.stage.r.items().into_iter().filter(|item| item.custom_sku == sku).collect()
    }

    /// Both sides show the same of a simple product, and nothing more is written.
    async fn check_pair(&self, sku: &str, product: i64) -> ItemView {
        let items = self.items_called(sku);
        assert_eq!(items.len(), 1, "seed {}: {items:#?}", self.plan.seed);
        let web = self.stage.e.product(product).expect("the product is there");
        assert_eq!(items[0].description.trim(), web.name.trim());
        assert_eq!(items[0].online_price.unwrap_or(items[0].default_price), web.price);
        assert_eq!(items[0].publish_to_ecom, web.enabled);
        assert_eq!(Some(items[0].stock.values().sum::<i64>()), web.quantity);
        self.check_quiet().await;
        items[0].clone()
    }

    /// A moment passes: what the ledger tells of is in the order of its times.
    pub fn later(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    /// It is quiet, nothing is parked, and another round writes nothing.
    pub async fn check_quiet(&self) {
        self.check_queue_and_ledger().await;
        let parked = self.get("/parked").await;
        assert_eq!(parked["items"], json!([]), "{parked}");
        self.check_rest().await;
    }

    async fn only_reason(&self) -> String {
        let parked = self.get("/parked").await;
        assert_eq!(parked["items"].as_array().unwrap().len(), 1, "{parked}");
        parked["items"][0]["reason"].as_str().unwrap().to_owned()
    }
}

fn lamp() -> Value {
    json!({"name": "Desk lamp", "sku": "LAMP", "price": 49.9, "quantity": 7, "unlimited": false, "enabled": true,
        "description": "<p>Bright</p>"})
}

/// A T-shirt with two sizes and two colours.
fn tee() -> Value {
    json!({"name": "Web tee", "sku": "WT", "price": 20, "quantity": 0, "enabled": true, "options": [
        {"type": "SELECT", "name": "Size", "choices": [{"text": "S"}, {"text": "M"}]},
        {"type": "RADIO", "name": "Fit", "choices": [{"text": "Slim"}, {"text": "Wide", "priceModifier": 2}]},
        {"type": "TEXTFIELD", "name": "Print"}]})
}

fn fill_tee(world: &World, product: i64) {
    for (size, fit, sku, quantity, price) in [
        ("S", "Slim", "WT-S-S", 3, Some(19)),
        ("S", "Wide", "WT-S-W", 0, None),
        ("M", "Slim", "WT-M-S", -2, None),
    ] {
        let options = json!([{"name": "Size", "value": size}, {"name": "Fit", "value": fit}]);
        let mut fields = json!({"options": options, "sku": sku, "quantity": quantity, "unlimited": false});
        if let Some(price) = price {
            fields["price"] = json!(price);
        }
        world.stage.e.add_variation(product, fields).unwrap();
    }
}

pub async fn quiet() -> World {
    World::with(Plan::default(), vec![item("Other", "OTHER", "1", 1)]).await
}

#[tokio::test]
async fn what_is_born_online_is_listed_and_one_call_makes_its_item() {
    let world = quiet().await;
    let product = world.stage.e.create_product(lamp());
    world.settle().await;
    assert_eq!(world.stage.r.items().len(), 1, "by default nothing is created unasked");
    let id = world.id_of(product, None).await;
    let shown = world.get(&format!("/products/{id}")).await;
    assert_eq!((&shown["state"], &shown["standing"]), (&json!("unlinked"), &json!("only_online")), "{shown}");

    world.create_on_r(product, None).await;
    let made = world.check_pair("LAMP", product).await;
    assert_eq!((made.default_price, made.online_price), (decimal("49.9"), Some(decimal("49.9"))));
    assert_eq!(world.record(product)["description"], "<p>Bright</p>");
    let ledger = world.ledger().await;
    let created =
        ledger.iter().find(|entry| entry["kind"] == "create" && entry["side"] == "r_series").unwrap();
    assert_eq!((&created["origin"], &created["result"]), (&json!("operator"), &json!("landed")), "{created}");
    let shown = world.get(&format!("/products/{id}")).await;
    assert_eq!((&shown["state"], &shown["standing"]), (&json!("in_step"), &json!("linked")), "{shown}");
    // From now on it is a product like any other.
    world.stage.r.sell(made.item_id, 1, 2);
    world.stage.e.rename(product, "Lamp");
    world.settle().await;
    let made = world.check_pair("LAMP", product).await;
    assert_eq!((made.description.as_str(), made.stock[&1]), ("Lamp", 5));
}

#[tokio::test]
async fn by_setting_it_is_created_unasked_or_never() {
    let world = quiet().await;
    world.set(json!({"born_online": "off"})).await;
    let product = world.stage.e.create_product(lamp());
    world.settle().await;
    let id = world.id_of(product, None).await;
    let (status, problem) = world.decide(&id, "create-on-r-series").await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    world.set(json!({"born_online": "auto"})).await;
    let second =
        world.stage.e.create_product(json!({"name": "Shade", "sku": "SHADE", "price": 5, "quantity": 2}));
    world.settle().await;
    // What was born before the setting was made is seen to as well.
    assert_eq!((world.items_called("SHADE").len(), world.items_called("LAMP").len()), (1, 1));
    world.check_pair("LAMP", product).await;
    world.check_pair("SHADE", second).await;
}

#[tokio::test]
async fn texts_prices_and_stocks_as_they_come() {
    let world = quiet().await;
    world.set(json!({"born_online": "auto"})).await;
    let names = [
        ("N-1", "Tea & <b>Biscuits</b> \"fine\"".to_owned()),
        ("N-2", "\u{1F375} ست الشاي".to_owned()),
        ("N-3", "x".repeat(300)),
    ];
    let mut products = Vec::new();
    for (sku, name) in &names {
        let fields = json!({"name": name, "sku": sku, "price": 1500, "quantity": 3, "unlimited": false});
        products.push(world.stage.e.create_product(fields));
    }
    let owed = world.stage.e.create_product(
        json!({"name": "Backorder", "sku": "N-4", "price": 0, "quantity": -4, "unlimited": false, "enabled": false}));
    let endless = world
        .stage
        .e
        .create_product(json!({"name": "Voucher", "sku": "N-5", "price": 10, "unlimited": true}));
    world.settle().await;
    world.check_quiet().await;
    world.check_pair("N-1", products[0]).await;
    world.check_pair("N-2", products[1]).await;
    let backorder = world.check_pair("N-4", owed).await;
    assert_eq!((backorder.stock[&1], backorder.publish_to_ecom), (-4, false));
    assert_eq!(world.items_called("N-5")[0].description, "Voucher");
    assert_eq!(world.stage.e.product(endless).unwrap().quantity, None);
    // R-Series has cut the long name; the web keeps its own.
    assert_eq!(world.items_called("N-3")[0].description.chars().count(), 255);
    assert_eq!(world.record(products[2])["name"].as_str().unwrap().chars().count(), 300);

    world.stage.r.habits(|habits| habits.long_text = LongText::Refuse);
    world.stage.e.create_product(json!({"name": "y".repeat(300), "sku": "N-6", "price": 1, "quantity": 1}));
    world.settle().await;
    assert!(world.items_called("N-6").is_empty());
    let reason = world.only_reason().await;
    assert!(reason.contains("longer than 255"), "{reason}");
}

#[tokio::test]
async fn a_product_with_variations_becomes_a_matrix_with_an_item_for_each() {
    let world = quiet().await;
    let product = world.stage.e.create_product(tee());
    fill_tee(&world, product);
    world.settle().await;
    world.create_on_r(product, None).await;
    let matrices = world.stage.r.matrices();
    let [matrix] = matrices.as_slice() else { panic!("{matrices:#?}") };
    assert_eq!(matrix.description, "Web tee");
    assert_eq!(matrix.names, ["Size", "Fit", ""]);
    let small = &world.items_called("WT-S-S")[0];
    assert_eq!(small.description, "Web tee S Slim");
    assert_eq!(small.attributes, ["S", "Slim", ""]);
    assert_eq!((small.default_price, small.online_price), (decimal("19"), Some(decimal("19"))));
    assert_eq!((small.stock[&1], small.publish_to_ecom), (3, true));
    let wide = &world.items_called("WT-S-W")[0];
    assert_eq!((wide.default_price, wide.stock[&1]), (decimal("22"), 0));
    assert_eq!(world.items_called("WT-M-S")[0].stock[&1], -2);
    let record = world.record(product);
    assert_eq!((&record["enabled"], &record["name"]), (&json!(true), &json!("Web tee")));
    assert!(record["options"].as_array().unwrap().iter().any(|option| option["name"] == "Print"));
    world.check_quiet().await;
    let id = world.id_of(product, None).await;
    let shown = world.get(&format!("/products/{id}")).await;
    assert_eq!((&shown["state"], &shown["variants"]), (&json!("in_step"), &json!(3)), "{shown}");
    assert_eq!(shown["r_series"]["kind"], "matrix");
    // And both ways from here.
    let variation = world.variation(product, "WT-S-S")["id"].as_i64().unwrap();
    world.stage.e.sell_variation(product, variation, 1);
    world.stage.r.restock(wide.item_id, 1, 9);
    world.settle().await;
    assert_eq!(world.items_called("WT-S-S")[0].stock[&1], 2);
    assert_eq!(world.variation(product, "WT-S-W")["quantity"], 9);
    world.check_quiet().await;
}

#[tokio::test]
async fn the_sets_that_every_account_has_are_taken_where_they_fit() {
    let world = quiet().await;
    world.set(json!({"born_online": "auto"})).await;
    let product =
        world.stage.e.create_product(json!({"name": "Shoe", "sku": "SH", "price": 80, "quantity": 0,
        "options": [{"type": "SIZE", "name": "Size", "choices": [{"text": "39"}]}]}));
    let options = json!([{"name": "Size", "value": "39"}]);
    world
        .stage
        .e
        .add_variation(
            product,
            json!({"options": options, "sku": "SH-39", "quantity": 2, "unlimited": false}),
        )
        .unwrap();
    world.settle().await;
    let matrix = &world.stage.r.matrices()[0];
    assert_eq!((matrix.attribute_set_id, matrix.variants.len()), (2, 1));
    assert_eq!(world.items_called("SH-39")[0].attributes, ["", "39", ""]);
    world.check_quiet().await;
}

#[tokio::test]
async fn a_variation_added_on_the_web_waits_for_a_word_or_comes_by_itself() {
    let (world, matrix, product) = World::with_a_shirt().await;
    let add = |color: &str, sku: &str| {
        let options = json!([{"name": "Color", "value": color}, {"name": "Size", "value": "S"}]);
        let fields = json!({"options": options, "sku": sku, "price": 21, "quantity": 4, "unlimited": false});
        world.stage.e.add_variation(product, fields).unwrap()
    };
    let green = add("Green", "TS-G-S");
    world.settle().await;
    assert_eq!(world.stage.r.matrix(matrix).unwrap().variants.len(), 4);
    let unlinked = world.get("/products?state=unlinked").await["items"].clone();
    assert_eq!(unlinked[0]["e_series"]["combination_id"], green.to_string(), "it is listed: {unlinked}");
    assert_eq!(unlinked[0]["parent_id"], world.id_of(product, None).await, "{unlinked}");
    assert_eq!(unlinked.as_array().unwrap().len(), 1, "{unlinked}");
    world.create_on_r(product, Some(green)).await;
    assert_eq!(world.get("/products?state=unlinked").await["items"], json!([]));
    let made = &world.items_called("TS-G-S")[0];
    assert_eq!((made.matrix_id, made.attributes.clone()), (matrix, ["Green", "S", ""].map(str::to_owned)));
    assert_eq!((made.stock[&1], made.description.as_str()), (4, "T-shirt Green S"));
    world.check_laws().await;
    world.set(json!({"born_online": "auto"})).await;
    add("Pink", "TS-P-S");
    world.settle().await;
    assert_eq!(world.items_called("TS-P-S").len(), 1);
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn what_r_series_cannot_have_stays_online_with_the_reason() {
    let world = quiet().await;
    let choices = json!([{"text": "A"}, {"text": "B", "priceModifier": 5}]);
    let select = |name: &str| json!({"type": "SELECT", "name": name, "choices": choices.clone()});
    let names = ["One", "Two", "Three", "Four"];
    for (options, variation, word) in [
        (json!([{"type": "TEXTFIELD", "name": "Engraving"}]), None, "Engraving"),
        (json!([{"type": "DATE", "name": "Delivery"}, {"type": "FILES", "name": "Logo"}]), None, "Delivery"),
        (json!([select("Size")]), None, "no variations"),
        (json!(names.map(select)), Some((names.as_slice(), "X-1")), "4 options"),
        (json!([select("One"), select("Two")]), Some((&names[..1], "X-2")), "change the price"),
        (json!([select("One")]), Some((&names[..1], "")), "no SKU of its own"),
    ] {
        let product =
            world.stage.e.create_product(json!({"name": "Odd", "sku": format!("ODD-{word}"), "price": 5,
            "quantity": 5, "options": options}));
        if let Some((names, sku)) = variation {
            let options: Vec<Value> = names.iter().map(|name| json!({"name": name, "value": "A"})).collect();
            world.stage.e.add_variation(product, json!({"options": options, "sku": sku})).unwrap();
        }
        world.settle().await;
        assert_eq!(world.get("/status").await["parked"], 0, "nobody has asked for it: {word}");
        world.create_on_r(product, None).await;
        let reason = world.only_reason().await;
        assert!(
            reason.contains(word) && reason.contains("tays on E-Series alone") || word == "no SKU of its own",
            "{word}: {reason}"
        );
        assert_eq!((world.stage.r.items().len(), world.stage.r.matrices().len()), (1, 0), "{word}");
        world.stage.e.delete_product(product);
        world.settle().await;
    }
}

#[tokio::test]
async fn what_is_there_already_is_tied_and_not_made_again() {
    let mut world = World::open(Plan::default()).await;
    let product = world.stage.e.create_product(lamp());
    world.clock.advance(Duration::from_secs(10));
    world.connect().await;
    world.set(json!({"born_online": "auto"})).await;
    // The shop has it, and Concord has not heard of that yet.
    world.stage.relay.set_target(None);
    let id = world.stage.r.create_item(item("Lamp in the shop", "LAMP", "40", 2));
    world.settle().await;
    assert_eq!(world.stage.r.items().len(), 1);
    assert_eq!(world.stage.r.item(id).unwrap().description, world.record(product)["name"].as_str().unwrap());
    world.check_quiet().await;
}

#[tokio::test]
async fn what_may_be_there_already_is_named_and_nothing_is_made() {
    for (sku, archived, count, word) in [
        ("lamp", false, 1, "cannot be told"),
        ("LAMP", true, 1, "archived item"),
        ("LAMP", false, 2, "cannot be told"),
    ] {
        let world = quiet().await;
        world.stage.relay.set_target(None);
        let ids: Vec<i64> =
            (0..count).map(|_| world.stage.r.create_item(item("Old lamp", sku, "4", 1))).collect();
        if archived {
            world.stage.r.archive(ids[0]);
        }
        let product = world.stage.e.create_product(lamp());
        world.settle().await;
        world.create_on_r(product, None).await;
        let parked = world.get("/parked").await.to_string();
        assert!(parked.contains(word) && parked.contains("Old lamp"), "{sku} {word}: {parked}");
        assert_eq!(world.stage.r.items().len(), 1 + count, "{sku}");
        world.close().await;
    }
}

#[tokio::test]
async fn a_lost_answer_makes_one_item_and_no_sale_is_lost() {
    for fault in
        [Fault::ResetAfter, Fault::BadGatewayAfter, Fault::GarbageAfter, Fault::HangAfter, Fault::ResetBefore]
    {
        for relay in [true, false] {
            let world =
                World::with(Plan { relay, ..Plan::default() }, vec![item("Other", "OTHER", "1", 1)]).await;
            let product = world.stage.e.create_product(lamp());
            world.settle().await;
            world.stage.r.faults().next(Aim::Write, fault);
            let id = world.id_of(product, None).await;
            world.decide(&id, "create-on-r-series").await;
            world.worker.step().await.unwrap();
            world.stage.e.sell(product, 3);
            for item in world.items_called("LAMP") {
                world.stage.r.sell(item.item_id, 1, 1);
            }
            let sold = 3 + i64::try_from(world.items_called("LAMP").len()).unwrap();
            world.settle().await;
            world.sweep().await;
            let made = world.check_pair("LAMP", product).await;
            assert_eq!(made.stock[&1], 7 - sold, "{fault:?}");
            assert_eq!(world.stage.e.products().len(), 2, "{fault:?}");
            world.close().await;
        }
    }
}

#[tokio::test]
async fn two_that_may_be_it_are_named_and_one_that_is_left_is_taken() {
    let world = quiet().await;
    let product = world.stage.e.create_product(lamp());
    world.settle().await;
    world.stage.r.faults().next(Aim::Write, Fault::ResetAfter);
    let id = world.id_of(product, None).await;
    world.decide(&id, "create-on-r-series").await;
    world.worker.step().await.unwrap();
    // Somebody enters the same one at the till, in the same moment.
    let twin = world.stage.r.create_item(item("Desk lamp", "LAMP", "40", 2));
    world.settle().await;
    let parked = world.get("/parked").await.to_string();
    assert!(parked.contains("several that may be it"), "{parked}");
    world.stage.r.archive(twin);
    let (status, _) =
        world.call("POST", &format!("/v1/connections/{}/parked/{id}/retry", world.connection), None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle().await;
    let live: Vec<ItemView> = world.items_called("LAMP").into_iter().filter(|item| !item.archived).collect();
    assert_eq!((live.len(), live[0].stock[&1]), (1, 7));
    assert_eq!(world.get("/status").await["parked"], 0);
}

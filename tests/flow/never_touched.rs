//! What belongs to one side alone stays as it is, whatever is carried: full records are compared, before and after.

use std::collections::BTreeSet;

use concord::sandbox::picture;
use serde_json::{Value, json};

use super::variants::shirt;
use crate::support::{Plan, World, decimal, mug};

/// Every path at which two records differ.
fn differences(before: &Value, after: &Value, at: &str, found: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(two)) => {
            for key in one.keys().chain(two.keys()) {
                let (one, two) = (one.get(key).unwrap_or(&Value::Null), two.get(key).unwrap_or(&Value::Null));
                differences(one, two, &format!("{at}/{key}"), found);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (one, two) in one.iter().zip(two) {
                differences(one, two, &format!("{at}[]"), found);
            }
        }
        (one, two) if one == two => {}
        _ => {
            found.insert(at.to_owned());
        }
    }
}

/// Differences that are none of those allowed, each the beginning of a path.
fn beyond(before: &Value, after: &Value, allowed: &[&str]) -> Vec<String> {
    let mut found = BTreeSet::new();
    differences(before, after, "", &mut found);
    found.retain(|path| !allowed.iter().any(|allowed| path.starts_with(allowed)));
    found.into_iter().collect()
}

/// What Concord carries to an item, and what the platform itself moves when an item changes.
const OF_ITEM: [&str; 12] = [
    "/description",
    "/customSku",
    "/publishToEcom",
    "/timeStamp",
    "/Prices/ItemPrice[]/amount",
    "/ItemShops/ItemShop[]/qoh",
    "/ItemShops/ItemShop[]/sellable",
    "/ItemShops/ItemShop[]/timeStamp",
    "/ItemShops/ItemShop[]/m",
    "/ItemAttributes/attribute",
    "/avgCost",
    "/ItemMatrix/",
];

/// What Concord carries to a product, and what the store derives from that.
const OF_PRODUCT: [&str; 19] = [
    "/product/name",
    "/product/sku",
    "/product/price",
    "/product/enabled",
    "/product/quantity",
    "/product/unlimited",
    "/product/inStock",
    "/product/updated",
    "/product/updateTimestamp",
    "/product/url",
    "/product/defaultDisplayed",
    "/product/compareToPriceDiscount",
    "/product/combinations[]/sku",
    "/product/combinations[]/price",
    "/product/combinations[]/quantity",
    "/product/combinations[]/inStock",
    "/product/combinations[]/options",
    "/product/combinations[]/defaultDisplayed",
    "/product/options[]/choices",
];

/// Everything that exists online alone.
fn online_alone() -> Value {
    json!({"description": "<p>Keeps tea <b>hot</b> &amp; you happy</p>", "subtitle": "Stoneware",
        "seoTitle": "Best", "seoDescription": "Ever", "compareToPrice": 99.95, "weight": 0.35, "costPrice": 3.333,
        "dimensions": {"length": 1, "width": 2, "height": 3}, "warningLimit": 2, "minPurchaseQuantity": 1,
        "maxPurchaseQuantity": 5, "ribbon": {"text": "New", "color": "#FF0000"},
        "attributes": [{"name": "UPC", "value": "123"}], "isShippingRequired": true, "customSlug": "the-one"})
}

#[tokio::test]
async fn a_simple_product_keeps_what_only_one_side_knows() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.r.set_tags(id, &["summer", "gift"]);
    world.stage.r.set_vendor(id, 7);
    world.stage.r.set_cost(id, decimal("4.125"));
    world.stage.r.set_reorder(id, 1, 3, 12);
    let other = world.stage.e.create_product(json!({"name": "Saucer", "sku": "SAUCER"}));
    let mut alone = online_alone();
    alone["relatedProducts"] = json!({"productIds": [other]});
    world.stage.e.try_edit_product(product, alone).unwrap();
    world.stage.e.set_picture(product, &picture::png("mug")).unwrap();
    world.stage.e.set_alt(product, 0, "A mug on a table");
    world.settle().await;
    let before = (world.stage.r.raw_item(id).unwrap(), world.stage.e.product_record(product).unwrap());

    for round in 0..3 {
        world.stage.r.rename(id, &format!("Mug {round}"));
        world.stage.r.reprice_online(id, decimal(&format!("1{round}.5")));
        world.stage.r.sell(id, 1, 1);
        world.settle().await;
        world.stage.e.rename(product, &format!("Cup {round}"));
        world.stage.e.set_sku(product, &format!("CUP-{round}"));
        world.stage.e.reprice(product, decimal(&format!("1{round}.25")));
        world.stage.e.enable(product, round % 2 == 0);
        world.stage.e.sell(product, 1);
        world.settle().await;
    }
    world.check_laws().await;
    let after = (world.stage.r.raw_item(id).unwrap(), world.stage.e.product_record(product).unwrap());
    assert_ne!(before, after);
    assert_eq!(beyond(&before.0, &after.0, &OF_ITEM), Vec::<String>::new(), "{before:#?} {after:#?}");
    assert_eq!(beyond(&before.1, &after.1, &OF_PRODUCT), Vec::<String>::new());
}

#[tokio::test]
async fn a_product_with_variants_keeps_what_only_one_side_knows() {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    world.stage.r.create_item(mug());
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    world.stage.e.try_edit_product(product, online_alone()).unwrap();
    world.stage.e.add_option(product, json!({"type": "TEXTFIELD", "name": "Engraving", "required": false}));
    let variations = world.stage.e.variations(product);
    for variation in &variations {
        let own = json!({"weight": 0.2, "compareToPrice": 29.9, "warningLimit": 1});
        world.stage.e.edit_variation(product, variation["id"].as_i64().unwrap(), own).unwrap();
    }
    let items: Vec<i64> = world
        .stage
        .r
        .items()
        .iter()
        .filter(|item| item.matrix_id == matrix)
        .map(|item| item.item_id)
        .collect();
    for id in &items {
        world.stage.r.set_tags(*id, &["cotton"]);
        world.stage.r.set_cost(*id, decimal("4.125"));
        world.stage.r.set_reorder(*id, 1, 3, 12);
    }
    world.settle().await;
    let records = |world: &World| -> (Vec<Value>, Value) {
        let items = items.iter().map(|id| world.stage.r.raw_item(*id).unwrap()).collect();
        (items, world.stage.e.product_record(product).unwrap())
    };
    let before = records(&world);
    for (round, (id, variation)) in items.iter().zip(&variations).enumerate() {
        let variation = variation["id"].as_i64().unwrap();
        world.stage.r.rename_matrix(matrix, &format!("Tee {round}"));
        world.stage.r.reprice_online(*id, decimal("18.5"));
        world.stage.r.sell(*id, 1, 1);
        world.settle().await;
        world.stage.e.rename(product, &format!("Shirt {round}"));
        world.stage.e.sell_variation(product, variation, 1);
        world.stage.e.set_variation_sku(product, variation, &format!("V-{round}"));
        world.stage.e.enable(product, round % 2 == 0);
        world.settle().await;
        world.stage.r.set_attributes(*id, [&format!("C{round}"), "S", ""]);
        world.settle().await;
    }
    world.check_laws().await;
    let after = records(&world);
    for (before, after) in before.0.iter().zip(&after.0) {
        assert_eq!(beyond(before, after, &OF_ITEM), Vec::<String>::new(), "{before:#?} {after:#?}");
    }
    assert_eq!(beyond(&before.1, &after.1, &OF_PRODUCT), Vec::<String>::new());
}

//! SKUs and option values that go from one record to another: E-Series takes each once, in whatever order they are seen.

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::NewMatrix;
use serde_json::json;

use super::variants::variant;
use crate::support::{Plan, World, item};

impl World {
    fn sku_online(&self, item_id: i64) -> String {
        self.product_of(item_id).expect("it is online").sku
    }

    fn attributes_online(&self, product: i64, sku: &str) -> Vec<String> {
        let variation = self.variation(product, sku);
        let options = variation["options"].as_array().unwrap().clone();
        options.iter().map(|option| option["value"].as_str().unwrap().to_owned()).collect()
    }
}

async fn with_cups(skus: &[&str]) -> (World, Vec<i64>) {
    let cups = (1..).zip(skus).map(|(stock, sku)| item(&format!("Cup {sku}"), sku, "9", stock)).collect();
    let world = World::with(Plan::default(), cups).await;
    let ids = world.stage.r.items().iter().map(|item| item.item_id).collect();
    (world, ids)
}

#[tokio::test]
async fn skus_that_change_places_do_so_online_too_in_chains_and_in_circles() {
    for wanted in [
        &["B", "A"][..],
        &["B", "C", "A"],
        &["C", "A", "B"],
        &["B", "C", "D"],
        &["D", "A", "B"],
        &["B", "A", "D", "C"],
    ] {
        let before = ["A", "B", "C", "D"].get(..wanted.len()).unwrap();
        for backwards in [false, true] {
            let (world, ids) = with_cups(before).await;
            let mut edits: Vec<(i64, &str)> = ids.iter().copied().zip(wanted.iter().copied()).collect();
            if backwards {
                edits.reverse();
            }
            for (id, sku) in edits {
                world.stage.r.set_sku(id, sku);
            }
            world.settle().await;
            world.sweep().await;
            let shown: Vec<String> = ids.iter().map(|id| world.sku_online(*id)).collect();
            assert_eq!(shown, *wanted, "backwards: {backwards}");
            world.check_laws().await;
            world.check_quiet().await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn skus_that_change_places_survive_every_lost_answer() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore, Fault::HangAfter, Fault::BadGatewayAfter] {
        for skip in 0..3 {
            let (world, ids) = with_cups(&["A", "B"]).await;
            world.stage.r.set_sku(ids[0], "B");
            world.stage.r.set_sku(ids[1], "A");
            world.stage.e.faults().next_after(skip, Aim::Write, fault);
            world.settle().await;
            world.clock.advance(std::time::Duration::from_secs(60));
            world.sweep().await;
            assert_eq!(
                (world.sku_online(ids[0]), world.sku_online(ids[1])),
                ("B".into(), "A".into()),
                "{fault:?} at write {skip}"
            );
            world.check_laws().await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn two_items_that_are_to_have_the_same_sku_are_told_and_the_second_follows_once_it_is_free() {
    let (world, ids) = with_cups(&["A", "B"]).await;
    world.stage.r.set_sku(ids[1], "A");
    world.settle().await;
    assert_eq!((world.sku_online(ids[0]), world.sku_online(ids[1])), ("A".into(), "B".into()));
    let listed = world.get("/products?q=Cup%20B").await;
    let reason = listed["items"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("refuses “A” as the"), "{listed}");
    world.stage.r.set_sku(ids[0], "C");
    world.settle().await;
    assert_eq!((world.sku_online(ids[0]), world.sku_online(ids[1])), ("C".into(), "A".into()));
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_product_that_goes_leaves_its_sku_to_the_one_that_waits_for_it() {
    let (world, ids) = with_cups(&["A", "B"]).await;
    world.stage.r.set_sku(ids[1], "A");
    world.settle().await;
    world.stage.r.archive(ids[0]);
    world.sweep().await;
    assert_eq!(world.sku_online(ids[1]), "A");
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_product_that_is_created_again_may_have_the_sku_that_another_one_just_had() {
    for lag in [0, 40] {
        for order in [[0, 1], [1, 0]] {
            let mut world = World::open(Plan::default()).await;
            world
                .stage
                .e
                .habits(|habits| (habits.index_lag_min_seconds, habits.index_lag_max_seconds) = (lag, lag));
            let ids =
                ["A", "B"].map(|sku| world.stage.r.create_item(item(&format!("Cup {sku}"), sku, "9", 5)));
            world.connect().await;
            world.settle().await;
            world.clock.advance(std::time::Duration::from_secs(61));
            world.stage.r.archive(ids[1]);
            world.sweep().await;
            world.stage.r.unarchive(ids[1]);
            for at in order {
                world.stage.r.set_sku(ids[at], ["B", "A"][at]);
            }
            world.settle().await;
            world.sweep().await;
            let shown: Vec<String> = ids.iter().map(|id| world.sku_online(*id)).collect();
            assert_eq!(shown, ["B", "A"], "a lag of {lag} s, {order:?}");
            world.check_laws().await;
            world.check_quiet().await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn variants_that_change_places_do_so_online_too() {
    let mut world = World::open(Plan::default()).await;
    let values = [["Red", "S"], ["Red", "M"], ["Blue", "S"]];
    let variants =
        (1..).zip(values).map(|(n, [color, size])| variant([color, size, ""], &format!("V{n}"), "9", n));
    let cap = NewMatrix { description: "Cap".into(), variants: variants.collect(), ..NewMatrix::default() };
    let matrix = world.stage.r.create_matrix(cap).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    for (places, at) in [([1, 0, 2], "two"), ([1, 2, 0], "three in a circle"), ([0, 1, 2], "back")] {
        for (n, place) in (1..).zip(places) {
            let [color, size] = values[place];
            world.stage.r.set_attributes(world.item_called(&format!("V{n}")), [color, size, ""]);
        }
        world.settle().await;
        world.sweep().await;
        for (n, place) in (1..).zip(places) {
            assert_eq!(
                world.attributes_online(product, &format!("V{n}")),
                values[place],
                "{at}: V{n} {:#?}",
                world.ledger().await
            );
        }
        assert_eq!(
            (world.choices(product, "Color"), world.choices(product, "Size")),
            (vec!["Red".to_owned(), "Blue".into()], vec!["S".to_owned(), "M".into()]),
            "{at}: nothing of a stand-in is left"
        );
        world.check_laws().await;
        world.check_quiet().await;
    }
    // Their SKUs as well.
    let items: Vec<i64> = ["V1", "V2"].map(|sku| world.item_called(sku)).into();
    world.stage.r.set_sku(items[0], "V2");
    world.stage.r.set_sku(items[1], "V1");
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.variation(product, "V2")["quantity"], json!(1));
    assert_eq!(world.variation(product, "V1")["quantity"], json!(2));
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_value_that_is_new_is_added_once_though_the_sku_that_comes_with_it_is_taken() {
    let (world, _, product) = World::with_a_shirt().await;
    let [one, other] = ["TS-R-S", "TS-B-S"].map(|sku| world.item_called(sku));
    world.later();
    world.stage.r.set_sku(one, "TS-B-S");
    world.stage.r.set_attributes(one, ["Green", "S", ""]);
    world.stage.r.set_sku(other, "TS-R-S");
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.attributes_online(product, "TS-B-S"), ["Green", "S"]);
    assert_eq!(world.attributes_online(product, "TS-R-S"), ["Blue", "S"]);
    let ledger = world.ledger().await;
    let refused = ledger.iter().filter(|it| it["result"] == "refused" && it["field"] == "option_values");
    assert_eq!(refused.count(), 1, "once along with the SKU, and never by itself");
    world.check_laws().await;
    world.check_quiet().await;
}

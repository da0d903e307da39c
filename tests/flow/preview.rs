//! The preview of a whole run: writes nothing, and says what a run then does.

use std::collections::{BTreeMap, BTreeSet};

use concord::sandbox::rseries::ImageOwner;
use serde_json::{Value, json};

use super::first_sync::furnish;
use super::variants::shirt;
use crate::support::{Plan, World, item};

/// What was written, and what was to be: side, field, before and after.
fn key(side: &Value, field: &Value, before: &Value, after: &Value) -> String {
    format!("{side} {field} {before} {after}")
}

#[tokio::test]
async fn a_preview_writes_nothing_and_says_what_a_run_then_does() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    furnish(&world);
    world.connect_quietly().await;
    let links = world.sql_count("select count(*) from links where standing <> 'new'").await;
    let run = world.begin("preview").await;
    world.settle().await;
    let preview = world.get(&run).await;
    assert_eq!((&preview["state"], world.writes()), (&json!("done"), 0), "{preview}");
    assert_eq!(world.sql_count("select count(*) from links where standing <> 'new'").await, links);
    assert_eq!(world.sql_count("select count(*) from dirty").await, 0);
    assert_eq!(world.sql_count("select count(*) from sightings where feed like 'look%'").await, 0);
    let items = world.all(&format!("{run}/items")).await;
    let in_shop = |item: &Value| !item["r_item_id"].is_null() || !item["r_matrix_id"].is_null();
    let named = |name: &str| {
        let only_online = ["Voucher", "Boots"].contains(&name);
        let found = items.iter().find(|item| item["name"] == name && in_shop(item) != only_online);
        found.cloned().unwrap_or_default()
    };
    for (name, action) in [
        ("Stoneware mug", "create"),
        ("Teapot", "link"),
        ("Plate", "link"),
        ("Cup", "review"),
        ("Spoon", "review"),
        ("Fork", "review"),
        ("Knife", "review"),
        ("Tray", "review"),
        ("T-shirt", "create"),
        ("Shoe", "link"),
        ("Voucher", "only_online"),
        ("Boots", "only_online"),
    ] {
        assert_eq!(named(name)["action"], action, "{name}: {}", named(name));
    }
    assert_eq!(named("Cup")["code"], "sku_case");
    assert_eq!(named("Tray")["code"], "sku_of_variation");
    assert_eq!(named("T-shirt")["variants"], 4);
    assert_eq!(named("Plate")["changes"], json!([]));
    let evidence = named("Shoe")["evidence"].as_str().unwrap().to_owned();
    assert!(evidence.contains("2 of 2 variants"), "{evidence}");
    let summary = &preview["summary"]["preview"];
    assert_eq!(summary["actions"]["create"], 2, "{summary}");
    assert_eq!(summary["variations_created"], 4, "{summary}");

    let applied = world.begin("apply").await;
    world.settle().await;
    let done = world.get(&applied).await;
    assert_eq!((&done["state"], &done["summary"]["reviews"]), (&json!("done"), &json!(5)), "{done}");
    let ledger = world.ledger().await;
    // What was said of each product is what happened to it.
    let of = |item: &Value, kind: &str| {
        let mine = |entry: &&Value| entry["product_id"] == item["product_id"] && entry["kind"] == kind;
        ledger.iter().filter(mine).cloned().collect::<Vec<_>>()
    };
    let mut created = 0;
    let in_review: BTreeSet<String> =
        world.all("/reviews").await.iter().map(|review| review["product_id"].to_string()).collect();
    for item in &items {
        let tied = of(item, "link");
        match item["action"].as_str().unwrap() {
            "create" => {
                created += 1;
                assert_eq!((of(item, "create").len(), tied.len()), (1, 0), "{item}");
            }
            "link" => {
                assert_eq!(tied.len(), 1, "{item}");
                assert_eq!(tied[0]["after"]["e_series"], item["e_product_id"], "{item}");
                assert_eq!(tied[0]["cause"], item["evidence"], "{item}");
            }
            "review" => assert!(in_review.contains(&item["product_id"].to_string()), "{item}"),
            _ => assert!(tied.is_empty() && of(item, "create").is_empty(), "{item}"),
        }
    }
    assert_eq!(created, 2);
    let mut said: Vec<String> = Vec::new();
    for change in items.iter().flat_map(|item| item["changes"].as_array().unwrap()) {
        match change["action"].as_str().unwrap() {
            "update" => {
                said.push(key(&change["side"], &change["field"], &change["before"], &change["after"]));
            }
            "add_stock" => {
                let after = change["before"].as_i64().unwrap() + change["after"].as_i64().unwrap();
                said.push(key(&change["side"], &change["field"], &change["before"], &json!(after)));
            }
            other => panic!("{other}"),
        }
    }
    let mut happened: Vec<String> = ledger
        .iter()
        .filter(|entry| ["write", "stock"].contains(&entry["kind"].as_str().unwrap()))
        .map(|entry| key(&entry["side"], &entry["field"], &entry["before"], &entry["after"]))
        .collect();
    said.sort();
    happened.sort();
    assert_eq!(said, happened);
    assert!(!said.is_empty());
    assert_eq!(summary["e_series_writes"].as_u64().unwrap(), world.stage.e.write_calls() as u64, "{summary}");
    assert_eq!(summary["r_series_writes"].as_u64().unwrap(), world.stage.r.write_calls() as u64, "{summary}");

    let again = world.begin("preview").await;
    world.settle().await;
    let still = world.get(&again).await["summary"]["preview"]["actions"].clone();
    assert_eq!(still, json!({"in_step": 5, "review": 5, "only_online": 4}), "{still}");
}

#[tokio::test]
async fn a_preview_leaves_out_what_the_plan_has_no_room_for() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    for n in 0..8 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 1));
    }
    world.stage.r.create_matrix(shirt()).unwrap();
    world.connect_quietly().await;
    let path = format!("/v1/connections/{}", world.connection);
    world.call("PATCH", &path, Some(json!({"settings": {"plan_limit": 10}}))).await;
    let run = world.begin("preview").await;
    world.settle().await;
    let left_out = world.get(&format!("{run}/items?action=left_out")).await["items"].clone();
    let codes: BTreeSet<&str> =
        left_out.as_array().unwrap().iter().filter_map(|item| item["code"].as_str()).collect();
    assert_eq!(codes, BTreeSet::from(["plan_limit"]), "{left_out}");
    let names = |items: &Value| -> BTreeSet<String> {
        items.as_array().unwrap().iter().map(|item| item["name"].to_string()).collect()
    };
    world.begin("apply").await;
    world.settle().await;
    let parked = world.get("/parked?limit=200").await["items"].clone();
    assert_eq!(names(&left_out), names(&parked), "{left_out} and {parked}");
}

#[tokio::test]
async fn a_preview_counts_the_pictures_that_a_run_would_upload() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    for n in 0..3 {
        let id = world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 1));
        world.add_image(id);
    }
    // One of the matrix, which belongs to the two red ones, and one of a blue one.
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    world.stage.r.add_image(ImageOwner::Matrix(matrix), "Red", None).unwrap();
    world.add_image(world.item_called("TS-B-M"));
    world.connect_quietly().await;
    // A round has met the pictures; nothing is done for a connection that is paused.
    world.sweep().await;
    let path = format!("/v1/connections/{}", world.connection);
    world.call("POST", &format!("{path}/pause"), None).await;
    world.clear_calls();
    let run = world.begin("preview").await;
    world.settle().await;
    let preview = world.get(&run).await;
    let summary = &preview["summary"]["preview"];
    assert_eq!(
        (&summary["pictures"], &summary["e_series_writes"]),
        (&json!(3 + 4), &json!(4 + 7)),
        "{preview}"
    );
    assert_eq!(world.writes(), 0);
    let items = world.get(&format!("{run}/items")).await["items"].clone();
    let told: BTreeMap<&str, (i64, &str)> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let words = item["changes"][0]["words"].as_str().unwrap();
            (item["name"].as_str().unwrap(), (item["pictures"].as_i64().unwrap(), words))
        })
        .collect();
    let (one, four) =
        ("Upload a picture of the shop to E-Series.", "Upload 4 pictures of the shop to E-Series.");
    let things = ["Thing 0", "Thing 1", "Thing 2"].map(|name| (name, (1, one)));
    let shirt = (told.keys().copied().find(|name| !name.starts_with("Thing")).unwrap(), (4, four));
    assert_eq!(told, things.into_iter().chain([shirt]).collect(), "product by product");
    world.call("POST", &format!("{path}/resume"), None).await;
    world.begin("apply").await;
    world.settle().await;
    assert_eq!(world.stage.e.write_calls(), 4 + 7);
}

//! The ledger: listed, filtered, and what can be undone.

use chrono::SubsecRound;
use concord::clock::{Clock, Instant};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;

type Wanted = Box<dyn Fn(&Value) -> bool>;

#[tokio::test]
async fn the_ledger_is_listed_filtered_and_paged() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    api.world.stage.r.rename(id, "Renamed");
    api.world.stage.e.sell(web, 2);
    api.world.settle().await;
    let all = api.get("/ledger?limit=200").await["items"].as_array().unwrap().clone();
    assert!(all.len() >= 3, "{all:?}");
    let write = all.iter().find(|entry| entry["kind"] == "write" && entry["field"] == "name").unwrap();
    for (name, value) in [
        ("origin", json!("r_series")),
        ("side", json!("e_series")),
        ("before", json!("Stoneware mug")),
        ("after", json!("Renamed")),
        ("result", json!("landed")),
        ("product_name", json!("Renamed")),
    ] {
        assert_eq!(write[name], value, "{name} in {write}");
    }
    assert!(write["cause"].as_str().unwrap().starts_with("notice "), "{write}");
    // Page by page it is the same list.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/ledger?limit=1{cursor}")).await;
        assert!(page["items"].as_array().unwrap().len() <= 1);
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let product = write["product_id"].as_str().unwrap();
    for (query, name, value) in [
        ("origin=r_series", "origin", "r_series"),
        ("origin=echo", "origin", "echo"),
        ("side=e_series", "side", "e_series"),
        ("field=name", "field", "name"),
        (&format!("product_id={product}"), "product_id", product),
    ] {
        let found = api.get(&format!("/ledger?limit=200&{query}")).await["items"].as_array().unwrap().clone();
        let wanted: Vec<_> = all.iter().filter(|entry| entry[name] == value).cloned().collect();
        assert!(!wanted.is_empty(), "{query}");
        assert_eq!(found, wanted, "{query}");
    }
    assert_eq!(api.get(&format!("/ledger?product_id={}", Uuid::nil())).await["items"], json!([]));
    for query in ["origin=x", "side=left", "field=color", "product_id=x"] {
        api.send("GET", &api.at(&format!("/ledger?{query}")), None).await.expect(400);
    }
}

#[tokio::test]
async fn the_ledger_is_filtered_by_kind_result_and_time() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    api.world.clock.advance(std::time::Duration::from_secs(3_600));
    let later = api.world.clock.now().trunc_subsecs(0);
    api.world.stage.r.rename(id, "Renamed");
    api.world.stage.r.sell(id, 1, 1);
    api.world.settle().await;
    let all = api.world.ledger().await;
    let since = move |entry: &Value| entry["at"].as_str().unwrap().parse::<Instant>().unwrap() >= later;
    let later = later.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let is = |name: &'static str, value: &'static str| move |entry: &Value| entry[name] == value;
    let cases: [(String, Wanted); 6] = [
        ("kind=write".into(), Box::new(is("kind", "write"))),
        ("kind=create".into(), Box::new(is("kind", "create"))),
        ("result=landed".into(), Box::new(is("result", "landed"))),
        (format!("since={later}"), Box::new(since)),
        (format!("until={later}"), Box::new(move |entry| !since(entry))),
        (
            format!("since={later}&kind=stock"),
            Box::new(move |entry| since(entry) && entry["kind"] == "stock"),
        ),
    ];
    for (query, wanted) in cases {
        let found = api.get(&format!("/ledger?limit=200&{query}")).await["items"].as_array().unwrap().clone();
        let wanted: Vec<Value> = all.iter().filter(|entry| wanted(entry)).cloned().collect();
        assert!(!wanted.is_empty(), "{query}");
        assert_eq!(found, wanted, "{query}");
    }
    assert_eq!(api.get("/ledger?result=open").await["items"], json!([]));
    for (query, status) in [("kind=x", 400), ("since=yesterday", 400), ("result=x", 422)] {
        api.send("GET", &api.at(&format!("/ledger?{query}")), None).await.expect(status);
    }
}

#[tokio::test]
async fn a_field_has_a_history_from_its_creation_on() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    api.world.stage.r.rename(id, "Second");
    api.world.settle().await;
    api.world.stage.e.rename(web, "Third");
    api.world.stage.e.reprice(web, crate::support::decimal("9"));
    api.world.settle().await;
    let product = api.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/products/{product}/fields/name/history");
    let history = api.get(&path).await;
    let told: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["kind"].as_str().unwrap().to_owned(), it["after"].clone()))
        .collect();
    assert_eq!(told[..2], [("write".into(), json!("Third")), ("write".into(), json!("Second"))], "{history}");
    assert_eq!(
        (told[2].0.as_str(), told[2].1["name"].as_str()),
        ("create", Some("Stoneware mug")),
        "{history}"
    );
    assert_eq!(told.len(), 3);
    let first = api.get(&format!("{path}?limit=1")).await;
    let second = api.get(&format!("{path}?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!(second["items"][0]["after"], "Second");
    // A field that was never written is explained by the creation.
    let shown = api.get(&format!("/products/{product}")).await;
    let sku = shown["fields"].as_array().unwrap().iter().find(|field| field["field"] == "sku").unwrap();
    assert_eq!((&sku["origin"], &sku["write_id"]), (&json!("r_series"), &history["items"][2]["id"]), "{sku}");
    assert!(sku["proven_at"].is_string(), "{sku}");
    api.check_guarded("GET", &api.at(&path)).await;
    api.check_paging(&api.at(&path)).await;
    for wrong in [
        format!("/products/{product}/fields/color/history"),
        format!("/products/{}/fields/name/history", Uuid::nil()),
    ] {
        api.send("GET", &api.at(&wrong), None).await.expect(404);
    }
}

#[tokio::test]
async fn what_cannot_be_undone_is_refused_with_the_reason() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    api.world.stage.r.rename(id, "Shop");
    api.world.stage.e.rename(web, "Web");
    api.world.settle().await;
    let ids = api.get("/products").await["items"][0]["id"].clone();
    let order = json!({"ids": [ids], "enabled": true});
    api.send("POST", &api.at("/products/mass-update"), Some(order)).await.expect(202);
    api.world.settle().await;
    let all = api.world.ledger().await;
    let mut met = std::collections::BTreeSet::new();
    for entry in &all {
        let kind = entry["kind"].as_str().unwrap();
        if ["write", "create", "stock", "remove"].contains(&kind) {
            continue;
        }
        met.insert(kind);
        let path = api.at(&format!("/ledger/{}/undo", entry["id"].as_str().unwrap()));
        let problem = api.send("POST", &path, None).await.expect(422);
        assert!(problem["detail"].as_str().unwrap().len() > 30, "{problem}");
        assert_eq!(entry["can_undo"], false);
    }
    assert!(met.contains("conflict") && met.contains("echo") && met.contains("operator"), "{met:?}");
    let nobody = Uuid::nil();
    api.send("POST", &api.at(&format!("/ledger/{nobody}/undo")), None).await.expect(404);
    api.send("POST", &format!("/v1/connections/{nobody}/ledger/{nobody}/undo"), None).await.expect(404);
    api.send("GET", &api.at(&format!("/ledger/undos/{nobody}")), None).await.expect(404);
    let write =
        all.iter().find(|entry| entry["can_undo"] == true).unwrap()["id"].as_str().unwrap().to_owned();
    api.send("GET", &api.at(&format!("/ledger/undos/{write}")), None).await.expect(404);
    for path in [format!("/ledger/{write}/undo"), "/ledger/undo".into(), format!("/syncs/{nobody}/undo")] {
        api.check_guarded("POST", &api.at(&path)).await;
    }
    api.check_guarded("GET", &api.at(&format!("/ledger/undos/{nobody}"))).await;
    api.check_body("POST", &api.at("/ledger/undo"), &json!({"mode": "preview", "cause": "x"})).await;
    for wrong in [
        json!({"mode": "preview"}),
        json!({"mode": "preview", "cause": "x", "call_id": nobody}),
        json!({"mode": "now", "cause": "x"}),
        json!({"mode": "preview", "cause": "\u{0}"}),
    ] {
        api.send("POST", &api.at("/ledger/undo"), Some(wrong)).await.expect(422);
    }
    let none = json!({"mode": "preview", "sync_id": nobody});
    api.send("POST", &api.at("/ledger/undo"), Some(none)).await.expect(404);
    // A platform that cannot be asked is no reason to undo blindly.
    api.world
        .stage
        .e
        .faults()
        .next(concord::sandbox::faults::Aim::Any, concord::sandbox::faults::Fault::HangBefore);
    let answer = api.send("POST", &api.at(&format!("/ledger/{write}/undo")), None).await;
    assert!([409, 502, 503].contains(&answer.status), "{}", answer.text);
    assert_eq!(api.get("/status").await["waiting"], 0);
}

#[tokio::test]
async fn the_ledger_is_guarded_and_knows_what_it_cannot_take() {
    let api = Api::with_a_mug().await;
    for path in ["/ledger", "/conflicts"] {
        api.check_guarded("GET", &api.at(path)).await;
        api.check_paging(&api.at(path)).await;
        for id in [Uuid::nil().to_string(), "nonsense".into()] {
            api.send("GET", &format!("/v1/connections/{id}{path}"), None).await.expect(404);
        }
    }
}

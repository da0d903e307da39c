//! Products: listed, shown with the reason of every value, planned, visited.

use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;
use uuid::Uuid;

use super::Api;
use crate::support::{decimal, item};

#[tokio::test]
async fn products_are_listed_found_and_paged() {
    let api = Api::with_a_mug().await;
    for (name, sku) in [("Teapot", "POT-1"), ("Teaspoon 100%", "SPOON_1")] {
        api.world.stage.r.create_item(item(name, sku, "5", 2));
    }
    let only_online =
        api.world.stage.e.create_product(json!({"name": "Only here", "sku": "WEB-1", "price": 3}));
    api.world.settle().await;
    let list = api.get("/products").await;
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &list["next"]), (4, &json!(null)), "{list}");
    let mug = items.iter().find(|row| row["sku"] == "MUG-1").unwrap();
    let web = api.world.product_of(1).unwrap().id.to_string();
    for (name, value) in [
        ("name", json!("Stoneware mug")),
        ("state", json!("in_step")),
        ("enabled", json!(false)),
        ("variants", json!(1)),
        ("r_series", json!({"kind": "item", "id": "1"})),
        ("e_series", json!({"id": web})),
    ] {
        assert_eq!(mug[name], value, "{name} in {mug}");
    }
    let online = items.iter().find(|row| row["sku"] == "WEB-1").unwrap();
    assert_eq!((&online["state"], &online["r_series"]), (&json!("unlinked"), &json!(null)), "{online}");
    assert_eq!(online["e_series"]["id"], only_online.to_string());

    for (query, wanted) in [
        ("sku=POT-1", 1),
        ("sku=pot-1", 0),
        ("sku=POT", 0),
        ("q=tea", 2),
        ("q=TEA", 2),
        ("q=%25", 1),
        ("q=_", 1),
        ("q=", 4),
        ("q=mug-1", 1),
        ("q=nothing", 0),
        ("q='", 0),
        ("q=%5C", 0),
        ("state=in_step", 3),
        ("state=unlinked", 1),
        ("state=parked", 0),
        ("state=waiting", 0),
        ("state=conflict", 0),
        ("q=tea&state=unlinked", 0),
    ] {
        let found = api.get(&format!("/products?{query}")).await;
        assert_eq!(found["items"].as_array().unwrap().len(), wanted, "{query}: {found}");
    }
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/products?limit=1{cursor}")).await;
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&paged, items);
}

#[tokio::test]
async fn a_product_tells_why_every_value_is_what_it_is() {
    let api = Api::with_a_mug().await;
    let web = api.world.product_of(1).unwrap().id;
    api.world.stage.e.rename(web, "Named on the web");
    api.world.settle().await;
    let id = api.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let product = api.get(&format!("/products/{id}")).await;
    assert_eq!((&product["id"], &product["standing"]), (&json!(id), &json!("linked")), "{product}");
    let name = product["fields"].as_array().unwrap().iter().find(|field| field["field"] == "name").unwrap();
    for (key, value) in [
        ("r_series", json!("Named on the web")),
        ("e_series", json!("Named on the web")),
        ("origin", json!("e_series")),
        ("way", json!("both")),
        ("rule", json!("r_wins")),
        ("shadow", json!({"r_series": "Named on the web", "e_series": "Named on the web"})),
    ] {
        assert_eq!(name[key], value, "{key} in {name}");
    }
    let stock = product["fields"].as_array().unwrap().iter().find(|field| field["field"] == "stock").unwrap();
    assert_eq!(stock["rule"], "sum", "pieces that were sold here and there are counted together: {stock}");
    let write = name["write_id"].as_str().unwrap();
    let ledger = api.get("/ledger?limit=200").await;
    let found = ledger["items"].as_array().unwrap().iter().find(|entry| entry["id"] == write).unwrap();
    assert_eq!((&found["after"], &found["at"]), (&json!("Named on the web"), &name["since"]), "{found}");
}

#[tokio::test]
async fn a_product_that_arrived_hidden_says_so_until_somebody_has_enabled_it() {
    let api = Api::with_a_mug().await;
    let id = api.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let enabled = async || {
        let product = api.get(&format!("/products/{id}")).await;
        let fields = product["fields"].as_array().unwrap();
        let explained =
            fields.iter().filter(|field| field["field"] != "enabled" && !field["differs"].is_null());
        assert_eq!(explained.count(), 0, "only what differs is explained: {product}");
        fields.iter().find(|field| field["field"] == "enabled").unwrap().clone()
    };
    let field = enabled().await;
    assert_eq!((&field["r_series"], &field["e_series"]), (&json!(true), &json!(false)), "{field}");
    assert_eq!(field["differs"]["code"], "arrived_hidden", "{field}");
    assert!(field["differs"]["reason"].as_str().unwrap().contains("arrive on the web disabled"), "{field}");

    let order = json!({"ids": [id], "enabled": true});
    api.send("POST", &api.at("/products/mass-update"), Some(order)).await.expect(202);
    api.world.settle().await;
    let field = enabled().await;
    assert_eq!((&field["e_series"], &field["differs"]), (&json!(true), &json!(null)), "{field}");

    // Two that are tied stay as they were, too.
    api.world.stage.e.create_product(json!({"name": "Teapot", "sku": "POT-1", "price": 5, "enabled": false}));
    api.world.settle().await;
    api.world.stage.r.create_item(item("Teapot", "POT-1", "5", 2));
    api.world.settle().await;
    let tied = api.get("/products?sku=POT-1").await["items"][0]["id"].as_str().unwrap().to_owned();
    let tied = api.get(&format!("/products/{tied}")).await;
    let field = tied["fields"].as_array().unwrap().iter().find(|field| field["field"] == "enabled").unwrap();
    assert_eq!(field["differs"]["code"], "tied_hidden", "{tied}");
}

#[tokio::test]
async fn a_plan_looks_and_writes_nothing_and_a_visit_does_it() {
    let api = Api::with_a_mug().await;
    let id = api.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/products/{id}");
    let plan = api.get(&format!("{path}/plan")).await;
    assert_eq!((&plan["in_step"], &plan["lines"]), (&json!(true), &json!([])), "{plan}");
    // A change that nobody tells of.
    api.world.stage.relay.set_target(None);
    api.world.stage.r.reprice_default(1, decimal("99.5"));
    api.world.clear_calls();
    let ledger = api.world.sql_count("select count(*) from ledger").await;
    let plan = api.get(&format!("{path}/plan")).await;
    assert_eq!(plan["in_step"], false, "{plan}");
    assert!(plan["lines"].to_string().contains("99.5"), "{plan}");
    assert_eq!(api.world.writes(), 0, "a plan wrote");
    assert_eq!(
        api.world.sql_count("select count(*) from ledger").await,
        ledger,
        "a plan was taken for a deed"
    );
    assert_eq!(api.world.sql_count("select count(*) from dirty").await, 0);
    for ask in [format!("{path}/sync"), format!("/parked/{id}/retry")] {
        let answer = api.send("POST", &api.at(&ask), None).await.expect(202);
        assert_eq!(answer["accepted"], 1, "{ask}");
    }
    assert_eq!(api.get("/products").await["items"][0]["state"], "waiting");
    api.world.settle().await;
    assert_eq!(api.world.product_of(1).unwrap().price, decimal("99.5"));
    // A platform that cannot be asked now, and one that refuses.
    api.world.stage.e.faults().next(Aim::Read, Fault::Status { status: 429, retry_after: Some(5) });
    api.send("GET", &api.at(&format!("{path}/plan")), None).await.expect(503);
    api.world.clock.advance(std::time::Duration::from_secs(5));
    api.world.stage.e.uninstall();
    api.send("GET", &api.at(&format!("{path}/plan")), None).await.expect(502);
}

#[tokio::test]
async fn parked_products_tell_their_reason() {
    let api = Api::with_a_mug().await;
    assert_eq!(api.get("/parked").await, json!({"items": [], "next": null}));
    let web = api.world.product_of(1).unwrap().id;
    api.world.stage.e.reprice(web, decimal("0"));
    api.world.settle().await;
    let parked = api.get("/parked").await;
    assert_eq!((&parked["items"][0]["state"], &parked["next"]), (&json!("parked"), &json!(null)), "{parked}");
    assert!(parked["items"][0]["reason"].as_str().unwrap().len() > 20, "{parked}");
    assert_eq!(parked["items"][0]["code"], "price_zero", "{parked}");
    assert_eq!(api.get("/products?state=parked").await["items"], parked["items"]);
}

#[tokio::test]
async fn products_are_guarded_and_know_what_they_cannot_take() {
    let api = Api::with_a_mug().await;
    let nil = Uuid::nil();
    for path in ["/products", "/parked"] {
        api.check_paging(&api.at(path)).await;
        api.check_guarded("GET", &api.at(path)).await;
        api.send("GET", &format!("/v1/connections/{nil}{path}"), None).await.expect(404);
    }
    for query in ["state=broken", "q=%00", "sku=%00"] {
        api.send("GET", &api.at(&format!("/products?{query}")), None).await.expect(422);
    }
    let id = api.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    for (method, head, tail) in [
        ("GET", "/products/", ""),
        ("GET", "/products/", "/plan"),
        ("POST", "/products/", "/sync"),
        ("POST", "/parked/", "/retry"),
    ] {
        api.check_guarded(method, &api.at(&format!("{head}{id}{tail}"))).await;
        for unknown in [nil.to_string(), "nonsense".into()] {
            api.send(method, &api.at(&format!("{head}{unknown}{tail}")), None).await.expect(404);
        }
        // A product of ours is nobody else's.
        api.send(method, &format!("/v1/connections/{nil}{head}{id}{tail}"), None).await.expect(404);
    }
}

//! Undo: one write, a run, a creation. What comes back, what has moved on, and what a crash leaves.

use axum::http::StatusCode;
use concord::clock::Clock;
use serde_json::{Value, json};

use super::variants::shirt;
use crate::support::{Plan, World, decimal, item, mug};

impl World {
    pub async fn ask(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = format!("/v1/connections/{}{path}", self.connection);
        let (status, answer) = self.call("POST", &path, body).await;
        (status.as_u16(), answer)
    }

    /// The newest landed write with these properties.
    pub async fn newest(&self, kind: &str, field: &str, side: &str) -> Value {
        let path = format!("/ledger?limit=200&kind={kind}&field={field}&side={side}&result=landed");
        self.get(&path).await["items"][0].clone()
    }

    pub async fn undo(&self, entry: &Value) -> (u16, Value) {
        self.ask(&format!("/ledger/{}/undo", entry["id"].as_str().unwrap()), None).await
    }

    /// It stays as it is, and nobody writes anything any more.
    pub async fn rests(&self) {
        self.check_laws().await;
        self.clear_calls();
        for _ in 0..3 {
            self.sweep().await;
        }
        assert_eq!(self.writes(), 0, "{:?} {:?}", self.stage.r.calls(), self.stage.e.calls());
    }
}

#[tokio::test]
async fn an_undone_name_is_the_old_one_on_both_sides_and_stays_so() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.rename(id, "Worse name");
    world.settle().await;
    let write = world.newest("write", "name", "e_series").await;
    assert_eq!(write["can_undo"], true, "{write}");
    let (status, taken) = world.undo(&write).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(1)), "{taken}");
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.description.as_str(), product.name.as_str()), ("Stoneware mug", "Stoneware mug"));
    let order = taken["id"].as_str().unwrap();
    let progress = world.get(&format!("/ledger/undos/{order}")).await;
    assert_eq!(
        (&progress["done"], &progress["waiting"], &progress["left"]),
        (&json!(1), &json!(0), &json!(0))
    );
    let cause = format!("undo of entry {}", write["id"].as_str().unwrap());
    for side in ["r_series", "e_series"] {
        let back = world.newest("write", "name", side).await;
        assert_eq!((&back["origin"], &back["cause"]), (&json!("operator"), &json!(cause)), "{back}");
        assert_eq!((&back["before"], &back["after"]), (&json!("Worse name"), &json!("Stoneware mug")));
    }
    // Once is enough, and the undo can be undone itself.
    let (status, problem) = world.undo(&write).await;
    assert_eq!(status, 409, "{problem}");
    let product_id = write["product_id"].as_str().unwrap();
    let shown = world.get(&format!("/products/{product_id}")).await;
    let name = shown["fields"].as_array().unwrap().iter().find(|field| field["field"] == "name").unwrap();
    assert_eq!((&name["origin"], &name["cause"]), (&json!("operator"), &json!(cause)), "{name}");
    world.rests().await;
    let again = world.newest("write", "name", "e_series").await;
    assert_eq!(world.undo(&again).await.0, 202);
    world.settle().await;
    assert_eq!(world.pair(id).0.description, "Worse name");
    world.rests().await;
}

/// What both sides say, field by field.
fn state(world: &World, id: i64) -> Value {
    let (item, product) = world.pair(id);
    json!({
        "names": [item.description, product.name],
        "skus": [item.custom_sku, product.sku],
        "prices": [item.online_price.unwrap_or(item.default_price), product.price],
        "enabled": [item.publish_to_ecom, product.enabled],
        "stock": [item.stock[&1], product.quantity],
    })
}

#[tokio::test]
async fn undo_after_any_edit_is_as_if_nothing_had_been_edited() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let web = world.product_of(id).unwrap().id;
    // In step in every field.
    world.stage.r.publish(id, false);
    world.settle().await;
    let mut seed = 20_260_302_u64;
    let mut draw = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for round in 0..30 {
        world.let_bygones_be().await;
        let before = state(&world, id);
        world.clock.advance(std::time::Duration::from_secs(2));
        let since = world.clock.now();
        let on_r = draw(2) == 0;
        let what = draw(5);
        let pieces = i64::try_from(draw(4)).unwrap() + 1;
        let price = decimal(&format!("{}.25", round + 3));
        match (what, on_r) {
            (0, true) => {
                world.stage.r.rename(id, &format!("Shop {round}"));
            }
            (0, false) => {
                world.stage.e.rename(web, &format!("Web {round}"));
            }
            (1, true) => {
                world.stage.r.set_sku(id, &format!("R-{round}"));
            }
            (1, false) => {
                world.stage.e.set_sku(web, &format!("E-{round}"));
            }
            (2, true) => {
                world.stage.r.reprice_online(id, price);
            }
            (2, false) => {
                world.stage.e.reprice(web, price);
            }
            (3, true) => {
                world.stage.r.publish(id, !world.stage.r.item(id).unwrap().publish_to_ecom);
            }
            (3, false) => {
                world.stage.e.enable(web, !world.product_of(id).unwrap().enabled);
            }
            (_, true) => {
                world.stage.r.restock(id, 1, pieces);
            }
            (_, false) => {
                world.stage.e.sell(web, pieces);
            }
        }
        world.settle().await;
        let at = format!("round {round}: edit {what} on {}", if on_r { "R" } else { "E" });
        assert_ne!(state(&world, id), before, "{at}");
        let since = since.format("%Y-%m-%dT%H:%M:%SZ");
        let new = world.get(&format!("/ledger?since={since}&limit=200")).await;
        let writes: Vec<Value> =
            new["items"].as_array().unwrap().iter().filter(|it| it["can_undo"] == true).cloned().collect();
        assert_eq!(writes.len(), 1, "{at}: {new}");
        let (status, answer) = world.undo(&writes[0]).await;
        assert_eq!(status, 202, "{at}: {answer}");
        world.settle().await;
        assert_eq!(state(&world, id), before, "{at}");
        world.check_laws().await;
    }
    world.rests().await;
}

#[tokio::test]
async fn what_has_moved_on_is_left_as_it_is() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let web = world.product_of(id).unwrap().id;
    world.stage.r.rename(id, "Second");
    world.settle().await;
    let write = world.newest("write", "name", "e_series").await;
    // Edited since, on either side, carried or not.
    world.stage.e.rename(web, "Third");
    let (status, problem) = world.undo(&write).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("“Third”"), "{problem}");
    world.settle().await;
    assert_eq!(world.undo(&write).await.0, 409);
    assert_eq!(world.pair(id).0.description, "Third");
    // Edited between the order and the visit.
    let write = world.newest("write", "name", "r_series").await;
    let (status, taken) = world.undo(&write).await;
    assert_eq!(status, 202, "{taken}");
    world.stage.e.rename(web, "Fourth");
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.description.as_str(), product.name.as_str()), ("Fourth", "Fourth"));
    let progress = world.get(&format!("/ledger/undos/{}", taken["id"].as_str().unwrap())).await;
    assert_eq!((&progress["done"], &progress["left"]), (&json!(0), &json!(1)), "{progress}");
    let left = world.ledger().await.into_iter().find(|it| it["detail"]["act"] == "left").unwrap();
    assert_eq!(left["result"], "superseded");
    assert!(left["detail"]["reason"].as_str().unwrap().contains("moved on"), "{left}");
    let entry = world.ledger().await.into_iter().find(|it| it["id"] == write["id"]).unwrap();
    assert_eq!(entry["undone_by"], Value::Null, "it was not undone");
    world.rests().await;
}

#[tokio::test]
async fn two_orders_for_one_field_do_not_cross() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    for name in ["Second", "Third"] {
        world.stage.r.rename(id, name);
        world.settle().await;
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let write = world.newest("write", "name", "e_series").await;
    assert_eq!(world.undo(&write).await.0, 202);
    assert_eq!(world.undo(&write).await.0, 409, "it is under way");
    world.settle().await;
    assert_eq!(world.pair(id).1.name, "Second");
    world.rests().await;
}

#[tokio::test]
async fn stock_is_put_back_as_pieces_and_not_as_a_count() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let web = world.product_of(id).unwrap().id;
    world.stage.r.sell(id, 1, 4);
    world.settle().await;
    let write = world.newest("stock", "stock", "e_series").await;
    world.stage.e.sell(web, 1);
    world.settle().await;
    // A sale that nobody has carried yet survives too.
    world.stage.e.sell(web, 2);
    let (status, answer) = world.undo(&write).await;
    assert_eq!(status, 202, "{answer}");
    world.settle().await;
    let (item, product) = world.pair(id);
    assert_eq!((item.stock[&1], product.quantity), (7, Some(7)), "10 - 4 - 1 - 2 + 4");
    for (side, pieces) in [("e_series", 4), ("r_series", 2)] {
        let back = world.newest("stock", "stock", side).await;
        assert_eq!(
            (&back["origin"], &back["detail"]["delta"]),
            (&json!("operator"), &json!(pieces)),
            "{back}"
        );
    }
    assert_eq!(world.undo(&write).await.0, 409, "once");
    world.rests().await;
}

#[tokio::test]
async fn a_one_way_field_is_undone_where_it_was_written_and_stays_apart() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let path = format!("/v1/connections/{}", world.connection);
    let one_way = json!({"settings": {"fields": {"name": {"way": "r_to_e"}}}});
    assert_eq!(world.call("PATCH", &path, Some(one_way)).await.0, StatusCode::OK);
    world.stage.r.rename(id, "Second");
    world.settle().await;
    let write = world.newest("write", "name", "e_series").await;
    assert_eq!(world.undo(&write).await.0, 202);
    world.settle().await;
    let names = |world: &World| (world.pair(id).0.description, world.pair(id).1.name);
    assert_eq!(names(&world), ("Second".into(), "Stoneware mug".into()));
    world.clear_calls();
    world.sweep().await;
    assert_eq!(world.writes(), 0);
    world.stage.r.rename(id, "Third");
    world.settle().await;
    assert_eq!(names(&world), ("Third".into(), "Third".into()));
    world.rests().await;
}

#[tokio::test]
async fn a_death_at_any_point_of_an_undo_changes_nothing_in_the_end() {
    let mut world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let mut points = 0;
    loop {
        world.let_bygones_be().await;
        let before = state(&world, id);
        world.stage.r.rename(id, &format!("Worse {points}"));
        world.stage.r.sell(id, 1, 2);
        world.settle().await;
        let (name, stock) = (
            world.newest("write", "name", "e_series").await,
            world.newest("stock", "stock", "e_series").await,
        );
        for entry in [&name, &stock] {
            let (status, answer) = world.undo(entry).await;
            assert_eq!(status, 202, "{points}: {answer}");
        }
        let died = world.die_after(50_000 + points as u64, points).await;
        world.restart_worker(50_000 + points as u64);
        world.clock.advance(std::time::Duration::from_secs(61));
        world.settle().await;
        assert_eq!(state(&world, id), before, "after a death at point {points}");
        world.check_laws().await;
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 40, "only {points} points: the visits did not do what they should");
}

#[tokio::test]
async fn an_undone_creation_leaves_the_web_and_comes_back_when_it_is_asked_for() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let web = world.product_of(id).unwrap().id;
    world.stage.e.try_edit_product(web, json!({"description": "<p>Keeps tea hot</p>"})).unwrap();
    world.settle().await;
    let created = world.ledger().await.into_iter().find(|it| it["kind"] == "create").unwrap();
    assert_eq!(world.undo(&created).await.0, 202);
    world.settle().await;
    assert!(world.stage.e.products().is_empty());
    let removal = world.ledger().await.into_iter().find(|it| it["kind"] == "remove").unwrap();
    assert_eq!((&removal["origin"], &removal["result"]), (&json!("operator"), &json!("landed")), "{removal}");
    let parked = world.get("/parked").await;
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("undone its creation"), "{parked}");
    // Not even an edit in the shop brings it back.
    world.stage.r.rename(id, "Still not there");
    world.sweep().await;
    assert!(world.stage.e.products().is_empty());
    assert_eq!(world.undo(&created).await.0, 409, "it is undone already");

    assert_eq!(world.undo(&removal).await.0, 202);
    world.settle().await;
    let back = world.product_of(id).expect("it is back");
    assert_eq!(world.record(back.id)["description"], "<p>Keeps tea hot</p>");
    assert_eq!(back.name, "Still not there");
    world.rests().await;

    // The other way to ask for it.
    let created = world.ledger().await.into_iter().find(|it| it["kind"] == "create").unwrap();
    assert_eq!(world.undo(&created).await.0, 202);
    world.settle().await;
    assert!(world.stage.e.products().is_empty());
    let product = created["product_id"].as_str().unwrap();
    assert_eq!(world.ask(&format!("/parked/{product}/retry"), None).await.0, 202);
    world.settle().await;
    assert!(world.product_of(id).is_some());
    world.rests().await;
}

#[tokio::test]
async fn what_the_shop_archived_is_not_undone_but_unarchived() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.archive(id);
    world.sweep().await;
    let removal = world.ledger().await.into_iter().find(|it| it["kind"] == "remove").unwrap();
    let (status, problem) = world.undo(&removal).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("unarchive"), "{problem}");
}

#[tokio::test]
async fn an_order_is_undone_as_a_whole_after_a_preview() {
    let items = (0..4).map(|n| item(&format!("Thing {n}"), &format!("T-{n}"), "5", 1)).collect();
    let world = World::with(Plan::default(), items).await;
    for n in 1..=4 {
        world.stage.r.publish(n, false);
    }
    world.settle().await;
    let (status, taken) =
        world.ask("/products/mass-update", Some(json!({"all": true, "enabled": true}))).await;
    assert_eq!(status, 202, "{taken}");
    world.settle().await;
    let on_offer = || world.stage.e.products().iter().filter(|product| product.enabled).count();
    assert_eq!(on_offer(), 4);
    let cause = format!("order {}", taken["id"].as_str().unwrap());
    let order = |mode: &str| Some(json!({"mode": mode, "cause": cause}));
    world.clear_calls();
    let (status, preview) = world.ask("/ledger/undo", order("preview")).await;
    assert_eq!((status, &preview["accepted"], &preview["id"]), (200, &json!(4), &json!(null)), "{preview}");
    assert_eq!(
        (&preview["edits"][0]["r_series"], &preview["edits"][0]["e_series"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(world.get("/status").await["waiting"], 0, "a preview asks for nothing");
    // One is taken off by the shop itself meanwhile: there is nothing left to do about it.
    let (status, applied) = world.ask("/ledger/undo", order("apply")).await;
    assert_eq!((status, &applied["accepted"]), (202, &json!(4)), "{applied}");
    world.stage.r.publish(1, false);
    world.settle().await;
    assert_eq!(on_offer(), 0);
    let progress = world.get(&format!("/ledger/undos/{}", applied["id"].as_str().unwrap())).await;
    assert_eq!((&progress["waiting"], &progress["accepted"]), (&json!(0), &json!(4)), "{progress}");
    let (_, again) = world.ask("/ledger/undo", order("preview")).await;
    assert_eq!(again["accepted"], 0, "{again}");
    assert!(again["left"][0]["reason"].as_str().unwrap().contains("undone already"), "{again}");
    world.rests().await;
}

#[tokio::test]
async fn several_writes_of_a_field_are_undone_back_to_before_the_first() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    world.stage.r.rename(id, "Second");
    world.settle().await;
    let call =
        world.sql_text("select call_id::text from ledger where field = 'name' and kind = 'write'").await;
    world.stage.r.rename(id, "Third");
    world.settle().await;
    // As one run of a relay would have it.
    world.sql("update ledger set cause = 'the nightly import' where kind = 'write'").await;
    let one = Some(json!({"mode": "preview", "call_id": call}));
    let (_, preview) = world.ask("/ledger/undo", one).await;
    assert_eq!((&preview["accepted"], &preview["refused"]), (&json!(0), &json!(1)), "{preview}");
    let all = Some(json!({"mode": "apply", "cause": "the nightly import"}));
    let (status, applied) = world.ask("/ledger/undo", all).await;
    assert_eq!((status, &applied["accepted"]), (202, &json!(1)), "{applied}");
    assert_eq!(applied["edits"][0]["undoes"].as_array().unwrap().len(), 2);
    world.settle().await;
    assert_eq!(state(&world, id)["names"], json!(["Stoneware mug", "Stoneware mug"]));
    world.rests().await;
}

#[tokio::test]
async fn a_whole_first_run_is_undone() {
    let mut world = World::open(Plan::default()).await;
    world.stage.r.create_item(mug());
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    let there = world.stage.e.create_product(json!({
        "name": "Old pot", "sku": "POT-1", "price": 10, "quantity": 3}));
    world.stage.r.create_item(item("Pot", "POT-1", "12", 3));
    world.clock.advance(std::time::Duration::from_secs(10));
    world.connect().await;
    world.settle().await;
    assert_eq!(world.stage.e.product(there).unwrap().name, "Pot");
    let sync = world.get("/status").await["sync"]["id"].as_str().unwrap().to_owned();
    let (status, preview) = world.ask(&format!("/syncs/{sync}/undo"), Some(json!({"mode": "preview"}))).await;
    assert_eq!(status, 200, "{preview}");
    assert!(world.product_of_matrix(matrix).is_some());
    let (status, applied) = world.ask(&format!("/syncs/{sync}/undo"), Some(json!({"mode": "apply"}))).await;
    assert_eq!((status, &applied["accepted"]), (202, &preview["accepted"]), "{applied}");
    world.settle().await;
    // What was created is gone, what was there has its name and price again, on both sides.
    let left: Vec<i64> = world.stage.e.products().iter().map(|product| product.id).collect();
    assert_eq!(left, [there], "{applied}");
    let pot = world.stage.e.product(there).unwrap();
    assert_eq!((pot.name.as_str(), pot.price), ("Old pot", decimal("10")));
    world.clear_calls();
    world.sweep().await;
    assert_eq!(world.writes(), 0);
    let (status, none) =
        world.ask(&format!("/syncs/{}/undo", uuid::Uuid::nil()), Some(json!({"mode": "apply"}))).await;
    assert_eq!(status, 404, "{none}");
}

#[tokio::test]
async fn a_variants_price_and_the_names_of_options_are_undone() {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    let variant = *world.stage.r.matrices()[0].variants.first().map(|(item, _)| item).unwrap();
    let before = world.stage.r.item(variant).unwrap();
    world.stage.r.reprice_online(variant, decimal("77"));
    world.settle().await;
    let write = world.newest("write", "price", "e_series").await;
    assert_eq!(world.undo(&write).await.0, 202);
    world.settle().await;
    let after = world.stage.r.item(variant).unwrap();
    assert_eq!(
        after.online_price.unwrap_or(after.default_price),
        before.online_price.unwrap_or(before.default_price)
    );
    assert_eq!(world.product_of_matrix(matrix), Some(product));
    world.rests().await;
}

/// The product goes, its pieces are the shop's: what was sold of it on the web a moment before is sold.
#[tokio::test]
async fn what_was_sold_of_a_product_is_carried_before_its_creation_is_undone() {
    let world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    let before: i64 = world.stage.r.item(id).unwrap().stock.values().sum();
    world.stage.e.sell(product, 2);
    let created = world.ledger().await.into_iter().find(|it| it["kind"] == "create").unwrap();
    assert_eq!(world.undo(&created).await.0, 202);
    world.settle().await;
    assert!(world.stage.e.products().is_empty(), "it is off the web");
    let after: i64 = world.stage.r.item(id).unwrap().stock.values().sum();
    assert_eq!(after, before - 2);
}

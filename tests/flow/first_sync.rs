//! The first sync of a whole shop: watched, broken off, taken up again, and what it costs.

use std::time::Duration;

use concord::sandbox::rseries::{NewItem, NewMatrix};
use serde_json::{Value, json};

use super::variants::{shirt, variant};
use crate::support::{Plan, World, decimal, item, mug};

impl World {
    /// A world whose catalogue was made long ago, so that no poll finds it.
    pub(super) async fn long_ago(plan: Plan) -> Self {
        let world = Self::open(plan).await;
        world.stage.e.set_max_product_limit(100_000);
        world
    }

    /// Connects a day later, without the run that a connection begins with.
    pub(super) async fn connect_quietly(&mut self) {
        self.clock.advance(Duration::from_secs(86_400));
        self.connect().await;
        let run = self.get("/status").await["sync"]["id"].as_str().unwrap().to_owned();
        let (status, cancelled) = self.order(&format!("/syncs/{run}/cancel"), None).await;
        assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")), "{cancelled}");
        self.settle().await;
        assert!(self.stage.e.write_calls() + self.stage.r.write_calls() == 0, "nothing has begun");
        self.clear_calls();
    }

    pub(super) async fn order(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = format!("/v1/connections/{}{path}", self.connection);
        let (status, answer) = self.call("POST", &path, body).await;
        (status.as_u16(), answer)
    }

    pub(super) async fn begin(&self, mode: &str) -> String {
        let (status, started) = self.order("/syncs", Some(json!({ "mode": mode }))).await;
        assert_eq!(status, 202, "{started}");
        format!("/syncs/{}", started["id"].as_str().unwrap())
    }

    pub(super) async fn all(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit=3{cursor}")).await;
            rows.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    async fn review_of(&self, name: &str) -> Value {
        let reviews = self.all("/reviews").await;
        reviews.iter().find(|review| review["name"] == name).cloned().unwrap_or(Value::Null)
    }

    /// Runs until the run has this state, or for so many steps.
    async fn steps(&self, most: usize) {
        for _ in 0..most {
            self.worker.step().await.unwrap();
            self.clock.advance(Duration::from_millis(200));
        }
    }
}

fn online(name: &str, sku: &str, price: &str, quantity: i64) -> Value {
    let price: f64 = price.parse().unwrap();
    json!({"name": name, "sku": sku, "price": price, "quantity": quantity, "unlimited": false, "enabled": true})
}

/// Both sides have something, and not everything is clear.
pub(super) fn furnish(world: &World) {
    for new in [
        mug(),
        item("Teapot", "POT-1", "39", 3),
        item("Plate", "PLATE-1", "8", 6),
        item("Cup", "CUP-1", "4", 2),
        item("Spoon", "", "2", 20),
        item("Fork", "SAME", "2", 20),
        item("Knife", "SAME", "2", 20),
        item("Tray", "TRAY-1", "15", 1),
    ] {
        world.stage.r.create_item(new);
    }
    world.stage.r.create_matrix(shirt()).unwrap();
    let sizes = ["38", "39"].map(|size| variant(["", size, ""], &format!("SHOE-{size}"), "80", 2));
    let shoe = NewMatrix {
        description: "Shoe".into(),
        attribute_set_id: 2,
        variants: sizes.into(),
        ..NewMatrix::default()
    };
    world.stage.r.create_matrix(shoe).unwrap();
    let e = &world.stage.e;
    e.create_product(online("Teapot, blue", "POT-1", "41", 3));
    e.create_product(online("Plate", "PLATE-1", "8", 6));
    e.create_product(online("Cup", "cup-1", "4", 2));
    e.create_product(online("Spoon", "SPOON", "2", 20));
    e.create_product(online("Voucher", "V-1", "10", 5));
    let boots = e.create_product(online("Boots", "BOOTS", "80", 0));
    e.add_variation(
        boots,
        json!({"sku": "TRAY-1", "price": 1, "quantity": 1, "unlimited": false,
        "options": [{"name": "Size", "value": "1"}]}),
    )
    .unwrap();
    let web_shoe = e.create_product(online("Shoe", "SHOES", "80", 0));
    for (size, pieces) in [("38", 2), ("39", 7)] {
        let fields = json!({"sku": format!("SHOE-{size}"), "price": 80, "quantity": pieces, "unlimited": false,
            "options": [{"name": "Size", "value": size}]});
        e.add_variation(web_shoe, fields).unwrap();
    }
}

#[tokio::test]
async fn a_doubt_is_resolved_by_one_call() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    furnish(&world);
    world.connect().await;
    world.settle().await;
    let cup = world.review_of("Cup").await;
    assert_eq!((&cup["code"], &cup["sku"]), (&json!("sku_case"), &json!("CUP-1")), "{cup}");
    let web = cup["candidates"][0]["e_product_id"].as_i64().unwrap();
    assert_eq!(cup["candidates"][0]["skus"], json!(["cup-1"]), "{cup}");
    let resolve = |review: &Value| format!("/reviews/{}/resolve", review["product_id"].as_str().unwrap());
    let (status, _) = world.order(&resolve(&cup), Some(json!({ "link_to": web }))).await;
    assert_eq!(status, 202);
    let fork = world.review_of("Fork").await;
    assert_eq!(fork["code"], "sku_twice_in_shop", "{fork}");
    let (status, _) = world.order(&resolve(&fork), Some(json!({"link_to": "create"}))).await;
    assert_eq!(status, 202);
    let spoon = world.review_of("Spoon").await;
    assert_eq!(spoon["code"], "sku_missing", "{spoon}");
    let (status, problem) = world.order(&resolve(&spoon), Some(json!({ "link_to": web }))).await;
    assert_eq!(status, 202, "{problem}");
    world.settle().await;
    // The cup was first: what it is tied to, the spoon cannot be.
    let product = world.get("/products?sku=CUP-1").await["items"][0].clone();
    assert_eq!(product["e_series"]["id"], web.to_string().as_str(), "{product}");
    assert_eq!(world.stage.e.product(web).unwrap().sku, "CUP-1", "the shop's spelling wins");
    let forks = world.stage.r.items().into_iter().find(|item| item.description == "Fork").unwrap();
    assert_eq!(world.product_of(forks.item_id).unwrap().sku, forks.system_sku);
    for name in ["Cup", "Fork"] {
        assert_eq!(world.review_of(name).await, Value::Null, "{name}");
    }
    let parked = world.get("/parked?limit=200").await;
    let reasons = parked["items"].to_string();
    assert!(reasons.contains("tied to another item"), "{reasons}");
    let (status, _) = world.order(&resolve(&spoon), Some(json!({"link_to": "create"}))).await;
    assert_eq!(status, 202);
    world.settle().await;
    assert_eq!(world.stage.e.products().iter().filter(|product| product.name == "Spoon").count(), 2);
}

#[tokio::test]
async fn items_that_share_a_sku_are_shown_what_the_web_has_under_it() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    for name in ["Plate", "Plate, too"] {
        world.stage.r.create_item(item(name, "DUP-1", "5", 1));
    }
    let web = world.stage.e.create_product(online("Plate", "DUP-1", "5", 1));
    world.connect().await;
    world.settle().await;
    for name in ["Plate", "Plate, too"] {
        let review = world.review_of(name).await;
        assert_eq!(review["code"], "sku_twice_in_shop", "{review}");
        let candidates = json!([{"e_product_id": web, "name": "Plate", "skus": ["DUP-1"], "tied": false}]);
        assert_eq!(review["candidates"], candidates, "{review}");
    }
    // What is tied to the one is nothing that the other could be.
    let one = world.review_of("Plate").await["product_id"].as_str().unwrap().to_owned();
    let (status, _) = world.order(&format!("/reviews/{one}/resolve"), Some(json!({ "link_to": web }))).await;
    assert_eq!(status, 202);
    world.settle().await;
    let other = world.review_of("Plate, too").await["product_id"].as_str().unwrap().to_owned();
    assert_eq!(world.order(&format!("/products/{other}/sync"), None).await.0, 202);
    world.settle().await;
    let review = world.review_of("Plate, too").await;
    assert_eq!(review["candidates"], json!([]), "{review}");
}

#[tokio::test]
async fn variants_are_matched_by_their_skus_and_a_product_without_any_of_them_is_not() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    let e = &world.stage.e;
    let web = e.create_product(online("Something else", "TS-R-S", "19.9", 5));
    for size in ["S", "M"] {
        let fields = json!({"sku": format!("OTHER-{size}"), "price": 19.9, "quantity": 5, "unlimited": false,
            "options": [{"name": "Color", "value": "Red"}, {"name": "Size", "value": size}]});
        e.add_variation(web, fields).unwrap();
    }
    world.connect().await;
    world.settle().await;
    let review = world.review_of("T-shirt").await;
    assert_eq!(review["code"], "variants_differ", "{review}");
    assert_eq!(review["candidates"][0]["e_product_id"], web, "{review}");
    assert_eq!((world.writes(), world.product_of_matrix(matrix)), (0, None));
    // With the SKUs of two of its variants it is the same.
    world.stage.e.set_sku(web, "TEE");
    for (variation, sku) in world.stage.e.variations(web).iter().zip(["TS-R-S", "TS-R-M"]) {
        world.stage.e.set_variation_sku(web, variation["id"].as_i64().unwrap(), sku);
    }
    // That it changed is reason enough to judge again.
    world.settle().await;
    world.sweep().await;
    let entries = world.ledger().await;
    let tied =
        entries.iter().find(|entry| entry["kind"] == "link" && entry["after"]["e_variation"].is_null());
    let cause = tied.unwrap()["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains("2 of 4 variants"), "{cause}");
    let of_variants = entries.iter().filter(|entry| {
        entry["kind"] == "link"
            && entry["cause"].as_str().is_some_and(|cause| cause.starts_with("the same SKU: "))
    });
    assert_eq!(of_variants.count(), 2);
}

/// 120 simple items and 45 matrices with 4 variants each.
fn many(world: &World) {
    for n in 0..120 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", n % 3));
    }
    for n in 0..45 {
        let variants =
            ["S", "M", "L", "XL"].map(|size| variant(["", size, ""], &format!("M-{n}-{size}"), "9", 2));
        let matrix = NewMatrix {
            description: format!("Shirt {n}"),
            attribute_set_id: 2,
            variants: variants.into(),
            ..NewMatrix::default()
        };
        world.stage.r.create_matrix(matrix).unwrap();
    }
}

impl World {
    /// Drips of what is read of the catalogue; polls of change feeds cost the same whether or not there is a run, and
    /// so do the one look at the tree of categories and the one at a page of pictures.
    fn catalogue_drips(&self) -> f64 {
        let polls = |query: &str| query.contains("timeStamp") || query.contains("inventoryLogID");
        let besides = |path: &str| path.contains("/Category") || path.contains("/Image");
        let calls = self.stage.r.calls();
        let (besides, catalogue): (Vec<_>, Vec<_>) =
            calls.iter().filter(|call| !polls(&call.query)).partition(|call| besides(&call.path));
        assert!(besides.iter().map(|call| call.drips).sum::<f64>() <= 4.0, "{besides:?}");
        catalogue.iter().map(|call| call.drips).sum()
    }
}

#[tokio::test]
async fn a_first_sync_reads_the_shop_once_and_writes_once_a_product() {
    let mut world = World::long_ago(Plan::default()).await;
    many(&world);
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    world.clear_calls();
    world.settle().await;
    let status = world.get("/status").await;
    assert_eq!((&status["parked"], &status["in_step"]), (&json!(0), &json!(true)), "{status}");
    assert_eq!(world.stage.e.products().len(), 165);
    let (drips, writes) = (world.catalogue_drips(), world.stage.e.write_calls());
    let reads = world.stage.e.calls().len() - writes;
    eprintln!("first sync: {drips:.1} drips, {writes} writes, {reads} reads on E-Series");
    // Three pages of items and one of matrices.
    assert!(drips <= 2.2 * 3.0 + 1.2, "{drips} drips for 300 items");
    assert_eq!((writes, world.stage.r.write_calls()), (165, 0), "variations travel with their products");
    // Each product is read back; all else goes in groups.
    assert!(reads <= 165 * 135 / 100, "{reads} reads on E-Series");
    world.check_laws().await;

    world.clear_calls();
    // What was looked at in the very same moment would count as newer than the run's pages.
    world.clock.advance(Duration::from_secs(5));
    world.begin("apply").await;
    world.settle().await;
    let (drips, reads) = (world.catalogue_drips(), world.stage.e.calls().len());
    eprintln!("second run: {drips:.1} drips, {reads} reads on E-Series");
    assert_eq!(world.writes(), 0);
    assert!(drips <= 2.2 * 3.0 + 1.2, "{drips} drips for 300 items");
}

#[tokio::test]
async fn pictures_cost_one_write_each_and_are_not_read_again_for_their_products() {
    let mut world = World::long_ago(Plan::default()).await;
    for n in 0..90 {
        let id = world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 1));
        world.add_image(id);
    }
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    world.clear_calls();
    world.settle().await;
    let drips = world.catalogue_drips();
    assert!(drips <= 2.2 + 1.2, "{drips} drips for 90 items with a picture each");
    let writes = world.stage.e.write_calls();
    assert!(writes <= (90 + 90) * 102 / 100, "{writes} writes for 90 products and 90 pictures");
    let hung = world.stage.e.products().iter().map(|product| world.hung(product.id).len()).sum::<usize>();
    assert_eq!(hung, 90);
}

#[tokio::test]
async fn what_is_there_on_both_sides_is_tied_without_reading_the_shop_again() {
    let mut world = World::long_ago(Plan::default()).await;
    for n in 0..100 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 2));
        world.stage.e.create_product(online(&format!("Thing {n}"), &format!("T-{n}"), "5", 2));
    }
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    world.clear_calls();
    world.settle().await;
    assert_eq!(world.get("/status").await["linked"], 100);
    assert_eq!(world.writes(), 0);
    let drips = world.catalogue_drips();
    assert!(drips <= 2.2 + 1.2, "{drips} drips for 100 items");
    world.check_queue_and_ledger().await;
}

#[tokio::test]
async fn news_that_comes_while_a_run_is_under_way_is_not_lost_behind_what_the_run_has_read() {
    let mut world = World::long_ago(Plan::default()).await;
    for n in 0..60 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 4));
    }
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    // The lists have been read, and some of the visits are over.
    while world.stage.e.products().len() < 25 {
        world.worker.step().await.unwrap();
    }
    let (first, last) = (1, 60);
    for item in [first, last] {
        world.stage.r.sell(item, 1, 1);
        world.stage.r.rename(item, "Renamed");
    }
    world.settle().await;
    world.check_laws().await;
    for item in [first, last] {
        let (_, online) = world.pair(item);
        assert_eq!((online.name.as_str(), online.quantity), ("Renamed", Some(3)));
    }
    // An edit on the web is carried to the shop and is not undone by what was read of the shop before.
    let web = world.product_of(30).unwrap().id;
    world.begin("apply").await;
    while world.sql_count("select count(*) from dirty where run").await == 0 {
        // It waits for the store's lists, which may not show yet what has just been written.
        if !world.worker.step().await.unwrap() {
            world.clock.advance(Duration::from_secs(1));
        }
    }
    world.stage.e.rename(web, "Web name");
    world.stage.e.sell(web, 1);
    world.settle().await;
    world.stage.e.reprice(web, decimal("6"));
    world.settle().await;
    let (shop, online) = world.pair(30);
    assert_eq!((shop.description.as_str(), online.name.as_str()), ("Web name", "Web name"));
    assert_eq!((shop.stock[&1], online.quantity), (3, Some(3)));
    world.check_laws().await;
}

#[tokio::test]
async fn what_can_be_sold_goes_first() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    for n in 0..90 {
        let (stock, publish) = match n % 3 {
            0 => (0, false),
            1 => (0, true),
            _ => (5, true),
        };
        let new = NewItem {
            publish_to_ecom: publish,
            ..item(&format!("Thing {n}"), &format!("T-{n}"), "5", stock)
        };
        world.stage.r.create_item(new);
    }
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    world.settle().await;
    let mut products = world.stage.e.products();
    products.sort_by_key(|product| product.id);
    let rank = |sku: &str| sku.trim_start_matches("T-").parse::<i64>().unwrap() % 3;
    let order: Vec<i64> = products.iter().map(|product| rank(&product.sku)).collect();
    assert_eq!(order.len(), 90);
    assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
}

#[tokio::test]
async fn a_run_goes_on_where_its_worker_died() {
    let mut world = World::long_ago(Plan::default()).await;
    many(&world);
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    let run = format!("/syncs/{}", world.get("/status").await["sync"]["id"].as_str().unwrap());
    for death in 0..12 {
        world.steps(2).await;
        world.restart_worker(death);
        let shown = world.get(&run).await;
        assert_eq!(shown["state"], "running", "{shown}");
        // Leases of the dead run out.
        world.clock.advance(Duration::from_secs(61));
    }
    let shown = world.get(&run).await;
    let (done, total) = (&shown["progress"]["done"], &shown["progress"]["total"]);
    assert_eq!((total, &shown["summary"]["variants"]), (&json!(300), &json!(180)), "{shown}");
    assert!(done.as_i64().unwrap() > 0 && shown["eta_seconds"].as_i64().unwrap() > 0, "{shown}");
    world.settle().await;
    let shown = world.get(&run).await;
    assert_eq!((&shown["state"], &shown["progress"]["done"]), (&json!("done"), &json!(300)), "{shown}");
    assert_eq!(world.stage.e.products().len(), 165);
    assert_eq!(world.sql_count("select count(*) from looks").await, 0, "nothing is kept beyond its end");
    world.check_laws().await;
}

#[tokio::test]
async fn a_cancelled_run_begins_nothing_more() {
    let mut world = World::long_ago(Plan::default()).await;
    many(&world);
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    let run = format!("/syncs/{}", world.get("/status").await["sync"]["id"].as_str().unwrap());
    while world.stage.e.products().len() < 30 {
        world.worker.step().await.unwrap();
    }
    let (status, cancelled) = world.order(&format!("{run}/cancel"), None).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")), "{cancelled}");
    let (status, _) = world.order(&format!("{run}/cancel"), None).await;
    assert_eq!(status, 409, "it has ended");
    let there = world.stage.e.products().len();
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.stage.e.products().len(), there);
    assert_eq!(world.get(&run).await["state"], "cancelled");
    world.begin("apply").await;
    world.settle().await;
    assert_eq!(world.stage.e.products().len(), 165);
    world.check_laws().await;
}

#[tokio::test]
async fn a_bad_product_stops_nobody() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    // More pieces than any shop has cannot be read; no name cannot be written.
    world.stage.r.create_item(item("Mad count", "MAD-1", "5", 10_000_000_000_000));
    world.stage.r.create_item(item("", "NO-NAME", "5", 1));
    let variants = vec![
        variant(["S", "", ""], "BAD-S", "5", 10_000_000_000_000),
        variant(["M", "", ""], "BAD-M", "5", 1),
    ];
    let bad = NewMatrix { description: "Bad shirt".into(), variants, ..NewMatrix::default() };
    world.stage.r.create_matrix(bad).unwrap();
    for n in 0..45 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 4));
    }
    world.stage.r.create_matrix(shirt()).unwrap();
    world.connect().await;
    world.settle().await;
    world.sweep().await;
    let status = world.get("/status").await;
    assert_eq!(status["sync"]["state"], "done", "{status}");
    assert_eq!(status["sync"]["summary"]["unreadable"], 2, "{status}");
    let names: Vec<String> = world.stage.e.products().into_iter().map(|product| product.name).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("Thing")).count(), 45, "{names:?}");
    assert!(names.contains(&"T-shirt".to_owned()), "{names:?}");
    let parked = world.get("/parked?limit=200").await["items"].to_string();
    assert!(parked.contains("NO-NAME"), "{parked}");
}

#[tokio::test]
async fn a_run_that_would_empty_the_web_waits_for_approval() {
    let mut world = World::long_ago(Plan { relay: false, ..Plan::default() }).await;
    for n in 0..40 {
        world.stage.r.create_item(item(&format!("Thing {n}"), &format!("T-{n}"), "5", 0));
        world.stage.e.create_product(online(&format!("Thing {n}"), &format!("T-{n}"), "5", 7));
    }
    world.clock.advance(Duration::from_secs(86_400));
    world.connect().await;
    world.settle().await;
    let empty = || world.stage.e.products().iter().filter(|product| product.quantity == Some(0)).count();
    let status = world.get("/status").await;
    assert_eq!(status["sync"]["state"], "awaiting_approval", "{status}");
    assert_eq!(status["sync"]["summary"]["held"].as_u64().unwrap(), 40 - empty() as u64, "{status}");
    assert_eq!(empty(), 10, "as many as the caps allow");
    assert_eq!(status["in_step"], false, "{status}");
    let (code, _) = world.order("/brake/release", None).await;
    assert_eq!(code, 202);
    world.settle().await;
    assert_eq!(empty(), 40);
    assert_eq!(world.get("/status").await["sync"]["state"], "done");
}

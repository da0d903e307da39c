//! The shop's tree of categories on E-Series: names, parents and order. Read directly from both sandboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::picture;
use serde_json::{Value, json};

use crate::support::{Plan, World, mug};

/// A number, however it is printed.
pub fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

impl World {
    /// A world whose shop has these categories, `(name, index of the parent)`, connected and quiet; with their ids.
    pub async fn with_categories(plan: Plan, tree: &[(&str, Option<usize>)]) -> (Self, Vec<i64>) {
        let mut world = Self::open(plan).await;
        let ids = world.plant(tree);
        world.connect().await;
        world.settle().await;
        (world, ids)
    }

    pub fn plant(&self, tree: &[(&str, Option<usize>)]) -> Vec<i64> {
        let mut ids = Vec::new();
        for (name, parent) in tree {
            let parent = parent.map_or(0, |at| ids[at]);
            ids.push(self.stage.r.create_category(name, parent).expect("the shop takes the category"));
        }
        ids
    }

    /// The shop's categories: id, parent, name, in display order.
    pub fn shop_tree(&self) -> Vec<(i64, i64, String)> {
        let catalogue = self.stage.r.raw_catalogue();
        let mut rows: Vec<(i64, (i64, i64, String))> = catalogue["Category"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let name = it["name"].as_str().unwrap().to_owned();
                (number(&it["leftNode"]), (number(&it["categoryID"]), number(&it["parentID"]), name))
            })
            .collect();
        rows.sort();
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Which category of E-Series each of the shop's is, by Concord's own word.
    pub async fn tied(&self) -> BTreeMap<i64, i64> {
        let tied = self.listed().await.into_iter().filter(|row| !row["r_series"].is_null());
        tied.filter(|row| !row["e_series"].is_null())
            .map(|row| (number(&row["r_series"]["id"]), number(&row["e_series"]["id"])))
            .collect()
    }

    pub async fn listed(&self) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/categories?limit=100{cursor}")).await;
            rows.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    pub async fn listed_as(&self, name: &str) -> Value {
        let listed = self.listed().await;
        listed
            .iter()
            .find(|row| row["name"] == name)
            .cloned()
            .unwrap_or_else(|| panic!("no {name} in {listed:?}"))
    }

    pub fn online_category(&self, id: i64) -> Value {
        self.stage.e.category(id).unwrap_or_else(|| panic!("no category {id} on E-Series"))
    }

    /// Both trees say the same: names, parents, order of siblings; nothing of the shop's is there twice.
    pub async fn check_trees(&self) {
        let tied = self.tied().await;
        let shop = self.shop_tree();
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        for (id, parent, name) in &shop {
            let online = self.online_category(*tied.get(id).unwrap_or_else(|| panic!("{name} is not tied")));
            assert_eq!(online["name"].as_str().unwrap().trim(), name.trim());
            let expected = if *parent == 0 { 0 } else { tied[parent] };
            assert_eq!(number(&online["parentId"]), expected, "{name}: {online}");
            let order = number(&online["orderBy"]);
            let before = last.insert(*parent, order);
            assert!(before.is_none_or(|before| before < order), "{name} stands at {order} behind {before:?}");
        }
        let markers: Vec<Value> =
            self.stage.e.categories().iter().map(|it| it["externalReferenceId"].clone()).collect();
        let marked =
            markers.iter().filter_map(Value::as_str).filter(|it| it.starts_with("concord-r-category-"));
        let marked: Vec<&str> = marked.collect();
        assert_eq!(
            marked.len(),
            marked.iter().collect::<BTreeSet<_>>().len(),
            "one is there twice: {marked:?}"
        );
        let status = self.get("/status").await;
        let expected = json!({"in_step": shop.len(), "waiting": 0, "held": 0});
        assert_eq!(status["categories"], expected, "{status}");
    }

    /// Looking again at everything changes nothing.
    pub async fn check_rest(&self) {
        self.clear_calls();
        self.sql("update trees set due_at = now() - interval '50 years', generation = generation + 1").await;
        let path = format!("/v1/connections/{}/syncs", self.connection);
        self.call("POST", &path, Some(json!({"mode": "apply"}))).await;
        self.settle().await;
        self.sweep().await;
        assert_eq!(self.writes(), 0, "{:?}", self.stage.e.calls());
    }
}

pub const SHOP: [(&str, Option<usize>); 6] = [
    ("Kitchen", None),
    ("Mugs", Some(0)),
    ("Bowls", Some(0)),
    ("Art", None),
    ("Large", Some(1)),
    ("Zines", None),
];

#[tokio::test]
async fn the_tree_arrives_disabled_in_the_order_of_the_shop() {
    let (world, _) = World::with_categories(Plan::default(), &SHOP).await;
    world.check_trees().await;
    for category in world.stage.e.categories() {
        assert_eq!(category["enabled"], false, "{category}");
    }
    assert_eq!(world.stage.e.write_calls(), SHOP.len(), "one write each");
    let listed: Vec<Value> = world.listed().await.into_iter().map(|row| row["path"].clone()).collect();
    let expected = [
        json!(["Art"]),
        json!(["Kitchen"]),
        json!(["Kitchen", "Bowls"]),
        json!(["Kitchen", "Mugs"]),
        json!(["Kitchen", "Mugs", "Large"]),
        json!(["Zines"]),
    ];
    assert_eq!(listed, expected);
    world.check_laws().await;
    world.check_rest().await;
    world.check_trees().await;
}

#[tokio::test]
async fn renames_moves_and_new_ones_are_followed_with_few_writes() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let [kitchen, mugs, bowls, art, large, _] = ids[..] else { panic!() };
    world.clear_calls();
    world.stage.r.rename_category(bowls, "Pots & <b>pans</b>");
    world.sweep().await;
    world.check_trees().await;
    assert_eq!(world.writes(), 2, "its name, and its place: {:?}", world.stage.e.calls());

    world.clear_calls();
    world.stage.r.create_category("Nook", kitchen).unwrap();
    world.stage.r.move_category(large, art);
    world.sweep().await;
    world.check_trees().await;
    assert_eq!(world.writes(), 2, "{:?}", world.stage.e.calls());

    // Parent and child change places.
    world.stage.r.move_category(mugs, 0);
    world.stage.r.move_category(kitchen, mugs);
    world.sweep().await;
    world.check_trees().await;
    world.check_laws().await;
    world.check_rest().await;
}

#[tokio::test]
async fn what_the_shop_deletes_goes_leaves_first_and_is_kept() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let tied = world.tied().await;
    // The last one of all: no other node shifts, so only a full comparison tells.
    assert!(world.stage.r.delete_category(ids[5]));
    world.clock.advance(Duration::from_secs(3_700));
    world.settle().await;
    assert!(world.stage.e.category(tied[&ids[5]]).is_none(), "a leaf");
    // A whole branch between two looks.
    for id in [ids[4], ids[1], ids[2], ids[0]] {
        assert!(world.stage.r.delete_category(id));
    }
    world.sweep().await;
    world.clock.advance(Duration::from_secs(3_700));
    world.settle().await;
    assert_eq!(world.stage.e.categories().len(), 1, "{:?}", world.stage.e.categories());
    world.check_trees().await;
    world.check_laws().await;
    let removals: Vec<Value> =
        world.ledger().await.into_iter().filter(|entry| entry["kind"] == "remove").collect();
    assert_eq!(removals.len(), 5);
    assert!(
        removals.iter().all(|entry| entry["before"]["name"].is_string()),
        "what it was is kept: {removals:?}"
    );
    world.check_rest().await;
}

#[tokio::test]
async fn what_exists_only_online_is_never_destroyed_with_its_parent() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let tied = world.tied().await;
    let (art, zines) = (tied[&ids[3]], tied[&ids[5]]);
    let own = world.stage.e.create_category(json!({"name": "Only online", "parentId": art}));
    let product = world.stage.e.create_product(json!({"name": "Poster", "sku": "P", "categoryIds": [zines]}));
    world.settle().await;
    world.stage.r.delete_category(ids[3]);
    world.stage.r.delete_category(ids[5]);
    world.sweep().await;
    world.clock.advance(Duration::from_secs(3_700));
    world.settle().await;
    assert_eq!(number(&world.online_category(own)["parentId"]), art);
    assert_eq!(world.record(product)["categoryIds"], json!([zines]));
    let row = world.listed_as("Art").await;
    assert_eq!(
        (&row["state"], &row["code"], &row["r_series"]),
        (&json!("held"), &json!("has_online_categories"), &Value::Null)
    );
    assert!(row["reason"].as_str().unwrap().contains("Only online"), "{row}");
    assert_eq!(world.listed_as("Zines").await["code"], "has_online_products");
    assert_eq!(world.get("/status").await["categories"]["held"], 2);
    world.check_rest().await;

    world.stage.e.move_category(own, None);
    world.stage.e.unassign(zines, &[product]);
    world.settle().await;
    assert!(world.stage.e.category(art).is_none() && world.stage.e.category(zines).is_none());
    assert!(world.stage.e.category(own).is_some());
    world.check_laws().await;
}

#[tokio::test]
async fn names_as_they_come_and_siblings_of_one_name() {
    let long = "x".repeat(300);
    let tree = [
        ("A/B", None),
        ("\"Quoted\" & <i>html</i>", None),
        ("\u{1F375} tea \u{5E9}\u{5DC}\u{5D5}\u{5DD}", None),
        ("Twin", None),
        ("Twin", None),
        ("Twin", Some(3)),
        ("B", Some(0)),
        (" leading", None),
    ];
    let (world, ids) = World::with_categories(Plan::default(), &tree).await;
    world.check_trees().await;
    world.check_rest().await;
    // 300 characters: the shop takes them through its screen, the store does not.
    world.stage.r.rename_category(ids[1], &long);
    world.stage.r.rename_category(ids[2], "Tea");
    world.sweep().await;
    let row = world.listed_as(&long).await;
    assert_eq!((&row["state"], &row["code"]), (&json!("held"), &json!("refused")), "{row}");
    assert_eq!(world.listed_as("Tea").await["state"], "in_step", "it holds nobody back");
    world.check_rest().await;
    world.stage.r.rename_category(ids[1], "Short");
    world.sweep().await;
    world.check_trees().await;
}

#[tokio::test]
async fn edited_elsewhere_is_tried_again_and_locked_is_held() {
    let mut world = World::open(Plan::default()).await;
    let locked = world.stage.e.try_create_category(json!({"name": "Old POS"}), Some("LIGHTSPEED")).unwrap();
    let ids = world.plant(&[("Old POS", None), ("Mugs", None)]);
    world.connect().await;
    world.settle().await;
    let tied = world.tied().await;
    assert_eq!(tied[&ids[0]], locked, "the same name at the same place");
    world.stage.e.edit_category_elsewhere(tied[&ids[1]], 3);
    world.stage.r.rename_category(ids[1], "Cups");
    world.stage.r.rename_category(ids[0], "Renamed");
    world.sweep().await;
    assert_eq!(world.online_category(tied[&ids[1]])["name"], "Cups");
    assert_eq!(world.online_category(locked)["name"], "Old POS");
    let row = world.listed_as("Renamed").await;
    assert_eq!((&row["state"], &row["code"]), (&json!("held"), &json!("category_locked")), "{row}");
    world.check_rest().await;
    // The shop has it no more, and still it cannot go.
    world.stage.r.delete_category(ids[0]);
    world.clock.advance(Duration::from_secs(3_700));
    world.settle().await;
    assert!(world.stage.e.category(locked).is_some());
    world.check_rest().await;
}

#[tokio::test]
async fn a_plan_that_takes_no_more_categories_holds_the_rest_until_it_does() {
    let mut world = World::open(Plan::default()).await;
    world.stage.e.habits(|habits| habits.category_limit = Some(2));
    world.plant(&SHOP);
    world.connect().await;
    world.settle().await;
    assert_eq!(world.stage.e.categories().len(), 2);
    let refused = world.stage.e.calls().iter().filter(|call| call.status == 402).count();
    assert_eq!(refused, 1, "asked once, not for each");
    let row = world.listed_as("Zines").await;
    assert_eq!((&row["state"], &row["code"]), (&json!("held"), &json!("category_limit")), "{row}");
    assert_eq!(world.listed_as("Large").await["code"], "waits_for_parent");
    world.stage.e.habits(|habits| habits.category_limit = None);
    let path = format!("/v1/connections/{}", world.connection);
    world.call("PATCH", &path, Some(json!({"plan": "unlimited"}))).await;
    world.settle().await;
    world.check_trees().await;
}

/// Its reason says that it is tried again, and nothing else wakes the tree.
#[tokio::test]
async fn a_category_that_is_held_is_tried_again_where_nobody_looks_at_everything() {
    let mut world = World::open(Plan::default()).await;
    world.stage.e.habits(|habits| habits.category_limit = Some(2));
    world.plant(&SHOP);
    world.connect().await;
    let path = format!("/v1/connections/{}", world.connection);
    let never = Some(json!({"settings": {"full_look_hours": 0}}));
    assert_eq!(world.call("PATCH", &path, never).await.0, 200);
    world.settle().await;
    assert_eq!(world.stage.e.categories().len(), 2);
    world.stage.e.habits(|habits| habits.category_limit = None);
    world.clock.advance(Duration::from_secs(3_601));
    world.sweep().await;
    world.check_trees().await;
}

#[tokio::test]
async fn a_deletion_that_the_store_refuses_is_not_tried_at_every_look() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let art = world.tied().await[&ids[3]];
    world.stage.r.delete_category(ids[3]);
    world.stage.e.faults().next(Aim::Write, Fault::Status { status: 400, retry_after: None });
    world.sweep().await;
    world.clock.advance(Duration::from_secs(3_700));
    world.sweep().await;
    assert!(world.stage.e.category(art).is_some(), "it was refused");
    for name in ["Cups", "Beakers"] {
        world.stage.r.rename_category(ids[1], name);
        world.sweep().await;
    }
    assert!(world.stage.e.category(art).is_some(), "its time has not come");
    world.clock.advance(Duration::from_secs(25 * 3_600));
    world.sweep().await;
    world.check_trees().await;
}

#[tokio::test]
async fn what_is_the_shops_is_set_back_and_what_is_the_stores_stays() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let tied = world.tied().await;
    let mugs = tied[&ids[1]];
    let alone = json!({"description": "<p>All <b>mugs</b></p>", "seoTitle": "Mugs!", "seoDescription": "Best",
        "customSlug": "the-mugs", "enabled": true});
    world.stage.e.edit_category(mugs, alone).unwrap();
    world.stage.e.set_category_picture(mugs, &picture::png("mugs")).unwrap();
    let own = world.stage.e.create_category(json!({"name": "Sale", "parentId": mugs, "orderBy": 3}));
    world.settle().await;
    let strip = |mut record: Value| {
        for derived in ["name", "nameTranslated", "parentId", "orderBy", "url"] {
            record.as_object_mut().unwrap().remove(derived);
        }
        record
    };
    let before = (strip(world.online_category(mugs)), world.online_category(own));
    for round in 0..3 {
        world.stage.r.rename_category(ids[1], &format!("Mugs {round}"));
        world.stage.r.move_category(ids[1], if round % 2 == 0 { 0 } else { ids[3] });
        world.sweep().await;
        world.check_trees().await;
    }
    world.clear_calls();
    world.stage.e.rename_category(mugs, "My mugs");
    world.stage.e.move_category(mugs, Some(own)); // refused by the store: below itself
    world.settle().await;
    world.check_trees().await;
    assert_eq!(world.writes(), 1, "set back once");
    let told = world.ledger().await;
    let verdict =
        told.iter().find(|entry| entry["kind"] == "verdict" && entry["before"]["name"] == "My mugs");
    assert!(verdict.is_some(), "{told:?}");
    assert_eq!((strip(world.online_category(mugs)), world.online_category(own)), before);

    world.stage.e.delete_category(mugs);
    world.settle().await;
    world.check_trees().await;
    let again = world.online_category(world.tied().await[&ids[1]]);
    assert_eq!(again["enabled"], false, "created again, disabled: {again}");
    world.check_laws().await;
    world.check_rest().await;
}

#[tokio::test]
async fn an_app_that_keeps_renaming_is_not_fought_for_ever() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let art = world.tied().await[&ids[3]];
    world.clear_calls();
    for n in 0..12 {
        world.stage.e.rename_category(art, &format!("App {n}"));
        world.settle().await;
    }
    assert!(world.writes() <= 5, "{} writes", world.writes());
    let row = world.listed_as("Art").await;
    assert_eq!((&row["state"], &row["code"]), (&json!("held"), &json!("alternates")), "{row}");
}

#[tokio::test]
async fn a_tree_that_is_there_already_is_recognised_by_its_paths() {
    let mut world = World::open(Plan::default()).await;
    let kitchen = world.stage.e.create_category(json!({"name": "Kitchen", "enabled": true}));
    let mugs = world.stage.e.create_category(json!({"name": "Mugs", "parentId": kitchen}));
    let elsewhere = world.stage.e.create_category(json!({"name": "Bowls"}));
    for _ in 0..2 {
        world.stage.e.create_category(json!({"name": "Zines"}));
    }
    let ids = world.plant(&SHOP);
    world.connect().await;
    world.settle().await;
    world.check_trees().await;
    let tied = world.tied().await;
    assert_eq!((tied[&ids[0]], tied[&ids[1]]), (kitchen, mugs));
    assert_ne!(tied[&ids[2]], elsewhere, "by its name alone nothing is recognised");
    assert_eq!(world.online_category(kitchen)["enabled"], true);
    assert_eq!(world.stage.e.categories().len(), 5 + 4, "of two Zines neither is taken");
    world.check_rest().await;
}

#[tokio::test]
async fn removals_beyond_the_cap_wait_for_an_operator() {
    let tree: Vec<(String, Option<usize>)> = (0..30).map(|n| (format!("C{n:02}"), None)).collect();
    let tree: Vec<(&str, Option<usize>)> =
        tree.iter().map(|(name, parent)| (name.as_str(), *parent)).collect();
    let (world, ids) = World::with_categories(Plan::default(), &tree).await;
    for id in &ids[..25] {
        world.stage.r.delete_category(*id);
    }
    world.sweep().await;
    assert_eq!(world.stage.e.categories().len(), 20, "ten went");
    assert_eq!(world.listed_as("C24").await["code"], "brake");
    let path = format!("/v1/connections/{}/brake/release", world.connection);
    let (_, released) = world.call("POST", &path, None).await;
    assert_eq!(released["accepted"], 15);
    world.settle().await;
    assert_eq!(world.stage.e.categories().len(), 5);
    world.check_trees().await;
}

#[tokio::test]
async fn a_tree_of_two_hundred_costs_two_hundred_writes() {
    let names: Vec<String> = (0..200).map(|n| format!("Category {n:03}")).collect();
    // Families of seven, three levels deep.
    let parent = |n: usize| (!n.is_multiple_of(7)).then(|| n / 7 * 7 + (n % 7) / 3);
    let tree: Vec<(&str, Option<usize>)> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), parent(n))).collect();
    let (world, _) = World::with_categories(Plan::default(), &tree).await;
    assert_eq!(world.stage.e.write_calls(), 200);
    world.check_trees().await;
    world.check_rest().await;
}

#[tokio::test]
async fn notices_about_categories_are_worked_on_and_explained() {
    let mut world = World::open(Plan::default()).await;
    world.stage.r.create_item(mug());
    let ids = world.plant(&SHOP);
    world.connect().await;
    world.settle().await;
    let art = world.tied().await[&ids[3]];
    let own = world.stage.e.create_category(json!({"name": "Sale"}));
    world.stage.e.rename_category(art, "Painting");
    world.settle().await;
    world.check_trees().await;
    let open = "select count(*) from inbox where event_type like 'category.%' and handled_at is null";
    assert_eq!(world.sql_count(open).await, 0);
    for (meaning, id, least) in [("change", art, 1), ("echo", art, 1), ("nothing", own, 1)] {
        let found = format!(
            "select count(*) from inbox where event_type like 'category.%' and meaning = '{meaning}' and entity_id = {id}"
        );
        assert!(world.sql_count(&found).await >= least, "{meaning}");
    }
    assert_eq!(world.get("/status").await["in_step"], true);
}

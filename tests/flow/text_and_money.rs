//! Texts and amounts as they come: whatever a platform makes of them, both sides end in rest, and what one of them
//! spells in its own way does not come back as an edit.

mod drawn;

use std::collections::BTreeMap;

use concord::sandbox::eseries;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::{self, NewItem, NewMatrix};
use serde_json::{Value, json};

use super::variants::variant;
use crate::support::{Plan, SHOP, World, decimal, item};

/// Names that break naive programs.
pub const NAMES: [&str; 13] = [
    "Mug <b>bold</b> & \"quoted\" 'single'",
    "👩‍👩‍👧 cup 🥄",
    "כוס קפה (ערב) قهوة",
    "  leading and trailing  ",
    "double  inner   spaces",
    "tab\tbell\u{7} escape\u{1b}[0m",
    "Cafe\u{301} Mu\u{308}ller",
    "NUL\u{0}here",
    "entities &amp; &lt;b&gt; written out",
    "back\\slash /slash/ {json} %20 $1 \\u0041",
    "\u{feff}mark and\u{200b} no width",
    "0",
    "null",
];

/// Values and names of options.
const VALUES: [&str; 5] =
    ["50 / \"large\"", "<i>red</i> & more", "גדול  XL", "🎨 all\tcolours", " Gro\u{308}sse "];

/// What a name says, however it is spelt: entities are what they stand for, accents in one with their letters, and
/// blanks and control characters do not count.
pub fn said(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, plain) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
        text = text.replace(entity, plain);
    }
    for (apart, one) in [("e\u{301}", "é"), ("u\u{308}", "ü"), ("o\u{308}", "ö")] {
        text = text.replace(apart, one);
    }
    bare(&text)
}

/// Without blanks and control characters.
fn bare(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() && !letter.is_whitespace()).collect()
}

/// Do both say the same? The longer one of two may have been cut off, within what looks like an entity, too.
pub fn alike(left: &str, right: &str) -> bool {
    let cut = |short: &str, long: &str| short.chars().count() >= 80 && long.starts_with(short);
    let same = |left: String, right: String| left == right || cut(&left, &right) || cut(&right, &left);
    same(said(left), said(right)) || same(bare(left), bare(right))
}

impl World {
    /// Two further rounds over everything, by somebody who remembers nothing, write nothing.
    pub async fn check_rounds(&mut self, at: &str) {
        for round in 0..2 {
            self.clear_calls();
            self.restart_worker(round);
            self.sql("update trees set due_at = now() - interval '50 years', generation = generation + 1")
                .await;
            let path = format!("/v1/connections/{}/syncs", self.connection);
            self.call("POST", &path, Some(json!({"mode": "apply"}))).await;
            self.settle().await;
            self.sweep().await;
            let (r, e) = (self.stage.r.calls(), self.stage.e.calls());
            let bodies: Vec<_> =
                r.iter().filter(|call| call.method != "GET").map(|call| &call.body).collect();
            let more: Vec<_> = e.iter().filter(|call| call.method != "GET").map(|call| &call.body).collect();
            assert_eq!(self.writes(), 0, "{at}: round {round} writes {bodies:?} {more:?}");
        }
    }

    /// Nothing is held, and both sides say the same: names, option names and values, categories, prices within
    /// `apart`, and counts.
    pub async fn check_alike(&self, at: &str, apart: &str) {
        let parked = self.get("/parked?limit=100").await;
        assert_eq!(parked["items"], json!([]), "{at}: {parked}");
        self.check_queue_and_ledger().await;
        let near = |left: rust_decimal::Decimal, right: rust_decimal::Decimal| {
            let between = (left - right).abs();
            between.is_zero() || between < decimal(apart)
        };
        for item in self.stage.r.items().iter().filter(|item| item.matrix_id == 0) {
            let product =
                self.product_of(item.item_id).unwrap_or_else(|| panic!("{at}: {item:?} is not online"));
            let at = format!("{at}: {item:#?} {product:#?}");
            assert!(alike(&item.description, &product.name), "{at}");
            assert!(alike(&item.custom_sku, &product.sku), "{at}");
            assert!(near(item.online_price.unwrap_or(item.default_price), product.price), "{at}");
            assert_eq!(Some(item.stock.values().sum::<i64>()), product.quantity, "{at}");
        }
        for matrix in self.stage.r.matrices() {
            let product = self.product_of_matrix(matrix.matrix_id).expect("it is online");
            let record = self.record(product);
            let name = record["name"].as_str().unwrap();
            assert!(alike(&matrix.description, name), "{at}: {name:?} of {matrix:?}");
            for (id, values) in &matrix.variants {
                let item = self.stage.r.item(*id).unwrap();
                let marker = format!("concord-r-variant-{id}");
                let variations = self.stage.e.variations(product);
                let shown = variations.iter().find(|it| it["externalReferenceId"] == *marker);
                let shown = shown.unwrap_or_else(|| panic!("{at}: no variation of {item:?}"));
                let pair = |name: &str, value: &str| (said(name), said(value));
                let pairs = matrix.names.iter().zip(values).filter(|(name, _)| !name.is_empty());
                let wanted: BTreeMap<_, _> = pairs.map(|(name, value)| pair(name, value)).collect();
                let options = shown["options"].as_array().unwrap().iter();
                let is: BTreeMap<_, _> = options
                    .map(|it| pair(it["name"].as_str().unwrap(), it["value"].as_str().unwrap()))
                    .collect();
                assert_eq!(wanted, is, "{at}: {item:#?}");
                let price = shown["price"].to_string().parse().unwrap();
                assert!(near(item.online_price.unwrap_or(item.default_price), price), "{at}: {shown}");
                assert_eq!(Some(item.stock.values().sum::<i64>()), shown["quantity"].as_i64(), "{at}");
            }
        }
        let tied = self.tied().await;
        for (id, _, name) in self.shop_tree() {
            let online = self.online_category(tied[&id]);
            assert!(alike(&name, online["name"].as_str().unwrap()), "{at}: {name:?} {online}");
        }
    }

    /// What the shop says, without what time stamps and counts say.
    fn texts_of_shop(&self) -> Value {
        let items = self.stage.r.items().into_iter().map(|it| {
            let online = it.online_price.map(|price| price.normalize().to_string());
            json!([it.item_id, it.description, it.custom_sku, it.attributes, it.default_price, online])
        });
        let items: Vec<Value> = items.collect();
        let matrices: Vec<Value> =
            self.stage.r.matrices().into_iter().map(|it| json!([it.description, it.names])).collect();
        json!([items, matrices, self.shop_tree()])
    }

    /// A shop with all of these names: items, a matrix, categories.
    pub fn stock_up(&self) -> (Vec<i64>, i64) {
        let kitchen = self.stage.r.create_category("Küche & <Bar>  \"x\" 🍵", 0).unwrap();
        let within = self.stage.r.create_category(" כוסות\tund Cafe\u{301} ", kitchen).unwrap();
        let long = format!("Long {}", "very ".repeat(59));
        let names = NAMES.iter().map(|name| (*name).to_owned()).chain([long]);
        let items = names.enumerate().map(|(number, name)| {
            let sku = match number {
                0 => "S <&> \"0\"".to_owned(),
                1 => " S-1 ".to_owned(),
                2 => "S  2/ä🥄".to_owned(),
                _ => format!("S-{number}"),
            };
            let price = ["12.50", "7.999", "1200", "0.01", "99999.95"][number % 5];
            let new = item(&name, &sku, price, 5);
            self.stage.r.create_item(NewItem { category_id: within, ..new })
        });
        let items = items.collect();
        let names = [format!("Größe {}", VALUES[0]), VALUES[1].to_owned()];
        let (set, places) = self.stage.r.attribute_set_of(&names);
        assert_eq!(places, [0, 1]);
        let variants = [(2, 3), (3, 4)].map(|(first, second)| {
            variant([VALUES[first], VALUES[second], ""], &format!("V-{first}"), "19.95", 3)
        });
        let description = "Tee  <b>&</b> \"more\" תה".to_owned();
        let matrix = NewMatrix {
            description,
            attribute_set_id: set,
            category_id: kitchen,
            variants: variants.into(),
            ..NewMatrix::default()
        };
        let (matrix, _) = self.stage.r.create_matrix(matrix).unwrap();
        (items, matrix)
    }
}

type Switch = (&'static str, fn(&mut rseries::Habits), fn(&mut eseries::Habits));

/// What a platform may do to texts and amounts, one by one.
const SWITCHES: [Switch; 12] = [
    ("nothing", |_| (), |_| ()),
    ("E trims", |_| (), |e| e.trim_names = true),
    ("E collapses spaces", |_| (), |e| e.collapse_spaces = true),
    ("E writes entities", |_| (), |e| e.escape_names = true),
    ("E drops control characters", |_| (), |e| e.drop_control_characters = true),
    ("E composes accents", |_| (), |e| e.compose_accents = true),
    ("E cuts", |_| (), |e| e.cut_names_at = Some(120)),
    ("E rounds", |_| (), |e| e.round_prices = true),
    ("R trims", |r| r.trim_text = true, |_| ()),
    ("R collapses spaces", |r| r.collapse_spaces = true, |_| ()),
    ("R drops control characters", |r| r.drop_control_characters = true, |_| ()),
    ("R rounds", |r| r.price_decimals = Some(2), |_| ()),
];

#[tokio::test]
async fn every_name_and_amount_arrives_both_ways_and_a_spelling_of_the_platforms_own_never_comes_back() {
    for (what, r, e) in SWITCHES {
        let mut world = World::open(Plan::default()).await;
        world.stage.r.habits(r);
        world.stage.e.habits(e);
        let (items, matrix) = world.stock_up();
        let before = world.texts_of_shop();
        world.connect().await;
        world.settle().await;
        let at = format!("{what}, after the first sync");
        world.check_alike(&at, "0.01").await;
        assert_eq!(world.texts_of_shop(), before, "{at}: nothing was edited in the shop");
        world.check_rounds(&at).await;
        assert_eq!(world.texts_of_shop(), before, "{at}: nothing was edited in the shop");

        // Each name of the web to the shop, and each of the shop to the web.
        let at = format!("{what}, after edits on the web");
        for (number, id) in items.iter().enumerate() {
            let product = world.product_of(*id).unwrap().id;
            let name = NAMES[(number + 1) % NAMES.len()];
            assert!(world.stage.e.rename(product, name), "{name:?}");
            world.stage.e.reprice(product, decimal(["3.5", "4.25", "1999", "0.07"][number % 4]));
        }
        let product = world.product_of_matrix(matrix).unwrap();
        world.stage.e.rename(product, NAMES[0]);
        world.settle().await;
        world.check_alike(&at, "0.01").await;
        world.check_rounds(&at).await;

        let at = format!("{what}, after edits in the shop");
        for (number, id) in items.iter().enumerate() {
            world.stage.r.rename(*id, &format!("{} again", NAMES[(number + 2) % NAMES.len()]));
            world.stage.r.reprice_online(*id, decimal(["8.125", "8.1", "80"][number % 3]));
        }
        world.stage.r.rename_matrix(matrix, NAMES[4]);
        world.stage.r.rename_attribute_value(matrix, 1, VALUES[2], VALUES[0]);
        world.settle().await;
        world.check_alike(&at, "0.01").await;
        world.check_rounds(&at).await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_spelling_is_no_edit_where_the_answer_to_a_write_was_lost_either() {
    for change in [SWITCHES[3].2, SWITCHES[2].2, SWITCHES[4].2, SWITCHES[6].2] {
        let mut world = World::open(Plan::default()).await;
        world.stage.e.habits(change);
        let name = format!("Tom & Jerry's  <b>\u{7}mug</b> {}", "again ".repeat(20));
        let id = world.stage.r.create_item(item(&name, "P-0", "5", 1));
        world.stage.e.faults().next(Aim::Write, Fault::BadGatewayAfter);
        world.connect().await;
        world.settle().await;
        assert_eq!(world.item(0).description, name, "created");
        assert_ne!(world.pair(id).1.name, name, "the store spells it in its own way");
        world.check_alike("created", "0").await;

        let name = format!("Tom & Jerry's  <i>\u{7}cup</i> {}", "again ".repeat(20));
        world.stage.r.rename(id, &name);
        world.stage.e.faults().next(Aim::Write, Fault::BadGatewayAfter);
        world.settle().await;
        assert_eq!(world.item(0).description, name, "renamed");
        world.check_alike("renamed", "0").await;
        world.check_rounds("renamed").await;
        // What the web makes of it afterwards is an edit.
        world.stage.e.rename(world.product_of(id).unwrap().id, "Tom");
        world.settle().await;
        assert_eq!(world.item(0).description, "Tom");
        world.close().await;
    }
}

#[tokio::test]
async fn decimals_are_compared_as_decimals_and_come_through_whole() {
    let mut world = World::open(Plan::default()).await;
    let prices = ["10.50", "0.01", "0.1", "99999999.99", "1234567.005", "3", "100.10", "0.30000000000000004"];
    for (number, price) in prices.iter().enumerate() {
        let id = world.stage.r.create_item(item("Priced", &format!("P-{number}"), price, 1));
        if number < 2 {
            // There already, spelt otherwise.
            let price: f64 = price.parse().unwrap();
            world
                .stage
                .e
                .create_product(json!({"name": "Priced", "sku": format!("P-{number}"), "price": price,
                "quantity": 1, "unlimited": false, "enabled": true}));
        }
        assert_eq!(world.stage.r.item(id).unwrap().default_price, decimal(price));
    }
    world.clock.advance(std::time::Duration::from_secs(10));
    world.clear_calls();
    world.connect().await;
    world.settle().await;
    assert_eq!(world.writes(), prices.len() - 2, "what says the same is tied without a write");
    let online = |world: &World, number: usize| {
        let sku = format!("P-{number}");
        world.stage.e.products().into_iter().find(|product| product.sku == sku).expect("it is online")
    };
    for (number, price) in prices.iter().enumerate() {
        assert_eq!(online(&world, number).price, decimal(price), "{price}");
    }
    world.check_rounds("prices of the shop").await;
    for (number, _) in prices.iter().enumerate() {
        let price = decimal(prices[(number + 1) % prices.len()]);
        world.stage.e.reprice(online(&world, number).id, price);
        world.settle().await;
        assert_eq!(world.item(number).online_price, Some(price));
    }
    world.check_rounds("prices of the web").await;
    assert_eq!(world.get("/parked").await["items"], json!([]));
}

impl World {
    fn item(&self, number: usize) -> rseries::ItemView {
        self.stage.r.item(self.item_called(&format!("P-{number}"))).unwrap()
    }
}

#[tokio::test]
async fn a_currency_without_decimals_rests_whatever_the_shop_says() {
    let mut world = World::open(Plan::default()).await;
    world.stage.e.habits(|habits| (habits.round_prices, habits.price_decimals) = (true, 0));
    let whole = world.stage.r.create_item(item("Whole", "P-0", "1200", 1));
    let parts = world.stage.r.create_item(item("Parts", "P-1", "8.4", 1));
    world.connect().await;
    world.settle().await;
    assert_eq!(world.pair(whole).1.price, decimal("1200"));
    world.check_alike("created", "1").await;
    world.check_rounds("created").await;
    let online = [0, 1].map(|number| world.item(number).online_price);
    assert_eq!(online, [None, None], "nobody has edited a price");
    world.stage.r.reprice_online(parts, decimal("9.6"));
    world.stage.e.reprice(world.product_of(whole).unwrap().id, decimal("1500"));
    world.settle().await;
    assert_eq!(
        (world.pair(parts).1.price, world.item(1).online_price),
        (decimal("10"), Some(decimal("9.6")))
    );
    assert_eq!(world.item(0).online_price, Some(decimal("1500")));
    assert_eq!(world.item(1).default_price, decimal("8.4"), "Default is never written from the web");
    world.check_alike("edited", "1").await;
    world.check_rounds("edited").await;
}

#[tokio::test]
async fn stock_below_zero_is_summed_over_the_shops_and_what_the_web_does_goes_to_the_primary_one() {
    let mut world = World::open(Plan { shops: 3, ..Plan::default() }).await;
    let owed = NewItem { stock: vec![(1, -3), (2, 5), (3, -4)], ..item("Owed", "P-0", "5", 0) };
    let owed = world.stage.r.create_item(owed);
    let one = world.stage.r.create_item(NewItem { stock: vec![(3, 2)], ..item("One", "P-1", "5", 0) });
    world.connect().await;
    world.settle().await;
    let product = world.product_of(owed).unwrap().id;
    let counts = |world: &World, id: i64| {
        let (item, product) = world.pair(id);
        (item.stock.values().copied().collect::<Vec<_>>(), product.quantity)
    };
    assert_eq!(counts(&world, owed), (vec![-3, 5, -4], Some(-2)));
    assert_eq!(counts(&world, one), (vec![0, 0, 2], Some(2)));
    world.stage.e.restock(product, 5);
    world.stage.r.sell(owed, 3, 1);
    world.stage.e.sell(world.product_of(one).unwrap().id, 4);
    world.settle().await;
    assert_eq!(counts(&world, owed), (vec![2, 5, -5], Some(2)));
    assert_eq!(counts(&world, one), (vec![-4, 0, 2], Some(-2)));
    world.stage.r.recount(owed, 2, -20);
    world.stage.e.sell(product, 1);
    world.settle().await;
    assert_eq!(counts(&world, owed), (vec![1, -20, -5], Some(-24)));
    world.check_laws().await;
    world.check_rounds("below zero").await;
}

#[tokio::test]
async fn unlimited_on_the_web_leaves_the_shop_alone_and_counts_again_once_it_is_tracked() {
    let mut world = World::with_a_mug().await;
    let id = world.stage.r.items()[0].item_id;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.set_unlimited(product, true);
    world.settle().await;
    world.stage.r.sell(id, SHOP, 2);
    world.settle().await;
    assert_eq!(world.stage.r.item(id).unwrap().stock[&SHOP], 8, "the shop goes on");
    assert_eq!(world.stage.e.product(product).unwrap().quantity, None, "unlimited is the merchant's word");
    let parked = world.get("/parked").await;
    assert!(parked["items"][0]["reason"].as_str().unwrap().contains("unlimited"), "{parked}");
    world.check_rounds("unlimited").await;
    // Tracked again, by somebody who enters the count of the shop.
    world.stage.e.edit_product(product, json!({"unlimited": false, "quantity": 8}));
    world.settle().await;
    world.stage.e.sell(product, 3);
    world.settle().await;
    let (item, shown) = world.pair(id);
    assert_eq!((item.stock[&SHOP], shown.quantity), (5, Some(5)));
    assert_eq!(world.get("/parked").await["items"], json!([]));
    world.check_laws().await;
    world.check_rounds("tracked again").await;
}

//! What must hold after a storm. Shares nothing with the engine: reads both platforms directly.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use concord::catalog::Side;
use concord::sandbox::rseries::MatrixView;
use rust_decimal::Decimal;
use serde_json::Value;

use super::goods::Goods;
use super::storm::{Storm, Typed};

/// Asserts, and asks for the item's story only when it has to be told.
macro_rules! hold {
    ($storm:expr, $id:expr, $holds:expr, $($words:tt)+) => {
        if !$holds {
            panic!("{}\n{}", format!($($words)+), $storm.story($id).await);
        }
    };
}
pub(super) use hold;

impl Storm {
    /// Every law; panics with words at the first that does not hold.
    pub async fn judge(&self) {
        let parked = self.world.get("/parked").await;
        assert_eq!(parked["items"].as_array().map(Vec::len), Some(0), "parked: {parked}");
        self.judge_fields().await;
        self.world.check_queue_and_ledger().await;
        self.judge_stock().await;
        let made = self.world.stage.e.products().len();
        let simple = self.items.iter().filter(|id| self.world.stage.r.item(**id).unwrap().matrix_id == 0);
        let wanted = simple.count() + self.whole.len() + self.only_online;
        assert_eq!(made, wanted, "a product is there twice, or missing");
        for matrix in self.world.stage.r.matrices() {
            let product = self.world.product_of_matrix(matrix.matrix_id).expect("the matrix is online");
            let made = self.world.stage.e.variations(product).len();
            assert_eq!(made, self.merges.living(&matrix), "a variation is there twice, or missing");
        }
        self.judge_inbox().await;
        self.judge_shelves().await;
        self.judge_walls().await;
        self.judge_notes();
        self.judge_births();
        assert_eq!(self.world.sql_count("select count(*) from wishes").await, 0, "an order is left");
        let before = self.world.writes();
        self.world.sweep().await;
        assert_eq!(self.world.writes(), before, "writes go on");
        let status = self.world.get("/status").await;
        assert_eq!(status["in_step"], true, "{status}");
    }

    /// Stock truth: opening and every sale and restock, on both sides, in each shop.
    async fn judge_stock(&self) {
        for (id, truth) in &self.truth {
            let item = self.world.stage.r.item(*id).unwrap();
            let goods = self.world.goods(*id).expect("it is online");
            let forgotten = self.births.forgotten.contains(id);
            let truth = if forgotten { item.stock.values().sum() } else { truth - self.told_of(*id) };
            let there = (item.stock.values().sum::<i64>(), goods.quantity);
            let stock_is_true = there == (truth, Some(truth));
            hold!(self, *id, stock_is_true, "the stock of item {id} is {there:?}, and should be {truth}");
            let elsewhere = item.stock.get(&2).copied().unwrap_or_default();
            assert_eq!(
                elsewhere, self.elsewhere[id],
                "item {id} in the second shop, where nothing is booked"
            );
        }
    }

    /// Both sides equal; nothing that nobody typed; nobody's only edit lost.
    async fn judge_fields(&self) {
        for (id, typed) in &self.typed {
            let item = self.world.stage.r.item(*id).unwrap();
            let product = self.world.goods(*id).expect("it is online");
            let at = || format!("item {id}: {item:#?}\n{product:#?}");
            let r_price = item.online_price.unwrap_or(item.default_price);
            let sku = ("sku", item.custom_sku.clone(), product.sku.clone());
            let texts = match self.world.stage.r.matrix(item.matrix_id) {
                None => [("name", item.description.clone(), product.name.clone()), sku],
                Some(matrix) => {
                    self.judge_whole(*id, &matrix, &product).await;
                    [("values", super::acts::values(&item.attributes), product.values.clone()), sku]
                }
            };
            let mut shown: Vec<(&str, String)> = Vec::new();
            for (field, r, e) in texts {
                hold!(self, *id, r.trim() == e.trim(), "{field} of {}", at());
                shown.push((field, r.trim().to_owned()));
            }
            let same = r_price == product.price || self.setting.rounds && near(r_price, product.price);
            hold!(self, *id, same, "price of {}", at());
            shown.push(("price", r_price.normalize().to_string()));
            for (field, value) in shown {
                if field == "values" && self.is_reshaped(item.matrix_id) {
                    self.judge_values(*id, typed).await;
                    continue;
                }
                self.judge_typed(*id, typed, field, &value).await;
            }
            let published = self.world.stage.r.items().iter().any(|other| {
                (other.item_id == *id || item.matrix_id != 0 && other.matrix_id == item.matrix_id)
                    && other.publish_to_ecom
            });
            let wanted = (published, product.enabled) != (false, true);
            hold!(self, *id, wanted, "offered against the shop's will: {}", at());
        }
    }

    /// What a matrix shows as a whole.
    async fn judge_whole(&self, id: i64, matrix: &MatrixView, goods: &Goods) {
        let (r, e) = (matrix.description.trim(), goods.name.trim());
        hold!(self, id, r == e, "the matrix is called {r} and {e}");
        let typed = &self.whole[&matrix.matrix_id];
        self.judge_typed(id, typed, "name", r).await;
        if self.is_reshaped(matrix.matrix_id) {
            self.judge_names(id, matrix).await;
        } else {
            self.judge_typed(id, typed, "title", matrix.names[0].trim()).await;
        }
        let record = self.world.record(goods.product);
        let mut online: Vec<&str> = record["options"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|option| option["name"].as_str())
            .collect();
        let mut names: Vec<&str> =
            matrix.names.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        online.sort_unstable();
        names.sort_unstable();
        hold!(self, id, online == names, "the options are {names:?} in the shop and {online:?} on the web");
    }

    /// Somebody typed it, and it is what somebody typed last.
    async fn judge_typed(&self, id: i64, typed: &Typed, field: &'static str, value: &str) {
        let ever: BTreeSet<&str> = typed.ever[field].iter().map(|text| text.trim()).collect();
        let at = || format!("item {id}: {:#?}\n{:#?}", self.world.stage.r.item(id), self.world.goods(id));
        hold!(self, id, ever.contains(value), "nobody typed the {field} {value}: {}", at());
        let last = |side| typed.last.get(&(field, side)).map(|text| text.trim());
        let lasts = [last(Side::RSeries), last(Side::ESeries)];
        if self.is_undone(id, field).await {
            return;
        }
        if lasts != [None, None] && !self.births.forgotten.contains(&id) {
            let kept = lasts.contains(&Some(value));
            hold!(self, id, kept, "the {field} is {value}, and people last typed {lasts:?}: {}", at());
        }
    }

    /// Has an operator undone a write of this field of an item, or of the matrix it is in?
    pub(super) async fn is_undone(&self, id: i64, field: &str) -> bool {
        let called = if field == "values" { "option_values" } else { field };
        if !self.undone.iter().any(|(_, undone)| undone == called) {
            return false;
        }
        let products = self.products_of(id).await;
        self.undone.iter().any(|(product, undone)| undone == called && products.contains(product))
    }

    /// Concord's ids of an item, and of the matrix it is in.
    async fn products_of(&self, id: i64) -> Vec<String> {
        let products = self.world.get("/products?limit=200").await;
        let id = id.to_string();
        let mut mine = Vec::new();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let is_it =
            |product: &Value| product["r_series"]["kind"] == "item" && product["r_series"]["id"] == *id;
        for product in products["items"].as_array().unwrap() {
            let detail = self.world.get(&format!("/products/{}", product["id"].as_str().unwrap())).await;
            let variants = detail["variant_products"].as_array().cloned().unwrap_or_default();
            if let Some(variant) = variants.iter().find(|variant| is_it(variant)) {
                mine.extend([text(&product["id"]), text(&variant["id"])]);
            } else if is_it(product) {
                mine.push(text(&product["id"]));
            }
        }
        mine
    }

    /// Whatever was acknowledged is written down, and explained.
    async fn judge_inbox(&self) {
        let written: BTreeSet<String> = self.world.inbox_events().await.into_iter().collect();
        let missing: Vec<_> = self.acknowledged.difference(&written).collect();
        assert!(missing.is_empty(), "acknowledged and not written down: {missing:?}");
    }

    /// The ledger of an item, oldest first.
    pub async fn story(&self, id: i64) -> String {
        let mine = self.products_of(id).await;
        let ledger = self.world.ledger().await;
        let of_it = |entry: &&Value| mine.iter().any(|product| entry["product_id"] == product.as_str());
        let mine = ledger.iter().rev().filter(of_it);
        let lines = mine.map(|entry| {
            let of = |name: &str| entry[name].to_string();
            ["at", "kind", "side", "field", "before", "after", "result", "detail", "cause"].map(of).join(" ")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Everything that happened and came of it, byte for byte the same for the same script.
    pub async fn whole_trace(&self) -> String {
        let mut trace = self.trace.clone();
        for entry in self.world.ledger().await {
            writeln!(trace, "{entry}").unwrap();
        }
        let (r, e) = (&self.world.stage.r, &self.world.stage.e);
        writeln!(trace, "{:#?}\n{:#?}\n{:#?}", r.items(), r.matrices(), e.products()).unwrap();
        writeln!(trace, "{:#?}", e.categories()).unwrap();
        for call in r.calls() {
            writeln!(trace, "{} {} {} {} {}", call.at, call.method, call.path, call.query, call.status)
                .unwrap();
        }
        for call in e.calls() {
            writeln!(trace, "{} {} {} {}", call.at, call.method, call.path, call.status).unwrap();
        }
        // Both listen wherever there is room, and pictures have their address there.
        let stage = &self.world.stage;
        trace.replace(&stage.r_url(), "http://r-series").replace(&stage.e_url(), "http://e-series")
    }
}

/// The same but for rounding to cents.
fn near(left: Decimal, right: Decimal) -> bool {
    (left - right).abs() <= Decimal::new(5, 3)
}

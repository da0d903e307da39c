//! What one side alone knows: it is never touched, whatever else is carried.

use std::collections::{BTreeMap, BTreeSet};

use concord::catalog::Side;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::storm::Storm;

/// What was written last, by item of the shop and by product of the web.
#[derive(Debug, Default)]
pub struct Alone {
    shop: BTreeMap<i64, Value>,
    web: BTreeMap<i64, Value>,
    /// Every description that was ever written.
    ever: BTreeSet<String>,
}

const OF_ITEM: [&str; 3] = ["defaultCost", "defaultVendorID", "Tags"];
const OF_PRODUCT: [&str; 6] =
    ["description", "subtitle", "seoTitle", "seoDescription", "compareToPrice", "attributes"];

fn of(record: &Value, names: &[&str]) -> Value {
    Value::Object(names.iter().map(|name| ((*name).to_owned(), record[*name].clone())).collect())
}

impl Alone {
    /// The item is no more.
    pub(super) fn forget(&mut self, item: i64) {
        self.shop.remove(&item);
    }
}

impl Storm {
    /// Somebody writes what the other side never hears of.
    pub fn note(&mut self, side: Side, item: i64, number: u32) {
        match side {
            Side::RSeries => {
                let r = &self.world.stage.r;
                r.set_tags(item, &[&format!("tag {number}"), "always"]);
                r.set_vendor(item, i64::from(number) + 1);
                r.set_cost(item, Decimal::new(i64::from(number) * 10 + 1, 3));
                r.set_reorder(item, 1, i64::from(number), i64::from(number) + 7);
                self.alone.shop.insert(item, self.of_shop_alone(item));
            }
            Side::ESeries => {
                let Some(goods) = self.world.goods(item) else { return };
                let description = format!("<p>Words &amp; {number}</p>");
                let fields = json!({"description": description, "subtitle": format!("sub {number}"),
                    "seoTitle": format!("seo {number}"), "seoDescription": "found", "compareToPrice": 900 + number,
                    "attributes": [{"name": "UPC", "value": number.to_string()}]});
                self.world.stage.e.try_edit_product(goods.product, fields).unwrap();
                self.alone.ever.insert(description);
                let noted = of(&self.world.record(goods.product), &OF_PRODUCT);
                self.alone.web.insert(goods.product, noted);
            }
        }
    }

    fn of_shop_alone(&self, item: i64) -> Value {
        let record = self.world.stage.r.raw_item(item).unwrap();
        let shops = record["ItemShops"]["ItemShop"].as_array().cloned().unwrap_or_default();
        let reorder: Vec<Value> = shops
            .iter()
            .map(|shop| json!([shop["shopID"], shop["reorderPoint"], shop["reorderLevel"]]))
            .collect();
        json!({"item": of(&record, &OF_ITEM), "reorder": reorder})
    }

    /// It is all still there.
    pub fn judge_notes(&self) {
        for (item, noted) in &self.alone.shop {
            assert_eq!(self.of_shop_alone(*item), *noted, "what the shop alone knows of item {item}");
        }
        for product in self.world.stage.e.products() {
            match self.alone.web.get(&product.id) {
                Some(noted) => {
                    let now = of(&product.json, &OF_PRODUCT);
                    assert_eq!(now, *noted, "what the web alone knows of product {}", product.id);
                }
                // One that was removed and came back says what one of its kind said before.
                None => {
                    let says = product.json["description"].as_str().filter(|text| !text.is_empty());
                    assert!(says.is_none_or(|text| self.alone.ever.contains(text)), "nobody wrote {says:?}");
                }
            }
        }
    }
}

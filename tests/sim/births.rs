//! Products that are born on the web, and such as are deleted there while their items live on.

use std::collections::BTreeSet;

use concord::sandbox::rseries::ItemView;
use serde_json::json;

use super::storm::Storm;

/// What is remembered of them.
#[derive(Debug, Default)]
pub struct Births {
    /// Products that were made on the web.
    pub born: Vec<i64>,
    /// Items whose product was deleted there: what was sold and typed before is where it happened to be.
    pub forgotten: BTreeSet<i64>,
    /// Items whose product went once already: who deletes one again soon is asked whether he means it.
    pub removed: BTreeSet<i64>,
    /// Items of which the web had a product long before the storm.
    old: BTreeSet<i64>,
}

impl Storm {
    /// The merchant wants the shop to follow, and what was there before the storm was made long ago.
    pub async fn expect_births(&mut self) {
        if self.setting.births {
            self.world.set(json!({"born_online": "auto", "gone_online": "recreate"})).await;
            self.world.let_bygones_be().await;
            self.births.old = self.items.iter().copied().take(self.setting.items).collect();
        }
    }

    pub(super) fn forget(&mut self, number: usize) {
        let id = self.items[number % self.items.len()];
        let of_old = self.births.old.contains(&id);
        let item = self.world.stage.r.item(id).unwrap();
        if !self.setting.births || !of_old || item.matrix_id != 0 || !self.births.removed.insert(id) {
            return;
        }
        self.see_removal(id);
        if let Some(product) = self.world.product_of(id) {
            self.world.stage.e.delete_product(product.id);
            self.births.forgotten.insert(id);
        }
    }

    /// Each product that was born on the web has one item in the shop, which is the same.
    pub fn judge_births(&self) {
        if !self.setting.births {
            return;
        }
        for product in &self.births.born {
            let product = self.world.stage.e.product(*product).expect("what was born on the web stays");
            let named = |item: &ItemView| item.description.trim() == product.name.trim();
            let items: Vec<ItemView> = self.world.stage.r.items().into_iter().filter(named).collect();
            let [item] = items.as_slice() else { panic!("{product:#?} is in the shop as {items:#?}") };
            assert_eq!(item.custom_sku, product.sku, "{item:#?}");
            assert_eq!(item.online_price.unwrap_or(item.default_price), product.price, "{item:#?}");
            assert_eq!(Some(item.stock.values().sum::<i64>()), product.quantity, "{item:#?}");
            assert_eq!(item.publish_to_ecom, product.enabled, "{item:#?}");
        }
    }
}

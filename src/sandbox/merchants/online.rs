//! What the web shows of one thing, and what can be done to it there.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::sandbox::stage::Stage;

/// One thing as the web shows it: a product, or one of its variations.
pub(super) struct Online {
    pub(super) id: i64,
    pub(super) variation: Option<i64>,
    pub(super) name: String,
    pub(super) sku: String,
    pub(super) price: Decimal,
    pub(super) enabled: bool,
    pub(super) quantity: Option<i64>,
}

impl Online {
    pub(super) fn look(stage: &Stage, id: i64, variation: Option<i64>) -> Option<Self> {
        let whole = stage.e.product(id)?;
        let enabled = whole.enabled;
        let Some(number) = variation else {
            let (name, sku, price, quantity) = (whole.name, whole.sku, whole.price, whole.quantity);
            return Some(Self { id, variation, name, sku, price, enabled, quantity });
        };
        let shown = stage.e.variation(id, number)?;
        let values = shown.get("options").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<&str> = values.filter_map(|option| option.get("value")?.as_str()).collect();
        Some(Self {
            id,
            variation,
            name: format!("{} ({})", whole.name, values.join(", ")),
            sku: shown.get("sku").and_then(Value::as_str).unwrap_or_default().to_owned(),
            // One without a price of its own has the product's.
            price: shown.get("price").and_then(|price| price.to_string().parse().ok()).unwrap_or(whole.price),
            enabled,
            quantity: shown.get("quantity").and_then(Value::as_i64),
        })
    }

    pub(super) fn sell(&self, stage: &Stage, quantity: i64) -> bool {
        match self.variation {
            None => stage.e.sell(self.id, quantity),
            Some(variation) => stage.e.sell_variation(self.id, variation, quantity),
        }
    }

    pub(super) fn reprice(&self, stage: &Stage, price: Decimal) -> bool {
        match self.variation {
            None => stage.e.reprice(self.id, price),
            Some(variation) => stage.e.reprice_variation(self.id, variation, Some(price)),
        }
    }

    pub(super) fn set_sku(&self, stage: &Stage, sku: &str) -> bool {
        match self.variation {
            None => stage.e.set_sku(self.id, sku),
            Some(variation) => stage.e.set_variation_sku(self.id, variation, sku),
        }
    }
}

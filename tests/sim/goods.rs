//! What the web has of an item of the shop, be it a product by itself or a variation of one.

use concord::sandbox::rseries::{NewMatrix, NewVariant};
use rust_decimal::Decimal;
use serde_json::Value;

use super::script::Setting;
use super::storm::Storm;
use crate::support::{World, decimal};

/// What the web shows of an item.
#[derive(Debug, Clone)]
pub struct Goods {
    pub product: i64,
    pub variation: Option<i64>,
    pub name: String,
    pub sku: String,
    pub price: Decimal,
    pub quantity: Option<i64>,
    pub enabled: bool,
    /// The values of its options, one behind the other.
    pub values: String,
}

impl World {
    pub fn goods(&self, item_id: i64) -> Option<Goods> {
        let item = self.stage.r.item(item_id)?;
        // In a matrix that has not called it yet, it is a product by itself as before.
        let alone = self.product_of(item_id);
        if item.matrix_id == 0 || alone.is_some() {
            let product = alone?;
            return Some(Goods {
                product: product.id,
                variation: None,
                name: product.name,
                sku: product.sku,
                price: product.price,
                quantity: product.quantity,
                enabled: product.enabled,
                values: String::new(),
            });
        }
        let product = self.product_of_matrix(item.matrix_id)?;
        let record = self.record(product);
        let marker = format!("concord-r-variant-{item_id}");
        let variations = self.stage.e.variations(product);
        let mine = variations.iter().find(|variation| variation["externalReferenceId"] == *marker)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let value = |name: &str| {
            let options = mine["options"].as_array().unwrap();
            options.iter().find(|option| option["name"] == *name).map(|option| text(&option["value"]))
        };
        let names = self.stage.r.matrix(item.matrix_id).unwrap().names;
        Some(Goods {
            product,
            variation: mine["id"].as_i64(),
            name: text(&record["name"]),
            sku: text(&mine["sku"]),
            price: decimal(&mine["price"].to_string()),
            quantity: mine["quantity"].as_i64(),
            enabled: record["enabled"] == true,
            values: names.iter().filter_map(|name| value(name)).collect::<Vec<_>>().join(" / "),
        })
    }
}

impl Goods {
    pub fn sell(&self, world: &World, pieces: i64) -> bool {
        match self.variation {
            None => world.stage.e.sell(self.product, pieces),
            Some(variation) => world.stage.e.sell_variation(self.product, variation, pieces),
        }
    }

    pub fn restock(&self, world: &World, pieces: i64) -> bool {
        match self.variation {
            None => world.stage.e.restock(self.product, pieces),
            Some(variation) => world.stage.e.restock_variation(self.product, variation, pieces),
        }
    }

    pub fn reprice(&self, world: &World, price: Decimal) -> bool {
        match self.variation {
            None => world.stage.e.reprice(self.product, price),
            Some(variation) => world.stage.e.reprice_variation(self.product, variation, Some(price)),
        }
    }

    pub fn set_sku(&self, world: &World, sku: &str) -> bool {
        match self.variation {
            None => world.stage.e.set_sku(self.product, sku),
            Some(variation) => world.stage.e.set_variation_sku(self.product, variation, sku),
        }
    }
}

impl Storm {
    /// The matrix that some storms have beside their items: three variants, the last of which the others' edits of
    /// a matrix meet as well.
    pub fn matrix(setting: &Setting) -> NewMatrix {
        let variants = [("Red", "S"), ("Red", "M"), ("Blue", "S")].map(|(color, size)| {
            let stock = (1..=2).take(setting.shops).map(|shop| (shop, setting.opening)).collect();
            NewVariant {
                values: [color.to_owned(), size.to_owned(), String::new()],
                custom_sku: format!("V-{color}-{size}"),
                default_price: Some(decimal("10")),
                stock,
                ..NewVariant::default()
            }
        });
        NewMatrix { description: "Matrix".into(), variants: variants.into(), ..NewMatrix::default() }
    }
}

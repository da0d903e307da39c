//! E-Series' product ↔ our facts.

use crate::catalog::{Facts, Field, Hold, Value};
use crate::platforms::eseries::wire::{Product, ProductWrite};

/// What a product says.
#[must_use]
pub fn facts(product: &Product) -> Facts {
    Facts::new()
        .with(Field::Name, Value::Text(product.name.clone()))
        .with(Field::Sku, Value::Text(product.sku.clone()))
        .with(Field::Price, Value::Money(product.price))
        .with(Field::Enabled, Value::Flag(product.enabled))
        .with(Field::Stock, Value::Stock(product.stock))
}

/// What has to be written so that the product says these values. Stock is taken only for a creation;
/// afterwards it is added to, never replaced.
#[must_use]
pub fn write<'a>(values: impl Iterator<Item = (Field, &'a Value)>) -> ProductWrite {
    let mut write = ProductWrite::default();
    for (field, value) in values {
        match (field, value) {
            (Field::Name, Value::Text(text)) => write.name = Some(text.clone()),
            (Field::Sku, Value::Text(text)) => write.sku = Some(text.clone()),
            (Field::Price, Value::Money(price)) => write.price = Some(*price),
            (Field::Enabled, Value::Flag(flag)) => write.enabled = Some(*flag),
            (Field::Stock, Value::Stock(stock)) => write.stock = Some(*stock),
            _ => {}
        }
    }
    write
}

/// Why the product cannot say this value, if it cannot.
#[must_use]
pub fn refuses(field: Field, value: &Value) -> Option<Hold> {
    match (field, value) {
        (Field::Name, Value::Text(text)) if text.trim().is_empty() => {
            Some(Hold::new("name_empty", "E-Series needs a name. Give the item a description on R-Series."))
        }
        (Field::Sku, Value::Text(text)) if text.trim().is_empty() => Some(Hold::new(
            "sku_empty",
            "The SKU was emptied on R-Series. E-Series would number the product by itself, so its SKU stays.",
        )),
        _ => None,
    }
}

/// The marker that ties a product to its item: goes into `externalReferenceId`, which is unique in a
/// store (e-series-api.md, sections 2.2 and 4.2).
#[must_use]
pub fn marker(item_id: i64) -> String {
    format!("concord-r-{item_id}")
}

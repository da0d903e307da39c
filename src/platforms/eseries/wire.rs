//! The shapes that travel: what Concord reads of E-Series' records, and what it writes.

mod category;
mod media;
mod variations;

use serde_json::{Map, Value, json};

use crate::catalog::{Money, Stock};
use crate::clock::Instant;
use crate::platforms::read::{Record, Unreadable, list};

pub use category::{Category, CategoryWrite};
pub use media::{Gallery, Medium};
pub use variations::{Choice, ProductOption, Variation, VariationWrite};

/// A product (e-series-api.md, section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Product {
    /// `id`.
    pub id: i64,
    /// `name`.
    pub name: String,
    /// `sku`.
    pub sku: String,
    /// `price`.
    pub price: Money,
    /// `enabled`.
    pub enabled: bool,
    /// `quantity`; absent when `unlimited` (section 13, trap 3).
    pub stock: Stock,
    /// `inStock`: what the store derives from the quantity; absent on some pages.
    pub in_stock: Option<bool>,
    /// `externalReferenceId`: the id in a POS, unique in the store.
    pub external_reference_id: Option<String>,
    /// `categoryIds`, in the order of their ids.
    pub category_ids: Vec<i64>,
    /// `options`, in the store's order.
    pub options: Vec<ProductOption>,
    /// `combinations`: its variations.
    pub variations: Vec<Variation>,
    /// `updated`, whole seconds.
    pub updated: Option<Instant>,
}

impl Product {
    /// Reads a product.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Product", value)?;
        let stock = stock(&record)?;
        let updated = match record.integer("updateTimestamp") {
            Ok(Some(seconds)) => Instant::from_timestamp(seconds, 0),
            _ => record.time("updated")?,
        };
        Ok(Self {
            id: record.needed("id", record.integer("id")?)?,
            name: record.needed("name", record.text("name")?)?,
            sku: record.text("sku")?.unwrap_or_default(),
            price: record.money("price")?.unwrap_or_default(),
            enabled: record.flag("enabled")?.unwrap_or(true),
            stock,
            in_stock: in_stock(&record),
            external_reference_id: record.text("externalReferenceId")?.filter(|text| !text.is_empty()),
            category_ids: category_ids(&record),
            options: list(record.raw("options")).iter().map(ProductOption::read).collect::<Result<_, _>>()?,
            variations: list(record.raw("combinations"))
                .iter()
                .map(Variation::read)
                .collect::<Result<_, _>>()?,
            updated,
        })
    }
}

/// `categoryIds`; what is no id is passed over.
fn category_ids(record: &Record<'_>) -> Vec<i64> {
    let mut ids: Vec<i64> = list(record.raw("categoryIds")).iter().filter_map(Value::as_i64).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// `quantity` is absent when `unlimited` (section 13, trap 3).
fn stock(record: &Record<'_>) -> Result<Stock, Unreadable> {
    let quantity = record.pieces("quantity")?;
    let unlimited = record.flag("unlimited")?.unwrap_or(quantity.is_none());
    Ok(match quantity {
        Some(count) if !unlimited => Stock::Tracked(count),
        _ => Stock::Unlimited,
    })
}

/// `inStock`, which one page spells `instock` (section 5.2).
fn in_stock(record: &Record<'_>) -> Option<bool> {
    record.flag("inStock").ok().flatten().or(record.flag("instock").ok().flatten())
}

/// A row of the deleted-products history (section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deleted {
    /// `id` of the product that was deleted.
    pub id: i64,
    /// `date`.
    pub at: Option<Instant>,
}

impl Deleted {
    /// Reads a row.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Deleted", value)?;
        Ok(Self { id: record.needed("id", record.integer("id")?)?, at: record.time("date")? })
    }
}

/// What Concord wants to know of the store (section 11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Profile {
    /// `generalInfo.storeId`.
    pub store_id: i64,
    /// `account.limitsAndRestrictions.maxProductLimit`.
    pub max_product_limit: Option<i64>,
    /// `formatsAndUnits.currencyPrecision`: 2, or 0 for yen (section 11).
    pub price_decimals: Option<i16>,
    /// Whether `account.availableFeatures` names `COMBINATIONS`: only then are there variations (section 5.5).
    pub has_variations: Option<bool>,
    /// `settings.storeName`.
    pub store_name: String,
}

impl Profile {
    /// Reads the profile.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let nested = |path: &[&str]| path.iter().try_fold(value, |value, key| value.get(key));
        let null = Value::Object(Map::new());
        let general = Record::of("Profile.generalInfo", nested(&["generalInfo"]).unwrap_or(&null))?;
        let limits = nested(&["account", "limitsAndRestrictions"]).unwrap_or(&null);
        let limits = Record::of("Profile.account.limitsAndRestrictions", limits)?;
        let settings = Record::of("Profile.settings", nested(&["settings"]).unwrap_or(&null))?;
        let units = Record::of("Profile.formatsAndUnits", nested(&["formatsAndUnits"]).unwrap_or(&null))?;
        let decimals = units.integer("currencyPrecision")?;
        let features = nested(&["account", "availableFeatures"]).and_then(Value::as_array);
        Ok(Self {
            has_variations: features.map(|features| features.iter().any(|it| it == "COMBINATIONS")),
            price_decimals: decimals.and_then(|decimals| i16::try_from(decimals).ok()),
            store_id: general.needed("storeId", general.integer("storeId")?)?,
            max_product_limit: limits.integer("maxProductLimit")?,
            store_name: settings.text("storeName")?.unwrap_or_default(),
        })
    }
}

/// What is written to a product; only what is set travels (section 3: absent fields stay).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProductWrite {
    /// `name`.
    pub name: Option<String>,
    /// `sku`.
    pub sku: Option<String>,
    /// `price`.
    pub price: Option<Money>,
    /// `enabled`.
    pub enabled: Option<bool>,
    /// `quantity` and `unlimited`; only on creation, since an absolute write races with orders (section 7).
    pub stock: Option<Stock>,
    /// `externalReferenceId`.
    pub external_reference_id: Option<String>,
    /// `categoryIds`: the list replaces what is there (section 3).
    pub category_ids: Option<Vec<i64>>,
    /// `options`, all of type `SELECT`: name and choices. Only on creation, since the list replaces what is there
    /// (section 5.6).
    pub options: Vec<(String, Vec<String>)>,
    /// `combinations`: saved by a call with `saveCombinations` alone, and at most [`MOST_VARIATIONS`] of them.
    pub variations: Vec<VariationWrite>,
    /// Fields that come back with a record that is created again; what else is set here takes precedence.
    pub base: Map<String, Value>,
}

/// Most variations that are created together with their product (section 5.3).
pub const MOST_VARIATIONS: usize = 200;

impl ProductWrite {
    /// The request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = self.base.clone();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("name", self.name.as_ref().map(|text| json!(text)));
        put("sku", self.sku.as_ref().map(|text| json!(text)));
        put("price", self.price.map(number));
        put("enabled", self.enabled.map(|flag| json!(flag)));
        put("quantity", self.stock.and_then(Stock::tracked).map(|count| json!(count)));
        put("unlimited", self.stock.map(|stock| json!(stock == Stock::Unlimited)));
        put("externalReferenceId", self.external_reference_id.as_ref().map(|text| json!(text)));
        put("categoryIds", self.category_ids.as_ref().map(|ids| json!(ids)));
        let option = |(name, choices): &(String, Vec<String>)| {
            let choices: Vec<Value> = choices.iter().map(|text| json!({ "text": text })).collect();
            json!({"type": "SELECT", "name": name, "choices": choices})
        };
        let kept = self.base.get("options").and_then(Value::as_array).into_iter().flatten().cloned();
        let options: Vec<Value> = self.options.iter().map(option).chain(kept).collect();
        put("options", (!options.is_empty()).then_some(Value::Array(options)));
        let variations: Vec<Value> = self.variations.iter().map(VariationWrite::body).collect();
        put("combinations", (!variations.is_empty()).then_some(Value::Array(variations)));
        Value::Object(body)
    }
}

/// An amount as a JSON number with exactly its digits.
fn number(money: Money) -> Value {
    let text = money.to_string();
    serde_json::from_str::<serde_json::Number>(&text).map_or_else(|_| json!(text), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_quantity_is_unlimited_and_not_zero() {
        let product = Product::read(&json!({"id": 5, "name": "Mug", "price": 12.5})).unwrap();
        assert_eq!(product.stock, Stock::Unlimited);
        let product =
            Product::read(&json!({"id": 5, "name": "Mug", "quantity": 0, "unlimited": false})).unwrap();
        assert_eq!(product.stock, Stock::Tracked(0));
    }

    #[test]
    fn amounts_travel_as_numbers() {
        let write = ProductWrite { price: Some("12.50".parse().unwrap()), ..ProductWrite::default() };
        assert_eq!(write.body().to_string(), r#"{"price":12.5}"#);
    }
}

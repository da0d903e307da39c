//! Options and variations (`combinations`) as they travel (e-series-api.md, sections 4.3 and 5).

use serde_json::{Map, Value, json};

use super::{Product, in_stock, number, stock};
use crate::catalog::{Money, Stock};
use crate::platforms::read::{Record, Unreadable, list};

/// An option of a product. It has no id: its name is its key (section 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProductOption {
    /// `name`.
    pub name: String,
    /// `type`: `SELECT`, `RADIO`, `SIZE`, `TEXTFIELD`, …
    pub kind: String,
    /// `choices`; none for texts, dates and files.
    pub choices: Vec<Choice>,
}

/// A choice of an option. It has no id either: its text is its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Choice {
    /// `text`.
    pub text: String,
    /// `priceModifier`.
    pub modifier: Money,
    /// `priceModifierType` is `PERCENT` of the product's price, and not `ABSOLUTE`.
    pub percent: bool,
}

/// A variation of a product.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variation {
    /// `id`.
    pub id: i64,
    /// `options`: name and value of each option it is about.
    pub options: Vec<(String, String)>,
    /// `sku`; absent when it uses the product's.
    pub sku: Option<String>,
    /// `price`: its own; absent when it follows the product's price and the modifiers.
    pub price: Option<Money>,
    /// `quantity`; without an own SKU this is the product's (section 5.4).
    pub stock: Stock,
    /// `inStock`.
    pub in_stock: Option<bool>,
    /// `externalReferenceId`.
    pub external_reference_id: Option<String>,
}

impl ProductOption {
    /// Reads an option.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Option", value)?;
        Ok(Self {
            name: record.needed("name", record.text("name")?)?,
            kind: record.text("type")?.unwrap_or_default(),
            choices: list(record.raw("choices")).iter().map(Choice::read).collect::<Result<_, _>>()?,
        })
    }
}

impl Choice {
    fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Choice", value)?;
        Ok(Self {
            text: record.text("text")?.unwrap_or_default(),
            modifier: record.money("priceModifier")?.unwrap_or_default(),
            percent: record.text("priceModifierType")?.as_deref() == Some("PERCENT"),
        })
    }
}

impl Variation {
    /// Reads a variation.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Variation", value)?;
        let pair = |value: &Value| {
            let record = Record::of("Variation.option", value)?;
            Ok((record.needed("name", record.text("name")?)?, record.needed("value", record.text("value")?)?))
        };
        Ok(Self {
            id: record.needed("id", record.integer("id")?)?,
            options: list(record.raw("options")).iter().map(pair).collect::<Result<_, _>>()?,
            sku: record.text("sku")?.filter(|sku| !sku.trim().is_empty()),
            price: record.money("price")?,
            stock: stock(&record)?,
            in_stock: in_stock(&record),
            external_reference_id: record.text("externalReferenceId")?.filter(|text| !text.is_empty()),
        })
    }

    /// Its value of an option; names are compared as the store shows them.
    #[must_use]
    pub fn value(&self, option: &str) -> Option<&str> {
        let pair = self.options.iter().find(|(name, _)| name.trim() == option.trim());
        pair.map(|(_, value)| value.as_str())
    }
}

impl Product {
    /// One of its variations.
    #[must_use]
    pub fn variation(&self, id: i64) -> Option<&Variation> {
        self.variations.iter().find(|variation| variation.id == id)
    }
}

/// What is written to a variation; only what is set travels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VariationWrite {
    /// `options`: identifies it. Values that the product lacks are added to it by a creation (section 5.3).
    pub options: Option<Vec<(String, String)>>,
    /// `sku`.
    pub sku: Option<String>,
    /// `price`: its own.
    pub price: Option<Money>,
    /// `quantity` and `unlimited`; only on creation, since an absolute write races with orders (section 7).
    pub stock: Option<Stock>,
    /// `externalReferenceId`.
    pub external_reference_id: Option<String>,
    /// Fields that come back with a record that is created again; what else is set here takes precedence.
    pub base: Map<String, Value>,
}

impl VariationWrite {
    /// The request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = self.base.clone();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        let pairs = |options: &Vec<(String, String)>| {
            options.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
        };
        put("options", self.options.as_ref().map(pairs));
        put("sku", self.sku.as_ref().map(|text| json!(text)));
        put("price", self.price.map(number));
        put("quantity", self.stock.and_then(Stock::tracked).map(|count| json!(count)));
        put("unlimited", self.stock.map(|stock| json!(stock == Stock::Unlimited)));
        put("externalReferenceId", self.external_reference_id.as_ref().map(|text| json!(text)));
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variation_without_data_of_its_own_says_so() {
        let json = json!({"id": 7, "combinationNumber": 1, "unlimited": true, "sku": "",
            "options": [{"name": "Size", "value": "M"}, {"name": "Color", "value": "Red"}]});
        let variation = Variation::read(&json).unwrap();
        assert_eq!((variation.sku.clone(), variation.price, variation.stock), (None, None, Stock::Unlimited));
        assert_eq!((variation.value("Color"), variation.value("Cut")), (Some("Red"), None));
    }
}

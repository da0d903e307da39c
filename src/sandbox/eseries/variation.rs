//! A variation of a product: what may be written to it, and how it is shown (section 5 of the E-Series reference).

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::fields::{self, owned, sent, sent_money, sent_switch, sent_text, sent_whole, wrong};
use super::habits::Habits;
use super::options::{Choice, selected};
use super::picture::Picture;
use super::product::{Product, Scene};
use super::refusal::Refusal;
use super::spelling::spelt;
use super::values::number;

/// One variation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variation {
    pub id: i64,
    /// `combinationNumber`: from 1, per product.
    pub number: i64,
    /// Names and values. They need not name every option of the product.
    pub options: Vec<(String, String)>,
    /// `None` uses the product's.
    pub sku: Option<String>,
    /// `None` is the base with modifiers.
    pub price: Option<Decimal>,
    /// Its own counter, `None` is unlimited. It counts only beside a SKU of its own ([`Product::shares_stock`]).
    pub stock: Option<i64>,
    pub external_reference_id: Option<String>,
    pub picture: Option<Picture>,
    /// Every other writable field that was ever sent, as it was sent.
    pub more: Map<String, Value>,
}

/// What one create or update asks for, checked field by field.
#[derive(Debug, Default)]
pub(super) struct VariationChange {
    pub id: Option<i64>,
    pub options: Option<Vec<(String, String)>>,
    /// An empty one clears.
    pub sku: Option<String>,
    pub price: Option<Decimal>,
    pub quantity: Option<i64>,
    pub unlimited: Option<bool>,
    pub external_reference_id: Option<String>,
    pub more: Vec<(&'static str, Value)>,
}

impl VariationChange {
    /// Reads a body.
    pub fn read(body: &Map<String, Value>, habits: &Habits) -> Result<Self, Refusal> {
        if sent(body, "locationInventory").is_some() {
            let message = "Not allowed to update parameter 'locationInventory'";
            return Err(Refusal::new(409, "NOT_ALLOWED_TO_UPDATE_PARAMETER", message));
        }
        let sku = match body.get("sku") {
            None => None,
            // Both `null` and `""` clear it (section 3).
            Some(Value::Null) => Some(String::new()),
            Some(text) => {
                let text = owned(text, "sku")?;
                Some(if habits.trim_skus { text.trim().to_owned() } else { text })
            }
        };
        let change = Self {
            id: sent_whole(body, "id")?,
            options: sent(body, "options").map(|list| pairs(list, habits)).transpose()?,
            sku,
            price: sent_money(body, "price", habits)?,
            quantity: sent_whole(body, "quantity")?,
            unlimited: sent_switch(body, "unlimited")?,
            external_reference_id: sent_text(body, "externalReferenceId")?,
            more: fields::read(body, fields::VARIATION, habits)?,
        };
        let preorder = change.more.iter().find(|(name, _)| *name == "outOfStockVisibilityBehaviour");
        if preorder.is_some_and(|(_, it)| *it != "SHOW" && *it != "ALLOW_PREORDER") {
            return Err(wrong("outOfStockVisibilityBehaviour"));
        }
        Ok(change)
    }

    /// The stock that follows from `unlimited` and `quantity`; as for a product (section 4.4).
    pub fn stock(&self, before: Option<i64>) -> Option<i64> {
        match (self.unlimited, self.quantity) {
            (Some(true), _) => None,
            (_, Some(quantity)) => Some(quantity),
            (Some(false), None) => before.or(Some(0)),
            (None, None) => before,
        }
    }
}

/// Name and value of each option; the other way to name one, by translations, is read-only.
fn pairs(list: &Value, habits: &Habits) -> Result<Vec<(String, String)>, Refusal> {
    let list = list.as_array().filter(|list| !list.is_empty()).ok_or_else(|| wrong("options"))?;
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(list.len());
    for pair in list {
        let text = |name: &str| {
            let text = pair.get(name).and_then(Value::as_str).ok_or_else(|| wrong("options"))?;
            Some(spelt(text, habits)).filter(|text| !text.trim().is_empty()).ok_or_else(|| wrong("options"))
        };
        let (name, value) = (text("name")?, text("value")?);
        if pairs.iter().any(|(other, _)| *other == name) {
            return Err(wrong("options"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

impl Variation {
    /// A variation without own data.
    pub fn plain(id: i64, number: i64, options: Vec<(String, String)>) -> Self {
        Self {
            id,
            number,
            options,
            sku: None,
            price: None,
            stock: None,
            external_reference_id: None,
            picture: None,
            more: Map::new(),
        }
    }

    /// Whether it stands for the same choices; their order does not matter.
    pub fn is_for(&self, options: &[(String, String)]) -> bool {
        self.options.len() == options.len() && options.iter().all(|pair| self.options.contains(pair))
    }

    /// What it sells for: its own price, or the base with the modifiers of its choices.
    fn displayed(&self, product: &Product, habits: &Habits) -> Value {
        if let Some(price) = self.price {
            return number(price);
        }
        let choice =
            |(name, value): &(String, String)| product.option(name).and_then(|it| it.choice(value).cloned());
        let choices: Vec<Choice> = self.options.iter().filter_map(choice).collect();
        selected(product.price, &choices.iter().collect::<Vec<_>>(), habits)
    }

    /// As it is read (section 5.2).
    pub fn wire(&self, product: &Product, scene: &Scene<'_>) -> Value {
        let habits = scene.habits;
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| {
            record.insert(name.to_owned(), value);
        };
        put("id", self.id.into());
        put("combinationNumber", self.number.into());
        let languages = &habits.languages;
        let twin = |text: &str| -> Value {
            let each = languages.iter().enumerate();
            each.map(|(place, it)| (it.clone(), Value::from(if place == 0 { text } else { "" }))).collect()
        };
        let option = |(name, value): &(String, String)| {
            json!({
                "name": name, "nameTranslated": twin(name), "value": value, "valueTranslated": twin(value),
            })
        };
        put("options", self.options.iter().map(option).collect());
        if let Some(sku) = &self.sku {
            put("sku", sku.as_str().into());
        }
        if let Some(price) = self.price {
            put("price", number(price));
        }
        // Without a SKU of its own the product's is read (section 14).
        let stock = product.stock_of(self);
        if let Some(stock) = stock {
            put("quantity", stock.into());
        }
        put("unlimited", stock.is_none().into());
        put("inStock", stock.is_none_or(|stock| stock > 0).into());
        put("warningLimit", 0.into());
        put("attributes", json!([]));
        put("defaultDisplayedPrice", self.displayed(product, habits));
        if let Some(id) = &self.external_reference_id {
            put("externalReferenceId", id.as_str().into());
        }
        record.extend(self.more.clone());
        if let Some(picture) = &self.picture {
            picture.put_urls(scene.store_id, &mut record);
            if let Some(alt) = &picture.alt {
                record.entry("alt").or_insert_with(|| alt.clone());
            }
        }
        Value::Object(record)
    }
}

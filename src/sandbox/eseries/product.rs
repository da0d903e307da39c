//! A product as the store keeps it, what may be written to it, and how it is shown (section 4 of the
//! E-Series reference).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::category::Category;
use super::fields::{self, TRANSLATED, sent, sent_money, sent_switch, sent_text, sent_whole, translate};
use super::habits::Habits;
use super::options::{self, Choice, ProductOption, selected};
use super::picture::Pictures;
use super::refusal::Refusal;
use super::spelling::spelt;
use super::values::{date, decimal, number};
use super::variation::Variation;
use crate::clock::Instant;

/// What a record has to know of the store it stands in, to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub store_id: i64,
    pub habits: &'a Habits,
    pub categories: &'a BTreeMap<i64, Category>,
}

/// One product with its options, variations and pictures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Product {
    pub id: i64,
    pub sku: String,
    pub name: String,
    pub price: Decimal,
    pub enabled: bool,
    /// `None` is unlimited.
    pub stock: Option<i64>,
    /// `inStock` says yes whatever the quantity is: a fault of the platform.
    pub in_stock_stuck: bool,
    pub external_reference_id: Option<String>,
    pub created: Instant,
    pub updated: Instant,
    pub options: Vec<ProductOption>,
    /// By id.
    pub variations: Vec<Variation>,
    /// How many variations it ever had; their numbers are not used again.
    pub variations_made: i64,
    pub pictures: Pictures,
    /// Every other writable field that was ever sent, as it was sent.
    pub more: Map<String, Value>,
}

/// What one create or update asks for, checked field by field.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub sku: Option<String>,
    pub name: Option<String>,
    pub price: Option<Decimal>,
    pub enabled: Option<bool>,
    pub quantity: Option<i64>,
    pub unlimited: Option<bool>,
    pub external_reference_id: Option<String>,
    pub options: Option<Vec<ProductOption>>,
    more: Vec<(&'static str, Value)>,
}

impl Change {
    /// Reads a body. `null` counts as absent, except where it clears (section 3).
    pub fn read(body: &Map<String, Value>, habits: &Habits) -> Result<Self, Refusal> {
        let more = fields::read(body, fields::PRODUCT, habits)?;
        let mut change = Self {
            sku: sent_text(body, "sku")?.map(|it| if habits.trim_skus { it.trim().to_owned() } else { it }),
            name: sent_text(body, "name")?,
            price: sent_money(body, "price", habits)?,
            enabled: sent_switch(body, "enabled")?,
            quantity: sent_whole(body, "quantity")?,
            unlimited: sent_switch(body, "unlimited")?,
            external_reference_id: sent_text(body, "externalReferenceId")?,
            options: sent(body, "options").map(|it| options::read(it, habits)).transpose()?,
            more,
        };
        if sent(body, "locationInventory").is_some() {
            // Stock by location belongs to the POS (section 2.2).
            let message = "Not allowed to update parameter 'locationInventory'";
            return Err(Refusal::new(409, "NOT_ALLOWED_TO_UPDATE_PARAMETER", message));
        }
        let lifted = fields::lift_default_language(&mut change.more, habits);
        change.name = change.name.or(lifted);
        change.name = change.name.map(|name| spelt(&name, habits));
        if change.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(Refusal::wrong_parameter("Product name must not be empty"));
        }
        Ok(change)
    }

    /// Takes the categories out, which the store has a say in.
    pub fn take_categories(&mut self) -> Option<Vec<i64>> {
        let at = self.more.iter().position(|(name, _)| *name == "categoryIds")?;
        let (_, list) = self.more.remove(at);
        let mut ids: Vec<i64> = Vec::new();
        for id in list.as_array()?.iter().filter_map(Value::as_i64) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Some(ids)
    }

    /// Writes the change into `product`, all but the SKU, which the store has a say in.
    pub fn apply(self, product: &mut Product) {
        if let Some(name) = self.name {
            product.name = name;
        }
        if let Some(price) = self.price {
            product.price = price;
        }
        if let Some(enabled) = self.enabled {
            product.enabled = enabled;
        }
        // Unlimited wins over a quantity, a quantity makes tracked, tracked without one starts at 0 (section 4.4).
        match (self.unlimited, self.quantity) {
            (Some(true), _) => product.stock = None,
            (_, Some(quantity)) => product.stock = Some(quantity),
            (Some(false), None) => product.stock = product.stock.or(Some(0)),
            (None, None) => {}
        }
        if let Some(id) = self.external_reference_id {
            product.external_reference_id = Some(id).filter(|id| !id.is_empty());
        }
        if let Some(options) = self.options {
            product.options = options;
        }
        fields::keep(self.more, &mut product.more);
    }
}

impl Product {
    /// Whether the product or any of its variations is in stock (section 4.2).
    pub fn in_stock(&self) -> bool {
        let there = |stock: Option<i64>| stock.is_none_or(|stock| stock > 0);
        self.in_stock_stuck || there(self.stock) || self.variations.iter().any(|it| there(self.stock_of(it)))
    }

    /// A variation without a SKU of its own has no stock of its own (section 5.4).
    pub fn shares_stock(&self, variation: &Variation) -> bool {
        variation.sku.as_ref().is_none_or(|sku| *sku == self.sku)
    }

    /// What a variation's `quantity` shows; `None` is unlimited.
    pub fn stock_of(&self, variation: &Variation) -> Option<i64> {
        if self.shares_stock(variation) { self.stock } else { variation.stock }
    }

    /// Where a variation shared the stock under the SKU that the product had before, it goes on by itself.
    pub fn part_stock(&mut self, before: &Self) {
        for variation in &mut self.variations {
            if variation.sku.as_ref() == Some(&before.sku) {
                variation.stock = before.stock;
            }
        }
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&ProductOption> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The variation with this id.
    pub fn variation(&self, id: i64) -> Result<&Variation, Refusal> {
        self.variations.iter().find(|it| it.id == id).ok_or_else(|| Refusal::combination_not_found(id))
    }

    /// The variation with this id, to be changed.
    pub fn variation_mut(&mut self, id: i64) -> Result<&mut Variation, Refusal> {
        self.variations.iter_mut().find(|it| it.id == id).ok_or_else(|| Refusal::combination_not_found(id))
    }

    /// The ids of the categories it is assigned to.
    pub fn category_ids(&self) -> Vec<i64> {
        let ids = self.more.get("categoryIds").and_then(Value::as_array);
        ids.map(|ids| ids.iter().filter_map(Value::as_i64).collect()).unwrap_or_default()
    }

    /// Assigns it to these categories and no others. What is left without a category sits on the front page, and
    /// the category of no product is no default (sections 4.2 and 9.2).
    pub fn set_categories(&mut self, ids: Vec<i64>) {
        if !self.category_ids().is_empty() && ids.is_empty() {
            self.more.entry("showOnFrontpage").or_insert_with(|| 1.into());
        }
        let default = self.more.get("defaultCategoryId").and_then(Value::as_i64);
        if default.is_some_and(|default| !ids.contains(&default)) {
            self.more.shift_remove("defaultCategoryId");
        }
        self.more.insert("categoryIds".to_owned(), ids.into());
    }

    /// The variation that the default choices select.
    fn default_variation(&self) -> Option<&Variation> {
        let choice = |it: &ProductOption| it.default().map(|choice| (it.name.clone(), choice.text.clone()));
        let defaults: Vec<(String, String)> = self.options.iter().filter_map(choice).collect();
        self.variations.iter().find(|it| it.is_for(&defaults))
    }

    /// What it sells for without a choice of the customer: an own price of the variation selected by default, else
    /// the base with the modifiers of the default choices.
    fn displayed(&self, habits: &Habits) -> Value {
        if let Some(price) = self.default_variation().and_then(|it| it.price) {
            return number(price);
        }
        let defaults: Vec<&Choice> = self.options.iter().filter_map(ProductOption::default).collect();
        selected(self.price, &defaults, habits)
    }

    /// A number among the fields kept as sent.
    pub fn more_decimal(&self, name: &str) -> Option<Decimal> {
        self.more.get(name).and_then(decimal)
    }

    /// The full wire record.
    pub fn wire(&self, scene: &Scene<'_>) -> Value {
        let (store_id, languages) = (scene.store_id, &scene.habits.languages);
        let displayed = self.displayed(scene.habits);
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| {
            record.insert(name.to_owned(), value);
        };
        put("id", self.id.into());
        put("sku", self.sku.as_str().into());
        // Absent, not 0, when unlimited (section 13, trap 3).
        if let Some(stock) = self.stock {
            put("quantity", stock.into());
        }
        put("unlimited", self.stock.is_none().into());
        put("inStock", self.in_stock().into());
        put("name", self.name.as_str().into());
        put("price", number(self.price));
        put("priceInProductList", displayed.clone());
        let formatted = format!("${:.2}", decimal(&displayed).unwrap_or(self.price));
        put("defaultDisplayedPrice", displayed);
        put("defaultDisplayedPriceFormatted", formatted.into());
        put("costPrice", 0.into());
        put("isShippingRequired", true.into());
        put("url", format!("https://store{store_id}.company.site/products/p{}", self.id).into());
        put("created", date(self.created).into());
        put("updated", date(self.updated).into());
        put("createTimestamp", self.created.timestamp().into());
        put("updateTimestamp", self.updated.timestamp().into());
        put("productClassId", 0.into());
        put("enabled", self.enabled.into());
        put("options", self.options.iter().map(|it| it.wire(languages)).collect());
        put("warningLimit", 0.into());
        put("fixedShippingRateOnly", false.into());
        put("fixedShippingRate", 0.into());
        put("shipping", json!({"type": "GLOBAL_METHODS", "methodMarkup": 0, "flatRate": 0}));
        put("defaultCombinationId", self.default_variation().map_or(0, |it| it.id).into());
        put("categoryIds", json!([]));
        put("categories", self.category_ids().iter().filter_map(|id| Category::brief(*id, scene)).collect());
        put("defaultCategoryId", 0.into());
        put("attributes", json!([]));
        put("combinations", self.variations.iter().map(|it| it.wire(self, scene)).collect());
        put("dimensions", json!({"length": 0, "width": 0, "height": 0}));
        put("volume", 0.into());
        put("files", json!([]));
        put("productCondition", "NEW".into());
        put("isGiftCard", false.into());
        put("isSampleProduct", false.into());
        put("favorites", json!({"count": 0, "displayedCount": "0"}));
        if let Some(id) = &self.external_reference_id {
            put("externalReferenceId", id.as_str().into());
        }
        self.pictures.put(store_id, &mut record);
        record.extend(self.more.clone());
        for base in TRANSLATED {
            translate(&mut record, base, languages);
        }
        Value::Object(record)
    }

    /// The words that a keyword search looks through (section 4.5).
    pub fn words(&self) -> Vec<String> {
        let description = self.more.get("description").and_then(Value::as_str).unwrap_or_default();
        let mut text = format!("{} {} {description}", self.name, self.sku);
        let skus = self.variations.iter().filter_map(|it| it.sku.as_deref());
        let options = self.options.iter().map(|it| it.name.as_str());
        let choices = self.options.iter().flat_map(|it| &it.choices).map(|it| it.text.as_str());
        let alts = self.pictures.all().filter_map(|(_, it)| it.alt.as_ref()?.get("main")?.as_str());
        for word in skus.chain(options).chain(choices).chain(alts) {
            text.push(' ');
            text.push_str(word);
        }
        let text = text.to_lowercase();
        let whole = text.split_whitespace().map(str::to_owned);
        let parts = text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned);
        whole.chain(parts).filter(|word| !word.is_empty()).collect()
    }
}

//! A product as the store keeps it, what may be written to it, and how it is shown (section 4 of the
//! E-Series reference).

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::habits::Habits;
use super::refusal::Refusal;
use super::values::{date, decimal, number, tidy};
use crate::clock::Instant;

/// One simple product.
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
    /// Every other writable field that was ever sent, as it was sent.
    pub more: Map<String, Value>,
}

/// What kind of value a field of [`FIELDS`] takes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Whole,
    Switch,
    List,
    Object,
    /// A map of language code to text, merged into the stored one.
    Translations,
}

/// The writable fields that the store keeps as they are sent (section 4.2). Fields that stand neither here nor
/// in [`Change`] are read-only or unknown and are ignored (section 3).
const FIELDS: &[(&str, Kind)] = &[
    ("nameTranslated", Kind::Translations),
    ("description", Kind::Text),
    ("descriptionTranslated", Kind::Translations),
    ("subtitle", Kind::Text),
    ("subtitleTranslated", Kind::Translations),
    ("compareToPrice", Kind::Number),
    ("costPrice", Kind::Number),
    ("wholesalePrices", Kind::List),
    ("warningLimit", Kind::Whole),
    ("outOfStockVisibilityBehaviour", Kind::Text),
    ("minPurchaseQuantity", Kind::Whole),
    ("maxPurchaseQuantity", Kind::Whole),
    ("categoryIds", Kind::List),
    ("defaultCategoryId", Kind::Whole),
    ("showOnFrontpage", Kind::Whole),
    ("options", Kind::List),
    ("productClassId", Kind::Whole),
    ("attributes", Kind::List),
    ("weight", Kind::Number),
    ("dimensions", Kind::Object),
    ("volume", Kind::Number),
    ("isShippingRequired", Kind::Switch),
    ("shipping", Kind::Object),
    ("fixedShippingRateOnly", Kind::Switch),
    ("fixedShippingRate", Kind::Number),
    ("tax", Kind::Object),
    ("seoTitle", Kind::Text),
    ("seoTitleTranslated", Kind::Translations),
    ("seoDescription", Kind::Text),
    ("seoDescriptionTranslated", Kind::Translations),
    ("customSlug", Kind::Text),
    ("relatedProducts", Kind::Object),
    ("lowestPriceSettings", Kind::Object),
    ("ribbon", Kind::Object),
    ("ribbonTranslated", Kind::Object),
    ("nameYourPriceEnabled", Kind::Switch),
    ("customPriceTiers", Kind::List),
    ("priceDefaultTier", Kind::Number),
    ("subscriptionSettings", Kind::Object),
    ("productCondition", Kind::Text),
    ("googleItemCondition", Kind::Text),
    ("googleProductCategory", Kind::Whole),
    ("customsHsTariffCode", Kind::Text),
    ("batteryIncluded", Kind::Switch),
    ("reviewsCollectingAllowed", Kind::Switch),
    ("discountsAllowed", Kind::Switch),
    ("shippingPreparationTime", Kind::Object),
    ("showDeliveryTimeInStorefront", Kind::Switch),
    ("isSampleProduct", Kind::Switch),
];

/// Fields with a `…Translated` twin.
const TRANSLATED: &[&str] = &["name", "description", "subtitle", "seoTitle", "seoDescription"];

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
    more: Vec<(&'static str, Value)>,
}

impl Change {
    /// Reads a body. `null` counts as absent, except where it clears (section 3).
    pub fn read(fields: &Map<String, Value>, habits: &Habits) -> Result<Self, Refusal> {
        let sent = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let text = |name: &str| sent(name).map(|it| owned(it, name)).transpose();
        let mut change = Self {
            sku: text("sku")?.map(|it| if habits.trim_skus { it.trim().to_owned() } else { it }),
            name: text("name")?,
            price: sent("price").map(|it| money(it, "price")).transpose()?,
            enabled: sent("enabled").map(|it| it.as_bool().ok_or_else(|| wrong("enabled"))).transpose()?,
            quantity: sent("quantity").map(|it| it.as_i64().ok_or_else(|| wrong("quantity"))).transpose()?,
            unlimited: sent("unlimited")
                .map(|it| it.as_bool().ok_or_else(|| wrong("unlimited")))
                .transpose()?,
            external_reference_id: text("externalReferenceId")?,
            more: Vec::new(),
        };
        if sent("locationInventory").is_some() {
            // Stock by location belongs to the POS (section 2.2).
            let message = "Not allowed to update parameter 'locationInventory'";
            return Err(Refusal::new(409, "NOT_ALLOWED_TO_UPDATE_PARAMETER", message));
        }
        for (name, kind) in FIELDS {
            match fields.get(*name) {
                Some(Value::Null) if *name == "googleProductCategory" => {
                    change.more.push((name, Value::Null));
                }
                None | Some(Value::Null) => {}
                Some(value) => {
                    check(value, *kind, name, habits)?;
                    change.more.push((name, tidy(value.clone())));
                }
            }
        }
        change.lift_default_language(habits);
        if habits.trim_names {
            change.name = change.name.map(|name| name.trim().to_owned());
        }
        if habits.round_prices {
            change.price = change.price.map(|price| price.round_dp(2));
        }
        if change.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(Refusal::wrong_parameter("Product name must not be empty"));
        }
        Ok(change)
    }

    /// The plain field is the text in the store's default language (section 3), so a translation into that
    /// language writes the plain field, unless that was sent as well.
    fn lift_default_language(&mut self, habits: &Habits) {
        let Some(default) = habits.languages.first() else { return };
        for base in TRANSLATED {
            let twin = format!("{base}Translated");
            let text = self
                .more
                .iter()
                .find(|(name, _)| *name == twin)
                .and_then(|(_, map)| map.get(default))
                .and_then(Value::as_str)
                .map(str::to_owned);
            let Some(text) = text else { continue };
            if *base == "name" {
                self.name.get_or_insert(text);
            } else if !self.more.iter().any(|(name, _)| name == base) {
                self.more.push((base, text.into()));
            }
        }
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
        for (name, value) in self.more {
            match (product.more.get_mut(name), value) {
                (_, Value::Null) => {
                    product.more.shift_remove(name);
                }
                (Some(Value::Object(stored)), Value::Object(sent)) if name.ends_with("Translated") => {
                    stored.extend(sent);
                }
                (_, value) => {
                    product.more.insert(name.to_owned(), value);
                }
            }
        }
    }
}

fn wrong(name: &str) -> Refusal {
    Refusal::wrong_parameter(format!("Wrong parameter '{name}' value"))
}

fn owned(value: &Value, name: &str) -> Result<String, Refusal> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(name))
}

fn money(value: &Value, name: &str) -> Result<Decimal, Refusal> {
    decimal(value).filter(|it| !it.is_sign_negative() || it.is_zero()).ok_or_else(|| wrong(name))
}

fn check(value: &Value, kind: Kind, name: &str, habits: &Habits) -> Result<(), Refusal> {
    let fits = match kind {
        Kind::Text => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Whole => value.is_i64(),
        Kind::Switch => value.is_boolean(),
        Kind::List => value.is_array(),
        Kind::Object => value.is_object(),
        Kind::Translations => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
    };
    if !fits {
        return Err(wrong(name));
    }
    match (kind, value, name) {
        (Kind::Translations, Value::Object(map), _) => {
            if let Some(language) = map.keys().find(|language| !habits.languages.contains(language)) {
                let message = format!("Language '{language}' is not enabled in the store");
                return Err(Refusal::new(400, "LANGUAGES_NOT_ALLOWED", message));
            }
        }
        (Kind::Number, cost, "costPrice") if cost.as_f64().is_some_and(|cost| cost < 0.0) => {
            return Err(Refusal::new(400, "COST_PRICE_CANT_BE_NEGATIVE", "Cost price can't be negative"));
        }
        (Kind::Whole, class, "productClassId") if class.as_i64() != Some(0) => {
            // A linked entity that does not exist; only the class "General" does so far (section 2.2).
            return Err(Refusal::new(404, None, format!("Product class #{class} not found")));
        }
        (Kind::List, Value::Array(ids), "categoryIds") if ids.len() > 100 => {
            let code = "MAX_CATEGORIES_FOR_API_REQUEST_LIMIT_EXCEEDED";
            return Err(Refusal::new(402, code, "Too many categories in one request"));
        }
        (Kind::List, Value::Array(ids), "categoryIds") if !ids.iter().all(Value::is_i64) => {
            return Err(wrong(name));
        }
        _ => {}
    }
    Ok(())
}

impl Product {
    pub fn in_stock(&self) -> bool {
        self.in_stock_stuck || self.stock.is_none_or(|stock| stock > 0)
    }

    /// A number among the fields kept as sent.
    pub fn more_decimal(&self, name: &str) -> Option<Decimal> {
        self.more.get(name).and_then(decimal)
    }

    /// The full wire record.
    pub fn wire(&self, store_id: i64, languages: &[String]) -> Value {
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
        put("priceInProductList", number(self.price));
        put("defaultDisplayedPrice", number(self.price));
        put("defaultDisplayedPriceFormatted", format!("${:.2}", self.price).into());
        put("costPrice", 0.into());
        put("isShippingRequired", true.into());
        put("url", format!("https://store{store_id}.company.site/products/p{}", self.id).into());
        put("created", date(self.created).into());
        put("updated", date(self.updated).into());
        put("createTimestamp", self.created.timestamp().into());
        put("updateTimestamp", self.updated.timestamp().into());
        put("productClassId", 0.into());
        put("enabled", self.enabled.into());
        put("options", json!([]));
        put("warningLimit", 0.into());
        put("fixedShippingRateOnly", false.into());
        put("fixedShippingRate", 0.into());
        put("shipping", json!({"type": "GLOBAL_METHODS", "methodMarkup": 0, "flatRate": 0}));
        put("defaultCombinationId", 0.into());
        put("categoryIds", json!([]));
        put("categories", json!([]));
        put("defaultCategoryId", 0.into());
        put("attributes", json!([]));
        put("combinations", json!([]));
        put("dimensions", json!({"length": 0, "width": 0, "height": 0}));
        put("volume", 0.into());
        put("media", json!({"images": [], "videos": []}));
        put("galleryImages", json!([]));
        put("files", json!([]));
        put("productCondition", "NEW".into());
        put("isGiftCard", false.into());
        put("isSampleProduct", false.into());
        put("favorites", json!({"count": 0, "displayedCount": "0"}));
        if let Some(id) = &self.external_reference_id {
            put("externalReferenceId", id.as_str().into());
        }
        record.extend(self.more.clone());
        for base in TRANSLATED {
            translate(&mut record, base, languages);
        }
        Value::Object(record)
    }

    /// The words that a keyword search looks through (section 4.5).
    pub fn words(&self) -> Vec<String> {
        let description = self.more.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{} {} {description}", self.name, self.sku).to_lowercase();
        let whole = text.split_whitespace().map(str::to_owned);
        let parts = text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned);
        whole.chain(parts).filter(|word| !word.is_empty()).collect()
    }
}

/// A fetched map has every enabled language, `""` where untranslated (section 3).
fn translate(record: &mut Map<String, Value>, base: &str, languages: &[String]) {
    let twin = format!("{base}Translated");
    let Some(plain) = record.get(base).cloned() else { return };
    let mut whole = Map::new();
    for (place, language) in languages.iter().enumerate() {
        let stored = record.get(&twin).and_then(|map| map.get(language)).cloned();
        let text = if place == 0 { plain.clone() } else { stored.unwrap_or_else(|| "".into()) };
        whole.insert(language.clone(), text);
    }
    record.insert(twin, Value::Object(whole));
}

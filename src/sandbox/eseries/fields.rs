//! The fields that the store keeps as they are sent, by kind of record, and how one value is checked (sections 3, 4.2,
//! 5.2 and 9.1 of the E-Series reference).

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::habits::Habits;
use super::refusal::Refusal;
use super::values::{decimal, tidy};

/// What kind of value a field takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
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
/// in `product::Change` are read-only or unknown and are ignored (section 3).
pub(super) const PRODUCT: &[(&str, Kind)] = &[
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
pub(super) const TRANSLATED: &[&str] = &["name", "description", "subtitle", "seoTitle", "seoDescription"];

/// The fields of a variation that are kept as sent (section 5.2); absent means inherited.
pub(super) const VARIATION: &[(&str, Kind)] = &[
    ("compareToPrice", Kind::Number),
    ("costPrice", Kind::Number),
    ("wholesalePrices", Kind::List),
    ("weight", Kind::Number),
    ("warningLimit", Kind::Whole),
    ("dimensions", Kind::Object),
    ("volume", Kind::Number),
    ("isShippingRequired", Kind::Switch),
    ("minPurchaseQuantity", Kind::Whole),
    ("maxPurchaseQuantity", Kind::Whole),
    ("customsHsTariffCode", Kind::Text),
    ("subscriptionSettings", Kind::Object),
    ("lowestPriceSettings", Kind::Object),
    ("outOfStockVisibilityBehaviour", Kind::Text),
    ("attributes", Kind::List),
    ("alt", Kind::Object),
];

/// The fields of a category that are kept as sent (section 9.1).
pub(super) const CATEGORY: &[(&str, Kind)] = &[
    ("nameTranslated", Kind::Translations),
    ("description", Kind::Text),
    ("descriptionTranslated", Kind::Translations),
    ("customSlug", Kind::Text),
    ("seoTitle", Kind::Text),
    ("seoTitleTranslated", Kind::Translations),
    ("seoDescription", Kind::Text),
    ("seoDescriptionTranslated", Kind::Translations),
    ("isSampleCategory", Kind::Switch),
    ("alt", Kind::Object),
];

/// A field that was sent. `null` counts as absent (section 3).
pub(super) fn sent<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// A text that was sent.
pub(super) fn sent_text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    sent(fields, name).map(|it| owned(it, name)).transpose()
}

/// A switch that was sent.
pub(super) fn sent_switch(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    sent(fields, name).map(|it| it.as_bool().ok_or_else(|| wrong(name))).transpose()
}

/// A whole number that was sent.
pub(super) fn sent_whole(fields: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    sent(fields, name).map(|it| it.as_i64().ok_or_else(|| wrong(name))).transpose()
}

/// A price that was sent.
pub(super) fn sent_money(
    fields: &Map<String, Value>,
    name: &str,
    habits: &Habits,
) -> Result<Option<Decimal>, Refusal> {
    let price = sent(fields, name).map(|it| money(it, name)).transpose()?;
    Ok(if habits.round_prices { price.map(|price| price.round_dp(habits.price_decimals)) } else { price })
}

/// What was sent of `known`, checked. An explicit `null` clears `googleProductCategory` alone (section 3).
pub(super) fn read(
    fields: &Map<String, Value>,
    known: &[(&'static str, Kind)],
    habits: &Habits,
) -> Result<Vec<(&'static str, Value)>, Refusal> {
    let mut found = Vec::new();
    for (name, kind) in known {
        match fields.get(*name) {
            Some(Value::Null) if *name == "googleProductCategory" => found.push((*name, Value::Null)),
            None | Some(Value::Null) => {}
            Some(value) => {
                check(value, *kind, name, habits)?;
                found.push((*name, tidy(value.clone())));
            }
        }
    }
    Ok(found)
}

/// The plain field is the text in the store's default language (section 3), so a translation into that language
/// writes the plain field, unless that was sent as well. `name` is handed back, since no record keeps it here.
pub(super) fn lift_default_language(
    more: &mut Vec<(&'static str, Value)>,
    habits: &Habits,
) -> Option<String> {
    let default = habits.languages.first()?;
    let mut lifted = None;
    for base in TRANSLATED {
        let twin = format!("{base}Translated");
        let map = more.iter().find(|(name, _)| *name == twin).map(|(_, map)| map);
        let text = map.and_then(|map| map.get(default)).and_then(Value::as_str).map(str::to_owned);
        let Some(text) = text else { continue };
        if *base == "name" {
            lifted = Some(text);
        } else if !more.iter().any(|(name, _)| name == base) {
            more.push((base, text.into()));
        }
    }
    lifted
}

/// Writes what was sent into what is kept. Maps of translations are merged, all else is replaced (section 3).
pub(super) fn keep(more: Vec<(&'static str, Value)>, kept: &mut Map<String, Value>) {
    for (name, value) in more {
        match (kept.get_mut(name), value) {
            (_, Value::Null) => {
                kept.shift_remove(name);
            }
            (Some(Value::Object(stored)), Value::Object(sent)) if name.ends_with("Translated") => {
                stored.extend(sent);
            }
            (_, value) => {
                kept.insert(name.to_owned(), value);
            }
        }
    }
}

pub(super) fn wrong(name: &str) -> Refusal {
    Refusal::wrong_parameter(format!("Wrong parameter '{name}' value"))
}

pub(super) fn owned(value: &Value, name: &str) -> Result<String, Refusal> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(name))
}

pub(super) fn money(value: &Value, name: &str) -> Result<Decimal, Refusal> {
    decimal(value).filter(|it| !it.is_sign_negative() || it.is_zero()).ok_or_else(|| wrong(name))
}

pub(super) fn check(value: &Value, kind: Kind, name: &str, habits: &Habits) -> Result<(), Refusal> {
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

/// A fetched map has every enabled language, `""` where untranslated (section 3).
pub(super) fn translate(record: &mut Map<String, Value>, base: &str, languages: &[String]) {
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

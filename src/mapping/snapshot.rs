//! What is kept of a record of E-Series that is removed, and comes back when it is created again: everything that the
//! platform takes and that Concord does not carry itself.

use serde_json::{Map, Value};

/// Fields of a product that can be written (e-series-api.md, section 4.2), without those that Concord carries, and
/// those that point to other records.
const OF_PRODUCT: [&str; 44] = [
    "description",
    "descriptionTranslated",
    "subtitle",
    "subtitleTranslated",
    "compareToPrice",
    "costPrice",
    "wholesalePrices",
    "warningLimit",
    "outOfStockVisibilityBehaviour",
    "minPurchaseQuantity",
    "maxPurchaseQuantity",
    "attributes",
    "weight",
    "dimensions",
    "volume",
    "isShippingRequired",
    "shipping",
    "fixedShippingRateOnly",
    "fixedShippingRate",
    "tax",
    "seoTitle",
    "seoTitleTranslated",
    "seoDescription",
    "seoDescriptionTranslated",
    "customSlug",
    "lowestPriceSettings",
    "ribbon",
    "ribbonTranslated",
    "nameYourPriceEnabled",
    "customPriceTiers",
    "priceDefaultTier",
    "subscriptionSettings",
    "productCondition",
    "googleItemCondition",
    "googleProductCategory",
    "customsHsTariffCode",
    "batteryIncluded",
    "reviewsCollectingAllowed",
    "discountsAllowed",
    "shippingPreparationTime",
    "showDeliveryTimeInStorefront",
    "nameTranslated",
    "options",
    "showOnFrontpage",
];

/// Fields that point to other records, which may be gone when the product comes back: then the platform refuses the
/// whole (section 2.2, 404).
const POINTERS: [&str; 4] = ["categoryIds", "defaultCategoryId", "productClassId", "relatedProducts"];

/// Fields of a variation that can be written (section 5.2).
const OF_VARIATION: [&str; 13] = [
    "compareToPrice",
    "costPrice",
    "wholesalePrices",
    "weight",
    "warningLimit",
    "dimensions",
    "volume",
    "isShippingRequired",
    "minPurchaseQuantity",
    "maxPurchaseQuantity",
    "customsHsTariffCode",
    "subscriptionSettings",
    "attributes",
];

/// Options that have choices come with the variants; the others (texts, dates, files) exist only online.
const WITH_CHOICES: [&str; 4] = ["SELECT", "RADIO", "SIZE", "SWATCHES"];

/// What a product is created again with, beside what Concord carries: `named` as it is now. With `pointers`, what
/// points to other records as well.
#[must_use]
pub fn product(record: &Value, named: &str, pointers: bool) -> Map<String, Value> {
    let mut kept = pick(record, &OF_PRODUCT);
    if pointers {
        kept.extend(pick(record, &POINTERS));
    } else {
        // Off the front page it can only be in a category (section 2.2).
        kept.remove("showOnFrontpage");
    }
    // Translations of another name say something else.
    if record.get("name").and_then(Value::as_str) != Some(named) {
        kept.remove("nameTranslated");
    }
    // What a variation calls its options are values of them, without a type.
    let without_choices = |option: &Value| {
        let kind = option.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| !WITH_CHOICES.contains(&kind))
    };
    let options = kept.remove("options").and_then(|options| match options {
        Value::Array(options) => Some(options.into_iter().filter(without_choices).collect::<Vec<_>>()),
        _ => None,
    });
    if let Some(options) = options.filter(|options| !options.is_empty()) {
        kept.insert("options".into(), Value::Array(options));
    }
    kept
}

/// What a variation is created again with, beside what Concord carries: `record` is its own, or that of the product it
/// was before it became a variation.
#[must_use]
pub fn variation(record: &Value) -> Map<String, Value> {
    pick(record, &OF_VARIATION)
}

/// The same out of the record of its product: the variation with this marker, else this SKU, else these option values.
#[must_use]
pub fn variation_in(record: &Value, marker: &str, sku: &str, values: &[String]) -> Map<String, Value> {
    let variations =
        record.get("combinations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |variation: &Value, name: &str| {
        variation.get(name).and_then(Value::as_str).map(|text| text.trim().to_owned())
    };
    let marked = |variation: &&Value| text(variation, "externalReferenceId").as_deref() == Some(marker);
    let same_sku =
        |variation: &&Value| !sku.trim().is_empty() && text(variation, "sku").as_deref() == Some(sku.trim());
    let sorted = |mut values: Vec<String>| {
        values.retain(|value| !value.is_empty());
        values.sort_unstable();
        values
    };
    let wanted = sorted(values.iter().map(|value| value.trim().to_owned()).collect());
    let same_values = |variation: &&Value| {
        let options = variation.get("options").and_then(Value::as_array);
        let shown = options.into_iter().flatten().filter_map(|option| text(option, "value"));
        !wanted.is_empty() && sorted(shown.collect()) == wanted
    };
    let all = || variations.iter();
    let found = all().find(marked).or_else(|| all().find(same_sku)).or_else(|| all().find(same_values));
    found.map(variation).unwrap_or_default()
}

/// Was it on offer?
#[must_use]
pub fn enabled(record: &Value) -> Option<bool> {
    record.get("enabled").and_then(Value::as_bool)
}

fn pick(record: &Value, names: &[&str]) -> Map<String, Value> {
    let there = names.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())));
    there.filter(|(_, value)| !value.is_null()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_platform_derives_and_what_concord_carries_stays_behind() {
        let record = json!({"id": 7, "name": "Mug", "nameTranslated": {"fr": "Tasse"}, "price": 5, "quantity": 3,
            "description": "<p>Hot</p>", "seoTitle": null, "url": "https://x", "categoryIds": [3],
            "options": [{"type": "SELECT", "name": "Size"}, {"type": "TEXTFIELD", "name": "Engraving"}]});
        let kept = Value::Object(product(&record, "Mug", true));
        assert_eq!(
            kept,
            json!({"nameTranslated": {"fr": "Tasse"}, "description": "<p>Hot</p>", "categoryIds": [3],
                "options": [{"type": "TEXTFIELD", "name": "Engraving"}]})
        );
        let kept = product(&record, "Cup", false);
        assert!(!kept.contains_key("nameTranslated") && !kept.contains_key("categoryIds"), "{kept:?}");
    }

    #[test]
    fn a_variation_is_found_in_its_product_by_marker_or_sku_or_values() {
        let by = |name: &str, value: &str| json!({"name": name, "value": value});
        let product = json!({"combinations": [
            {"externalReferenceId": "b", "weight": 1, "options": [by("Size", "S")]},
            {"externalReferenceId": "a", "weight": 2.5, "price": 9, "options": [by("Size", "M")]},
            {"sku": "T-L", "weight": 3, "options": [by("Size", "L"), by("Color", "Red")]}]});
        let weight = |marker: &str, sku: &str, values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            variation_in(&product, marker, sku, &values).get("weight").cloned()
        };
        assert_eq!(weight("a", "", &[]), Some(json!(2.5)));
        assert_eq!(weight("z", "T-L", &[]), Some(json!(3)));
        assert_eq!(weight("z", "", &["Red", "L"]), Some(json!(3)));
        assert_eq!(weight("z", "", &[]), None);
        let picked = variation(&json!({"weight": 2.5, "price": 9, "options": [by("Size", "S")]}));
        assert_eq!(Value::Object(picked), json!({"weight": 2.5}));
    }

    #[test]
    fn the_values_of_a_variation_are_no_options_of_a_product() {
        let kept = product(&json!({"weight": 1, "options": [{"name": "Size", "value": "S"}]}), "Tee S", true);
        assert_eq!(Value::Object(kept), json!({"weight": 1}));
    }
}

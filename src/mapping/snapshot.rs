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
    let without_choices = |option: &Value| {
        let kind = option.get("type").and_then(Value::as_str).unwrap_or_default();
        !WITH_CHOICES.contains(&kind)
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

/// What a variation is created again with, beside what Concord carries. Given the record of its product, the one with
/// this marker.
#[must_use]
pub fn variation(record: &Value, marker: &str) -> Map<String, Value> {
    let own = |record: &Value| {
        record.get("externalReferenceId").and_then(Value::as_str).is_some_and(|reference| reference == marker)
    };
    let variations = record.get("combinations").and_then(Value::as_array);
    let found = variations.and_then(|variations| variations.iter().find(|variation| own(variation)));
    pick(found.unwrap_or(if own(record) { record } else { &Value::Null }), &OF_VARIATION)
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
    fn a_variation_is_found_in_its_product_or_is_the_record_itself() {
        let one = json!({"externalReferenceId": "a", "weight": 2.5, "price": 9});
        let product = json!({"combinations": [{"externalReferenceId": "b", "weight": 1}, one.clone()]});
        let weight = |record: &Value| variation(record, "a").get("weight").cloned();
        assert_eq!((weight(&product), weight(&one)), (Some(json!(2.5)), Some(json!(2.5))));
        assert!(variation(&product, "c").is_empty());
    }
}

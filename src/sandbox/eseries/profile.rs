//! `GET /profile` and `GET /latest-stats` (section 11 of the E-Series reference).

use serde_json::{Value, json};

use super::access::require;
use super::refusal::Refusal;
use super::store::Store;
use super::values::{Keep, Query, date};
use crate::clock::Instant;

/// `GET /profile`.
pub(super) fn profile(store: &Store, scopes: &[String], query: &Query) -> Result<Value, Refusal> {
    let config = &store.config;
    let keep = Keep::of(query)?;
    let mut account = json!({
        "accountName": "Sandbox Store", "accountEmail": "merchant@example.com",
        "suspended": config.habits.suspended, "paid": true, "registrationDate": "2020-01-01 00:00:00 +0000",
        "availableFeatures": [
            "API", "COMBINATIONS", "INVENTORY_TRACKING", "COMPARE_TO_PRICE", "BULK_PRICES",
            "PRODUCT_DIMENSIONS", "SEO_FIELDS", "MULTILINGUAL_STORE", "COST_PRICE_FEATURE",
        ],
    });
    if let (false, Some(features)) = (
        config.habits.plan_has_variations,
        account.get_mut("availableFeatures").and_then(Value::as_array_mut),
    ) {
        features.retain(|it| it != "COMBINATIONS");
    }
    // Two pages name two different scopes for the limits, so both are asked for (section 1.4).
    let limits = require(scopes, &["read_store_limits", "read_store_profile_extended"]);
    if let (Ok(()), Some(account)) = (limits, account.as_object_mut()) {
        let limits = json!({"maxProductLimit": config.max_product_limit});
        account.insert("limitsAndRestrictions".to_owned(), limits);
    }
    let mut profile = json!({
        "generalInfo": {
            "storeId": config.store_id,
            "storeUrl": format!("https://store{}.company.site", config.store_id),
        },
        "account": account,
        "settings": {"storeName": "Sandbox Store", "closed": false},
        "company": {
            "companyName": "Sandbox Store", "email": "merchant@example.com", "street": "1 Main Street",
            "city": "New York", "countryCode": "US", "postalCode": "10001", "stateOrProvinceCode": "NY",
        },
        "formatsAndUnits": {
            "currency": "USD", "currencyPrecision": config.habits.price_decimals, "weightUnit": "KILOGRAM", "weightPrecision": 3,
            "dimensionsUnit": "CM", "volumeUnit": "L", "timezone": "America/New_York",
        },
        "languages": {
            "enabledLanguages": config.habits.languages, "defaultLanguage": config.habits.languages.first(),
        },
        "featureToggles": [
            {
                "name": "ALLOW_EMPTY_AND_NON_UNIQUE_SKU", "visible": true,
                "enabled": config.habits.sku_may_repeat,
            },
        ],
    });
    if query.is_on("showExtendedInfo")? {
        require(scopes, &["read_store_profile_extended"])?;
        if let Some(profile) = profile.as_object_mut() {
            let billing = json!({
                "pricingPlanName": "Business", "pricingPlanId": "BUSINESS", "pricingPlanPeriod": "annual",
                "inGracePeriod": false,
            });
            profile.insert("accountBilling".to_owned(), billing);
        }
    }
    Ok(keep.map_or_else(|| profile.clone(), |keep| keep.cut(profile.clone())))
}

/// When the store was opened: 1 January 2020. That this is a time is proved when it is built.
pub(super) const BORN: Instant = Instant::from_timestamp(1_577_836_800, 0).unwrap();

/// `GET /latest-stats`: a cheap look whether anything has changed.
pub(super) fn latest_stats(store: &Store, query: &Query) -> Result<Value, Refusal> {
    let born = date(BORN);
    let mut stats = json!({
        "productsUpdated": date(store.products_updated), "ordersUpdated": born, "customersUpdated": born,
        "categoriesUpdated": date(store.categories_updated), "profileUpdated": born,
    });
    if let Some(stats) = stats.as_object_mut() {
        if query.is_on("productCountRequired")? {
            stats.insert("productCount".to_owned(), store.products.len().into());
        }
        if query.is_on("categoryCountRequired")? {
            stats.insert("categoryCount".to_owned(), store.categories.len().into());
        }
    }
    Ok(stats)
}

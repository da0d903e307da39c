//! What a preview reports, and what a run costs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::catalog::{Field, Side, Use};
use crate::decide::matching::Candidate;
use crate::ids::ProductId;
use crate::platforms::eseries::wire::MOST_VARIATIONS;

/// Calls to E-Series in a second (e-series-api.md, section 2.3: 600 a minute, a few of which Concord leaves alone).
const E_CALLS_A_SECOND: f64 = 590.0 / 60.0;
/// Drips that R-Series takes at once, and in a second (r-series-api.md, section 3).
const R_BUCKET: f64 = 90.0;
/// See there.
const R_DRIPS_A_SECOND: f64 = 1.0;
/// Drips of a look at an item and of a write to one (sections 3.3 and 4.1).
const R_UPDATE: f64 = 1.4 + 1.5;
/// Drips of writing a count: the log, the item, the log, the write and the log again.
const R_STOCK: f64 = 1.0 + 1.4 + 1.0 + 1.5 + 1.0;
/// Products that a visit's look takes with one call.
const LOOKED_AT_ONCE: f64 = 20.0;

/// What a run would do about one product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Forecast {
    /// The product.
    pub product_id: ProductId,
    /// `create`, `link`, `change`, `remove`, `left_out`, `review`, `in_step`, or `only_online`, which is left alone.
    pub action: String,
    /// What it is called.
    pub name: String,
    /// Its SKU.
    pub sku: String,
    /// R-Series `itemID`, of a simple product.
    pub r_item_id: Option<i64>,
    /// R-Series `itemMatrixID`, of a product with variants.
    pub r_matrix_id: Option<i64>,
    /// The E-Series product that it is, or would be tied to.
    pub e_product_id: Option<i64>,
    /// Variants that it has in the shop.
    pub variants: i64,
    /// Pictures that would be uploaded, those of its variations included, as far as the shop's have been read.
    #[serde(default)]
    pub pictures: i64,
    /// Why it would be tied to that product.
    pub evidence: Option<String>,
    /// Reason for programs, of what is left out or to be reviewed.
    pub code: Option<String>,
    /// Reason in words.
    pub reason: Option<String>,
    /// Of a review: what it may be.
    pub candidates: Vec<Candidate>,
    /// What would be written, and what would be left as it is.
    pub changes: Vec<ForecastChange>,
}

/// One thing that would be written, or left as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ForecastChange {
    /// Of which variant, if of one.
    pub variant_sku: Option<String>,
    /// `create`, `update`, `add_stock`, `remove`, `upload` or `hold`.
    pub action: String,
    /// The side that would be written.
    pub side: Option<Side>,
    /// The field.
    pub field: Option<String>,
    /// The value now.
    pub before: Option<Json>,
    /// The value afterwards; of `add_stock` the pieces to add, of `upload` how many pictures.
    pub after: Option<Json>,
    /// The same in a sentence.
    pub words: String,
}

/// What a preview has found so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) actions: BTreeMap<String, i64>,
    variants_created: i64,
    pub(super) e_calls: f64,
    pub(super) r_drips: f64,
    e_writes: i64,
    r_writes: i64,
    /// What the plans are used for by then; nobody has counted before the first step.
    pub(super) pieces: Option<i64>,
    products: i64,
    pub(super) seconds: i64,
    /// Items of the shop that were judged.
    items: i64,
    /// Categories that would be written.
    categories: i64,
    /// Pictures that would be uploaded.
    pictures: i64,
}

impl Counts {
    pub(super) fn used(&self) -> Use {
        Use { pieces: self.pieces.unwrap_or_default(), products: self.products }
    }

    pub(super) fn take(&mut self, need: Use) {
        let used = self.used().and(need);
        (self.pieces, self.products) = (Some(used.pieces), used.products);
    }

    /// Books the shop's categories that are not in step on E-Series, as far as the tree has been read: each is one
    /// write, and its answer tells enough.
    pub(super) fn book_categories(&mut self, categories: i64) {
        self.categories = categories;
        self.e_writes += categories;
        self.e_calls += float(categories);
    }

    /// Books pictures that were not tried yet: each is uploaded, and its gallery looked at before and after.
    fn book_pictures(&mut self, pictures: i64) {
        self.pictures += pictures;
        self.e_writes += pictures;
        self.e_calls += 3.0 * float(pictures);
    }

    /// Books what one thing costs.
    fn book(&mut self, change: &ForecastChange) {
        let of_variant = change.variant_sku.is_some();
        match (change.action.as_str(), change.side) {
            // Sent, and read back or looked up.
            ("create" | "remove", _) | ("add_stock", Some(Side::ESeries)) => {
                self.e_calls += 2.0;
                self.e_writes += 1;
            }
            ("update", Some(Side::ESeries)) => {
                // Looked at again, and where the answer does not show it, read back.
                self.e_calls += if of_variant { 3.0 } else { 2.0 };
                self.e_writes += 1;
            }
            ("update", Some(Side::RSeries)) => {
                self.r_drips += R_UPDATE;
                self.r_writes += 1;
            }
            ("add_stock", Some(Side::RSeries)) => {
                self.r_drips += R_STOCK;
                self.r_writes += 1;
            }
            _ => {}
        }
    }

    pub(super) fn count(&mut self, forecast: &Forecast) {
        *self.actions.entry(forecast.action.clone()).or_default() += 1;
        if forecast.action != "only_online" {
            self.items += forecast.variants.max(1);
        }
        self.book_pictures(forecast.pictures);
        // Fields of one side travel in one call.
        let mut calls: Vec<(&Option<String>, &str, Option<Side>)> = Vec::new();
        for change in &forecast.changes {
            let call = (&change.variant_sku, change.action.as_str(), change.side);
            if !calls.contains(&call) {
                calls.push(call);
                self.book(change);
            }
        }
        match forecast.action.as_str() {
            "create" => {
                let own_calls = i64::try_from(MOST_VARIATIONS).unwrap_or(i64::MAX);
                self.variants_created += forecast.variants;
                let beyond = forecast.variants.saturating_sub(own_calls).max(0);
                self.e_writes += 1 + beyond;
                self.e_calls += float(2 * (1 + beyond)) + float(forecast.variants) / LOOKED_AT_ONCE;
            }
            "link" => self.e_calls += 1.0 + float(forecast.variants) / LOOKED_AT_ONCE,
            "only_online" => {}
            _ => self.e_calls += 1.0 / LOOKED_AT_ONCE,
        }
    }
}

/// How long so many calls take at the pace of both platforms, which are called in turns.
#[must_use]
pub fn seconds_for(e_calls: f64, r_drips: f64) -> i64 {
    let seconds = (e_calls / E_CALLS_A_SECOND).max((r_drips - R_BUCKET) / R_DRIPS_A_SECOND).max(0.0).ceil();
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a range that fits")]
    let whole = seconds.min(1e12) as i64;
    whole
}

#[expect(clippy::cast_precision_loss, reason = "counts of a catalogue are small")]
pub(super) fn float(count: i64) -> f64 {
    count as f64
}

impl Forecast {
    pub(super) fn new(product_id: ProductId, action: &str, name: &str, sku: &str) -> Self {
        Self {
            product_id,
            action: action.to_owned(),
            name: name.to_owned(),
            sku: sku.to_owned(),
            r_item_id: None,
            r_matrix_id: None,
            e_product_id: None,
            variants: 0,
            pictures: 0,
            evidence: None,
            code: None,
            reason: None,
            candidates: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn left_out(self, code: &str, reason: impl Into<String>) -> Self {
        Self {
            action: "left_out".into(),
            code: Some(code.to_owned()),
            reason: Some(reason.into()),
            changes: Vec::new(),
            ..self
        }
    }

    /// A simple item, whose product on E-Series is sold as its variations.
    pub(super) fn with_variations(self, e_product_id: i64) -> Self {
        let reason = format!(
            "The product {e_product_id} on E-Series is the one of this item and has variations; the item on R-Series \
             has none."
        );
        self.left_out("options", reason)
    }

    /// With so many pictures to be uploaded; none go up where nothing else is done.
    pub(super) fn with_pictures(mut self, pictures: i64) -> Self {
        if pictures == 0 || !matches!(self.action.as_str(), "create" | "link" | "change" | "in_step") {
            return self;
        }
        self.pictures = pictures;
        if self.action == "in_step" {
            self.action = "change".into();
        }
        let count = if pictures == 1 { "a picture".to_owned() } else { format!("{pictures} pictures") };
        self.changes.push(ForecastChange {
            variant_sku: None,
            action: "upload".into(),
            side: Some(Side::ESeries),
            field: Some(Field::Images.to_string()),
            before: None,
            after: Some(pictures.into()),
            words: format!("Upload {count} of the shop to E-Series."),
        });
        self
    }

    pub(super) fn written(&self) -> bool {
        self.changes.iter().any(|change| change.action != "hold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_make_a_change_of_what_is_in_step_and_none_of_what_is_left_out() {
        let of = |action: &str| {
            let forecast = Forecast::new(ProductId(uuid::Uuid::nil()), action, "Mug", "M-1").with_pictures(2);
            (forecast.action.clone(), forecast.pictures, forecast.changes.len(), forecast.written())
        };
        assert_eq!(of("in_step"), ("change".to_owned(), 2, 1, true));
        assert_eq!(of("create"), ("create".to_owned(), 2, 1, true));
        for silent in ["left_out", "review", "remove"] {
            assert_eq!(of(silent), (silent.to_owned(), 0, 0, false));
        }
    }
}

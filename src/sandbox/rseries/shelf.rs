//! What a person does with matrices, variants and single items: no API calls (sections 4.1 and 4.4).
//!
//! The screen behaves as the help centre says: shared values go from a matrix to its variants, default values are
//! copied to new ones.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::item::Item;
use super::matrix::{Matrix, variant_name};
use super::state::State;
use super::stock::Cause;
use super::{DEFAULT_LEVEL, RSeriesSandbox, tag};
use crate::clock::Instant;

/// A matrix as the merchant enters it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewMatrix {
    /// Its name.
    pub description: String,
    /// `itemAttributeSetID`; 1 to 4 are in every account.
    pub attribute_set_id: i64,
    /// Category, 0 for none; new variants get it.
    pub category_id: i64,
    /// Price on level `Default`; new variants get it.
    pub default_price: Decimal,
    /// Price on level `Online`.
    pub online_price: Option<Decimal>,
    /// Cost; new variants get it.
    pub default_cost: Decimal,
    /// `defaultVendorID`.
    pub vendor_id: i64,
    /// Tags.
    pub tags: Vec<String>,
    /// Items it begins with.
    pub variants: Vec<NewVariant>,
}

impl Default for NewMatrix {
    fn default() -> Self {
        Self {
            description: String::new(),
            attribute_set_id: 1,
            category_id: 0,
            default_price: Decimal::ZERO,
            online_price: None,
            default_cost: Decimal::ZERO,
            vendor_id: 0,
            tags: Vec::new(),
            variants: Vec::new(),
        }
    }
}

/// A variant as the merchant enters it; what is not named is the matrix's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewVariant {
    /// Values of attribute 1 to 3, empty where it is not used.
    pub values: [String; 3],
    /// A name against the convention.
    pub description: Option<String>,
    /// The merchant's own SKU.
    pub custom_sku: String,
    /// Price on level `Default`.
    pub default_price: Option<Decimal>,
    /// Price on level `Online`.
    pub online_price: Option<Decimal>,
    /// Shop and quantity.
    pub stock: Vec<(i64, i64)>,
    /// Shown in the web shop.
    pub publish_to_ecom: bool,
}

impl Default for NewVariant {
    fn default() -> Self {
        Self {
            values: [const { String::new() }; 3],
            description: None,
            custom_sku: String::new(),
            default_price: None,
            online_price: None,
            stock: Vec::new(),
            publish_to_ecom: true,
        }
    }
}

/// An edit of a matrix on the screen; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MatrixEdit {
    /// Shared: variants that follow the naming convention are renamed.
    pub description: Option<String>,
    /// Shared.
    pub category_id: Option<i64>,
    /// A default: stays with the matrix.
    pub default_price: Option<Decimal>,
    /// A default: stays with the matrix.
    pub online_price: Option<Decimal>,
    /// A default: stays with the matrix.
    pub default_cost: Option<Decimal>,
    /// A default: stays with the matrix.
    pub tags: Option<Vec<String>>,
}

impl RSeriesSandbox {
    /// Enters a matrix with its items. Gives its ID and theirs; nothing where the attribute set is not there.
    pub fn create_matrix(&self, new: NewMatrix) -> Option<(i64, Vec<i64>)> {
        self.inner.change(|state, now| {
            if !state.attribute_sets.contains_key(&new.attribute_set_id) {
                return None;
            }
            let mut matrix = Matrix::blank();
            matrix.description = new.description;
            matrix.set_id = new.attribute_set_id;
            matrix.category_id = new.category_id;
            matrix.default_cost = new.default_cost;
            matrix.default_vendor_id = new.vendor_id;
            matrix.tags = spelt(&new.tags);
            // The screen fills in what the API leaves at false and 0.
            (matrix.tax, matrix.tax_class_id) = (true, 1);
            matrix.prices.insert(DEFAULT_LEVEL, new.default_price);
            if let Some((level, price)) = state.online_level().zip(new.online_price) {
                matrix.prices.insert(level, price);
            }
            let id = state.insert_matrix(now, matrix);
            let variants = new.variants.into_iter().filter_map(|variant| state.add_variant(now, id, variant));
            let variants = variants.collect();
            Some((id, variants))
        })
    }

    /// Adds a variant. Gives its ID; nothing where the matrix is not there.
    pub fn add_variant(&self, matrix_id: i64, new: NewVariant) -> Option<i64> {
        self.inner.change(|state, now| state.add_variant(now, matrix_id, new))
    }

    /// Edits a matrix on the screen, which hands shared values on to its items.
    pub fn edit_matrix(&self, matrix_id: i64, edit: MatrixEdit) {
        self.inner.change(|state, now| {
            let online = state.online_level();
            let Some(before) = state.matrices.get(&matrix_id).cloned() else { return };
            let mut matrix = before.clone();
            matrix.description = edit.description.unwrap_or(matrix.description);
            matrix.category_id = edit.category_id.unwrap_or(matrix.category_id);
            matrix.default_cost = edit.default_cost.unwrap_or(matrix.default_cost);
            matrix.tags = edit.tags.map_or(matrix.tags, |tags| spelt(&tags));
            matrix.prices.extend(edit.default_price.map(|price| (DEFAULT_LEVEL, price)));
            matrix.prices.extend(online.zip(edit.online_price));
            if matrix != before {
                state.keep_matrix(now, matrix_id, &before, matrix, true);
            }
        });
    }

    /// Makes an attribute set, with the names of attributes 1 to 3. Gives its ID.
    pub fn create_attribute_set(&self, name: &str, names: [&str; 3]) -> i64 {
        self.inner.look(|state| state.insert_attribute_set(name, names))
    }

    /// Types a value of attribute 1, 2 or 3 into a matrix without making a variant of it.
    pub fn type_attribute_value(&self, matrix_id: i64, attribute: usize, value: &str) {
        self.inner.look(|state| {
            let matrix = state.matrices.get_mut(&matrix_id);
            let typed = matrix.and_then(|matrix| matrix.typed.get_mut(attribute.wrapping_sub(1)));
            if let Some(typed) = typed.filter(|typed| !typed.iter().any(|known| known == value)) {
                typed.push(value.to_owned());
            }
        });
    }

    /// Renames a value of attribute 1, 2 or 3 in a matrix and in every item of it. Names of items stay.
    pub fn rename_attribute_value(&self, matrix_id: i64, attribute: usize, from: &str, to: &str) {
        self.inner.change(|state, now| {
            let at = attribute.wrapping_sub(1);
            let Some(matrix) = state.matrices.get_mut(&matrix_id) else { return };
            for lists in [&mut matrix.seen, &mut matrix.typed] {
                let Some(list) = lists.get_mut(at) else { return };
                if list.iter().any(|value| value == to) {
                    list.retain(|value| value != from);
                }
                list.iter_mut().filter(|value| *value == from).for_each(|value| to.clone_into(value));
            }
            for item in state.variants(matrix_id) {
                state.edit_item(now, item, |item| {
                    let values = item.attributes.as_mut().map(|attributes| &mut attributes.values);
                    if let Some(value) = values.and_then(|values| values.get_mut(at)).filter(|it| *it == from)
                    {
                        to.clone_into(value);
                    }
                });
            }
        });
    }

    /// Gives a variant other values of attributes 1 to 3.
    pub fn set_attributes(&self, item_id: i64, values: [&str; 3]) {
        self.edit(item_id, |item, _| {
            if let Some(attributes) = &mut item.attributes {
                attributes.values = values.map(str::to_owned);
            }
        });
    }

    /// Puts an item into a matrix, or moves it there from another one. Its name, price and category stay.
    pub fn put_into_matrix(&self, item_id: i64, matrix_id: i64, values: [&str; 3]) {
        self.inner.change(|state, now| {
            let Some(set_id) = state.matrices.get(&matrix_id).map(|matrix| matrix.set_id) else { return };
            let values = values.map(str::to_owned);
            state.edit_item(now, item_id, |item| {
                item.matrix_id = matrix_id;
                item.attributes = Some(super::attributes::Attributes { set_id, values });
            });
        });
    }

    /// Takes an item out of its matrix; it goes on as a simple one.
    pub fn take_out_of_matrix(&self, item_id: i64) {
        self.edit(item_id, |item, _| (item.matrix_id, item.attributes) = (0, None));
    }

    /// Archives a matrix and all its items.
    pub fn archive_matrix(&self, matrix_id: i64) {
        // A matrix that is not there cannot be archived: nothing to say.
        let _ = self.inner.change(|state, now| state.archive_matrix(now, matrix_id));
    }

    /// Brings a matrix back; its items come with it only where that is the habit.
    pub fn unarchive_matrix(&self, matrix_id: i64) {
        self.inner.change(|state, now| {
            let body = serde_json::Map::from_iter([("archived".to_owned(), false.into())]);
            // A matrix that is not there cannot come back: nothing to say.
            let _ = state.put_matrix(now, matrix_id, &body);
        });
    }

    /// Puts an item into a category, 0 for none.
    pub fn set_category(&self, item_id: i64, category_id: i64) {
        self.edit(item_id, |item, _| item.category_id = category_id);
    }

    /// Gives an item these tags and no others.
    pub fn set_tags(&self, item_id: i64, tags: &[&str]) {
        let tags = spelt(&tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        self.edit(item_id, |item, _| item.tags = tags);
    }

    /// Names the vendor of an item.
    pub fn set_vendor(&self, item_id: i64, vendor_id: i64) {
        self.edit(item_id, |item, _| item.default_vendor_id = vendor_id);
    }

    /// Sets the cost of an item.
    pub fn set_cost(&self, item_id: i64, cost: Decimal) {
        self.edit(item_id, |item, _| item.default_cost = cost);
    }

    /// Sets reorder point and desired level of an item in a shop.
    pub fn set_reorder(&self, item_id: i64, shop_id: i64, point: i64, level: i64) {
        self.inner.change(|state, now| {
            if !state.shops.contains_key(&shop_id) {
                return;
            }
            if let Some(row) = state.stock_row(now, item_id, shop_id) {
                state.set_reorder(now, row, Some(point), Some(level));
            }
        });
    }

    /// Merges an item into another one: its stock goes over, and its ID is gone or archived, as the habit is. The
    /// log has rows of both; the API tells nobody else (section 4.1).
    pub fn merge_items(&self, losing_id: i64, winning_id: i64) {
        self.inner.change(|state, now| state.merge_items(now, losing_id, winning_id));
    }
}

impl State {
    /// Default values are copied to a new variant, shared ones are the matrix's (section 4.4).
    fn add_variant(&mut self, now: Instant, matrix_id: i64, new: NewVariant) -> Option<i64> {
        let matrix = self.matrices.get(&matrix_id)?.clone();
        let mut item = Item::blank(self.habits());
        item.description = new.description.unwrap_or_else(|| variant_name(&matrix.description, &new.values));
        item.matrix_id = matrix_id;
        item.attributes = Some(super::attributes::Attributes { set_id: matrix.set_id, values: new.values });
        item.category_id = matrix.category_id;
        item.tax = matrix.tax;
        item.tax_class_id = matrix.tax_class_id;
        item.manufacturer_id = matrix.manufacturer_id;
        item.default_vendor_id = matrix.default_vendor_id;
        item.default_cost = matrix.default_cost;
        item.tags = matrix.tags;
        item.prices = matrix.prices;
        item.prices.extend(new.default_price.map(|price| (DEFAULT_LEVEL, price)));
        item.prices.extend(self.online_level().zip(new.online_price));
        item.custom_sku = new.custom_sku;
        item.publish_to_ecom = new.publish_to_ecom;
        let id = self.insert_item(now, item);
        for (shop, quantity) in new.stock {
            self.set_known_qoh(now, id, shop, quantity, Cause::MANUAL);
        }
        Some(id)
    }

    fn merge_items(&mut self, now: Instant, losing: i64, winning: i64) {
        if losing == winning || !self.items.contains_key(&losing) || !self.items.contains_key(&winning) {
            return;
        }
        let shops: Vec<i64> = self.shops.keys().copied().collect();
        for shop in shops {
            let moved = self.qoh(losing, shop);
            if moved == 0 {
                continue;
            }
            let told = self.changes.len();
            self.set_qoh(now, losing, shop, 0, Cause::DELETED_BY_MERGE);
            // Nobody is told of the record that goes.
            self.changes.truncate(told);
            let sum = self.qoh(winning, shop).saturating_add(moved);
            self.set_qoh(now, winning, shop, sum, Cause::MODIFIED_BY_MERGE);
        }
        if self.habits().merged_items_stay_archived {
            if let Some(item) = self.items.get_mut(&losing) {
                item.archived = true;
                item.time_stamp = super::cell::second(now);
            }
        } else {
            self.forget_item(losing);
        }
    }

    /// The record, its stock rows and its images are gone; its rows of the log stay.
    pub(super) fn forget_item(&mut self, id: i64) {
        self.items.remove(&id);
        self.stock.retain(|_, row| row.item_id != id);
        self.images.retain(|_, image| image.owner != super::image::Owner::Item(id));
    }
}

fn spelt(tags: &[String]) -> BTreeSet<String> {
    tags.iter().map(|tag| tag::spelt(tag)).collect()
}

//! The merchant's hands on matrices and their variants.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::item::Item;
use super::matrix::{AttributeSet, Matrix};
use super::state::State;
use super::{NewItem, RSeriesSandbox};
use crate::clock::Instant;

/// A matrix as the merchant enters it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewMatrix {
    /// The product's name.
    pub description: String,
    /// Which attribute set; 1 to 4 are in every account (section 4.4).
    pub attribute_set_id: i64,
    /// Price on level `Default`; new variants do not inherit it.
    pub default_price: Decimal,
    /// Its variants.
    pub variants: Vec<NewVariant>,
}

impl Default for NewMatrix {
    fn default() -> Self {
        let (description, variants) = (String::new(), Vec::new());
        Self { description, attribute_set_id: 1, default_price: Decimal::ZERO, variants }
    }
}

/// A variant as the merchant enters it. An empty description becomes the matrix's with the attributes behind it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewVariant {
    /// `attribute1` to `attribute3`.
    pub attributes: [String; 3],
    /// The item.
    pub item: NewItem,
}

/// A matrix as the merchant sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatrixView {
    /// `itemMatrixID`.
    pub matrix_id: i64,
    /// The product's name.
    pub description: String,
    /// `itemAttributeSetID`.
    pub attribute_set_id: i64,
    /// Names of its attributes, an empty one where the set has none.
    pub names: [String; 3],
    /// Archived.
    pub archived: bool,
    /// Its items, archived ones too, with their attributes.
    pub variants: Vec<(i64, [String; 3])>,
    /// The matrix's own timestamp.
    pub time_stamp: Instant,
}

impl RSeriesSandbox {
    /// Enters a matrix with its variants. Gives its ID; that of its items stand in the view.
    pub fn create_matrix(&self, new: NewMatrix) -> i64 {
        let matrix_id = self.inner.change(|state, now| {
            let mut matrix = Matrix::blank();
            matrix.description = new.description;
            matrix.set_id = new.attribute_set_id;
            matrix.prices.insert(super::DEFAULT_LEVEL, new.default_price);
            state.insert_matrix(now, matrix)
        });
        for variant in new.variants {
            self.add_variant(matrix_id, variant);
        }
        matrix_id
    }

    /// Adds a variant to a matrix. Gives the item's ID.
    pub fn add_variant(&self, matrix_id: i64, new: NewVariant) -> i64 {
        let NewVariant { attributes, mut item } = new;
        let (name, set_id) = self.inner.look(|state| {
            let matrix = state.matrices.get(&matrix_id);
            matrix.map(|matrix| (matrix.description.clone(), matrix.set_id)).unwrap_or_default()
        });
        if item.description.is_empty() {
            let words = attributes.iter().filter(|value| !value.is_empty());
            item.description = words.fold(name, |name, value| format!("{name} {value}"));
        }
        let place = (matrix_id, set_id, attributes);
        self.create_item_in(item, Some(place))
    }

    /// Renames a matrix as the shop's screens do: its variants are renamed along with it.
    pub fn rename_matrix(&self, matrix_id: i64, description: &str) {
        self.inner.change(|state, now| {
            let Some(matrix) = state.matrices.get_mut(&matrix_id) else { return };
            let old = std::mem::replace(&mut matrix.description, description.to_owned());
            matrix.time_stamp = super::cell::second(now);
            state.tell_matrix("item_matrix.update", matrix_id);
            state.rename_items(now, matrix_id, &old, description);
        });
    }

    /// Gives an item other attributes.
    pub fn set_attributes(&self, item_id: i64, attributes: [&str; 3]) {
        self.edit(item_id, |item, _| item.attributes = attributes.map(str::to_owned));
    }

    /// Moves an item into a matrix, into another one, or (0) out of it.
    pub fn move_item(&self, item_id: i64, matrix_id: i64, attributes: [&str; 3]) {
        let set_id =
            self.inner.look(|state| state.matrices.get(&matrix_id).map_or(0, |matrix| matrix.set_id));
        self.edit(item_id, |item, _| {
            item.matrix_id = matrix_id;
            item.attribute_set_id = set_id;
            item.attributes = attributes.map(str::to_owned);
        });
    }

    /// Gives a matrix and its items another attribute set: the n-th attribute stays the n-th.
    pub fn set_attribute_set(&self, matrix_id: i64, set_id: i64) {
        self.inner.change(|state, now| {
            let Some(matrix) = state.matrices.get_mut(&matrix_id) else { return };
            matrix.set_id = set_id;
            matrix.time_stamp = super::cell::second(now);
            state.tell_matrix("item_matrix.update", matrix_id);
            for item in state.items_of(matrix_id) {
                state.touch_item(now, item, |item: &mut Item| item.attribute_set_id = set_id);
            }
        });
    }

    /// Adds an attribute set. Gives its ID.
    pub fn create_attribute_set(&self, name: &str, names: [&str; 3]) -> i64 {
        self.inner.look(|state| {
            let id = state.attribute_sets.last_key_value().map_or(5, |(id, _)| (id + 1).max(5));
            let (name, names) = (name.to_owned(), names.map(str::to_owned));
            let set = AttributeSet { name, names, system: false, archived: false };
            state.attribute_sets.insert(id, set);
            id
        })
    }

    /// The attribute set with these names in use, made if there is none, and the place of each name in it.
    pub fn attribute_set_of(&self, names: &[String]) -> (i64, Vec<usize>) {
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = self.inner.look(|state| {
            let used = |set: &AttributeSet| -> Vec<usize> {
                (0..).zip(&set.names).filter(|(_, name)| !name.is_empty()).map(|(place, _)| place).collect()
            };
            let fits = |set: &&AttributeSet| {
                set.names
                    .iter()
                    .filter(|name| !name.is_empty())
                    .map(String::as_str)
                    .eq(wanted.iter().copied())
            };
            let found = state.attribute_sets.iter().find(|(_, set)| !set.archived && fits(set));
            found.map(|(id, set)| (*id, used(set)))
        });
        found.unwrap_or_else(|| {
            let mut three = [""; 3];
            for (slot, name) in three.iter_mut().zip(&wanted) {
                *slot = name;
            }
            let id = self.create_attribute_set(&wanted.join("/"), three);
            (id, (0..wanted.len().min(three.len())).collect())
        })
    }

    /// The shop with the lowest ID.
    pub fn first_shop(&self) -> i64 {
        self.inner.look(|state| state.shops.keys().next().copied().unwrap_or(1))
    }

    /// Archives a matrix and all its items.
    pub fn archive_matrix(&self, matrix_id: i64) {
        // A matrix that is not there cannot be archived: nothing to say.
        let _ = self.inner.change(|state, now| state.archive_matrix(now, matrix_id));
    }

    /// A matrix.
    pub fn matrix(&self, matrix_id: i64) -> Option<MatrixView> {
        self.inner.look(|state| state.matrix_view(matrix_id))
    }

    /// All matrices, archived ones too.
    pub fn matrices(&self) -> Vec<MatrixView> {
        self.inner.look(|state| state.matrices.keys().filter_map(|id| state.matrix_view(*id)).collect())
    }
}

impl State {
    fn matrix_view(&self, matrix_id: i64) -> Option<MatrixView> {
        let matrix = self.matrices.get(&matrix_id)?;
        let of = |id: &i64| self.items.get(id).map(|item| (*id, item.attributes.clone()));
        Some(MatrixView {
            matrix_id,
            description: matrix.description.clone(),
            attribute_set_id: matrix.set_id,
            names: self.attribute_sets.get(&matrix.set_id).map(|set| set.names.clone()).unwrap_or_default(),
            archived: matrix.archived,
            variants: self.items_of(matrix_id).iter().filter_map(of).collect(),
            time_stamp: matrix.time_stamp,
        })
    }
}

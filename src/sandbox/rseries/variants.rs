//! How matrices and their variants look to the merchant, and what is done to a whole matrix.

use serde::Serialize;

use super::RSeriesSandbox;
use super::shelf::MatrixEdit;
use super::state::State;
use crate::clock::Instant;

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
    /// Renames a matrix, and the variants that follow the naming convention along with it.
    pub fn rename_matrix(&self, matrix_id: i64, description: &str) {
        let description = Some(description.to_owned());
        self.edit_matrix(matrix_id, MatrixEdit { description, ..MatrixEdit::default() });
    }

    /// Gives a matrix and its items another attribute set: the n-th attribute stays the n-th.
    pub fn set_attribute_set(&self, matrix_id: i64, set_id: i64) {
        self.inner.change(|state, now| {
            let Some(before) = state.matrices.get(&matrix_id).cloned() else { return };
            let mut matrix = before.clone();
            matrix.set_id = set_id;
            state.keep_matrix(now, matrix_id, &before, matrix, true);
            for item in state.variants(matrix_id) {
                state.edit_item(now, item, |item| {
                    if let Some(attributes) = &mut item.attributes {
                        attributes.set_id = set_id;
                    }
                });
            }
        });
    }

    /// The attribute set with these names in use, made if there is none, and the place of each name in it.
    pub fn attribute_set_of(&self, names: &[String]) -> (i64, Vec<usize>) {
        self.inner.look(|state| {
            let used = |set: &[String; 3]| -> Vec<(usize, String)> {
                (0..).zip(set.iter().cloned()).filter(|(_, name)| !name.is_empty()).collect()
            };
            let found = state.attribute_sets.iter().find_map(|(id, set)| {
                let used = used(&set.names);
                let same = used.iter().map(|(_, name)| name).eq(names);
                same.then(|| (*id, used.into_iter().map(|(place, _)| place).collect()))
            });
            found.unwrap_or_else(|| {
                let mut three = [""; 3];
                for (slot, name) in three.iter_mut().zip(names) {
                    *slot = name;
                }
                let id = state.insert_attribute_set(&names.join("/"), three);
                (id, (0..names.len().min(three.len())).collect())
            })
        })
    }

    /// The shop with the lowest ID.
    pub fn first_shop(&self) -> i64 {
        self.inner.look(|state| state.shops.keys().next().copied().unwrap_or(1))
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
        let values = |id: i64| {
            let item = self.items.get(&id)?;
            Some((id, item.attributes.clone().unwrap_or_default().values))
        };
        Some(MatrixView {
            matrix_id,
            description: matrix.description.clone(),
            attribute_set_id: matrix.set_id,
            names: self.attribute_sets.get(&matrix.set_id).map(|set| set.names.clone()).unwrap_or_default(),
            archived: matrix.archived,
            variants: self.variants(matrix_id).into_iter().filter_map(values).collect(),
            time_stamp: matrix.time_stamp,
        })
    }
}

//! Matrices: the record, what a payload does to it, and what becomes of its items (section 4.4).

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::attributes::AttributeSet;
use super::cell::Kind::{Boolean, Decimal as Amount, Integer, Text, Time};
use super::cell::{Cell, second};
use super::habits::Habits;
use super::item::{boolean, decimal, invalid, item_type, lay_prices, reference, text};
use super::resource::Reach::{Many, One};
use super::resource::{Resource, Which};
use super::state::{PriceLevel, State};
use super::tag;
use crate::clock::Instant;

/// Section 4.4. No `createTime`, no SKUs, no `publishToEcom`.
pub(super) static ITEM_MATRIX: Resource = Resource {
    which: Which::ItemMatrix,
    name: "ItemMatrix",
    key: "itemMatrixID",
    fields: &[
        ("itemMatrixID", Integer),
        ("description", Text),
        ("tax", Boolean),
        ("defaultCost", Amount),
        ("itemType", Text),
        ("serialized", Boolean),
        ("modelYear", Integer),
        ("archived", Boolean),
        ("timeStamp", Time),
        ("itemAttributeSetID", Integer),
        ("manufacturerID", Integer),
        ("categoryID", Integer),
        ("defaultVendorID", Integer),
        ("taxClassID", Integer),
        ("seasonID", Integer),
        ("departmentID", Integer),
    ],
    sortable: &["timeStamp", "description"],
    relations: &[
        ("Category", One),
        ("TaxClass", One),
        ("Department", One),
        ("ItemAttributeSet", One),
        ("Manufacturer", One),
        ("Season", One),
        ("Images", Many),
        ("Items", Many),
        ("ItemECommerce", One),
        ("TagRelations", Many),
        ("TagRelations.Tag", One),
    ],
    filters: true,
    archivable: true,
    write_cost: 10,
};

/// `attributeNValues` by attribute.
pub(super) const VALUE_LISTS: [&str; 3] = ["attribute1Values", "attribute2Values", "attribute3Values"];

/// One matrix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    pub(super) description: String,
    pub(super) tax: bool,
    pub(super) default_cost: Decimal,
    kind: String,
    serialized: bool,
    model_year: i64,
    pub(super) archived: bool,
    pub(super) time_stamp: Instant,
    pub(super) set_id: i64,
    pub(super) manufacturer_id: i64,
    pub(super) category_id: i64,
    pub(super) default_vendor_id: i64,
    pub(super) tax_class_id: i64,
    season_id: i64,
    department_id: i64,
    /// By price level; a level that is not here is at 0.
    pub(super) prices: BTreeMap<i64, Decimal>,
    pub(super) tags: BTreeSet<String>,
    /// Every value that variants have had, in the order in which they came.
    pub(super) seen: [Vec<String>; 3],
    /// Values that were typed in without a variant.
    pub(super) typed: [Vec<String>; 3],
}

impl Matrix {
    /// The defaults of a minimal POST: `tax` and `taxClassID` are not those of an item (section 4.4).
    pub(super) fn blank() -> Self {
        Self {
            description: String::new(),
            tax: false,
            default_cost: Decimal::ZERO,
            kind: "default".to_owned(),
            serialized: false,
            model_year: 0,
            archived: false,
            time_stamp: Instant::UNIX_EPOCH,
            set_id: 0,
            manufacturer_id: 0,
            category_id: 0,
            default_vendor_id: 0,
            tax_class_id: 0,
            season_id: 0,
            department_id: 0,
            prices: BTreeMap::new(),
            tags: BTreeSet::new(),
            seen: [const { Vec::new() }; 3],
            typed: [const { Vec::new() }; 3],
        }
    }

    pub(super) fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        Some(match field {
            "itemMatrixID" => Cell::Integer(id),
            "description" => Cell::Text(self.description.clone()),
            "tax" => Cell::Boolean(self.tax),
            "defaultCost" => Cell::Decimal(self.default_cost),
            "itemType" => Cell::Text(self.kind.clone()),
            "serialized" => Cell::Boolean(self.serialized),
            "modelYear" => Cell::Integer(self.model_year),
            "archived" => Cell::Boolean(self.archived),
            "timeStamp" => Cell::Time(self.time_stamp),
            "itemAttributeSetID" => Cell::Integer(self.set_id),
            "manufacturerID" => Cell::Integer(self.manufacturer_id),
            "categoryID" => Cell::Integer(self.category_id),
            "defaultVendorID" => Cell::Integer(self.default_vendor_id),
            "taxClassID" => Cell::Integer(self.tax_class_id),
            "seasonID" => Cell::Integer(self.season_id),
            "departmentID" => Cell::Integer(self.department_id),
            _ => return None,
        })
    }

    /// As on an item: what is not named stays, and `archived` can only be taken off (section 6).
    fn lay_over(
        &mut self,
        body: &Map<String, Value>,
        is_put: bool,
        levels: &BTreeMap<i64, PriceLevel>,
        habits: &Habits,
    ) -> Result<(), Refusal> {
        for (name, value) in body {
            match name.as_str() {
                "description" => self.description = text(name, value, habits)?,
                "tax" => self.tax = boolean(name, value)?,
                "defaultCost" => self.default_cost = decimal(name, value)?,
                "itemType" => self.kind = item_type(value)?,
                "serialized" => self.serialized = boolean(name, value)?,
                "modelYear" => self.model_year = reference(name, value)?,
                "archived" if is_put => self.archived = self.archived && boolean(name, value)?,
                "itemAttributeSetID" => self.set_id = reference(name, value)?,
                "manufacturerID" => self.manufacturer_id = reference(name, value)?,
                "categoryID" => self.category_id = reference(name, value)?,
                "defaultVendorID" => self.default_vendor_id = reference(name, value)?,
                "taxClassID" => self.tax_class_id = reference(name, value)?,
                "seasonID" => self.season_id = reference(name, value)?,
                "departmentID" => self.department_id = reference(name, value)?,
                "Prices" => lay_prices(&mut self.prices, value, levels, habits)?,
                "Tags" => self.tags = tag::read(value)?,
                _ => {}
            }
        }
        if habits.matrix_values_writable {
            for (name, list) in VALUE_LISTS.iter().zip(&mut self.typed) {
                if let Some(payload) = body.get(*name) {
                    *list = tag::words(name, payload)?;
                }
            }
        }
        Ok(())
    }
}

/// The naming convention of variants: single blanks, empty values are skipped (section 4.4).
pub(super) fn variant_name(matrix: &str, values: &[String; 3]) -> String {
    let parts = std::iter::once(matrix).chain(values.iter().map(String::as_str));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

impl State {
    /// POST ItemMatrix.
    pub(super) fn post_matrix(&mut self, now: Instant, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let mut matrix = Matrix::blank();
        matrix.lay_over(body, false, &self.price_levels, self.habits())?;
        if matrix.description.is_empty() {
            return Err(Refusal::bad("ItemMatrix not created. An ItemMatrix must have a description."));
        }
        self.check_matrix(&matrix, None)?;
        Ok(self.insert_matrix(now, matrix))
    }

    pub(super) fn insert_matrix(&mut self, now: Instant, mut matrix: Matrix) -> i64 {
        matrix.time_stamp = second(now);
        let id = self.matrices.last_key_value().map_or(1, |(id, _)| id + 1);
        self.matrices.insert(id, matrix);
        id
    }

    /// PUT ItemMatrix. Everything is checked before anything is done.
    pub(super) fn put_matrix(
        &mut self,
        now: Instant,
        id: i64,
        body: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let before = self.matrices.get(&id).ok_or_else(|| Refusal::no_such("ItemMatrix", id))?.clone();
        let mut matrix = before.clone();
        matrix.lay_over(body, true, &self.price_levels, self.habits())?;
        if matrix.description.is_empty() {
            return Err(Refusal::bad("ItemMatrix not updated. An ItemMatrix must have a description."));
        }
        self.check_matrix(&matrix, Some(&before))?;
        let propagates = self.habits().matrix_put_propagates;
        self.keep_matrix(now, id, &before, matrix, propagates);
        if before.archived && self.habits().unarchived_matrix_brings_items_back {
            self.edit_variants(now, id, |item, archived| item.archived = item.archived && archived);
        }
        Ok(())
    }

    /// Stores a matrix over what it was, stamps it, and hands shared values on where it shall.
    pub(super) fn keep_matrix(
        &mut self,
        now: Instant,
        id: i64,
        before: &Matrix,
        mut matrix: Matrix,
        propagates: bool,
    ) {
        let habits = self.habits();
        let tags_differ = matrix.tags != before.tags;
        let prices_differ = matrix.prices != before.prices;
        let own = Matrix { tags: before.tags.clone(), prices: before.prices.clone(), ..matrix.clone() };
        if own != *before
            || (prices_differ && habits.price_write_moves_item_time_stamp)
            || (tags_differ && habits.tag_write_moves_time_stamp)
            || (!tags_differ && !prices_differ && habits.unchanged_write_moves_item_time_stamp)
        {
            matrix.time_stamp = second(now);
        }
        let after = matrix.clone();
        self.matrices.insert(id, matrix);
        if propagates {
            self.share_values(now, id, before, &after);
        }
    }

    /// What the screen calls shared values goes to the items, each that has changed (section 4.4). A variant whose
    /// name does not follow the convention keeps it.
    fn share_values(&mut self, now: Instant, id: i64, before: &Matrix, after: &Matrix) {
        self.edit_variants(now, id, |item, _| {
            let values = item.attributes.clone().unwrap_or_default().values;
            if item.description == variant_name(&before.description, &values) {
                item.description = variant_name(&after.description, &values);
            }
            for (slot, before, after) in [
                (&mut item.category_id, before.category_id, after.category_id),
                (&mut item.tax_class_id, before.tax_class_id, after.tax_class_id),
                (&mut item.manufacturer_id, before.manufacturer_id, after.manufacturer_id),
            ] {
                if before != after {
                    *slot = after;
                }
            }
        });
    }

    /// Edits every item of a matrix; `with` is told whether the matrix is archived.
    fn edit_variants(&mut self, now: Instant, id: i64, with: impl Fn(&mut super::item::Item, bool)) {
        let archived = self.matrices.get(&id).is_some_and(|matrix| matrix.archived);
        for item in self.variants(id) {
            self.edit_item(now, item, |item| with(item, archived));
        }
    }

    /// DELETE ItemMatrix archives the matrix and all its items, whose stock goes (section 4.4).
    pub(super) fn archive_matrix(&mut self, now: Instant, id: i64) -> Result<(), Refusal> {
        let matrix = self.matrices.get_mut(&id).ok_or_else(|| Refusal::no_such("ItemMatrix", id))?;
        if !matrix.archived {
            matrix.archived = true;
            matrix.time_stamp = second(now);
        }
        for item in self.variants(id) {
            self.archive_item(now, item)?;
        }
        Ok(())
    }

    /// Items of a matrix, archived ones too.
    pub(super) fn variants(&self, id: i64) -> Vec<i64> {
        let of_it = self.items.iter().filter(|(_, item)| id != 0 && item.matrix_id == id);
        of_it.map(|(item, _)| *item).collect()
    }

    /// Items of a matrix have changed: new values are appended to those of the matrix (since 2018.16, section 4.4).
    pub(super) fn append_values(&mut self, now: Instant, id: i64, values: &[String; 3]) {
        let moves = self.habits().variants_move_matrix_time_stamp;
        let Some(matrix) = self.matrices.get_mut(&id) else { return };
        for (seen, value) in matrix.seen.iter_mut().zip(values) {
            if !value.is_empty() && !seen.contains(value) {
                seen.push(value.clone());
            }
        }
        if moves {
            matrix.time_stamp = second(now);
        }
    }

    /// One of `attributeNValues`; none where the set does not have the attribute.
    pub(super) fn matrix_values(&self, id: i64, at: usize) -> Option<Vec<String>> {
        let matrix = self.matrices.get(&id)?;
        let uses = self.attribute_sets.get(&matrix.set_id).map(AttributeSet::uses)?;
        if !*uses.get(at)? {
            return None;
        }
        let (seen, typed) = (matrix.seen.get(at)?, matrix.typed.get(at)?);
        let keeps = self.habits().matrix_keeps_unused_values;
        let active: BTreeSet<&str> = self
            .items
            .values()
            .filter(|item| item.matrix_id == id && !item.archived)
            .filter_map(|item| item.attributes.as_ref()?.values.get(at))
            .map(String::as_str)
            .collect();
        let mut values: Vec<String> =
            seen.iter().filter(|value| keeps || active.contains(value.as_str())).cloned().collect();
        values.extend(typed.iter().filter(|value| !seen.contains(value)).cloned());
        Some(values)
    }

    fn check_matrix(&self, matrix: &Matrix, before: Option<&Matrix>) -> Result<(), Refusal> {
        if !self.attribute_sets.contains_key(&matrix.set_id) {
            return Err(invalid("itemAttributeSetID"));
        }
        self.check_category(matrix.category_id, before.map_or(0, |before| before.category_id))
    }
}

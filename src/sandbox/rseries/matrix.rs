//! Matrices and attribute sets: products whose variants are items (section 4.4).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::cell::{
    Cell,
    Kind::{Boolean, Decimal as Amount, Integer, Text, Time},
    second,
};
use super::item::{self, boolean, integer, listed, reference, text};
use super::query::Relations;
use super::render::{Style, many};
use super::resource::{self, Reach, Resource, Which};
use super::state::State;
use crate::clock::Instant;

/// The three attributes of a variant or the three names of a set; an empty one where there is none.
pub(super) type Three = [String; 3];

/// A matrix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    pub(super) description: String,
    pub(super) set_id: i64,
    pub(super) archived: bool,
    pub(super) time_stamp: Instant,
    pub(super) tax: bool,
    pub(super) default_cost: Decimal,
    pub(super) category_id: i64,
    pub(super) tax_class_id: i64,
    pub(super) default_vendor_id: i64,
    pub(super) prices: BTreeMap<i64, Decimal>,
    /// Values entered by hand, beside those of the items.
    pub(super) values: [Vec<String>; 3],
}

/// An attribute set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AttributeSet {
    pub(super) name: String,
    pub(super) names: Three,
    pub(super) system: bool,
    pub(super) archived: bool,
}

/// The sets every account has; the size of set 2 is its *second* attribute.
pub(super) fn system_sets() -> BTreeMap<i64, AttributeSet> {
    let set = |name: &str, names: [&str; 3]| AttributeSet {
        name: name.to_owned(),
        names: names.map(str::to_owned),
        system: true,
        archived: false,
    };
    BTreeMap::from([
        (1, set("Color/Size", ["Color", "Size", ""])),
        (2, set("Size", ["", "Size", ""])),
        (3, set("Color", ["Color", "", ""])),
        (4, set("3 Attributes", ["Attribute 1", "Attribute 2", "Attribute 3"])),
    ])
}

/// Section 4.4, in the order of its samples.
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
        ("Category", Reach::One),
        ("TaxClass", Reach::One),
        ("Department", Reach::One),
        ("ItemAttributeSet", Reach::One),
        ("Manufacturer", Reach::One),
        ("Season", Reach::One),
        ("Images", Reach::Many),
        ("Items", Reach::Many),
        ("ItemECommerce", Reach::One),
        ("TagRelations", Reach::Many),
        ("TagRelations.Tag", Reach::One),
    ],
    filters: true,
    archivable: true,
    write_cost: 10,
};

/// Section 4.4.
pub(super) static ATTRIBUTE_SET: Resource = Resource {
    which: Which::ItemAttributeSet,
    name: "ItemAttributeSet",
    key: "itemAttributeSetID",
    fields: &[
        ("itemAttributeSetID", Integer),
        ("name", Text),
        ("attributeName1", Text),
        ("attributeName2", Text),
        ("attributeName3", Text),
        ("system", Boolean),
        ("archived", Boolean),
    ],
    sortable: &[],
    relations: &[],
    filters: true,
    archivable: true,
    write_cost: 10,
};

impl Matrix {
    /// What a minimal POST makes: `tax` false and no tax class, as in the tutorial's sample.
    pub(super) fn blank() -> Self {
        Self {
            description: String::new(),
            set_id: 0,
            archived: false,
            time_stamp: Instant::UNIX_EPOCH,
            tax: false,
            default_cost: Decimal::ZERO,
            category_id: 0,
            tax_class_id: 0,
            default_vendor_id: 0,
            prices: BTreeMap::new(),
            values: Default::default(),
        }
    }

    pub(super) fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        Some(match field {
            "itemMatrixID" => Cell::Integer(id),
            "description" => Cell::Text(self.description.clone()),
            "tax" => Cell::Boolean(self.tax),
            "defaultCost" => Cell::Decimal(self.default_cost),
            "itemType" => Cell::Text("default".to_owned()),
            "serialized" => Cell::Boolean(false),
            "archived" => Cell::Boolean(self.archived),
            "timeStamp" => Cell::Time(self.time_stamp),
            "itemAttributeSetID" => Cell::Integer(self.set_id),
            "categoryID" => Cell::Integer(self.category_id),
            "defaultVendorID" => Cell::Integer(self.default_vendor_id),
            "taxClassID" => Cell::Integer(self.tax_class_id),
            "modelYear" | "manufacturerID" | "seasonID" | "departmentID" => Cell::Integer(0),
            _ => return None,
        })
    }
}

impl AttributeSet {
    pub(super) fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        let [first, second, third] = &self.names;
        Some(match field {
            "itemAttributeSetID" => Cell::Integer(id),
            "name" => Cell::Text(self.name.clone()),
            "attributeName1" => Cell::Text(first.clone()),
            "attributeName2" => Cell::Text(second.clone()),
            "attributeName3" => Cell::Text(third.clone()),
            "system" => Cell::Boolean(self.system),
            "archived" => Cell::Boolean(self.archived),
            _ => return None,
        })
    }

    fn lay_over(&mut self, body: &Map<String, Value>, habits: &super::Habits) -> Result<(), Refusal> {
        for (name, value) in body {
            let place = match name.as_str() {
                "name" => {
                    self.name = text(name, value, habits)?;
                    continue;
                }
                "archived" => {
                    self.archived = boolean(name, value)?;
                    continue;
                }
                "attributeName1" => 0,
                "attributeName2" => 1,
                "attributeName3" => 2,
                _ => continue,
            };
            if let Some(slot) = self.names.get_mut(place) {
                *slot = text(name, value, habits)?;
            }
        }
        Ok(())
    }
}

impl State {
    /// POST ItemMatrix: description and attribute set are required.
    pub(super) fn post_matrix(&mut self, now: Instant, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let mut matrix = Matrix::blank();
        self.lay_over_matrix(&mut matrix, body, false)?;
        if matrix.description.is_empty() {
            return Err(Refusal::bad("ItemMatrix not created. An ItemMatrix must have a description."));
        }
        if !self.attribute_sets.contains_key(&matrix.set_id) {
            return Err(Refusal::bad("ItemMatrix not created. There is no such ItemAttributeSet."));
        }
        Ok(self.insert_matrix(now, matrix))
    }

    pub(super) fn insert_matrix(&mut self, now: Instant, mut matrix: Matrix) -> i64 {
        matrix.time_stamp = second(now);
        let id = self.matrices.last_key_value().map_or(1, |(id, _)| id + 1);
        self.matrices.insert(id, matrix);
        self.tell_matrix("item_matrix.create", id);
        id
    }

    /// PUT ItemMatrix. What the shop's own screens do with shared values, a PUT is not known to do: it reaches the
    /// items only where that is the habit.
    pub(super) fn put_matrix(
        &mut self,
        now: Instant,
        id: i64,
        body: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let before = self.matrices.get(&id).ok_or_else(|| Refusal::no_such("ItemMatrix", id))?.clone();
        let mut matrix = before.clone();
        self.lay_over_matrix(&mut matrix, body, true)?;
        if matrix.description.is_empty() {
            return Err(Refusal::bad("ItemMatrix not updated. An ItemMatrix must have a description."));
        }
        if !self.attribute_sets.contains_key(&matrix.set_id) {
            return Err(Refusal::bad("ItemMatrix not updated. There is no such ItemAttributeSet."));
        }
        if matrix == before && !self.habits().unchanged_write_moves_item_time_stamp {
            return Ok(());
        }
        matrix.time_stamp = second(now);
        let renamed = (matrix.description != before.description).then(|| matrix.description.clone());
        let returns = before.archived && !matrix.archived;
        self.matrices.insert(id, matrix);
        self.tell_matrix("item_matrix.update", id);
        if self.habits().matrix_write_reaches_items {
            if let Some(name) = &renamed {
                self.rename_items(now, id, &before.description, name);
            }
            if returns {
                for item in self.items_of(id) {
                    self.touch_item(now, item, |item| item.archived = false);
                }
            }
        }
        Ok(())
    }

    /// DELETE ItemMatrix: archives the matrix and all its items.
    pub(super) fn archive_matrix(&mut self, now: Instant, id: i64) -> Result<(), Refusal> {
        let matrix = self.matrices.get_mut(&id).ok_or_else(|| Refusal::no_such("ItemMatrix", id))?;
        if !matrix.archived {
            matrix.archived = true;
            matrix.time_stamp = second(now);
            self.tell_matrix("item_matrix.delete", id);
        }
        for item in self.items_of(id) {
            self.archive_item(now, item)?;
        }
        Ok(())
    }

    /// POST ItemAttributeSet.
    pub(super) fn post_attribute_set(&mut self, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let names = Three::default();
        let mut set = AttributeSet { name: String::new(), names, system: false, archived: false };
        set.lay_over(body, self.habits())?;
        if set.name.is_empty() {
            return Err(Refusal::bad("name cannot be blank."));
        }
        let id = self.attribute_sets.last_key_value().map_or(5, |(id, _)| (id + 1).max(5));
        self.attribute_sets.insert(id, set);
        Ok(id)
    }

    /// PUT ItemAttributeSet; the system's own are refused.
    pub(super) fn put_attribute_set(&mut self, id: i64, body: &Map<String, Value>) -> Result<(), Refusal> {
        let none = || Refusal::no_such("ItemAttributeSet", id);
        let mut set = self.attribute_sets.get(&id).ok_or_else(none)?.clone();
        if set.system {
            return Err(Refusal::bad("A system ItemAttributeSet cannot be changed."));
        }
        set.lay_over(body, self.habits())?;
        self.attribute_sets.insert(id, set);
        Ok(())
    }

    fn lay_over_matrix(
        &self,
        matrix: &mut Matrix,
        body: &Map<String, Value>,
        is_put: bool,
    ) -> Result<(), Refusal> {
        let habits = self.habits();
        for (name, value) in body {
            match name.as_str() {
                "description" => matrix.description = text(name, value, habits)?,
                "itemAttributeSetID" => matrix.set_id = reference(name, value)?,
                "tax" => matrix.tax = boolean(name, value)?,
                "archived" if is_put => matrix.archived = matrix.archived && boolean(name, value)?,
                "categoryID" => matrix.category_id = reference(name, value)?,
                "taxClassID" => matrix.tax_class_id = reference(name, value)?,
                "defaultVendorID" => matrix.default_vendor_id = reference(name, value)?,
                "defaultCost" => matrix.default_cost = item::decimal(name, value)?,
                "Prices" => {
                    for row in listed(value, "ItemPrice")? {
                        let level = row.get("useTypeID").map(|id| integer("useTypeID", id)).transpose()?;
                        let amount =
                            row.get("amount").map(|amount| item::decimal("amount", amount)).transpose()?;
                        if let Some((level, amount)) = level.zip(amount) {
                            matrix.prices.insert(level, amount);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The items of a matrix, archived ones too.
    pub(super) fn items_of(&self, matrix_id: i64) -> Vec<i64> {
        let own = self.items.iter().filter(|(_, item)| item.matrix_id == matrix_id);
        own.map(|(id, _)| *id).collect()
    }

    /// The shop's own screens rename the variants along with their matrix, where they follow the pattern.
    pub(super) fn rename_items(&mut self, now: Instant, matrix_id: i64, old: &str, new: &str) {
        for id in self.items_of(matrix_id) {
            let rest =
                self.items.get(&id).and_then(|item| item.description.strip_prefix(old)).map(str::to_owned);
            if let Some(rest) = rest {
                self.touch_item(now, id, |item| item.description = format!("{new}{rest}"));
            }
        }
    }

    pub(super) fn touch_item(&mut self, now: Instant, id: i64, with: impl FnOnce(&mut item::Item)) {
        let Some(item) = self.items.get_mut(&id) else { return };
        with(item);
        item.time_stamp = second(now);
        self.tell_item("item.update", id);
    }

    /// `ItemAttributes` of an item, with the set where that is asked for; items without a matrix have none.
    pub(super) fn item_attributes(&self, id: i64, with_set: bool) -> Option<Value> {
        let item = self.items.get(&id).filter(|item| item.matrix_id != 0)?;
        let [first, second, third] = &item.attributes;
        let mut row = Map::new();
        row.insert("attribute1".to_owned(), json!(first));
        row.insert("attribute2".to_owned(), json!(second));
        row.insert("attribute3".to_owned(), json!(third));
        row.insert("itemAttributeSetID".to_owned(), json!(item.attribute_set_id.to_string()));
        if with_set && self.attribute_sets.contains_key(&item.attribute_set_id) {
            let nested = Style::Nested;
            let set = self.record(&ATTRIBUTE_SET, item.attribute_set_id, &Relations::default(), nested);
            row.insert("ItemAttributeSet".to_owned(), Value::Object(set));
        }
        Some(Value::Object(row))
    }

    /// What stands behind the fields of a matrix: relations, prices, and the values of its attributes.
    pub(super) fn matrix_relations(
        &self,
        id: i64,
        relations: &Relations,
        style: Style,
        record: &mut Map<String, Value>,
    ) {
        let Some(matrix) = self.matrices.get(&id) else { return };
        if relations.has("ItemAttributeSet") && self.attribute_sets.contains_key(&matrix.set_id) {
            let set = self.record(&ATTRIBUTE_SET, matrix.set_id, &Relations::default(), Style::Nested);
            record.insert("ItemAttributeSet".to_owned(), Value::Object(set));
        }
        if relations.has("Items") {
            let items = self.items_of(id).into_iter().map(|item| {
                let row = self.record(&resource::ITEM, item, &Relations::default(), Style::Nested);
                Value::Object(row)
            });
            let items = super::render::list("Item", items.collect(), self.habits());
            record.insert("Items".to_owned(), items);
        }
        let prices = self.amounts(&matrix.prices);
        record.insert("Prices".to_owned(), super::render::list("ItemPrice", prices, self.habits()));
        if style == Style::Written || style == Style::Deleted {
            return;
        }
        let Some(set) = self.attribute_sets.get(&matrix.set_id) else { return };
        for (place, name) in set.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let _ = name;
            let by_hand = matrix.values.get(place).into_iter().flatten().cloned();
            let items = self.items.values().filter(|item| item.matrix_id == id);
            let of_items =
                items.filter_map(|item| item.attributes.get(place)).filter(|value| !value.is_empty());
            let mut values: Vec<String> = Vec::new();
            for value in by_hand.chain(of_items.cloned()) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            let values = values.into_iter().map(Value::String).collect();
            record.insert(format!("attribute{}Values", place + 1), many(values, self.habits()));
        }
    }

    /// Notes an event for the listeners, with the matrix as it is now.
    pub(super) fn tell_matrix(&mut self, kind: &'static str, id: i64) {
        let record = self.record(&ITEM_MATRIX, id, &Relations::default(), Style::Written);
        self.changes.push(super::Change { kind, payload: Value::Object(record) });
    }
}

/// The attributes a payload of an item names, laid over those it has.
pub(super) fn lay_attributes(
    item: &mut item::Item,
    payload: &Value,
    habits: &super::Habits,
) -> Result<(), Refusal> {
    let body = match payload {
        Value::Object(body) => body,
        Value::Null => return Ok(()),
        Value::String(text) if text.is_empty() => return Ok(()),
        _ => return Err(item::invalid("ItemAttributes")),
    };
    for (name, value) in body {
        let place = match name.as_str() {
            "attribute1" => 0,
            "attribute2" => 1,
            "attribute3" => 2,
            "itemAttributeSetID" => {
                item.attribute_set_id = reference(name, value)?;
                continue;
            }
            _ => continue,
        };
        if let Some(slot) = item.attributes.get_mut(place) {
            *slot = text(name, value, habits)?;
        }
    }
    Ok(())
}

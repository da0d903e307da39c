//! From records to the text of an answer (sections 1.3 to 1.5).

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::cell::decimal;
use super::habits::Habits;
use super::matrix::{ITEM_MATRIX, VALUE_LISTS};
use super::query::Relations;
use super::resource::{self, Resource, Which};
use super::state::State;

/// For which kind of answer a record is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One of a collection.
    Listed,
    /// The answer to a GET by ID.
    Single,
    /// The answer to a PUT: some relations come unasked (section 1.6).
    Written,
    /// The answer to a POST: a variant brings its attributes and its matrix too.
    Created,
    /// The answer to a DELETE: the base record and prices only.
    Deleted,
    /// A row inside another record.
    Nested,
}

impl Style {
    /// The answer to a POST or PUT.
    pub(super) fn is_written(self) -> bool {
        matches!(self, Self::Written | Self::Created)
    }
}

/// Fields of `ItemShop` that stand only on its own endpoint (section 4.3).
const NEWER_STOCK_FIELDS: [&str; 9] = [
    "onLayaway",
    "onSpecialOrder",
    "onWorkorder",
    "onTransferOut",
    "onTransferIn",
    "averageCost",
    "totalValueFifo",
    "totalValueAvgCost",
    "totalValueNegativeInventory",
];

/// A repeated element: none is the empty string, one is itself, more are an array (section 1.5).
pub(super) fn many(mut rows: Vec<Value>, habits: &Habits) -> Value {
    match rows.len() {
        0 => Value::String(String::new()),
        1 if !habits.always_arrays => rows.pop().unwrap_or_default(),
        _ => Value::Array(rows),
    }
}

/// A list inside a record: `{"ItemShop": …}`, or the empty string.
pub(super) fn list(element: &str, rows: Vec<Value>, habits: &Habits) -> Value {
    if rows.is_empty() {
        return Value::String(String::new());
    }
    let mut wrapper = Map::new();
    wrapper.insert(element.to_owned(), many(rows, habits));
    Value::Object(wrapper)
}

/// JSON as PHP writes it: `/` as `\/`, and characters outside ASCII as `\uXXXX` where the habit says so.
pub(super) fn text(value: &Value, pretty: bool, habits: &Habits) -> String {
    let plain = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let mut text = String::new();
    for character in plain.unwrap_or_default().chars() {
        match character {
            // In JSON both occur inside strings only.
            '/' => text.push_str("\\/"),
            other if habits.escape_non_ascii && !other.is_ascii() => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            other => text.push(other),
        }
    }
    text
}

impl State {
    /// A record with the relations asked for, in the fixed order of its keys.
    pub(super) fn record(
        &self,
        resource: &Resource,
        id: i64,
        relations: &Relations,
        style: Style,
    ) -> Map<String, Value> {
        let mut record = Map::new();
        for (field, _) in resource.fields {
            let hidden = match resource.which {
                Which::Item => *field == "publishToEcom" && !self.habits().show_publish_to_ecom,
                Which::ItemShop => style == Style::Nested && NEWER_STOCK_FIELDS.contains(field),
                _ => false,
            };
            if hidden {
                continue;
            }
            if let Some(cell) = self.cell(resource, id, field) {
                record.insert((*field).to_owned(), Value::String(cell.wire()));
            }
        }
        match resource.which {
            Which::Item => self.item_relations(id, relations, style, &mut record),
            Which::ItemMatrix => self.matrix_relations(id, relations, style, &mut record),
            Which::Sale => self.sale_relations(id, relations, style, &mut record),
            Which::Category | Which::Image => {
                for relation in ["Parent", "Item", "ItemMatrix"] {
                    self.put_related(resource, id, relation, relations, &mut record);
                }
            }
            _ => {}
        }
        record
    }

    /// The one record a relation leads to, if it was asked for and there is one.
    fn put_related(
        &self,
        resource: &Resource,
        id: i64,
        relation: &str,
        relations: &Relations,
        record: &mut Map<String, Value>,
    ) {
        let rows = if relations.has(relation) { self.related(resource, id, relation) } else { Vec::new() };
        for (target, row) in rows {
            let row = self.record(target, row, &Relations::default(), Style::Nested);
            record.insert(relation.to_owned(), Value::Object(row));
        }
    }

    /// Images are left out where there are none (section 1.5: inferred).
    fn put_images(
        &self,
        resource: &Resource,
        id: i64,
        relations: &Relations,
        record: &mut Map<String, Value>,
    ) {
        let rows = if relations.has("Images") { self.related(resource, id, "Images") } else { Vec::new() };
        if !rows.is_empty() {
            let nested = |(target, row): (&'static Resource, i64)| {
                Value::Object(self.record(target, row, &Relations::default(), Style::Nested))
            };
            let rows = rows.into_iter().map(nested).collect();
            record.insert("Images".to_owned(), list("Image", rows, self.habits()));
        }
    }

    fn item_relations(&self, id: i64, relations: &Relations, style: Style, record: &mut Map<String, Value>) {
        let habits = self.habits();
        let Some(item) = self.items.get(&id) else { return };
        if style != Style::Deleted {
            for relation in ["Category", "TaxClass"] {
                self.put_related(&resource::ITEM, id, relation, relations, record);
            }
            let in_matrix = style == Style::Nested && habits.matrix_items_show_attributes;
            let asked = relations.has("ItemAttributes") || style == Style::Created || in_matrix;
            if let Some(attributes) = item.attributes.as_ref().filter(|_| asked) {
                let with_set = relations.has("ItemAttributes.ItemAttributeSet");
                let attributes = self.attributes_record(attributes, with_set);
                record.insert("ItemAttributes".to_owned(), attributes);
            }
            if style == Style::Created && self.matrices.contains_key(&item.matrix_id) {
                // The whole matrix comes back with a new variant (section 4.4).
                let matrix = self.record(&ITEM_MATRIX, item.matrix_id, &Relations::default(), Style::Written);
                record.insert("ItemMatrix".to_owned(), Value::Object(matrix));
            }
            if relations.has("ItemShops") || style.is_written() {
                let rows = self.stock_rows(id).into_iter().map(|row| {
                    let nested = Style::Nested;
                    let mut row = self.record(&resource::ITEM_SHOP, row, &Relations::default(), nested);
                    if style == Style::Single {
                        // Deprecated, and only on reads of a single item (section 4.3).
                        let m =
                            serde_json::json!({ "layaways": "0", "specialorders": "0", "workorders": "0" });
                        row.insert("m".to_owned(), m);
                    }
                    Value::Object(row)
                });
                record.insert("ItemShops".to_owned(), list("ItemShop", rows.collect(), habits));
            }
            self.put_images(&resource::ITEM, id, relations, record);
        }
        record.insert("Prices".to_owned(), list("ItemPrice", self.price_rows(&item.prices), habits));
        if relations.has("TagRelations") && style != Style::Deleted {
            self.put_tags(&item.tags, relations.has("TagRelations.Tag"), record);
        }
    }

    /// In the order of section 4.4: relations, prices, values.
    fn matrix_relations(
        &self,
        id: i64,
        relations: &Relations,
        style: Style,
        record: &mut Map<String, Value>,
    ) {
        let habits = self.habits();
        let Some(matrix) = self.matrices.get(&id) else { return };
        if style != Style::Deleted {
            for relation in ["Category", "TaxClass", "ItemAttributeSet"] {
                self.put_related(&ITEM_MATRIX, id, relation, relations, record);
            }
            self.put_images(&ITEM_MATRIX, id, relations, record);
            if relations.has("Items") {
                let rows = self.related(&ITEM_MATRIX, id, "Items").into_iter().map(|(item, row)| {
                    Value::Object(self.record(item, row, &Relations::default(), Style::Nested))
                });
                record.insert("Items".to_owned(), list("Item", rows.collect(), habits));
            }
        }
        record.insert("Prices".to_owned(), list("ItemPrice", self.price_rows(&matrix.prices), habits));
        if style != Style::Deleted && (!style.is_written() || habits.matrix_writes_show_values) {
            for (at, name) in VALUE_LISTS.iter().enumerate() {
                if let Some(values) = self.matrix_values(id, at) {
                    let values = values.into_iter().map(Value::String).collect();
                    record.insert((*name).to_owned(), many(values, habits));
                }
            }
        }
        if relations.has("TagRelations") && style != Style::Deleted {
            self.put_tags(&matrix.tags, relations.has("TagRelations.Tag"), record);
        }
    }

    /// A row for every level that is not archived; unset is "0" (section 4.2).
    fn price_rows(&self, prices: &BTreeMap<i64, Decimal>) -> Vec<Value> {
        let levels = self.price_levels.iter().filter(|(_, level)| !level.archived);
        levels
            .map(|(id, level)| {
                serde_json::json!({
                    "amount": decimal(prices.get(id).copied().unwrap_or_default()),
                    "useTypeID": id.to_string(),
                    "useType": level.name,
                })
            })
            .collect()
    }
}

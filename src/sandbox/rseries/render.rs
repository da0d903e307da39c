//! From records to the text of an answer (sections 1.3 to 1.5).

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::cell::decimal;
use super::habits::Habits;
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
    /// The answer to a POST or PUT: some relations come unasked (section 1.6).
    Written,
    /// The answer to a DELETE: the base record and prices only.
    Deleted,
    /// A row inside another record.
    Nested,
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
        if resource.which == Which::Item {
            self.item_relations(id, relations, style, &mut record);
        }
        if resource.which == Which::ItemMatrix {
            self.matrix_relations(id, relations, style, &mut record);
        }
        if resource.which == Which::Sale {
            self.sale_relations(id, relations, style, &mut record);
        }
        record
    }

    fn item_relations(&self, id: i64, relations: &Relations, style: Style, record: &mut Map<String, Value>) {
        let habits = self.habits();
        if style != Style::Deleted {
            for (tax_class, row) in self.related(id, "TaxClass").iter().filter(|_| relations.has("TaxClass"))
            {
                let row = self.record(tax_class, *row, &Relations::default(), Style::Nested);
                record.insert("TaxClass".to_owned(), Value::Object(row));
            }
            let attributes = relations.has("ItemAttributes") || style == Style::Written;
            let with_set = relations.has("ItemAttributes.ItemAttributeSet");
            if let Some(row) = self.item_attributes(id, with_set).filter(|_| attributes) {
                record.insert("ItemAttributes".to_owned(), row);
            }
            if relations.has("ItemShops") || style == Style::Written {
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
        }
        record.insert("Prices".to_owned(), list("ItemPrice", self.price_rows(id), habits));
    }

    /// A row for every level that is not archived; unset is "0" (section 4.2).
    fn price_rows(&self, item_id: i64) -> Vec<Value> {
        self.items.get(&item_id).map(|item| self.amounts(&item.prices)).unwrap_or_default()
    }

    /// Amounts by level as they are printed.
    pub(super) fn amounts(&self, prices: &BTreeMap<i64, Decimal>) -> Vec<Value> {
        let levels = self.price_levels.iter().filter(|(_, level)| !level.archived);
        levels
            .map(|(id, level)| {
                let amount = prices.get(id).copied();
                serde_json::json!({
                    "amount": decimal(amount.unwrap_or_default()),
                    "useTypeID": id.to_string(),
                    "useType": level.name,
                })
            })
            .collect()
    }
}

//! Attribute sets, and the attributes of the items of a matrix (section 4.4).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::Refusal;
use super::cell::Cell;
use super::cell::Kind::{Boolean, Integer, Text};
use super::habits::Habits;
use super::item::{boolean, integer, invalid, text};
use super::query::Relations;
use super::render::Style;
use super::resource::{Resource, Which};
use super::state::State;

/// Custom sets have IDs from here on.
const FIRST_OWN_SET: i64 = 5;
/// Their fields, first to third.
const NAMES: [&str; 3] = ["attributeName1", "attributeName2", "attributeName3"];
const VALUES: [&str; 3] = ["attribute1", "attribute2", "attribute3"];

/// Section 4.4.
pub(super) static ITEM_ATTRIBUTE_SET: Resource = Resource {
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

/// What the attributes of a matrix are called; an empty name is an attribute that is not used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AttributeSet {
    pub(super) name: String,
    pub(super) names: [String; 3],
    system: bool,
    archived: bool,
}

/// The values of one item of a matrix. Unused ones are empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Attributes {
    pub(super) set_id: i64,
    pub(super) values: [String; 3],
}

impl AttributeSet {
    fn own(name: &str, names: [&str; 3]) -> Self {
        let names = names.map(str::to_owned);
        Self { name: name.to_owned(), names, system: false, archived: false }
    }

    pub(super) fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        let names = NAMES.iter().zip(&self.names);
        Some(match field {
            "itemAttributeSetID" => Cell::Integer(id),
            "name" => Cell::Text(self.name.clone()),
            "system" => Cell::Boolean(self.system),
            "archived" => Cell::Boolean(self.archived),
            _ => Cell::Text(names.into_iter().find(|(name, _)| **name == field)?.1.clone()),
        })
    }

    fn lay_over(&mut self, body: &Map<String, Value>, is_put: bool, habits: &Habits) -> Result<(), Refusal> {
        for (field, value) in body {
            match field.as_str() {
                "name" => self.name = text(field, value, habits)?,
                "archived" if is_put => self.archived = boolean(field, value)?,
                _ => {}
            }
        }
        for (field, name) in NAMES.iter().zip(&mut self.names) {
            if let Some(value) = body.get(*field) {
                *name = text(field, value, habits)?;
            }
        }
        if self.name.is_empty() { Err(Refusal::bad("name cannot be blank.")) } else { Ok(()) }
    }

    /// Which of the three attributes are in use.
    pub(super) fn uses(&self) -> [bool; 3] {
        self.names.each_ref().map(|name| !name.is_empty())
    }
}

/// The sets that are the same in every account. In the second one the size is attribute 2.
pub(super) fn system_sets() -> BTreeMap<i64, AttributeSet> {
    let set = |name: &str, names: [&str; 3]| AttributeSet { system: true, ..AttributeSet::own(name, names) };
    BTreeMap::from([
        (1, set("Color/Size", ["Color", "Size", ""])),
        (2, set("Size", ["", "Size", ""])),
        (3, set("Color", ["Color", "", ""])),
        (4, set("3 Attributes", ["Attribute 1", "Attribute 2", "Attribute 3"])),
    ])
}

impl State {
    /// POST ItemAttributeSet.
    pub(super) fn post_attribute_set(&mut self, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let mut set = AttributeSet::own("", [""; 3]);
        set.lay_over(body, false, self.habits())?;
        let id = self.insert_attribute_set("", [""; 3]);
        self.attribute_sets.insert(id, set);
        Ok(id)
    }

    pub(super) fn insert_attribute_set(&mut self, name: &str, names: [&str; 3]) -> i64 {
        let id = self.attribute_sets.last_key_value().map_or(FIRST_OWN_SET, |(id, _)| id + 1);
        self.attribute_sets.insert(id, AttributeSet::own(name, names));
        id
    }

    /// PUT ItemAttributeSet. What it does to a system set is not known: refused.
    pub(super) fn put_attribute_set(&mut self, id: i64, body: &Map<String, Value>) -> Result<(), Refusal> {
        let set = self.attribute_sets.get(&id).ok_or_else(|| Refusal::no_such("ItemAttributeSet", id))?;
        if set.system {
            return Err(Refusal::bad("ItemAttributeSet not updated. It is a system set."));
        }
        let mut set = set.clone();
        set.lay_over(body, true, self.habits())?;
        self.attribute_sets.insert(id, set);
        Ok(())
    }

    /// The attributes an item has after a write: those of the payload over those it had, in the set of its matrix.
    /// Without a matrix there are none.
    pub(super) fn read_attributes(
        &self,
        matrix_id: i64,
        before: Option<&Attributes>,
        payload: Option<&Value>,
    ) -> Result<Option<Attributes>, Refusal> {
        let Some(matrix) = self.matrices.get(&matrix_id) else { return Ok(None) };
        let mut attributes = before.cloned().unwrap_or_default();
        attributes.set_id = matrix.set_id;
        match payload {
            None | Some(Value::Null) => {}
            Some(Value::String(nothing)) if nothing.is_empty() => {
                attributes.values = [const { String::new() }; 3];
            }
            Some(Value::Object(payload)) => {
                let set = payload.get("itemAttributeSetID");
                let set = set.map_or(Ok(0), |value| integer("itemAttributeSetID", value))?;
                if set != 0 && set != matrix.set_id {
                    return Err(invalid("itemAttributeSetID"));
                }
                for (field, slot) in VALUES.iter().zip(&mut attributes.values) {
                    if let Some(value) = payload.get(*field) {
                        *slot = text(field, value, self.habits())?;
                    }
                }
            }
            Some(_) => return Err(invalid("ItemAttributes")),
        }
        let used = self.attribute_sets.get(&matrix.set_id).map(AttributeSet::uses).unwrap_or_default();
        for (slot, used) in attributes.values.iter_mut().zip(used) {
            if !used {
                slot.clear();
            }
        }
        Ok(Some(attributes))
    }

    /// Refuses attributes that another item of the matrix has, where that is the habit.
    pub(super) fn check_attributes(
        &self,
        id: Option<i64>,
        matrix_id: i64,
        attributes: Option<&Attributes>,
    ) -> Result<(), Refusal> {
        let twice = self.habits().unique_attributes
            && attributes.is_some()
            && self.items.iter().any(|(other, item)| {
                Some(*other) != id && item.matrix_id == matrix_id && item.attributes.as_ref() == attributes
            });
        if twice { Err(Refusal::bad("An Item with these attributes already exists.")) } else { Ok(()) }
    }

    /// `ItemAttributes` of an item, absent where it is in no matrix.
    pub(super) fn attributes_record(&self, attributes: &Attributes, with_set: bool) -> Value {
        let mut record = Map::new();
        for (field, value) in VALUES.iter().zip(&attributes.values) {
            record.insert((*field).to_owned(), Value::String(value.clone()));
        }
        record.insert("itemAttributeSetID".to_owned(), Value::String(attributes.set_id.to_string()));
        if with_set {
            let nested =
                self.record(&ITEM_ATTRIBUTE_SET, attributes.set_id, &Relations::default(), Style::Nested);
            record.insert("ItemAttributeSet".to_owned(), Value::Object(nested));
        }
        Value::Object(record)
    }
}

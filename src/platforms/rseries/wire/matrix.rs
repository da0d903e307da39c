//! `ItemMatrix` and `ItemAttributeSet` as they travel (r-series-api.md, section 4.4).

use serde_json::Value;

use crate::clock::Instant;
use crate::platforms::read::{Record, Unreadable};

/// `ItemAttributes` of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// `itemAttributeSetID`; 0 is none.
    pub set_id: i64,
    /// `attribute1` to `attribute3`; an empty one where there is none.
    pub values: [String; 3],
    /// The set, when the relation was asked for.
    pub set: Option<AttributeSet>,
}

/// An attribute set: at most three names. In set 2, “Size”, the first name is empty and the second is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributeSet {
    /// `itemAttributeSetID`.
    pub id: i64,
    /// `archived`.
    pub archived: bool,
    /// `attributeName1` to `attributeName3`; an empty one where the set has none.
    pub names: [String; 3],
}

/// A matrix: the product whose variants are items.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// `itemMatrixID`.
    pub id: i64,
    /// `description`: the product's name.
    pub description: String,
    /// `archived`.
    pub archived: bool,
    /// `categoryID`; 0 is none.
    pub category_id: i64,
    /// `timeStamp`.
    pub time_stamp: Option<Instant>,
    /// The attribute set, when the relation was asked for.
    pub set: Option<AttributeSet>,
}

impl Attributes {
    pub(in crate::platforms::rseries) fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("ItemAttributes", value)?;
        let text = |name: &str| Ok(record.text(name)?.unwrap_or_default());
        Ok(Self {
            set_id: record.integer("itemAttributeSetID")?.unwrap_or(0),
            values: [text("attribute1")?, text("attribute2")?, text("attribute3")?],
            set: record.nested("ItemAttributeSet").map(AttributeSet::read).transpose()?,
        })
    }
}

impl AttributeSet {
    /// Reads an attribute set.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("ItemAttributeSet", value)?;
        let text = |name: &str| Ok(record.text(name)?.unwrap_or_default());
        Ok(Self {
            id: record.needed("itemAttributeSetID", record.integer("itemAttributeSetID")?)?,
            archived: record.flag("archived")?.unwrap_or(false),
            names: [text("attributeName1")?, text("attributeName2")?, text("attributeName3")?],
        })
    }

    /// The names in use, in their order.
    pub fn used(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| name.trim()).filter(|name| !name.is_empty())
    }

    /// Which of the three positions are in use, in their order.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.names).filter(|(_, name)| !name.trim().is_empty()).map(|(position, _)| position)
    }
}

impl Matrix {
    /// Reads a matrix.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("ItemMatrix", value)?;
        Ok(Self {
            id: record.needed("itemMatrixID", record.integer("itemMatrixID")?)?,
            description: record.needed("description", record.text("description")?)?,
            archived: record.flag("archived")?.unwrap_or(false),
            category_id: record.integer("categoryID")?.unwrap_or(0),
            time_stamp: record.time("timeStamp")?,
            set: record.nested("ItemAttributeSet").map(AttributeSet::read).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_size_of_the_size_set_is_its_second_attribute() {
        let set = json!({"itemAttributeSetID":"2","name":"Size","attributeName1":"","attributeName2":"Size",
            "attributeName3":"","system":"true","archived":"false"});
        let set = AttributeSet::read(&set).unwrap();
        assert_eq!(set.used().collect::<Vec<_>>(), ["Size"]);
        assert_eq!(set.positions().collect::<Vec<_>>(), [1]);
    }
}

//! `Category` as it travels (r-series-api.md, section 4.5).

use serde_json::Value;

use crate::clock::Instant;
use crate::platforms::read::{Record, Unreadable};

/// A category of the shop. The nested set says where it stands among its siblings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Category {
    /// `categoryID`.
    pub id: i64,
    /// `name`; siblings may share one.
    pub name: String,
    /// `parentID`; 0 for a root.
    pub parent_id: i64,
    /// `leftNode`.
    pub left: i64,
    /// `rightNode`.
    pub right: i64,
    /// `timeStamp`: moves whenever its nodes shift, so it says little.
    pub time_stamp: Option<Instant>,
}

impl Category {
    /// Reads a category.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Category", value)?;
        Ok(Self {
            id: record.needed("categoryID", record.integer("categoryID")?)?,
            name: record.needed("name", record.text("name")?)?,
            parent_id: record.integer("parentID")?.unwrap_or(0),
            left: record.integer("leftNode")?.unwrap_or(0),
            right: record.integer("rightNode")?.unwrap_or(0),
            time_stamp: record.time("timeStamp")?,
        })
    }
}

//! Categories as they travel (e-series-api.md, section 9).

use serde_json::{Map, Value, json};

use crate::platforms::read::{Record, Unreadable, list};

/// A category of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Category {
    /// `id`.
    pub id: i64,
    /// `parentId`, which a root lacks; 0 here.
    pub parent_id: i64,
    /// `name`.
    pub name: String,
    /// `orderBy`.
    pub order: i64,
    /// `origin` is `ECWID`, or missing: made in the store or by an app. Others came from a POS and are locked
    /// (section 9.3).
    pub own: bool,
    /// `externalReferenceId`.
    pub external_reference_id: Option<String>,
    /// `productIds`; only where one category is asked for.
    pub product_ids: Vec<i64>,
}

impl Category {
    /// Reads a category.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Category", value)?;
        let origin = record.text("origin")?.filter(|origin| !origin.is_empty());
        Ok(Self {
            id: record.needed("id", record.integer("id")?)?,
            parent_id: record.integer("parentId")?.unwrap_or(0),
            name: record.needed("name", record.text("name")?)?,
            order: record.integer("orderBy")?.unwrap_or(0),
            own: origin.is_none_or(|origin| origin.eq_ignore_ascii_case("ECWID")),
            external_reference_id: record.text("externalReferenceId")?.filter(|text| !text.is_empty()),
            product_ids: list(record.raw("productIds")).iter().filter_map(Value::as_i64).collect(),
        })
    }
}

/// What is written to a category; only what is set travels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CategoryWrite {
    /// `name`.
    pub name: Option<String>,
    /// `parentId`; 0 makes it a root.
    pub parent_id: Option<i64>,
    /// `orderBy`.
    pub order: Option<i64>,
    /// `enabled`; only on creation.
    pub enabled: Option<bool>,
    /// `externalReferenceId`; only on creation.
    pub external_reference_id: Option<String>,
}

impl CategoryWrite {
    /// The request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let fields = [
            ("name", self.name.as_ref().map(|text| json!(text))),
            ("parentId", self.parent_id.map(|id| json!(id))),
            ("orderBy", self.order.map(|order| json!(order))),
            ("enabled", self.enabled.map(|flag| json!(flag))),
            ("externalReferenceId", self.external_reference_id.as_ref().map(|text| json!(text))),
        ];
        let set = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(set.collect::<Map<String, Value>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_no_parent_and_a_pos_owns_what_it_made() {
        let root =
            Category::read(&json!({"id": 5, "name": "Kitchen", "orderBy": 10, "origin": "ECWID"})).unwrap();
        assert_eq!((root.parent_id, root.own), (0, true));
        let theirs =
            json!({"id": 6, "parentId": 5, "name": "Mugs", "origin": "LIGHTSPEED", "productIds": [1, "x"]});
        let theirs = Category::read(&theirs).unwrap();
        assert_eq!((theirs.parent_id, theirs.own, theirs.product_ids), (5, false, vec![1]));
        assert!(Category::read(&json!({"id": 5})).is_err());
    }
}

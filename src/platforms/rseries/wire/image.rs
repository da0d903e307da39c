//! `Image` as it travels (r-series-api.md, section 4.6).

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::platforms::read::{Record, Unreadable, list};

/// A picture of an item or a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `imageID`.
    pub id: i64,
    /// `publicID`: the bytes behind it never change.
    pub public_id: String,
    /// `baseImageURL`, where the bytes are; with a slash at its end.
    pub base_url: String,
    /// `filename`, as it was uploaded.
    pub filename: String,
    /// `ordering`: from 0, the same one may stand several times.
    pub ordering: i64,
    /// `itemID`; 0 is none.
    pub item_id: i64,
    /// `itemMatrixID`; 0 is none.
    pub matrix_id: i64,
    /// `description`, as somebody wrote it in the shop.
    #[serde(default)]
    pub description: String,
}

/// Two pictures hash alike if all that is carried of them is alike: a description says something of a matrix' pictures
/// alone, and one that is empty says nothing.
impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { id, public_id, base_url, filename, ordering, item_id, matrix_id, description } = self;
        (id, public_id, base_url, filename, ordering, item_id, matrix_id).hash(state);
        if *matrix_id != 0 && !description.is_empty() {
            description.hash(state);
        }
    }
}

impl Image {
    /// Reads a picture.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Image", value)?;
        // Postgres keeps no NUL in texts, and no platform needs one in these.
        let text = |name: &str| Ok(record.text(name)?.unwrap_or_default().replace('\0', ""));
        Ok(Self {
            id: record.needed("imageID", record.integer("imageID")?)?,
            public_id: text("publicID")?,
            base_url: text("baseImageURL")?,
            filename: text("filename")?,
            ordering: record.integer("ordering")?.unwrap_or(0),
            item_id: record.integer("itemID")?.unwrap_or(0),
            matrix_id: record.integer("itemMatrixID")?.unwrap_or(0),
            description: text("description")?,
        })
    }
}

/// The pictures of an item or a matrix that was read with the relation `Images`: its id, which stands in `key`, and
/// what it has. No relation in the record means no picture (section 1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictured {
    /// `itemID` or `itemMatrixID`.
    pub id: i64,
    /// Its pictures, as they came.
    pub images: Vec<Image>,
}

impl Pictured {
    /// Reads the pictures of an item or matrix.
    pub fn read(key: &str, value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Images", value)?;
        let images = record.raw("Images").and_then(|images| images.get("Image"));
        Ok(Self {
            id: record.needed(key, record.integer(key)?)?,
            images: list(images).iter().map(Image::read).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_picture_is_an_object_several_are_a_list_and_none_is_nothing() {
        let image = json!({"imageID":"77","filename":"mug.jpg","ordering":"0","publicID":"ab12","itemID":"318",
            "baseImageURL":"https://res.cloudinary.com/lightspeed-retail/image/upload/","itemMatrixID":"0"});
        let count = |images: Value| {
            Pictured::read("itemID", &json!({"itemID": "318", "Images": images})).unwrap().images.len()
        };
        assert_eq!(count(json!({"Image": image})), 1);
        assert_eq!(count(json!({"Image": [image, image]})), 2);
        assert_eq!(count(json!("")), 0);
        assert!(Pictured::read("itemID", &json!({"itemID": "318"})).unwrap().images.is_empty());
        assert!(Pictured::read("itemID", &json!({"itemID": "318", "Images": {"Image": {}}})).is_err());
    }
}

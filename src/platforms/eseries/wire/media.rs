//! Pictures as products show them (e-series-api.md, section 6.3).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::platforms::read::{Record, Unreadable, list};

/// One picture of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct Medium {
    /// `id`: `"0"` of the main one, small numbers in the gallery. They move: no lasting identity.
    pub id: String,
    /// Is it the main picture?
    pub is_main: bool,
    /// `imageOriginalUrl`: new with every upload, and kept while the picture hangs.
    pub url: String,
    /// `externalId`, as it was uploaded with.
    pub external_id: Option<String>,
    /// `alt`, when there is a text in it.
    pub alt: Option<Value>,
    /// `image160pxUrl`, of a variation `smallThumbnailUrl`: the smallest of the copies that E-Series makes of it.
    pub copy: Option<String>,
}

impl Medium {
    /// The picture of a variation, which has neither an id nor an `externalId` (section 5.2).
    #[must_use]
    pub fn of_variation(url: &str) -> Self {
        let url = url.to_owned();
        Self { id: String::new(), is_main: true, url, external_id: None, alt: None, copy: None }
    }
}

/// The pictures of a product and of its variations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gallery {
    /// In the order in which they are shown, the main one first.
    pub media: Vec<Medium>,
    /// Of each variation that has one, by `originalImageUrl`.
    pub variations: BTreeMap<i64, Medium>,
    /// `enabled`: shoppers may be looking at them.
    pub on_offer: bool,
}

impl Gallery {
    /// Reads them from the record of a product.
    pub fn read(product: &Value) -> Result<Self, Unreadable> {
        let images = product.get("media").and_then(|media| media.get("images"));
        let mut media: Vec<(bool, i64, Medium)> = Vec::new();
        for value in list(images).iter() {
            let record = Record::of("Medium", value)?;
            let id = record.needed("id", record.text("id")?)?;
            let is_main = record.flag("isMain")?.unwrap_or(false) || id == "0";
            let place = record.integer("orderBy")?.unwrap_or(0);
            let alt = record.raw("alt").filter(|alt| has_text(alt)).cloned();
            let url = record.text("imageOriginalUrl")?.unwrap_or_default();
            let external_id = record.text("externalId")?.filter(|id| !id.is_empty());
            let copy = record.text("image160pxUrl")?.filter(|url| !url.is_empty());
            media.push((!is_main, place, Medium { id, is_main, url, external_id, alt, copy }));
        }
        media.sort_by_key(|(in_gallery, place, _)| (*in_gallery, *place));
        let mut variations = BTreeMap::new();
        for value in list(product.get("combinations")).iter() {
            let record = Record::of("Variation", value)?;
            let id = record.integer("id")?;
            let url = record.text("originalImageUrl")?.filter(|url| !url.is_empty());
            let copy = record.text("smallThumbnailUrl")?.filter(|url| !url.is_empty());
            let medium = url.map(|url| Medium { copy, ..Medium::of_variation(&url) });
            variations.extend(id.zip(medium));
        }
        let on_offer = product.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        let media = media.into_iter().map(|(_, _, medium)| medium).collect();
        Ok(Self { media, variations, on_offer })
    }
}

/// Does an alternative text say anything, in any language?
fn has_text(alt: &Value) -> bool {
    let says = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
    let translated = alt.get("translated").and_then(Value::as_object);
    alt.get("main").is_some_and(says) || translated.is_some_and(|texts| texts.values().any(says))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_main_picture_is_first_and_the_others_follow_in_their_order() {
        let product = json!({"id": 5, "media": {"images": [
            {"id": "2", "orderBy": 2, "imageOriginalUrl": "c", "alt": {"main": "", "translated": {}}},
            {"id": "0", "isMain": true, "orderBy": 0, "imageOriginalUrl": "a", "externalId": "x",
             "image160pxUrl": "a-160"},
            {"id": "1", "orderBy": 1, "imageOriginalUrl": "b", "alt": {"main": "", "translated": {"fr": "Tasse"}}},
        ]}, "combinations": [{"id": 7, "originalImageUrl": "v", "smallThumbnailUrl": "s"}, {"id": 8}]});
        let gallery = Gallery::read(&product).unwrap();
        let urls: Vec<&str> = gallery.media.iter().map(|medium| medium.url.as_str()).collect();
        assert_eq!(urls, ["a", "b", "c"]);
        assert_eq!((gallery.media[0].copy.as_deref(), &gallery.media[1].copy), (Some("a-160"), &None));
        assert!(gallery.media[1].alt.is_some() && gallery.media[2].alt.is_none());
        let small = Medium { copy: Some("s".to_owned()), ..Medium::of_variation("v") };
        assert_eq!(gallery.variations, BTreeMap::from([(7, small)]));
        assert!(gallery.on_offer && !Gallery::read(&json!({"id": 5, "enabled": false})).unwrap().on_offer);
        let none = Gallery { on_offer: true, ..Gallery::default() };
        assert_eq!(Gallery::read(&json!({"id": 5})).unwrap(), none, "what is not told may be on offer");
        assert!(Gallery::read(&json!({"media": {"images": [{"id": []}]}})).is_err());
    }
}

//! Pictures, call by call (r-series-api.md, section 4.6).

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::client::{Client, Page};
use super::matrix::one_of;
use super::wire::{Image, Pictured};
use crate::platforms::CallError;

/// What is read along with an item or a matrix for its pictures.
const RELATION: (&str, &str) = ("load_relations", r#"["Images"]"#);

impl Client {
    /// The pictures of these items, at most [`super::client::PAGE`]. An item that is missing from the answer is *not*
    /// known to have none: ask for it alone.
    pub async fn images_of_items(&self, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Image>>, CallError> {
        self.images_of(("Item", "itemID"), ids).await
    }

    /// The same for matrices.
    pub async fn images_of_matrices(&self, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Image>>, CallError> {
        self.images_of(("ItemMatrix", "itemMatrixID"), ids).await
    }

    async fn images_of(
        &self,
        (resource, key): (&str, &str),
        ids: &[i64],
    ) -> Result<BTreeMap<i64, Vec<Image>>, CallError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted = one_of(ids);
        let query = [(key, wanted.as_str()), ("archived", "true"), ("limit", "100"), RELATION];
        let url = self.url(&[&format!("{resource}.json")], &query);
        let page = self.page(url, resource, 1.4, |row| Pictured::read(key, row)).await?;
        let rows = page.rows.into_iter().filter(|row| ids.contains(&row.id));
        Ok(rows.map(|row| (row.id, row.images)).collect())
    }

    /// The pictures of one item.
    pub async fn images_of_item(&self, id: i64) -> Result<Vec<Image>, CallError> {
        self.images_of_one(("Item", "itemID"), id).await
    }

    /// The pictures of one matrix.
    pub async fn images_of_matrix(&self, id: i64) -> Result<Vec<Image>, CallError> {
        self.images_of_one(("ItemMatrix", "itemMatrixID"), id).await
    }

    async fn images_of_one(
        &self,
        (resource, key): (&str, &'static str),
        id: i64,
    ) -> Result<Vec<Image>, CallError> {
        let url = self.url(&[resource, &format!("{id}.json")], &[RELATION]);
        let json = self.read(url, 1.4).await?;
        let record = json.get(resource).unwrap_or(&Value::Null);
        let read = Pictured::read(key, record);
        read.map(|pictured| pictured.images).map_err(|error| self.unreadable_record(record, key, id, &error))
    }

    /// One picture; gone when it was deleted, which leaves no other trace.
    pub async fn image(&self, id: i64) -> Result<Image, CallError> {
        let json = self.read(self.url(&["Image", &format!("{id}.json")], &[]), 1.0).await?;
        let image = json.get("Image").unwrap_or(&Value::Null);
        Image::read(image).map_err(|error| self.unreadable_record(image, "imageID", id, &error))
    }

    /// One page of pictures with an id above `after`, in the order of their ids.
    pub async fn images_after(&self, after: i64) -> Result<Page<Image>, CallError> {
        let above = format!(">,{after}");
        let query = [("limit", "100"), ("sort", "imageID"), ("imageID", above.as_str())];
        let url: Url = self.url(&["Image.json"], &query);
        let mut page = self.page(url, "Image", 1.0, Image::read).await?;
        // A filter may be ignored without a word (section 1.8).
        page.rows.retain(|image| image.id > after);
        Ok(page)
    }
}

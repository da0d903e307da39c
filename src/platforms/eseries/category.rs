//! Categories, call by call (e-series-api.md, section 9.2).

use reqwest::Method;
use serde_json::Value;

use super::client::{Client, Page};
use super::wire::{Category, CategoryWrite};
use crate::clock::Instant;
use crate::platforms::CallError;

impl Client {
    /// One page of all categories, disabled ones too. No index lies between: a new one is there at once (section 3).
    /// One that is missing is *not* known to be gone: ask for it alone.
    pub async fn categories(&self, offset: u64) -> Result<Page<Category>, CallError> {
        let offset = offset.to_string();
        let query = [("hidden_categories", "true"), ("limit", "100"), ("offset", offset.as_str())];
        self.page(self.url(&["categories"], &query), Category::read).await
    }

    /// One category with the products in it, and the record as the platform shows it.
    pub async fn category(&self, id: i64) -> Result<(Category, Value), CallError> {
        let json = self.read(self.category_url(id)).await?;
        let category = Category::read(&json).map_err(|error| self.unreadable_record(&json, id, &error))?;
        Ok((category, json))
    }

    /// Creates a category and returns its id. The marker in it makes a second creation impossible, as with products
    /// (section 2.2). Not sent after `by`.
    pub async fn create_category(&self, write: &CategoryWrite, by: Instant) -> Result<i64, CallError> {
        let url = self.url(&["categories"], &[]);
        let answer = self.call(Method::POST, url, Some(&write.body()), Some(by)).await?;
        let id = answer.json().and_then(|json| json.get("id").and_then(Value::as_i64));
        id.ok_or_else(|| CallError::Unclear { why: "E-Series: no id in the answer to a creation".into() })
    }

    /// Writes to a category. Not sent after `by`.
    pub async fn update_category(
        &self,
        id: i64,
        write: &CategoryWrite,
        by: Instant,
    ) -> Result<(), CallError> {
        self.call(Method::PUT, self.category_url(id), Some(&write.body()), Some(by)).await.map(|_| ())
    }

    /// Deletes a category for good, and perhaps what is below it (section 9.3): leaves first. Its products stay. Not
    /// sent after `by`.
    pub async fn delete_category(&self, id: i64, by: Instant) -> Result<(), CallError> {
        self.call(Method::DELETE, self.category_url(id), None, Some(by)).await.map(|_| ())
    }

    fn category_url(&self, id: i64) -> url::Url {
        self.url(&["categories", &id.to_string()], &[])
    }
}

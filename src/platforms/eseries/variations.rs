//! Variations (`combinations`), call by call (e-series-api.md, section 5).

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::wire::VariationWrite;
use crate::clock::Instant;
use crate::platforms::CallError;

impl Client {
    /// Creates a variation and returns its id. The marker in it makes a second creation impossible (section 2.2).
    /// Not sent after `by`.
    pub async fn create_variation(
        &self,
        product_id: i64,
        write: &VariationWrite,
        by: Instant,
    ) -> Result<i64, CallError> {
        let url = self.url(&["products", &product_id.to_string(), "combinations"], &[]);
        let answer = self.call(Method::POST, url, Some(&write.body()), Some(by)).await?;
        let id = answer.json().and_then(|json| json.get("id").and_then(Value::as_i64));
        id.ok_or_else(|| CallError::Unclear { why: "E-Series: no id in the answer to a creation".into() })
    }

    /// Writes to a variation. Not sent after `by`.
    pub async fn update_variation(
        &self,
        product_id: i64,
        id: i64,
        write: &VariationWrite,
        by: Instant,
    ) -> Result<(), CallError> {
        let url = self.variation_url(product_id, id);
        self.call(Method::PUT, url, Some(&write.body()), Some(by)).await.map(|_| ())
    }

    /// Removes a variation for good. Not sent after `by`.
    pub async fn delete_variation(&self, product_id: i64, id: i64, by: Instant) -> Result<(), CallError> {
        let url = self.variation_url(product_id, id);
        self.call(Method::DELETE, url, None, Some(by)).await.map(|_| ())
    }

    /// Replaces the options of a product: what is not in the list goes (section 5.6). Not sent after `by`.
    pub async fn set_options(
        &self,
        product_id: i64,
        options: &[Value],
        by: Instant,
    ) -> Result<(), CallError> {
        let url = self.url(&["products", &product_id.to_string()], &[]);
        let body = json!({ "options": options });
        self.call(Method::PUT, url, Some(&body), Some(by)).await.map(|_| ())
    }

    fn variation_url(&self, product_id: i64, id: i64) -> url::Url {
        self.url(&["products", &product_id.to_string(), "combinations", &id.to_string()], &[])
    }
}

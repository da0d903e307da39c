//! The change feed: the safety net under the webhooks (e-series-api.md, sections 4.5 and 4.6).

use serde_json::Value;

use super::client::{Client, Page};
use super::wire::{Deleted, Product};
use crate::clock::Instant;
use crate::platforms::CallError;
use crate::platforms::read::Unreadable;

impl Client {
    /// One page of all products, oldest first, from `offset`.
    pub async fn products(&self, offset: u64) -> Result<Page<Product>, CallError> {
        let offset = offset.to_string();
        let query = [("sortBy", "ADDED_TIME_ASC"), ("limit", "100"), ("offset", offset.as_str())];
        self.page(self.url(&["products"], &query), Product::read).await
    }

    /// One page of products changed at or after `since`. The index lags, so overlap generously.
    pub async fn products_since(&self, since: Instant, offset: u64) -> Result<Page<Product>, CallError> {
        self.changed_since(since, offset, Product::read).await
    }

    /// The same, each with the record as it is shown.
    pub async fn products_shown_since(
        &self,
        since: Instant,
        offset: u64,
    ) -> Result<Page<(Product, Value)>, CallError> {
        self.changed_since(since, offset, |row| Ok((Product::read(row)?, row.clone()))).await
    }

    async fn changed_since<T>(
        &self,
        since: Instant,
        offset: u64,
        read: impl Fn(&Value) -> Result<T, Unreadable>,
    ) -> Result<Page<T>, CallError> {
        let (since, offset) = (since.timestamp().to_string(), offset.to_string());
        let query = [
            ("updatedFrom", since.as_str()),
            ("sortBy", "UPDATED_TIME_ASC"),
            ("limit", "100"),
            ("offset", offset.as_str()),
        ];
        self.page(self.url(&["products"], &query), read).await
    }

    /// One page of products deleted at or after `since`.
    pub async fn deleted_since(&self, since: Instant, offset: u64) -> Result<Page<Deleted>, CallError> {
        let (since, offset) = (since.timestamp().to_string(), offset.to_string());
        let query = [("from_date", since.as_str()), ("limit", "100"), ("offset", offset.as_str())];
        self.page(self.url(&["products", "deleted"], &query), Deleted::read).await
    }
}

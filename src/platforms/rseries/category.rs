//! Categories, call by call (r-series-api.md, section 4.5). Concord only reads them: each write costs 10 drips, and
//! the tree is the shop's.

use url::Url;

use super::client::{Client, Page};
use super::feed::wire_time;
use super::wire::Category;
use crate::clock::Instant;
use crate::platforms::CallError;

impl Client {
    /// One category. [`CallError::Gone`] when the shop has it no more: categories are deleted for good.
    pub async fn category(&self, id: i64) -> Result<Category, CallError> {
        let json = self.read(self.url(&["Category", &format!("{id}.json")], &[]), 1.0).await?;
        let category =
            json.get("Category").ok_or_else(|| self.unreadable_answer("no Category in the answer"))?;
        Category::read(category).map_err(|error| self.unreadable_answer(&error.to_string()))
    }

    /// One page of all categories in display order. One that is missing is *not* known to be gone: ask for it alone.
    pub async fn categories(&self, next: Option<Url>) -> Result<Page<Category>, CallError> {
        let query = [("limit", "100"), ("sort", "leftNode")];
        let url = next.unwrap_or_else(|| self.url(&["Category.json"], &query));
        self.page(url, "Category", 1.0, Category::read).await
    }

    /// Categories that changed at or after `since`, or whose nodes have shifted.
    pub async fn categories_since(
        &self,
        since: Instant,
        next: Option<Url>,
    ) -> Result<Page<Category>, CallError> {
        let since = format!(">=,{}", wire_time(since));
        let query = [("limit", "100"), ("sort", "timeStamp"), ("timeStamp", since.as_str())];
        let url = next.unwrap_or_else(|| self.url(&["Category.json"], &query));
        self.page(url, "Category", 1.0, Category::read).await
    }
}

//! The change feed: R-Series has no webhooks, so changes are polled (r-series-api.md, sections 4.3,
//! 4.10 and 5.2).

use chrono::SecondsFormat;
use serde_json::Value;
use url::Url;

use super::client::{Client, ITEM_RELATIONS, ITEMS_COST, Page};
use super::wire::{Item, ItemShop, LogRow};
use crate::clock::Instant;
use crate::platforms::CallError;

impl Client {
    /// One page of items with their stock, archived ones too, in the order of their ids: a walk that an edit
    /// cannot make skip a row (section 1.10), each with the record as it is shown. `next` is the address that the
    /// page before gave.
    pub async fn items(&self, next: Option<Url>) -> Result<Page<(Item, Value)>, CallError> {
        let query =
            [("archived", "true"), ("limit", "100"), ("sort", "itemID"), ("load_relations", ITEM_RELATIONS)];
        let url = next.unwrap_or_else(|| self.url(&["Item.json"], &query));
        self.page(url, "Item", ITEMS_COST, |row| Ok((Item::read(row)?, row.clone()))).await
    }

    /// Items whose own record changed at or after `since`, archived ones too.
    pub async fn items_since(&self, since: Instant, next: Option<Url>) -> Result<Page<Item>, CallError> {
        let since = format!(">=,{}", wire_time(since));
        let query =
            [("archived", "true"), ("limit", "100"), ("sort", "timeStamp"), ("timeStamp", since.as_str())];
        let url = next.unwrap_or_else(|| self.url(&["Item.json"], &query));
        self.page(url, "Item", 1.0, Item::read).await
    }

    /// Stock rows that changed at or after `since`.
    pub async fn item_shops_since(
        &self,
        since: Instant,
        next: Option<Url>,
    ) -> Result<Page<ItemShop>, CallError> {
        let since = format!(">=,{}", wire_time(since));
        let query = [("limit", "100"), ("sort", "timeStamp"), ("timeStamp", since.as_str())];
        let url = next.unwrap_or_else(|| self.url(&["ItemShop.json"], &query));
        self.page(url, "ItemShop", 1.0, ItemShop::read).await
    }

    /// Rows of the inventory log with an id above `after`, oldest first: a cursor without gaps.
    pub async fn inventory_log_after(
        &self,
        after: i64,
        next: Option<Url>,
    ) -> Result<Page<LogRow>, CallError> {
        let above = format!(">,{after}");
        let query = [("limit", "100"), ("sort", "inventoryLogID"), ("inventoryLogID", above.as_str())];
        let url = next.unwrap_or_else(|| self.url(&["InventoryLog.json"], &query));
        self.page(url, "InventoryLog", 1.0, LogRow::read).await
    }
}

/// A time as filters take it: UTC, whole seconds (section 1.3).
pub(super) fn wire_time(time: Instant) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, false)
}

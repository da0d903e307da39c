//! What Concord asks of R-Series.

mod client;
mod facts;
mod memory;

use std::collections::BTreeMap;

use concord::clock::{Instant, ManualClock};
use concord::sandbox::rseries::RSeriesSandbox;
use rust_decimal::Decimal;

use super::Told;

/// An item as the API tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub id: i64,
    pub name: String,
    pub sku: String,
    pub archived: bool,
    pub matrix_id: i64,
    pub category_id: i64,
    /// Of attributes 1 to 3.
    pub values: [String; 3],
    /// Names of attributes 1 to 3.
    pub names: [String; 3],
    /// By price level.
    pub prices: BTreeMap<i64, Decimal>,
    /// By shop.
    pub counts: BTreeMap<i64, i64>,
    pub stamp: Instant,
}

/// What is written; what is `None` is not sent.
#[derive(Debug, Clone, Default)]
pub struct Write {
    pub name: Option<String>,
    pub sku: Option<String>,
    /// Level and amount.
    pub price: Option<(i64, Decimal)>,
    /// Shop and count.
    pub count: Option<(i64, i64)>,
    pub values: Option<[String; 3]>,
    pub category_id: Option<i64>,
}

/// A row of the inventory log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: i64,
    pub item_id: i64,
    pub shop_id: i64,
    pub change: i64,
    /// 0 for none.
    pub sale_id: i64,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    pub id: i64,
    pub parent_id: i64,
    pub name: String,
    pub left: i64,
    pub right: i64,
    pub stamp: Instant,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub id: i64,
    pub public_id: String,
    pub ordering: i64,
}

/// The API, and the merchant beside it.
pub trait Shop {
    fn merchant(&self) -> &RSeriesSandbox;
    fn clock(&self) -> &ManualClock;
    async fn create(&self, write: &Write) -> Result<i64, Told>;
    async fn item(&self, id: i64) -> Result<Item, Told>;
    async fn write(&self, id: i64, write: &Write) -> Result<Item, Told>;
    async fn items_by_id(&self, ids: &[i64]) -> Result<Vec<i64>, Told>;
    /// Ids of all items, page by page.
    async fn walk(&self) -> Result<Vec<Vec<i64>>, Told>;
    async fn changed_since(&self, since: Instant) -> Result<Vec<i64>, Told>;
    /// Item, shop and count.
    async fn counts_since(&self, since: Instant) -> Result<Vec<(i64, i64, i64)>, Told>;
    async fn log_after(&self, id: i64) -> Result<Vec<Row>, Told>;
    async fn newest(&self) -> Result<i64, Told>;
    async fn categories(&self) -> Result<Vec<Category>, Told>;
    async fn categories_since(&self, since: Instant) -> Result<Vec<Category>, Told>;
    async fn category(&self, id: i64) -> Result<Category, Told>;
    async fn pictures(&self, item_id: i64) -> Result<Vec<Picture>, Told>;
    /// Its name, and the names of its attributes.
    async fn matrix(&self, id: i64) -> Result<(String, [String; 3]), Told>;
    /// Does the platform, by what it said last, serve a call of this cost now?
    fn has_room(&self, drips: f64) -> bool;
}

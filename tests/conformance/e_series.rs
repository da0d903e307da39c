//! What Concord asks of E-Series.

mod client;
mod facts;
mod memory;
mod more_facts;

use std::collections::BTreeMap;

use concord::clock::{Instant, ManualClock};
use concord::sandbox::eseries::ESeriesSandbox;
use rust_decimal::Decimal;

use super::Told;

/// A product as the API tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    pub id: i64,
    pub name: String,
    pub sku: String,
    pub price: Decimal,
    pub enabled: bool,
    /// `None` is unlimited.
    pub count: Option<i64>,
    pub reference: Option<String>,
    pub categories: Vec<i64>,
    /// Names and choices.
    pub options: Vec<(String, Vec<String>)>,
    pub variations: Vec<Variation>,
}

/// A variation.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    pub id: i64,
    pub sku: Option<String>,
    pub price: Option<Decimal>,
    pub count: Option<i64>,
    pub values: BTreeMap<String, String>,
}

/// A stock, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Endless,
    Pieces(i64),
}

/// What is written to a product; what is `None` is not sent.
#[derive(Debug, Clone, Default)]
pub struct Write {
    pub name: Option<String>,
    pub sku: Option<String>,
    pub price: Option<Decimal>,
    pub enabled: Option<bool>,
    pub count: Option<Count>,
    pub reference: Option<String>,
    pub categories: Option<Vec<i64>>,
    /// Only with a creation.
    pub options: Vec<(String, Vec<String>)>,
    /// Only with a creation.
    pub variations: Vec<VariationWrite>,
}

/// What is written to a variation.
#[derive(Debug, Clone, Default)]
pub struct VariationWrite {
    pub values: Option<Vec<(String, String)>>,
    pub sku: Option<String>,
    pub price: Option<Decimal>,
    pub count: Option<Count>,
    pub reference: Option<String>,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    pub id: i64,
    /// 0 for none.
    pub parent_id: i64,
    pub name: String,
    pub order: i64,
    pub reference: Option<String>,
}

/// A picture, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub id: String,
    pub is_main: bool,
    pub url: String,
    pub reference: Option<String>,
}

/// Where a picture is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    Main(i64),
    Gallery(i64),
    Variation(i64, i64),
}

/// What became of a change of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    Applied,
    NotTracked,
    Gone,
    Refused,
}

/// The API, and the merchant beside it.
pub trait Store {
    fn merchant(&self) -> &ESeriesSandbox;
    fn clock(&self) -> &ManualClock;
    async fn create(&self, write: &Write) -> Result<i64, Told>;
    async fn product(&self, id: i64) -> Result<Product, Told>;
    async fn update(&self, id: i64, write: &Write) -> Result<Product, Told>;
    async fn delete(&self, id: i64) -> Result<(), Told>;
    async fn by_ids(&self, ids: &[i64]) -> Result<Vec<i64>, Told>;
    async fn by_sku(&self, sku: &str) -> Result<Vec<i64>, Told>;
    async fn by_reference(&self, reference: &str) -> Result<Option<i64>, Told>;
    async fn changed_since(&self, since: Instant) -> Result<Vec<i64>, Told>;
    async fn deleted_since(&self, since: Instant) -> Result<Vec<i64>, Told>;
    /// Adds to the stock of a product, or of one of its variations, once a key.
    async fn add(&self, of: (i64, Option<i64>), pieces: i64, key: u128) -> Result<Added, Told>;
    async fn create_variation(&self, id: i64, write: &VariationWrite) -> Result<i64, Told>;
    async fn update_variation(&self, of: (i64, i64), write: &VariationWrite) -> Result<(), Told>;
    async fn delete_variation(&self, of: (i64, i64)) -> Result<(), Told>;
    async fn set_options(&self, id: i64, options: &[(&str, &[&str])]) -> Result<(), Told>;
    async fn categories(&self) -> Result<Vec<Category>, Told>;
    async fn category(&self, id: i64) -> Result<Category, Told>;
    /// Disabled.
    async fn create_category(&self, name: &str, parent_id: i64, reference: &str) -> Result<i64, Told>;
    async fn rename_category(&self, id: i64, name: &str) -> Result<(), Told>;
    async fn delete_category(&self, id: i64) -> Result<(), Told>;
    async fn hang(&self, spot: Spot, bytes: &[u8], reference: &str) -> Result<(), Told>;
    /// Tells it where a picture is, asynchronously.
    async fn promise(&self, spot: Spot, url: &str, reference: &str) -> Result<(), Told>;
    async fn pictures(&self, id: i64) -> Result<Vec<Picture>, Told>;
    async fn take_down(&self, id: i64, picture: &Picture) -> Result<(), Told>;
    async fn arrange(&self, id: i64, pictures: &[Picture]) -> Result<(), Told>;
    /// How many products the plan allows.
    async fn limit(&self) -> Result<Option<i64>, Told>;
}

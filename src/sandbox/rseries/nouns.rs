//! What goes into the sandbox and what comes out of it: plain data.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Habits;
use crate::clock::Instant;

/// What account and what client the sandbox has.
#[derive(Debug, Clone)]
pub struct Config {
    /// The account's number.
    pub account_id: i64,
    /// Names of the shops; their IDs count from 1.
    pub shops: Vec<String>,
    /// ID of the `Online` price level; `None` on an account that was never connected to eCom.
    pub online_price_level_id: Option<i64>,
    /// The OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Where consent sends the browser; fixed at registration (section 2.2).
    pub redirect_uri: String,
    /// Life of an access token.
    pub access_token_seconds: i64,
    /// Size of the leaky bucket.
    pub bucket_size: f64,
    /// Drips that leak out of it in a second.
    pub drip_rate: f64,
    /// Requests served within one second.
    pub burst_limit: u32,
    /// The switches.
    pub habits: Habits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            account_id: 4711,
            shops: vec!["Main Street".to_owned()],
            online_price_level_id: Some(3),
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret".to_owned(),
            redirect_uri: "https://localhost/callback".to_owned(),
            access_token_seconds: 3600,
            bucket_size: 90.0,
            drip_rate: 1.0,
            burst_limit: 20,
            habits: Habits::default(),
        }
    }
}

/// An item as the merchant enters it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewItem {
    /// The product's name.
    pub description: String,
    /// The merchant's own SKU.
    pub custom_sku: String,
    /// The maker's SKU.
    pub manufacturer_sku: String,
    /// UPC, 11 to 14 digits or nothing.
    pub upc: String,
    /// EAN, 11 to 14 digits or nothing.
    pub ean: String,
    /// Price on level `Default`.
    pub default_price: Decimal,
    /// Price on level `Online`.
    pub online_price: Option<Decimal>,
    /// Cost.
    pub default_cost: Decimal,
    /// Shop and quantity.
    pub stock: Vec<(i64, i64)>,
    /// Shown in the web shop.
    pub publish_to_ecom: bool,
    /// Category, 0 for none.
    pub category_id: i64,
}

impl Default for NewItem {
    fn default() -> Self {
        Self {
            description: String::new(),
            custom_sku: String::new(),
            manufacturer_sku: String::new(),
            upc: String::new(),
            ean: String::new(),
            default_price: Decimal::ZERO,
            online_price: None,
            default_cost: Decimal::ZERO,
            stock: Vec::new(),
            publish_to_ecom: true,
            category_id: 0,
        }
    }
}

/// An item as the merchant sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemView {
    /// `itemID`.
    pub item_id: i64,
    /// The product's name.
    pub description: String,
    /// The merchant's own SKU.
    pub custom_sku: String,
    /// The maker's SKU.
    pub manufacturer_sku: String,
    /// The platform's SKU.
    pub system_sku: String,
    /// Price on level `Default`.
    pub default_price: Decimal,
    /// Price on level `Online`; `None` where it is 0, which is how unset looks, or where there is no such level.
    pub online_price: Option<Decimal>,
    /// Shown in the web shop.
    pub publish_to_ecom: bool,
    /// Archived.
    pub archived: bool,
    /// `itemMatrixID`, 0 for none.
    pub matrix_id: i64,
    /// Its values of attribute 1 to 3 in the matrix.
    pub attributes: [String; 3],
    /// Quantity by shop, without the summary row.
    pub stock: BTreeMap<i64, i64>,
    /// The item's own timestamp.
    pub time_stamp: Instant,
}

/// A row of the inventory log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogView {
    /// `inventoryLogID`.
    pub id: i64,
    /// The item.
    pub item_id: i64,
    /// The shop.
    pub shop_id: i64,
    /// `qohChange`.
    pub change: i64,
    /// The platform's word for the cause.
    pub reason: String,
    /// The sale behind it, 0 for none.
    pub sale_id: i64,
}

/// A sale as the merchant sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SaleView {
    /// `saleID`.
    pub sale_id: i64,
    /// Where it was rung up.
    pub shop_id: i64,
    /// `referenceNumber`.
    pub reference_number: String,
    /// Paid, and the goods gone.
    pub completed: bool,
    /// Thrown away before it was completed.
    pub archived: bool,
    /// Taken back after it was completed.
    pub voided: bool,
    /// Item, quantity and price of one, by line.
    pub lines: Vec<(i64, i64, Decimal)>,
    /// What was to be paid, tax included.
    pub total: Decimal,
    /// What was paid.
    pub paid: Decimal,
}

/// A request that reached the platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query, still encoded.
    pub query: String,
    /// Body as JSON; null where there was none, and for OAuth requests, whose bodies hold secrets.
    pub body: Value,
    /// Status of the answer, even if it was lost on its way back.
    pub status: u16,
    /// Drips that it cost (section 3.3); none where it was blocked.
    pub drips: f64,
    /// When.
    pub at: Instant,
}

/// A change of the catalogue, by the merchant or through the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `item.create`, `item.update`, `item.delete` (archived) or `inventory.update`.
    pub kind: &'static str,
    /// Wire JSON of the item or of the shop's stock row, right after the change.
    pub payload: Value,
}

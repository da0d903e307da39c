//! TRANSLATION, pure: the platforms' shapes into our nouns and back. One table, one row a field.

pub mod born;
pub mod category;
pub mod eseries;
pub mod images;
pub mod options;
pub mod reshape;
pub mod rseries;
pub mod snapshot;
pub mod table;

pub use options::OptionNames;

use serde::{Deserialize, Serialize};

/// What translation has to know of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// R-Series shops whose stock is summed (integration-rules.md, section 5).
    pub shop_ids: Vec<i64>,
    /// The shop in which stock sold on the web is booked.
    pub primary_shop_id: i64,
    /// The price level of the web (r-series-api.md, section 4.2); some accounts have none.
    pub online_level: Option<i64>,
    /// Which R-Series field is the SKU.
    pub sku_source: SkuSource,
    /// The store's currency has no decimals (e-series-api.md, section 13, trap 13): the shop's prices mean what the
    /// store can show of them. Otherwise amounts are carried as they are.
    pub whole_prices: bool,
}

/// Which field of an item is its SKU on the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkuSource {
    /// `customSku`.
    #[default]
    CustomSku,
    /// `manufacturerSku`.
    ManufacturerSku,
    /// `systemSku`, which the platform gives and nobody can change.
    SystemSku,
}

//! What a merchant can choose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::{Field, Rule, Rules, Way};
use crate::mapping::{SkuSource, table};

/// Settings of a connection. What is not set is as in the field table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Way and rule per field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = std::collections::HashMap<String, FieldSetting>)]
    pub fields: BTreeMap<Field, FieldSetting>,
    /// Which R-Series field is the SKU.
    pub sku_source: SkuSource,
    /// How pieces sold on the web are booked on R-Series.
    #[serde(skip_serializing_if = "WebSales::is_default")]
    pub web_sales: WebSales,
}

/// How pieces sold on the web are booked on R-Series (r-series-api.md, section 4.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebSales {
    /// The count of the primary shop is lowered.
    #[default]
    Count,
    /// A completed sale in the primary shop, at the web price: an audit trail and a revenue there. Needs a
    /// register of that shop, a payment type named `eCom`, `Web` or `Online`, and the scope `employee:register`.
    Sale,
}

impl WebSales {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Count
    }
}

/// Way and rule of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldSetting {
    /// In which direction it is carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Who wins when both sides changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
}

impl Settings {
    /// The rules that the merge goes by.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let mut rules = table::default_rules();
        for (field, setting) in &self.fields {
            if let Some((way, rule)) = rules.0.get_mut(field) {
                *way = setting.way.unwrap_or(*way);
                *rule = setting.rule.unwrap_or(*rule);
            }
        }
        rules
    }
}

/// Products a plan allows (integration-rules.md, section 1).
#[must_use]
pub fn plan_limit(plan: &str) -> Option<i64> {
    match plan {
        "venture" => Some(100),
        "business" => Some(2_500),
        _ => None,
    }
}

/// Plan names.
pub const PLANS: [&str; 3] = ["venture", "business", "unlimited"];

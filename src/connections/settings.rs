//! What a merchant can choose.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::{Caps, Field, Limits, Rule, Rules, Way};
use crate::mapping::{SkuSource, table};
use crate::store::connections::Row;

/// Settings of a connection. What is not set is as in the field table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Way and rule per field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = std::collections::HashMap<Field, FieldSetting>)]
    pub fields: BTreeMap<Field, FieldSetting>,
    /// Which R-Series field is the SKU.
    pub sku_source: SkuSource,
    /// How pieces sold on the web are booked on R-Series.
    #[serde(skip_serializing_if = "WebSales::is_default")]
    pub web_sales: WebSales,
    /// How much the sweep may take away within an hour before it is braked.
    #[serde(skip_serializing_if = "is_default")]
    pub caps: Caps,
    /// Hours between two full looks over both catalogues, at most 8760; 0 is never.
    #[serde(skip_serializing_if = "is_usual_full_look")]
    #[schema(minimum = 0, maximum = 8760)]
    pub full_look_hours: u32,
    /// Seconds between two change polls, 15 to 86400; that of the service unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 15, maximum = 86400)]
    pub sweep_seconds: Option<u32>,
    /// Products and variants that may be online, counted one by one; that of the plan unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    pub plan_limit: Option<u32>,
    /// Lightspeed Support was asked about more than 70,000 products and variants.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub support_asked: bool,
    /// What becomes of products, and variations, that are born on E-Series.
    #[serde(skip_serializing_if = "BornOnline::is_default")]
    pub born_online: BornOnline,
    /// What becomes of products, and variations, that are deleted on E-Series while their item lives on.
    #[serde(skip_serializing_if = "GoneOnline::is_default")]
    pub gone_online: GoneOnline,
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

/// What becomes of a product that is born on E-Series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BornOnline {
    /// It is listed as `only_online`, and one call creates it on R-Series.
    #[default]
    Ask,
    /// It is created on R-Series.
    Auto,
    /// It stays where it is.
    Off,
}

impl BornOnline {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Ask
    }
}

/// What becomes of a product that is deleted on E-Series while its item lives on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoneOnline {
    /// It waits: to be created again, or for its item to be unpublished.
    #[default]
    Ask,
    /// It is created again.
    Recreate,
}

impl GoneOnline {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Ask
    }
}

/// Hours between two full looks, unless set: one a night.
const FULL_LOOK_HOURS: u32 = 24;
/// Polls that are neither a burden on the platforms' limits nor of no use: a quarter of a minute to a day.
const SWEEP_SECONDS: std::ops::RangeInclusive<u32> = 15..=86_400;
/// The longest pause that still is a routine: a year.
const LONGEST_PAUSE: u32 = 8_760;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serializer hands a reference")]
fn is_default(caps: &Caps) -> bool {
    *caps == Caps::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serializer hands a reference")]
fn is_usual_full_look(hours: &u32) -> bool {
    *hours == FULL_LOOK_HOURS
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fields: BTreeMap::new(),
            sku_source: SkuSource::default(),
            caps: Caps::default(),
            full_look_hours: FULL_LOOK_HOURS,
            web_sales: WebSales::default(),
            sweep_seconds: None,
            plan_limit: None,
            support_asked: false,
            born_online: BornOnline::default(),
            gone_online: GoneOnline::default(),
        }
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
    /// Those of a connection; the defaults where what is stored cannot be read.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        serde_json::from_value(row.settings.clone()).unwrap_or_default()
    }

    /// Refuses settings that make no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        self.caps.check()?;
        let images = self.fields.get(&Field::Images).and_then(|setting| setting.way);
        if images.is_some_and(|way| !matches!(way, Way::RToE | Way::Off)) {
            return Err(
                "images are carried from R-Series to E-Series alone: their way is r_to_e or off".into()
            );
        }
        if self.full_look_hours > LONGEST_PAUSE {
            return Err(format!("full_look_hours must be at most {LONGEST_PAUSE}; 0 is never"));
        }
        if self.sweep_seconds.is_some_and(|seconds| !SWEEP_SECONDS.contains(&seconds)) {
            let (least, most) = (SWEEP_SECONDS.start(), SWEEP_SECONDS.end());
            return Err(format!("sweep_seconds must be between {least} and {most}"));
        }
        Ok(())
    }

    /// The pause between two change polls, where it is not that of the service.
    #[must_use]
    pub fn sweep_every(&self) -> Option<Duration> {
        self.sweep_seconds.map(|seconds| Duration::from_secs(u64::from(seconds)))
    }

    /// The pause between two full looks; none when they are off.
    #[must_use]
    pub fn full_look_every(&self) -> Option<Duration> {
        (self.full_look_hours > 0).then(|| Duration::from_secs(u64::from(self.full_look_hours) * 3_600))
    }

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

/// What a connection may have online.
#[must_use]
pub fn limits(row: &Row, settings: &Settings) -> Limits {
    Limits {
        plan: row.plan.clone(),
        pieces: settings.plan_limit.map(i64::from).or_else(|| plan_limit(&row.plan)),
        support_asked: settings.support_asked,
        products: [row.e_product_limit, row.e_full_at].into_iter().flatten().min(),
        variations: row.e_variations != Some(false),
    }
}

/// Products a plan allows (integration-rules.md, section 1).
fn plan_limit(plan: &str) -> Option<i64> {
    match plan {
        "venture" => Some(100),
        "business" => Some(2_500),
        _ => None,
    }
}

/// Plan names.
pub const PLANS: [&str; 3] = ["venture", "business", "unlimited"];

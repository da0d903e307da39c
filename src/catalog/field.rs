//! The fields that are kept in step, and the settings each has.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A field of a product. The order is the order in which fields are listed and merged.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What the product is called.
    Name,
    /// Stock keeping unit: the merchant's own article number.
    Sku,
    /// Price on the web.
    Price,
    /// Offered on the web or not.
    Enabled,
    /// Pieces that can be sold.
    Stock,
    /// What the variants of a product differ in, such as colour and size: the names of the options.
    Options,
    /// A variant's value of each of these options, in the same order; an empty one where it has none.
    OptionValues,
    /// Its place in the shop's tree of categories.
    Category,
    /// Pictures. Never part of the facts of a side: they are carried by themselves.
    Images,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Sku,
        Self::Price,
        Self::Enabled,
        Self::Stock,
        Self::Options,
        Self::OptionValues,
        Self::Category,
        Self::Images,
    ];

    /// The name used in the REST interface, the ledger and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Sku => "sku",
            Self::Price => "price",
            Self::Enabled => "enabled",
            Self::Stock => "stock",
            Self::Options => "options",
            Self::OptionValues => "option_values",
            Self::Category => "category",
            Self::Images => "images",
        }
    }

    /// The reverse of [`Field::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == text)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In which direction a field is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A change on either side reaches the other.
    Both,
    /// Only changes on R-Series are carried; E-Series may differ until R-Series changes again.
    RToE,
    /// Only changes on E-Series are carried; R-Series may differ until E-Series changes again.
    EToR,
    /// Not carried at all.
    Off,
}

impl Way {
    /// Is a change on `side` carried across?
    #[must_use]
    pub fn carries_from(self, side: super::Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::RToE, super::Side::RSeries) | (Self::EToR, super::Side::ESeries)
        )
    }
}

/// Who wins when both sides changed a field since they were last in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// R-Series' value is taken.
    RWins,
    /// E-Series' value is taken.
    EWins,
    /// Neither: the field waits until somebody chooses.
    Ask,
}

/// Way and rule of each field, for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(pub BTreeMap<Field, (Way, Rule)>);

impl Rules {
    /// The way of `field`; a field without an entry is not carried.
    #[must_use]
    pub fn way(&self, field: Field) -> Way {
        self.0.get(&field).map_or(Way::Off, |(way, _)| *way)
    }

    /// The rule of `field`.
    #[must_use]
    pub fn rule(&self, field: Field) -> Rule {
        self.0.get(&field).map_or(Rule::Ask, |(_, rule)| *rule)
    }
}

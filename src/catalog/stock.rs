//! Stock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many can be sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// A counted number of pieces; may be negative on both platforms.
    Tracked(i64),
    /// Not counted. On E-Series an absent `quantity` means this, not zero.
    Unlimited,
}

impl Stock {
    /// The count, if there is one.
    #[must_use]
    pub fn tracked(self) -> Option<i64> {
        match self {
            Self::Tracked(count) => Some(count),
            Self::Unlimited => None,
        }
    }
}

impl fmt::Display for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracked(count) => count.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

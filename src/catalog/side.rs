//! The two sides that are kept in step.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two platforms.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Lightspeed Retail POS (R-Series), the shop.
    RSeries,
    /// Lightspeed eCom (E-Series, Ecwid), the web.
    ESeries,
}

impl Side {
    /// Both sides.
    pub const BOTH: [Self; 2] = [Self::RSeries, Self::ESeries];

    /// The side across.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::RSeries => Self::ESeries,
            Self::ESeries => Self::RSeries,
        }
    }

    /// `r_series` or `e_series`, as in the REST interface and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RSeries => "r_series",
            Self::ESeries => "e_series",
        }
    }

    /// What this side says, with its name in front, once.
    #[must_use]
    pub fn says(self, words: &str) -> String {
        if words.starts_with(&self.to_string()) { words.to_owned() } else { format!("{self}: {words}") }
    }

    /// The reverse of [`Side::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.as_str() == text)
    }
}

impl fmt::Display for Side {
    /// The name a merchant knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RSeries => "R-Series",
            Self::ESeries => "E-Series",
        })
    }
}

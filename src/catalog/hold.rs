//! Why something is not carried.

use serde::{Deserialize, Serialize};

/// Why a field stays as it is although the sides are not in step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Hold {
    /// A stable word for programs, such as `ask` or `price_not_representable`.
    pub code: String,
    /// The reason, for the merchant.
    pub reason: String,
}

impl Hold {
    /// A hold with its reason.
    pub fn new(code: &str, reason: impl Into<String>) -> Self {
        Self { code: code.to_owned(), reason: reason.into() }
    }
}

//! How much a sweep may take away before an operator is asked.

use serde::{Deserialize, Serialize};

/// Caps on what the sweep takes away within an hour, counted in products. A cap is the share or `at_least`,
/// whichever is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// Percent of the linked products that may be taken off the web.
    #[schema(minimum = 0, maximum = 100)]
    pub removals_percent: u8,
    /// Percent of the linked products whose stock may fall to nothing on the other side.
    #[schema(minimum = 0, maximum = 100)]
    pub zeroes_percent: u8,
    /// So many products always may, however small the catalogue is.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub at_least: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self { removals_percent: 10, zeroes_percent: 20, at_least: 10 }
    }
}

impl Caps {
    /// Refuses numbers that make no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        for (name, percent) in
            [("removals_percent", self.removals_percent), ("zeroes_percent", self.zeroes_percent)]
        {
            if percent > 100 {
                return Err(format!("caps.{name} must be between 0 and 100"));
            }
        }
        if self.at_least > 1_000_000 {
            return Err("caps.at_least must be at most 1000000".into());
        }
        Ok(())
    }
}

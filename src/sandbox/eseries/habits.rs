//! What the platform does where its documentation is silent or two-faced, as switches.
//!
//! The defaults are the choices of the reference's section 14; where nothing is known they take the case that
//! is harder on a client.

use serde::{Deserialize, Serialize};

/// Switchable behaviour of the sandboxed E-Series. Sections are those of the E-Series reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// The shortest time until the search index has seen a write (section 3).
    pub index_lag_min_seconds: u32,
    /// The longest time until the search index has seen a write.
    pub index_lag_max_seconds: u32,
    /// A PUT that changes nothing counts as an update, moves `updated` and fires a webhook (section 12.3).
    pub noop_puts_fire: bool,
    /// A change of stock moves `updated` (section 4.5).
    pub stock_moves_updated: bool,
    /// DELETE of an unknown id answers 404; otherwise 200 with `deleteCount` 0 (section 4.6).
    pub delete_unknown_is_404: bool,
    /// The store's toggle `ALLOW_EMPTY_AND_NON_UNIQUE_SKU` is on (section 5.5).
    pub sku_may_repeat: bool,
    /// Outer spaces of SKUs are cut off on write (section 5.5).
    pub trim_skus: bool,
    /// Outer spaces of names are cut off on write (section 13, trap 14).
    pub trim_names: bool,
    /// Prices are rounded to two decimals on write (section 13, trap 13).
    pub round_prices: bool,
    /// An import holds the catalogue: every write to it answers 449 (section 2.2).
    pub import_running: bool,
    /// The store is suspended: every call answers 402 (section 2.2).
    pub suspended: bool,
    /// The plan has the API; otherwise every call answers 402 (section 11).
    pub plan_has_api: bool,
    /// A store with more products than its plan allows refuses updates too (section 2.2).
    pub limit_blocks_updates: bool,
    /// A batch is executed when its ticket is first polled (section 14).
    pub batch_runs_at_first_poll: bool,
    /// A batch is executed by itself after this time, polled or not.
    pub batch_delay_seconds: u32,
    /// How many requests of a batch one poll executes; fewer than it holds makes `IN_PROGRESS` visible.
    pub batch_requests_per_poll: usize,
    /// How long the ticket of a finished batch is known (unknown; section 2.4).
    pub batch_ticket_seconds: u32,
    /// How long a token stays blocked that went on calling after 429 (section 2.3, no length is given).
    pub long_block_seconds: u32,
    /// What a refusal's body looks like (section 2.1).
    pub error_bodies: ErrorBodies,
    /// The store's languages, its default first (section 3).
    pub languages: Vec<String>,
    /// The merchant says no when asked to let the app in (section 1.3).
    pub merchant_refuses: bool,
    /// `state` comes back from the authorisation page (undocumented; section 1.3).
    pub echo_oauth_state: bool,
}

/// The forms of a refusal's body that have been seen (section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBodies {
    /// JSON with message and code.
    #[default]
    Full,
    /// JSON with a message only.
    MessageOnly,
    /// Nothing.
    Empty,
    /// A page of HTML.
    Html,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            index_lag_min_seconds: 0,
            index_lag_max_seconds: 5,
            noop_puts_fire: true,
            stock_moves_updated: true,
            delete_unknown_is_404: true,
            sku_may_repeat: false,
            trim_skus: true,
            trim_names: false,
            round_prices: false,
            import_running: false,
            suspended: false,
            plan_has_api: true,
            limit_blocks_updates: true,
            batch_runs_at_first_poll: true,
            batch_delay_seconds: 60,
            batch_requests_per_poll: 500,
            batch_ticket_seconds: 3600,
            long_block_seconds: 600,
            error_bodies: ErrorBodies::Full,
            languages: vec!["en".to_owned()],
            merchant_refuses: false,
            echo_oauth_state: false,
        }
    }
}

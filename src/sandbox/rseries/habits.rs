//! Habits of the platform that the reference leaves open, as switches.
//!
//! Every default is either what the reference states or, where it says inferred or unknown, the reading
//! that is harder on a client.

use serde::{Deserialize, Serialize};

/// What happens to a text of more than 255 characters (section 4.1 assumes the limit, nothing documents it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongText {
    /// Cut off without a word, as a database in lenient mode does.
    Cut,
    /// Answered with 400.
    Refuse,
    /// Stored as it is.
    Keep,
}

/// What a collection without rows looks like (section 1.5, item 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyCollection {
    /// `@attributes` alone, without the resource's key.
    AttributesOnly,
    /// `{}`, as one integrator saw it.
    EmptyObject,
    /// The resource's key with the empty string.
    EmptyString,
}

/// The switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// Leading and trailing blanks of names and SKUs are cut on write.
    pub trim_text: bool,
    /// What happens to texts of more than 255 characters.
    pub long_text: LongText,
    /// Amounts of prices are rounded to this many decimals on write.
    pub price_decimals: Option<u32>,
    /// `publishToEcom` of an item that is posted without it (section 4.1: samples say true, one account false).
    pub publish_by_default: bool,
    /// `publishToEcom` is printed at all: it is absent on accounts without eCom (section 6).
    pub show_publish_to_ecom: bool,
    /// Items get a stock row only for the shops that have had stock (section 4.3: a row may be missing).
    pub shop_rows_only_where_stocked: bool,
    /// A write of the `qoh` that is there already leaves an `InventoryLog` row with a `qohChange` of 0.
    pub log_zero_changes: bool,
    /// `qoh` written through PUT Item moves `Item.timeStamp` (section 4.3 leaves it open).
    pub stock_write_moves_item_time_stamp: bool,
    /// A price write moves `Item.timeStamp` (section 6: inferred).
    pub price_write_moves_item_time_stamp: bool,
    /// A PUT whose values are all there already moves `Item.timeStamp`.
    pub unchanged_write_moves_item_time_stamp: bool,
    /// `qoh` of an archived item may be written. Off: answered with 400.
    pub archived_items_take_stock: bool,
    /// A PUT with `Prices` sets the levels it does not name to 0 (section 4.2: inferred that it does not).
    pub prices_replace_all: bool,
    /// A PUT to a matrix reaches its items as an edit in the shop's screens does (section 4.4: unknown).
    pub matrix_write_reaches_items: bool,
    /// UPC and EAN must be 11 to 14 digits and nobody else's (section 4.1: reported).
    pub check_barcodes: bool,
    /// Filters on fields that do not exist have no effect (section 1.8: one recording). Off: 400.
    pub ignore_unknown_filters: bool,
    /// Equality, `~` and sorting do not tell upper from lower case (section 1.8: inferred).
    pub fold_case: bool,
    /// `~` without a wildcard means "starts with" (section 1.8: one example). Off: the whole text.
    pub like_without_wildcard_is_prefix: bool,
    /// The V2 parameters `offset`, `orderby` and `orderby_desc` are answered with 400. Off: no effect.
    pub refuse_removed_parameters: bool,
    /// What a collection without rows looks like.
    pub empty_collection: EmptyCollection,
    /// A last page that is full still names a next one, which is empty.
    pub next_after_full_last_page: bool,
    /// `next` and `previous` leave `load_relations` and filters out (section 1.10, report a).
    pub next_forgets_parameters: bool,
    /// A page after the first begins with the last row of the page before it (section 6.2, item 9).
    pub repeat_boundary_row: bool,
    /// Lists of one are arrays too (section 6.2, item 9), against section 1.5.
    pub always_arrays: bool,
    /// Characters outside ASCII are written as `\uXXXX` (section 1.3: inferred).
    pub escape_non_ascii: bool,
    /// Bodies of errors are labelled `text/html` (section 1.2, seen in 2016).
    pub errors_labelled_html: bool,
    /// Every `ItemPrice` of a payload costs half a drip as `ItemShop` rows do (section 3.3: unknown).
    pub price_rows_cost: bool,
    /// `InventoryLog` needs a scope of its own; `employee:inventory` is not enough (section 4.10).
    pub log_needs_own_scope: bool,
    /// `referenceNumber` selects sales (section 1.8 leaves open which filters have an effect).
    pub sale_reference_filter: bool,
    /// A sale may be completed with less paid than its total. Off: answered with 400 (the vendor's tutorial on
    /// sales: it must be balanced).
    pub unpaid_sales_complete: bool,
    /// What is refused by the switch before is answered with 200 instead, and the sale stays open.
    pub refused_completion_leaves_open: bool,
    /// A completed sale may be completed once more without any effect. Off: answered with 400.
    pub completed_sales_take_writes: bool,
    /// A register that is closed takes sales. Off: answered with 400.
    pub closed_registers_take_sales: bool,
    /// Tax on top of prices, in percent: the total of a sale is not known to whoever writes it.
    pub tax_percent: u32,
    /// Seconds until a row of the `InventoryLog` shows (section 4.10 does not promise that it does at once).
    pub log_lag_seconds: u32,
    /// A used refresh token dies at once, as it did before 2026-01-15 (section 2.3).
    pub refresh_token_dies_at_once: bool,
    /// The first use of an access token also ends its twins, born of the same refresh token.
    pub twin_tokens_die: bool,
    /// Refreshes allowed within a minute (section 2.3).
    pub refreshes_per_minute: Option<u32>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            trim_text: false,
            long_text: LongText::Cut,
            price_decimals: None,
            publish_by_default: true,
            show_publish_to_ecom: true,
            shop_rows_only_where_stocked: false,
            log_zero_changes: false,
            stock_write_moves_item_time_stamp: false,
            price_write_moves_item_time_stamp: true,
            unchanged_write_moves_item_time_stamp: true,
            archived_items_take_stock: false,
            prices_replace_all: false,
            matrix_write_reaches_items: false,
            check_barcodes: true,
            ignore_unknown_filters: true,
            fold_case: true,
            like_without_wildcard_is_prefix: false,
            refuse_removed_parameters: true,
            empty_collection: EmptyCollection::AttributesOnly,
            next_after_full_last_page: false,
            next_forgets_parameters: false,
            repeat_boundary_row: false,
            always_arrays: false,
            escape_non_ascii: true,
            errors_labelled_html: true,
            price_rows_cost: true,
            log_needs_own_scope: true,
            sale_reference_filter: false,
            unpaid_sales_complete: false,
            refused_completion_leaves_open: false,
            completed_sales_take_writes: false,
            closed_registers_take_sales: false,
            tax_percent: 19,
            log_lag_seconds: 0,
            refresh_token_dies_at_once: false,
            twin_tokens_die: true,
            refreshes_per_minute: Some(5),
        }
    }
}

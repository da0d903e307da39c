//! THE HANDS: carries out one step against a platform and returns what was read back. No choices here.

mod matrix;
mod variations;

use crate::clock::Instant;
use crate::decide::observe::{LogRow, StockOutcome, absolute_write};
use crate::platforms::eseries::wire::{Product, ProductWrite};
use crate::platforms::rseries::wire::{Item, ItemWrite};
use crate::platforms::{CallError, eseries, rseries};

pub use matrix::{MatrixWrite, Reshaped, create_matrix_on_r, update_matrix_on_r};
pub use variations::{
    OptionsWrite, create_variation_on_e, finish_options_on_e, remove_variation_on_e, update_variation_on_e,
    write_options_on_e,
};

/// A call that was not made, or was refused, after others were: what it is part of is half done, so its intent stays open,
/// and the next look finishes it. Closed, the half would be taken for somebody's edit.
fn half_done(error: CallError) -> CallError {
    match error {
        CallError::Later { why, .. } | CallError::Busy { why } | CallError::Refused { why, .. } => {
            CallError::Unclear { why: format!("some of the variants are written, the others wait: {why}") }
        }
        error => error,
    }
}

/// A look at one shop's stock that is known to be consistent with the inventory log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockLook {
    /// Pieces on hand.
    pub seen: i64,
    /// Newest log row that this count includes.
    pub log_head: i64,
}

/// Looks at the stock of an item in one shop, so that a write can be judged by the log afterwards: no row
/// may come between the log's head and the count. None when the shop is too busy to get such a look now,
/// or the item is archived.
pub async fn look_at_stock(
    r: &rseries::Client,
    item_id: i64,
    shop_id: i64,
) -> Result<Option<StockLook>, CallError> {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let log_head = r.inventory_log_head().await?;
        let item = r.item(item_id).await?;
        let Some(seen) = item.qoh(shop_id).filter(|_| !item.archived) else { return Ok(None) };
        if r.inventory_log_of(item_id, shop_id, log_head).await?.is_empty() {
            return Ok(Some(StockLook { seen, log_head }));
        }
    }
    Ok(None)
}

/// Writes an absolute count and reads in the log what that did.
pub async fn write_stock_on_r(
    r: &rseries::Client,
    item_id: i64,
    shop_id: i64,
    look: StockLook,
    written: i64,
    by: Instant,
) -> Result<StockVerdict, CallError> {
    let write = ItemWrite { qoh: Some((shop_id, written)), ..ItemWrite::default() };
    r.update_item(item_id, &write, by).await?;
    let rows = stock_rows(r, item_id, shop_id, look.log_head)
        .await
        .map_err(|error| CallError::Unclear { why: error.to_string() })?;
    Ok(match absolute_write(look.seen, written, &rows) {
        StockOutcome::Landed { trampled } => StockVerdict::Landed { trampled },
        StockOutcome::NotSeen => {
            let moved: i64 = rows.iter().map(|row| row.change).sum();
            if look.seen.saturating_add(moved) == written {
                StockVerdict::NoEffect
            } else {
                StockVerdict::NotSeenYet
            }
        }
    })
}

/// What a count that the platform accepted did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockVerdict {
    /// It took effect, and wiped out this many pieces of others' changes.
    Landed {
        /// Signed pieces to put back.
        trampled: i64,
    },
    /// Others had moved the count to the very number we wrote: our change is still to be made.
    NoEffect,
    /// The log does not show it yet.
    NotSeenYet,
}

/// Rows of the log since `log_head`, as the study wants them.
pub async fn stock_rows(
    r: &rseries::Client,
    item_id: i64,
    shop_id: i64,
    log_head: i64,
) -> Result<Vec<LogRow>, CallError> {
    let rows = r.inventory_log_of(item_id, shop_id, log_head).await?;
    Ok(rows.iter().map(|row| LogRow { change: row.change, manual: row.is_manual() }).collect())
}

/// The count of an item in one shop at a moment when the log since `log_head` still shows `rows`. None when it
/// moved while it was looked at.
pub async fn count_on_r(
    r: &rseries::Client,
    item_id: i64,
    shop_id: i64,
    log_head: i64,
    rows: &[LogRow],
) -> Result<Option<i64>, CallError> {
    let item = r.item(item_id).await?;
    let again = stock_rows(r, item_id, shop_id, log_head).await?;
    Ok(item.qoh(shop_id).filter(|_| again == rows))
}

/// Creates a product and reads it back: the store fills in what was left open.
pub async fn create_on_e(
    e: &eseries::Client,
    write: &ProductWrite,
    by: Instant,
) -> Result<Product, CallError> {
    let id = e.create_product(write, by).await?;
    e.product(id).await.map_err(|error| CallError::Unclear { why: error.to_string() })
}

/// Removes a product; one that is gone already is what was wanted.
pub async fn remove_on_e(e: &eseries::Client, product_id: i64, by: Instant) -> Result<(), CallError> {
    match e.delete_product(product_id, by).await {
        Ok(()) | Err(CallError::Gone { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Replaces fields of an item.
pub async fn update_on_r(
    r: &rseries::Client,
    item_id: i64,
    write: &ItemWrite,
    by: Instant,
) -> Result<Item, CallError> {
    r.update_item(item_id, write, by).await
}

/// Replaces fields of a product.
pub async fn update_on_e(
    e: &eseries::Client,
    product_id: i64,
    write: &ProductWrite,
    by: Instant,
) -> Result<Product, CallError> {
    e.update_product(product_id, write, by).await
}

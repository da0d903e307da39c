//! How the shop's stock stood when both sides were last seen in step.

use super::{Db, Result};
use crate::ids::{ConnectionId, ProductId};

/// A count, and up to where the inventory log is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockMark {
    /// `inventoryLogID` up to which every row is part of the count.
    pub log_id: i64,
    /// Pieces in the connected shops.
    pub count: i64,
}

/// The mark of a product, if it was ever seen in step since the log is read.
pub async fn get(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
) -> Result<Option<StockMark>> {
    let mark = sqlx::query_as!(
        StockMark,
        "select log_id, count from stock_marks where connection_id = $1 and product_id = $2",
        connection_id.0,
        product_id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(mark)
}

/// Moves the mark of a product.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    mark: StockMark,
) -> Result<()> {
    sqlx::query!(
        "insert into stock_marks as m (connection_id, product_id, log_id, count) values ($1, $2, $3, $4)
         on conflict (connection_id, product_id) do update set log_id = excluded.log_id, count = excluded.count
         where (m.log_id, m.count) is distinct from (excluded.log_id, excluded.count)",
        connection_id.0,
        product_id.0,
        mark.log_id,
        mark.count,
    )
    .execute(db)
    .await?;
    Ok(())
}

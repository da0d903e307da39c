//! What each shop of R-Series has of a product, for looking ahead at other shops.

use std::collections::BTreeMap;

use super::{Db, Result, json};
use crate::ids::{ConnectionId, ProductId};

/// Pieces by `shopID`; a shop that is missing has none.
pub type ShopCounts = BTreeMap<i64, i64>;

/// Keeps what the shops have now.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    counts: &ShopCounts,
) -> Result<()> {
    sqlx::query!(
        "insert into shop_counts as c (connection_id, product_id, counts) values ($1, $2, $3)
         on conflict (connection_id, product_id) do update set counts = excluded.counts
         where c.counts is distinct from excluded.counts",
        connection_id.0,
        product_id.0,
        json(counts)?,
    )
    .execute(db)
    .await?;
    Ok(())
}

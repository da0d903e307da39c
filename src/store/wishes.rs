//! What operators want of many products at once: to be offered on the web, or not to be.

use std::collections::BTreeMap;

use super::{Db, Result};
use crate::ids::{ConnectionId, EntryId, ProductId};

/// One wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// To be offered.
    pub enabled: bool,
    /// The order that asked for it.
    pub entry_id: EntryId,
}

/// Whole products that are on both sides: all of the connection, or those of them that are named.
pub async fn candidates(
    db: &mut Db,
    connection_id: ConnectionId,
    only: Option<&[ProductId]>,
) -> Result<Vec<ProductId>> {
    let only: Option<Vec<uuid::Uuid>> = only.map(|only| only.iter().map(|product| product.0).collect());
    let rows = sqlx::query_scalar!(
        "select product_id from links
         where connection_id = $1 and parent_id is null and e_product_id is not null
           and coalesce(r_item_id, r_matrix_id) is not null and ($2::uuid[] is null or product_id = any($2))
         order by product_id",
        connection_id.0,
        only.as_deref(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Writes wishes down; a newer one replaces an older one. Mark the products first: rows of the dirty set are locked
/// before any other.
pub async fn put(db: &mut Db, connection_id: ConnectionId, products: &[ProductId], wish: Wish) -> Result<()> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    sqlx::query!(
        "insert into wishes (connection_id, product_id, enabled, entry_id)
         select $1, product_id, $3, $4 from unnest($2::uuid[]) as product_id
         on conflict (connection_id, product_id) do update
         set enabled = excluded.enabled, entry_id = excluded.entry_id",
        connection_id.0,
        &products,
        wish.enabled,
        wish.entry_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The wishes for these products.
pub async fn of(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeMap<ProductId, Wish>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        "select product_id, enabled, entry_id from wishes where connection_id = $1 and product_id = any($2)",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    let wish = |enabled, entry_id| Wish { enabled, entry_id: EntryId(entry_id) };
    Ok(rows.into_iter().map(|row| (ProductId(row.product_id), wish(row.enabled, row.entry_id))).collect())
}

/// This very wish has been seen to; one that came meanwhile stays.
pub async fn done(db: &mut Db, connection_id: ConnectionId, product_id: ProductId, wish: Wish) -> Result<()> {
    sqlx::query!(
        "delete from wishes where connection_id = $1 and product_id = $2 and entry_id = $3",
        connection_id.0,
        product_id.0,
        wish.entry_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A product that waits for its order to be seen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub product_id: ProductId,
    /// What it is called.
    pub name: String,
    /// Its SKU.
    pub sku: String,
    /// Why it is parked, for programs and in words; none when it only waits for its turn.
    pub parked: Option<(String, String)>,
}

/// Products that an order still waits for, parked ones first, at most `limit`.
pub async fn waiting(
    db: &mut Db,
    connection_id: ConnectionId,
    entry_id: EntryId,
    limit: i64,
) -> Result<Vec<Waiting>> {
    let rows = sqlx::query!(
        r#"select l.product_id, l.name, l.sku, d.park_code as "park_code?", d.park_reason as "park_reason?"
           from wishes w join links l using (connection_id, product_id)
                left join dirty d on d.connection_id = w.connection_id and d.product_id = w.product_id
                     and d.parked_at is not null
           where w.connection_id = $1 and w.entry_id = $2
           order by d.parked_at nulls last, l.product_id limit $3"#,
        connection_id.0,
        entry_id.0,
        limit,
    )
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|row| Waiting {
        product_id: ProductId(row.product_id),
        name: row.name,
        sku: row.sku,
        parked: row.park_code.zip(row.park_reason),
    });
    Ok(rows.collect())
}

/// How many products still wait for what this order asked for.
pub async fn left(db: &mut Db, connection_id: ConnectionId, entry_id: EntryId) -> Result<i64> {
    let left = sqlx::query_scalar!(
        r#"select count(*) as "left!" from wishes where connection_id = $1 and entry_id = $2"#,
        connection_id.0,
        entry_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(left)
}

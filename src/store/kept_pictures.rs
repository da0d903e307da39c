//! Pictures that existed on E-Series alone, kept before they go.

use std::collections::BTreeSet;

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId};

/// Keeps the bytes of a picture that stands at `url`.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    (url, bytes): (&str, &[u8]),
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "insert into kept_pictures (connection_id, product_id, url, bytes, kept_at) values ($1, $2, $3, $4, $5)
         on conflict (connection_id, product_id, url) do update set bytes = excluded.bytes, kept_at = excluded.kept_at",
        connection_id.0,
        product_id.0,
        url,
        bytes,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Where the pictures stood that are kept of a product.
pub async fn urls(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
) -> Result<BTreeSet<String>> {
    let urls = sqlx::query_scalar!(
        "select url from kept_pictures where connection_id = $1 and product_id = $2",
        connection_id.0,
        product_id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(urls.into_iter().collect())
}

/// The picture that stood at `url`, if it is kept of one of these products.
pub async fn get(
    db: &mut Db,
    connection_id: ConnectionId,
    products: [ProductId; 2],
    url: &str,
) -> Result<Option<Vec<u8>>> {
    let bytes = sqlx::query_scalar!(
        "select bytes from kept_pictures where connection_id = $1 and product_id = any($2) and url = $3
         order by kept_at desc limit 1",
        connection_id.0,
        &products.map(|product| product.0),
        url,
    )
    .fetch_optional(db)
    .await?;
    Ok(bytes)
}

/// Forgets up to `most` pictures that were kept before this time, of products that are on the web: those of a product
/// that may come back are part of what was kept of it. Returns how many went.
pub async fn forget(db: &mut Db, before: Instant, most: i64) -> Result<u64> {
    let gone = sqlx::query!(
        "delete from kept_pictures where (connection_id, product_id, url) in (
             select k.connection_id, k.product_id, k.url
             from kept_pictures k join links l using (connection_id, product_id)
             where k.kept_at < $1 and l.e_product_id is not null
             order by k.kept_at limit $2 for update of k skip locked)",
        before,
        most,
    )
    .execute(db)
    .await?;
    Ok(gone.rows_affected())
}

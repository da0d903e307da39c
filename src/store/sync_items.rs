//! What a preview found, product by product.

use super::{Db, Result};
use crate::ids::{ConnectionId, ProductId, SyncId};

/// One product of a preview.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The product.
    pub product_id: ProductId,
    /// What a run would do.
    pub action: String,
    /// The E-Series product it is, or would be tied to.
    pub e_product_id: Option<i64>,
    /// The same in full.
    pub item: serde_json::Value,
}

/// Writes down what a page of a preview found.
pub async fn put(db: &mut Db, (connection_id, sync_id): (ConnectionId, SyncId), rows: &[Row]) -> Result<()> {
    let products: Vec<uuid::Uuid> = rows.iter().map(|row| row.product_id.0).collect();
    let actions: Vec<String> = rows.iter().map(|row| row.action.clone()).collect();
    let web: Vec<Option<i64>> = rows.iter().map(|row| row.e_product_id).collect();
    let items: Vec<serde_json::Value> = rows.iter().map(|row| row.item.clone()).collect();
    sqlx::query!(
        "insert into sync_items (connection_id, sync_id, product_id, action, e_product_id, item)
         select $1, $2, product_id, action, e_product_id, item
         from unnest($3::uuid[], $4::text[], $5::bigint[], $6::jsonb[]) as new (product_id, action, e_product_id, item)
         on conflict (connection_id, sync_id, product_id) do update
         set action = excluded.action, e_product_id = excluded.e_product_id, item = excluded.item",
        connection_id.0,
        sync_id.0,
        &products,
        &actions,
        &web as &[Option<i64>],
        &items,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a preview found, behind this product.
pub async fn page(
    db: &mut Db,
    (connection_id, sync_id): (ConnectionId, SyncId),
    action: Option<&str>,
    behind: Option<ProductId>,
    limit: i64,
) -> Result<Vec<Row>> {
    let rows = sqlx::query!(
        "select product_id, action, e_product_id, item from sync_items
         where connection_id = $1 and sync_id = $2 and ($3::text is null or action = $3)
           and ($4::uuid is null or product_id > $4)
         order by product_id limit $5",
        connection_id.0,
        sync_id.0,
        action,
        behind.map(|product| product.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|row| Row {
        product_id: ProductId(row.product_id),
        action: row.action,
        e_product_id: row.e_product_id,
        item: row.item,
    });
    Ok(rows.collect())
}

/// Up to `limit` products that were listed on E-Series, that the shop has not, and that nothing would be tied to:
/// id there, name and SKU.
pub async fn only_online(
    db: &mut Db,
    (connection_id, sync_id): (ConnectionId, SyncId),
    behind: Option<ProductId>,
    limit: i64,
) -> Result<Vec<(ProductId, i64, String, String)>> {
    let rows = sqlx::query!(
        r#"select l.product_id, l.e_product_id as "e_product_id!", l.name, l.sku
           from links l join looks k on k.connection_id = l.connection_id and k.kind = 'e_product'
                and k.record_id = l.e_product_id
           where l.connection_id = $1 and l.r_item_id is null and l.r_matrix_id is null and l.parent_id is null
             and ($3::uuid is null or l.product_id > $3)
             and not exists (select from sync_items s where s.connection_id = $1 and s.sync_id = $2
                               and s.e_product_id = l.e_product_id)
           order by l.product_id limit $4"#,
        connection_id.0,
        sync_id.0,
        behind.map(|product| product.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (ProductId(row.product_id), row.e_product_id, row.name, row.sku)).collect())
}

//! Homes for records met in lists: every one gets a link, if only half of one, so that its notices and marks have a
//! place.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId, SharedIds};
use crate::store::{Db, Result};

/// Which half of a link a platform's id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Half {
    /// R-Series items.
    RItems,
    /// R-Series matrices.
    RMatrices,
    /// E-Series products.
    EProducts,
}

impl Half {
    fn as_str(self) -> &'static str {
        match self {
            Self::RItems => "r_item",
            Self::RMatrices => "r_matrix",
            Self::EProducts => "e_product",
        }
    }
}

/// A record met in a list: its id, and name and SKU if the list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The platform's id.
    pub id: i64,
    /// Name, for lists.
    pub name: String,
    /// SKU, for lists and matching.
    pub sku: String,
}

/// Gives every record a home: records that Concord has not heard of become half a link. Returns the product of each, in the order of `records`.
pub async fn homes(
    db: &mut Db,
    connection_id: ConnectionId,
    half: Half,
    records: &[Met],
    ids: &SharedIds,
    now: Instant,
) -> Result<Vec<ProductId>> {
    // Each record once, and in one order for everyone who locks several rows.
    let once: BTreeMap<i64, &Met> = records.iter().map(|record| (record.id, record)).collect();
    let fresh: Vec<uuid::Uuid> = once.keys().map(|_| ProductId::new(ids, now).0).collect();
    let wanted: Vec<i64> = once.keys().copied().collect();
    let names: Vec<String> = once.values().map(|record| record.name.clone()).collect();
    let skus: Vec<String> = once.values().map(|record| record.sku.clone()).collect();
    let half = half.as_str();
    sqlx::query!(
        "insert into links (connection_id, product_id, r_item_id, r_matrix_id, e_product_id, standing, name, sku,
                            created_at)
         select $1, product_id, case $7 when 'r_item' then id end, case $7 when 'r_matrix' then id end,
                case $7 when 'e_product' then id end, 'new', name, sku, $6
         from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) as new (product_id, id, name, sku)
         on conflict do nothing",
        connection_id.0,
        &fresh,
        &wanted,
        &names,
        &skus,
        now,
        half,
    )
    .execute(&mut *db)
    .await?;
    let rows = sqlx::query!(
        r#"select case $3 when 'r_item' then r_item_id when 'r_matrix' then r_matrix_id else e_product_id end as "id!",
                  product_id
           from links
           where connection_id = $1
             and ($3 = 'r_item' and r_item_id = any($2) or $3 = 'r_matrix' and r_matrix_id = any($2)
                  or $3 = 'e_product' and e_product_id = any($2) and e_combination_id is null)"#,
        connection_id.0,
        &wanted,
        half,
    )
    .fetch_all(db)
    .await?;
    let known: BTreeMap<i64, uuid::Uuid> = rows.into_iter().map(|row| (row.id, row.product_id)).collect();
    Ok(records.iter().filter_map(|record| known.get(&record.id).copied().map(ProductId)).collect())
}

/// The products of those items that Concord has heard of.
pub async fn of_items(db: &mut Db, connection_id: ConnectionId, items: &[i64]) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links where connection_id = $1 and r_item_id = any($2)",
        connection_id.0,
        items,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Those of these items (or matrices) of R-Series that are tied to a product on E-Series.
pub async fn tied(
    db: &mut Db,
    connection_id: ConnectionId,
    half: Half,
    ids: &[i64],
) -> Result<BTreeSet<i64>> {
    let rows = sqlx::query_scalar!(
        r#"select coalesce(r_item_id, r_matrix_id) as "id!" from links
           where connection_id = $1 and e_product_id is not null
             and case when $3 then r_matrix_id else r_item_id end = any($2)"#,
        connection_id.0,
        ids,
        half == Half::RMatrices,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Products that are on E-Series alone; none of their variations.
pub async fn only_online(db: &mut Db, connection_id: ConnectionId) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links
         where connection_id = $1 and parent_id is null and e_product_id is not null and r_item_id is null
           and r_matrix_id is null",
        connection_id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Products with a half that a full look which began at `began` did not list, although Concord knew of it before.
/// That is no proof that the record is gone: it has to be asked for by id. Feeds are named as in sightings.
pub async fn not_listed(
    db: &mut Db,
    connection_id: ConnectionId,
    [r_feed, m_feed, e_feed]: [&str; 3],
    began: Instant,
) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links l
         where connection_id = $1 and created_at < $4
           and (r_item_id is not null and standing <> 'gone_in_shop'
                and not exists (select 1 from sightings s
                                where s.connection_id = $1 and s.feed = $2 and s.entity_id = l.r_item_id
                                  and s.seen_at >= $4)
                or r_matrix_id is not null and standing <> 'gone_in_shop'
                and not exists (select 1 from sightings s
                                where s.connection_id = $1 and s.feed = $5 and s.entity_id = l.r_matrix_id
                                  and s.seen_at >= $4)
                or e_product_id is not null and standing <> 'gone_online'
                and not exists (select 1 from sightings s
                                where s.connection_id = $1 and s.feed = $3 and s.entity_id = l.e_product_id
                                  and s.seen_at >= $4))",
        connection_id.0,
        r_feed,
        e_feed,
        began,
        m_feed,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Notes name and SKU of products that have not been visited yet, so that lists show them and twins by SKU
/// are known. Everyone who locks rows of the dirty set as well locks those first.
pub async fn label(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
    records: &[Met],
) -> Result<()> {
    let once: BTreeMap<ProductId, &Met> = products.iter().copied().zip(records).collect();
    let ids: Vec<uuid::Uuid> = once.keys().map(|product| product.0).collect();
    let names: Vec<String> = once.values().map(|record| record.name.clone()).collect();
    let skus: Vec<String> = once.values().map(|record| record.sku.clone()).collect();
    sqlx::query!(
        "update links l set name = given.name, sku = given.sku
         from unnest($2::uuid[], $3::text[], $4::text[]) as given (product_id, name, sku)
         where l.connection_id = $1 and l.product_id = given.product_id and l.standing = 'new'
           and given.name <> '' and (l.name, l.sku) is distinct from (given.name, given.sku)",
        connection_id.0,
        &ids,
        &names,
        &skus,
    )
    .execute(db)
    .await?;
    Ok(())
}

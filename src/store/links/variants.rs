//! Products with variants: each variant is a link of its own with a parent.

use std::collections::BTreeMap;

use super::Link;
use super::Row;
use crate::clock::Instant;
use crate::decide::Shadow;
use crate::ids::{ConnectionId, ProductId, SharedIds};
use crate::store::{Db, Result, typed};

/// The product a variant belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent {
    /// Its id.
    pub product_id: ProductId,
    /// Its R-Series `itemMatrixID`.
    pub r_matrix_id: Option<i64>,
    /// Its E-Series product id.
    pub e_product_id: Option<i64>,
    /// What each side showed when last in step: the names of its options are there.
    pub shadow: Shadow,
}

/// A variant as its parent sees it: the item, if the shop has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// R-Series `itemID`.
    pub r_item_id: i64,
    /// Name, for lists.
    pub name: String,
    /// SKU, for lists and matching.
    pub sku: String,
}

/// A variation as its parent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct VariationHalf {
    /// E-Series variation (combination) id.
    pub e_combination_id: i64,
    /// SKU, for lists.
    pub sku: String,
}

/// The parents of those of these products that have one.
pub async fn parents(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeMap<ProductId, Parent>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        "select l.product_id as child_id, p.product_id, p.r_matrix_id, p.e_product_id, p.shadow
         from links l join links p on p.connection_id = l.connection_id and p.product_id = l.parent_id
         where l.connection_id = $1 and l.product_id = any($2)",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let parent = Parent {
                product_id: ProductId(row.product_id),
                r_matrix_id: row.r_matrix_id,
                e_product_id: row.e_product_id,
                shadow: typed(row.shadow, "links.shadow")?,
            };
            Ok((ProductId(row.child_id), parent))
        })
        .collect()
}

/// The variants of a product.
pub async fn of_parent(db: &mut Db, connection_id: ConnectionId, parent: ProductId) -> Result<Vec<Link>> {
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, product_id, r_item_id, r_matrix_id, e_product_id, e_combination_id, parent_id,
                standing, shadow, holds, owed_on_r, owed_shop_id, r_stock_shops, name, sku, enabled, proven_at
         from links where connection_id = $1 and parent_id = $2 order by product_id",
        connection_id.0,
        parent.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Link::try_from).collect()
}

/// Gives items of a matrix a home below it. An item that is known already, and belongs to nobody, becomes a
/// variant; one that belongs to somebody else is left to its own visit.
pub async fn adopt(
    db: &mut Db,
    connection_id: ConnectionId,
    parent: ProductId,
    variants: &[Variant],
    ids: &SharedIds,
    now: Instant,
) -> Result<()> {
    let fresh: Vec<uuid::Uuid> = variants.iter().map(|_| ProductId::new(ids, now).0).collect();
    let items: Vec<i64> = variants.iter().map(|variant| variant.r_item_id).collect();
    let names: Vec<String> = variants.iter().map(|variant| variant.name.clone()).collect();
    let skus: Vec<String> = variants.iter().map(|variant| variant.sku.clone()).collect();
    sqlx::query!(
        "insert into links as l (connection_id, product_id, r_item_id, parent_id, standing, name, sku, created_at)
         select $1, product_id, id, $7, 'new', name, sku, $6
         from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) as new (product_id, id, name, sku)
         order by id
         on conflict (connection_id, r_item_id) do update set parent_id = excluded.parent_id
             where l.parent_id is null and l.e_product_id is null",
        connection_id.0,
        &fresh,
        &items,
        &names,
        &skus,
        now,
        parent.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An item of a matrix that is still a product by itself on E-Series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone {
    /// Its id.
    pub product_id: ProductId,
    /// R-Series `itemID`.
    pub r_item_id: i64,
    /// E-Series product id.
    pub e_product_id: i64,
    /// Its matrix has called it.
    pub called: bool,
}

/// Which of these items are products by themselves on E-Series, and belong to nobody else than this parent.
pub async fn alone(
    db: &mut Db,
    connection_id: ConnectionId,
    parent: ProductId,
    items: &[i64],
) -> Result<Vec<Alone>> {
    let rows = sqlx::query!(
        r#"select product_id, r_item_id as "r_item_id!", e_product_id as "e_product_id!", parent_id is not null as "called!"
           from links
           where connection_id = $1 and r_item_id = any($2) and e_product_id is not null and e_combination_id is null
             and (parent_id is null or parent_id = $3)
           order by product_id"#,
        connection_id.0,
        items,
        parent.0,
    )
    .fetch_all(db)
    .await?;
    let alone = rows.into_iter().map(|row| Alone {
        product_id: ProductId(row.product_id),
        r_item_id: row.r_item_id,
        e_product_id: row.e_product_id,
        called: row.called,
    });
    Ok(alone.collect())
}

/// Calls these to their matrix: each leaves what it has on E-Series in its own visit. Mark them before: rows of the dirty
/// set are locked first.
pub async fn called(
    db: &mut Db,
    connection_id: ConnectionId,
    parent: ProductId,
    products: &[ProductId],
) -> Result<()> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    sqlx::query!(
        "update links set parent_id = $3
         where connection_id = $1 and product_id = any($2) and e_combination_id is null and parent_id is null",
        connection_id.0,
        &products,
        parent.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Moves an item below another product, or out of any.
pub async fn move_to(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    parent: Option<ProductId>,
) -> Result<()> {
    sqlx::query!(
        "update links set parent_id = $3 where connection_id = $1 and product_id = $2",
        connection_id.0,
        product_id.0,
        parent.map(|parent| parent.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives variations of a product a home below it.
pub async fn variations(
    db: &mut Db,
    parent: &Link,
    variations: &[VariationHalf],
    ids: &SharedIds,
    now: Instant,
) -> Result<()> {
    let Some(e_product_id) = parent.e_product_id else { return Ok(()) };
    let fresh: Vec<uuid::Uuid> = variations.iter().map(|_| ProductId::new(ids, now).0).collect();
    let combinations: Vec<i64> = variations.iter().map(|variation| variation.e_combination_id).collect();
    let skus: Vec<String> = variations.iter().map(|variation| variation.sku.clone()).collect();
    sqlx::query!(
        "insert into links (connection_id, product_id, e_product_id, e_combination_id, parent_id, standing, name,
                            sku, created_at)
         select $1, product_id, $5, id, $6, 'new', $7, sku, $8
         from unnest($2::uuid[], $3::bigint[], $4::text[]) as new (product_id, id, sku)
         order by id
         on conflict (connection_id, e_product_id, e_combination_id) where e_combination_id is not null do nothing",
        parent.connection_id.0,
        &fresh,
        &combinations,
        &skus,
        e_product_id,
        parent.product_id.0,
        parent.name,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

//! Products whose match is in doubt, and what a person says they are.

use std::collections::BTreeMap;

use super::{Db, Result, json, typed};
use crate::clock::Instant;
use crate::decide::matching::{Candidate, Doubt};
use crate::ids::{ConnectionId, ProductId};

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is this product of E-Series.
    Link(i64),
    /// It is none of them.
    Create,
}

/// Writes a doubt down, unless the product was taken over by another one meanwhile. A choice that has not settled it
/// is void.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    doubt: &Doubt,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "insert into reviews (connection_id, product_id, code, reason, candidates, found_at)
         select $1, $2, $3, $4, $5, $6
         where exists (select from links where connection_id = $1 and product_id = $2)
         on conflict (connection_id, product_id) do update
         set code = excluded.code, reason = excluded.reason, candidates = excluded.candidates,
             choice = null, chosen_e_product_id = null, chosen_at = null, settled_at = null",
        connection_id.0,
        product_id.0,
        doubt.code,
        doubt.reason,
        json(&doubt.candidates)?,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which of these products are in doubt, and what a person said of them that no visit has seen to yet.
pub async fn of(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeMap<ProductId, Option<Choice>>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        "select product_id, choice, chosen_e_product_id from reviews
         where connection_id = $1 and product_id = any($2) and settled_at is null",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    let choice = |choice: Option<String>, product: Option<i64>| match (choice.as_deref(), product) {
        (Some("link"), Some(product)) => Some(Choice::Link(product)),
        (Some("create"), _) => Some(Choice::Create),
        _ => None,
    };
    Ok(rows
        .into_iter()
        .map(|row| (ProductId(row.product_id), choice(row.choice, row.chosen_e_product_id)))
        .collect())
}

/// Writes down what a person says. False when there is no such doubt.
pub async fn choose(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    choice: &Choice,
    now: Instant,
) -> Result<bool> {
    let (word, product) = match choice {
        Choice::Link(product) => ("link", Some(*product)),
        Choice::Create => ("create", None),
    };
    let done = sqlx::query!(
        "update reviews set choice = $3, chosen_e_product_id = $4, chosen_at = $5
         where connection_id = $1 and product_id = $2",
        connection_id.0,
        product_id.0,
        word,
        product,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The doubt is settled. What a person said is kept: nobody is to be asked again whether the product is one of those
/// candidates.
pub async fn done(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "with said as (
             update reviews set settled_at = $3
             where connection_id = $1 and product_id = $2 and choice is not null and settled_at is null
         )
         delete from reviews where connection_id = $1 and product_id = $2 and choice is null",
        connection_id.0,
        product_id.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Products in doubt that may be this one of E-Series.
pub async fn about(db: &mut Db, connection_id: ConnectionId, e_product_id: i64) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from reviews
         where connection_id = $1 and choice is null and candidates @> $2",
        connection_id.0,
        serde_json::json!([{ "e_product_id": e_product_id }]),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Is this product in doubt one that E-Series has, and that is not tied to anything?
pub async fn is_online(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<bool> {
    let online = sqlx::query_scalar!(
        r#"select exists (select from links where connection_id = $1 and product_id = $2
                            and e_product_id is not null and r_item_id is null and r_matrix_id is null) as "online!""#,
        connection_id.0,
        product_id.0
    )
    .fetch_one(db)
    .await?;
    Ok(online)
}

/// A doubt that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// The product.
    pub product_id: ProductId,
    /// What it is called.
    pub name: String,
    /// Its SKU.
    pub sku: String,
    /// R-Series `itemID`, of a simple product.
    pub r_item_id: Option<i64>,
    /// R-Series `itemMatrixID`.
    pub r_matrix_id: Option<i64>,
    /// Reason for programs.
    pub code: String,
    /// Reason for the merchant.
    pub reason: String,
    /// What it may be.
    pub candidates: Vec<Candidate>,
    /// Since when.
    pub found_at: Instant,
}

/// Doubts that wait for a person.
pub async fn open(
    db: &mut Db,
    connection_id: ConnectionId,
    behind: Option<ProductId>,
    limit: i64,
) -> Result<Vec<Open>> {
    let rows = sqlx::query!(
        "select r.product_id, l.name, l.sku, l.r_item_id, l.r_matrix_id, r.code, r.reason, r.candidates, r.found_at
         from reviews r join links l using (connection_id, product_id)
         where r.connection_id = $1 and r.choice is null and ($2::uuid is null or r.product_id > $2)
         order by r.product_id limit $3",
        connection_id.0,
        behind.map(|product| product.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Open {
                product_id: ProductId(row.product_id),
                name: row.name,
                sku: row.sku,
                r_item_id: row.r_item_id,
                r_matrix_id: row.r_matrix_id,
                code: row.code,
                reason: row.reason,
                candidates: typed(row.candidates, "reviews.candidates")?,
                found_at: row.found_at,
            })
        })
        .collect()
}

/// How many doubts wait for a person.
pub async fn count(db: &mut Db, connection_id: ConnectionId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from reviews where connection_id = $1 and choice is null"#,
        connection_id.0
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

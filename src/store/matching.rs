//! Which product on E-Series an item may be: by what Concord has heard of, and by what a run has listed.

use super::{Db, Result};
use crate::clock::Instant;
use crate::decide::matching::Found;
use crate::ids::{ConnectionId, ProductId};

/// A SKU, and what carries it, as a page of E-Series showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSku {
    /// The product.
    pub e_product_id: i64,
    /// The variation; none for the product itself.
    pub e_combination_id: Option<i64>,
    /// Its SKU; may be empty.
    pub sku: String,
    /// Its `externalReferenceId`; may be empty.
    pub marker: String,
}

/// Notes the SKUs of a page.
pub async fn list(db: &mut Db, connection_id: ConnectionId, skus: &[ListedSku]) -> Result<()> {
    let once: std::collections::BTreeMap<(i64, i64), &ListedSku> = skus
        .iter()
        .map(|listed| ((listed.e_product_id, listed.e_combination_id.unwrap_or(0)), listed))
        .collect();
    let products: Vec<i64> = once.keys().map(|(product, _)| *product).collect();
    let combinations: Vec<i64> = once.keys().map(|(_, combination)| *combination).collect();
    let texts: Vec<String> = once.values().map(|listed| listed.sku.clone()).collect();
    let markers: Vec<String> = once.values().map(|listed| listed.marker.clone()).collect();
    sqlx::query!(
        "insert into listed_skus (connection_id, e_product_id, e_combination_id, sku, marker)
         select $1, product, combination, sku, marker
         from unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[]) as new (product, combination, sku, marker)
         on conflict (connection_id, e_product_id, e_combination_id) do update
         set sku = excluded.sku, marker = excluded.marker",
        connection_id.0,
        &products,
        &combinations,
        &texts,
        &markers,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What on E-Series has one of these SKUs, whatever the case of its letters: of the products that Concord has heard
/// of, and, `listed`, of what the pages of a run showed. What shows another SKU by now may be among it.
pub async fn by_skus(
    db: &mut Db,
    connection_id: ConnectionId,
    skus: &[String],
    listed: bool,
) -> Result<Vec<Found>> {
    let rows = sqlx::query!(
        r#"with wanted as (
               select distinct lower(btrim(sku)) as folded from unnest($2::text[]) as sku where btrim(sku) <> ''
           ), found as (
               select l.e_product_id, coalesce(l.e_combination_id, 0) as part, l.sku
               from links l join wanted w on lower(btrim(l.sku)) = w.folded
               where l.connection_id = $1 and l.e_product_id is not null
                 and l.r_item_id is null and l.r_matrix_id is null
               union
               select s.e_product_id, s.e_combination_id, s.sku
               from listed_skus s join wanted w on s.folded = w.folded
               where s.connection_id = $1 and $3
           )
           select f.e_product_id as "e_product_id!", f.part as "part!", f.sku as "sku!",
                  coalesce(p.name, '') as "name!",
                  case when p.r_item_id is not null or p.r_matrix_id is not null then p.product_id end as tied_to
           from found f left join links p on p.connection_id = $1 and p.e_product_id = f.e_product_id
                and p.e_combination_id is null
           order by f.e_product_id, f.part limit 200"#,
        connection_id.0,
        skus,
        listed,
    )
    .fetch_all(db)
    .await?;
    let found = rows.into_iter().map(|row| Found {
        e_product_id: row.e_product_id,
        e_combination_id: Some(row.part).filter(|part| *part != 0),
        sku: row.sku,
        name: row.name,
        tied_to: row.tied_to.map(ProductId),
    });
    Ok(found.collect())
}

/// The product that carries this marker, of those that a run has listed.
pub async fn by_marker(db: &mut Db, connection_id: ConnectionId, marker: &str) -> Result<Option<i64>> {
    let found = sqlx::query_scalar!(
        "select e_product_id from listed_skus
         where connection_id = $1 and marker = $2 and marker <> '' and e_combination_id = 0
         order by e_product_id limit 1",
        connection_id.0,
        marker,
    )
    .fetch_optional(db)
    .await?;
    Ok(found)
}

/// Products that only E-Series has and that are called exactly this.
pub async fn by_name(db: &mut Db, connection_id: ConnectionId, name: &str) -> Result<Vec<Found>> {
    let rows = sqlx::query!(
        r#"select e_product_id as "e_product_id!", sku, name from links
           where connection_id = $1 and name = $2 and name <> '' and e_product_id is not null and parent_id is null
             and r_item_id is null and r_matrix_id is null and standing <> 'gone_online'
           order by e_product_id limit 20"#,
        connection_id.0,
        name,
    )
    .fetch_all(db)
    .await?;
    let found = rows.into_iter().map(|row| Found {
        e_product_id: row.e_product_id,
        e_combination_id: None,
        sku: row.sku,
        name: row.name,
        tied_to: None,
    });
    Ok(found.collect())
}

/// Products in step that this one, which only E-Series has, may be as well: a SKU of theirs is one of its own, whatever
/// the case of its letters, or they have none and are called the same. Those of which a person has said that they are
/// others are left out.
pub async fn in_step_like(
    db: &mut Db,
    connection_id: ConnectionId,
    (product_id, e_product_id): (ProductId, i64),
    name: &str,
    skus: &[String],
) -> Result<Vec<Found>> {
    let rows = sqlx::query!(
        r#"with wanted as (
               select distinct lower(btrim(sku)) as folded from unnest($4::text[]) as sku where btrim(sku) <> ''
           ), alike as (
               select l.e_product_id, l.e_combination_id, l.sku
               from links l join wanted w on lower(btrim(l.sku)) = w.folded
               where l.connection_id = $1 and l.standing = 'linked' and l.e_product_id <> $3
               union
               select l.e_product_id, l.e_combination_id, l.sku
               from links l
               where l.connection_id = $1 and l.standing = 'linked' and l.e_product_id <> $3
                 and l.name = $5 and l.name <> '' and btrim(l.sku) = '' and l.r_item_id is not null
                 and l.parent_id is null
           )
           select a.e_product_id as "e_product_id!", a.e_combination_id, a.sku as "sku!", p.name, p.product_id
           from alike a join links p on p.connection_id = $1 and p.e_product_id = a.e_product_id
                and p.e_combination_id is null
           where not exists (select from reviews r where r.connection_id = $1 and r.settled_at is not null
                               and (r.product_id = p.product_id
                                      and r.candidates @> jsonb_build_array(jsonb_build_object('e_product_id', $3::bigint))
                                 or r.product_id = $2
                                      and r.candidates @> jsonb_build_array(jsonb_build_object('e_product_id', a.e_product_id))))
           order by a.e_product_id, a.e_combination_id limit 20"#,
        connection_id.0,
        product_id.0,
        e_product_id,
        skus,
        name,
    )
    .fetch_all(db)
    .await?;
    let found = rows.into_iter().map(|row| Found {
        e_product_id: row.e_product_id,
        e_combination_id: row.e_combination_id,
        sku: row.sku,
        name: row.name,
        tied_to: Some(ProductId(row.product_id)),
    });
    Ok(found.collect())
}

/// How many other items of the shop have a SKU that differs from this one in the case of its letters alone.
pub async fn case_twins(
    db: &mut Db,
    connection_id: ConnectionId,
    sku: &str,
    besides: ProductId,
) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from links
           where connection_id = $1 and lower(btrim(sku)) = lower(btrim($2)) and btrim(sku) <> btrim($2)
             and r_item_id is not null and product_id <> $3 and standing not in ('archived', 'gone_in_shop')"#,
        connection_id.0,
        sku,
        besides.0,
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// What is known of the whole of E-Series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// A run has listed it completely and could read all of it, and is at its visits: what it has not listed was not
    /// there, or is known since.
    Done,
    /// The first run is about to.
    UnderWay,
    /// Only what Concord has heard of.
    None,
}

/// How much of E-Series a run that began at `oldest` or later has listed.
pub async fn listing(db: &mut Db, connection_id: ConnectionId, oldest: Instant) -> Result<Listing> {
    let known = sqlx::query!(
        r#"select exists (select from syncs where connection_id = $1 and mode <> 'full_look'
                            and state in ('running', 'awaiting_approval')
                            and phase in ('mark', 'mark_missing', 'visit', 'compare', 'compare_online')
                            and started_at >= $2 and unreadable = 0) as "done!",
                  exists (select from syncs where connection_id = $1 and mode = 'apply' and state = 'running'
                            and phase in ('list_online', 'list_matrices', 'list_shop', 'list_recent'))
                  and not exists (select from syncs where connection_id = $1 and mode = 'apply' and state = 'done')
                  as "under_way!""#,
        connection_id.0,
        oldest,
    )
    .fetch_one(db)
    .await?;
    Ok(match (known.done, known.under_way) {
        (true, _) => Listing::Done,
        (false, true) => Listing::UnderWay,
        (false, false) => Listing::None,
    })
}

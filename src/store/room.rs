//! How much of the plans is used, and who waits for room.

use super::{Db, Result};
use crate::catalog::{PLAN_FEATURE, PLAN_LIMIT, Use};
use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId};

/// What is online, creations under way included, `besides` one product; with a lock, nobody else gets an answer for
/// this connection until the transaction ends, so that a limit holds among several workers. Who locks the product's
/// row of the dirty set as well locks that first.
///
/// A variant whose product is online counts before its variation is there, unless it is parked: its place is taken.
pub async fn used(
    db: &mut Db,
    connection_id: ConnectionId,
    besides: Option<ProductId>,
    lock: bool,
) -> Result<Use> {
    if lock {
        // Not for update: every row that refers to the connection holds it shared.
        sqlx::query!(
            "select connection_id from connections where connection_id = $1 for no key update",
            connection_id.0
        )
        .fetch_optional(&mut *db)
        .await?;
    }
    let row = sqlx::query!(
        r#"with creating as (
               select product_id, count(*) from ledger
               where connection_id = $1 and kind = 'create' and result is null and product_id is not null
               group by product_id
           ), shown as (
               select l.product_id, l.e_product_id, l.r_matrix_id is null as leaf,
                      l.e_product_id is not null and l.standing <> 'gone_online' as online,
                      l.e_product_id is null and l.parent_id is null
                          and exists (select from creating c where c.product_id = l.product_id) as coming,
                      l.e_product_id is null and l.r_item_id is not null
                          and l.standing not in ('archived', 'gone_in_shop', 'gone_online')
                          and p.e_product_id is not null and p.standing <> 'gone_online'
                          and not exists (select from dirty d where d.connection_id = l.connection_id
                                            and d.product_id = l.product_id and d.parked_at is not null) as promised,
                      (select count(*) from links c
                       where c.connection_id = l.connection_id and c.parent_id = l.product_id
                         and c.r_item_id is not null and c.standing not in ('archived', 'gone_in_shop')) as variants,
                      exists (select from links c where c.connection_id = l.connection_id
                                and c.parent_id = l.product_id) as has_variants
               from links l left join links p on p.connection_id = l.connection_id and p.product_id = l.parent_id
               where l.connection_id = $1 and l.product_id is distinct from $2
           )
           select coalesce(sum(case when coming then greatest(1, variants)
                                    when (online or promised) and leaf and not has_variants then 1
                                    else 0 end), 0)::bigint as "pieces!",
                  (count(distinct e_product_id) filter (where online)
                   + count(*) filter (where coming))::bigint as "products!"
           from shown"#,
        connection_id.0,
        besides.map(|product| product.0),
    )
    .fetch_one(db)
    .await?;
    Ok(Use { pieces: row.pieces, products: row.products })
}

/// Who waits for room, longest waiting first, and how much each needs. What is online already needs none: it waits
/// for an update that the store refuses while its plan is exceeded.
pub async fn waiting(db: &mut Db, connection_id: ConnectionId) -> Result<Vec<(ProductId, Use)>> {
    let rows = sqlx::query!(
        r#"select d.product_id, l.e_product_id is not null as "online!", l.parent_id is not null as "variant!",
                  (select count(*) from links c
                   where c.connection_id = l.connection_id and c.parent_id = l.product_id and c.r_item_id is not null
                     and c.standing not in ('archived', 'gone_in_shop')) as "variants!"
           from dirty d join links l using (connection_id, product_id)
           where d.connection_id = $1 and d.park_code = $2
           order by d.parked_at, d.product_id"#,
        connection_id.0,
        PLAN_LIMIT,
    )
    .fetch_all(db)
    .await?;
    let need = |online: bool, variant: bool, variants: i64| match (online, variant) {
        (true, _) => Use::default(),
        (false, true) => Use { pieces: 1, products: 0 },
        (false, false) => Use { pieces: variants.max(1), products: 1 },
    };
    let row =
        rows.into_iter().map(|row| (ProductId(row.product_id), need(row.online, row.variant, row.variants)));
    Ok(row.collect())
}

/// Who waits for a plan that has variations.
pub async fn waiting_for_variations(db: &mut Db, connection_id: ConnectionId) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from dirty where connection_id = $1 and park_code = $2 order by product_id",
        connection_id.0,
        PLAN_FEATURE,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// The store refused a variation for its plan: it has none, until its profile says otherwise.
pub async fn without_variations(db: &mut Db, connection_id: ConnectionId) -> Result<()> {
    sqlx::query!("update connections set e_variations = false where connection_id = $1", connection_id.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Does this product wait for room, or for a plan that has variations?
pub async fn waits(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from dirty where connection_id = $1 and product_id = $2
                                    and park_code in ($3, $4)) as "found!""#,
        connection_id.0,
        product_id.0,
        PLAN_LIMIT,
        PLAN_FEATURE,
    )
    .fetch_one(db)
    .await?;
    Ok(found)
}

/// The store said that it takes no more, with this many products online. None: it is to be asked again.
pub async fn full_at(db: &mut Db, connection_id: ConnectionId, products: Option<i64>) -> Result<()> {
    sqlx::query!(
        "update connections set e_full_at = $2 where connection_id = $1",
        connection_id.0,
        products,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What the store tells of its plan, and the decimals of its currency. A store that was full before is asked again when
/// it tells another limit, and what it does not tell is put to the test again.
pub async fn limit_read(
    db: &mut Db,
    connection_id: ConnectionId,
    (limit, price_decimals, variations): (Option<i64>, Option<i16>, Option<bool>),
    ask_again: bool,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "update connections set e_product_limit = $2, e_limit_read_at = $3,
             e_price_decimals = coalesce($5, e_price_decimals),
             e_variations = coalesce($6, case when $4 then null else e_variations end),
             e_full_at = case when $4 or e_product_limit is distinct from $2 then null else e_full_at end
         where connection_id = $1",
        connection_id.0,
        limit,
        now,
        ask_again,
        price_decimals,
        variations,
    )
    .execute(db)
    .await?;
    Ok(())
}

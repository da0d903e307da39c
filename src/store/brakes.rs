//! What the brakes go by: the ledger's tale of each field, and what the sweep took away or wants to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Db, Result, links};
use crate::catalog::{Field, Value};
use crate::clock::{Instant, before};
use crate::decide::brake::{ALTERNATES, Act, CAP_WINDOW, History, SWING_WINDOW, Standing, Tally};
use crate::ids::{ConnectionId, ProductId};

/// The word in the detail of a ledger entry with which an operator released a hold.
pub const RELEASE: &str = "release";

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Passed => "passed",
        Standing::Held => "held",
        Standing::Released => "released",
    }
}

/// Landed writes of a product within the last [`SWING_WINDOW`], and releases, by field. What an operator ordered swings
/// nothing.
pub async fn histories(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    now: Instant,
) -> Result<BTreeMap<Field, History>> {
    let since = before(now, SWING_WINDOW);
    let lowest = super::ledger::floor(since);
    let rows = sqlx::query!(
        r#"select kind, at, field as "field!", before, after, detail from ledger
           where connection_id = $1 and product_id = $2 and entry_id >= $3 and at >= $4 and field is not null
             and (kind in ('write', 'stock') and result = 'landed' and origin <> 'operator'
                  or kind = 'operator' and detail->>'act' = $5)
           order by entry_id"#,
        connection_id.0,
        product_id.0,
        lowest,
        since,
        RELEASE,
    )
    .fetch_all(db)
    .await?;
    let mut histories = BTreeMap::<Field, History>::new();
    for row in rows {
        let Some(field) = Field::parse(&row.field) else { continue };
        let history = histories.entry(field).or_default();
        let value = |json: Option<serde_json::Value>| Value::from_json(field, &json?).ok();
        match row.kind.as_str() {
            "operator" => history.released_at = history.released_at.max(Some(row.at)),
            "stock" => {
                let delta = row.detail.as_ref().and_then(|detail| detail.get("delta")?.as_i64());
                history.stock.extend(delta.filter(|delta| *delta != 0).map(|delta| (row.at, delta)));
            }
            _ => {
                let values = value(row.before).zip(value(row.after));
                history.writes.extend(values.map(|(before, after)| (row.at, before, after)));
            }
        }
    }
    Ok(histories)
}

/// Fields of these products that an operator has released since they were frozen. The ledger decides, and not
/// the link: a visit that was under way at the release writes the link as it knew it.
pub async fn released_fields(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<Vec<(ProductId, Field)>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        r#"select product_id as "product_id!", field as "field!" from ledger
           where connection_id = $1 and product_id = any($2) and field is not null
             and (kind = 'hold' and detail->>'code' = $3 or kind = 'operator' and detail->>'act' = $4)
           group by product_id, field
           having max(at) filter (where kind = 'operator') >= max(at) filter (where kind = 'hold')"#,
        connection_id.0,
        &products,
        ALTERNATES,
        RELEASE,
    )
    .fetch_all(db)
    .await?;
    let field = |row: &str| Field::parse(row);
    Ok(rows.iter().filter_map(|row| Some((ProductId(row.product_id), field(&row.field)?))).collect())
}

/// Which of these products are held by the brake, or were let through and have not come to their end.
pub async fn concerned(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeSet<ProductId>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query_scalar!(
        "select distinct product_id from brakes
         where connection_id = $1 and product_id = any($2) and state <> 'passed'",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Is this product held by the brake, or was it let through, because of this act?
pub async fn concerns(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    act: Act,
) -> Result<bool> {
    let concerns = sqlx::query_scalar!(
        r#"select exists (select from brakes where connection_id = $1 and product_id = $2 and act = $3
                            and state <> 'passed') as "concerns!""#,
        connection_id.0,
        product_id.0,
        act.as_str(),
    )
    .fetch_one(db)
    .await?;
    Ok(concerns)
}

/// How a product and all others of its connection stand, and how many products are linked. Until the transaction
/// ends nobody else gets an answer for this connection, so that a cap holds among several workers. Who locks the
/// product's row of the dirty set as well locks that first.
pub async fn weigh(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    act: Act,
    now: Instant,
) -> Result<(Option<Standing>, Tally, i64)> {
    // Not for update: every row that refers to the connection holds it shared.
    sqlx::query!(
        "select connection_id from connections where connection_id = $1 for no key update",
        connection_id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    let row = sqlx::query!(
        r#"select max(state) filter (where product_id = $2) as own,
                  count(*) filter (where product_id <> $2 and state = 'passed' and at > $4) as "passed!",
                  count(*) filter (where product_id <> $2 and state = 'held') as "held!"
           from brakes where connection_id = $1 and act = $3"#,
        connection_id.0,
        product_id.0,
        act.as_str(),
        before(now, CAP_WINDOW),
    )
    .fetch_one(&mut *db)
    .await?;
    let all = [Standing::Passed, Standing::Held, Standing::Released];
    let own = all.into_iter().find(|standing| Some(standing_word(*standing)) == row.own.as_deref());
    let linked = links::count_linked(db, connection_id).await?;
    Ok((own, Tally { passed: row.passed, held: row.held }, linked))
}

/// Writes down how a product stands from now on. What has passed longer than [`CAP_WINDOW`] ago is forgotten.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    act: Act,
    standing: Standing,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "delete from brakes where connection_id = $1 and act = $2 and state = 'passed' and at <= $3",
        connection_id.0,
        act.as_str(),
        before(now, CAP_WINDOW),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "insert into brakes as b (connection_id, product_id, act, state, at) values ($1, $2, $3, $4, $5)
         on conflict (connection_id, product_id, act) do update set state = excluded.state,
             at = case when b.state = excluded.state then b.at else excluded.at end",
        connection_id.0,
        product_id.0,
        act.as_str(),
        standing_word(standing),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The product has come to its end: it no longer waits for the brake, and a release is used up.
pub async fn done(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<()> {
    sqlx::query!(
        "delete from brakes where connection_id = $1 and product_id = $2 and state <> 'passed'",
        connection_id.0,
        product_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Products that the brake holds.
pub async fn held(db: &mut Db, connection_id: ConnectionId) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select distinct product_id from brakes where connection_id = $1 and state = 'held'",
        connection_id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Lets these products through, once each. Mark them first: rows of the dirty set are locked before any other.
/// Returns how many were held.
pub async fn release(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
    now: Instant,
) -> Result<i64> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let released = sqlx::query_scalar!(
        "update brakes set state = 'released', at = $3
         where connection_id = $1 and product_id = any($2) and state = 'held' returning product_id",
        connection_id.0,
        &products,
        now,
    )
    .fetch_all(db)
    .await?;
    let once: BTreeSet<uuid::Uuid> = released.into_iter().collect();
    Ok(i64::try_from(once.len()).unwrap_or(i64::MAX))
}

/// What the brake of a connection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct On {
    /// Of which kind the first was.
    pub act: Act,
    /// Since when.
    pub since: Instant,
    /// How many products wait.
    pub held: i64,
}

/// Is the brake of a connection on?
pub async fn on(db: &mut Db, connection_id: ConnectionId) -> Result<Option<On>> {
    let row = sqlx::query!(
        r#"select min(at) as since, count(distinct product_id) as "held!",
                  (array_agg(act order by at, act))[1] as act
           from brakes where connection_id = $1 and state = 'held'"#,
        connection_id.0,
    )
    .fetch_one(db)
    .await?;
    let act = [Act::Removal, Act::Zero].into_iter().find(|act| Some(act.as_str()) == row.act.as_deref());
    Ok(act.zip(row.since).map(|(act, since)| On { act, since, held: row.held }))
}

//! What the ledger says of whole records: created, removed, and what is kept of them.

use super::Row;
use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId};
use crate::ledger::Entry;
use crate::store::{Db, Result};

/// The newest creation of a product that landed, unless there is something later about the E-Series half of `part`,
/// a variant of it: created by itself, tied or removed.
pub async fn creation_before(
    db: &mut Db,
    connection_id: ConnectionId,
    whole: ProductId,
    part: ProductId,
) -> Result<Option<Entry>> {
    let row = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after, source,
                cause, detail, result, closed_at, undone_by
         from ledger w
         where connection_id = $1 and product_id = $2 and kind = 'create' and side = 'e_series'
           and result = 'landed'
           and not exists (select 1 from ledger p
                           where p.connection_id = w.connection_id and p.product_id = $3
                             and p.kind in ('create', 'link', 'remove') and p.entry_id > w.entry_id)
         order by entry_id desc limit 1",
        connection_id.0,
        whole.0,
        part.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Entry::try_from).transpose()
}

/// What is kept of a record that went from E-Series.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The record.
    pub record: serde_json::Value,
    /// How often the store has refused to have it back as it was.
    pub refused: i64,
}

/// What a product had on E-Series when it went from there, unless it was created or tied again since.
pub async fn kept(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<Option<Kept>> {
    let row = sqlx::query!(
        r#"select e.kind, e.before,
                  (select count(*) from ledger c
                   where c.connection_id = $1 and c.product_id = $2 and c.kind = 'create' and c.result = 'refused'
                     and c.entry_id > e.entry_id and c.detail->>'not_restored' is not null) as "refused!"
           from ledger e
           where e.connection_id = $1 and e.product_id = $2 and e.kind in ('remove', 'create', 'link')
             and e.result = 'landed' and e.side = 'e_series'
           order by e.entry_id desc limit 1"#,
        connection_id.0,
        product_id.0,
    )
    .fetch_optional(db)
    .await?;
    let row = row.filter(|row| row.kind == "remove");
    Ok(row.and_then(|row| row.before.map(|record| Kept { record, refused: row.refused })))
}

/// Was each of these items on offer on E-Series when it went from there, and has it not been there since?
pub async fn were_on_offer(db: &mut Db, connection_id: ConnectionId, items: &[i64]) -> Result<bool> {
    let all = sqlx::query_scalar!(
        r#"select coalesce(bool_and(coalesce(last.kind = 'remove' and last.before->>'enabled' = 'true', false)), false)
                  as "all!"
           from unnest($2::bigint[]) as given (r_item_id)
             left join links l on l.connection_id = $1 and l.r_item_id = given.r_item_id
             left join lateral (
               select e.kind, e.before from ledger e
               where e.connection_id = $1 and e.product_id = l.product_id and e.kind in ('remove', 'create', 'link')
                 and e.result = 'landed' and e.side = 'e_series'
               order by e.entry_id desc limit 1
             ) last on true"#,
        connection_id.0,
        items,
    )
    .fetch_one(db)
    .await?;
    Ok(all)
}

/// What a product had on E-Series when it went from there last, whatever came since.
pub async fn kept_last(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
) -> Result<Option<serde_json::Value>> {
    let before = sqlx::query_scalar!(
        "select before from ledger
         where connection_id = $1 and product_id = $2 and kind = 'remove' and result = 'landed'
         order by entry_id desc limit 1",
        connection_id.0,
        product_id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(before.flatten())
}

/// How often a product has been created on E-Series since then.
pub async fn creations_since(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    since: Instant,
) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from ledger
           where connection_id = $1 and product_id = $2 and kind = 'create' and side = 'e_series'
             and result = 'landed' and at > $3"#,
        connection_id.0,
        product_id.0,
        since,
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// Creations on R-Series whose outcome is not known yet.
pub async fn open_births(db: &mut Db, connection_id: ConnectionId) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after, source,
                cause, detail, result, closed_at, undone_by
         from ledger where connection_id = $1 and kind = 'create' and side = 'r_series' and result is null",
        connection_id.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The newest creation of a product on R-Series that landed.
pub async fn birth(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<Option<Entry>> {
    let row = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after, source,
                cause, detail, result, closed_at, undone_by
         from ledger
         where connection_id = $1 and product_id = $2 and kind = 'create' and side = 'r_series' and result = 'landed'
         order by entry_id desc limit 1",
        connection_id.0,
        product_id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Entry::try_from).transpose()
}

/// Hands the open writes of one product to another one that takes its place. True when there were any.
pub async fn hand_over(
    db: &mut Db,
    connection_id: ConnectionId,
    from: ProductId,
    heir: ProductId,
) -> Result<bool> {
    let done = sqlx::query!(
        "update ledger set product_id = $3 where connection_id = $1 and product_id = $2 and result is null",
        connection_id.0,
        from.0,
        heir.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

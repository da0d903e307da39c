//! What has to be forgotten after a database was restored from a backup: it knows nothing of what was carried since.

use super::{Db, Result};
use crate::clock::Instant;

/// How much was forgotten and marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Writes whose outcome was open when the backup was made.
    pub open_writes: u64,
    /// Products that were marked for a visit.
    pub products: u64,
}

/// Forgets how stock stood when both sides were last in step, closes open writes, and has every product visited.
///
/// Stock is carried as differences from that count. After a restore, a sale that was carried since the backup would
/// show as a difference on both sides, and would be subtracted twice. Without the count the shop's count is the opening
/// stock. All other fields are compared as values, and need nothing of this.
pub async fn restored(db: &mut Db, now: Instant) -> Result<Restored> {
    // Rows of the dirty set before rows of links, in the order of their ids, as everywhere.
    let marked = sqlx::query!(
        "insert into dirty as d (connection_id, product_id, due_at, marked_at)
         select connection_id, product_id, $1, $1 from links order by connection_id, product_id
         on conflict (connection_id, product_id) do update set
             generation = d.generation + 1, due_at = excluded.due_at, attempts = 0,
             lease_token = null, leased_until = null, parked_at = null, park_code = null, park_reason = null,
             vouched = false, fall_seen_at = null",
        now
    );
    let products = marked.execute(&mut *db).await?.rows_affected();
    let forgotten = sqlx::query!(
        "update links set shadow = shadow #- '{r_series,stock}' #- '{e_series,stock}', owed_on_r = 0
         where shadow #> '{r_series,stock}' is not null or shadow #> '{e_series,stock}' is not null or owed_on_r <> 0"
    );
    forgotten.execute(&mut *db).await?;
    sqlx::query!("delete from stock_marks").execute(&mut *db).await?;
    let closed =
        sqlx::query!("update ledger set result = 'superseded', closed_at = $1 where result is null", now);
    let open_writes = closed.execute(&mut *db).await?.rows_affected();
    Ok(Restored { open_writes, products })
}

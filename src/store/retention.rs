//! How long the ledger and the inbox are kept: the ledger in one partition a month, so that old months go at once.

use super::{Db, Result};
use crate::clock::Instant;

/// Makes the partition of the month of this time, if it is not there. Waits for nobody: fails with
/// [`super::StoreError::is_busy`] when somebody is at work in the ledger.
pub async fn partition(db: &mut Db, month: Instant) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select ledger_partition($1) as "made!""#, month).fetch_one(db).await?)
}

/// Drops the months that ended before the month of this time, and decided conflicts that are older. What is still
/// needed stays: open writes, the newest explanation of every field and half of a product that is still known, and what
/// orders point to that are not seen to yet. Returns how many months went. Waits for nobody, as [`partition`].
pub async fn retire(db: &mut Db, before: Instant) -> Result<i32> {
    Ok(sqlx::query_scalar!(r#"select ledger_retire($1) as "gone!""#, before).fetch_one(db).await?)
}

/// Forgets up to `most` notices that came before this time and that nobody waits for, and as many strays. Returns how
/// many went.
pub async fn forget_notices(db: &mut Db, before: Instant, most: i64) -> Result<u64> {
    let notices = sqlx::query!(
        "delete from inbox where (connection_id, side, event_id) in (
             select connection_id, side, event_id from inbox
             where received_at < $1 and (handled_at is not null or product_id is null)
             order by received_at limit $2 for update skip locked)",
        before,
        most,
    )
    .execute(&mut *db)
    .await?;
    let strays = sqlx::query!(
        "delete from strays where (side, event_id) in (
             select side, event_id from strays where received_at < $1 order by received_at limit $2
             for update skip locked)",
        before,
        most,
    )
    .execute(db)
    .await?;
    Ok(notices.rows_affected() + strays.rows_affected())
}

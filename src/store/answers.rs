//! Answers to requests that carried an `Idempotency-Key`.

use uuid::Uuid;

use super::{Db, Result};
use crate::clock::Instant;

/// Most rows that one new request clears away.
const CLEARED_AT_ONCE: i64 = 50;

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Hash of method, address and body.
    pub fingerprint: Vec<u8>,
    /// When it came in.
    pub began_at: Instant,
    /// Status of the answer; none while it is under way.
    pub status: Option<i32>,
    /// Content type of the answer.
    pub media_type: Option<String>,
    /// Body of the answer, sealed.
    pub sealed: Option<Vec<u8>>,
}

/// Begins a request. None when it is the caller's; else what is known of the one that came before.
///
/// One that began before `gone` is forgotten, and one that began before `dead` and has no answer is given up.
pub async fn begin(
    db: &mut Db,
    (caller, idem_key): (&str, &str),
    fingerprint: &[u8],
    attempt: Uuid,
    (now, dead, gone): (Instant, Instant, Instant),
) -> Result<Option<Row>> {
    let begun = sqlx::query!(
        "insert into answers (caller, idem_key, fingerprint, attempt, began_at) values ($1, $2, $3, $4, $5)
         on conflict (caller, idem_key) do update
         set fingerprint = excluded.fingerprint, attempt = excluded.attempt, began_at = excluded.began_at,
             status = null, media_type = null, sealed = null, key_id = null
         where answers.began_at < $7
            or (answers.status is null and answers.began_at < $6 and answers.fingerprint = excluded.fingerprint)",
        caller,
        idem_key,
        fingerprint,
        attempt,
        now,
        dead,
        gone,
    )
    .execute(&mut *db)
    .await?;
    if begun.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query_as!(
        Row,
        "select fingerprint, began_at, status, media_type, sealed from answers where caller = $1 and idem_key = $2",
        caller,
        idem_key,
    )
    .fetch_one(db)
    .await?;
    Ok(Some(row))
}

/// Forgets some of the requests that began before `gone`.
pub async fn clear(db: &mut Db, gone: Instant) -> Result<()> {
    sqlx::query!(
        "delete from answers where (caller, idem_key) in (
             select caller, idem_key from answers where began_at < $1 order by began_at limit $2
             for update skip locked)",
        gone,
        CLEARED_AT_ONCE,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The answer to a request, unless somebody else has begun it anew.
pub async fn put(
    db: &mut Db,
    attempt: Uuid,
    (caller, idem_key): (&str, &str),
    (status, media_type): (u16, Option<&str>),
    (sealed, key_id): (&[u8], &str),
) -> Result<()> {
    sqlx::query!(
        "update answers set status = $4, media_type = $5, sealed = $6, key_id = $7
         where caller = $1 and idem_key = $2 and attempt = $3",
        caller,
        idem_key,
        attempt,
        i32::from(status),
        media_type,
        sealed,
        key_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The request came to nothing: it may be made again under the same key.
pub async fn forget(db: &mut Db, attempt: Uuid, (caller, idem_key): (&str, &str)) -> Result<()> {
    sqlx::query!(
        "delete from answers where caller = $1 and idem_key = $2 and attempt = $3",
        caller,
        idem_key,
        attempt,
    )
    .execute(db)
    .await?;
    Ok(())
}

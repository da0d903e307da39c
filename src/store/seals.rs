//! Everything that is sealed under a master key, to be sealed under another.

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::ConnectionId;

/// A sealed secret of a connection.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Whose.
    pub connection_id: ConnectionId,
    /// What it is.
    pub kind: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
    /// Which key seals it.
    pub key_id: String,
}

/// All secrets, kept from everybody who would replace one until the transaction ends.
pub async fn lock_all(db: &mut Db) -> Result<Vec<Secret>> {
    let rows = sqlx::query!(
        "select connection_id, kind, sealed, key_id from secrets order by connection_id, kind for update"
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Secret {
            connection_id: ConnectionId(row.connection_id),
            kind: row.kind,
            sealed: row.sealed,
            key_id: row.key_id,
        })
        .collect())
}

/// How many secrets are sealed under each key.
pub async fn by_key(db: &mut Db) -> Result<Vec<(String, i64)>> {
    let rows =
        sqlx::query!(r#"select key_id, count(*) as "count!" from secrets group by key_id order by key_id"#)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|row| (row.key_id, row.count)).collect())
}

/// Replaces a secret's seal.
pub async fn replace(db: &mut Db, secret: &Secret, now: Instant) -> Result<()> {
    super::connections::put_secret(
        db,
        secret.connection_id,
        &secret.kind,
        &secret.sealed,
        &secret.key_id,
        now,
    )
    .await
}

/// A kept answer of the interface that is sealed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who asked.
    pub caller: String,
    /// Under which `Idempotency-Key`.
    pub idem_key: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
    /// Which key seals it.
    pub key_id: String,
}

/// All kept answers, kept from everybody else until the transaction ends.
pub async fn lock_answers(db: &mut Db) -> Result<Vec<Answer>> {
    let rows = sqlx::query!(
        r#"select caller, idem_key, sealed as "sealed!", key_id as "key_id!" from answers
           where sealed is not null and key_id is not null order by caller, idem_key for update"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Answer {
            caller: row.caller,
            idem_key: row.idem_key,
            sealed: row.sealed,
            key_id: row.key_id,
        })
        .collect())
}

/// Replaces a kept answer's seal.
pub async fn replace_answer(db: &mut Db, answer: &Answer) -> Result<()> {
    sqlx::query!(
        "update answers set sealed = $3, key_id = $4 where caller = $1 and idem_key = $2",
        answer.caller,
        answer.idem_key,
        answer.sealed,
        answer.key_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

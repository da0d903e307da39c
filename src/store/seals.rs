//! Everything that is sealed under a master key, to be sealed under another.

use super::{Db, Result};
use crate::catalog::Side;
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

/// What a merchant has granted, or the secret that the answer is wanted with.
#[derive(Debug, Clone)]
pub struct Granted {
    /// For which connection, or the grant's own id.
    pub connection_id: ConnectionId,
    /// Which platform.
    pub side: Side,
    /// Sealed PKCE verifier.
    pub verifier: Option<Vec<u8>>,
    /// Sealed access token.
    pub access: Option<Vec<u8>>,
    /// Sealed refresh token.
    pub refresh: Option<Vec<u8>>,
}

/// All grants that hold secrets, kept from everybody who would use one until the transaction ends.
pub async fn lock_grants(db: &mut Db) -> Result<Vec<Granted>> {
    let rows = sqlx::query!(
        "select connection_id, side, verifier, access, refresh from grants
         where verifier is not null or access is not null or refresh is not null
         order by connection_id, side for update"
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Granted {
                connection_id: ConnectionId(row.connection_id),
                side: super::word(Side::parse(&row.side), "grants.side", &row.side)?,
                verifier: row.verifier,
                access: row.access,
                refresh: row.refresh,
            })
        })
        .collect()
}

/// Replaces the seals of a grant.
pub async fn replace_grant(db: &mut Db, grant: &Granted) -> Result<()> {
    sqlx::query!(
        "update grants set verifier = $3, access = $4, refresh = $5 where connection_id = $1 and side = $2",
        grant.connection_id.0,
        grant.side.as_str(),
        grant.verifier,
        grant.access,
        grant.refresh,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes nothing of a grant, and says why.
pub async fn void_grant(db: &mut Db, connection_id: ConnectionId, side: Side, reason: &str) -> Result<()> {
    sqlx::query!(
        "update grants set outcome = 'failed', reason = $3, state_hash = null, verifier = null, access = null,
                           refresh = null
         where connection_id = $1 and side = $2",
        connection_id.0,
        side.as_str(),
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}

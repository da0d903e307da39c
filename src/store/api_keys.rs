//! Keys of the REST interface.

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::KeyId;

/// A key, without itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Id.
    pub key_id: KeyId,
    /// What the operator calls it.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: Vec<u8>,
    /// `read`, `operate`, `admin`.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Instant,
    /// Who made it.
    pub created_by: String,
    /// From then on it is refused.
    pub expires_at: Option<Instant>,
    /// When it was last used, to some minutes.
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

struct Raw {
    key_id: uuid::Uuid,
    name: String,
    hash: Vec<u8>,
    scopes: Vec<String>,
    created_at: Instant,
    created_by: String,
    expires_at: Option<Instant>,
    last_used_at: Option<Instant>,
    revoked_at: Option<Instant>,
}

impl From<Raw> for Row {
    fn from(raw: Raw) -> Self {
        Self {
            key_id: KeyId(raw.key_id),
            name: raw.name,
            hash: raw.hash,
            scopes: raw.scopes,
            created_at: raw.created_at,
            created_by: raw.created_by,
            expires_at: raw.expires_at,
            last_used_at: raw.last_used_at,
            revoked_at: raw.revoked_at,
        }
    }
}

/// Writes a new key down.
pub async fn insert(db: &mut Db, row: &Row) -> Result<()> {
    sqlx::query!(
        "insert into api_keys (key_id, name, hash, scopes, created_at, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        row.key_id.0,
        row.name,
        row.hash,
        &row.scopes,
        row.created_at,
        row.created_by,
        row.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One key.
pub async fn get(db: &mut Db, key_id: KeyId) -> Result<Option<Row>> {
    let raw = sqlx::query_as!(
        Raw,
        "select key_id, name, hash, scopes, created_at, created_by, expires_at, last_used_at, revoked_at
         from api_keys where key_id = $1",
        key_id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(raw.map(Row::from))
}

/// Lists keys, newest first, those that were revoked too.
pub async fn list(db: &mut Db, before: Option<KeyId>, limit: i64) -> Result<Vec<Row>> {
    let rows = sqlx::query_as!(
        Raw,
        "select key_id, name, hash, scopes, created_at, created_by, expires_at, last_used_at, revoked_at
         from api_keys where $1::uuid is null or key_id < $1 order by key_id desc limit $2",
        before.map(|key| key.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// Revokes a key. False when there is none that could be.
pub async fn revoke(db: &mut Db, key_id: KeyId, now: Instant) -> Result<bool> {
    let done = sqlx::query!(
        "update api_keys set revoked_at = $2 where key_id = $1 and revoked_at is null",
        key_id.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A key was used, unless that stands there already since `known_since`.
pub async fn used(db: &mut Db, key_id: KeyId, now: Instant, known_since: Instant) -> Result<()> {
    sqlx::query!(
        "update api_keys set last_used_at = $2
         where key_id = $1 and (last_used_at is null or last_used_at < $3)",
        key_id.0,
        now,
        known_since,
    )
    .execute(db)
    .await?;
    Ok(())
}

//! Who did what through the REST interface.

use uuid::Uuid;

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::{AuditId, ConnectionId};

/// An act.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Id.
    pub audit_id: AuditId,
    /// When it was asked for.
    pub at: Instant,
    /// The id of a key, `admin`, or `merchant`.
    pub actor: String,
    /// The name of that key.
    pub actor_name: String,
    /// Where it was asked from.
    pub address: Option<String>,
    /// `X-Request-Id`.
    pub request_id: String,
    /// The operation.
    pub act: String,
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// The connection it was about.
    pub connection_id: Option<ConnectionId>,
    /// More about what was done.
    pub detail: Option<serde_json::Value>,
    /// HTTP status of the answer; none when it never became known.
    pub status: Option<u16>,
}

/// Writes down that something is about to be done.
pub async fn insert(db: &mut Db, act: &Act) -> Result<()> {
    sqlx::query!(
        "insert into audit (audit_id, at, actor, actor_name, address, request_id, act, method, path,
                            connection_id, detail, status)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, null)",
        act.audit_id.0,
        act.at,
        act.actor,
        act.actor_name,
        act.address,
        act.request_id,
        act.act,
        act.method,
        act.path,
        act.connection_id.map(|connection| connection.0),
        act.detail,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What came of it.
pub async fn close(
    db: &mut Db,
    audit_id: AuditId,
    status: u16,
    connection_id: Option<ConnectionId>,
    detail: Option<&serde_json::Value>,
) -> Result<()> {
    sqlx::query!(
        "update audit set status = $2, connection_id = coalesce($3, connection_id), detail = coalesce($4, detail)
         where audit_id = $1",
        audit_id.0,
        i32::from(status),
        connection_id.map(|connection| connection.0),
        detail,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lists acts, newest first.
pub async fn list(
    db: &mut Db,
    connection_id: Option<ConnectionId>,
    actor: Option<&str>,
    before: Option<AuditId>,
    limit: i64,
) -> Result<Vec<Act>> {
    let rows = sqlx::query!(
        "select audit_id, at, actor, actor_name, address, request_id, act, method, path, connection_id, detail,
                status
         from audit
         where ($1::uuid is null or connection_id = $1) and ($2::text is null or actor = $2)
           and ($3::uuid is null or audit_id < $3)
         order by audit_id desc limit $4",
        connection_id.map(|connection| connection.0),
        actor,
        before.map(|act| act.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    let connection = |id: Option<Uuid>| id.map(ConnectionId);
    Ok(rows
        .into_iter()
        .map(|row| Act {
            audit_id: AuditId(row.audit_id),
            at: row.at,
            actor: row.actor,
            actor_name: row.actor_name,
            address: row.address,
            request_id: row.request_id,
            act: row.act,
            method: row.method,
            path: row.path,
            connection_id: connection(row.connection_id),
            detail: row.detail,
            status: row.status.and_then(|status| u16::try_from(status).ok()),
        })
        .collect())
}

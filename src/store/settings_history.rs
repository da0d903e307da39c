//! How a connection's name, plan and settings came to be what they are.

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::ConnectionId;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it led to.
    pub generation: i64,
    /// When.
    pub at: Instant,
    /// Name of the key that changed it.
    pub changed_by: String,
    /// Name, plan and settings before.
    pub before: serde_json::Value,
    /// The same afterwards.
    pub after: serde_json::Value,
}

/// The present generation; locks it until the transaction ends if it is to be changed.
pub async fn generation(db: &mut Db, connection_id: ConnectionId, lock: bool) -> Result<Option<i64>> {
    let generation = if lock {
        sqlx::query_scalar!(
            "select generation from connections where connection_id = $1 for no key update",
            connection_id.0
        )
        .fetch_optional(db)
        .await?
    } else {
        sqlx::query_scalar!("select generation from connections where connection_id = $1", connection_id.0)
            .fetch_optional(db)
            .await?
    };
    Ok(generation)
}

/// The generations of all connections.
pub async fn generations(db: &mut Db) -> Result<Vec<(ConnectionId, i64)>> {
    let rows = sqlx::query!("select connection_id, generation from connections").fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (ConnectionId(row.connection_id), row.generation)).collect())
}

/// Counts a change and keeps it.
pub async fn insert(db: &mut Db, connection_id: ConnectionId, change: &Change) -> Result<()> {
    sqlx::query!(
        "update connections set generation = $2 where connection_id = $1",
        connection_id.0,
        change.generation
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "insert into settings_history (connection_id, generation, at, changed_by, before, after)
         values ($1, $2, $3, $4, $5, $6)",
        connection_id.0,
        change.generation,
        change.at,
        change.changed_by,
        change.before,
        change.after,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lists changes, newest first.
pub async fn list(
    db: &mut Db,
    connection_id: ConnectionId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Change>> {
    let rows = sqlx::query_as!(
        Change,
        "select generation, at, changed_by, before, after from settings_history
         where connection_id = $1 and ($2::bigint is null or generation < $2)
         order by generation desc limit $3",
        connection_id.0,
        before,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

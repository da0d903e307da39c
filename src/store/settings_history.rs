//! How a connection's name, plan, shops and settings came to be what they are.

use serde_json::json;

use super::connections::Row;
use super::{Db, Result, ledger};
use crate::clock::Instant;
use crate::ids::{ConnectionId, EntryId, SharedIds};
use crate::ledger::{Entry, Kind, Origin};

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it led to.
    pub generation: i64,
    /// When.
    pub at: Instant,
    /// Name of the key that changed it.
    pub changed_by: String,
    /// Name, plan, shops and settings before.
    pub before: serde_json::Value,
    /// The same afterwards.
    pub after: serde_json::Value,
}

/// What of a connection has a history.
fn chosen(row: &Row) -> serde_json::Value {
    let shops: Vec<String> = row.r_shop_ids.iter().map(i64::to_string).collect();
    json!({ "name": row.name, "plan": row.plan, "settings": row.settings,
            "shop_ids": shops, "primary_shop_id": row.r_primary_shop_id.to_string() })
}

/// Who changes a connection.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// What people call him.
    pub name: &'a str,
    /// The id of his key.
    pub id: &'a str,
    /// What is said of the change in the ledger.
    pub cause: &'a str,
}

/// The word in the detail of the ledger entry of a change.
const ACT: &str = "change_settings";

/// Keeps a change and tells of it in the ledger, unless nothing is other than it was. The generation that it led to.
pub async fn tell(
    db: &mut Db,
    ids: &SharedIds,
    (was, generation): (&Row, i64),
    row: &Row,
    author: Author<'_>,
    now: Instant,
) -> Result<i64> {
    let (before, after) = (chosen(was), chosen(row));
    if before == after {
        return Ok(generation);
    }
    let generation = generation.saturating_add(1);
    let connection = row.connection_id;
    let changed_by = author.name.to_owned();
    let change = Change { generation, at: now, changed_by, before: before.clone(), after: after.clone() };
    insert(&mut *db, connection, &change).await?;
    let entry = Entry {
        cause: Some(format!("{} ({})", author.cause, author.name)),
        detail: Some(json!({ "act": ACT, "generation": generation, "by": author.id })),
        before: Some(before),
        after: Some(after),
        ..Entry::about_all(connection, EntryId::new(ids, now), now, Kind::Operator, Origin::Operator)
    };
    ledger::insert(db, &entry).await?;
    Ok(generation)
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
async fn insert(db: &mut Db, connection_id: ConnectionId, change: &Change) -> Result<()> {
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

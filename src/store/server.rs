//! What `concord doctor` asks the database about itself and about what came in.

use super::{Db, Result};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::ids::ConnectionId;

/// The server and how it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Such as 170002 for 17.2.
    pub version: i32,
    /// `fsync`: whether what is committed outlives a crash of the machine.
    pub fsync: bool,
    /// `full_page_writes`: whether a torn page can be repaired.
    pub full_page_writes: bool,
    /// `synchronous_commit`, in its own word.
    pub synchronous_commit: String,
    /// Refuses writes: a standby, or set so.
    pub read_only: bool,
    /// Connections that it lets in.
    pub max_connections: i32,
    /// Times are kept whole only in UTF-8 databases' texts.
    pub encoding: String,
}

/// How the server is set.
pub async fn server(db: &mut Db) -> Result<Server> {
    let row = sqlx::query!(
        r#"select current_setting('server_version_num')::int as "version!",
                  current_setting('fsync')::bool as "fsync!",
                  current_setting('full_page_writes')::bool as "full_page_writes!",
                  current_setting('synchronous_commit') as "synchronous_commit!",
                  (pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool) as "read_only!",
                  current_setting('max_connections')::int as "max_connections!",
                  current_setting('server_encoding') as "encoding!""#
    )
    .fetch_one(db)
    .await?;
    Ok(Server {
        version: row.version,
        fsync: row.fsync,
        full_page_writes: row.full_page_writes,
        synchronous_commit: row.synchronous_commit,
        read_only: row.read_only,
        max_connections: row.max_connections,
        encoding: row.encoding,
    })
}

/// Versions of applied migrations that this build does not know: a newer one has been here.
pub async fn unknown_migrations(db: &mut Db) -> Result<Vec<i64>> {
    let known: Vec<i64> = super::MIGRATIONS.iter().map(|migration| migration.version).collect();
    let rows = sqlx::query_scalar!(
        "select version from _sqlx_migrations where version <> all($1) order by version",
        &known
    );
    Ok(rows.fetch_all(db).await?)
}

/// When the last genuine notice of a side came in.
pub async fn last_notice(db: &mut Db, connection_id: ConnectionId, side: Side) -> Result<Option<Instant>> {
    let last = sqlx::query_scalar!(
        "select max(received_at) from inbox where connection_id = $1 and side = $2",
        connection_id.0,
        side.as_str()
    );
    Ok(last.fetch_one(db).await?)
}

/// When a stored secret was last replaced, and the id of the key that seals it.
pub async fn secret_age(
    db: &mut Db,
    connection_id: ConnectionId,
    kind: &str,
) -> Result<Option<(Instant, String)>> {
    let row = sqlx::query!(
        "select updated_at, key_id from secrets where connection_id = $1 and kind = $2",
        connection_id.0,
        kind
    );
    Ok(row.fetch_optional(db).await?.map(|row| (row.updated_at, row.key_id)))
}

//! Permissions that merchants are asked for by OAuth, until a connection uses them.

use super::{Db, Result};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::ids::ConnectionId;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GrantState)]
pub enum Outcome {
    /// The merchant has not decided.
    Waiting,
    /// The code is being traded for tokens.
    Exchanging,
    /// Ready to be used for a connection.
    Granted,
    /// Nothing came of it.
    Failed,
    /// A connection has the tokens.
    Done,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Exchanging => "exchanging",
            Self::Granted => "granted",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Waiting, Self::Exchanging, Self::Granted, Self::Failed, Self::Done];
        all.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// A grant; its secrets are sealed.
#[derive(Debug, Clone)]
pub struct Row {
    /// The connection that is to be connected anew, or an id of the grant's own.
    pub connection_id: ConnectionId,
    /// Which platform.
    pub side: Side,
    /// For a connection that exists.
    pub reconnect: bool,
    /// How far it has come.
    pub outcome: Outcome,
    /// SHA-256, in hex, of the state that is expected back.
    pub state_hash: Option<String>,
    /// Sealed PKCE verifier.
    pub verifier: Option<Vec<u8>>,
    /// The state came back with the code.
    pub bound: bool,
    /// `accountID` or `storeId`.
    pub account: Option<i64>,
    /// What was granted, parted by blanks.
    pub scopes: Option<String>,
    /// Sealed access token.
    pub access: Option<Vec<u8>>,
    /// Sealed refresh token.
    pub refresh: Option<Vec<u8>>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was asked for.
    pub started_at: Instant,
    /// Until when it may be used.
    pub expires_at: Instant,
}

/// Writes a grant down; an earlier one for the same account of the same connection is void.
pub async fn put(db: &mut Db, row: &Row) -> Result<()> {
    sqlx::query!(
        "insert into grants (connection_id, side, reconnect, outcome, state_hash, verifier, bound, account, scopes,
                             access, refresh, reason, started_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         on conflict (connection_id, side) do update
         set reconnect = excluded.reconnect, outcome = excluded.outcome, state_hash = excluded.state_hash,
             verifier = excluded.verifier, bound = excluded.bound, account = excluded.account,
             scopes = excluded.scopes, access = excluded.access, refresh = excluded.refresh,
             reason = excluded.reason, started_at = excluded.started_at, expires_at = excluded.expires_at",
        row.connection_id.0,
        row.side.as_str(),
        row.reconnect,
        row.outcome.as_str(),
        row.state_hash,
        row.verifier,
        row.bound,
        row.account,
        row.scopes,
        row.access,
        row.refresh,
        row.reason,
        row.started_at,
        row.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Raw {
    connection_id: uuid::Uuid,
    reconnect: bool,
    outcome: String,
    state_hash: Option<String>,
    verifier: Option<Vec<u8>>,
    bound: bool,
    account: Option<i64>,
    scopes: Option<String>,
    access: Option<Vec<u8>>,
    refresh: Option<Vec<u8>>,
    reason: Option<String>,
    started_at: Instant,
    expires_at: Instant,
}

impl Raw {
    fn of(self, side: Side) -> Result<Row> {
        Ok(Row {
            connection_id: ConnectionId(self.connection_id),
            side,
            reconnect: self.reconnect,
            outcome: super::word(Outcome::parse(&self.outcome), "grants.outcome", &self.outcome)?,
            state_hash: self.state_hash,
            verifier: self.verifier,
            bound: self.bound,
            account: self.account,
            scopes: self.scopes,
            access: self.access,
            refresh: self.refresh,
            reason: self.reason,
            started_at: self.started_at,
            expires_at: self.expires_at,
        })
    }
}

/// A grant, kept from everybody else who would use it until the transaction ends.
pub async fn lock(db: &mut Db, connection_id: ConnectionId, side: Side) -> Result<Option<Row>> {
    let raw = sqlx::query_as!(
        Raw,
        "select connection_id, reconnect, outcome, state_hash, verifier, bound, account, scopes, access, refresh,
                reason, started_at, expires_at
         from grants where connection_id = $1 and side = $2 for update",
        connection_id.0,
        side.as_str(),
    )
    .fetch_optional(db)
    .await?;
    raw.map(|raw| raw.of(side)).transpose()
}

/// The one grant of this side that still waits for its merchant; none when there are several.
pub async fn only_waiting(db: &mut Db, side: Side, now: Instant) -> Result<Option<ConnectionId>> {
    let waiting = sqlx::query_scalar!(
        "select connection_id from grants where side = $1 and outcome = 'waiting' and expires_at > $2 limit 2",
        side.as_str(),
        now,
    )
    .fetch_all(db)
    .await?;
    match waiting.as_slice() {
        [only] => Ok(Some(ConnectionId(*only))),
        _ => Ok(None),
    }
}

/// A connection has the tokens now: nothing of them stays here. False when there was no such grant any more.
pub async fn done(db: &mut Db, connection_id: ConnectionId, side: Side) -> Result<bool> {
    let done = sqlx::query!(
        "update grants set outcome = 'done', access = null, refresh = null, verifier = null, state_hash = null
         where connection_id = $1 and side = $2 and outcome in ('exchanging', 'granted')",
        connection_id.0,
        side.as_str(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets grants that ran out before `before`, with their tokens.
pub async fn forget_old(db: &mut Db, before: Instant) -> Result<()> {
    sqlx::query!("delete from grants where expires_at < $1", before).execute(db).await?;
    Ok(())
}

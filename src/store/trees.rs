//! When the shop's tree of categories is to be compared with the store's: marks, and leases like those of the dirty
//! set.

use std::time::Duration;

use super::dirty::LEASE;
use super::{Db, Result, StoreError};
use crate::clock::{Instant, after};
use crate::ids::{ConnectionId, LeaseToken};

/// Notices of E-Series tell of every product that is put into a category, and of our own writes: they are gathered.
const GATHER: Duration = Duration::from_secs(30);

/// After so many looks in a row that came to no end, nobody waits for the tree any longer.
const STUCK: i32 = 5;

/// A claimed tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub connection_id: ConnectionId,
    /// The lease.
    pub token: LeaseToken,
    /// Marks so far: a newer one means another look.
    pub generation: i64,
    /// Looks in a row that came to no end.
    pub attempts: i32,
}

/// Has the tree of a connection looked at, at once, or, where that is not `urgent`, not too soon after the last look.
pub async fn mark(db: &mut Db, connection_id: ConnectionId, urgent: bool, now: Instant) -> Result<()> {
    sqlx::query!(
        "insert into trees as t (connection_id, due_at) values ($1, $2)
         on conflict (connection_id) do update set
             generation = t.generation + 1,
             due_at = least(t.due_at, case when $3 then $2
                 else greatest($2, t.looked_at + make_interval(secs => $4)) end)",
        connection_id.0,
        now,
        urgent,
        GATHER.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has the tree looked at if nobody has since `since`, where that is given, or if the time of a category has come that was
/// held for a while. True when that was so.
pub async fn mark_if_time(
    db: &mut Db,
    connection_id: ConnectionId,
    since: Option<Instant>,
    now: Instant,
) -> Result<bool> {
    let done = sqlx::query!(
        "update trees set generation = generation + 1, due_at = $3
         where connection_id = $1 and due_at is null
           and (looked_at < $2 or exists (
               select from categories c where c.connection_id = $1 and c.state = 'held' and c.retry_at <= $3))",
        connection_id.0,
        since,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Claims one due tree of an active connection, leaving out `closed` ones. Waits for nobody.
pub async fn claim(
    db: &mut Db,
    only: Option<&[ConnectionId]>,
    closed: &[ConnectionId],
    token: LeaseToken,
    now: Instant,
) -> Result<Option<Claim>> {
    let only: Option<Vec<uuid::Uuid>> = only.map(|only| only.iter().map(|connection| connection.0).collect());
    let closed: Vec<uuid::Uuid> = closed.iter().map(|connection| connection.0).collect();
    let row = sqlx::query!(
        "update trees t set lease_token = $3, leased_until = $4
         from (select t.connection_id from trees t join connections c using (connection_id)
               where c.state = 'active' and t.due_at <= $1 and (t.leased_until is null or t.leased_until <= $1)
                 and t.connection_id <> all($2) and ($5::uuid[] is null or t.connection_id = any($5))
               order by t.due_at, t.connection_id limit 1
               for update of t skip locked) next
         where t.connection_id = next.connection_id
         returning t.connection_id, t.generation, t.attempts",
        now,
        &closed,
        token.0,
        after(now, LEASE),
        only.as_deref(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Claim {
        connection_id: ConnectionId(row.connection_id),
        token,
        generation: row.generation,
        attempts: row.attempts,
    }))
}

/// Proves that the claim still holds and extends it.
pub async fn fence(db: &mut Db, claim: &Claim, now: Instant) -> Result<()> {
    let done = sqlx::query!(
        "update trees set leased_until = $3
         where connection_id = $1 and lease_token = $2 and leased_until > $4",
        claim.connection_id.0,
        claim.token.0,
        after(now, LEASE),
        now,
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// The look has come to its end. A mark that came meanwhile asks for another one; else there is one at `next`.
pub async fn complete(db: &mut Db, claim: &Claim, next: Option<Instant>, now: Instant) -> Result<()> {
    let done = sqlx::query!(
        "update trees set lease_token = null, leased_until = null, attempts = 0, looked_at = $4,
             due_at = case when generation = $3 then $5 else least(due_at, $5) end
         where connection_id = $1 and lease_token = $2",
        claim.connection_id.0,
        claim.token.0,
        claim.generation,
        now,
        next,
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Gives the tree back, to be looked at again at `due_at`. `failed` counts against it.
pub async fn give_back(db: &mut Db, claim: &Claim, due_at: Instant, failed: bool) -> Result<()> {
    let done = sqlx::query!(
        "update trees set lease_token = null, leased_until = null, due_at = $3, attempts = attempts + $4
         where connection_id = $1 and lease_token = $2",
        claim.connection_id.0,
        claim.token.0,
        due_at,
        i32::from(failed),
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Gives back what is still held under this lease, as it was.
pub async fn let_go(db: &mut Db, connection_id: ConnectionId, token: LeaseToken) -> Result<()> {
    sqlx::query!(
        "update trees set lease_token = null, leased_until = null
         where connection_id = $1 and lease_token = $2",
        connection_id.0,
        token.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// When the next tree of an active connection falls due, or its lease runs out.
pub async fn next_due(db: &mut Db) -> Result<Option<Instant>> {
    let next = sqlx::query_scalar!(
        "select min(greatest(t.due_at, t.leased_until)) from trees t join connections c using (connection_id)
         where t.due_at is not null and c.state = 'active'"
    )
    .fetch_one(db)
    .await?;
    Ok(next)
}

/// Is the tree of a connection due, or being looked at?
pub async fn at_work(db: &mut Db, connection_id: ConnectionId, now: Instant) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from trees
               where connection_id = $1 and (due_at <= $2 or leased_until > $2)) as "found!""#,
        connection_id.0,
        now,
    )
    .fetch_one(db)
    .await?;
    Ok(found)
}

/// Has the tree failed so often that nobody waits for it any longer?
pub async fn stuck(db: &mut Db, connection_id: ConnectionId) -> Result<bool> {
    let attempts =
        sqlx::query_scalar!("select attempts from trees where connection_id = $1", connection_id.0)
            .fetch_optional(db)
            .await?;
    Ok(attempts.is_some_and(|attempts| attempts >= STUCK))
}

fn held(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
}

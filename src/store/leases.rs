//! Which process works on which connection, and which processes there are.

use super::{Db, Result, json, typed};
use crate::clock::Instant;
use crate::ids::ConnectionId;
use uuid::Uuid;

/// Calls within a minute: second since the epoch, and number.
pub type Calls = Vec<(i64, u32)>;

/// A lease that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Of which connection.
    pub connection_id: ConnectionId,
    /// Whose it was before, if anybody's.
    pub left_by: Option<Uuid>,
    /// What that process has, or may have, called of late.
    pub e_calls: Calls,
}

/// Says that a process lives. With a place, it has just come there, and whoever was there before is gone: its leases
/// end now.
pub async fn beat(db: &mut Db, replica: Uuid, place: Option<&str>, now: Instant) -> Result<()> {
    sqlx::query!(
        "insert into replicas (replica_id, place, seen_at) values ($1, $2, $3)
         on conflict (replica_id) do update set seen_at = excluded.seen_at",
        replica,
        place,
        now,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "with dead as (
             delete from replicas where place = $2 and replica_id <> $1 returning replica_id
         )
         update leases set until = least(until, $3) where holder in (select replica_id from dead)",
        replica,
        place,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many processes have said since `since` that they live. Forgets those that are long gone.
pub async fn count_living(db: &mut Db, since: Instant, long_gone: Instant) -> Result<i64> {
    sqlx::query!("delete from replicas where seen_at < $1", long_gone).execute(&mut *db).await?;
    let living =
        sqlx::query_scalar!(r#"select count(*) as "living!" from replicas where seen_at > $1"#, since)
            .fetch_one(db)
            .await?;
    Ok(living)
}

/// Forgets a process that ends.
pub async fn forget(db: &mut Db, replica: Uuid) -> Result<()> {
    sqlx::query!("delete from replicas where replica_id = $1", replica).execute(db).await?;
    Ok(())
}

/// How many connections are to be worked on: those that are active, and those that are paused while a preview of them
/// is under way.
pub async fn count_at_work(db: &mut Db) -> Result<i64> {
    let at_work = sqlx::query_scalar!(r#"select count(*) as "at_work!" from connections_at_work"#)
        .fetch_one(db)
        .await?;
    Ok(at_work)
}

/// Extends leases; returns those that were still the holder's, and whether each connection is to be worked on.
/// One that has run out and that nobody has taken is extended too.
pub async fn extend(
    db: &mut Db,
    holder: Uuid,
    leases: &[(ConnectionId, Calls)],
    until: Instant,
) -> Result<Vec<(ConnectionId, bool)>> {
    let ids: Vec<Uuid> = leases.iter().map(|(connection, _)| connection.0).collect();
    let calls: Vec<serde_json::Value> = leases.iter().map(|(_, calls)| json(calls)).collect::<Result<_>>()?;
    let rows = sqlx::query!(
        r#"update leases l set until = $4, e_calls = given.e_calls
           from unnest($2::uuid[], $3::jsonb[]) as given (connection_id, e_calls)
           where l.connection_id = given.connection_id and l.holder = $1
           returning l.connection_id,
                     exists (select from connections_at_work w
                             where w.connection_id = l.connection_id) as "at_work!""#,
        holder,
        &ids,
        &calls,
        until,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (ConnectionId(row.connection_id), row.at_work)).collect())
}

/// Takes up to `most` leases of connections at work that nobody holds, those that wait longest for a visit first.
pub async fn take(db: &mut Db, holder: Uuid, most: i64, until: Instant, now: Instant) -> Result<Vec<Taken>> {
    let rows = sqlx::query!(
        "with free as (
             select c.connection_id from connections_at_work c left join leases l using (connection_id)
             where l.connection_id is null or l.until <= $4
             order by c.turn, c.connection_id limit $2
         )
         insert into leases as l (connection_id, holder, until) select connection_id, $1, $3 from free
         on conflict (connection_id) do update
             set left_by = l.holder, holder = excluded.holder, until = excluded.until
             where l.until <= $4
         returning connection_id, left_by, e_calls",
        holder,
        most,
        until,
        now,
    )
    .fetch_all(db)
    .await?;
    let taken = rows.into_iter().map(|row| {
        Ok(Taken {
            connection_id: ConnectionId(row.connection_id),
            left_by: row.left_by,
            e_calls: typed(row.e_calls, "leases.e_calls")?,
        })
    });
    taken.collect()
}

/// Gives leases up, so that others may have them at once.
pub async fn give_up(
    db: &mut Db,
    holder: Uuid,
    leases: &[(ConnectionId, Calls)],
    now: Instant,
) -> Result<()> {
    extend(db, holder, leases, now).await?;
    Ok(())
}

/// Frees what the holder before has claimed of these connections and cannot finish any more: its products, and the
/// page of a run that it was reading. Whatever it still tries to write is refused, as if its claims had run out.
pub async fn free_claims(db: &mut Db, connections: &[ConnectionId], now: Instant) -> Result<u64> {
    let ids: Vec<Uuid> = connections.iter().map(|connection| connection.0).collect();
    // Locked in the order in which everybody locks them.
    let done = sqlx::query!(
        "with claimed as (
             select connection_id, product_id from dirty
             where connection_id = any($1) and lease_token is not null
             order by connection_id, product_id for update
         )
         update dirty d set lease_token = null, leased_until = null
         from claimed c where d.connection_id = c.connection_id and d.product_id = c.product_id",
        &ids,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update syncs set due_at = $2 where connection_id = any($1) and state = 'running' and due_at > $2",
        &ids,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

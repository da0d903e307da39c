//! The dirty set: products not known to be in step, one row each.
//!
//! Fifty marks are one visit; a mark during a visit means one more visit. A claim is a lease with a
//! token: it runs out by itself when its worker dies, and whatever a late worker writes is refused.

use std::time::Duration;

use super::{Db, Result, StoreError};
use crate::clock::{Instant, after};
use crate::ids::{ConnectionId, LeaseToken, ProductId};
use crate::planted::{Mistake, planted};

/// How long a claim lasts unless it is extended. Far longer than a call may take.
pub const LEASE: Duration = Duration::from_secs(60);

/// Who asks for a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A notice of R-Series.
    Notice,
    /// A notice of E-Series: it says nothing of R-Series.
    NoticeOnline,
    /// The sweep.
    Sweep,
    /// The sweep, which saw something on E-Series alone.
    SweepOnline,
    /// An operator, or the visit before.
    Other,
    /// A run over the whole catalogue, whose pages have just been read.
    Run,
}

impl Asker {
    fn noticed(self) -> bool {
        matches!(self, Self::Notice | Self::NoticeOnline)
    }

    fn swept(self) -> bool {
        matches!(self, Self::Sweep | Self::SweepOnline)
    }

    /// May the record on R-Series be another one than it was?
    fn tells_of_r(self) -> bool {
        matches!(self, Self::Notice | Self::Sweep | Self::Other)
    }
}

/// A claimed product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub connection_id: ConnectionId,
    /// Which product.
    pub product_id: ProductId,
    /// The lease.
    pub token: LeaseToken,
    /// Marks so far: a newer one means another visit.
    pub generation: i64,
    /// Visits that failed through the product's own fault.
    pub attempts: i32,
    /// A notice asked for this visit.
    pub noticed: bool,
    /// The sweep asked for this visit.
    pub swept: bool,
    /// An operator has said that the counts are right as they are now.
    pub vouched: bool,
    /// When a fall of the shop's stock to nothing was first seen that nothing explains.
    pub fall_seen_at: Option<Instant>,
    /// Only a run over the whole catalogue asked for this visit.
    pub run: bool,
    /// Minutes by which it stands behind others that are due at the same time.
    pub behind: i16,
}

/// Marks products as not known to be in step. A parked product is unparked: its inputs may have changed.
pub async fn mark(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
    asker: Asker,
    due_at: Instant,
    now: Instant,
) -> Result<()> {
    mark_behind(db, connection_id, products, asker, 0, due_at, now).await
}

/// The same for products that may wait until others have been visited: they stand `behind` those by so many minutes.
pub async fn mark_behind(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
    asker: Asker,
    behind: i16,
    due_at: Instant,
    now: Instant,
) -> Result<()> {
    let mut products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    // One order for everyone who locks several rows.
    products.sort_unstable();
    products.dedup();
    sqlx::query!(
        "insert into dirty as d (connection_id, product_id, due_at, marked_at, noticed, swept, run, behind, r_told_at)
         select $1, product_id, $3, $4::timestamptz, $5, $6, $7, $8,
                case when $9::boolean then $4::timestamptz end
         from unnest($2::uuid[]) as product_id
         on conflict (connection_id, product_id) do update set
             generation = d.generation + 1,
             due_at = case when d.parked_at is null then least(d.due_at, excluded.due_at) else excluded.due_at end,
             noticed = d.noticed or excluded.noticed,
             swept = d.swept or excluded.swept,
             run = excluded.run and (d.run or d.parked_at is not null),
             behind = case when d.parked_at is null then least(d.behind, excluded.behind) else excluded.behind end,
             r_told_at = greatest(d.r_told_at, excluded.r_told_at),
             attempts = case when d.parked_at is null then d.attempts else 0 end,
             parked_at = null, park_code = null, park_reason = null",
        connection_id.0,
        &products,
        due_at,
        now,
        asker.noticed(),
        asker.swept(),
        asker == Asker::Run,
        behind,
        asker.tells_of_r(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Minutes by which the products of a connection whose settings were changed stand behind what notices and polls tell.
const BEHIND_NEWS: i16 = 60;

/// Marks every product that a change of the settings concerns: those with both halves, those that are waited for
/// anyway, as they may be tied at this moment under the settings before, and, where `unlinked`, items without a
/// product too.
pub async fn mark_all(db: &mut Db, connection_id: ConnectionId, unlinked: bool, now: Instant) -> Result<u64> {
    let done = sqlx::query!(
        "insert into dirty as d (connection_id, product_id, due_at, marked_at, behind, r_told_at)
         select l.connection_id, l.product_id, $2, $2, $3, $2
         from links l left join dirty w on w.connection_id = l.connection_id and w.product_id = l.product_id
         where l.connection_id = $1 and coalesce(l.r_item_id, l.r_matrix_id) is not null
           and (l.e_product_id is not null or (w.product_id is not null and w.parked_at is null)
                or ($4 and l.standing not in ('archived', 'gone_in_shop')))
         order by l.product_id
         on conflict (connection_id, product_id) do update set
             generation = d.generation + 1,
             due_at = case when d.parked_at is null then least(d.due_at, excluded.due_at) else excluded.due_at end,
             behind = case when d.parked_at is null then d.behind else excluded.behind end,
             r_told_at = greatest(d.r_told_at, excluded.r_told_at),
             attempts = case when d.parked_at is null then d.attempts else 0 end,
             parked_at = null, park_code = null, park_reason = null",
        connection_id.0,
        now,
        BEHIND_NEWS,
        unlinked,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Claims up to `limit` due products of one active connection: of those with something due the one that was
/// served longest ago, leaving out `closed` connections and, if given, all but `only` these. So a connection with
/// 50,000 marks gets one group a round, as one with a single mark does. Within a connection, what a run marked stands
/// behind what notices and polls tell of, and what can be sold stands before the rest; but none for longer than a few
/// hours.
///
/// Waits for nobody: rows that somebody else holds are passed over, in both tables, so a claim can neither
/// deadlock nor be held up by a process that died in the middle of one. Two claims at the same moment may
/// therefore serve the same connection; they take different products.
pub async fn claim(
    db: &mut Db,
    only: Option<&[ConnectionId]>,
    closed: &[ConnectionId],
    limit: i64,
    token: LeaseToken,
    now: Instant,
) -> Result<Vec<Claim>> {
    let closed: Vec<uuid::Uuid> = closed.iter().map(|connection| connection.0).collect();
    let only: Option<Vec<uuid::Uuid>> = only.map(|only| only.iter().map(|connection| connection.0).collect());
    let rows = sqlx::query!(
        "with next as (
             select c.connection_id
             from connections c cross join lateral (
                 select from dirty d
                 where d.connection_id = c.connection_id and d.parked_at is null and d.due_at <= $1
                   and (d.leased_until is null or d.leased_until <= $1)
                 order by d.due_at, d.product_id limit 1
             ) waiting
             where c.state = 'active' and c.connection_id <> all($2)
               and ($6::uuid[] is null or c.connection_id = any($6))
             order by c.turn, c.connection_id limit 1
         ), free as (
             select c.connection_id from connections c join next using (connection_id)
             for no key update of c skip locked
         ), served as (
             update connections c set turn = nextval('turns') from free where c.connection_id = free.connection_id
         ), taken as (
             select d.connection_id, d.product_id
             from dirty d
             where d.connection_id = (select connection_id from next) and d.parked_at is null and d.due_at <= $1
               and (d.leased_until is null or d.leased_until <= $1)
             order by d.due_at + d.behind * interval '1 minute', d.product_id limit $3
             for update of d skip locked
         )
         update dirty d set lease_token = $4, leased_until = $5
         from taken where d.connection_id = taken.connection_id and d.product_id = taken.product_id
         returning d.connection_id, d.product_id, d.generation, d.attempts, d.noticed, d.swept, d.due_at,
                   d.vouched, d.fall_seen_at, d.run, d.behind",
        now,
        &closed,
        limit,
        token.0,
        after(now, LEASE),
        only.as_deref(),
    )
    .fetch_all(db)
    .await?;
    let turn =
        |due_at, behind: i16| after(due_at, Duration::from_secs(60 * u64::from(behind.unsigned_abs())));
    let mut rows: Vec<_> = rows.into_iter().map(|row| (turn(row.due_at, row.behind), row)).collect();
    rows.sort_by_key(|(turn, row)| (*turn, row.product_id));
    let claims = rows.into_iter().map(|(_, row)| Claim {
        connection_id: ConnectionId(row.connection_id),
        product_id: ProductId(row.product_id),
        token,
        generation: row.generation,
        attempts: row.attempts,
        noticed: row.noticed,
        swept: row.swept,
        vouched: row.vouched,
        fall_seen_at: row.fall_seen_at,
        run: row.run,
        behind: row.behind,
    });
    Ok(claims.collect())
}

/// Proves that the claim still holds and extends it; a claim that ran out is lost, even when nobody else
/// has taken it yet.
pub async fn fence(db: &mut Db, claim: &Claim, now: Instant) -> Result<()> {
    if planted(Mistake::SettleWithoutFence) {
        return Ok(());
    }
    let done = sqlx::query!(
        "update dirty set leased_until = $4
         where connection_id = $1 and product_id = $2 and lease_token = $3 and leased_until > $5",
        claim.connection_id.0,
        claim.product_id.0,
        claim.token.0,
        after(now, LEASE),
        now,
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Locks the product's row before its link is written: everyone locks the two in this order.
pub async fn lock(db: &mut Db, claim: &Claim) -> Result<()> {
    sqlx::query!(
        "select generation from dirty where connection_id = $1 and product_id = $2 for update",
        claim.connection_id.0,
        claim.product_id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// The visit is over and the product in step. A mark that came meanwhile keeps the row: one more visit.
pub async fn complete(db: &mut Db, claim: &Claim) -> Result<()> {
    let done = sqlx::query!(
        "delete from dirty
         where connection_id = $1 and product_id = $2 and lease_token = $3 and generation = $4",
        claim.connection_id.0,
        claim.product_id.0,
        claim.token.0,
        claim.generation,
    )
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    let done = sqlx::query!(
        "update dirty set lease_token = null, leased_until = null, attempts = 0, fall_seen_at = null,
             vouched = false
         where connection_id = $1 and product_id = $2 and lease_token = $3",
        claim.connection_id.0,
        claim.product_id.0,
        claim.token.0,
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Gives the product back, to be visited again at `due_at`. `failed` counts against the product.
pub async fn give_back(db: &mut Db, claim: &Claim, due_at: Instant, failed: bool) -> Result<()> {
    let done = sqlx::query!(
        "update dirty set lease_token = null, leased_until = null, due_at = $4, attempts = attempts + $5
         where connection_id = $1 and product_id = $2 and lease_token = $3",
        claim.connection_id.0,
        claim.product_id.0,
        claim.token.0,
        due_at,
        i32::from(failed),
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Gives back whatever is still held under this lease, as it was: for a worker that stops in the middle. A write
/// that is on its way stays open in the ledger, and the next visit gives it its time.
pub async fn release(db: &mut Db, connection_id: ConnectionId, token: LeaseToken) -> Result<u64> {
    let done = sqlx::query!(
        "update dirty set lease_token = null, leased_until = null
         where connection_id = $1 and lease_token = $2",
        connection_id.0,
        token.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Parks the product: it waits for its inputs to change, not for time. A mark that came meanwhile wins, and
/// begins to count failures anew.
pub async fn park(db: &mut Db, claim: &Claim, code: &str, reason: &str, now: Instant) -> Result<()> {
    let done = sqlx::query!(
        "update dirty set lease_token = null, leased_until = null, vouched = false,
             parked_at = case when generation = $4 then $5::timestamptz end,
             park_code = case when generation = $4 then $6 end,
             park_reason = case when generation = $4 then $7 end,
             attempts = case when generation = $4 then attempts else 0 end
         where connection_id = $1 and product_id = $2 and lease_token = $3",
        claim.connection_id.0,
        claim.product_id.0,
        claim.token.0,
        claim.generation,
        now,
        code,
        reason,
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Takes back what a run alone has asked for and nobody has begun: the run was cancelled. What is being visited, has
/// a write that is open, or was asked for by somebody else as well, stays.
pub async fn drop_run(db: &mut Db, connection_id: ConnectionId, now: Instant) -> Result<u64> {
    let done = sqlx::query!(
        "delete from dirty d
         where connection_id = $1 and run and not noticed and not swept and parked_at is null and attempts = 0
           and (leased_until is null or leased_until <= $2)
           and not exists (select from ledger l where l.connection_id = d.connection_id
                             and l.product_id = d.product_id and l.result is null)",
        connection_id.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Parked because of a fall of the shop's stock that nothing explains.
pub const STOCK_UNEXPLAINED: &str = "stock_unexplained";
/// Parked because it cannot be told whether a change of stock arrived.
pub const STOCK_UNDECIDED: &str = "stock_undecided";
/// Parked because the shop merged the item into another one before what the web sold of it was booked.
pub const STOCK_MERGED: &str = "stock_merged";

/// An operator answers the question for which a product is parked: its counts are right as they are now. Has no
/// effect on products that are parked for other reasons.
pub async fn vouch(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<()> {
    sqlx::query!(
        "update dirty set vouched = true
         where connection_id = $1 and product_id = $2 and parked_at is not null and park_code in ($3, $4, $5)",
        connection_id.0,
        product_id.0,
        STOCK_UNEXPLAINED,
        STOCK_UNDECIDED,
        STOCK_MERGED,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps in mind since when the shop's stock has shown what nothing explains. With none, and no word of an
/// operator any more, that is over.
pub async fn doubt(db: &mut Db, claim: &Claim, fall_seen_at: Option<Instant>, vouched: bool) -> Result<()> {
    let done = sqlx::query!(
        "update dirty set fall_seen_at = $4, vouched = $5
         where connection_id = $1 and product_id = $2 and lease_token = $3",
        claim.connection_id.0,
        claim.product_id.0,
        claim.token.0,
        fall_seen_at,
        vouched,
    )
    .execute(db)
    .await?;
    held(done.rows_affected())
}

/// Unparks products that wait for these reasons and show this SKU, whatever the case of its letters: one that shared it
/// has changed.
pub async fn unpark_twins(
    db: &mut Db,
    connection_id: ConnectionId,
    codes: &[&str],
    sku: &str,
    now: Instant,
) -> Result<()> {
    let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
    sqlx::query!(
        "update dirty d set generation = generation + 1, due_at = $4, attempts = 0,
             parked_at = null, park_code = null, park_reason = null
         from links l
         where d.connection_id = $1 and d.park_code = any($2) and btrim($3) <> ''
           and l.connection_id = d.connection_id and l.product_id = d.product_id
           and lower(btrim(l.sku)) = lower(btrim($3))",
        connection_id.0,
        &codes,
        sku,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Is this product parked?
pub async fn is_parked(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<bool> {
    let parked = sqlx::query_scalar!(
        r#"select exists (select from dirty where connection_id = $1 and product_id = $2 and parked_at is not null)
                  as "parked!""#,
        connection_id.0,
        product_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(parked)
}

/// When the next unparked product of an active connection falls due, or its lease runs out.
pub async fn next_due(db: &mut Db) -> Result<Option<Instant>> {
    let next = sqlx::query_scalar!(
        "select min(greatest(d.due_at, d.leased_until)) from dirty d join connections c using (connection_id)
         where d.parked_at is null and c.state = 'active'"
    )
    .fetch_one(db)
    .await?;
    Ok(next)
}

/// How many products wait, are being visited, or are parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Marked, and not being visited.
    pub waiting: i64,
    /// Being visited.
    pub running: i64,
    /// Parked with a reason.
    pub parked: i64,
    /// Seconds since the oldest mark that is not parked.
    pub oldest_seconds: i64,
}

/// Counts of one connection.
pub async fn counts(db: &mut Db, connection_id: ConnectionId, now: Instant) -> Result<Counts> {
    let row = sqlx::query!(
        r#"select
             count(*) filter (where parked_at is null and (leased_until is null or leased_until <= $2)) as "waiting!",
             count(*) filter (where parked_at is null and leased_until > $2) as "running!",
             count(*) filter (where parked_at is not null) as "parked!",
             min(marked_at) filter (where parked_at is null) as oldest
           from dirty where connection_id = $1"#,
        connection_id.0,
        now,
    )
    .fetch_one(db)
    .await?;
    let oldest_seconds = row.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
    Ok(Counts { waiting: row.waiting, running: row.running, parked: row.parked, oldest_seconds })
}

fn held(rows: u64) -> Result<()> {
    if rows == 1 || planted(Mistake::SettleWithoutFence) { Ok(()) } else { Err(StoreError::LeaseLost) }
}

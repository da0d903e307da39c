//! Runs over a whole catalogue.

mod tally;

use self::tally::kept;
pub use self::tally::{Progress, Tally, progress, tally};
use super::{Db, Result, StoreError, word};
use crate::clock::Instant;
use crate::ids::{ConnectionId, SyncId};

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Writes nothing on either platform.
    Preview,
    /// Has every item visited.
    Apply,
    /// Has only those visited that differ from the look before, or are missing.
    FullLook,
}

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "preview" => Some(Self::Preview),
            "apply" => Some(Self::Apply),
            "full_look" => Some(Self::FullLook),
            _ => None,
        }
    }

    /// The word in the database and the REST interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Apply => "apply",
            Self::FullLook => "full_look",
        }
    }
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reads E-Series page by page, so that matches can be found.
    ListOnline,
    /// Reads the matrices of R-Series page by page.
    ListMatrices,
    /// Reads the items of R-Series page by page.
    ListShop,
    /// Reads once more what changed on E-Series shortly before the run.
    ListRecent,
    /// Marks what was listed, what can be sold first.
    Mark,
    /// Of a preview: says what would be done about each product of the shop.
    Compare,
    /// Of a preview: tells what only E-Series has.
    CompareOnline,
    /// Marks known records that were in neither list.
    MarkMissing,
    /// Waits until every marked item has been visited.
    Visit,
}

impl Phase {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListOnline => "list_online",
            Self::ListMatrices => "list_matrices",
            Self::ListShop => "list_shop",
            Self::ListRecent => "list_recent",
            Self::Mark => "mark",
            Self::Compare => "compare",
            Self::CompareOnline => "compare_online",
            Self::MarkMissing => "mark_missing",
            Self::Visit => "visit",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::ListOnline,
            Self::ListMatrices,
            Self::ListShop,
            Self::ListRecent,
            Self::Mark,
            Self::Compare,
            Self::CompareOnline,
            Self::MarkMissing,
            Self::Visit,
        ];
        all.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sync {
    /// Whose.
    pub connection_id: ConnectionId,
    /// Id.
    pub sync_id: SyncId,
    /// What it is for.
    pub mode: Mode,
    /// `running`, `done`, `failed`, `awaiting_approval` or `cancelled`.
    pub state: String,
    /// What it is at.
    pub phase: Phase,
    /// Next page of the present phase.
    pub cursor: Option<String>,
    /// Items listed so far.
    pub total: i64,
    /// Records that could not be read.
    pub unreadable: i64,
    /// When it was asked for.
    pub started_at: Instant,
    /// When its next page may be read.
    pub due_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Why it failed.
    pub error: Option<String>,
    /// Of the items listed, those that are variants of a matrix.
    pub variants: i64,
    /// When the listing was over and the visits could begin.
    pub visits_from: Option<Instant>,
    /// Calls to E-Series that the visits are expected to take.
    pub e_calls: i64,
    /// Drips on R-Series that the visits are expected to take.
    pub r_drips: f64,
    /// Of a preview: what it found so far.
    pub counts: serde_json::Value,
    /// What it had come to when it ended.
    pub tally: Option<Tally>,
}

struct Raw {
    connection_id: uuid::Uuid,
    sync_id: uuid::Uuid,
    mode: String,
    state: String,
    phase: String,
    cursor: Option<String>,
    total: i64,
    unreadable: i64,
    started_at: Instant,
    due_at: Instant,
    finished_at: Option<Instant>,
    error: Option<String>,
    variants: i64,
    visits_from: Option<Instant>,
    e_calls: i64,
    r_drips: f64,
    counts: serde_json::Value,
    tally: Option<serde_json::Value>,
}

impl TryFrom<Raw> for Sync {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        Ok(Self {
            connection_id: ConnectionId(raw.connection_id),
            sync_id: SyncId(raw.sync_id),
            mode: word(Mode::parse(&raw.mode), "syncs.mode", &raw.mode)?,
            state: raw.state,
            phase: word(Phase::parse(&raw.phase), "syncs.phase", &raw.phase)?,
            cursor: raw.cursor,
            total: raw.total,
            unreadable: raw.unreadable,
            started_at: raw.started_at,
            due_at: raw.due_at,
            finished_at: raw.finished_at,
            error: raw.error,
            variants: raw.variants,
            visits_from: raw.visits_from,
            e_calls: raw.e_calls,
            r_drips: raw.r_drips,
            counts: raw.counts,
            tally: raw.tally.map(tally::read).transpose()?,
        })
    }
}

/// The run that is under way, with its mode: not a full look.
pub async fn under_way(db: &mut Db, connection_id: ConnectionId) -> Result<Option<(SyncId, Mode)>> {
    let running = sqlx::query!(
        "select sync_id, mode from syncs
         where connection_id = $1 and state in ('running', 'awaiting_approval') and mode <> 'full_look'
         order by sync_id limit 1",
        connection_id.0
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = running else { return Ok(None) };
    Ok(Some((SyncId(row.sync_id), word(Mode::parse(&row.mode), "syncs.mode", &row.mode)?)))
}

/// Nobody else starts a run of this connection until the transaction ends.
pub async fn alone(db: &mut Db, connection_id: ConnectionId) -> Result<()> {
    // Not for update: every row that refers to the connection holds it shared.
    sqlx::query!(
        "select connection_id from connections where connection_id = $1 for no key update",
        connection_id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// Starts a run. None may be under way.
pub async fn start(
    db: &mut Db,
    connection_id: ConnectionId,
    sync_id: SyncId,
    mode: Mode,
    now: Instant,
) -> Result<()> {
    super::looks::forget(&mut *db, connection_id).await?;
    sqlx::query!(
        "insert into syncs (connection_id, sync_id, mode, state, phase, started_at, due_at)
         values ($1, $2, $3, 'running', 'list_online', $4, $4)",
        connection_id.0,
        sync_id.0,
        mode.as_str(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Breaks a run off: what it has asked for and nobody has begun is not done. False when it has ended already.
pub async fn cancel(db: &mut Db, sync: &Sync, now: Instant) -> Result<bool> {
    let connection_id = sync.connection_id;
    // What waits now has not been dealt with, although nothing of it waits any more afterwards.
    let tally = tally(&mut *db, sync).await?;
    // Rows of the dirty set are locked before any other; what a step of the run marks meanwhile goes afterwards.
    super::dirty::drop_run(&mut *db, connection_id, now).await?;
    let done = sqlx::query!(
        "update syncs set state = 'cancelled', finished_at = $3, tally = $4
         where connection_id = $1 and sync_id = $2 and state in ('running', 'awaiting_approval')",
        connection_id.0,
        sync.sync_id.0,
        now,
        kept(Some(tally))?,
    )
    .execute(&mut *db)
    .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    super::dirty::drop_run(&mut *db, connection_id, now).await?;
    broken_off(db, sync).await?;
    Ok(true)
}

/// A run has ended: its numbers are from now on what they are at this moment. To be saved.
pub async fn end(db: &mut Db, sync: &mut Sync, state: &str, now: Instant) -> Result<()> {
    (sync.state, sync.finished_at) = (state.into(), Some(now));
    sync.tally = Some(tally(db, sync).await?);
    Ok(())
}

/// A run ended before its end: what it has kept goes, and what it has listed counts as never listed.
pub async fn broken_off(db: &mut Db, sync: &Sync) -> Result<()> {
    if sync.mode != Mode::FullLook {
        super::looks::forget(&mut *db, sync.connection_id).await?;
    }
    if sync.mode != Mode::Preview {
        super::cursors::forget_look(db, sync.connection_id, sync.started_at).await?;
    }
    Ok(())
}

/// Starts a full look if the last look over the whole catalogue began at or before `last_at`, and no run is under
/// way. The look that follows a connection's making counts as one.
pub async fn start_full_look(
    db: &mut Db,
    connection_id: ConnectionId,
    sync_id: SyncId,
    last_at: Instant,
    now: Instant,
) -> Result<bool> {
    let done = sqlx::query!(
        "insert into syncs (connection_id, sync_id, mode, state, phase, started_at, due_at)
         select $1, $2, 'full_look', 'running', 'list_online', $4, $4
         where (select max(started_at) from syncs
                where connection_id = $1 and mode in ('apply', 'full_look')) <= $3
           and not exists (select 1 from syncs
                           where connection_id = $1 and state in ('running', 'awaiting_approval'))",
        connection_id.0,
        sync_id.0,
        last_at,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One run.
pub async fn get(db: &mut Db, connection_id: ConnectionId, sync_id: SyncId) -> Result<Option<Sync>> {
    let raw = sqlx::query_as!(
        Raw,
        "select connection_id, sync_id, mode, state, phase, cursor, total, unreadable, started_at, due_at, finished_at,
                error, variants, visits_from, e_calls, r_drips, counts, tally
         from syncs where connection_id = $1 and sync_id = $2",
        connection_id.0,
        sync_id.0,
    )
    .fetch_optional(db)
    .await?;
    raw.map(Sync::try_from).transpose()
}

/// The newest run of a connection.
pub async fn newest(db: &mut Db, connection_id: ConnectionId) -> Result<Option<Sync>> {
    let raw = sqlx::query_as!(
        Raw,
        "select connection_id, sync_id, mode, state, phase, cursor, total, unreadable, started_at, due_at, finished_at,
                error, variants, visits_from, e_calls, r_drips, counts, tally
         from syncs where connection_id = $1 order by sync_id desc limit 1",
        connection_id.0,
    )
    .fetch_optional(db)
    .await?;
    raw.map(Sync::try_from).transpose()
}

/// Up to `limit` runs whose next step may be taken, leaving out `busy` connections: of active ones, and previews of
/// paused ones as well, since they do nothing; of `only` these connections, if given. One that awaits approval goes on
/// when the brake holds nothing more.
pub async fn due(
    db: &mut Db,
    only: Option<&[ConnectionId]>,
    busy: &[ConnectionId],
    limit: i64,
    now: Instant,
) -> Result<Vec<Sync>> {
    let busy: Vec<uuid::Uuid> = busy.iter().map(|connection| connection.0).collect();
    let only: Option<Vec<uuid::Uuid>> = only.map(|only| only.iter().map(|connection| connection.0).collect());
    let rows = sqlx::query_as!(
        Raw,
        "select connection_id, sync_id, mode, s.state, phase, cursor, total, unreadable, started_at, due_at,
                finished_at, error, variants, visits_from, e_calls, r_drips, counts, tally
         from syncs s join connections c using (connection_id)
         where (c.state = 'active' or c.state = 'paused' and mode = 'preview')
           and (s.state = 'running' or s.state = 'awaiting_approval'
                and not exists (select from brakes b
                                where b.connection_id = s.connection_id and b.state = 'held'))
           and due_at <= $1 and connection_id <> all($2)
           and ($4::uuid[] is null or connection_id = any($4))
         order by due_at, sync_id limit $3",
        now,
        &busy,
        limit,
        only.as_deref(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Sync::try_from).collect()
}

/// When the next running run is due.
pub async fn next_due(db: &mut Db) -> Result<Option<Instant>> {
    let next = sqlx::query_scalar!(
        "select min(due_at) from syncs s join connections c using (connection_id)
         where (c.state = 'active' or c.state = 'paused' and mode = 'preview')
           and (s.state = 'running' or s.state = 'awaiting_approval'
                and not exists (select from brakes b
                                where b.connection_id = s.connection_id and b.state = 'held'))"
    )
    .fetch_one(db)
    .await?;
    Ok(next)
}

/// Takes a step of a run for oneself by moving its due time; false when somebody else was first.
pub async fn take(db: &mut Db, sync: &Sync, due_at: Instant) -> Result<bool> {
    let done = sqlx::query!(
        "update syncs set due_at = $4 where connection_id = $1 and sync_id = $2 and due_at = $3",
        sync.connection_id.0,
        sync.sync_id.0,
        sync.due_at,
        due_at,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down how far a run has come. False when it was cancelled meanwhile: then nothing of this step may stay.
pub async fn save(db: &mut Db, sync: &Sync) -> Result<bool> {
    let done = sqlx::query!(
        "update syncs set state = $3, phase = $4, cursor = $5, total = $6, unreadable = $7, due_at = $8,
                finished_at = $9, error = $10, variants = $11, visits_from = $12, e_calls = $13, r_drips = $14,
                counts = $15, tally = $16
         where connection_id = $1 and sync_id = $2 and state <> 'cancelled'",
        sync.connection_id.0,
        sync.sync_id.0,
        sync.state,
        sync.phase.as_str(),
        sync.cursor,
        sync.total,
        sync.unreadable,
        sync.due_at,
        sync.finished_at,
        sync.error,
        sync.variants,
        sync.visits_from,
        sync.e_calls,
        sync.r_drips,
        sync.counts,
        kept(sync.tally)?,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

//! How far a run is and what it has come to: as it stands, and once it has ended as it stood then.

use serde::{Deserialize, Serialize};

use super::{Mode, Phase, Sync};
use crate::ids::ConnectionId;
use crate::store::{Db, Result, StoreError, brakes, reviews};

/// After so many failures in a row a run no longer waits for a product: it is tried on by itself.
const FAILING: i32 = 4;

/// How many products with an R-Series half are linked, parked, or still wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Products and variants with both halves; a product with variants is as many as it has.
    pub linked: i64,
    /// Parked with a reason.
    pub parked: i64,
    /// Wait or are being visited.
    pub waiting: i64,
    /// Items that wait, or whose matrix does.
    pub items_waiting: i64,
    /// Have failed again and again, and are tried on.
    pub failing: i64,
}

/// Progress of the visits of a connection.
pub async fn progress(db: &mut Db, connection_id: ConnectionId) -> Result<Progress> {
    let row = sqlx::query!(
        r#"select count(*) filter (where l.r_item_id is not null
                                     and l.e_product_id is not null) as "linked!",
                  count(*) filter (where d.parked_at is not null) as "parked!",
                  count(*) filter (where d.product_id is not null and d.parked_at is null
                                     and d.attempts < $2) as "waiting!",
                  count(*) filter (where l.r_item_id is not null
                                     and (d.product_id is not null and d.parked_at is null and d.attempts < $2
                                          or p.product_id is not null and p.parked_at is null
                                             and p.attempts < $2)) as "items_waiting!",
                  count(*) filter (where d.parked_at is null and d.attempts >= $2) as "failing!"
           from links l left join dirty d using (connection_id, product_id)
                left join dirty p on p.connection_id = l.connection_id and p.product_id = l.parent_id
           where l.connection_id = $1 and (l.r_item_id is not null or l.r_matrix_id is not null)"#,
        connection_id.0,
        FAILING,
    )
    .fetch_one(db)
    .await?;
    Ok(Progress {
        linked: row.linked,
        parked: row.parked,
        waiting: row.waiting,
        items_waiting: row.items_waiting,
        failing: row.failing,
    })
}

/// The numbers of a run. Those of one that has ended are kept: its products go on to wait, to fail and to be parked for
/// reasons that are none of the run's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Items dealt with.
    pub done: i64,
    /// Products and variants with both halves.
    pub linked: i64,
    /// Products parked with a reason.
    pub parked: i64,
    /// Products whose match is in doubt.
    pub reviews: i64,
    /// Products that have failed again and again.
    pub failing: i64,
    /// Products that the brake holds.
    pub held: i64,
}

/// What a run has come to: now, or when it ended.
pub async fn tally(db: &mut Db, sync: &Sync) -> Result<Tally> {
    if let Some(tally) = sync.tally {
        return Ok(tally);
    }
    let progress = progress(&mut *db, sync.connection_id).await?;
    let judged = || sync.counts.get("items").and_then(serde_json::Value::as_i64).unwrap_or_default();
    let done = match (sync.mode, sync.phase) {
        _ if sync.state == "done" => sync.total,
        (Mode::Preview, _) => judged().min(sync.total),
        (_, Phase::Visit) => sync.total.saturating_sub(progress.items_waiting).max(0),
        _ => 0,
    };
    Ok(Tally {
        done,
        linked: progress.linked,
        parked: progress.parked,
        reviews: reviews::count(&mut *db, sync.connection_id).await?,
        failing: progress.failing,
        held: brakes::on(&mut *db, sync.connection_id).await?.map_or(0, |on| on.held),
    })
}

pub(super) fn read(kept: serde_json::Value) -> Result<Tally> {
    serde_json::from_value(kept).map_err(|error| StoreError::Unreadable(format!("syncs.tally: {error}")))
}

pub(super) fn kept(tally: Option<Tally>) -> Result<Option<serde_json::Value>> {
    let kept = tally.map(serde_json::to_value).transpose();
    kept.map_err(|error| StoreError::Unreadable(format!("syncs.tally: {error}")))
}

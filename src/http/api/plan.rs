//! The plan: what it allows, what is used of it, who waits for room.

use serde::Serialize;
use utoipa::ToSchema;

use crate::connections::{Settings, settings};
use crate::store::connections::Row;
use crate::store::{Db, StoreError, room};

/// Plan and its use.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plan {
    /// Name.
    name: String,
    /// What is allowed by the plan or by the store, whichever leaves less room; null is unlimited.
    limit: Option<i64>,
    /// What is used of that.
    used: i64,
    /// Products and variants that the plan allows, counted one by one; null is unlimited.
    pieces_limit: Option<i64>,
    /// Products and variants online: a product with variants is as many as it has variants.
    pieces_used: i64,
    /// Products that the E-Series store takes, whose variants do not count; null when it does not say.
    store_limit: Option<i64>,
    /// Products in the store.
    store_used: i64,
    /// Products and variants online beyond what is allowed. Nothing is removed for that; nothing is added either.
    excess: i64,
    /// Products that wait for room, in `parked` with their reason. They go on by themselves.
    waiting: i64,
    /// Products and variants that these are.
    waiting_for: i64,
}

/// The plan of a connection, and how much of it is used.
pub(super) async fn state(db: &mut Db, row: &Row) -> Result<Plan, StoreError> {
    let used = room::used(db, row.connection_id, None, false).await?;
    let waiting = room::waiting(db, row.connection_id).await?;
    let settings = Settings::of(row);
    let limits = settings::limits(row, &settings);
    let over = |limit: Option<i64>, used: i64| limit.map_or(0, |limit| used.saturating_sub(limit).max(0));
    let (by_plan, by_store) = ((limits.most_pieces(), used.pieces), (limits.products, used.products));
    let room =
        |(limit, used): &(Option<i64>, i64)| limit.map_or(i64::MAX, |limit| limit.saturating_sub(*used));
    let (limit, of_it) = if room(&by_store) < room(&by_plan) { by_store } else { by_plan };
    Ok(Plan {
        limit,
        used: of_it,
        pieces_limit: limits.most_pieces(),
        pieces_used: used.pieces,
        store_limit: limits.products,
        store_used: used.products,
        excess: over(limits.most_pieces(), used.pieces).max(over(limits.products, used.products)),
        waiting: i64::try_from(waiting.len()).unwrap_or(i64::MAX),
        waiting_for: waiting.iter().map(|(_, need)| need.pieces).sum(),
        name: limits.plan,
    })
}

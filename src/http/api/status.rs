//! The status of a connection: how it is doing, in one answer.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use crate::clock::Instant;
use crate::connections::care;
use crate::http::Desk;
use crate::http::problem::{Path, Problem};
use crate::ids::ConnectionId;
use crate::store::connections::State as Standing;
use crate::store::{categories, conflicts, dirty, ledger, links, syncs, trees};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(get_status))
}

/// How a connection is doing.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    /// `active`, `paused` or `needs_attention`.
    state: Standing,
    /// Why it is not active.
    state_reason: Option<String>,
    /// Both sides are watched and tell the same: the connection is active, nothing waits or runs, no run is under
    /// way, no write is open, and the last sweep found nothing. What is not watched may have changed unseen, so
    /// this is false while the connection is paused or needs attention.
    in_step: bool,
    /// Products that wait for a visit.
    waiting: i64,
    /// Products being visited.
    running: i64,
    /// Products that are parked with a reason, or have a field that is held.
    parked: i64,
    /// Products with both halves: of those with variants each variant, and not the whole.
    linked: i64,
    /// Writes whose outcome is not known yet.
    open_writes: i64,
    /// Conflicts that wait for a choice.
    conflicts_open: i64,
    /// Seconds since the oldest product that waits was last known to be in step.
    oldest_unproven_seconds: i64,
    /// When the last complete sweep ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    swept_at: Option<Instant>,
    /// Changes that the last sweep found and no notice had told.
    found_by_sweep: i64,
    /// How the tokens are.
    tokens: Tokens,
    /// Whether the sweep is kept from taking more away.
    brake: super::brake::Brake,
    /// The shop's categories.
    categories: super::categories::CategoryCounts,
    /// The plan.
    plan: super::plan::Plan,
    /// The newest run over the whole catalogue.
    sync: Option<super::syncs::SyncView>,
}

/// How the tokens of a connection are.
#[derive(Debug, Serialize, ToSchema)]
struct Tokens {
    /// Until when R-Series takes the refresh token if it is not used. With use the connection lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    r_series_unused_until: Option<Instant>,
    /// What to do about them, if anything.
    warning: Option<String>,
}

/// How is it doing?
#[utoipa::path(get, path = "/connections/{connection_id}/status", tag = "connections", operation_id = "get_status",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    responses((status = 200, description = "Its status", body = Status),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem)))]
async fn get_status(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<Status>, Problem> {
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    let counts = dirty::counts(&mut db, id, now).await?;
    let linked = links::count_linked(&mut db, id).await?;
    let held = links::count_held(&mut db, id).await?;
    let open_writes = ledger::count_open(&mut db, id).await?;
    let conflicts_open = conflicts::count_open(&mut db, id).await?;
    let under_way = syncs::under_way(&mut db, id).await?;
    let sync = super::syncs::newest(&mut db, id, now).await?;
    let brake = super::brake::state(&mut db, &row, linked).await?;
    let plan = super::plan::state(&mut db, &row).await?;
    let categories = categories::counts(&mut db, id).await?.into();
    let tree_waits = trees::at_work(&mut db, id, now).await?;
    let care = care(&mut db, id, now).await?;
    Ok(axum::Json(Status {
        state: row.state,
        state_reason: row.state_reason,
        in_step: row.state == Standing::Active
            && counts.waiting + counts.running + open_writes + row.sweep_found == 0
            && !tree_waits
            && row.swept_at.is_some()
            && !matches!(under_way, Some((_, syncs::Mode::Apply))),
        waiting: counts.waiting,
        running: counts.running,
        parked: counts.parked + held,
        linked,
        open_writes,
        conflicts_open,
        oldest_unproven_seconds: counts.oldest_seconds,
        swept_at: row.swept_at,
        found_by_sweep: row.sweep_found,
        tokens: Tokens { r_series_unused_until: care.r_unused_until, warning: care.warning },
        brake,
        categories,
        plan,
        sync,
    }))
}

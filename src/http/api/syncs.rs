//! Runs over a whole catalogue.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures::Stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use crate::clock::{Instant, sleep};
use crate::http::Desk;
use crate::http::problem::{Json, Path, Problem};
use crate::ids::{ConnectionId, SyncId};
use crate::store::syncs::{self, Mode, Phase, Sync};
use crate::store::{Db, StoreError};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(start_sync)).routes(routes!(get_sync)).routes(routes!(sync_events))
}

/// What a run is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSync {
    /// `apply` brings everything in step. `preview` is not offered yet.
    mode: String,
}

/// A run that was started.
#[derive(Debug, Serialize, ToSchema)]
struct StartedSync {
    /// Id.
    id: SyncId,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SyncView {
    /// Id.
    id: SyncId,
    /// What it is for: `apply`, or the routine `full_look` that finds what no notice and no poll told.
    mode: Mode,
    /// `running`, `done` or `failed`.
    state: String,
    /// How far it is.
    progress: Progress,
    /// Estimated seconds until it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<i64>,
    /// What it came to.
    summary: Summary,
}

/// How far a run is.
#[derive(Debug, Serialize, ToSchema)]
struct Progress {
    /// Items dealt with.
    done: i64,
    /// Items listed so far.
    total: i64,
}

/// What a run came to.
#[derive(Debug, Serialize, ToSchema)]
struct Summary {
    /// `list_online`, `list_shop`, `mark_missing` or `visit`.
    phase: &'static str,
    /// Products with both halves.
    linked: i64,
    /// Products parked with a reason.
    parked: i64,
    /// Records that could not be read.
    unreadable: i64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    started_at: Instant,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Instant>,
    /// Why it failed.
    error: Option<String>,
}

async fn show(db: &mut Db, sync: Sync, now: Instant) -> Result<SyncView, StoreError> {
    let progress = syncs::progress(db, sync.connection_id).await?;
    let done = match sync.phase {
        Phase::Visit => (sync.total - progress.waiting).max(0),
        _ => 0,
    };
    let spent = (now - sync.started_at).num_seconds().max(0);
    let left = sync.total - done;
    let eta = (sync.state == "running" && done > 0).then(|| spent.saturating_mul(left) / done);
    Ok(SyncView {
        id: sync.sync_id,
        mode: sync.mode,
        state: sync.state,
        progress: Progress { done, total: sync.total },
        eta_seconds: eta,
        summary: Summary {
            phase: sync.phase.as_str(),
            linked: progress.linked,
            parked: progress.parked,
            unreadable: sync.unreadable,
            started_at: sync.started_at,
            finished_at: sync.finished_at,
            error: sync.error,
        },
    })
}

/// The newest run of a connection.
pub(super) async fn newest(
    db: &mut Db,
    connection: ConnectionId,
    now: Instant,
) -> Result<Option<SyncView>, StoreError> {
    match syncs::newest(db, connection).await? {
        Some(sync) => show(db, sync, now).await.map(Some),
        None => Ok(None),
    }
}

async fn view(desk: &Desk, connection_id: ConnectionId, sync_id: SyncId) -> Result<SyncView, Problem> {
    let mut db = desk.store.begin().await?;
    let sync = syncs::get(&mut db, connection_id, sync_id).await?;
    let sync = sync.ok_or_else(|| Problem::not_found("run"))?;
    Ok(show(&mut db, sync, desk.clock.now()).await?)
}

/// Start a run over the whole catalogue
///
/// One that is running already is returned instead.
#[utoipa::path(post, path = "/connections/{connection_id}/syncs", tag = "syncs", operation_id = "start_sync",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path)), request_body = NewSync,
    responses((status = 202, description = "Started", body = StartedSync),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "No such mode", body = Problem)))]
async fn start_sync(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Json(new): Json<NewSync>,
) -> Result<(StatusCode, axum::Json<StartedSync>), Problem> {
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    if new.mode != "apply" {
        return Err(Problem::invalid(
            "mode must be apply; a preview of the whole catalogue is not offered yet: \
             GET …/products/{product_id}/plan shows what a run would do to one product",
        ));
    }
    let sync = syncs::start(&mut db, id, SyncId::new(&desk.ids, now), now).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(StartedSync { id: sync })))
}

/// Show a run
#[utoipa::path(get, path = "/connections/{connection_id}/syncs/{sync_id}", tag = "syncs", operation_id = "get_sync",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path), ("sync_id" = Uuid, Path)),
    responses((status = 200, description = "The run", body = SyncView),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such run", body = Problem)))]
async fn get_sync(
    State(desk): State<Desk>,
    Path((id, sync)): Path<(ConnectionId, SyncId)>,
) -> Result<axum::Json<SyncView>, Problem> {
    Ok(axum::Json(view(&desk, id, sync).await?))
}

/// Follow a run
///
/// Server-sent events named `progress`, each a run as above, until it ends.
#[utoipa::path(get, path = "/connections/{connection_id}/syncs/{sync_id}/events", tag = "syncs",
    operation_id = "sync_events", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("sync_id" = Uuid, Path)),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream"),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such run", body = Problem)))]
async fn sync_events(
    State(desk): State<Desk>,
    Path((id, sync)): Path<(ConnectionId, SyncId)>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let first = view(&desk, id, sync).await?;
    let stream = futures::stream::unfold(Some((desk, Some(first))), move |state| async move {
        let (desk, ready) = state?;
        let now = match ready {
            Some(ready) => ready,
            None => {
                sleep(&desk.clock, Duration::from_secs(1)).await;
                view(&desk, id, sync).await.ok()?
            }
        };
        let goes_on = now.state == "running";
        let event = Event::default().event("progress").json_data(&now).ok()?;
        Some((Ok(event), goes_on.then_some((desk, None))))
    });
    Ok(Sse::new(stream))
}

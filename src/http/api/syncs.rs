//! Runs over a whole catalogue.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures::Stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{List, Paging, connection, page};
use crate::clock::{Instant, sleep};
use crate::http::Desk;
use crate::http::problem::{Json, Path, Problem, Query};
use crate::ids::{ConnectionId, ProductId, SyncId};
use crate::reconcile::{Forecast, seconds_for};
use crate::store::syncs::{self, Mode, Phase, Sync};
use crate::store::{Db, StoreError, sync_items};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(start_sync))
        .routes(routes!(get_sync))
        .routes(routes!(cancel_sync))
        .routes(routes!(list_sync_items))
        .routes(routes!(sync_events))
}

/// What a run is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSync {
    /// `apply` brings everything in step. `preview` lists both sides and says what that would do, and at what cost;
    /// it writes nothing on either platform, and may be asked for while the connection is paused.
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
    /// What it is for: `apply`, `preview`, or the routine `full_look` that finds what no notice and no poll told.
    mode: Mode,
    /// `running`, `done`, `failed`, `cancelled`, or `awaiting_approval`: all is done but what the brake holds, until
    /// an operator releases it.
    state: String,
    /// How far it is; of a run that has ended, how far it came.
    progress: Progress,
    /// Estimated seconds until it is done: by how fast it was so far, and never less than the limits of both platforms
    /// take. Not known while the catalogue is being listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<i64>,
    /// What it has come to. The numbers of a run that has ended stay as they were then, whatever becomes of its
    /// products: how these are now is in the connection's status.
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
    /// `list_online`, `list_matrices`, `list_shop`, `list_recent` (once more what changed on E-Series shortly before),
    /// `mark`, `mark_missing` and `visit`; of a preview `compare` and `compare_online` after the lists.
    phase: &'static str,
    /// Of the items listed, those that are variants of a matrix.
    variants: i64,
    /// Products with both halves: of those with variants each variant, as in the connection's status.
    linked: i64,
    /// Products parked with a reason.
    parked: i64,
    /// Products whose match is in doubt: see `reviews`.
    reviews: i64,
    /// Products that have failed again and again. The run does not wait for them; they are tried on.
    failing: i64,
    /// Products that the brake holds.
    held: i64,
    /// Records that could not be read.
    unreadable: i64,
    /// Of a preview: what a run would do.
    preview: Option<PreviewSummary>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    started_at: Instant,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Instant>,
    /// Why it failed.
    error: Option<String>,
}

/// What a run would do.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewSummary {
    /// Products by what would be done about them.
    actions: BTreeMap<String, i64>,
    /// Variations that would be created along with their products.
    variations_created: i64,
    /// Categories that would be written, as far as the shop's tree has been read.
    categories: i64,
    /// Pictures that would be uploaded, as far as the shop's have been read.
    pictures: i64,
    /// Writes on E-Series.
    e_series_writes: i64,
    /// Writes on R-Series.
    r_series_writes: i64,
    /// All calls to E-Series, those of the run's own lists included.
    e_series_calls: i64,
    /// All drips on R-Series, the same.
    r_series_drips: i64,
    /// How long that takes at the pace of both platforms.
    seconds: i64,
}

fn preview_of(sync: &Sync) -> Option<PreviewSummary> {
    if sync.mode != Mode::Preview {
        return None;
    }
    let whole = |name: &str| sync.counts.get(name).and_then(serde_json::Value::as_i64).unwrap_or_default();
    let rounded_up = |name: &str| {
        let number = sync.counts.get(name).and_then(serde_json::Value::as_f64).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "clamped to a range that fits")]
        let whole = number.ceil().clamp(0.0, 1e12) as i64;
        whole
    };
    let actions = sync.counts.get("actions").cloned().unwrap_or_default();
    Some(PreviewSummary {
        actions: serde_json::from_value(actions).unwrap_or_default(),
        variations_created: whole("variants_created"),
        categories: whole("categories"),
        pictures: whole("pictures"),
        e_series_writes: whole("e_writes"),
        r_series_writes: whole("r_writes"),
        e_series_calls: rounded_up("e_calls"),
        r_series_drips: rounded_up("r_drips"),
        seconds: whole("seconds"),
    })
}

/// Seconds until a run is done that is at its visits.
fn eta(sync: &Sync, done: i64, now: Instant) -> Option<i64> {
    let from = sync.visits_from.filter(|_| sync.state == "running" && sync.phase == Phase::Visit)?;
    let left = sync.total.saturating_sub(done).max(0);
    let spent = (now - from).num_seconds().max(0);
    let measured = if done > 0 { spent.saturating_mul(left) / done } else { 0 };
    #[expect(clippy::cast_precision_loss, reason = "counts of a catalogue are small")]
    let share = left as f64 / sync.total.max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "counts of a catalogue are small")]
    let by_limits = seconds_for(sync.e_calls as f64 * share, sync.r_drips * share);
    Some(measured.max(by_limits))
}

async fn show(db: &mut Db, sync: Sync, now: Instant) -> Result<SyncView, StoreError> {
    let tally = syncs::tally(db, &sync).await?;
    let eta = eta(&sync, tally.done, now);
    Ok(SyncView {
        id: sync.sync_id,
        mode: sync.mode,
        progress: Progress { done: tally.done, total: sync.total },
        eta_seconds: eta,
        summary: Summary {
            phase: sync.phase.as_str(),
            variants: sync.variants,
            linked: tally.linked,
            parked: tally.parked,
            reviews: tally.reviews,
            failing: tally.failing,
            held: tally.held,
            unreadable: sync.unreadable,
            preview: preview_of(&sync),
            started_at: sync.started_at,
            finished_at: sync.finished_at,
            error: sync.error,
        },
        state: sync.state,
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
/// One of the same mode that is under way already is returned instead.
#[utoipa::path(post, path = "/connections/{connection_id}/syncs", tag = "syncs", operation_id = "start_sync",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path)), request_body = NewSync,
    responses((status = 202, description = "Started", body = StartedSync),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 409, description = "A run of the other mode is under way", body = Problem),
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
    let mode = match new.mode.as_str() {
        "apply" => Mode::Apply,
        "preview" => Mode::Preview,
        _ => return Err(Problem::invalid("mode must be apply or preview")),
    };
    syncs::alone(&mut db, id).await?;
    let sync = match syncs::under_way(&mut db, id).await? {
        Some((running, its_mode)) if its_mode == mode => running,
        Some((running, its_mode)) => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "run-under-way",
                format!(
                    "the run {running} ({}) is under way: wait until it ends, or cancel it",
                    its_mode.as_str()
                ),
            ));
        }
        None => {
            let sync = SyncId::new(&desk.ids, now);
            syncs::start(&mut db, id, sync, mode, now).await?;
            sync
        }
    };
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(StartedSync { id: sync })))
}

/// Cancel a run
///
/// What is being written is finished, and nothing more is begun for the run. What it has done stays, and what notices
/// and polls tell of goes on: pause the connection to stop everything.
#[utoipa::path(post, path = "/connections/{connection_id}/syncs/{sync_id}/cancel", tag = "syncs",
    operation_id = "cancel_sync", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("sync_id" = Uuid, Path)),
    responses((status = 200, description = "The run, cancelled", body = SyncView),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such run", body = Problem),
              (status = 409, description = "It has ended already", body = Problem)))]
async fn cancel_sync(
    State(desk): State<Desk>,
    Path((id, sync)): Path<(ConnectionId, SyncId)>,
) -> Result<axum::Json<SyncView>, Problem> {
    let mut db = desk.store.begin().await?;
    let found = syncs::get(&mut db, id, sync).await?.ok_or_else(|| Problem::not_found("run"))?;
    if !syncs::cancel(&mut db, &found, desk.clock.now()).await? {
        let words = format!("the run has ended already: it is {}", found.state);
        return Err(Problem::new(StatusCode::CONFLICT, "run-has-ended", words));
    }
    db.commit().await?;
    Ok(axum::Json(view(&desk, id, sync).await?))
}

/// Which products of a preview.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ItemFilter {
    /// Only these: `create`, `link`, `change`, `remove`, `left_out`, `review`, `in_step` or `only_online`.
    #[param(pattern = "^(create|link|change|remove|left_out|review|in_step|only_online)$")]
    action: Option<String>,
}

const ACTIONS: [&str; 8] =
    ["create", "link", "change", "remove", "left_out", "review", "in_step", "only_online"];

/// List what a preview found, product by product
///
/// Empty for a run that is no preview.
#[utoipa::path(get, path = "/connections/{connection_id}/syncs/{sync_id}/items", tag = "syncs",
    operation_id = "list_sync_items", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("sync_id" = Uuid, Path), ItemFilter, Paging),
    responses((status = 200, description = "Products", body = List<Forecast>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such run", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_sync_items(
    State(desk): State<Desk>,
    Path((id, sync)): Path<(ConnectionId, SyncId)>,
    Query(filter): Query<ItemFilter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Forecast>>, Problem> {
    let limit = paging.limit()?;
    let after = paging.cursor::<ProductId>()?;
    if filter.action.as_deref().is_some_and(|action| !ACTIONS.contains(&action)) {
        return Err(Problem::invalid(format!("action must be one of {}", ACTIONS.join(", "))));
    }
    let mut db = desk.store.begin().await?;
    if syncs::get(&mut db, id, sync).await?.is_none() {
        return Err(Problem::not_found("run"));
    }
    let rows = sync_items::page(&mut db, (id, sync), filter.action.as_deref(), after, limit + 1).await?;
    let read = |row: sync_items::Row| {
        serde_json::from_value::<Forecast>(row.item)
            .map_err(|error| StoreError::Unreadable(format!("sync_items.item: {error}")))
    };
    let items = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(axum::Json(page(items, limit, |item| item.product_id.to_string(), |item| item)))
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
        let goes_on = ["running", "awaiting_approval"].contains(&now.state.as_str());
        let event = Event::default().event("progress").json_data(&now).ok()?;
        Some((Ok(event), goes_on.then_some((desk, None))))
    });
    Ok(Sse::new(stream))
}

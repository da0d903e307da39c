//! Undoing writes: one, or all of a run. An undo is itself an order in the ledger, and goes through the engine like
//! any other change.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use super::products::no_look;
use crate::catalog::{Field, Side, Value};
use crate::clock::Instant;
use crate::connections::Settings;
use crate::http::Desk;
use crate::http::problem::{Json, Path, Problem};
use crate::ids::{ConnectionId, EntryId, ProductId, SyncId};
use crate::ledger::{Entry, Kind, Origin};
use crate::reconcile::undo::{Refused, undo, undoable, unfit_by_memory};
use crate::store::dirty::Asker;
use crate::store::edits::{Edit, What};
use crate::store::ledger::Run;
use crate::store::{Db, dirty, edits, ledger, links, syncs};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(undo_entry))
        .routes(routes!(undo_run))
        .routes(routes!(undo_sync))
        .routes(routes!(get_undo))
}

/// Most writes that are undone in one order.
const MOST: i64 = 5_000;

/// The word in the detail of the ledger entry of an order.
const ACT: &str = "undo";

/// An order that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderedEdit {
    /// Its id: the ledger entry that tells of it. `GET …/ledger/undos/{undo_id}` tells how far it is.
    pub(super) id: EntryId,
    /// Changes that will be made.
    pub(super) accepted: i64,
}

/// Somebody was faster.
pub(super) fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "moved-on", detail)
}

fn problem(refused: Refused) -> Problem {
    if refused.moved_on { conflict(refused.reason) } else { Problem::invalid(refused.reason) }
}

/// An operator's entry that asks for edits.
pub(super) fn order(desk: &Desk, id: ConnectionId, act: &str, cause: String) -> Entry {
    let now = desk.clock.now();
    let entry_id = EntryId::new(&desk.ids, now);
    let mut entry = Entry::about_all(id, entry_id, now, Kind::Operator, Origin::Operator);
    entry.cause = Some(cause);
    entry.detail = Some(serde_json::json!({ "act": act }));
    entry
}

/// Writes an order and its edits down, and has the products visited.
pub(super) async fn place(
    desk: &Desk,
    db: &mut Db,
    id: ConnectionId,
    order: &Entry,
    edits: &[Edit],
) -> Result<(), Problem> {
    let now = desk.clock.now();
    let products: Vec<ProductId> = edits.iter().map(|edit| edit.product_id).collect();
    dirty::mark(db, id, &products, Asker::Other, now, now).await?;
    ledger::insert(db, order).await?;
    if !edits::put(db, id, edits).await? {
        return Err(conflict(
            "another undo or choice for the same field of the same product is under way: wait until it is done",
        ));
    }
    Ok(())
}

async fn rules(db: &mut Db, id: ConnectionId) -> Result<crate::catalog::Rules, Problem> {
    let row = connection(db, id).await?;
    let settings = Settings::of(&row);
    Ok(settings.rules())
}

/// Undo a write
///
/// Both sides are looked at first; where the value has moved on since, nothing is done. The side that was written gets
/// back what it showed before. The other side gets the same where the field's way carries changes to it, so both end in
/// step; where it does not, the two stay apart until a change is carried again. Of the stock, the pieces are added or
/// taken as a change, never set. A picture that existed online alone and was taken down, because the shop changed its own,
/// is shown again behind those that are there. The creation of a product is undone by removing it on E-Series: everything it had is
/// kept, and `retry` creates it again.
#[utoipa::path(post, path = "/connections/{connection_id}/ledger/{entry_id}/undo", tag = "ledger",
    operation_id = "undo_entry", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("entry_id" = Uuid, Path)),
    responses((status = 202, description = "It will be undone", body = OrderedEdit),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection or entry", body = Problem),
              (status = 409, description = "The value has moved on since, or it is undone already", body = Problem),
              (status = 422, description = "An entry of this kind cannot be undone", body = Problem),
              (status = 502, description = "A platform refuses the look", body = Problem),
              (status = 503, description = "A platform cannot be asked now", body = Problem)))]
async fn undo_entry(
    State(desk): State<Desk>,
    Path((id, entry_id)): Path<(ConnectionId, EntryId)>,
) -> Result<(StatusCode, axum::Json<OrderedEdit>), Problem> {
    let mut db = desk.store.begin().await?;
    let rules = rules(&mut db, id).await?;
    let entry = ledger::get(&mut db, id, entry_id).await?.ok_or_else(|| Problem::not_found("entry"))?;
    undoable(&entry).map_err(problem)?;
    let product = entry.product_id.ok_or_else(|| Problem::invalid("The entry is about no product."))?;
    let link = links::load(&mut db, id, &[product]).await?.pop();
    let link =
        link.ok_or_else(|| conflict("The product is gone from both sides, and Concord has forgotten it."))?;
    let mut order = order(&desk, id, ACT, format!("an operator undoes entry {entry_id}"));
    (order.product_id, order.field) = (Some(product), entry.field);
    if entry.kind == Kind::Remove {
        return create_again(&desk, db, id, product, order).await;
    }
    if entry.kind == Kind::Create && !ledger::is_newest_of_half(&mut db, &entry).await? {
        return Err(conflict("The product was removed or tied anew since it was created."));
    }
    drop(db);
    let new_id = || desk.ids.uuid(desk.clock.now());
    let (edits, mut refused) = undo(std::slice::from_ref(&entry), &link, &rules, order.entry_id, new_id);
    if let Some(refused) = refused.pop() {
        return Err(problem(refused));
    }
    // A look takes its time: no transaction is open meanwhile.
    let wanted: Vec<What> = edits.iter().map(|edit| edit.what.clone()).collect();
    let unfit = desk.corridor.unfit(id, product, &wanted).await.map_err(no_look)?;
    let unfit = unfit.ok_or_else(|| Problem::not_found("product"))?;
    if let Some(why) = unfit.into_iter().flatten().next() {
        return Err(conflict(why));
    }
    let mut db = desk.store.begin().await?;
    place(&desk, &mut db, id, &order, &edits).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(OrderedEdit { id: order.entry_id, accepted: 1 })))
}

/// A product that an operator has taken off the web is created there again.
async fn create_again(
    desk: &Desk,
    mut db: crate::store::Tx,
    id: ConnectionId,
    product: ProductId,
    order: Entry,
) -> Result<(StatusCode, axum::Json<OrderedEdit>), Problem> {
    let now = desk.clock.now();
    dirty::mark(&mut db, id, &[product], Asker::Other, now, now).await?;
    if !edits::ask_for(&mut db, id, product).await? {
        return Err(Problem::invalid(
            "It was removed because the shop has it no more, and comes back with everything it had when the shop has \
             it again: unarchive the item.",
        ));
    }
    ledger::insert(&mut db, &order).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(OrderedEdit { id: order.entry_id, accepted: 1 })))
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UndoMode {
    /// Only tells what would be done.
    Preview,
    /// Does it.
    Apply,
}

/// Which writes are to be undone: give one of `cause`, `call_id` and `sync_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UndoRun {
    /// `preview` tells what would be done, `apply` does it.
    mode: UndoMode,
    /// Writes with exactly this cause, such as `order <id>` of a mass update.
    cause: Option<String>,
    /// Writes that travelled in one call.
    call_id: Option<uuid::Uuid>,
    /// What was written while this run lasted and no notice had led to.
    sync_id: Option<SyncId>,
}

/// How a run is to be undone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UndoSync {
    /// `preview` tells what would be done, `apply` does it.
    mode: UndoMode,
}

/// What undoing a run comes to.
#[derive(Debug, Serialize, ToSchema)]
struct RunUndo {
    /// The order: the ledger entry that tells of it; null for a preview.
    id: Option<EntryId>,
    /// Changes that are to be made.
    accepted: i64,
    /// Writes that are not undone.
    refused: i64,
    /// The changes, the first 200 of them.
    edits: Vec<EditView>,
    /// The writes that are not undone, the first 200 of them.
    left: Vec<LeftView>,
}

/// A change that is to be made.
#[derive(Debug, Serialize, ToSchema)]
struct EditView {
    /// The product.
    product_id: ProductId,
    /// The field; null when the product is to leave the web.
    field: Option<Field>,
    /// What R-Series is to show; null: it is not written.
    r_series: Option<serde_json::Value>,
    /// What E-Series is to show; null: it is not written. Of pictures, where those were that are hung again.
    e_series: Option<serde_json::Value>,
    /// Of stock, the side to which pieces are added first; they reach the other one from there.
    side: Option<Side>,
    /// Of stock, signed pieces.
    delta: Option<i64>,
    /// The writes that it undoes, newest first.
    undoes: Vec<EntryId>,
}

/// A write that is not undone.
#[derive(Debug, Serialize, ToSchema)]
struct LeftView {
    /// The ledger entry.
    entry_id: EntryId,
    /// Why, in words.
    reason: String,
}

impl EditView {
    fn of(edit: &Edit) -> Self {
        let value = |side: Side| match &edit.what {
            What::Values(values) => values.want.side(side).map(Value::to_json),
            What::Pictures(urls) => (side == Side::ESeries).then(|| urls.as_slice().into()),
            What::Stock { .. } | What::Remove => None,
        };
        let (side, delta) = match edit.what {
            What::Stock { side, delta } => (Some(side), Some(delta)),
            What::Values(_) | What::Remove | What::Pictures(_) => (None, None),
        };
        Self {
            product_id: edit.product_id,
            field: edit.what.field(),
            r_series: value(Side::RSeries),
            e_series: value(Side::ESeries),
            side,
            delta,
            undoes: edit.undoes.clone(),
        }
    }
}

/// Most rows of an answer about a run.
const SHOWN: usize = 200;

async fn undo_all(
    desk: &Desk,
    id: ConnectionId,
    run: Run,
    mode: UndoMode,
    what: &str,
) -> Result<Response, Problem> {
    let mut db = desk.store.begin().await?;
    let rules = rules(&mut db, id).await?;
    let entries = ledger::of_run(&mut db, id, &run, MOST + 1).await?;
    if entries.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Err(Problem::invalid(format!(
            "these are more than {MOST} writes: undo them in smaller parts, by cause or by call"
        )));
    }
    // Variants that came with their product go with it.
    let created: BTreeSet<String> = entries
        .iter()
        .filter(|entry| entry.kind == Kind::Create)
        .map(|entry| format!("write {}", entry.entry_id))
        .collect();
    let with_it = |entry: &Entry| {
        entry.kind == Kind::Create && entry.cause.as_ref().is_some_and(|cause| created.contains(cause))
    };
    let entries: Vec<Entry> = entries.into_iter().filter(|entry| !with_it(entry)).collect();
    let mut order = order(desk, id, ACT, format!("an operator undoes {what}"));
    let (mut edits, mut refused) = (Vec::new(), Vec::new());
    for of_product in entries.chunk_by(|one, two| one.product_id == two.product_id) {
        let Some(product) = of_product.first().and_then(|entry| entry.product_id) else { continue };
        let Some(link) = links::load(&mut db, id, &[product]).await?.pop() else {
            let gone = |entry: &Entry| Refused {
                entry_id: entry.entry_id,
                moved_on: true,
                reason: "The product is gone from both sides.".into(),
            };
            refused.extend(of_product.iter().map(gone));
            continue;
        };
        let new_id = || desk.ids.uuid(desk.clock.now());
        let (wanted, mut not) = undo(of_product, &link, &rules, order.entry_id, new_id);
        refused.append(&mut not);
        for edit in wanted {
            match unfit_by_memory(&edit.what, &link) {
                None => edits.push(edit),
                Some(why) => refused.extend(edit.undoes.iter().map(|entry| Refused {
                    entry_id: *entry,
                    moved_on: true,
                    reason: why.clone(),
                })),
            }
        }
    }
    let count = |many: usize| i64::try_from(many).unwrap_or(i64::MAX);
    let apply = mode == UndoMode::Apply;
    let answer = RunUndo {
        id: apply.then_some(order.entry_id),
        accepted: count(edits.len()),
        refused: count(refused.len()),
        edits: edits.iter().take(SHOWN).map(EditView::of).collect(),
        left: refused
            .into_iter()
            .take(SHOWN)
            .map(|refused| LeftView { entry_id: refused.entry_id, reason: refused.reason })
            .collect(),
    };
    if !apply {
        return Ok((StatusCode::OK, axum::Json(answer)).into_response());
    }
    order.detail =
        Some(serde_json::json!({ "act": ACT, "accepted": answer.accepted, "refused": answer.refused }));
    place(desk, &mut db, id, &order, &edits).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}

/// What was written while a run over the catalogue lasted.
async fn span_of(db: &mut Db, desk: &Desk, id: ConnectionId, sync: SyncId) -> Result<Run, Problem> {
    let sync = syncs::get(db, id, sync).await?.ok_or_else(|| Problem::not_found("run"))?;
    Ok(Run::Span(sync.started_at, sync.finished_at.unwrap_or_else(|| desk.clock.now())))
}

/// Undo many writes
///
/// Several writes of the same field are undone together, back to what was there before the first of them. A preview
/// goes by what both sides showed when they were last in step. When it is applied, each product is looked at again, and
/// what has moved on is left, with its reason in the ledger.
#[utoipa::path(post, path = "/connections/{connection_id}/ledger/undo", tag = "ledger", operation_id = "undo_run",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path)), request_body = UndoRun,
    responses((status = 200, description = "What would be done", body = RunUndo),
              (status = 202, description = "It will be done", body = RunUndo),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection or run", body = Problem),
              (status = 409, description = "Another undo of the same field is under way", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "Contradictory, or too many writes", body = Problem)))]
async fn undo_run(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Json(order): Json<UndoRun>,
) -> Result<Response, Problem> {
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let (run, what) = match (order.cause, order.call_id, order.sync_id) {
        (Some(cause), None, None) if cause.contains('\0') => {
            return Err(Problem::invalid("cause holds a character that no cause has"));
        }
        (Some(cause), None, None) => {
            let what = format!("all writes of “{}”", cause.chars().take(100).collect::<String>());
            (Run::Cause(cause), what)
        }
        (None, Some(call), None) => (Run::Call(call), format!("call {call}")),
        (None, None, Some(sync)) => (span_of(&mut db, &desk, id, sync).await?, format!("run {sync}")),
        _ => return Err(Problem::invalid("give one of cause, call_id and sync_id")),
    };
    drop(db);
    undo_all(&desk, id, run, order.mode, &what).await
}

/// Undo a run over the catalogue
///
/// What was written while it lasted and no notice had led to; otherwise as `POST …/ledger/undo`.
#[utoipa::path(post, path = "/connections/{connection_id}/syncs/{sync_id}/undo", tag = "syncs",
    operation_id = "undo_sync", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("sync_id" = Uuid, Path)), request_body = UndoSync,
    responses((status = 200, description = "What would be done", body = RunUndo),
              (status = 202, description = "It will be done", body = RunUndo),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such run", body = Problem),
              (status = 409, description = "Another undo of the same field is under way", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "No such mode, or too many writes", body = Problem)))]
async fn undo_sync(
    State(desk): State<Desk>,
    Path((id, sync)): Path<(ConnectionId, SyncId)>,
    Json(order): Json<UndoSync>,
) -> Result<Response, Problem> {
    let mut db = desk.store.begin().await?;
    let run = span_of(&mut db, &desk, id, sync).await?;
    drop(db);
    undo_all(&desk, id, run, order.mode, &format!("run {sync}")).await
}

/// How far an undo is.
#[derive(Debug, Serialize, ToSchema)]
struct UndoView {
    /// Id.
    id: EntryId,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// Changes that it asked for.
    accepted: i64,
    /// Changes that are made.
    done: i64,
    /// Changes that were left, because the value had moved on: their reasons are in the ledger.
    left: i64,
    /// Changes that wait: for their turn, or because the product is parked.
    waiting: i64,
}

/// How far is an undo?
///
/// Also of a choice in a conflict.
#[utoipa::path(get, path = "/connections/{connection_id}/ledger/undos/{undo_id}", tag = "ledger",
    operation_id = "get_undo", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("undo_id" = Uuid, Path)),
    responses((status = 200, description = "How far it is", body = UndoView),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such undo", body = Problem)))]
async fn get_undo(
    State(desk): State<Desk>,
    Path((id, undo)): Path<(ConnectionId, EntryId)>,
) -> Result<axum::Json<UndoView>, Problem> {
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let entry = ledger::get(&mut db, id, undo).await?;
    let detail = entry.as_ref().and_then(|entry| entry.detail.clone()).unwrap_or_default();
    let act = detail.get("act").and_then(serde_json::Value::as_str);
    let entry = entry.filter(|_| act == Some(ACT) || act == Some(super::conflicts::ACT));
    let entry = entry.ok_or_else(|| Problem::not_found("undo"))?;
    let (waiting, left) = edits::progress(&mut db, id, undo).await?;
    let accepted = detail.get("accepted").and_then(serde_json::Value::as_i64).unwrap_or(1);
    let done = accepted.saturating_sub(waiting).saturating_sub(left);
    Ok(axum::Json(UndoView { id: undo, at: entry.at, accepted, done, left, waiting }))
}

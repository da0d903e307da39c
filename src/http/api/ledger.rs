//! The ledger and the conflicts it tells of.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{List, Paging, connection, page};
use crate::catalog::{Field, Side};
use crate::clock::Instant;
use crate::http::Desk;
use crate::http::problem::{Path, Problem, Query};
use crate::ids::{ConflictId, ConnectionId, EntryId, ProductId};
use crate::ledger::{Kind, Origin, Outcome};
use crate::store::ledger::{self, ListQuery};
use crate::store::links;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_ledger)).routes(routes!(list_conflicts))
}

/// An entry of the ledger.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    /// Id; of a write, the id under which it was sent.
    id: EntryId,
    /// When it was written down.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// What it tells.
    kind: Kind,
    /// Where the change came from.
    origin: Origin,
    /// The side that was written, or that told.
    side: Option<Side>,
    /// The product.
    product_id: Option<ProductId>,
    /// Its name now.
    product_name: Option<String>,
    /// The field.
    field: Option<Field>,
    /// What the side showed before.
    before: Option<serde_json::Value>,
    /// What it was to show.
    after: Option<serde_json::Value>,
    /// The value on the other side that was carried.
    source: Option<serde_json::Value>,
    /// The notice, sweep or entry that led to it.
    cause: Option<String>,
    /// More, by kind: winner and loser of a conflict, the write an echo comes from, the reason of a hold.
    detail: Option<serde_json::Value>,
    /// What became of it; null while it is open.
    result: Option<Outcome>,
    /// When that became known.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Instant>,
}

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only this product.
    #[param(value_type = Option<Uuid>)]
    product_id: Option<ProductId>,
    /// Only changes from here.
    origin: Option<Origin>,
    /// Only this side.
    side: Option<Side>,
    /// Only this field.
    field: Option<Field>,
    /// From `next` of the page before.
    cursor: Option<String>,
    /// Most rows, 1 to 200; 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// List the ledger, newest first
#[utoipa::path(get, path = "/connections/{connection_id}/ledger", tag = "ledger", operation_id = "list_ledger",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path), Filter),
    responses((status = 200, description = "Entries", body = List<Entry>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_ledger(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<List<Entry>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let query = ListQuery {
        product_id: filter.product_id,
        origin: filter.origin,
        side: filter.side,
        field: filter.field,
        before: paging.cursor()?,
        limit: limit + 1,
    };
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = ledger::list(&mut db, id, &query).await?;
    let products: Vec<ProductId> = rows.iter().filter_map(|row| row.product_id).collect();
    let links = links::load(&mut db, id, &products).await?;
    let name = |product: Option<ProductId>| {
        links.iter().find(|link| Some(link.product_id) == product).map(|link| link.name.clone())
    };
    let show = |row: crate::ledger::Entry| Entry {
        id: row.entry_id,
        at: row.at,
        kind: row.kind,
        origin: row.origin,
        side: row.side,
        product_id: row.product_id,
        product_name: name(row.product_id),
        field: row.field,
        before: row.before,
        after: row.after,
        source: row.source,
        cause: row.cause,
        detail: row.detail,
        result: row.result,
        closed_at: row.closed_at,
    };
    Ok(axum::Json(page(rows, limit, |row| row.entry_id.to_string(), show)))
}

/// A field that both sides changed.
#[derive(Debug, Serialize, ToSchema)]
struct Conflict {
    /// Id.
    id: ConflictId,
    /// The product.
    product_id: ProductId,
    /// The field.
    field: Field,
    /// What R-Series said.
    r_series: serde_json::Value,
    /// What E-Series said.
    e_series: serde_json::Value,
    /// Whose value was taken; null while it waits for a choice.
    winner: Option<Side>,
    /// When it was found.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// The write that settled it.
    write_id: Option<EntryId>,
}

/// List conflicts, newest first: those that wait for a choice, and those that a rule has decided
#[utoipa::path(get, path = "/connections/{connection_id}/conflicts", tag = "ledger",
    operation_id = "list_conflicts", security(("bearer" = [])), params(("connection_id" = Uuid, Path), Paging),
    responses((status = 200, description = "Conflicts", body = List<Conflict>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_conflicts(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Conflict>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.cursor()?;
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = ledger::list_conflicts(&mut db, id, before, limit + 1).await?;
    let show = |row: ledger::Conflict| Conflict {
        id: row.conflict_id,
        product_id: row.product_id,
        field: row.field,
        r_series: row.r_value,
        e_series: row.e_value,
        winner: row.winner,
        at: row.at,
        write_id: row.entry_id,
    };
    Ok(axum::Json(page(rows, limit, |row| row.conflict_id.to_string(), show)))
}

//! The ledger, and the history of a field.

use std::collections::BTreeMap;

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
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Kind, Origin, Outcome};
use crate::reconcile::undo::undoable;
use crate::store::ledger::{self, ListQuery};
use crate::store::{Db, StoreError, links};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_ledger)).routes(routes!(field_history))
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
    /// The operator's entry that asked for its undoing; null while it stands.
    undone_by: Option<EntryId>,
    /// It is a write of which undo may be asked: whether the value still stands is seen then.
    can_undo: bool,
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
    /// Only entries of this kind.
    kind: Option<Kind>,
    /// Only entries with this result: `landed`, `not_landed`, `superseded`, `refused`, or `open` while it has none.
    #[param(pattern = "^(open|landed|not_landed|superseded|refused)$")]
    result: Option<String>,
    /// Only from this time on (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Instant>,
    /// Only before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Instant>,
}

/// List the ledger, newest first
#[utoipa::path(get, path = "/connections/{connection_id}/ledger", tag = "ledger", operation_id = "list_ledger",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path), Filter, Paging),
    responses((status = 200, description = "Entries", body = List<Entry>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_ledger(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Entry>>, Problem> {
    let limit = paging.limit()?;
    let result = filter.result.map(|text| {
        let known = |result: &&'static str| *result == text;
        let wrong = || Problem::invalid(format!("result must be one of {}", RESULTS.join(", ")));
        RESULTS.iter().copied().find(known).ok_or_else(wrong)
    });
    let result = result.transpose()?;
    let query = ListQuery {
        product_id: filter.product_id,
        origin: filter.origin,
        side: filter.side,
        field: filter.field,
        kind: filter.kind,
        result,
        since: filter.since,
        until: filter.until,
        before: paging.cursor()?,
        limit: limit + 1,
    };
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = ledger::list(&mut db, id, &query).await?;
    let names = names(&mut db, id, &rows).await?;
    Ok(axum::Json(page(rows, limit, |row| row.entry_id.to_string(), |row| show(row, &names))))
}

/// What became of a write, as the list is filtered by it.
const RESULTS: [&str; 5] = ["open", "landed", "not_landed", "superseded", "refused"];

/// What the products of these entries are called now.
async fn names(
    db: &mut Db,
    id: ConnectionId,
    rows: &[crate::ledger::Entry],
) -> Result<BTreeMap<ProductId, String>, StoreError> {
    let products: Vec<ProductId> = rows.iter().filter_map(|row| row.product_id).collect();
    let links = links::load(db, id, &products).await?;
    let mut names: BTreeMap<ProductId, String> =
        links.into_iter().map(|link| (link.product_id, link.name)).collect();
    // What is not there any more is called what it was called when it went.
    for row in rows {
        let told =
            [&row.before, &row.after].into_iter().flatten().find_map(|told| told.get("name")?.as_str());
        if let (Some(product), Some(name)) = (row.product_id, told) {
            names.entry(product).or_insert_with(|| name.to_owned());
        }
    }
    Ok(names)
}

fn show(row: crate::ledger::Entry, names: &BTreeMap<ProductId, String>) -> Entry {
    Entry {
        can_undo: undoable(&row).is_ok(),
        id: row.entry_id,
        at: row.at,
        kind: row.kind,
        origin: row.origin,
        side: row.side,
        product_id: row.product_id,
        product_name: row.product_id.and_then(|product| names.get(&product).cloned()),
        field: row.field,
        before: row.before,
        after: row.after,
        source: row.source,
        cause: row.cause,
        detail: row.detail,
        result: row.result,
        closed_at: row.closed_at,
        undone_by: row.undone_by,
    }
}

/// Show the history of a field, newest first
///
/// Every write, verdict, conflict and hold of the field, and what was created with it or tied.
#[utoipa::path(get, path = "/connections/{connection_id}/products/{product_id}/fields/{field}/history",
    tag = "ledger", operation_id = "field_history", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path),
           ("field" = String, Path, description = "Such as `name` or `stock`"), Paging),
    responses((status = 200, description = "Entries", body = List<Entry>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection, product or field", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn field_history(
    State(desk): State<Desk>,
    Path((id, product, field)): Path<(ConnectionId, ProductId, String)>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Entry>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.cursor()?;
    let field = Field::parse(&field).ok_or_else(|| Problem::not_found("field"))?;
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = ledger::history(&mut db, id, product, field, before, limit + 1).await?;
    let names = names(&mut db, id, &rows).await?;
    if rows.is_empty() && links::load(&mut db, id, &[product]).await?.is_empty() {
        return Err(Problem::not_found("product"));
    }
    Ok(axum::Json(page(rows, limit, |row| row.entry_id.to_string(), |row| show(row, &names))))
}

//! Conflicts: fields that both sides changed, and the choice between their values.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::products::no_look;
use super::undo::{OrderedEdit, conflict, order, place};
use super::{List, Paging, connection, page};
use crate::catalog::{Field, Side, Value};
use crate::clock::Instant;
use crate::connections::Settings;
use crate::decide::edit::{Edit as Values, Pair};
use crate::http::Desk;
use crate::http::problem::{Json, Path, Problem, Query};
use crate::ids::{ConflictId, ConnectionId, EntryId, ProductId};
use crate::store::conflicts::{self, State as Standing};
use crate::store::edits::{Edit, What};
use crate::store::{ledger, links};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_conflicts)).routes(routes!(resolve_conflict))
}

/// The word in the detail of the ledger entry of a choice.
pub(super) const ACT: &str = "resolve_conflict";

/// A field that both sides changed.
#[derive(Debug, Serialize, ToSchema)]
struct Conflict {
    /// Id.
    id: ConflictId,
    /// The product.
    product_id: ProductId,
    /// Its name now.
    product_name: Option<String>,
    /// The field.
    field: Field,
    /// What R-Series said.
    r_series: serde_json::Value,
    /// What E-Series said.
    e_series: serde_json::Value,
    /// `open`: waits for a choice; `decided` by the field's rule; `resolved` by an operator, or by itself.
    state: Standing,
    /// Whose value was taken; null while it waits for a choice.
    winner: Option<Side>,
    /// When it was found.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// The write that settled it.
    write_id: Option<EntryId>,
}

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only `open`, `decided` or `resolved` ones.
    state: Option<Standing>,
}

/// List conflicts, newest first: those that wait for a choice, and those that a rule has decided
#[utoipa::path(get, path = "/connections/{connection_id}/conflicts", tag = "ledger",
    operation_id = "list_conflicts", security(("bearer" = [])), params(("connection_id" = Uuid, Path), Filter, Paging),
    responses((status = 200, description = "Conflicts", body = List<Conflict>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_conflicts(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Conflict>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.cursor()?;
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = conflicts::list(&mut db, id, filter.state, before, limit + 1).await?;
    let products: Vec<ProductId> = rows.iter().map(|row| row.product_id).collect();
    let links = links::load(&mut db, id, &products).await?;
    let name = |product: ProductId| {
        links.iter().find(|link| link.product_id == product).map(|link| link.name.clone())
    };
    let show = |row: conflicts::Conflict| Conflict {
        id: row.conflict_id,
        product_id: row.product_id,
        product_name: name(row.product_id),
        field: row.field,
        r_series: row.r_value,
        e_series: row.e_value,
        state: row.state,
        winner: row.winner,
        at: row.at,
        write_id: row.entry_id,
    };
    Ok(axum::Json(page(rows, limit, |row| row.conflict_id.to_string(), show)))
}

/// A choice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Choice {
    /// Whose value is to be on both sides: `r_series` or `e_series`.
    choose: Side,
}

/// Resolve a conflict
///
/// Of an open one, the chosen value is carried to the other side. Of a decided one, the value that lost is put back:
/// on the side that had it, and on the other one where the field's way carries changes there. Choosing the value that
/// won already writes nothing. Both sides are looked at first; where a value has moved on since, nothing is done.
#[utoipa::path(post, path = "/connections/{connection_id}/conflicts/{conflict_id}/resolve", tag = "ledger",
    operation_id = "resolve_conflict", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("conflict_id" = Uuid, Path)), request_body = Choice,
    responses((status = 202, description = "It will be resolved", body = OrderedEdit),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such conflict", body = Problem),
              (status = 409, description = "A value has moved on since, or it is resolved already", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "No such side", body = Problem),
              (status = 502, description = "A platform refuses the look", body = Problem),
              (status = 503, description = "A platform cannot be asked now", body = Problem)))]
async fn resolve_conflict(
    State(desk): State<Desk>,
    Path((id, conflict_id)): Path<(ConnectionId, ConflictId)>,
    Json(Choice { choose }): Json<Choice>,
) -> Result<(StatusCode, axum::Json<OrderedEdit>), Problem> {
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    let found = conflicts::get(&mut db, id, conflict_id).await?;
    let found = found.ok_or_else(|| Problem::not_found("conflict"))?;
    let cause = format!("an operator chooses {choose} in conflict {conflict_id}");
    let mut order = order(&desk, id, ACT, cause);
    (order.product_id, order.field) = (Some(found.product_id), Some(found.field));
    let taken = |id, accepted| (StatusCode::ACCEPTED, axum::Json(OrderedEdit { id, accepted }));
    if found.state == Standing::Resolved {
        return Err(conflict("The conflict is resolved already."));
    }
    if found.winner == Some(choose) {
        ledger::insert(&mut db, &order).await?;
        conflicts::resolve(&mut db, id, conflict_id, choose, order.entry_id).await?;
        db.commit().await?;
        return Ok(taken(order.entry_id, 0));
    }
    let link = links::load(&mut db, id, &[found.product_id]).await?.pop();
    let link = link.ok_or_else(|| Problem::not_found("product"))?;
    drop(db);
    let read = |json: &serde_json::Value| {
        Value::from_json(found.field, json)
            .map_err(|_| conflict("What the sides said is not known any more: edit the field on one side."))
    };
    let (r_value, e_value) = (read(&found.r_value)?, read(&found.e_value)?);
    let (chosen, other) = if choose == Side::RSeries { (r_value, e_value) } else { (e_value, r_value) };
    let values = if found.winner.is_none() {
        let mut values = Values { field: found.field, want: Pair::default(), expected: Pair::default() };
        values.expected.set(choose, chosen.clone());
        values.want.set(choose.other(), chosen);
        values.expected.set(choose.other(), other);
        values
    } else {
        let settings = Settings::of(&row);
        Values::spread(found.field, choose, other, &chosen, &link.shadow, &settings.rules())
    };
    let what = What::Values(values);
    let unfit =
        desk.corridor.unfit(id, found.product_id, std::slice::from_ref(&what)).await.map_err(no_look)?;
    let unfit = unfit.ok_or_else(|| Problem::not_found("product"))?;
    if let Some(why) = unfit.into_iter().flatten().next() {
        return Err(conflict(why));
    }
    let edit = Edit {
        edit_id: desk.ids.uuid(desk.clock.now()),
        product_id: found.product_id,
        what,
        undoes: Vec::new(),
        conflict: Some((conflict_id, choose)),
        order_id: order.entry_id,
        write_id: None,
    };
    let mut db = desk.store.begin().await?;
    place(&desk, &mut db, id, &order, std::slice::from_ref(&edit)).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok(taken(order.entry_id, 1))
}

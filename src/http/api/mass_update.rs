//! Enabling and disabling many products at once.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use crate::clock::Instant;
use crate::http::Desk;
use crate::http::problem::{Json, Path, Problem};
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::dirty::Asker;
use crate::store::wishes::Wish;
use crate::store::{dirty, ledger, wishes};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(mass_update)).routes(routes!(get_mass_update))
}

/// Most products that are named in one order.
const MOST: usize = 5_000;

/// Which products are to be offered on the web, or not to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMassUpdate {
    /// These products, at most 5,000. Products with variants are enabled as a whole.
    ids: Option<Vec<ProductId>>,
    /// All products that are on both sides.
    #[serde(default)]
    all: bool,
    /// To be offered.
    enabled: bool,
}

/// An order that was taken.
#[derive(Debug, Serialize, ToSchema)]
struct AcceptedMassUpdate {
    /// Its id: the ledger entry that tells of it.
    id: EntryId,
    /// Products that will be seen to.
    accepted: i64,
}

/// How far an order is.
#[derive(Debug, Serialize, ToSchema)]
struct MassUpdate {
    /// Id.
    id: EntryId,
    /// To be offered.
    enabled: bool,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// Products it is about.
    accepted: i64,
    /// Products that have been seen to, or about which a later order says otherwise.
    done: i64,
    /// Products that wait: for their turn, or parked with a reason.
    left: i64,
    /// The first hundred of those that wait, parked ones first.
    waiting: Vec<Waiting>,
}

/// A product that an order still waits for.
#[derive(Debug, Serialize, ToSchema)]
struct Waiting {
    /// Which.
    product_id: ProductId,
    /// What it is called.
    name: String,
    /// Its SKU; empty when it has none.
    sku: String,
    /// Why it is parked, for programs; none when it waits for its turn.
    code: Option<String>,
    /// The same in words.
    reason: Option<String>,
}

/// How many of those that wait are shown.
const SHOWN: i64 = 100;

/// Enable or disable many products
///
/// Each is visited, and written on E-Series, and on R-Series (`publishToEcom`) where the field's way carries the web's
/// choice there. On E-Series many go in one batch. Products that are on one side alone are left out.
#[utoipa::path(post, path = "/connections/{connection_id}/products/mass-update", tag = "products",
    operation_id = "mass_update_products", security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    request_body = NewMassUpdate,
    responses((status = 202, description = "They will be seen to", body = AcceptedMassUpdate),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "Contradictory, or a product that is not on both sides", body = Problem)))]
async fn mass_update(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Json(order): Json<NewMassUpdate>,
) -> Result<(StatusCode, axum::Json<AcceptedMassUpdate>), Problem> {
    let named = match (&order.ids, order.all) {
        (Some(ids), false) if ids.is_empty() || ids.len() > MOST => {
            return Err(Problem::invalid(format!("ids must name 1 to {MOST} products")));
        }
        (Some(ids), false) => Some(ids.as_slice()),
        (None, true) => None,
        _ => return Err(Problem::invalid("give either ids, or all: true")),
    };
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let products = wishes::candidates(&mut db, id, named).await?;
    if let Some(unfit) = named.and_then(|ids| ids.iter().find(|product| !products.contains(product))) {
        return Err(Problem::invalid(format!(
            "{unfit} is not the id of a whole product that is on both sides; nothing was changed"
        )));
    }
    let entry_id = EntryId::new(&desk.ids, now);
    let wish = Wish { enabled: order.enabled, entry_id };
    let accepted = i64::try_from(products.len()).unwrap_or(i64::MAX);
    dirty::mark(&mut db, id, &products, Asker::Other, now, now).await?;
    wishes::put(&mut db, id, &products, wish).await?;
    let mut entry = Entry::about_all(id, entry_id, now, Kind::Operator, Origin::Operator);
    entry.cause = Some(format!(
        "an operator {} {accepted} products",
        if order.enabled { "enables" } else { "disables" }
    ));
    entry.detail = Some(serde_json::json!({ "act": ACT, "enabled": order.enabled, "products": accepted }));
    ledger::insert(&mut db, &entry).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(AcceptedMassUpdate { id: entry_id, accepted })))
}

/// The word in the detail of the ledger entry of an order.
const ACT: &str = "mass_update";

/// How far is an order?
#[utoipa::path(get, path = "/connections/{connection_id}/products/mass-updates/{update_id}", tag = "products",
    operation_id = "get_mass_update", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("update_id" = Uuid, Path)),
    responses((status = 200, description = "How far it is", body = MassUpdate),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such order", body = Problem)))]
async fn get_mass_update(
    State(desk): State<Desk>,
    Path((id, update)): Path<(ConnectionId, EntryId)>,
) -> Result<axum::Json<MassUpdate>, Problem> {
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let entry = ledger::get(&mut db, id, update).await?;
    let detail = entry.as_ref().and_then(|entry| entry.detail.clone()).unwrap_or_default();
    let entry = entry.filter(|_| detail.get("act").and_then(serde_json::Value::as_str) == Some(ACT));
    let entry = entry.ok_or_else(|| Problem::not_found("mass update"))?;
    let accepted = detail.get("products").and_then(serde_json::Value::as_i64).unwrap_or_default();
    let left = wishes::left(&mut db, id, update).await?;
    let waiting = wishes::waiting(&mut db, id, update, SHOWN).await?.into_iter().map(|waiting| {
        let (code, reason) = waiting.parked.unzip();
        Waiting { product_id: waiting.product_id, name: waiting.name, sku: waiting.sku, code, reason }
    });
    Ok(axum::Json(MassUpdate {
        id: update,
        enabled: detail.get("enabled").and_then(serde_json::Value::as_bool).unwrap_or_default(),
        at: entry.at,
        accepted,
        done: accepted.saturating_sub(left),
        left,
        waiting: waiting.collect(),
    }))
}

//! The merchant's hands over HTTP: plain JSON, for people who try the sandbox out and for tests from outside.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Habits, NewItem, RSeriesSandbox};
use crate::sandbox::faults::{Aim, Fault};

#[derive(Debug, Deserialize)]
struct Movement {
    item_id: i64,
    shop_id: i64,
    quantity: i64,
}

/// A change of one item; `price` is a string, so that no float gets in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
enum Edit {
    Rename { item_id: i64, description: String },
    Sku { item_id: i64, custom_sku: String },
    DefaultPrice { item_id: i64, price: Decimal },
    OnlinePrice { item_id: i64, price: Decimal },
    Publish { item_id: i64, publish: bool },
    Archive { item_id: i64 },
    Unarchive { item_id: i64 },
    MergeAway { item_id: i64 },
}

impl Edit {
    fn item_id(&self) -> i64 {
        match self {
            Self::Rename { item_id, .. }
            | Self::Sku { item_id, .. }
            | Self::DefaultPrice { item_id, .. }
            | Self::OnlinePrice { item_id, .. }
            | Self::Publish { item_id, .. }
            | Self::Archive { item_id }
            | Self::Unarchive { item_id }
            | Self::MergeAway { item_id } => *item_id,
        }
    }
}

#[derive(Debug, Deserialize)]
struct NextFault {
    aim: Aim,
    fault: Fault,
}

#[derive(Debug, Deserialize)]
struct ChanceOfFault {
    aim: Aim,
    fault: Fault,
    chance: f64,
}

/// All doors; the caller decides under which path they hang.
pub(super) fn router(sandbox: RSeriesSandbox) -> Router {
    Router::new()
        .route("/items", get(items).post(create))
        .route("/items/{item_id}", get(item))
        .route("/sell", post(sell))
        .route("/restock", post(restock))
        .route("/recount", post(recount))
        .route("/glitch", post(glitch))
        .route("/sales", get(sales))
        .route("/edit", post(edit))
        .route("/inventory-log", get(inventory_log))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/tokens", post(issue_tokens))
        .route("/tokens/expire", post(expire_tokens))
        .route("/tokens/revoke", post(revoke_tokens))
        .route("/habits", get(habits).post(change_habits))
        .route("/faults/next", post(next_fault))
        .route("/faults/chances", post(chances))
        .route("/faults/heal", post(heal))
        .merge(super::counter::router())
        .with_state(sandbox)
}

fn view(sandbox: &RSeriesSandbox, item_id: i64) -> Response {
    sandbox
        .item(item_id)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |item| Json(item).into_response())
}

async fn items(State(sandbox): State<RSeriesSandbox>) -> Response {
    Json(sandbox.items()).into_response()
}

async fn item(State(sandbox): State<RSeriesSandbox>, Path(item_id): Path<i64>) -> Response {
    view(&sandbox, item_id)
}

async fn create(State(sandbox): State<RSeriesSandbox>, Json(new): Json<NewItem>) -> Response {
    let item_id = sandbox.create_item(new);
    view(&sandbox, item_id)
}

async fn sell(State(sandbox): State<RSeriesSandbox>, Json(sale): Json<Movement>) -> Response {
    sandbox.sell(sale.item_id, sale.shop_id, sale.quantity);
    view(&sandbox, sale.item_id)
}

async fn restock(State(sandbox): State<RSeriesSandbox>, Json(delivery): Json<Movement>) -> Response {
    sandbox.restock(delivery.item_id, delivery.shop_id, delivery.quantity);
    view(&sandbox, delivery.item_id)
}

async fn recount(State(sandbox): State<RSeriesSandbox>, Json(count): Json<Movement>) -> Response {
    sandbox.recount(count.item_id, count.shop_id, count.quantity);
    view(&sandbox, count.item_id)
}

async fn glitch(State(sandbox): State<RSeriesSandbox>, Json(count): Json<Movement>) -> Response {
    sandbox.glitch(count.item_id, count.shop_id, count.quantity);
    view(&sandbox, count.item_id)
}

async fn sales(State(sandbox): State<RSeriesSandbox>) -> Response {
    Json(sandbox.sales()).into_response()
}

async fn edit(State(sandbox): State<RSeriesSandbox>, Json(edit): Json<Edit>) -> Response {
    match &edit {
        Edit::Rename { item_id, description } => sandbox.rename(*item_id, description),
        Edit::Sku { item_id, custom_sku } => sandbox.set_sku(*item_id, custom_sku),
        Edit::DefaultPrice { item_id, price } => sandbox.reprice_default(*item_id, *price),
        Edit::OnlinePrice { item_id, price } => sandbox.reprice_online(*item_id, *price),
        Edit::Publish { item_id, publish } => sandbox.publish(*item_id, *publish),
        Edit::Archive { item_id } => sandbox.archive(*item_id),
        Edit::Unarchive { item_id } => sandbox.unarchive(*item_id),
        Edit::MergeAway { item_id } => sandbox.merge_away(*item_id),
    }
    view(&sandbox, edit.item_id())
}

async fn inventory_log(State(sandbox): State<RSeriesSandbox>) -> Response {
    Json(sandbox.inventory_log()).into_response()
}

async fn calls(State(sandbox): State<RSeriesSandbox>) -> Response {
    Json(sandbox.calls()).into_response()
}

async fn clear_calls(State(sandbox): State<RSeriesSandbox>) -> StatusCode {
    sandbox.clear_calls();
    StatusCode::NO_CONTENT
}

async fn issue_tokens(State(sandbox): State<RSeriesSandbox>) -> Response {
    let (access, refresh) = sandbox.issue_tokens();
    Json(json!({ "access_token": access, "refresh_token": refresh })).into_response()
}

async fn expire_tokens(State(sandbox): State<RSeriesSandbox>) -> StatusCode {
    sandbox.expire_access_tokens();
    StatusCode::NO_CONTENT
}

async fn revoke_tokens(State(sandbox): State<RSeriesSandbox>) -> StatusCode {
    sandbox.revoke_all();
    StatusCode::NO_CONTENT
}

async fn habits(State(sandbox): State<RSeriesSandbox>) -> Json<Habits> {
    Json(sandbox.current_habits())
}

/// Only the switches that are named change.
async fn change_habits(State(sandbox): State<RSeriesSandbox>, Json(named): Json<Value>) -> Response {
    let mut all = serde_json::to_value(sandbox.current_habits()).unwrap_or_default();
    if let (Some(all), Some(named)) = (all.as_object_mut(), named.as_object()) {
        all.extend(named.clone());
    }
    match serde_json::from_value::<Habits>(all) {
        Ok(wanted) => {
            sandbox.habits(|habits| *habits = wanted);
            Json(sandbox.current_habits()).into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

async fn next_fault(State(sandbox): State<RSeriesSandbox>, Json(next): Json<NextFault>) -> StatusCode {
    sandbox.faults().next(next.aim, next.fault);
    StatusCode::NO_CONTENT
}

async fn chances(State(sandbox): State<RSeriesSandbox>, Json(list): Json<Vec<ChanceOfFault>>) -> StatusCode {
    sandbox.faults().chances(list.into_iter().map(|it| (it.aim, it.fault, it.chance)).collect());
    StatusCode::NO_CONTENT
}

async fn heal(State(sandbox): State<RSeriesSandbox>) -> StatusCode {
    sandbox.faults().heal();
    StatusCode::NO_CONTENT
}

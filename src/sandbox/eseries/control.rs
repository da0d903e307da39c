//! The stage door: the merchant, the faults, the habits and the outbox as plain JSON over HTTP, for a sandbox that
//! is served. It is not part of the platform and asks for no token.

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, ESeriesSandbox, Habits, ProductView, Refused, stagehands};
use crate::sandbox::faults::{Aim, Fault};
use crate::sandbox::outbox::DeliveryFaults;

impl ESeriesSandbox {
    /// The stage door, to be mounted by the caller.
    ///
    /// | call | body |
    /// |---|---|
    /// | `GET /products`, `GET /products/{id}` | |
    /// | `POST /products` | the product's fields |
    /// | `POST /products/{id}/edit` | some fields |
    /// | `POST /products/{id}/sell`, `…/restock` | `{"quantity": 1}` |
    /// | `POST /products/{id}/rename`, `…/sku` | `{"name": "…"}`, `{"sku": "…"}` |
    /// | `POST /products/{id}/price` | `{"price": "12.50"}` |
    /// | `POST /products/{id}/enabled`, `…/unlimited` | `{"enabled": true}`, `{"unlimited": true}` |
    /// | `POST /products/{id}/delete` | |
    /// | `POST /uninstall`, `POST /token`, `POST /authorize` | |
    /// | `GET`, `POST /habits` | the habits to change |
    /// | `POST /plan` | `{"max_product_limit": 100}` |
    /// | `POST /faults` | `{"next": […], "chances": […], "heal": true}`, each optional |
    /// | `GET`, `POST /deliveries` | the delivery faults to change |
    /// | `POST /webhook-url` | `{"url": "…"}` or `{"url": null}` |
    /// | `GET /calls`, `POST /calls/clear` | |
    ///
    /// Options, variations, categories and pictures have their own list, in `stagehands`.
    pub fn control_router(&self) -> Router {
        Router::new()
            .route("/products", get(products).post(create))
            .route("/products/{id}", get(product))
            .route("/products/{id}/edit", post(edit))
            .route("/products/{id}/sell", post(sell))
            .route("/products/{id}/restock", post(restock))
            .route("/products/{id}/rename", post(rename))
            .route("/products/{id}/sku", post(set_sku))
            .route("/products/{id}/price", post(reprice))
            .route("/products/{id}/enabled", post(enable))
            .route("/products/{id}/unlimited", post(set_unlimited))
            .route("/products/{id}/delete", post(delete))
            .route("/uninstall", post(uninstall))
            .route("/token", post(token))
            .route("/authorize", post(authorize))
            .route("/habits", get(habits).post(change_habits))
            .route("/plan", post(plan))
            .route("/faults", post(faults))
            .route("/deliveries", get(deliveries).post(change_deliveries))
            .route("/webhook-url", post(webhook_url))
            .route("/calls", get(calls))
            .route("/calls/clear", post(clear_calls))
            .merge(stagehands::routes())
            .layer(DefaultBodyLimit::max(super::api::LARGEST_BODY))
            .with_state(self.clone())
    }
}

type Sandbox = State<ESeriesSandbox>;

async fn products(State(sandbox): Sandbox) -> Json<Vec<ProductView>> {
    Json(sandbox.products())
}

async fn product(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    sandbox.product(id).map_or_else(|| done(false), |product| Json(product).into_response())
}

async fn create(State(sandbox): Sandbox, Json(fields): Json<Value>) -> Response {
    match sandbox.try_create_product(fields) {
        Ok(id) => Json(json!({"id": id})).into_response(),
        Err(refused) => refuse(&refused),
    }
}

async fn edit(State(sandbox): Sandbox, Path(id): Path<i64>, Json(fields): Json<Value>) -> Response {
    match sandbox.try_edit_product(id, fields) {
        Ok(()) => done(true),
        Err(refused) => refuse(&refused),
    }
}

#[derive(Deserialize)]
struct Quantity {
    quantity: i64,
}

async fn sell(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Quantity>) -> Response {
    done(sandbox.sell(id, it.quantity))
}

async fn restock(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Quantity>) -> Response {
    done(sandbox.restock(id, it.quantity))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn rename(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Name>) -> Response {
    done(sandbox.rename(id, &it.name))
}

#[derive(Deserialize)]
struct Sku {
    sku: String,
}

async fn set_sku(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Sku>) -> Response {
    done(sandbox.set_sku(id, &it.sku))
}

#[derive(Deserialize)]
struct Price {
    price: Decimal,
}

async fn reprice(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Price>) -> Response {
    done(sandbox.reprice(id, it.price))
}

#[derive(Deserialize)]
struct Enabled {
    enabled: bool,
}

async fn enable(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Enabled>) -> Response {
    done(sandbox.enable(id, it.enabled))
}

#[derive(Deserialize)]
struct Unlimited {
    unlimited: bool,
}

async fn set_unlimited(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Unlimited>) -> Response {
    done(sandbox.set_unlimited(id, it.unlimited))
}

async fn delete(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    done(sandbox.delete_product(id))
}

async fn uninstall(State(sandbox): Sandbox) -> Response {
    sandbox.uninstall();
    done(true)
}

async fn token(State(sandbox): Sandbox) -> Json<Value> {
    Json(json!({"token": sandbox.issue_token()}))
}

async fn authorize(State(sandbox): Sandbox) -> Json<Value> {
    Json(json!({"code": sandbox.authorize()}))
}

async fn habits(State(sandbox): Sandbox) -> Json<Habits> {
    Json(sandbox.with(|store| store.config.habits.clone()))
}

async fn change_habits(State(sandbox): Sandbox, Json(changes): Json<Map<String, Value>>) -> Response {
    match merged(&sandbox.with(|store| store.config.habits.clone()), changes) {
        Ok(new) => {
            sandbox.habits(|habits| *habits = new);
            done(true)
        }
        Err(why) => unreadable(&why),
    }
}

#[derive(Deserialize)]
struct Plan {
    max_product_limit: i64,
}

async fn plan(State(sandbox): Sandbox, Json(plan): Json<Plan>) -> Response {
    sandbox.set_max_product_limit(plan.max_product_limit);
    done(true)
}

#[derive(Deserialize)]
struct FaultOrders {
    #[serde(default)]
    heal: bool,
    #[serde(default)]
    next: Vec<(Aim, Fault)>,
    chances: Option<Vec<(Aim, Fault, f64)>>,
}

async fn faults(State(sandbox): Sandbox, Json(orders): Json<FaultOrders>) -> Response {
    if orders.heal {
        sandbox.faults.heal();
    }
    for (aim, fault) in orders.next {
        sandbox.faults.next(aim, fault);
    }
    if let Some(chances) = orders.chances {
        sandbox.faults.chances(chances);
    }
    done(true)
}

async fn deliveries(State(sandbox): Sandbox) -> Json<Value> {
    let outbox = &sandbox.outbox;
    Json(json!({
        "faults": outbox.faults(), "pending": outbox.pending(), "lost": outbox.lost(),
        "given_up": outbox.given_up(), "next_due": outbox.next_due(),
    }))
}

async fn change_deliveries(State(sandbox): Sandbox, Json(changes): Json<Map<String, Value>>) -> Response {
    match merged::<DeliveryFaults>(&sandbox.outbox.faults(), changes) {
        Ok(new) => {
            sandbox.outbox.set(new);
            done(true)
        }
        Err(why) => unreadable(&why),
    }
}

#[derive(Deserialize)]
struct WebhookUrl {
    url: Option<String>,
}

async fn webhook_url(State(sandbox): Sandbox, Json(it): Json<WebhookUrl>) -> Response {
    sandbox.set_webhook_url(it.url);
    done(true)
}

async fn calls(State(sandbox): Sandbox) -> Json<Vec<Call>> {
    Json(sandbox.calls())
}

async fn clear_calls(State(sandbox): Sandbox) -> Response {
    sandbox.clear_calls();
    done(true)
}

/// Settings with some of them changed. Unknown names are refused, since a switch that is misspelt does nothing.
fn merged<T>(settings: &T, changes: Map<String, Value>) -> Result<T, String>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let Ok(Value::Object(mut whole)) = serde_json::to_value(settings) else { return Err(String::new()) };
    for (name, value) in changes {
        match whole.get_mut(&name) {
            Some(place) => *place = value,
            None => return Err(format!("there is no setting '{name}'")),
        }
    }
    serde_json::from_value(Value::Object(whole)).map_err(|error| error.to_string())
}

pub(super) fn done(found: bool) -> Response {
    if found {
        Json(json!({"done": true})).into_response()
    } else {
        (StatusCode::NOT_FOUND, Json(json!({"error": "there is no such thing, or the store refuses"})))
            .into_response()
    }
}

pub(super) fn refuse(refused: &Refused) -> Response {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({"error": refused.message}))).into_response()
}

fn unreadable(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response()
}

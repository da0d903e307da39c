//! The stage door's second leaf: variations, categories and pictures over HTTP, for a sandbox that is served.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{done, refuse};
use super::{ESeriesSandbox, PictureView, Refused};

type Sandbox = State<ESeriesSandbox>;

/// | call | body |
/// |---|---|
/// | `GET /products/{id}/record` | |
/// | `POST /products/{id}/options` | an option as the API has it |
/// | `POST /products/{id}/options/rename`, `…/delete` | `{"option": "Size", "choice": "S", "to": "XS"}`; without `choice` the option |
/// | `POST /products/{id}/choices` | `{"option": "Size", "choice": {"text": "XL"}}` |
/// | `GET`, `POST /products/{id}/variations` | its fields |
/// | `POST /products/{id}/variations/{variation}/edit` | some fields |
/// | `POST /products/{id}/variations/{variation}/sell`, `…/restock` | `{"quantity": 1}` |
/// | `POST /products/{id}/variations/{variation}/price` | `{"price": "9.50"}` or `{"price": null}` |
/// | `POST /products/{id}/variations/{variation}/delete` | |
/// | `GET`, `POST /categories` | its fields, with `origin` where the POS makes it |
/// | `GET /categories/{id}`, `POST /categories/{id}/edit` | some fields |
/// | `POST /categories/{id}/delete` | |
/// | `POST /categories/{id}/assign`, `…/unassign` | `{"products": [1]}` |
/// | `POST /categories/{id}/edited-elsewhere` | `{"writes": 1}` |
/// | `POST /products/{id}/picture`, `…/gallery` | the bytes |
/// | `POST /products/{id}/variations/{variation}/picture`, `/categories/{id}/picture` | the bytes |
/// | `POST /products/{id}/picture/delete`, `…/gallery/{image}/delete`, `…/variations/{variation}/picture/delete` | |
/// | `POST /categories/{id}/picture/delete` | |
/// | `POST /products/{id}/pictures/arrange` | `{"order": [2, 0, 1]}` |
/// | `POST /products/{id}/pictures/{image}/alt` | `{"text": "…"}` |
/// | `GET /products/{id}/pictures`, `GET /categories/{id}/picture` | |
pub(super) fn routes() -> Router<ESeriesSandbox> {
    Router::new()
        .route("/products/{id}/record", get(record))
        .route("/products/{id}/options", post(add_option))
        .route("/products/{id}/options/rename", post(rename))
        .route("/products/{id}/options/delete", post(remove))
        .route("/products/{id}/choices", post(add_choice))
        .route("/products/{id}/variations", get(variations).post(add_variation))
        .route("/products/{id}/variations/{variation}/edit", post(edit_variation))
        .route("/products/{id}/variations/{variation}/sell", post(sell))
        .route("/products/{id}/variations/{variation}/restock", post(restock))
        .route("/products/{id}/variations/{variation}/price", post(reprice))
        .route("/products/{id}/variations/{variation}/delete", post(delete_variation))
        .route("/products/{id}/variations/{variation}/picture", post(variation_picture))
        .route("/products/{id}/variations/{variation}/picture/delete", post(no_variation_picture))
        .route("/products/{id}/picture", post(picture))
        .route("/products/{id}/picture/delete", post(no_picture))
        .route("/products/{id}/gallery", post(gallery))
        .route("/products/{id}/gallery/{image}/delete", post(no_gallery))
        .route("/products/{id}/pictures", get(pictures))
        .route("/products/{id}/pictures/arrange", post(arrange))
        .route("/products/{id}/pictures/{image}/alt", post(alt))
        .route("/categories", get(categories).post(add_category))
        .route("/categories/{id}", get(category))
        .route("/categories/{id}/edit", post(edit_category))
        .route("/categories/{id}/delete", post(delete_category))
        .route("/categories/{id}/assign", post(assign))
        .route("/categories/{id}/unassign", post(unassign))
        .route("/categories/{id}/edited-elsewhere", post(edited_elsewhere))
        .route("/categories/{id}/picture", get(shown_category_picture).post(category_picture))
        .route("/categories/{id}/picture/delete", post(no_category_picture))
}

fn made(made: Result<i64, Refused>) -> Response {
    made.map_or_else(|refused| refuse(&refused), |id| Json(json!({"id": id})).into_response())
}

fn edited(edited: Result<(), Refused>) -> Response {
    edited.map_or_else(|refused| refuse(&refused), |()| done(true))
}

fn shown(found: Option<impl serde::Serialize>) -> Response {
    found.map_or_else(|| done(false), |it| Json(it).into_response())
}

async fn record(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    shown(sandbox.product_record(id))
}

async fn add_option(State(sandbox): Sandbox, Path(id): Path<i64>, Json(option): Json<Value>) -> Response {
    done(sandbox.add_option(id, option))
}

#[derive(Deserialize)]
struct Named {
    option: String,
    choice: Option<String>,
    #[serde(default)]
    to: String,
}

async fn rename(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Named>) -> Response {
    done(match it.choice {
        Some(choice) => sandbox.rename_choice(id, &it.option, &choice, &it.to),
        None => sandbox.rename_option(id, &it.option, &it.to),
    })
}

async fn remove(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Named>) -> Response {
    done(match it.choice {
        Some(choice) => sandbox.remove_choice(id, &it.option, &choice),
        None => sandbox.remove_option(id, &it.option),
    })
}

#[derive(Deserialize)]
struct NewChoice {
    option: String,
    choice: Value,
}

async fn add_choice(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<NewChoice>) -> Response {
    done(sandbox.add_choice(id, &it.option, it.choice))
}

async fn variations(State(sandbox): Sandbox, Path(id): Path<i64>) -> Json<Vec<Value>> {
    Json(sandbox.variations(id))
}

async fn add_variation(State(sandbox): Sandbox, Path(id): Path<i64>, Json(fields): Json<Value>) -> Response {
    made(sandbox.add_variation(id, fields))
}

type Variation = Path<(i64, i64)>;

async fn edit_variation(
    State(sandbox): Sandbox,
    Path((id, it)): Variation,
    Json(fields): Json<Value>,
) -> Response {
    edited(sandbox.edit_variation(id, it, fields))
}

#[derive(Deserialize)]
struct Quantity {
    quantity: i64,
}

async fn sell(State(sandbox): Sandbox, Path((id, it)): Variation, Json(of): Json<Quantity>) -> Response {
    done(sandbox.sell_variation(id, it, of.quantity))
}

async fn restock(State(sandbox): Sandbox, Path((id, it)): Variation, Json(of): Json<Quantity>) -> Response {
    done(sandbox.restock_variation(id, it, of.quantity))
}

#[derive(Deserialize)]
struct Price {
    price: Option<Decimal>,
}

async fn reprice(State(sandbox): Sandbox, Path((id, it)): Variation, Json(of): Json<Price>) -> Response {
    done(sandbox.reprice_variation(id, it, of.price))
}

async fn delete_variation(State(sandbox): Sandbox, Path((id, it)): Variation) -> Response {
    done(sandbox.delete_variation(id, it))
}

async fn variation_picture(State(sandbox): Sandbox, Path((id, it)): Variation, bytes: Bytes) -> Response {
    made(sandbox.set_variation_picture(id, it, &bytes))
}

async fn no_variation_picture(State(sandbox): Sandbox, Path((id, it)): Variation) -> Response {
    done(sandbox.remove_variation_picture(id, it))
}

async fn picture(State(sandbox): Sandbox, Path(id): Path<i64>, bytes: Bytes) -> Response {
    made(sandbox.set_picture(id, &bytes))
}

async fn no_picture(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    done(sandbox.remove_picture(id))
}

async fn gallery(State(sandbox): Sandbox, Path(id): Path<i64>, bytes: Bytes) -> Response {
    made(sandbox.add_gallery_picture(id, &bytes))
}

async fn no_gallery(State(sandbox): Sandbox, Path((id, image)): Path<(i64, i64)>) -> Response {
    done(sandbox.remove_gallery_picture(id, image))
}

async fn pictures(State(sandbox): Sandbox, Path(id): Path<i64>) -> Json<Vec<PictureView>> {
    Json(sandbox.pictures(id))
}

#[derive(Deserialize)]
struct Order {
    order: Vec<i64>,
}

async fn arrange(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Order>) -> Response {
    done(sandbox.arrange_pictures(id, &it.order))
}

#[derive(Deserialize)]
struct Alt {
    text: String,
}

async fn alt(State(sandbox): Sandbox, Path((id, image)): Path<(i64, i64)>, Json(it): Json<Alt>) -> Response {
    done(sandbox.set_alt(id, image, &it.text))
}

async fn categories(State(sandbox): Sandbox) -> Json<Vec<Value>> {
    Json(sandbox.categories())
}

async fn add_category(State(sandbox): Sandbox, Json(fields): Json<Value>) -> Response {
    let origin = fields.get("origin").and_then(Value::as_str).map(str::to_owned);
    made(sandbox.try_create_category(fields, origin.as_deref()))
}

async fn category(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    shown(sandbox.category(id))
}

async fn edit_category(State(sandbox): Sandbox, Path(id): Path<i64>, Json(fields): Json<Value>) -> Response {
    edited(sandbox.edit_category(id, fields))
}

async fn delete_category(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    done(sandbox.delete_category(id))
}

#[derive(Deserialize)]
struct Products {
    products: Vec<i64>,
}

async fn assign(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Products>) -> Response {
    done(sandbox.assign(id, &it.products))
}

async fn unassign(State(sandbox): Sandbox, Path(id): Path<i64>, Json(it): Json<Products>) -> Response {
    done(sandbox.unassign(id, &it.products))
}

#[derive(Deserialize)]
struct Writes {
    writes: usize,
}

async fn edited_elsewhere(
    State(sandbox): Sandbox,
    Path(id): Path<i64>,
    Json(it): Json<Writes>,
) -> StatusCode {
    sandbox.edit_category_elsewhere(id, it.writes);
    StatusCode::NO_CONTENT
}

async fn category_picture(State(sandbox): Sandbox, Path(id): Path<i64>, bytes: Bytes) -> Response {
    made(sandbox.set_category_picture(id, &bytes))
}

async fn shown_category_picture(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    shown(sandbox.category_picture(id))
}

async fn no_category_picture(State(sandbox): Sandbox, Path(id): Path<i64>) -> Response {
    done(sandbox.remove_category_picture(id))
}

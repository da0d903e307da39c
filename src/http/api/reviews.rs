//! Products whose match is in doubt, and a person's word on them.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::products::Accepted;
use super::{List, Paging, connection, page};
use crate::clock::Instant;
use crate::decide::matching::Candidate;
use crate::http::Desk;
use crate::http::problem::{Json, Path, Problem, Query};
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::dirty::Asker;
use crate::store::reviews::{self, Choice, Open};
use crate::store::{dirty, ledger, links};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_reviews)).routes(routes!(resolve_review))
}

/// A product whose match is in doubt: of the shop, or on E-Series alone and perhaps one that is in step already.
#[derive(Debug, Serialize, ToSchema)]
struct Review {
    /// The product.
    product_id: ProductId,
    /// What it is called.
    name: String,
    /// Its SKU; empty when it has none.
    sku: String,
    /// R-Series `itemID`, of a simple product of the shop.
    r_item_id: Option<i64>,
    /// R-Series `itemMatrixID`, of a product with variants of the shop.
    r_matrix_id: Option<i64>,
    /// `sku_twice_in_shop`, `sku_twice_online`, `sku_case`, `sku_missing`, `sku_of_variation` or `variants_differ`.
    code: String,
    /// Why, in words.
    reason: String,
    /// Products on E-Series that it may be.
    candidates: Vec<Candidate>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    found_at: Instant,
}

fn show(open: Open) -> Review {
    Review {
        product_id: open.product_id,
        name: open.name,
        sku: open.sku,
        r_item_id: open.r_item_id,
        r_matrix_id: open.r_matrix_id,
        code: open.code,
        reason: open.reason,
        candidates: open.candidates,
        found_at: open.found_at,
    }
}

/// List products whose match is in doubt
///
/// Concord ties products of the two sides only by SKUs that are the same to the letter and of nothing else. Whatever
/// is less certain waits here, with what it may be. A product that only E-Series has waits here, too, when it may be one
/// that is in step already: then its candidates are tied.
#[utoipa::path(get, path = "/connections/{connection_id}/reviews", tag = "products", operation_id = "list_reviews",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path), Paging),
    responses((status = 200, description = "Products to be reviewed", body = List<Review>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_reviews(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Review>>, Problem> {
    let limit = paging.limit()?;
    let after = paging.cursor()?;
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = reviews::open(&mut db, id, after, limit + 1).await?;
    Ok(axum::Json(page(rows, limit, |row| row.product_id.to_string(), show)))
}

/// What a product is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Resolution {
    /// The id of the product on E-Series that it is, as a number or a text; or `"create"`: it is none of them.
    #[schema(value_type = String, pattern = "^([1-9][0-9]{0,17}|create)$")]
    link_to: Value,
}

/// Resolve a doubt
///
/// With a product's id the two are tied and merged: where they differ, the rules of the fields decide. With
/// `create` a product of its own is created, under the system SKU where its SKU belongs to another one. Of a product that
/// only E-Series has, `create` says that it is none of them, and it is left as it is; if it is, delete the one that is
/// too many.
#[utoipa::path(post, path = "/connections/{connection_id}/reviews/{product_id}/resolve", tag = "products",
    operation_id = "resolve_review", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)), request_body = Resolution,
    responses((status = 202, description = "It will be visited", body = Accepted),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product is in doubt", body = Problem),
              (status = 409, description = "That product is tied to another item already", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "No such product on E-Series", body = Problem)))]
async fn resolve_review(
    State(desk): State<Desk>,
    Path((id, product)): Path<(ConnectionId, ProductId)>,
    Json(resolution): Json<Resolution>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    let now = desk.clock.now();
    let number = match &resolution.link_to {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let choice = match (&resolution.link_to, number) {
        (_, Some(product)) => Choice::Link(product),
        (Value::String(word), None) if word == "create" => Choice::Create,
        _ => return Err(Problem::invalid("link_to must be the id of a product on E-Series, or \"create\"")),
    };
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    if !reviews::of(&mut db, id, &[product]).await?.contains_key(&product) {
        return Err(Problem::not_found("product in doubt"));
    }
    if let Choice::Link(e_product_id) = choice {
        if reviews::is_online(&mut db, id, product).await? {
            return Err(Problem::invalid(
                "this product is on E-Series already: delete the one that is too many, or say \"create\": it is \
                 another one",
            ));
        }
        let half = links::by_e_half(&mut db, id, (e_product_id, None)).await?;
        let Some(half) = half else {
            return Err(Problem::invalid(format!(
                "Concord knows no product {e_product_id} on E-Series: take an id from the candidates or from the \
                 list of products"
            )));
        };
        if half.product_id != product && (half.r_item_id.is_some() || half.r_matrix_id.is_some()) {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "tied-already",
                format!("the product {e_product_id} is tied to another item already ({})", half.product_id),
            ));
        }
    }
    dirty::mark(&mut db, id, &[product], Asker::Other, now, now).await?;
    reviews::choose(&mut db, id, product, &choice, now).await?;
    let entry_id = EntryId::new(&desk.ids, now);
    let mut entry = Entry::told(id, entry_id, now, Kind::Operator, Origin::Operator, product);
    entry.cause = Some(match choice {
        Choice::Link(e_product_id) => format!("an operator said that it is the product {e_product_id}"),
        Choice::Create => "an operator said that it is none of those that it may be".into(),
    });
    entry.detail = Some(serde_json::json!({ "act": "resolve_review", "link_to": resolution.link_to }));
    ledger::insert(&mut db, &entry).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { accepted: 1 })))
}

//! Products: their state, what both sides show, and what a run would do.

mod fields;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::fields::FieldDetail;
use super::{List, Paging, connection, page};
use crate::catalog::Facts;
use crate::clock::Instant;
use crate::connections::Settings;
use crate::decide::plan::IGNORED;
use crate::decide::report::{Line, report};
use crate::http::Desk;
use crate::http::problem::{Path, Problem, Query};
use crate::ids::{ConnectionId, ProductId};
use crate::platforms::CallError;
use crate::reconcile::PreviewError;
use crate::store::dirty::Asker;
use crate::store::links::{ListQuery, Listed};
use crate::store::{Db, dirty, edits, images, links, room};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(list_products))
        .routes(routes!(get_product))
        .routes(routes!(plan_product))
        .routes(routes!(sync_product))
        .routes(routes!(list_parked))
        .routes(routes!(retry_parked))
}

/// More variants than any product has.
const MOST_VARIANTS: i64 = 2_000;

/// The states a product can be in.
const STATES: [&str; 5] = ["in_step", "waiting", "parked", "conflict", "unlinked"];

/// A product.
#[derive(Debug, Serialize, ToSchema)]
struct Product {
    /// Id.
    id: ProductId,
    /// Name.
    name: String,
    /// SKU.
    sku: String,
    /// `in_step`, `waiting`, `parked`, `conflict` or `unlinked`.
    state: &'static str,
    /// Why it is parked, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Offered on the web.
    enabled: bool,
    /// Variants; a simple product is one.
    variants: i64,
    /// The product it is a variant of.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<ProductId>,
    /// The R-Series half.
    r_series: Option<RHalf>,
    /// The E-Series half.
    e_series: Option<EHalf>,
    /// When both sides were last seen in step.
    #[schema(value_type = Option<String>, format = DateTime)]
    proven_at: Option<Instant>,
}

/// The R-Series half.
#[derive(Debug, Serialize, ToSchema)]
struct RHalf {
    /// `item` or `matrix`.
    kind: &'static str,
    /// `itemID` or `itemMatrixID`.
    id: String,
}

/// The E-Series half.
#[derive(Debug, Serialize, ToSchema)]
struct EHalf {
    /// Product id.
    id: String,
    /// Of a variant, the id of its variation.
    #[serde(skip_serializing_if = "Option::is_none")]
    combination_id: Option<String>,
}

fn show(listed: Listed) -> Product {
    let link = listed.link;
    let held = link.holds.values().map(|hold| (hold.code.clone(), hold.reason.clone())).next();
    let state = STATES.into_iter().find(|state| *state == listed.state).unwrap_or("waiting");
    let why = listed.parked.or(held).or(listed.variant_parked);
    let (code, reason) = why.filter(|_| ["parked", "conflict"].contains(&state)).unzip();
    let r_series = match (link.r_item_id, link.r_matrix_id) {
        (Some(id), _) => Some(RHalf { kind: "item", id: id.to_string() }),
        (None, Some(id)) => Some(RHalf { kind: "matrix", id: id.to_string() }),
        (None, None) => None,
    };
    Product {
        id: link.product_id,
        name: link.name,
        sku: link.sku,
        state,
        code,
        reason,
        enabled: link.enabled,
        variants: listed.variants,
        parent_id: link.parent_id,
        r_series,
        e_series: link.e_product_id.map(|id| EHalf {
            id: id.to_string(),
            combination_id: link.e_combination_id.map(|id| id.to_string()),
        }),
        proven_at: link.proven_at,
    }
}

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Exactly this SKU.
    sku: Option<String>,
    /// Name or SKU containing this, ignoring case.
    q: Option<String>,
    /// `in_step`, `waiting`, `parked`, `conflict` or `unlinked`: on one side alone. Among the last ones are variations that
    /// only E-Series has, each with its `parent_id`.
    state: Option<String>,
}

/// List products
#[utoipa::path(get, path = "/connections/{connection_id}/products", tag = "products",
    operation_id = "list_products", security(("bearer" = [])), params(("connection_id" = Uuid, Path), Filter, Paging),
    responses((status = 200, description = "Products in the order in which Concord met them", body = List<Product>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_products(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Product>>, Problem> {
    let limit = paging.limit()?;
    if filter.state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
        return Err(Problem::invalid(format!("state must be one of {}", STATES.join(", "))));
    }
    let mut query = ListQuery {
        product_id: None,
        variants_of: None,
        with_variants: false,
        sku: clean(filter.sku)?,
        text: clean(filter.q)?.filter(|text| !text.is_empty()),
        state: filter.state,
        after: paging.cursor()?,
        limit,
    };
    query.limit += 1;
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = links::list(&mut db, id, &query).await?;
    Ok(axum::Json(page(rows, limit, |row| row.link.product_id.to_string(), show)))
}

/// Postgres keeps no NUL in texts, so none can be found.
pub(super) fn clean(text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.contains('\0') => Err(Problem::invalid("a text must not contain NUL")),
        text => Ok(text),
    }
}

/// A product in full.
#[derive(Debug, Serialize, ToSchema)]
struct ProductDetail {
    /// As in the list.
    #[serde(flatten)]
    product: Product,
    /// `new`, `linked`, `only_online`, `archived`, `gone_online` or `gone_in_shop`.
    standing: links::Standing,
    /// Field by field.
    fields: Vec<FieldDetail>,
    /// What became of the shop's pictures of it; of those of a variant, at the variant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<ImageDetail>,
    /// Its variants, each a product to be asked for by its own id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variant_products: Vec<Product>,
}

/// A picture of the shop, and what became of it on the web.
#[derive(Debug, Serialize, ToSchema)]
struct ImageDetail {
    /// R-Series `imageID`.
    r_image_id: String,
    /// R-Series `publicID`.
    public_id: String,
    /// `online`; `sent` while E-Series has its address and was not seen to have the picture yet; or `parked` with the
    /// reason.
    state: &'static str,
    /// The reason for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why it is not online, in words. It is tried again when the shop changes it, and on retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where the original was on E-Series when last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Instant,
}

impl From<images::Image> for ImageDetail {
    fn from(image: images::Image) -> Self {
        let (state, url, code, reason) = match image.fate {
            images::Fate::Online(url) => ("online", url, None, None),
            images::Fate::Promised(url) => ("sent", url, None, None),
            images::Fate::Missed => ("sent", None, None, None),
            images::Fate::Refused { code, reason } => ("parked", None, Some(code), Some(reason)),
        };
        let (r_image_id, public_id, since) = (image.r_image_id.to_string(), image.public_id, image.at);
        Self { r_image_id, public_id, state, code, reason, url, since }
    }
}

pub(super) async fn listed(db: &mut Db, id: ConnectionId, product: ProductId) -> Result<Listed, Problem> {
    let query = ListQuery { product_id: Some(product), limit: 1, ..ListQuery::default() };
    links::list(db, id, &query).await?.pop().ok_or_else(|| Problem::not_found("product"))
}

/// Show a product: both sides, and why every value is what it is
#[utoipa::path(get, path = "/connections/{connection_id}/products/{product_id}", tag = "products",
    operation_id = "get_product", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 200, description = "The product", body = ProductDetail),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem)))]
async fn get_product(
    State(desk): State<Desk>,
    Path((id, product)): Path<(ConnectionId, ProductId)>,
) -> Result<axum::Json<ProductDetail>, Problem> {
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    let listed = listed(&mut db, id, product).await?;
    let settings = Settings::of(&row);
    let rules = settings.rules();
    let fields = fields::of(&mut db, &listed.link, &rules).await?;
    let standing = listed.link.standing;
    let query = ListQuery { variants_of: Some(product), limit: MOST_VARIANTS, ..ListQuery::default() };
    let variants = links::list(&mut db, id, &query).await?;
    let variant_products = variants.into_iter().map(show).collect();
    let images = images::of(&mut db, id, product).await?.into_iter().map(ImageDetail::from).collect();
    Ok(axum::Json(ProductDetail { product: show(listed), standing, fields, images, variant_products }))
}

/// What a run would do now, and why.
#[derive(Debug, Serialize, ToSchema)]
struct PlanView {
    /// Nothing would be written, and nothing is held.
    in_step: bool,
    /// What R-Series shows now.
    #[schema(value_type = Option<Object>)]
    r_series: Option<Facts>,
    /// What E-Series shows now.
    #[schema(value_type = Option<Object>)]
    e_series: Option<Facts>,
    /// What would be done, remembered and left.
    lines: Vec<Line>,
}

/// Why a product could not be looked at.
pub(super) fn no_look(error: PreviewError) -> Problem {
    match error {
        PreviewError::Store(error) => error.into(),
        PreviewError::Gone => Problem::not_found("product"),
        PreviewError::Call(error @ (CallError::Later { .. } | CallError::Busy { .. })) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "platform", error.to_string())
        }
        PreviewError::Call(error) => Problem::new(StatusCode::BAD_GATEWAY, "platform", error.to_string()),
    }
}

/// What would a run do?
///
/// Looks at both sides now and writes nothing anywhere.
#[utoipa::path(get, path = "/connections/{connection_id}/products/{product_id}/plan", tag = "products",
    operation_id = "plan_product", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 200, description = "The plan", body = PlanView),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem),
              (status = 502, description = "A platform refuses the look", body = Problem),
              (status = 503, description = "A platform cannot be asked now", body = Problem)))]
async fn plan_product(
    State(desk): State<Desk>,
    Path((id, product)): Path<(ConnectionId, ProductId)>,
) -> Result<axum::Json<PlanView>, Problem> {
    let preview = desk.corridor.preview(id, product).await.map_err(no_look)?;
    let preview = preview.ok_or_else(|| Problem::not_found("product"))?;
    Ok(axum::Json(PlanView {
        in_step: preview.plan.is_empty() && preview.plan.holds.is_empty(),
        lines: report(&preview.plan),
        r_series: preview.r,
        e_series: preview.e,
    }))
}

/// A visit that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// Products that will be visited.
    pub(super) accepted: i64,
}

async fn look_again(
    desk: &Desk,
    id: ConnectionId,
    product: ProductId,
    retry: bool,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let listed = listed(&mut db, id, product).await?;
    let without_room = room::waits(&mut db, id, product).await?;
    if retry {
        dirty::vouch(&mut db, id, product).await?;
    }
    dirty::mark(&mut db, id, &[product], Asker::Other, now, now).await?;
    images::again(&mut db, id, product).await?;
    if retry {
        if without_room {
            room::full_at(&mut db, id, None).await?;
        }
        links::lift(&mut db, id, product, IGNORED).await?;
        super::brake::let_go(desk, &mut db, &listed.link).await?;
        edits::ask_for(&mut db, id, product).await?;
    }
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { accepted: 1 })))
}

/// Look at a product again
#[utoipa::path(post, path = "/connections/{connection_id}/products/{product_id}/sync", tag = "products",
    operation_id = "sync_product", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 202, description = "It will be visited", body = Accepted),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem)))]
async fn sync_product(
    State(desk): State<Desk>,
    Path((id, product)): Path<(ConnectionId, ProductId)>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    look_again(&desk, id, product, false).await
}

/// List parked products, each with its reason
#[utoipa::path(get, path = "/connections/{connection_id}/parked", tag = "products", operation_id = "list_parked",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path), Paging),
    responses((status = 200, description = "Parked products", body = List<Product>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_parked(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<Product>>, Problem> {
    let limit = paging.limit()?;
    let after = paging.cursor()?;
    let state = Some("parked".into());
    let query = ListQuery { state, after, limit: limit + 1, with_variants: true, ..ListQuery::default() };
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = links::list(&mut db, id, &query).await?;
    Ok(axum::Json(page(rows, limit, |row| row.link.product_id.to_string(), show)))
}

/// Try a parked product again
///
/// Where it is parked because of its stock (`stock_unexplained`, `stock_undecided`, `stock_merged`), this says that the
/// counts are right as they are now. Also lets go of what waits for an operator's word about it: fields that were frozen
/// because they kept swinging (`alternates`) may be written again, a change that a side took without making it
/// (`ignored`) is written once more, and a product that the brake of its connection holds is let through once. A product
/// whose creation on the web was undone (`withdrawn`) is created again. Where the store said that its plan has no room
/// (`plan_limit`), it is asked again. A product that is not parked is looked at again.
#[utoipa::path(post, path = "/connections/{connection_id}/parked/{product_id}/retry", tag = "products",
    operation_id = "retry_parked", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 202, description = "It will be visited", body = Accepted),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem)))]
async fn retry_parked(
    State(desk): State<Desk>,
    Path((id, product)): Path<(ConnectionId, ProductId)>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    look_again(&desk, id, product, true).await
}

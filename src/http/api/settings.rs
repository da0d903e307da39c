//! Settings of a connection: changed, looked ahead at, and how they came to be.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connections::{Connection, NumberOrText, refusal, show, tagged};
use super::{List, Paging, connection, page};
use crate::catalog::{Field, Side, Value};
use crate::clock::Instant;
use crate::connections::connect::check_name;
use crate::connections::settings::{PLANS, WebSales};
use crate::connections::shops::{Shops, Wish};
use crate::connections::{BornOnline, Settings};
use crate::decide::foresee::{Effect, Foreseen, foresee, foresee_shops};
use crate::http::Desk;
use crate::http::acts::Noted;
use crate::http::auth::Caller;
use crate::http::problem::{Json, Path, Problem, Query};
use crate::ids::{ConnectionId, ProductId};
use crate::store::connections::{self as rows, Row};
use crate::store::dirty::{self, Asker};
use crate::store::foresight::{self, Known};
use crate::store::settings_history::{self as history, Author, Change};
use crate::store::{Db, categories, links, trees};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(update_connection))
        .routes(routes!(list_settings_history))
        .routes(routes!(preview_settings))
}

/// What can be changed of a connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeConnection {
    /// What you call it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    name: Option<String>,
    /// `venture`, `business` or `unlimited`.
    #[schema(pattern = "^(venture|business|unlimited)$")]
    plan: Option<String>,
    /// All settings: what is left out goes back to its default.
    settings: Option<Settings>,
    /// R-Series shops whose stock is summed on the web; none of them means all that are open now.
    shop_ids: Option<Vec<NumberOrText>>,
    /// The R-Series shop in which stock sold on the web is booked: one of those that are connected.
    primary_shop_id: Option<NumberOrText>,
}

/// The shops that a body names.
fn wish(shop_ids: Option<&Vec<NumberOrText>>, primary: Option<NumberOrText>) -> Wish {
    Wish {
        shop_ids: shop_ids.map(|ids| ids.iter().map(|id| id.0).collect()),
        primary: primary.map(|id| id.0),
    }
}

impl ChangeConnection {
    fn check(&self) -> Result<(), Problem> {
        if let Some(name) = &self.name {
            check_name(name).map_err(Problem::invalid)?;
        }
        if let Some(plan) = &self.plan {
            check_plan(plan)?;
        }
        match &self.settings {
            Some(settings) => settings.check().map_err(Problem::invalid),
            None => Ok(()),
        }
    }
}

/// Is this the generation that the request means?
fn if_match(headers: &HeaderMap, generation: i64) -> Result<bool, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(false) };
    let tag = format!("\"{generation}\"");
    let wanted = value.to_str().unwrap_or_default();
    if wanted.split(',').any(|one| one.trim() == tag || one.trim() == "*") {
        return Ok(true);
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "changed",
        format!("If-Match names another generation than the present one, which is {tag}; read it again"),
    ))
}

/// Change a connection
///
/// Every change is kept, with who made it. With `If-Match`, it is made only if nobody has changed the connection since
/// it was read. Other ways, rules, SKUs, shops or another plan are applied to all products that are linked, in turn
/// behind what notices tell of. With other shops the stock on the web becomes the sum over these, and what was sold on
/// the web and is not booked yet is booked in the shop that is the primary one then. R-Series is asked only if the body
/// names `shop_ids` or `primary_shop_id`, or sales from the web are to be booked as sales.
#[utoipa::path(patch, path = "/connections/{connection_id}", tag = "connections",
    operation_id = "update_connection", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "The ETag that the connection had when it was read")),
    request_body = ChangeConnection,
    responses((status = 200, description = "Changed", body = Connection,
                  headers(("ETag" = String, description = "The generation, in quotes"))),
              (status = 404, description = "No such connection", body = Problem),
              (status = 409, description = "Somebody else changed it at the same moment", body = Problem),
              (status = 412, description = "It is not as If-Match says any more", body = Problem),
              (status = 422, description = "Contradictory, or not possible on a platform", body = Problem),
              (status = 503, description = "The platform that has to be asked cannot be asked now: nothing was \
                                            changed; come again after the seconds in Retry-After", body = Problem)))]
async fn update_connection(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<ConnectionId>,
    headers: HeaderMap,
    Json(change): Json<ChangeConnection>,
) -> Result<Response, Problem> {
    let mut db = desk.store.begin().await?;
    let was = connection(&mut db, id).await?;
    let generation = history::generation(&mut db, id, false).await?;
    let generation = generation.ok_or_else(|| Problem::not_found("connection"))?;
    // No transaction is kept open while the platform is asked.
    drop(db);
    change.check()?;
    let conditional = if_match(&headers, generation)?;
    let row = changed(&desk, &was, change).await?;

    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    // Before the row of the connection: a visit locks them in this order.
    let marked = mark_concerned(&mut db, &was, &row, now).await?;
    let present = history::generation(&mut db, id, true).await?;
    let present = present.ok_or_else(|| Problem::not_found("connection"))?;
    if present != generation {
        let status = if conditional { StatusCode::PRECONDITION_FAILED } else { StatusCode::CONFLICT };
        return Err(Problem::new(
            status,
            "changed",
            "somebody else changed it at the same moment; read it again",
        ));
    }
    rows::update(&mut db, &row, now).await?;
    // Another plan may have room for categories that were refused.
    categories::try_again(&mut db, id).await?;
    trees::mark(&mut db, id, true, now).await?;
    let key = caller.id();
    let author = Author { name: &caller.name, id: &key, cause: "an operator changed the settings" };
    let shown = history::tell(&mut db, &desk.ids, (&was, generation), &row, author, now).await?;
    db.commit().await?;
    if marked {
        desk.accounts.hurry();
        desk.wake.notify_one();
    }
    let noted = Noted { connection: Some(id), detail: Some(json!({ "generation": shown })) };
    Ok((Extension(noted), tagged(show(row, shown))).into_response())
}

/// The connection as it is to be. R-Series is asked for what only it can say: its shops, and whether it takes sales.
async fn changed(desk: &Desk, was: &Row, change: ChangeConnection) -> Result<Row, Problem> {
    let mut row = was.clone();
    let wish = wish(change.shop_ids.as_ref(), change.primary_shop_id);
    row.name = change.name.unwrap_or(row.name);
    row.plan = change.plan.unwrap_or(row.plan);
    choose_shops(desk, &wish, &mut row).await?;
    let moved = row.r_primary_shop_id != was.r_primary_shop_id;
    let set = change.settings.is_some();
    let settings = change.settings.unwrap_or_else(|| Settings::of(was));
    if set || moved {
        // The register is one of the primary shop.
        row.web_sale = match settings.web_sales {
            WebSales::Count => None,
            WebSales::Sale => {
                desk.accounts.prove_web_sales(&row).await.map_err(|error| refusal(error, desk.clock.now()))?
            }
        };
    }
    if set {
        row.settings = serde_json::to_value(settings).map_err(|error| Problem::invalid(error.to_string()))?;
    }
    Ok(row)
}

/// Puts the shops that are wished for in the place of those that are; R-Series is asked for them.
async fn choose_shops(desk: &Desk, wish: &Wish, row: &mut Row) -> Result<(), Problem> {
    if !wish.is_empty() {
        let shops = desk.accounts.choose_shops(row, wish).await;
        shops.map_err(|error| refusal(error, desk.clock.now()))?.put(row);
    }
    Ok(())
}

/// Has the products visited for which a change makes a difference; false where there is none.
async fn mark_concerned(db: &mut Db, was: &Row, row: &Row, now: Instant) -> Result<bool, Problem> {
    let id = row.connection_id;
    let (before, after) = (Settings::of(was), Settings::of(row));
    let sku = before.sku_source != after.sku_source;
    let concerned =
        sku || before.rules() != after.rules() || was.plan != row.plan || Shops::of(was) != Shops::of(row);
    if concerned {
        dirty::mark_all(db, id, sku, now).await?;
    }
    let creates = after.born_online == BornOnline::Auto && before.born_online != BornOnline::Auto;
    if creates {
        // What was born online so far is created as well.
        let born = links::only_online(db, id).await?;
        dirty::mark(db, id, &born, Asker::Other, now, now).await?;
    }
    Ok(concerned || creates)
}

fn check_plan(plan: &str) -> Result<(), Problem> {
    if PLANS.contains(&plan) {
        return Ok(());
    }
    Err(Problem::invalid(format!("plan must be one of {}", PLANS.join(", "))))
}

/// A change of name, plan, shops or settings.
#[derive(Debug, Serialize, ToSchema)]
struct SettingsChange {
    /// The generation that it led to.
    generation: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// The name of the key that changed it.
    changed_by: String,
    /// `name`, `plan`, `shop_ids`, `primary_shop_id` and `settings` before.
    #[schema(value_type = Object)]
    before: serde_json::Value,
    /// The same afterwards.
    #[schema(value_type = Object)]
    after: serde_json::Value,
}

/// List changes of the settings, newest first
#[utoipa::path(get, path = "/connections/{connection_id}/settings/history", tag = "connections",
    operation_id = "list_settings_history", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), Paging),
    responses((status = 200, description = "Changes", body = List<SettingsChange>),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_settings_history(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<SettingsChange>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.cursor()?;
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = history::list(&mut db, id, before, limit + 1).await?;
    let show = |row: Change| SettingsChange {
        generation: row.generation,
        at: row.at,
        changed_by: row.changed_by,
        before: row.before,
        after: row.after,
    };
    Ok(axum::Json(page(rows, limit, |row| row.generation.to_string(), show)))
}

/// Settings to look ahead with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewSettings {
    /// All settings, as they would be.
    settings: Settings,
    /// The plan, if that would be another too.
    #[schema(pattern = "^(venture|business|unlimited)$")]
    plan: Option<String>,
    /// The R-Series shops whose stock would be summed, if these would be others; none of them means all that are open.
    shop_ids: Option<Vec<NumberOrText>>,
    /// The shop in which stock sold on the web would be booked.
    primary_shop_id: Option<NumberOrText>,
}

/// A value for which the settings make a difference.
#[derive(Debug, Serialize, ToSchema)]
struct ForeseenValue {
    /// The product.
    product_id: ProductId,
    /// Its name.
    name: String,
    /// Its SKU.
    sku: String,
    /// The field.
    field: Field,
    /// What would become of it.
    effect: Effect,
    /// What R-Series shows, as far as is known.
    r_series: Option<serde_json::Value>,
    /// What E-Series shows, as far as is known.
    e_series: Option<serde_json::Value>,
    /// The side that would be written.
    writes: Option<Side>,
}

/// What other settings would mean.
#[derive(Debug, Serialize, ToSchema)]
struct SettingsPreview {
    /// Products that were looked at.
    products: i64,
    /// How many values there are of each field and effect, such as `{"name": {"carried": 3}}`.
    #[schema(value_type = std::collections::HashMap<String, std::collections::HashMap<String, i64>>)]
    counts: BTreeMap<Field, BTreeMap<&'static str, i64>>,
    /// The values, product by product.
    items: Vec<ForeseenValue>,
    /// Send it as `cursor` for the next page; null at the end.
    next: Option<String>,
    /// The plan as it is.
    plan_now: super::plan::Plan,
    /// The plan as it would be.
    plan_then: super::plan::Plan,
}

/// Products read at once.
const READ_AT_ONCE: i64 = 500;

/// What would other settings mean?
///
/// Calculated from what is known of both sides: which values would be carried, would wait for a choice, would be left
/// alone, or stay apart. With other shops, `stock` is what R-Series would show then, by what each shop had when the product
/// was last looked at. Nothing is changed, and no platform is asked, but R-Series for its shops if the body names
/// `shop_ids` or `primary_shop_id`.
#[utoipa::path(post, path = "/connections/{connection_id}/settings/preview", tag = "connections",
    operation_id = "preview_settings", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), Paging), request_body = PreviewSettings,
    responses((status = 200, description = "What they would mean", body = SettingsPreview),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "Contradictory, or not possible on R-Series", body = Problem),
              (status = 503, description = "R-Series cannot be asked for its shops now; come again after the seconds \
                                            in Retry-After", body = Problem)))]
async fn preview_settings(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(paging): Query<Paging>,
    Json(preview): Json<PreviewSettings>,
) -> Result<axum::Json<SettingsPreview>, Problem> {
    let limit = usize::try_from(paging.limit()?).unwrap_or(usize::MAX);
    let from: Option<ProductId> = paging.cursor()?;
    preview.settings.check().map_err(Problem::invalid)?;
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    // No transaction is kept open while the platform is asked.
    drop(db);
    let present = Settings::of(&row);
    let mut then = row.clone();
    if let Some(plan) = &preview.plan {
        check_plan(plan)?;
        then.plan.clone_from(plan);
    }
    choose_shops(&desk, &wish(preview.shop_ids.as_ref(), preview.primary_shop_id), &mut then).await?;
    let mut db = desk.store.begin().await?;
    then.settings = serde_json::to_value(&preview.settings).unwrap_or_default();
    let plan_now = super::plan::state(&mut db, &row).await?;
    let plan_then = super::plan::state(&mut db, &then).await?;
    let (now_rules, then_rules) = (present.rules(), preview.settings.rules());
    let sku = present.sku_source != preview.settings.sku_source;
    let mut waiting: BTreeMap<ProductId, Vec<(Field, Value, Value)>> = BTreeMap::new();
    for (product, field, r, e) in foresight::waiting(&mut db, id).await? {
        waiting.entry(product).or_default().push((field, r, e));
    }
    let mut answer = SettingsPreview {
        products: 0,
        counts: BTreeMap::new(),
        items: Vec::new(),
        next: None,
        plan_now,
        plan_then,
    };
    let mut after = None;
    loop {
        let products = foresight::known(&mut db, id, after, READ_AT_ONCE).await?;
        after = products.last().map(|product| product.product_id);
        for product in products {
            answer.products += 1;
            let open = waiting.get(&product.product_id).map(Vec::as_slice).unwrap_or_default();
            let mut found = foresee(&product.shadow, open, &now_rules, &then_rules, sku);
            let shops = (row.r_shop_ids.as_slice(), then.r_shop_ids.as_slice());
            found.extend(foresee_shops(&product.shadow, product.counts.as_ref(), shops, &then_rules));
            for one in &found {
                *answer.counts.entry(one.field).or_default().entry(word(one.effect)).or_default() += 1;
            }
            // A page ends with a whole product, so that the next one can begin behind it.
            if from.is_none_or(|from| product.product_id > from) && !found.is_empty() {
                if answer.items.len() < limit {
                    answer.items.extend(found.into_iter().map(|one| shown(&product, one)));
                } else if answer.next.is_none() {
                    answer.next = answer.items.last().map(|last| last.product_id.to_string());
                }
            }
        }
        if after.is_none() {
            break;
        }
    }
    Ok(axum::Json(answer))
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Carried => "carried",
        Effect::Asked => "asked",
        Effect::LeftAlone => "left_alone",
        Effect::Apart => "apart",
        Effect::ReadAnew => "read_anew",
    }
}

fn shown(product: &Known, found: Foreseen) -> ForeseenValue {
    ForeseenValue {
        product_id: product.product_id,
        name: product.name.clone(),
        sku: product.sku.clone(),
        field: found.field,
        effect: found.effect,
        r_series: found.r.map(|value| value.to_json()),
        e_series: found.e.map(|value| value.to_json()),
        writes: found.writes,
    }
}

//! What becomes of a product that is on one side alone: an operator's word.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use super::products::listed;
use crate::connections::{BornOnline, Settings};
use crate::http::Desk;
use crate::http::problem::{Path, Problem};
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::decisions::{Choice, Decision};
use crate::store::dirty::Asker;
use crate::store::links::{Link, Standing};
use crate::store::{decisions, dirty, ledger, links};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(create_on_r_series))
        .routes(routes!(recreate_product))
        .routes(routes!(unpublish_product))
}

/// A decision that was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Decided {
    /// The ledger entry that tells of it.
    id: EntryId,
    /// Products that will be visited.
    accepted: i64,
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "not-applicable", detail.into())
}

async fn decide(
    desk: &Desk,
    (id, product): (ConnectionId, ProductId),
    choice: Choice,
    words: &str,
) -> Result<(StatusCode, axum::Json<Decided>), Problem> {
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    let link = listed(&mut db, id, product).await?.link;
    let applies = match choice {
        Choice::CreateOnRSeries => {
            let settings = Settings::of(&row);
            let parent = links::parents(&mut db, id, &[product]).await?.remove(&product);
            born_online(&link, settings.born_online, parent.is_none_or(|parent| parent.r_matrix_id.is_some()))
        }
        Choice::Recreate | Choice::Unpublish => gone_online(&link),
    };
    applies?;
    let decision = Decision { choice, entry_id: EntryId::new(&desk.ids, now) };
    dirty::mark(&mut db, id, &[product], Asker::Other, now, now).await?;
    decisions::put(&mut db, id, product, decision).await?;
    let mut entry = Entry::told(id, decision.entry_id, now, Kind::Operator, Origin::Operator, product);
    entry.cause = Some(format!("an operator has the product {words}"));
    entry.detail = Some(serde_json::json!({ "act": choice.as_str() }));
    ledger::insert(&mut db, &entry).await?;
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(Decided { id: decision.entry_id, accepted: 1 })))
}

fn born_online(link: &Link, setting: BornOnline, has_a_home: bool) -> Result<(), Problem> {
    if setting == BornOnline::Off {
        return Err(conflict(
            "born_online is off in the settings of the connection: set it to ask or auto to create products on \
             R-Series",
        ));
    }
    if link.r_item_id.is_some() || link.r_matrix_id.is_some() {
        return Err(conflict("the product is on R-Series already"));
    }
    if !has_a_home {
        return Err(conflict(
            "the variation belongs to a product that is on E-Series alone: create that one",
        ));
    }
    Ok(())
}

fn gone_online(link: &Link) -> Result<(), Problem> {
    if link.standing == Standing::GoneOnline && link.e_product_id.is_some() {
        return Ok(());
    }
    Err(conflict("the product was not deleted on E-Series, or that is settled already"))
}

/// Create a product on R-Series that was born on E-Series
///
/// It becomes an item; a product with variations becomes a matrix whose items are its variations. The web price becomes
/// the price on the levels `Online` and `Default`, the pieces go to the primary shop. What R-Series cannot have (more than
/// three options, options without variations) is parked with the reason, as is what may be there already.
#[utoipa::path(post, path = "/connections/{connection_id}/products/{product_id}/create-on-r-series",
    tag = "products", operation_id = "create_on_r_series", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 202, description = "It will be seen to", body = Decided),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem),
              (status = 409, description = "It is on R-Series already, or the settings forbid it", body = Problem)))]
async fn create_on_r_series(
    State(desk): State<Desk>,
    Path(at): Path<(ConnectionId, ProductId)>,
) -> Result<(StatusCode, axum::Json<Decided>), Problem> {
    decide(&desk, at, Choice::CreateOnRSeries, "created on R-Series").await
}

/// Create a product on E-Series again that was deleted there
///
/// Its fields come from its item; what is known of the record that was deleted comes back with it.
#[utoipa::path(post, path = "/connections/{connection_id}/products/{product_id}/recreate", tag = "products",
    operation_id = "recreate_product", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 202, description = "It will be seen to", body = Decided),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem),
              (status = 409, description = "It was not deleted on E-Series", body = Problem)))]
async fn recreate_product(
    State(desk): State<Desk>,
    Path(at): Path<(ConnectionId, ProductId)>,
) -> Result<(StatusCode, axum::Json<Decided>), Problem> {
    decide(&desk, at, Choice::Recreate, "created on E-Series again").await
}

/// Take the item of a product off the web that was deleted on E-Series
///
/// Sets `publishToEcom` to false on R-Series, of a matrix on all its items. Once the shop publishes it again, it is created
/// again.
#[utoipa::path(post, path = "/connections/{connection_id}/products/{product_id}/unpublish", tag = "products",
    operation_id = "unpublish_product", security(("bearer" = [])),
    params(("connection_id" = Uuid, Path), ("product_id" = Uuid, Path)),
    responses((status = 202, description = "It will be seen to", body = Decided),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such product", body = Problem),
              (status = 409, description = "It was not deleted on E-Series", body = Problem)))]
async fn unpublish_product(
    State(desk): State<Desk>,
    Path(at): Path<(ConnectionId, ProductId)>,
) -> Result<(StatusCode, axum::Json<Decided>), Problem> {
    decide(&desk, at, Choice::Unpublish, "taken off the web in the shop").await
}

//! The brake: what a sweep wanted to take away beyond its caps, and an operator's word on it.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use super::products::Accepted;
use crate::catalog::Field;
use crate::clock::Instant;
use crate::connections::Settings;
use crate::decide::brake::{ALTERNATES, BRAKE, frozen};
use crate::http::Desk;
use crate::http::problem::{Path, Problem};
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::connections::Row;
use crate::store::dirty::Asker;
use crate::store::links::Link;
use crate::store::{Db, StoreError, brakes, categories, dirty, ledger, trees};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(release_brake))
}

/// Whether the sweep is kept from taking more away.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Brake {
    /// The sweep wanted to take more away than the caps of the settings allow, and waits for an operator.
    on: bool,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Instant>,
    /// Why, in words.
    reason: Option<String>,
    /// Products that wait.
    held: i64,
}

/// The brake of a connection.
pub(super) async fn state(db: &mut Db, row: &Row, linked: i64) -> Result<Brake, StoreError> {
    let Some(on) = brakes::on(db, row.connection_id).await? else {
        return Ok(Brake { on: false, since: None, reason: None, held: 0 });
    };
    let settings = Settings::of(row);
    let reason = on.act.reason(&settings.caps, linked);
    Ok(Brake { on: true, since: Some(on.since), reason: Some(reason), held: on.held })
}

/// Lets go of what waits for an operator's word about one product: fields that are frozen, and the brake. The
/// product has to be marked before, because rows of the dirty set are locked before any other.
pub(super) async fn let_go(desk: &Desk, db: &mut Db, link: &Link) -> Result<(), StoreError> {
    let (connection, product) = (link.connection_id, link.product_id);
    for field in frozen(&link.holds).into_keys() {
        let mut entry = operator(desk, connection, Some(product));
        entry.field = Some(field);
        entry.detail = Some(serde_json::json!({ "act": brakes::RELEASE, "hold": ALTERNATES }));
        entry.cause = Some(format!("an operator released the {}", Field::as_str(field)));
        ledger::insert(&mut *db, &entry).await?;
    }
    if brakes::release(&mut *db, connection, &[product], desk.clock.now()).await? > 0 {
        let mut entry = operator(desk, connection, Some(product));
        entry.cause = Some("an operator let the product through the brake".into());
        entry.detail = Some(serde_json::json!({ "act": "release_brake", "products": 1 }));
        ledger::insert(db, &entry).await?;
    }
    Ok(())
}

fn operator(desk: &Desk, connection: ConnectionId, product: Option<ProductId>) -> Entry {
    let now = desk.clock.now();
    let id = EntryId::new(&desk.ids, now);
    Entry { product_id: product, ..Entry::about_all(connection, id, now, Kind::Operator, Origin::Operator) }
}

/// Release the brake
///
/// Products that the sweep wanted to take off the web, or whose stock it wanted to let fall to nothing, beyond the
/// caps of the settings, are let through, each once and without being counted again; so are removals of categories.
#[utoipa::path(post, path = "/connections/{connection_id}/brake/release", tag = "connections",
    operation_id = "release_brake", security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    responses((status = 202, description = "They will be visited; 0 when the brake was off", body = Accepted),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem)))]
async fn release_brake(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    let now = desk.clock.now();
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let held = brakes::held(&mut db, id).await?;
    dirty::mark(&mut db, id, &held, Asker::Other, now, now).await?;
    let categories = categories::release(&mut db, id, BRAKE).await?;
    if categories > 0 {
        trees::mark(&mut db, id, true, now).await?;
    }
    let accepted = brakes::release(&mut db, id, &held, now).await? + categories;
    if accepted > 0 {
        let mut entry = operator(&desk, id, None);
        entry.cause = Some("an operator released the brake".into());
        entry.detail = Some(serde_json::json!({ "act": "release_brake", "products": accepted }));
        ledger::insert(&mut db, &entry).await?;
    }
    db.commit().await?;
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { accepted })))
}

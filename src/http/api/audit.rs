//! Who did what.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{List, Paging, page};
use crate::clock::Instant;
use crate::http::Desk;
use crate::http::problem::{Problem, Query};
use crate::ids::{AuditId, ConnectionId};
use crate::store::audit;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

/// An act.
#[derive(Debug, Serialize, ToSchema)]
struct AuditEntry {
    /// Id.
    id: AuditId,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// Who: the id of a key, `admin` for the admin token, or `merchant` for a browser that came back from a platform.
    actor: String,
    /// The name of that key.
    actor_name: String,
    /// The network address it was asked from; null where that is not known.
    address: Option<String>,
    /// The request, as the log names it.
    request_id: String,
    /// The operation, as this document calls it.
    act: String,
    /// HTTP method.
    method: String,
    /// Path.
    path: String,
    /// The connection it was about.
    connection_id: Option<ConnectionId>,
    /// More about what was done.
    detail: Option<serde_json::Value>,
    /// HTTP status of the answer: from 400 on it was refused. Null when that never became known.
    status: Option<u16>,
}

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only acts about this connection, which may be gone by now.
    #[param(value_type = Option<Uuid>)]
    connection_id: Option<ConnectionId>,
    /// Only acts of this key, or of `admin`.
    actor: Option<String>,
}

/// List acts, newest first
///
/// Everything that was asked to be done through this interface, by whom and from where, also what was refused.
#[utoipa::path(get, path = "/audit", tag = "access", operation_id = "list_audit",
    security(("bearer" = [])), params(Filter, Paging),
    responses((status = 200, description = "Acts", body = List<AuditEntry>),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_audit(
    State(desk): State<Desk>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<AuditEntry>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.cursor()?;
    let actor = super::products::clean(filter.actor)?;
    let mut db = desk.store.begin().await?;
    let rows = audit::list(&mut db, filter.connection_id, actor.as_deref(), before, limit + 1).await?;
    let show = |row: audit::Act| AuditEntry {
        id: row.audit_id,
        at: row.at,
        actor: row.actor,
        actor_name: row.actor_name,
        address: row.address,
        request_id: row.request_id,
        act: row.act,
        method: row.method,
        path: row.path,
        connection_id: row.connection_id,
        detail: row.detail,
        status: row.status,
    };
    Ok(axum::Json(page(rows, limit, |row| row.audit_id.to_string(), show)))
}

//! Keys of this interface: made, listed, revoked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, response::IntoResponse, response::Response};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{List, Paging, page};
use crate::clock::Instant;
use crate::connections::connect::check_name;
use crate::http::Desk;
use crate::http::acts::Noted;
use crate::http::auth::{Caller, NewKey, Scope};
use crate::http::problem::{Json, Path, Problem, Query};
use crate::ids::KeyId;
use crate::store::api_keys::{self, Row};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(create_api_key, list_api_keys)).routes(routes!(revoke_api_key))
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// What you call it: who or what will use it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    name: String,
    /// What it is good for, at least one. `operate` includes `read`, `admin` includes both.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// From then on it is refused; never unless given.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
}

/// A key, without itself.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKey {
    /// Id.
    id: KeyId,
    /// What you call it.
    name: String,
    /// What it is good for.
    scopes: Vec<Scope>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
    /// Who made it: the id of a key, or `admin`.
    created_by: String,
    /// From then on it is refused; null is never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
    /// When it was last used, to five minutes.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Instant>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Instant>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedApiKey {
    /// The key: `Authorization: Bearer <key>`. Shown once; only its hash is kept.
    key: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    shown: ApiKey,
}

fn show(row: Row) -> ApiKey {
    ApiKey {
        id: row.key_id,
        name: row.name,
        scopes: row.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
    }
}

/// Make a key
///
/// The key is shown in this answer and never again. A repeat under the same `Idempotency-Key` shows it once more,
/// for 24 hours.
#[utoipa::path(post, path = "/api-keys", tag = "access", operation_id = "create_api_key",
    security(("bearer" = [])), request_body = NewApiKey,
    responses((status = 201, description = "Made", body = CreatedApiKey),
              (status = 422, description = "No name, no scope, or an expiry that is past", body = Problem)))]
async fn create_api_key(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<NewApiKey>,
) -> Result<Response, Problem> {
    check_name(&new.name).map_err(Problem::invalid)?;
    let now = desk.clock.now();
    if new.scopes.is_empty() {
        return Err(Problem::invalid("scopes must name at least one of read, operate, admin"));
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::invalid("expires_at lies in the past"));
    }
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let key_id = KeyId::new(&desk.ids, now);
    let mut secret = [0; 24];
    desk.ids.fill(&mut secret);
    let NewKey { key, hash } = NewKey::new(key_id, &secret);
    let row = Row {
        key_id,
        name: new.name,
        hash,
        scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at: now,
        created_by: caller.id(),
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let mut db = desk.store.begin().await?;
    api_keys::insert(&mut db, &row).await?;
    db.commit().await?;
    let detail = serde_json::json!({ "key_id": key_id, "name": row.name, "scopes": row.scopes });
    let noted = Noted { detail: Some(detail), ..Noted::default() };
    let made = CreatedApiKey { key: key.expose_secret().to_owned(), shown: show(row) };
    Ok((StatusCode::CREATED, Extension(noted), axum::Json(made)).into_response())
}

/// List keys, newest first
///
/// Those that were revoked or have expired too. No key is shown.
#[utoipa::path(get, path = "/api-keys", tag = "access", operation_id = "list_api_keys",
    security(("bearer" = [])), params(Paging),
    responses((status = 200, description = "Keys", body = List<ApiKey>),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_api_keys(
    State(desk): State<Desk>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<ApiKey>>, Problem> {
    let limit = paging.limit()?;
    let before = paging.cursor()?;
    let mut db = desk.store.begin().await?;
    let rows = api_keys::list(&mut db, before, limit + 1).await?;
    Ok(axum::Json(page(rows, limit, |row| row.key_id.to_string(), show)))
}

/// Revoke a key
///
/// From this answer on it is refused. It stays in the list, so that the audit can be read.
#[utoipa::path(delete, path = "/api-keys/{key_id}", tag = "access", operation_id = "revoke_api_key",
    security(("bearer" = [])), params(("key_id" = Uuid, Path)),
    responses((status = 204, description = "Revoked"),
              (status = 404, description = "No such key, or it is revoked already", body = Problem)))]
async fn revoke_api_key(State(desk): State<Desk>, Path(key_id): Path<KeyId>) -> Result<Response, Problem> {
    let mut db = desk.store.begin().await?;
    if !api_keys::revoke(&mut db, key_id, desk.clock.now()).await? {
        return Err(Problem::not_found("key that could be revoked"));
    }
    db.commit().await?;
    let noted = Noted { detail: Some(serde_json::json!({ "key_id": key_id })), ..Noted::default() };
    Ok((StatusCode::NO_CONTENT, Extension(noted)).into_response())
}

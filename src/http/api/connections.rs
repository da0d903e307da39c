//! Connections: made, shown, changed, paused, forgotten.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{List, connection};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::connections::Settings;
use crate::connections::connect::{ConnectError, Request};
use crate::connections::oauth::Redeemed;
use crate::http::Desk;
use crate::http::acts::Noted;
use crate::http::problem::{Json, Path, Problem};
use crate::ids::{ConnectionId, SyncId};
use crate::store::connections::{self as rows, State as Standing};
use crate::store::{Db, settings_history};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(create_connection, list_connections))
        .routes(routes!(get_connection, delete_connection))
        .routes(routes!(pause_connection))
        .routes(routes!(resume_connection))
}

/// Two accounts to be connected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConnection {
    /// What you call it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    name: String,
    /// The shop.
    r_series: NewRSeries,
    /// The web.
    e_series: NewESeries,
    /// `venture`, `business` or `unlimited`.
    #[schema(pattern = "^(venture|business|unlimited)$")]
    plan: Option<String>,
    /// What differs from the defaults.
    #[serde(default)]
    settings: Settings,
}

/// An R-Series account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRSeries {
    /// What came of `POST /v1/oauth/r-series/start`, in place of the tokens.
    grant: Option<ConnectionId>,
    /// `accountID`; may be left out with a grant.
    #[schema(value_type = Option<String>)]
    account_id: Option<NumberOrText>,
    /// Access token; wanted without a grant.
    #[schema(value_type = Option<String>)]
    access_token: Option<SecretString>,
    /// Refresh token; without one the connection ends with the access token.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
    /// Shops whose stock is summed on the web; all unless given.
    #[serde(default)]
    shop_ids: Vec<NumberOrText>,
    /// The shop in which stock sold on the web is booked; the first unless given.
    primary_shop_id: Option<NumberOrText>,
}

/// An E-Series store.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewESeries {
    /// What came of `POST /v1/oauth/e-series/start`, in place of the token.
    grant: Option<ConnectionId>,
    /// `storeId`; may be left out with a grant, unless the platform did not say for whom it is.
    #[schema(value_type = Option<String>)]
    store_id: Option<NumberOrText>,
    /// Access token; wanted without a grant.
    #[schema(value_type = Option<String>)]
    access_token: Option<SecretString>,
}

/// Tokens as they were sent, or out of a grant; and the grant.
async fn tokens(
    desk: &Desk,
    side: Side,
    grant: Option<ConnectionId>,
    account: Option<NumberOrText>,
    sent: (Option<SecretString>, Option<SecretString>),
    used: &mut Vec<(ConnectionId, Side)>,
) -> Result<Redeemed, Problem> {
    let named = if side == Side::RSeries { "account_id" } else { "store_id" };
    let account = account.map(|account| account.0);
    match (grant, sent, account) {
        (Some(grant), (None, None), _) => {
            let redeemed = desk.accounts.redeem(side, grant, account).await;
            used.push((grant, side));
            redeemed.map_err(|error| super::oauth::not_granted(side, error))
        }
        (Some(_), _, _) => {
            Err(Problem::invalid(format!("{side}: send a grant or tokens, not both")).of(side))
        }
        (None, (Some(access), refresh), Some(account)) => Ok(Redeemed { account, access, refresh }),
        (None, _, _) => {
            Err(Problem::invalid(format!("{side}: send {named} and access_token, or a grant")).of(side))
        }
    }
}

/// A platform's id: the platforms print theirs as texts or numbers, so both are taken.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String)]
pub(super) struct NumberOrText(pub(super) i64);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer).map(Self)
    }
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let json = serde_json::Value::deserialize(deserializer)?;
    let number = json.as_i64().or_else(|| json.as_str().and_then(|text| text.trim().parse().ok()));
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| {
        let found: String = json.to_string().chars().take(60).collect();
        serde::de::Error::custom(format!("{found} is no id: a positive whole number is wanted"))
    })
}

/// A connection that was made.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedConnection {
    /// Id.
    id: ConnectionId,
    /// Where notices go.
    webhooks: Webhooks,
    /// The first look that has begun.
    sync_id: SyncId,
}

/// Where notices go.
#[derive(Debug, Serialize, ToSchema)]
struct Webhooks {
    /// To be registered with the E-Series application.
    e_series_url: String,
    /// For relays.
    r_series_url: String,
    /// The key for notices at the R-Series door. Shown once.
    r_series_secret: String,
}

/// A connection, without secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connection {
    /// Id.
    id: ConnectionId,
    /// Counts changes of name, plan, shops and settings; in quotes it is the ETag.
    generation: i64,
    /// What you call it.
    name: String,
    /// Is it worked on?
    state: Standing,
    /// Why not.
    state_reason: Option<String>,
    /// The shop.
    r_series: RSeries,
    /// The web.
    e_series: ESeries,
    /// Plan name.
    plan: String,
    /// What differs from the defaults.
    settings: serde_json::Value,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
}

/// An R-Series account.
#[derive(Debug, Serialize, ToSchema)]
struct RSeries {
    /// `accountID`.
    account_id: String,
    /// Shops whose stock is summed on the web.
    shop_ids: Vec<String>,
    /// The shop in which stock sold on the web is booked.
    primary_shop_id: String,
    /// The price level of the web, if the account has one.
    online_price_level_id: Option<String>,
}

/// An E-Series store.
#[derive(Debug, Serialize, ToSchema)]
struct ESeries {
    /// `storeId`.
    store_id: String,
    /// Products the store's plan allows.
    max_product_limit: Option<i64>,
}

pub(super) fn show(row: rows::Row, generation: i64) -> Connection {
    Connection {
        id: row.connection_id,
        generation,
        name: row.name,
        state: row.state,
        state_reason: row.state_reason,
        r_series: RSeries {
            account_id: row.r_account_id.to_string(),
            shop_ids: row.r_shop_ids.iter().map(i64::to_string).collect(),
            primary_shop_id: row.r_primary_shop_id.to_string(),
            online_price_level_id: row.r_online_level_id.map(|id| id.to_string()),
        },
        e_series: ESeries { store_id: row.e_store_id.to_string(), max_product_limit: row.e_product_limit },
        plan: row.plan,
        settings: row.settings,
        created_at: row.created_at,
    }
}

/// A connection with its generation as ETag.
pub(super) fn tagged(shown: Connection) -> Response {
    let tag = format!("\"{}\"", shown.generation);
    ([(header::ETAG, tag)], axum::Json(shown)).into_response()
}

/// Shows a connection as it is now.
pub(super) async fn show_present(db: &mut Db, row: rows::Row) -> Result<Connection, Problem> {
    let generation = settings_history::generation(db, row.connection_id, false).await?;
    Ok(show(row, generation.ok_or_else(|| Problem::not_found("connection"))?))
}

/// Connect two accounts
///
/// Both credentials are proved against the platforms first; then the first look over the catalogue begins.
#[utoipa::path(post, path = "/connections", tag = "connections", operation_id = "create_connection",
    security(("bearer" = [])), request_body = NewConnection,
    responses((status = 201, description = "Connected", body = CreatedConnection),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 409, description = "One of the accounts is connected already, or a grant is used up",
                  body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "Not accepted by a platform, or contradictory", body = Problem),
              (status = 503, description = "A platform cannot be asked now: nothing was connected; come again after \
                                            the seconds in Retry-After", body = Problem)))]
async fn create_connection(
    State(desk): State<Desk>,
    Json(new): Json<NewConnection>,
) -> Result<Response, Problem> {
    let mut grants = Vec::new();
    let NewRSeries { grant, account_id, access_token, refresh_token, .. } = new.r_series;
    let r =
        tokens(&desk, Side::RSeries, grant, account_id, (access_token, refresh_token), &mut grants).await?;
    let NewESeries { grant, store_id, access_token } = new.e_series;
    let e = tokens(&desk, Side::ESeries, grant, store_id, (access_token, None), &mut grants).await?;
    let request = Request {
        name: new.name,
        r_account_id: r.account,
        r_access_token: r.access,
        r_refresh_token: r.refresh,
        r_shop_ids: new.r_series.shop_ids.iter().map(|id| id.0).collect(),
        r_primary_shop_id: new.r_series.primary_shop_id.map(|id| id.0),
        e_store_id: e.account,
        e_access_token: e.access,
        plan: new.plan,
        settings: new.settings,
        grants,
    };
    let connected = desk.accounts.connect(request).await;
    let connected = connected.map_err(|error| refusal(error, desk.clock.now()))?;
    desk.wake.notify_one();
    let id = connected.connection_id;
    let webhooks = Webhooks {
        e_series_url: format!("{}/webhooks/e-series", desk.public_base),
        r_series_url: format!("{}/webhooks/r-series/{id}", desk.public_base),
        r_series_secret: connected.r_webhook_secret.expose_secret().to_owned(),
    };
    let noted = Noted { connection: Some(id), ..Noted::default() };
    let made = CreatedConnection { id, webhooks, sync_id: connected.sync_id };
    Ok((StatusCode::CREATED, Extension(noted), axum::Json(made)).into_response())
}

/// Why two accounts were not connected, or not connected anew.
pub(super) fn refusal(error: ConnectError, now: Instant) -> Problem {
    match error {
        ConnectError::NotProved { side, reason } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-proved", side.says(&reason)).of(side)
        }
        ConnectError::NotNow { side, until, why } => {
            let wait = until.map(|until| (until - now).to_std().unwrap_or_default());
            Problem::platform_away(side, &why, wait)
        }
        ConnectError::Invalid(words) => Problem::invalid(words),
        ConnectError::GrantSpent(side) => {
            Problem::new(StatusCode::CONFLICT, "conflict", ConnectError::GrantSpent(side).to_string())
                .of(side)
        }
        ConnectError::Taken(side) => {
            Problem::new(StatusCode::CONFLICT, "taken", ConnectError::Taken(side).to_string()).of(side)
        }
        ConnectError::Store(error) => error.into(),
    }
}

/// List connections
#[utoipa::path(get, path = "/connections", tag = "connections", operation_id = "list_connections",
    security(("bearer" = [])),
    responses((status = 200, description = "All of them", body = List<Connection>),
              (status = 401, description = "No or a wrong access token", body = Problem)))]
async fn list_connections(State(desk): State<Desk>) -> Result<axum::Json<List<Connection>>, Problem> {
    let mut db = desk.store.begin().await?;
    let rows = rows::load(&mut db, None).await?;
    let generations = settings_history::generations(&mut db).await?;
    let show = |row: rows::Row| {
        let found = generations.iter().find(|(connection, _)| *connection == row.connection_id);
        show(row, found.map_or(1, |(_, generation)| *generation))
    };
    Ok(axum::Json(List { items: rows.into_iter().map(show).collect(), next: None }))
}

/// Show a connection
#[utoipa::path(get, path = "/connections/{connection_id}", tag = "connections", operation_id = "get_connection",
    security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    responses((status = 200, description = "The connection", body = Connection,
                  headers(("ETag" = String, description = "The generation, in quotes: for If-Match"))),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem)))]
async fn get_connection(State(desk): State<Desk>, Path(id): Path<ConnectionId>) -> Result<Response, Problem> {
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    Ok(tagged(show_present(&mut db, row).await?))
}

/// Forget a connection
///
/// Nothing is changed on either platform. Its links and ledger are gone for good.
#[utoipa::path(delete, path = "/connections/{connection_id}", tag = "connections",
    operation_id = "delete_connection", security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    responses((status = 204, description = "Forgotten"),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem)))]
async fn delete_connection(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
) -> Result<StatusCode, Problem> {
    let mut db = desk.store.begin().await?;
    if !rows::delete(&mut db, id).await? {
        return Err(Problem::not_found("connection"));
    }
    db.commit().await?;
    desk.accounts.forget(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Pause a connection
///
/// Notices are still taken in; nothing is read or written until it is resumed.
#[utoipa::path(post, path = "/connections/{connection_id}/pause", tag = "connections",
    operation_id = "pause_connection", security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    responses((status = 200, description = "Paused", body = Connection),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem)))]
async fn pause_connection(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<Connection>, Problem> {
    set_state(&desk, id, Standing::Paused, Some("paused by an operator")).await
}

/// Resume a connection
#[utoipa::path(post, path = "/connections/{connection_id}/resume", tag = "connections",
    operation_id = "resume_connection", security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    responses((status = 200, description = "Worked on again", body = Connection),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem)))]
async fn resume_connection(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<Connection>, Problem> {
    set_state(&desk, id, Standing::Active, None).await
}

async fn set_state(
    desk: &Desk,
    id: ConnectionId,
    state: Standing,
    reason: Option<&str>,
) -> Result<axum::Json<Connection>, Problem> {
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    rows::set_state(&mut db, id, state, reason, desk.clock.now()).await?;
    let row = connection(&mut db, id).await?;
    let shown = show_present(&mut db, row).await?;
    db.commit().await?;
    desk.accounts.hurry();
    desk.wake.notify_one();
    Ok(axum::Json(shown))
}

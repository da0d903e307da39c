//! Accounts by OAuth: asking a merchant, what became of it, and other tokens for a connection.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection;
use super::connections::{Connection, refusal, show_present};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::connections::oauth::{OauthError, side_in_address};
use crate::connections::reconnect::{ReconnectError, Replacement};
use crate::http::Desk;
use crate::http::acts::Noted;
use crate::http::problem::{Json, Path, Problem};
use crate::ids::ConnectionId;
use crate::store::grants::Outcome;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(start_oauth))
        .routes(routes!(get_grant))
        .routes(routes!(replace_credentials))
}

/// Whom to ask.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartOauth {
    /// The connection that is to be connected anew; leave it out for a new one.
    connection_id: Option<ConnectionId>,
}

/// Where to send the merchant.
#[derive(Debug, Serialize, ToSchema)]
struct Started {
    /// Open it in the merchant's browser.
    authorize_url: String,
    /// What the platform hands back: works once.
    state: String,
    /// What comes of it: to be given to `POST /v1/connections` in place of tokens.
    grant: ConnectionId,
    /// Until when the merchant may decide.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
}

/// What became of asking a merchant.
#[derive(Debug, Serialize, ToSchema)]
struct Grant {
    /// Its id.
    #[serde(rename = "grant")]
    id: ConnectionId,
    /// `r_series` or `e_series`.
    side: Side,
    /// How far it has come.
    state: Outcome,
    /// R-Series `accountID` or E-Series `storeId`.
    account: Option<String>,
    /// What was granted, as far as the platform says.
    scopes: Option<Vec<String>>,
    /// Why it failed.
    reason: Option<String>,
    /// Until when it may be used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
}

fn side_of(text: &str) -> Result<Side, Problem> {
    side_in_address(text).ok_or_else(|| Problem::not_found("platform: r-series or e-series is wanted"))
}

pub(super) fn not_granted(side: Side, error: OauthError) -> Problem {
    match error {
        OauthError::Store(error) => error.into(),
        OauthError::NoConnection => Problem::not_found("connection"),
        error @ OauthError::NotConfigured(_) => {
            Problem::new(StatusCode::CONFLICT, "not-configured", error.to_string()).of(side)
        }
        OauthError::NotNow(words) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "platform", words).of(side)
        }
        OauthError::Unfit(words) => Problem::invalid(words).of(side),
        error @ OauthError::Spent(_) => {
            Problem::new(StatusCode::CONFLICT, "conflict", error.to_string()).of(side)
        }
        error => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-proved", error.to_string()).of(side),
    }
}

/// Ask a merchant for access
///
/// Gives the address of the platform's own page, where the merchant lets Concord in or not. What comes of it is a
/// grant, which takes the place of tokens when the connection is made; with `connection_id`, the connection has the
/// new tokens as soon as the merchant has agreed, and keeps everything it has.
#[utoipa::path(post, path = "/oauth/{side}/start", tag = "connections", operation_id = "start_oauth",
    security(("bearer" = [])), params(("side" = String, Path, description = "r-series or e-series")),
    request_body = StartOauth,
    responses((status = 200, description = "Where to send the merchant", body = Started),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such platform or connection", body = Problem),
              (status = 409, description = "Concord does not know its application at the platform", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "Makes no sense", body = Problem)))]
async fn start_oauth(
    State(desk): State<Desk>,
    Path(side): Path<String>,
    Json(start): Json<StartOauth>,
) -> Result<(Extension<Noted>, axum::Json<Started>), Problem> {
    let side = side_of(&side)?;
    let asked = desk.accounts.ask(side, start.connection_id, &desk.public_base).await;
    let asked = asked.map_err(|error| not_granted(side, error))?;
    let noted = Noted {
        connection: start.connection_id,
        detail: Some(json!({ "side": side, "grant": asked.grant })),
    };
    let started = Started {
        authorize_url: asked.authorize_url.into(),
        state: asked.state,
        grant: asked.grant,
        expires_at: asked.expires_at,
    };
    Ok((Extension(noted), axum::Json(started)))
}

/// Show a grant
///
/// What became of asking a merchant. Never shows a token.
#[utoipa::path(get, path = "/oauth/{side}/grants/{grant}", tag = "connections", operation_id = "get_grant",
    security(("bearer" = [])),
    params(("side" = String, Path, description = "r-series or e-series"), ("grant" = Uuid, Path)),
    responses((status = 200, description = "The grant", body = Grant),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such platform or grant", body = Problem)))]
async fn get_grant(
    State(desk): State<Desk>,
    Path((side, grant)): Path<(String, ConnectionId)>,
) -> Result<axum::Json<Grant>, Problem> {
    let side = side_of(&side)?;
    let row = desk.accounts.grant(side, grant).await?.ok_or_else(|| Problem::not_found("grant"))?;
    Ok(axum::Json(Grant {
        id: row.connection_id,
        side,
        state: row.outcome,
        account: row.account.map(|account| account.to_string()),
        scopes: row.scopes.map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
        reason: row.reason,
        expires_at: row.expires_at,
    }))
}

/// Other tokens for a connection. One side may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The shop's.
    r_series: Option<RCredentials>,
    /// The web's.
    e_series: Option<ECredentials>,
}

/// R-Series tokens.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RCredentials {
    /// Access token.
    #[schema(value_type = String)]
    access_token: SecretString,
    /// Refresh token; without one the connection ends with the access token.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

/// An E-Series token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ECredentials {
    /// Access token.
    #[schema(value_type = String)]
    access_token: SecretString,
}

/// Replace the tokens of a connection
///
/// They are proved first, and must belong to the same accounts. Links, ledger and settings stay; a connection that
/// needed attention is worked on again, and the next sweep finds what was missed. One that is paused stays so.
#[utoipa::path(put, path = "/connections/{connection_id}/credentials", tag = "connections",
    operation_id = "replace_credentials", security(("bearer" = [])), params(("connection_id" = Uuid, Path)),
    request_body = Credentials,
    responses((status = 200, description = "Proved and stored", body = Connection),
              (status = 400, description = "The body is no JSON", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 409, description = "The tokens belong to another account", body = Problem),
              (status = 415, description = "The body is not labelled as JSON", body = Problem),
              (status = 422, description = "Not accepted by a platform", body = Problem),
              (status = 503, description = "A platform cannot be asked now: nothing was changed; come again after \
                                            the seconds in Retry-After", body = Problem)))]
async fn replace_credentials(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Json(new): Json<Credentials>,
) -> Result<(Extension<Noted>, axum::Json<Connection>), Problem> {
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    drop(db);
    if new.r_series.is_none() && new.e_series.is_none() {
        return Err(Problem::invalid("send r_series, e_series or both"));
    }
    let sides = [(Side::RSeries, new.r_series.is_some()), (Side::ESeries, new.e_series.is_some())];
    let sides: Vec<Side> = sides.into_iter().filter_map(|(side, sent)| sent.then_some(side)).collect();
    let replacement = Replacement {
        r: new.r_series.map(|r| (r.access_token, r.refresh_token)),
        e: new.e_series.map(|e| e.access_token),
        grants: Vec::new(),
    };
    desk.accounts.reconnect(&row, replacement).await.map_err(|error| match error {
        ReconnectError::NotProved(error) => refusal(error, desk.clock.now()),
        ReconnectError::Store(error) => error.into(),
        ReconnectError::OtherAccount { side, .. } => {
            Problem::new(StatusCode::CONFLICT, "other-account", error.to_string()).of(side)
        }
    })?;
    desk.wake.notify_one();
    let mut db = desk.store.begin().await?;
    let row = connection(&mut db, id).await?;
    let noted = Noted { connection: None, detail: Some(json!({ "sides": sides })) };
    Ok((Extension(noted), axum::Json(show_present(&mut db, row).await?)))
}

//! The two doors. A 200 is sent only after the commit; nothing in a body is ever data.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tracing::{debug, warn};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Desk;
use super::problem::{Path, Problem};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::ids::ConnectionId;
use crate::platforms::CallError;
use crate::receive::accept::Accepted;
use crate::receive::{hint, verify};
use crate::store::connections;
use crate::store::inbox::{self, Delivery};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(receive_e_series)).routes(routes!(receive_r_series))
}

/// Take a notice of E-Series
///
/// The form of the platform: JSON with `eventId`, `eventCreated`, `storeId`, `entityId`, `eventType`, signed
/// in `X-Ecwid-Webhook-Signature` over `{eventCreated}.{eventId}` with the application's client secret.
#[utoipa::path(post, path = "/webhooks/e-series", tag = "webhooks", operation_id = "receive_e_series",
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "Written down, or seen before"),
        (status = 202, description = "Genuine, but nothing that is worked on"),
        (status = 400, description = "No readable envelope", body = Problem),
        (status = 401, description = "Signature missing, malformed, wrong or outside the replay window", body = Problem),
        (status = 413, description = "Body over 256 KiB", body = Problem),
        (status = 503, description = "Cannot be taken now: come again", body = Problem)))]
async fn receive_e_series(
    State(desk): State<Desk>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let came = desk.clock.now();
    answer(&desk, "e_series", came, take_e_series(&desk, &headers, body).await)
}

/// Take a notice of a relay about R-Series
///
/// R-Series has no webhooks; relays, POS extensions and other services tell of changes here, as a form with
/// `type` and `payload` or as JSON, signed in `X-Signature: signature=<hex>,algorithm=HMAC-SHA256` over the raw
/// body with the connection's secret. `X-Delivery-Id` makes repeats recognisable.
#[utoipa::path(post, path = "/webhooks/r-series/{connection_id}", tag = "webhooks", operation_id = "receive_r_series",
    params(
        ("connection_id" = Uuid, Path, description = "The connection"),
        ("X-Delivery-Id" = Option<String>, Header, description = "The sender's id of the delivery")),
    request_body(content(
        (Object = "application/json"), (Object = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Written down, or seen before"),
        (status = 202, description = "Genuine, but nothing that is worked on"),
        (status = 400, description = "No readable envelope", body = Problem),
        (status = 401, description = "Signature missing, malformed or wrong", body = Problem),
        (status = 404, description = "Unknown connection", body = Problem),
        (status = 413, description = "Body over 256 KiB", body = Problem),
        (status = 503, description = "Cannot be taken now: come again", body = Problem)))]
async fn receive_r_series(
    State(desk): State<Desk>,
    connection: Result<Path<ConnectionId>, Problem>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let came = desk.clock.now();
    let taken = match connection {
        Ok(Path(connection)) => take_r_series(&desk, connection, &headers, body).await,
        Err(problem) => Err(problem),
    };
    answer(&desk, "r_series", came, taken)
}

async fn take_e_series(
    desk: &Desk,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = readable(body)?;
    let signature = text(headers, "x-ecwid-webhook-signature");
    if signature.is_none() {
        return Err(not_genuine(verify::NotGenuine::NoSignature));
    }
    let envelope = hint::e_series(&body).map_err(|error| no_envelope(&error))?;
    let secret = desk.accounts.apps().e_series_secret.as_ref().ok_or_else(|| {
        warn!("a notice of E-Series cannot be checked: CONCORD_E_SERIES_CLIENT_SECRET is not set");
        not_genuine(verify::NotGenuine::Wrong)
    })?;
    let now = desk.clock.now();
    verify::e_series(secret, signature, &envelope.event_created, &envelope.event_id, now)
        .map_err(not_genuine)?;
    let mut db = desk.store.begin().await?;
    let Some(connection_id) = connections::by_store(&mut db, envelope.store_id).await? else {
        let account = envelope.store_id.to_string();
        inbox::keep_stray(&mut db, Side::ESeries, &envelope.event_id, &account, &envelope.event_type, now)
            .await?;
        db.commit().await?;
        return Ok(StatusCode::ACCEPTED);
    };
    drop(db);
    let record = envelope.product.or(envelope.category);
    let worked_on = record.is_some() || envelope.event_type == inbox::UNINSTALLED;
    let delivery = Delivery {
        connection_id,
        side: Side::ESeries,
        event_id: envelope.event_id,
        event_type: envelope.event_type,
        record,
        is_matrix: false,
    };
    write_down(desk, delivery, worked_on).await
}

async fn take_r_series(
    desk: &Desk,
    connection_id: ConnectionId,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = readable(body)?;
    let secret = match desk.accounts.r_webhook_secret(connection_id).await {
        Ok(secret) => secret.ok_or_else(|| Problem::not_found("connection"))?,
        Err(CallError::Later { .. }) => return Err(not_now()),
        Err(error) => {
            warn!(%error, "a notice at the R-Series door cannot be checked");
            return Err(not_genuine(verify::NotGenuine::Wrong));
        }
    };
    verify::r_series(&secret, text(headers, "x-signature"), &body).map_err(not_genuine)?;
    let content_type = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let hint = hint::r_series(content_type, &body).map_err(|error| no_envelope(&error))?;
    let event_id = text(headers, "x-delivery-id").filter(|id| !id.is_empty());
    if event_id.is_some_and(|id| id.len() > hint::LONGEST) {
        let words = format!("X-Delivery-Id is longer than {} characters", hint::LONGEST);
        return Err(no_envelope(&hint::NoEnvelope(words)));
    }
    let worked_on = hint.record.is_some();
    let delivery = Delivery {
        connection_id,
        side: Side::RSeries,
        // Without an id nothing is a repeat: equal bodies may be two sales.
        event_id: event_id.map_or_else(|| desk.ids.uuid(desk.clock.now()).to_string(), str::to_owned),
        event_type: hint.event_type,
        record: hint.record,
        is_matrix: hint.is_matrix,
    };
    write_down(desk, delivery, worked_on).await
}

async fn write_down(desk: &Desk, delivery: Delivery, worked_on: bool) -> Result<StatusCode, Problem> {
    match desk.inbox.accept(delivery).await {
        Accepted::Yes if worked_on => Ok(StatusCode::OK),
        Accepted::Yes => Ok(StatusCode::ACCEPTED),
        Accepted::NotNow => Err(not_now()),
    }
}

fn answer(desk: &Desk, door: &'static str, came: Instant, taken: Result<StatusCode, Problem>) -> Response {
    let response = match taken {
        Ok(status) => status.into_response(),
        Err(problem) => problem.into_response(),
    };
    let status = response.status().as_u16().to_string();
    metrics::counter!("concord_notices_total", "door" => door, "status" => status).increment(1);
    let took = (desk.clock.now() - came).to_std().unwrap_or_default();
    metrics::histogram!("concord_notice_seconds", "door" => door).record(took.as_secs_f64());
    debug!(door, status = response.status().as_u16(), "notice");
    response
}

fn readable(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| Problem::new(rejection.status(), "body", rejection.body_text()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn not_genuine(error: verify::NotGenuine) -> Problem {
    // One answer for every reason: none reveals whether a secret was nearly right.
    debug!(%error, "a notice was not taken");
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "signature",
        "the signature is missing, malformed or wrong, or the event lies outside the replay window",
    )
}

fn no_envelope(error: &hint::NoEnvelope) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "envelope", error.to_string())
}

fn not_now() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "database",
        "the notice cannot be written down now; send it again",
    )
}

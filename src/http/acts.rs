//! What is asked to be done: written down before, with who, when and from where; and done once, however often it is
//! asked for under one `Idempotency-Key`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tracing::{Instrument, warn};
use uuid::Uuid;

use super::arrival::Arrival;
use super::auth::Caller;
use super::operations::Operation;
use super::problem::Problem;
use super::{Desk, LARGEST_REST_BODY, SLOWEST};
use crate::clock::{Instant, before};
use crate::ids::{AuditId, ConnectionId};
use crate::store::audit::{self, Act};
use crate::store::{StoreError, answers};

/// The header of a request that is to be done once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Tells an answer that was given before.
const REPLAYED: &str = "idempotent-replayed";
/// Longest key, in characters.
const LONGEST_KEY: usize = 255;
/// So long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// A request without an answer for so long is dead: longer than any may take.
const DEAD: Duration = Duration::from_secs(60);
/// Largest answer that is kept, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// More about an act, for the audit; a handler puts it into its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    /// The connection it was about, where the address does not say.
    pub(super) connection: Option<ConnectionId>,
    /// What was done. Never a secret.
    pub(super) detail: Option<serde_json::Value>,
}

/// Does what is asked, once.
pub(super) async fn act(
    desk: &Desk,
    caller: &Caller,
    operation: &'static Operation,
    request: Request,
    next: Next,
) -> Response {
    let done = match idempotency_key(request.method(), request.headers()) {
        Err(problem) => Err(problem),
        Ok(None) => recorded(desk, caller, operation, request, next).await,
        Ok(Some(key)) => {
            // Whoever asks under a key may hang up and ask again. What was begun goes on to its end all the same:
            // cut off in the middle, it might be done without its answer being kept, and then be done twice.
            let (desk, caller) = (desk.clone(), caller.clone());
            let whole = async move {
                let done = once(&desk, &caller, operation, &key, request, next);
                tokio::time::timeout(SLOWEST, done).await.unwrap_or_else(|_| Err(super::too_slow()))
            };
            match tokio::spawn(whole.in_current_span()).await {
                Ok(done) => done,
                Err(broke) => return super::broken(Box::new(broke)),
            }
        }
    };
    done.unwrap_or_else(IntoResponse::into_response)
}

/// Does what is asked, and writes that down: before, because a process that dies at it must not have done it
/// unseen.
async fn recorded(
    desk: &Desk,
    caller: &Caller,
    operation: &Operation,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let now = desk.clock.now();
    let path = address(&request).path().to_owned();
    let act = Act {
        audit_id: AuditId::new(&desk.ids, now),
        at: now,
        actor: caller.id(),
        actor_name: caller.name.clone(),
        address: caller.address.map(|address| address.to_string()),
        request_id: caller.request_id.clone(),
        act: operation.id.clone(),
        method: request.method().to_string(),
        connection_id: connection_in(&path),
        path,
        detail: None,
        status: None,
    };
    Ok(watched(desk, &act, next.run(request)).await?)
}

/// A merchant's browser that a platform sent here.
#[derive(Debug)]
pub(super) struct Merchant {
    /// The request.
    pub(super) arrival: Arrival,
    /// The operation.
    pub(super) act: &'static str,
    /// Path, without what the platform put behind it.
    pub(super) path: String,
}

/// Does what a merchant has let Concord do, and writes that down before. Nobody else asks for that: there is no key.
pub(super) async fn by_a_merchant(
    desk: &Desk,
    merchant: Merchant,
    noted: Noted,
    work: impl Future<Output = Response>,
) -> Result<Response, StoreError> {
    let now = desk.clock.now();
    let act = Act {
        audit_id: AuditId::new(&desk.ids, now),
        at: now,
        actor: "merchant".to_owned(),
        actor_name: "a merchant's browser".to_owned(),
        address: merchant.arrival.address.map(|address| address.to_string()),
        request_id: merchant.arrival.request_id,
        act: merchant.act.to_owned(),
        method: Method::GET.to_string(),
        path: merchant.path,
        connection_id: noted.connection,
        detail: noted.detail,
        status: None,
    };
    watched(desk, &act, work).await
}

async fn watched(
    desk: &Desk,
    act: &Act,
    work: impl Future<Output = Response>,
) -> Result<Response, StoreError> {
    let mut db = desk.store.begin().await?;
    audit::insert(&mut db, act).await?;
    db.commit().await?;
    let response = work.await;
    let noted = response.extensions().get::<Noted>().cloned().unwrap_or_default();
    let status = response.status().as_u16();
    let closed = async {
        let mut db = desk.store.begin().await?;
        audit::close(&mut db, act.audit_id, status, noted.connection, noted.detail.as_ref()).await?;
        db.commit().await
    };
    if let Err(error) = closed.await {
        // It is written down that it was asked for; what came of it is in the ledger and the log.
        warn!(%error, "what came of an act was not written down");
    }
    Ok(response)
}

fn address(request: &Request) -> axum::http::Uri {
    request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().clone(), |uri| uri.0.clone())
}

/// The connection that a path is about.
fn connection_in(path: &str) -> Option<ConnectionId> {
    let mut parts = path.split('/').skip_while(|part| *part != "connections");
    parts.nth(1)?.parse().ok()
}

fn idempotency_key(method: &Method, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next().filter(|_| method == Method::POST) else { return Ok(None) };
    let key = value.to_str().ok();
    let visible = |key: &&str| {
        (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match key.filter(visible) {
        Some(key) if given.next().is_none() => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency",
            format!("Idempotency-Key must be given once, as 1 to {LONGEST_KEY} visible ASCII characters"),
        )),
    }
}

/// Method, address, kind of body and body.
fn fingerprint(method: &Method, uri: &axum::http::Uri, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), uri.to_string().as_bytes(), kind, body] {
        // With its length, so that no two requests give the same row of bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

async fn once(
    desk: &Desk,
    caller: &Caller,
    operation: &Operation,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let uri = address(&request);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_REST_BODY).await.map_err(|_| {
        let words = format!("the body is larger than {LARGEST_REST_BODY} bytes, or broke off");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", words)
    })?;
    let print = fingerprint(&parts.method, &uri, &parts.headers, &body);
    let now = desk.clock.now();
    let asked = Asked { caller: caller.id(), key: key.to_owned(), attempt: desk.ids.uuid(now) };
    if let Some(earlier) = asked.begin(desk, &print, now).await? {
        return replay(desk, caller, &asked, &print, &earlier);
    }
    let response =
        recorded(desk, caller, operation, Request::from_parts(parts, Body::from(body)), next).await;
    let response = match response {
        Ok(response) => response,
        Err(problem) => {
            asked.forget(desk).await;
            return Err(problem);
        }
    };
    if response.status().is_server_error() {
        asked.forget(desk).await;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_ANSWER).await else {
        asked.forget(desk).await;
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the answer is too large to be kept; what was asked for was done",
        ));
    };
    asked.keep(desk, parts.status, parts.headers.get(header::CONTENT_TYPE), &body).await;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(
    desk: &Desk,
    caller: &Caller,
    asked: &Asked,
    print: &[u8],
    earlier: &answers::Row,
) -> Result<Response, Problem> {
    if earlier.fingerprint != print {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency",
            "this Idempotency-Key was used with another request within the last 24 hours; draw a new one",
        ));
    }
    let status = earlier.status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let Some((status, sealed)) = status.zip(earlier.sealed.as_ref()) else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "idempotency",
            "the first request with this Idempotency-Key is still under way; come again",
        )
        .again_in(Duration::from_secs(2)));
    };
    let body = desk.accounts.open_answer(&asked.name(), sealed).map_err(|error| {
        warn!(%error, "a kept answer cannot be opened");
        Problem::new(
            StatusCode::CONFLICT,
            "idempotency",
            "this was done before, but its answer cannot be shown again; look at the present state",
        )
    })?;
    let refused = status.is_client_error().then(|| named(&body, &caller.request_id)).flatten();
    let mut response = (status, refused.unwrap_or(body)).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(kind) = earlier.media_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// A problem that was told before, about this request.
fn named(body: &str, request_id: &str) -> Option<String> {
    let mut problem: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).ok()?;
    problem.insert("instance".into(), Problem::instance(request_id).into());
    serde_json::to_string(&problem).ok()
}

/// A request under an `Idempotency-Key`.
struct Asked {
    caller: String,
    key: String,
    attempt: Uuid,
}

impl Asked {
    fn name(&self) -> String {
        crate::connections::answer_name(&self.caller, &self.key)
    }

    async fn begin(
        &self,
        desk: &Desk,
        print: &[u8],
        now: Instant,
    ) -> Result<Option<answers::Row>, StoreError> {
        let mut db = desk.store.begin().await?;
        let gone = before(now, KEPT);
        let times = (now, before(now, DEAD), gone);
        let earlier = answers::begin(&mut db, (&self.caller, &self.key), print, self.attempt, times).await?;
        if earlier.is_none() {
            answers::clear(&mut db, gone).await?;
        }
        db.commit().await?;
        Ok(earlier)
    }

    /// Nothing came of it: the same key may ask again.
    async fn forget(&self, desk: &Desk) {
        let forgotten = async {
            let mut db = desk.store.begin().await?;
            answers::forget(&mut db, self.attempt, (&self.caller, &self.key)).await?;
            db.commit().await
        };
        if let Err(error) = forgotten.await {
            warn!(%error, "a request that failed stands as under way, for a minute");
        }
    }

    async fn keep(&self, desk: &Desk, status: StatusCode, kind: Option<&HeaderValue>, body: &Bytes) {
        let kept = async {
            let text = String::from_utf8_lossy(body);
            let (sealed, key_id) = desk.accounts.seal_answer(&self.name(), &text)?;
            let kind = kind.and_then(|kind| kind.to_str().ok());
            let mut db = desk.store.begin().await?;
            let who = (self.caller.as_str(), self.key.as_str());
            answers::put(&mut db, self.attempt, who, (status.as_u16(), kind), (&sealed, &key_id)).await?;
            db.commit().await
        };
        let kept: Result<(), StoreError> = kept.await;
        if let Err(error) = kept {
            warn!(%error, "an answer was not kept: the same request would be done again after a minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_is_taken_from_the_path() {
        let id = "0198f0c0-0000-7000-8000-000000000001";
        assert_eq!(connection_in(&format!("/v1/connections/{id}/pause")), Some(id.parse().unwrap()));
        assert_eq!(connection_in("/v1/connections"), None);
        assert_eq!(connection_in("/v1/connections/nonsense"), None);
        assert_eq!(connection_in("/v1/api-keys"), None);
    }

    #[test]
    fn every_part_of_a_request_counts() {
        let print = |method: Method, uri: &str, body: &str| {
            fingerprint(&method, &uri.parse().unwrap(), &HeaderMap::new(), body.as_bytes())
        };
        let one = print(Method::POST, "/v1/a", "b");
        assert_eq!(one, print(Method::POST, "/v1/a", "b"));
        for other in [
            print(Method::PUT, "/v1/a", "b"),
            print(Method::POST, "/v1/a?x=1", "b"),
            print(Method::POST, "/v1/a", ""),
        ] {
            assert_ne!(one, other);
        }
    }
}

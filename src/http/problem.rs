//! Errors as RFC 9457 problem details.

pub mod kinds;
pub(super) mod page;
mod shape;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;
use utoipa::ToSchema;

use crate::catalog::Side;
use crate::store::StoreError;

/// Longest detail, in characters.
const LONGEST_DETAIL: usize = 600;

/// What went wrong, and what to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem, and is the address of a page about it; relative to this service.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems/not-found")]
    kind: String,
    /// The kind in words.
    #[schema(example = "There is no such record")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What went wrong this time, and what to do.
    #[schema(example = "there is no such product")]
    detail: String,
    /// The request it is about, as `X-Request-Id` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uri-reference", example = "urn:concord:request:9f86d081884c-17")]
    instance: Option<Box<str>>,
    /// The platform that is the reason, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    /// When to come again.
    #[serde(skip)]
    wait: Option<Duration>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{kind}"),
            title: kinds::find(kind)
                .map_or_else(|| status.canonical_reason().unwrap_or("Error"), |kind| kind.title),
            status: status.as_u16(),
            // Rejections quote what was sent, which may be a megabyte.
            detail: detail.into().chars().take(LONGEST_DETAIL).collect(),
            instance: None,
            side: None,
            wait: None,
        }
    }

    /// Asked too often.
    pub fn too_many(who: &str, wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        let words = format!("{who} has asked too often; come again in {seconds} s");
        Self { wait: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", words) }
    }

    /// A platform cannot be asked now: that is no word about what was sent.
    pub fn platform_away(side: Side, why: &str, wait: Option<Duration>) -> Self {
        let wait = wait.unwrap_or(COME_AGAIN);
        let why = side.says(why.trim_end_matches('.'));
        let words = format!("{why}. Nothing was changed; come again in {} s", whole_seconds(wait));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "platform", words).of(side).again_in(wait)
    }

    /// Names the request it is about.
    #[must_use]
    pub fn about(mut self, request_id: &str) -> Self {
        self.instance = Some(Self::instance(request_id).into());
        self
    }

    /// How a problem names a request.
    pub(super) fn instance(request_id: &str) -> String {
        format!("urn:concord:request:{request_id}")
    }

    /// Says when to come again.
    #[must_use]
    pub fn again_in(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Names the platform that is the reason.
    #[must_use]
    pub fn of(mut self, side: Side) -> Self {
        self.side = Some(side.as_str());
        self
    }

    /// No such record.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no such {what}"))
    }

    /// The request can be read, and makes no sense.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let wait = self.wait.or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then_some(COME_AGAIN));
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        // For whoever sees the answer off: only there the id of the request is known.
        response.extensions_mut().insert(self);
        response
    }
}

/// When to come again where nothing better is known.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// In whole seconds, and never too few.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database",
                "the database is not available; try again",
            ),
            error => {
                // The caller gets no inner words: they may hold data of others.
                error!(%error, "a request failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Concord failed at this; the log has the reason",
                )
            }
        }
    }
}

/// A body, with problem details when it cannot be read.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(whole, state).await.map_err(JsonRejection::from)?;
        let request = Request::from_parts(parts, Body::from(body.clone()));
        let axum::Json(read) = axum::Json::from_request(request, state).await?;
        shape::check::<T>(&body).map_err(|error| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", format!("the body does not fit: {error}"))
        })?;
        Ok(Self(read))
    }
}

/// Path parameters, with problem details when they cannot be read.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// Query parameters, with problem details when they cannot be read.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "body", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        // An id that is none names nothing.
        Self::new(StatusCode::NOT_FOUND, "not-found", rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query", rejection.body_text())
    }
}

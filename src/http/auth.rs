//! Who may: one bearer token with all scopes. Only its hash is kept.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::Desk;
use super::problem::Problem;

/// The hash of the admin token.
#[derive(Debug, Clone)]
pub struct AdminToken {
    hash: [u8; 32],
}

impl AdminToken {
    /// From the token.
    #[must_use]
    pub fn new(token: &SecretString) -> Self {
        Self { hash: Sha256::digest(token.expose_secret().as_bytes()).into() }
    }

    /// From a stored hash.
    #[must_use]
    pub fn from_hash(hex_hash: &str) -> Option<Self> {
        Some(Self { hash: hex::decode(hex_hash).ok()?.try_into().ok()? })
    }

    /// The hash, to be stored.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(self.hash)
    }

    fn admits(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.hash.ct_eq(&hash).into()
    }
}

/// Lets a request through if it carries the token.
pub async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.split_once(' '));
    let token =
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    match token {
        Some(token) if desk.auth.admits(token) => next.run(request).await,
        _ => Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send the access token: Authorization: Bearer …",
        )
        .into_response(),
    }
}

/// Describes the token in the OpenAPI document.
pub(super) struct BearerScheme;

impl utoipa::Modify for BearerScheme {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

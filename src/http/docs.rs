//! The interface document as a page: one file that reads `/openapi.json` and needs nothing from elsewhere.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// `/docs`.
pub(super) async fn page() -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                          connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("docs.html"))).into_response()
}

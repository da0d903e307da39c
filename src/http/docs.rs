//! The interface document as a page: one file that reads `/openapi.json` and needs nothing from elsewhere.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// What the pages for people have in common: colours, type, and how narrow screens are met.
pub(super) const STYLE: &str = include_str!("page.css");

/// `/docs`.
pub(super) async fn page() -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                          connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    let html = include_str!("docs.html").replacen("/* page.css */", STYLE, 1);
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

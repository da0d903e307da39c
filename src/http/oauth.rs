//! Where platforms send merchants' browsers back to. A small page says what came of it; it holds no secret and no
//! script.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::error;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::acts::{Merchant, Noted};
use super::arrival::Arrival;
use super::problem::{Path, Problem, Query};
use super::{Desk, acts};
use crate::catalog::Side;
use crate::connections::oauth::{Answer, Finished, OauthError, redirect_uri, side_in_address};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(finish_oauth))
}

/// What a browser comes back with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Returned {
    /// To be traded for tokens.
    #[param(value_type = Option<String>)]
    code: Option<SecretString>,
    /// As it was sent along.
    state: Option<String>,
    /// `access_denied` when the merchant refused.
    error: Option<String>,
}

/// Take a merchant's answer
///
/// The redirect address of the applications: `{public URL}/oauth/r-series/callback` and
/// `{public URL}/oauth/e-series/callback`. The state that came with the address works once, for ten minutes. The code
/// is traded for tokens; they are stored, proved, and wait in a grant, or are the connection's at once if it is
/// connected anew. The page says what came of it.
#[utoipa::path(get, path = "/oauth/{side}/callback", tag = "connections", operation_id = "finish_oauth",
    params(("side" = String, Path, description = "r-series or e-series"), Returned),
    responses((status = 200, description = "Granted, or connected anew", body = String, content_type = "text/html"),
              (status = 400, description = "Nobody was asked like this, or it is over", body = String,
               content_type = "text/html"),
              (status = 403, description = "Refused, or not enough was granted", body = String,
               content_type = "text/html"),
              (status = 404, description = "No such platform", body = Problem),
              (status = 409, description = "The tokens belong to another account", body = String,
               content_type = "text/html"),
              (status = 503, description = "The platform or the database cannot be asked now", body = String,
               content_type = "text/html")))]
async fn finish_oauth(
    State(desk): State<Desk>,
    Extension(arrival): Extension<Arrival>,
    Path(side): Path<String>,
    returned: Result<Query<Returned>, Problem>,
) -> Response {
    let Some(side) = side_in_address(&side) else {
        return Problem::not_found("platform").into_response();
    };
    let Ok(Query(returned)) = returned else {
        return page(StatusCode::BAD_REQUEST, "Not understood", "This address cannot be read.", None);
    };
    let answer = Answer { code: returned.code, state: returned.state, error: returned.error };
    let taken = match desk.accounts.take_answer(side, answer).await {
        Ok(taken) => taken,
        Err(error) => return refused(&error),
    };
    // From here on something is done, so it is written down who did it. Whoever comes with nonsense leaves no row.
    let noted = Noted {
        connection: taken.connection(),
        detail: Some(json!({ "side": side, "grant": taken.grant() })),
    };
    let merchant = Merchant { arrival, act: "finish_oauth", path: redirect_uri("", side) };
    let done = async {
        let finished = desk.accounts.finish(taken, &desk.public_base).await;
        told(&desk, side, finished)
    };
    acts::by_a_merchant(&desk, merchant, noted, done).await.unwrap_or_else(|error| refused(&error.into()))
}

fn told(desk: &Desk, side: Side, finished: Result<Finished, OauthError>) -> Response {
    match finished {
        Ok(Finished::Granted { grant, account, unbound }) => {
            let also = if unbound {
                " The platform did not say for whom this was, so name the store_id when you make the connection."
            } else {
                ""
            };
            let words = format!(
                "{side}, account {account}, has let Concord in. Nothing is connected yet: the grant below waits 20 \
                 minutes for POST /v1/connections.{also}"
            );
            page(StatusCode::OK, "Granted", &words, Some(&grant.to_string()))
        }
        Ok(Finished::Reconnected(connection)) => {
            let words =
                format!("{side} is connected anew. All links are as they were, and the work goes on.");
            desk.wake.notify_one();
            page(StatusCode::OK, "Connected anew", &words, Some(&connection.to_string()))
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &OauthError) -> Response {
    let (status, title) = match error {
        OauthError::NotAsked(_) | OauthError::NoConnection | OauthError::Unfit(_) => {
            (StatusCode::BAD_REQUEST, "Not expected")
        }
        OauthError::Refused(_) => (StatusCode::FORBIDDEN, "Not granted"),
        OauthError::OtherAccount(_) => (StatusCode::CONFLICT, "Another account"),
        OauthError::Spent(_) => (StatusCode::CONFLICT, "Used already"),
        OauthError::NotNow(_) | OauthError::NotConfigured(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Not possible now")
        }
        OauthError::Store(inner) => {
            error!(error = %inner, "a merchant's answer could not be worked on");
            let words =
                "Concord's database cannot be asked now: nothing was connected. Start anew in a while.";
            return page(StatusCode::SERVICE_UNAVAILABLE, "Not possible now", words, None);
        }
    };
    page(status, title, &error.to_string(), None)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:4em auto;padding:0 1em}\
                     code{background:#eee;padding:.2em .4em;overflow-wrap:anywhere}";

fn page(status: StatusCode, title: &str, words: &str, id: Option<&str>) -> Response {
    let id = id.map(|id| format!("<p><code>{}</code></p>", escaped(id))).unwrap_or_default();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title} – Concord</title><style>{STYLE}</style><h1>{title}</h1><p>{words}</p>{id}\
         <p>You may close this page.</p></html>",
        title = escaped(title),
        words = escaped(words),
    );
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(STYLE))
    );
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

/// What a platform said stands in the page as text and as nothing else.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

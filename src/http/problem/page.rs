//! The pages about kinds of problems: what each means and what to do, for people and for programs.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kinds::{KINDS, Kind, find};
use super::{Path, Problem};
use crate::http::{Desk, docs};

pub(in crate::http) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_problems)).routes(routes!(get_problem))
}

/// A kind of problem.
#[derive(Debug, Serialize, ToSchema)]
struct ProblemKind {
    /// As in `type` of a problem.
    #[serde(rename = "type")]
    kind: String,
    /// As in `title`.
    title: &'static str,
    /// Statuses it comes with.
    statuses: &'static [u16],
    /// What it means.
    meaning: &'static str,
    /// What to do about it.
    remedy: &'static str,
}

/// All kinds of problems.
#[derive(Debug, Serialize, ToSchema)]
struct ProblemKinds {
    /// All of them.
    items: Vec<ProblemKind>,
}

impl From<&Kind> for ProblemKind {
    fn from(kind: &Kind) -> Self {
        Self {
            kind: format!("/problems/{}", kind.name),
            title: kind.title,
            statuses: kind.statuses,
            meaning: kind.meaning,
            remedy: kind.remedy,
        }
    }
}

/// List kinds of problems
///
/// JSON, or a page for people where `Accept` names HTML first.
#[utoipa::path(get, path = "/problems", tag = "operations", operation_id = "list_problems",
    responses((status = 200, description = "All kinds", content(
        (ProblemKinds = "application/json"), (String = "text/html")))))]
async fn list_problems(headers: HeaderMap) -> Response {
    if !for_people(&headers) {
        return varied(
            Json(ProblemKinds { items: KINDS.iter().map(ProblemKind::from).collect() }).into_response(),
        );
    }
    let rows: Vec<String> = KINDS
        .iter()
        .map(|kind| {
            let title = escape(kind.title);
            format!("<li><a href=\"/problems/{0}\"><code>{0}</code></a> {title}</li>", kind.name)
        })
        .collect();
    page("Kinds of problems", &format!("<ul>{}</ul>", rows.concat()))
}

/// What a kind of problem means, and what to do
///
/// The address in `type` of a problem. JSON, or a page for people where `Accept` names HTML first.
#[utoipa::path(get, path = "/problems/{kind}", tag = "operations", operation_id = "get_problem",
    params(("kind" = String, Path, description = "Such as `not-found`")),
    responses((status = 200, description = "What it means", content(
                  (ProblemKind = "application/json"), (String = "text/html"))),
              (status = 404, description = "No such kind", body = Problem)))]
async fn get_problem(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let kind = find(&name).ok_or_else(|| Problem::not_found("kind of problem"))?;
    if !for_people(&headers) {
        return Ok(varied(Json(ProblemKind::from(kind)).into_response()));
    }
    let statuses: Vec<String> = kind.statuses.iter().map(u16::to_string).collect();
    let body = format!(
        "<p class=\"soft\"><code>/problems/{}</code>, status {}</p><h2>What it means</h2><p>{}</p>\
         <h2>What to do</h2><p>{}</p>",
        kind.name,
        statuses.join(", "),
        escape(kind.meaning),
        escape(kind.remedy)
    );
    Ok(page(kind.title, &body))
}

/// Browsers name HTML first; programs that take anything get JSON.
fn for_people(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    first.into_iter().find(|kind| ["text/html", "application/json"].contains(kind)) == Some("text/html")
}

fn varied(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn page(title: &str, body: &str) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · Concord</title>\
         <style>{style}\
         .page{{max-width:46rem;margin:0 auto;padding:1.6rem 1rem 5rem}}\
         .page nav{{display:flex;gap:1.2rem;margin-bottom:1.6rem;font-size:.88rem}}\
         .page h2{{font-size:1.15rem;margin:1.6rem 0 .3rem}}.page ul{{padding-left:1.2rem}}\
         .page li{{margin:.25rem 0}}</style>\
         <div class=\"page\"><nav><a href=\"/docs\">Interface</a><a href=\"/problems\">Kinds of problems</a></nav>\
         <main><h1>{title}</h1>{body}</main></div></html>",
        style = docs::STYLE
    );
    varied(([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

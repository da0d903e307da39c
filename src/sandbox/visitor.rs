//! A visitor from outside: plays another service that calls Concord's REST interface over real HTTP.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Longest that a call may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Calls one Concord with one token.
#[derive(Debug, Clone)]
pub struct Visitor {
    client: Client,
    base: String,
    token: SecretString,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// No answer, or one that is no JSON.
    #[error("Concord's REST interface does not answer: {0}")]
    Unanswered(#[from] reqwest::Error),
    /// An answer that is no success.
    #[error("Concord answers {status} to {path}: {detail}")]
    Refused {
        /// What was asked.
        path: String,
        /// The status.
        status: StatusCode,
        /// The problem's detail, or the whole answer.
        detail: String,
    },
}

impl Visitor {
    /// A visitor of the Concord at `base`, with this bearer token.
    pub fn new(base: &str, token: SecretString) -> Result<Self, VisitError> {
        // It only ever goes to this machine, so no proxy may come between.
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token })
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Result<Value, VisitError> {
        self.call(Method::GET, path, None).await
    }

    /// Makes something.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, VisitError> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, VisitError> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let mut request = request.bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.json().await?);
        }
        let text = answer.text().await?;
        let detail = serde_json::from_str::<Value>(&text).ok();
        let detail = detail.and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
        Err(VisitError::Refused { path: path.to_owned(), status, detail: detail.unwrap_or(text) })
    }
}

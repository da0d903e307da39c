//! One HTTP client for both platforms: time limits, no redirects, a bound on answers, and no token ever
//! sent to another host.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::clock::{self, Instant, SharedClock};
use crate::planted::{Mistake, planted};
use crate::platforms::mended;
use crate::turnstile::{Point, Turnstile};

/// Largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Time limits of a call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To connect.
    pub connect: Duration,
    /// For the whole call, from the request to the last byte of the answer, on Concord's own clock.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(20) }
    }
}

/// Why no answer came.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// The request never left: nothing can have been done.
    #[error("no connection: {0}")]
    NotSent(String),
    /// What was given for a token can be none: it was not sent, and no later time makes it better.
    #[error("the token has characters no header may hold")]
    NoToken,
    /// The request was not sent, because its time had passed: nothing was done.
    #[error("it was too late to send it")]
    TooLate,
    /// The request left, and no whole answer came back.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// Refused here: the address is not the platform's.
    #[error("{0}")]
    ForeignHost(String),
}

/// What is sent along with a request.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Nothing.
    None,
    /// JSON.
    Json(&'a serde_json::Value),
    /// Bytes as they are: a picture.
    Bytes(&'a [u8]),
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, whole.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header as a text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Retry-After` in whole seconds; an HTTP date is not used by either platform.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.header("retry-after").and_then(|text| text.trim().parse().ok())
    }

    /// The body as JSON, whatever its content type says (r-series-api.md, section 1.2).
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        mended::json(&self.body)
    }
}

/// The HTTP client that all connections share.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    total: Duration,
    clock: SharedClock,
    turnstile: Turnstile,
}

/// A base address with the client that may talk to it.
#[derive(Debug, Clone)]
pub struct Transport {
    http: HttpClient,
    base: Url,
}

/// A client with these time limits.
pub fn client(
    limits: Limits,
    clock: SharedClock,
    turnstile: Turnstile,
) -> Result<HttpClient, reqwest::Error> {
    let client = Client::builder()
        .connect_timeout(limits.connect)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(super::outbound::resolver())
        .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(HttpClient { client, total: limits.total, clock, turnstile })
}

impl Transport {
    /// Talks to `base` and to nothing else.
    #[must_use]
    pub fn new(http: HttpClient, base: Url) -> Self {
        Self { http, base }
    }

    /// `base` with these path segments appended and this query.
    #[must_use]
    pub fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            // The platforms decode query strings as forms, so a plus must travel as %2B and does.
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Reads an address that the platform sent (a `next` page); refused unless it is on our base's host.
    pub fn own_url(&self, text: &str) -> Result<Url, TransportError> {
        let url = Url::parse(text)
            .map_err(|error| TransportError::ForeignHost(format!("unreadable page address: {error}")))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(TransportError::ForeignHost(format!(
                "the platform named a page on another host ({}), where no token is sent",
                url.host_str().unwrap_or("none")
            )))
        }
    }

    /// Is the platform there, and what time is it there? Asks for its front page, without a token: any answer will
    /// do. The time is that of the `Date` header, in whole seconds; none when it has none.
    pub async fn greet(&self) -> Result<Option<Instant>, TransportError> {
        let answer = self.send(Method::GET, self.base.clone(), None, None, None).await?;
        let date = answer.header("date").and_then(|text| chrono::DateTime::parse_from_rfc2822(text).ok());
        Ok(date.map(|date| date.to_utc()))
    }

    /// Sends a request and reads the whole answer. The token goes into the `Authorization` header and is
    /// marked sensitive. A request with `not_after` is not sent any more once that time has passed: whoever
    /// was held up so long may have lost the right to write.
    pub async fn send(
        &self,
        method: Method,
        url: Url,
        token: Option<&SecretString>,
        body: Option<&serde_json::Value>,
        not_after: Option<Instant>,
    ) -> Result<Answer, TransportError> {
        let body = body.map_or(Body::None, Body::Json);
        self.send_body(method, url, token, body, not_after).await
    }

    /// The same with a body of any kind.
    pub async fn send_body(
        &self,
        method: Method,
        url: Url,
        token: Option<&SecretString>,
        body: Body<'_>,
        not_after: Option<Instant>,
    ) -> Result<Answer, TransportError> {
        let request = |client: &Client, url: Url| {
            let request = client.request(method.clone(), url).header("accept", "application/json");
            match body {
                Body::None => request,
                Body::Json(json) => request.json(json),
                Body::Bytes(bytes) => {
                    request.header("content-type", "application/octet-stream").body(bytes.to_vec())
                }
            }
        };
        self.pass(&method, url, token, request, (LARGEST_ANSWER, not_after)).await
    }

    /// Reads a file, without a token. One of more than `most` bytes comes as an answer that is cut off behind them.
    pub async fn fetch(&self, url: Url, most: usize) -> Result<Answer, TransportError> {
        let request = |client: &Client, url: Url| client.get(url).header("accept", "image/*");
        self.pass(&Method::GET, url, None, request, (most, None)).await
    }

    async fn pass(
        &self,
        method: &Method,
        url: Url,
        token: Option<&SecretString>,
        request: impl FnOnce(&Client, Url) -> reqwest::RequestBuilder,
        (most, not_after): (usize, Option<Instant>),
    ) -> Result<Answer, TransportError> {
        if url.origin() != self.base.origin() {
            return Err(TransportError::ForeignHost("a call to another host was stopped".into()));
        }
        let HttpClient { client, clock, turnstile, .. } = &self.http;
        turnstile.pass(|| Point::Call(shown(method, &url))).await;
        if not_after.is_some_and(|not_after| clock.now() > not_after) && !planted(Mistake::SentTooLate) {
            return Err(TransportError::TooLate);
        }
        let mut request = request(client, url);
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| TransportError::NoToken)?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        self.answer(request, most).await
    }

    /// Posts a form without a token, as sign-in pages take it, and reads the whole answer.
    pub async fn post_form(&self, url: Url, fields: &[(&str, &str)]) -> Result<Answer, TransportError> {
        if url.origin() != self.base.origin() {
            return Err(TransportError::ForeignHost("a call to another host was stopped".into()));
        }
        self.http.turnstile.pass(|| Point::Call(shown(&Method::POST, &url))).await;
        let request = self.http.client.post(url).header("accept", "application/json").form(fields);
        self.answer(request, LARGEST_ANSWER).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder, most: usize) -> Result<Answer, TransportError> {
        let HttpClient { total, clock, turnstile, .. } = &self.http;
        let answer = tokio::select! {
            biased;
            answer = exchange(request, most) => answer,
            () = clock::sleep(clock, *total) => Err(TransportError::Lost(format!("no answer in {total:?}"))),
        };
        turnstile.pass(|| Point::Answered(outcome(&answer))).await;
        answer
    }
}

/// Larger answers than a platform gives are an error; a file that is read up to fewer bytes is cut off.
async fn exchange(request: reqwest::RequestBuilder, most: usize) -> Result<Answer, TransportError> {
    let mut response = request.send().await.map_err(|error| {
        let sent = !(error.is_connect() || error.is_builder());
        // Without the address: a query may hold what should not stand in a log.
        let said = chain(&error.without_url());
        if sent { TransportError::Lost(said) } else { TransportError::NotSent(said) }
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(Answer { status, headers, body }),
            Ok(Some(chunk)) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
            Ok(Some(_)) if most == LARGEST_ANSWER => {
                return Err(TransportError::Lost(format!("an answer over {LARGEST_ANSWER} bytes")));
            }
            Ok(Some(chunk)) => {
                body.extend(chunk.iter().take(most - body.len()));
                return Ok(Answer { status, headers, body });
            }
            Err(error) => return Err(TransportError::Lost(chain(&error.without_url()))),
        }
    }
}

/// A call as it stands in a trace.
fn shown(method: &Method, url: &Url) -> String {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{method} {}{query}", url.path())
}

/// What came of a call, as it stands in a trace.
fn outcome(answer: &Result<Answer, TransportError>) -> String {
    match answer {
        Ok(answer) => answer.status.as_u16().to_string(),
        Err(TransportError::NotSent(_)) => "not sent".into(),
        Err(_) => "lost".into(),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    fn transport() -> Transport {
        let client = client(Limits::default(), Arc::new(SystemClock), Turnstile::default()).unwrap();
        Transport::new(client, Url::parse("https://api.example.com/base/").unwrap())
    }

    #[test]
    fn addresses_are_built_and_escaped() {
        let url =
            transport().url(&["API", "V3", "Item.json"], &[("timeStamp", ">=,2024-05-17T09:30:02+00:00")]);
        assert_eq!(
            url.as_str(),
            "https://api.example.com/base/API/V3/Item.json?timeStamp=%3E%3D%2C2024-05-17T09%3A30%3A02%2B00%3A00"
        );
    }

    /// A redirect is an answer like any other: neither the call nor its token goes anywhere else.
    #[tokio::test]
    async fn redirects_are_not_followed() {
        use wiremock::matchers::any;
        use wiremock::{Mock, MockServer, ResponseTemplate};
        let (here, there) = (MockServer::start().await, MockServer::start().await);
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(0).mount(&there).await;
        for status in [301, 302, 303, 307, 308] {
            here.reset().await;
            let away = ResponseTemplate::new(status).insert_header("location", there.uri());
            Mock::given(any()).respond_with(away).expect(1).mount(&here).await;
            let client = client(Limits::default(), Arc::new(SystemClock), Turnstile::default()).unwrap();
            let transport = Transport::new(client, here.uri().parse().unwrap());
            let token = SecretString::from("secret");
            let url = transport.url(&["x"], &[]);
            let answer = transport.send(Method::GET, url, Some(&token), None, None).await.unwrap();
            assert_eq!(answer.status.as_u16(), status);
        }
    }

    /// Nobody who cannot show a certificate for the name is spoken to.
    #[tokio::test]
    async fn certificates_are_checked() {
        let plain = wiremock::MockServer::start().await;
        let base = plain.uri().replace("http://", "https://");
        let client = client(Limits::default(), Arc::new(SystemClock), Turnstile::default()).unwrap();
        let transport = Transport::new(client, base.parse().unwrap());
        let url = transport.url(&["x"], &[]);
        let error = transport.send(Method::GET, url, None, None, None).await.unwrap_err();
        assert!(matches!(error, TransportError::NotSent(_)), "{error}");
        assert!(plain.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_foreign_host_gets_no_call() {
        let transport = transport();
        assert!(transport.own_url("https://api.example.com/next").is_ok());
        for foreign in ["https://evil.example.com/next", "http://api.example.com/next", "nonsense"] {
            assert!(transport.own_url(foreign).is_err(), "{foreign}");
        }
        let url = Url::parse("https://evil.example.com/").unwrap();
        let error = transport.send(Method::GET, url, None, None, None).await.unwrap_err();
        assert!(matches!(error, TransportError::ForeignHost(_)));
    }
}

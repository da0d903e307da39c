//! Pictures that are given by their address: the platform fetches them itself (section 6.2 of the E-Series
//! reference).
//!
//! They are fetched before the call is carried out, and those of a batch when it is taken in: the store is
//! behind a lock that is never held over a network call.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use super::api::segments;
use super::values::Query;

/// What stood at each address; `None` where nothing could be had.
pub(super) type Fetches = Arc<BTreeMap<String, Option<Bytes>>>;

/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a URL can be fetched at all.
pub(super) fn is_usable(url: &str, needs_https: bool) -> bool {
    let parsed = url::Url::parse(url);
    parsed.is_ok_and(|url| {
        url.has_host() && (url.scheme() == "https" || !needs_https && url.scheme() == "http")
    })
}

/// The addresses that a call, or the calls inside a batch, will want.
pub(super) fn addresses(method: &str, path: &[&str], query: &Query, body: Option<&Value>) -> Vec<String> {
    let text = |it: Option<&Value>| it.and_then(Value::as_str).map(str::to_owned);
    match (method, path) {
        ("POST", ["products" | "categories", .., "image" | "gallery"]) => {
            query.text("externalUrl").map(str::to_owned).into_iter().collect()
        }
        ("POST", ["products" | "categories", .., "image" | "gallery", "async"]) => {
            text(body.and_then(|body| body.get("url"))).into_iter().collect()
        }
        ("PUT", ["products", _, "media"]) => {
            let gallery = body.and_then(|body| body.get("galleryMedia")?.as_array()).into_iter().flatten();
            let main = body.and_then(|body| body.get("mainMedia"));
            main.into_iter().chain(gallery).filter_map(|it| text(it.get("imageUrl"))).collect()
        }
        ("POST", ["batch"]) => {
            let requests = body.and_then(Value::as_array).into_iter().flatten();
            let each = requests.filter(|it| !it["path"].as_str().unwrap_or_default().contains("batch"));
            each.flat_map(|it| {
                let (path, query) =
                    it["path"].as_str().map(|it| it.split_once('?').unwrap_or((it, ""))).unwrap_or_default();
                let path = segments(path);
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                addresses(
                    it["method"].as_str().unwrap_or_default(),
                    &path,
                    &Query::parse(query),
                    it.get("body"),
                )
            })
            .collect()
        }
        _ => Vec::new(),
    }
}

/// A client for strangers' addresses.
pub(super) fn client() -> Option<reqwest::Client> {
    let redirects = reqwest::redirect::Policy::limited(3);
    reqwest::Client::builder().timeout(PATIENCE).redirect(redirects).no_proxy().build().ok()
}

/// Fetches each address once.
pub(super) async fn all(client: Option<&reqwest::Client>, addresses: Vec<String>) -> Fetches {
    let mut fetched = BTreeMap::new();
    for address in addresses {
        if let Entry::Vacant(place) = fetched.entry(address) {
            let bytes = one(client, place.key()).await;
            place.insert(bytes);
        }
    }
    Arc::new(fetched)
}

async fn one(client: Option<&reqwest::Client>, address: &str) -> Option<Bytes> {
    let answer = client?.get(address).send().await.ok()?;
    if answer.status() != reqwest::StatusCode::OK {
        return None;
    }
    answer.bytes().await.ok()
}

//! What the interface document says of each operation, as the guard needs it: one source for both.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::auth::Scope;
use super::problem::Problem;

/// All operations of the interface.
pub(super) static OPERATIONS: LazyLock<Operations> = LazyLock::new(|| Operations::read(&super::openapi()));

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// `operationId`.
    pub(super) id: String,
    /// What a key needs for it; none where no key is asked for.
    pub(super) scope: Option<Scope>,
    /// Looks only, whatever its method.
    reads: bool,
    /// Names of its query parameters.
    query: BTreeSet<String>,
}

impl Operation {
    /// Does it do something, so that it is written down who asked for it?
    pub(super) fn acts(&self) -> bool {
        !self.reads
    }

    /// A parameter that is not known is a mistake that would go unseen otherwise: a filter with a slip of the pen
    /// lists everything.
    pub(super) fn check_query(&self, query: Option<&str>) -> Result<(), Problem> {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        for (name, _) in pairs {
            if !self.query.contains(name.as_ref()) {
                let known: Vec<&str> = self.query.iter().map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let name: String = name.chars().take(60).collect();
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "query",
                    format!("there is no parameter “{name}” here; known: {known}"),
                ));
            }
        }
        Ok(())
    }
}

/// What a key needs for an operation. None: no key is asked for.
pub(super) fn scope(method: &str, path: &str) -> Option<Scope> {
    let below = path.strip_prefix("/v1/")?;
    let of_admins = ["api-keys", "audit", "oauth"].iter().any(|first| below.split('/').next() == Some(first))
        || below.ends_with("/credentials")
        || matches!((method, below), ("post", "connections") | ("delete", "connections/{connection_id}"));
    if of_admins {
        return Some(Scope::Admin);
    }
    Some(if reads(method, path) { Scope::Read } else { Scope::Operate })
}

/// Does it look only? A preview is a POST because of its body.
pub(super) fn reads(method: &str, path: &str) -> bool {
    method == "get" || path.ends_with("/preview")
}

/// All operations, by method and path.
#[derive(Debug)]
pub(super) struct Operations(HashMap<(String, String), Operation>);

impl Operations {
    fn read(document: &Value) -> Self {
        let mut operations = HashMap::new();
        let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
        for (path, item) in paths {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let text = |value: &Value, name: &str| {
                    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
                };
                let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
                let query = parameters.filter(|parameter| text(parameter, "in") == "query");
                let found = Operation {
                    id: text(operation, "operationId"),
                    scope: scope(method, path),
                    reads: reads(method, path),
                    query: query.map(|parameter| text(parameter, "name")).collect(),
                };
                operations.insert((method.to_ascii_uppercase(), path.clone()), found);
            }
        }
        Self(operations)
    }

    /// The operation of a method at an address, as the router calls it.
    pub(super) fn get(&self, method: &Method, path: &str) -> Option<&Operation> {
        self.0.get(&(method.as_str().to_owned(), path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_needs() {
        for (method, path, needed) in [
            ("get", "/health/live", None),
            ("post", "/webhooks/e-series", None),
            ("get", "/v1/connections", Some(Scope::Read)),
            ("post", "/v1/connections", Some(Scope::Admin)),
            ("delete", "/v1/connections/{connection_id}", Some(Scope::Admin)),
            ("patch", "/v1/connections/{connection_id}", Some(Scope::Operate)),
            ("post", "/v1/connections/{connection_id}/settings/preview", Some(Scope::Read)),
            ("post", "/v1/connections/{connection_id}/pause", Some(Scope::Operate)),
            ("get", "/v1/api-keys", Some(Scope::Admin)),
            ("delete", "/v1/api-keys/{key_id}", Some(Scope::Admin)),
            ("get", "/v1/audit", Some(Scope::Admin)),
        ] {
            assert_eq!(scope(method, path), needed, "{method} {path}");
        }
    }

    #[test]
    fn the_document_is_read() {
        let list = OPERATIONS.get(&Method::GET, "/v1/connections/{connection_id}/products").unwrap();
        assert_eq!((list.id.as_str(), list.scope, list.acts()), ("list_products", Some(Scope::Read), false));
        assert!(list.check_query(Some("sku=a&limit=3")).is_ok());
        assert!(list.check_query(Some("skuu=a")).is_err());
        assert!(list.check_query(None).is_ok());
    }
}

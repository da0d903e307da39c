//! The interface document: what is served stands in it, and the committed copy is the same.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::LazyLock;

use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(concord::http::openapi()).unwrap());

/// Method, path, status and content type stand in the document.
pub fn check(method: &str, path: &str, status: u16, kind: &str, at: &str) {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (ours, theirs) = (path.split('/'), template.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(our, their)| our == their || (their.starts_with('{') && !our.is_empty()))
    };
    // A path without placeholders is the better fit.
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let found =
        paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(it, _)| it.matches('{').count());
    let (template, operations) = found.unwrap_or_else(|| panic!("{at}: no such path in the document"));
    let operation = &operations[method.to_ascii_lowercase()];
    assert!(operation.is_object(), "{at}: {template} has no such method in the document");
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{at}: the document does not know this status of {template}");
    if let Some(content) = response["content"].as_object() {
        let kind = kind.split(';').next().unwrap();
        let known: Vec<_> = content.keys().collect();
        assert!(content.contains_key(kind), "{at}: answered {kind:?}, the document says {known:?}");
    }
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let adopt = "adopt the present one with: cargo run -- openapi > openapi/openapi.json";
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("openapi/openapi.json: {error}; {adopt}"));
    let committed: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON: {error}; {adopt}"));
    if committed == *DOCUMENT {
        return;
    }
    let paths = |document: &Value| document["paths"].as_object().cloned().unwrap_or_default();
    let (ours, theirs) = (paths(&DOCUMENT), paths(&committed));
    let changed: Vec<_> =
        ours.keys().chain(theirs.keys()).filter(|key| ours.get(*key) != theirs.get(*key)).collect();
    panic!("openapi/openapi.json has drifted from the code (paths: {changed:?}). If that is meant, {adopt}");
}

#[test]
fn every_operation_under_v1_names_its_problems_and_wants_a_token() {
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{at}");
            let guarded = path.starts_with("/v1/");
            assert_eq!(operation["security"].is_array(), guarded, "{at}");
            assert_eq!(
                operation["responses"]["401"].is_object(),
                guarded || path.starts_with("/webhooks/"),
                "{at}"
            );
            if path.contains('{') {
                assert!(operation["responses"]["404"].is_object(), "{at}: an unknown id has no answer");
            }
        }
    }
}

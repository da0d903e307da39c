//! The interface document: what is served stands in it, and the committed copy is the same.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::LazyLock;

use serde_json::Value;

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(concord::http::openapi);

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
            let signed = path.starts_with("/webhooks/");
            assert_eq!(operation["security"].is_array(), guarded || signed, "{at}");
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

/// Every body has an example, and every example fits what it is an example of.
#[test]
fn every_body_has_an_example_that_fits_its_schema() {
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let at = format!("{method} {path}");
            let request = &operation["requestBody"]["content"]["application/json"];
            let answers = operation["responses"].as_object().unwrap().iter();
            let answers = answers.filter(|(status, _)| status.starts_with('2'));
            let answers = answers.map(|(_, answer)| &answer["content"]["application/json"]);
            for media in std::iter::once(request).chain(answers).filter(|media| media.is_object()) {
                assert!(!media["example"].is_null(), "{at}: no example in src/http/examples.json");
                fits(&media["schema"], &media["example"], &at);
            }
        }
    }
}

/// The parts of JSON Schema that tell a wrong example: kinds, and names of properties.
fn fits(schema: &Value, example: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(), example, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let null = choices.iter().any(|choice| choice["type"] == "null");
        if example.is_null() && null {
            return;
        }
        if let Some(choice) =
            choices.iter().find(|choice| choice["type"] != "null" && choices.len() == 2 && null)
        {
            return fits(choice, example, at);
        }
        return;
    }
    if let Some(parts) = schema["allOf"].as_array() {
        // A flattened type: each name is known to one of the parts, and what one of them requires is there.
        let names: Vec<String> = parts.iter().flat_map(|part| names(part, "properties")).collect();
        let required: Vec<String> = parts.iter().flat_map(names_required).collect();
        return known(&names, &required, example, at);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        Value::String(kind) => vec![kind],
        _ => return,
    };
    let kind = match example {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{at}: {example} is no {kinds:?}");
    for item in example.as_array().into_iter().flatten() {
        fits(&schema["items"], item, at);
    }
    if schema["properties"].is_object() {
        known(&names(schema, "properties"), &names_required(schema), example, at);
        for (name, value) in example.as_object().unwrap() {
            fits(&schema["properties"][name], value, &format!("{at}: {name}"));
        }
    }
}

fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn names(schema: &Value, part: &str) -> Vec<String> {
    resolved(schema)[part].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn names_required(schema: &Value) -> Vec<String> {
    let list = resolved(schema)["required"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn known(names: &[String], required: &[String], example: &Value, at: &str) {
    let object = example.as_object().unwrap_or_else(|| panic!("{at}: {example} is no object"));
    for name in object.keys() {
        assert!(names.contains(name), "{at}: the schema knows no {name}");
    }
    for name in required {
        assert!(object.contains_key(name), "{at}: {name} is missing");
    }
}

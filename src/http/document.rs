//! What every operation of the interface document has in common, said once: who may, what can go wrong, which headers
//! there are. The rest stands beside the handlers.

use serde_json::{Map, Value, json};

use super::operations::{reads, scope};

/// Examples of bodies by operation: `{"request": …, "response": …}`.
const EXAMPLES: &str = include_str!("examples.json");

/// What can go wrong anywhere, by status: what it means.
fn usual(status: u16) -> &'static str {
    match status {
        400 => "A parameter, a header or the body cannot be read",
        401 => "No valid access token or key",
        403 => "The key lacks the scope that this needs",
        404 => "No such record",
        408 => "The body did not arrive in time",
        409 => {
            "It does not fit the present state, or the first request with this Idempotency-Key is under way"
        }
        413 => "The body is larger than 1 MiB",
        415 => "The body is not labelled as JSON",
        422 => "It can be read, but makes no sense; or the Idempotency-Key was used with another request",
        429 => "Asked too often: come again after the seconds in Retry-After",
        503 => "Cannot be done now: come again after the seconds in Retry-After",
        _ => "Something went wrong",
    }
}

/// The whole document.
pub(super) fn complete(derived: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(derived).unwrap_or_default();
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    finish(method, path, operation);
                    narrow(operation);
                    describe_bodies(operation);
                    label_problems(operation);
                    show(operation, &examples);
                }
            }
        }
    }
    if let Some(top) = document.as_object_mut() {
        if let Some(info) = top.get_mut("info").and_then(Value::as_object_mut) {
            info.shift_remove("license");
        }
        top.insert(
            "servers".into(),
            json!([{ "url": "/", "description": "The service that serves this document" }]),
        );
        top.insert("externalDocs".into(), json!({ "url": "/problems", "description": "Kinds of problems" }));
        if let Some(parts) = top.entry("components").or_insert_with(|| json!({})).as_object_mut() {
            parts.insert("securitySchemes".into(), security_schemes());
            parts.insert("headers".into(), headers());
        }
    }
    document
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The admin token, or a key made with POST /v1/api-keys. Of a key's scopes each includes the \
                            ones before it: read, operate, admin. Each operation names the one that it needs."
        },
        "e_series_signature": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Ecwid-Webhook-Signature",
            "description": "Base64 of HMAC-SHA256 over `{eventCreated}.{eventId}`, keyed with the client secret of \
                            the E-Series application. Events older than 25 hours or more than 5 minutes ahead are \
                            refused."
        },
        "r_series_signature": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Signature",
            "description": "`signature=<lower-case hex>,algorithm=HMAC-SHA256` over the raw body, keyed with the \
                            connection's r_series_secret."
        }
    })
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of the request: the one that it brought, or a new one. It stands in the log, in \
                            problems and in the audit.",
            "schema": { "type": "string" }
        },
        "RetryAfter": {
            "description": "When to come again, in seconds.",
            "schema": { "type": "integer", "minimum": 1 }
        },
        "Replayed": {
            "description": "`true` where the answer was given before, to the same Idempotency-Key.",
            "schema": { "type": "string", "enum": ["true"] }
        }
    })
}

fn finish(method: &str, path: &str, operation: &mut Map<String, Value>) {
    let has_body = operation.contains_key("requestBody");
    let has = |operation: &Map<String, Value>, place: &str| {
        let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        parameters.into_iter().any(|one| one.get("in").and_then(Value::as_str) == Some(place))
    };
    let mut problems: Vec<u16> = Vec::new();
    if let Some(needed) = scope(method, path) {
        operation.insert("security".into(), json!([{ "bearer": [needed.as_str()] }]));
        let told = operation.get("description").and_then(Value::as_str).unwrap_or_default();
        let told = format!("{told}\n\nNeeds the scope `{}`.", needed.as_str()).trim().to_owned();
        operation.insert("description".into(), told.into());
        problems.extend([400, 401, 429, 503]);
        // Every key may read.
        if needed != super::auth::Scope::Read {
            problems.push(403);
        }
        if has(operation, "path") {
            problems.push(404);
        }
        if has_body {
            problems.extend([413, 415, 422]);
        }
        if method == "post" && !reads(method, path) {
            problems.extend([409, 413, 422]);
            add_idempotency(operation);
        }
    } else if path.starts_with("/webhooks/") {
        let scheme = if path.ends_with("/e-series") { "e_series_signature" } else { "r_series_signature" };
        let mut by = Map::new();
        by.insert(scheme.into(), json!([]));
        operation.insert("security".into(), json!([by]));
        problems.push(429);
    } else if !path.starts_with("/health/") && path != "/metrics" {
        problems.push(429);
    }
    let Some(responses) = operation.entry("responses").or_insert_with(|| json!({})).as_object_mut() else {
        return;
    };
    for status in problems {
        responses.entry(status.to_string()).or_insert_with(|| {
            json!({
                "description": usual(status),
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
            })
        });
    }
    let mut sorted: Vec<(String, Value)> = std::mem::take(responses).into_iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (status, mut response) in sorted {
        if let Some(response) = response.as_object_mut() {
            let headers = response.entry("headers").or_insert_with(|| json!({}));
            if let Some(headers) = headers.as_object_mut() {
                headers.insert("X-Request-Id".into(), json!({ "$ref": "#/components/headers/RequestId" }));
                if ["429", "503"].contains(&status.as_str()) && !path.starts_with("/health/") {
                    headers
                        .insert("Retry-After".into(), json!({ "$ref": "#/components/headers/RetryAfter" }));
                }
                if method == "post"
                    && status.starts_with('2')
                    && path.starts_with("/v1/")
                    && !reads(method, path)
                {
                    headers.insert(
                        "Idempotent-Replayed".into(),
                        json!({ "$ref": "#/components/headers/Replayed" }),
                    );
                }
            }
        }
        responses.insert(status, response);
    }
}

/// Says of parameters what is derived from no type: cursors are ids, and no text holds NUL.
fn narrow(operation: &mut Map<String, Value>) {
    let numbered = operation.get("operationId").and_then(Value::as_str) == Some("list_settings_history");
    let states = operation.get("operationId").and_then(Value::as_str) == Some("list_products");
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = parameter.get("in").and_then(Value::as_str).unwrap_or_default().to_owned();
        if (place.as_str(), name.as_str()) == ("path", "side") {
            if let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) {
                schema.insert("enum".into(), json!(["r-series", "e-series"]));
            }
            continue;
        }
        if place == "header" {
            // A header that is not sent is no value.
            if let Some(kind) = parameter.pointer_mut("/schema/type") {
                *kind = json!("string");
            }
            continue;
        }
        if place != "query" {
            continue;
        }
        let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else { continue };
        let text = schema.get("type").is_some_and(|kind| kind.to_string().contains("\"string\""));
        if text && schema.contains_key("pattern") {
            schema.insert("type".into(), json!("string"));
            continue;
        }
        if !text || ["enum", "format"].iter().any(|known| schema.contains_key(*known)) {
            continue;
        }
        // An empty text is no value, so null is none either.
        schema.insert("type".into(), json!("string"));
        match name.as_str() {
            "cursor" if numbered => schema.insert("pattern".into(), json!("^[0-9]{1,18}$")),
            "cursor" => schema.insert("format".into(), json!("uuid")),
            "state" if states => {
                schema.insert("enum".into(), json!(["in_step", "waiting", "parked", "conflict", "unlinked"]))
            }
            _ => schema.insert("pattern".into(), json!("^[^\\u0000]*$")),
        };
    }
}

/// Bodies that are read by hand, because nothing in them is ever data, and streams of events.
fn describe_bodies(operation: &mut Map<String, Value>) {
    let short = json!({ "type": "string", "minLength": 1, "maxLength": 50, "pattern": "^[^\\u0000]+$" });
    let whole = json!({ "type": "integer", "minimum": 0, "maximum": 999_999_999_999_999_999_i64 });
    let notice = match operation.get("operationId").and_then(Value::as_str) {
        Some("receive_e_series") => Some(json!({
            "type": "object",
            "required": ["eventId", "eventCreated", "storeId", "entityId", "eventType"],
            "properties": {
                "eventId": short, "eventCreated": whole, "storeId": whole, "entityId": whole, "eventType": short
            }
        })),
        Some("receive_r_series") => Some(json!({
            "type": "object",
            "required": ["type", "payload"],
            "properties": {
                "type": short,
                "payload": { "type": "object", "description": "The changed record; only its id is read." }
            }
        })),
        _ => None,
    };
    let content = operation.get_mut("requestBody").and_then(|body| body.get_mut("content"));
    for (_, media) in content.and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some((media, schema)) = media.as_object_mut().zip(notice.clone()) {
            media.insert("schema".into(), schema);
        }
    }
    for (_, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
        let events = response.pointer_mut("/content/text~1event-stream").and_then(Value::as_object_mut);
        if let Some(events) = events {
            let event = json!({
                "type": "object",
                "description": "One event: `data` is JSON.",
                "required": ["data"],
                "properties": { "event": { "type": "string" }, "data": { "type": "string" } }
            });
            events.insert("schema".into(), event);
        }
    }
}

fn add_idempotency(operation: &mut Map<String, Value>) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "Drawn anew for each new request: the same request under the same key is done once, and \
                            its answer given again for 24 hours.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }
        }));
    }
}

/// Problems are labelled `application/problem+json`; derived descriptions say `application/json` of every body.
fn label_problems(operation: &mut Map<String, Value>) {
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    for (_, response) in responses.into_iter().flatten() {
        let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { continue };
        let is_problem = content.get("application/json").and_then(|content| content.pointer("/schema/$ref"));
        if is_problem.and_then(Value::as_str).is_some_and(|reference| reference.ends_with("/Problem"))
            && let Some(problem) = content.shift_remove("application/json")
        {
            content.insert("application/problem+json".into(), problem);
        }
    }
}

/// Adds the examples of an operation.
fn show(operation: &mut Map<String, Value>, examples: &Value) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    let Some(example) = examples.get(id) else { return };
    if let Some(request) = example.get("request") {
        let content = operation.get_mut("requestBody").and_then(|body| body.get_mut("content"));
        for (_, media) in content.and_then(Value::as_object_mut).into_iter().flatten() {
            if let Some(media) = media.as_object_mut() {
                media.insert("example".into(), request.clone());
            }
        }
    }
    let Some(shown) = example.get("response") else { return };
    for (status, response) in
        operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten()
    {
        let media = response.pointer_mut("/content/application~1json").and_then(Value::as_object_mut);
        if let Some(media) = media.filter(|_| status.starts_with('2')) {
            media.insert("example".into(), shown.clone());
        }
    }
}

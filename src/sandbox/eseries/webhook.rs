//! The platform's own notices: what stands in them and how they are signed (section 12 of the E-Series reference).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::Config;
use crate::clock::Instant;
use crate::sandbox::outbox::{Forgery, Notice};

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entity {
    /// A product, later a category.
    Number(i64),
    /// Quoted, as `application.*` has it (section 12.2).
    Text(String),
}

/// The signature: base64 of HMAC-SHA256 over `{eventCreated}.{eventId}`, keyed with the app's client secret. The
/// body is not part of it (section 12.5).
pub(super) fn signature(client_secret: &str, event_created: i64, event_id: &str) -> String {
    // A key of any length is taken, so there is no error to tell of.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(client_secret.as_bytes()) else { return String::new() };
    mac.update(format!("{event_created}.{event_id}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// One notice, ready to be posted.
pub(super) fn notice(
    config: &Config,
    url: &str,
    kind: &str,
    entity: &Entity,
    event_id: Uuid,
    now: Instant,
) -> Notice {
    let event_id = event_id.to_string();
    let event_created = now.timestamp();
    let body = |entity: Value| {
        let body = json!({
            "eventId": event_id, "eventCreated": event_created, "storeId": config.store_id,
            "entityId": entity, "eventType": kind,
        });
        body.to_string().into_bytes()
    };
    let headers = |signature: String| {
        vec![
            ("Content-Type".to_owned(), "application/json; charset=UTF-8".to_owned()),
            ("Cache-Control".to_owned(), "no-cache".to_owned()),
            ("X-Ecwid-Webhook-Signature".to_owned(), signature),
        ]
    };
    let good = signature(&config.client_secret, event_created, &event_id);
    let (entity, other) = match entity {
        Entity::Number(id) => (json!(id), json!(id + 1)),
        Entity::Text(text) => (json!(text), json!(format!("{text}0"))),
    };
    let separator = if url.contains('?') { '&' } else { '?' };
    Notice {
        url: format!("{url}{separator}eventtype={kind}"),
        headers: headers(good.clone()),
        body: body(entity.clone()),
        forgeries: vec![
            // Signed by somebody who does not know the secret.
            Forgery {
                headers: headers(signature("another secret", event_created, &event_id)),
                body: body(entity),
            },
            // Another entity under a true signature: the algorithm cannot tell (section 12.5).
            Forgery { headers: headers(good), body: body(other) },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_reference_comes_out() {
        let id = "3f2a9c1e-7b64-4d0f-9a55-0c8e6f1d2b34";
        let key = "whsec_made_up_4f9c2b7d1e";
        assert_eq!(signature(key, 1_767_225_600, id), "2A6v/n4Q7QRzHZkcQf5qScAUnG6vZpTUoFQR9Q9y4Do=");
        assert_eq!(signature(key, 1_767_225_601, id), "aYYvd9U08nWCLJyqjVyZm3ln1llgTwvopniqebi+nl0=");
        let token = "secret_made_up_access_token";
        assert_eq!(signature(token, 1_767_225_600, id), "pVKwOlXADr9gYbZsF/y6kPz0iWFJvuMbmD7M5nEkU80=");
    }
}

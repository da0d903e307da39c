//! E-Series' OAuth: asking a merchant, and trading the code (e-series-api.md, section 1.3). Tokens do not expire, and
//! there is nothing to renew.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::clock::{SharedClock, after};
use crate::platforms::CallError;
use crate::platforms::transport::{Transport, TransportError};

/// What is asked for (section 1.4). The two of the store's limits stand for one field, for which the reference names
/// both.
pub const SCOPES: [&str; 6] = [
    "read_store_profile",
    "read_store_profile_extended",
    "read_store_limits",
    "read_catalog",
    "create_catalog",
    "update_catalog",
];
/// Without these nothing can be kept in step.
pub const NEEDED: [&str; 3] = ["read_catalog", "create_catalog", "update_catalog"];

/// The application as it is registered with the vendor.
#[derive(Debug, Clone)]
pub struct App {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: SecretString,
}

/// What a merchant has given.
#[derive(Debug, Clone)]
pub struct Granted {
    /// For calls.
    pub access: SecretString,
    /// `store_id`.
    pub store_id: i64,
    /// What was really granted.
    pub scopes: Vec<String>,
}

/// Where the merchant is sent.
#[must_use]
pub fn authorize_url(transport: &Transport, app: &App, redirect_uri: &str, state: &str) -> Url {
    let query = [
        ("client_id", app.client_id.as_str()),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", &SCOPES.join(" ")),
        ("state", state),
    ];
    transport.url(&["api", "oauth", "authorize"], &query)
}

/// Trades a code for a token. Never twice: the second time disables what the first time gave.
pub async fn exchange(
    transport: &Transport,
    app: &App,
    code: &SecretString,
    redirect_uri: &str,
    clock: &SharedClock,
) -> Result<Granted, CallError> {
    let url = transport.url(&["api", "oauth", "token"], &[]);
    let fields = [
        ("client_id", app.client_id.as_str()),
        ("client_secret", app.client_secret.expose_secret()),
        ("code", code.expose_secret()),
        ("redirect_uri", redirect_uri),
        ("grant_type", "authorization_code"),
    ];
    let later = |why: String| CallError::Later {
        until: after(clock.now(), Duration::from_secs(5)),
        why: format!("E-Series sign-in: {why}"),
    };
    let answer = match transport.post_form(url, &fields).await {
        Ok(answer) => answer,
        Err(TransportError::ForeignHost(why)) => return Err(CallError::Account { why }),
        Err(error) => return Err(later(error.to_string())),
    };
    let json = answer.json().unwrap_or(Value::Null);
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    match answer.status.as_u16() {
        200 => {
            let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
            match (text("access_token"), json.get("store_id").and_then(number)) {
                (Some(access), Some(store_id)) => Ok(Granted {
                    access: SecretString::from(access),
                    store_id,
                    scopes: text("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
                }),
                _ => Err(later("the answer holds no token or no store".into())),
            }
        }
        429 | 500.. => Err(later(format!("status {}", answer.status.as_u16()))),
        status => {
            let said = text("error_description").or_else(|| text("error")).unwrap_or("no reason given");
            let said: String = said.chars().take(300).collect();
            Err(CallError::Account { why: format!("E-Series sign-in refused: {said} ({status})") })
        }
    }
}

//! Refreshing access tokens (r-series-api.md, section 2.3).

use std::time::Duration;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::clock::{SharedClock, after};
use crate::platforms::CallError;
use crate::platforms::transport::{Transport, TransportError};

/// A pair of tokens. Both are new after every refresh; store them before using them.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// For calls.
    pub access: SecretString,
    /// For the next refresh.
    pub refresh: SecretString,
}

/// The application as it is registered with the vendor.
#[derive(Debug, Clone)]
pub struct App {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: SecretString,
}

/// Trades a refresh token for a new pair. A lost answer may be asked for again with the same token: the
/// platform revokes it only when the new access token is first used.
pub async fn refresh(
    transport: &Transport,
    app: &App,
    refresh_token: &SecretString,
    clock: &SharedClock,
) -> Result<TokenPair, CallError> {
    let url = transport.url(&["auth", "oauth", "token"], &[]);
    let body = json!({
        "grant_type": "refresh_token",
        "client_id": app.client_id,
        "client_secret": app.client_secret.expose_secret(),
        "refresh_token": refresh_token.expose_secret(),
    });
    let later = |why: String, seconds: u64| CallError::Later {
        until: after(clock.now(), Duration::from_secs(seconds)),
        why: format!("R-Series sign-in: {why}"),
    };
    let answer = match transport.send(Method::POST, url, None, Some(&body), None).await {
        Ok(answer) => answer,
        Err(TransportError::ForeignHost(why)) => return Err(CallError::Account { why }),
        Err(error) => return Err(later(error.to_string(), 2)),
    };
    let said = super::client::said(&answer);
    match answer.status.as_u16() {
        200 => {
            let json = answer.json().unwrap_or(Value::Null);
            let token = |name: &str| json.get(name).and_then(Value::as_str).map(SecretString::from);
            match (token("access_token"), token("refresh_token")) {
                (Some(access), Some(refresh)) => Ok(TokenPair { access, refresh }),
                _ => Err(later("the answer holds no tokens".into(), 5)),
            }
        }
        429 => Err(later(said, answer.retry_after().unwrap_or(15).clamp(1, 3600))),
        // Only these judge the token or the application; anything else is the weather.
        400 | 401 | 403 => Err(CallError::Account {
            why: format!("R-Series sign-in refused: {said}. Connect the account again."),
        }),
        _ => Err(later(said, 5)),
    }
}

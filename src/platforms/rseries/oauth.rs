//! R-Series' OAuth: asking a merchant, trading the code, renewing tokens (r-series-api.md, section 2).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::{Instant, SharedClock, after};
use crate::platforms::CallError;
use crate::platforms::transport::{Transport, TransportError};

/// What is asked for (section 2.5): items and stock; the log of stock, which the vendor's page lists under a scope of
/// its own; categories; and the register for sales from the web.
pub const SCOPES: [&str; 4] =
    ["employee:inventory", "employee:inventory_log", "employee:categories", "employee:register"];
/// Without these, or [`EVERYTHING`], nothing can be kept in step: a write of stock is proved by the log.
pub const NEEDED: [&str; 2] = ["employee:inventory", "employee:inventory_log"];
/// All rights of the employee who grants it.
pub const EVERYTHING: &str = "employee:all";

/// An unused refresh token lives this long (section 2.3).
pub const REFRESH_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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

/// What an access token says of itself: it is a JWT (section 2.2). Nothing here is checked: it came from the
/// platform itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `acct`, the `accountID`.
    pub account: Option<i64>,
    /// `scope`; none when the token does not say.
    pub scopes: Option<Vec<String>>,
    /// `exp`.
    pub expires: Option<Instant>,
}

/// Where the merchant is sent. The redirect address is fixed at registration and not sent (section 2.2).
#[must_use]
pub fn authorize_url(transport: &Transport, app: &App, state: &str, verifier: &SecretString) -> Url {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()));
    let query = [
        ("response_type", "code"),
        ("client_id", &app.client_id),
        ("scope", &SCOPES.join(" ")),
        ("state", state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    transport.url(&["auth", "oauth", "authorize"], &query)
}

/// Trades a code for tokens. It works once and for 60 seconds, so it is not tried again.
pub async fn exchange(
    transport: &Transport,
    app: &App,
    code: &SecretString,
    verifier: &SecretString,
    clock: &SharedClock,
) -> Result<TokenPair, CallError> {
    let body = json!({
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "client_secret": app.client_secret.expose_secret(),
        "code": code.expose_secret(),
        "code_verifier": verifier.expose_secret(),
    });
    trade(transport, &body, clock).await
}

/// Trades a refresh token for a new pair. A lost answer may be asked for again with the same token: the
/// platform revokes it only when the new access token is first used.
pub async fn refresh(
    transport: &Transport,
    app: &App,
    refresh_token: &SecretString,
    clock: &SharedClock,
) -> Result<TokenPair, CallError> {
    let body = json!({
        "grant_type": "refresh_token",
        "client_id": app.client_id,
        "client_secret": app.client_secret.expose_secret(),
        "refresh_token": refresh_token.expose_secret(),
    });
    trade(transport, &body, clock).await
}

async fn trade(transport: &Transport, body: &Value, clock: &SharedClock) -> Result<TokenPair, CallError> {
    let url = transport.url(&["auth", "oauth", "token"], &[]);
    let later = |why: String, seconds: u64| CallError::Later {
        until: after(clock.now(), Duration::from_secs(seconds)),
        why: format!("R-Series sign-in: {why}"),
    };
    let answer = match transport.send(Method::POST, url, None, Some(body), None).await {
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

/// What a token says of itself; nothing where it cannot be read.
#[must_use]
pub fn claims(access: &SecretString) -> Claims {
    let json = || {
        let payload = access.expose_secret().split('.').nth(1)?;
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<Value>(&payload).ok()
    };
    let Some(json) = json() else { return Claims::default() };
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    // Fractions are possible.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, and from_timestamp checks the range")]
    let seconds = |value: &Value| value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    Claims {
        account: json.get("acct").and_then(number),
        scopes: json
            .get("scope")
            .and_then(Value::as_str)
            .map(|scope| scope.split_whitespace().map(str::to_owned).collect()),
        expires: json.get("exp").and_then(seconds).and_then(|seconds| Instant::from_timestamp(seconds, 0)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(payload: &str) -> SecretString {
        SecretString::from(format!("eyJ0.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn a_token_tells_whose_it_is_what_it_may_and_how_long() {
        let read = claims(&token(
            r#"{"acct":4711,"scope":"employee:inventory employee:inventory_log","exp":1767225600.5}"#,
        ));
        assert_eq!(read.account, Some(4711));
        assert_eq!(read.scopes.unwrap(), NEEDED);
        assert_eq!(read.expires, Instant::from_timestamp(1_767_225_600, 0));
        assert_eq!(claims(&token(r#"{"acct":"12"}"#)).account, Some(12));
        for opaque in ["", "opaque", "a.b.c", "a..c"] {
            assert_eq!(claims(&SecretString::from(opaque)), Claims::default(), "{opaque}");
        }
    }

    proptest! {
        #[test]
        fn no_token_breaks_the_reader(text: String, payload: String, exp: f64) {
            let _ = claims(&SecretString::from(text));
            let _ = claims(&token(&payload));
            let _ = claims(&token(&format!(r#"{{"exp":{exp:e}}}"#)));
        }
    }
}

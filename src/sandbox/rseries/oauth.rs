//! OAuth: consent, both grants, rotation with deferred revocation, revocation (section 2).

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use rand::RngCore;
use rand_chacha::ChaCha12Rng;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::query::Query;
use super::state::State;
use crate::clock::Instant;

const CODE_LIFE: TimeDelta = TimeDelta::seconds(60);
/// An unused refresh token lives this long.
const REFRESH_LIFE: TimeDelta = TimeDelta::days(30);
const MINUTE: TimeDelta = TimeDelta::seconds(60);

/// Everything that was ever issued.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    codes: BTreeMap<String, Code>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    last_grant: u64,
}

#[derive(Debug)]
struct Code {
    scope: String,
    challenge: Option<Challenge>,
    expires: Instant,
    used: bool,
}

/// What `code_verifier` must lead to.
#[derive(Debug)]
struct Challenge {
    text: String,
    hashed: bool,
}

#[derive(Debug)]
struct Access {
    grant: u64,
    scope: String,
    expires: Instant,
    revoked: bool,
    used: bool,
    /// The refresh token it was born of, which dies when this one is first used.
    parent: Option<String>,
    /// The refresh token it was issued with.
    with: String,
}

#[derive(Debug)]
struct Refresh {
    grant: u64,
    scope: String,
    expires: Instant,
    revoked: bool,
    parent: Option<String>,
    tried: Vec<Instant>,
}

/// An OAuth answer.
#[derive(Debug)]
pub(super) struct OAuthAnswer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// For the browser, at the end of consent.
    pub(super) location: Option<String>,
}

impl OAuthAnswer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, location: None }
    }

    /// Section 2.4.
    fn error(status: StatusCode, error: &str, description: &str, hint: &str) -> Self {
        let body = json!({
            "error": error, "error_description": description, "hint": hint, "message": description,
        });
        Self { status, body, location: None }
    }

    fn bad(error: &str, hint: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, error, describe(error), hint)
    }

    fn invalid_client() -> Self {
        let error = "invalid_client";
        Self::error(StatusCode::UNAUTHORIZED, error, describe(error), "")
    }
}

fn describe(error: &str) -> &'static str {
    match error {
        "invalid_client" => "Client authentication failed",
        "invalid_scope" => "The requested scope is invalid, unknown, or malformed",
        "invalid_grant" => {
            "The provided authorization grant or refresh token is invalid, expired or revoked."
        }
        _ => {
            "The request is missing a required parameter, includes an invalid parameter value, \
              includes a parameter more than once, or is otherwise malformed."
        }
    }
}

impl Tokens {
    /// A new pair. The access token has the form of a JWT and its claims (section 2.2), under a signature that is
    /// none; both are longer than 255 characters (section 6).
    fn issue(
        &mut self,
        now: Instant,
        generator: &mut ChaCha12Rng,
        life: TimeDelta,
        (grant, scope): (u64, &str),
        (account, client): (i64, &str),
        parent: Option<&str>,
    ) -> (String, String) {
        let mut draw = || {
            let mut bytes = [0_u8; 240];
            generator.fill_bytes(&mut bytes);
            bytes
        };
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let head = json!({"typ": "JWT", "alg": "RS256", "kid": "sandbox"});
        let claims = json!({
            "iss": "https://cloud.lightspeedapp.com", "aud": client, "sub": "1", "acct": account, "scope": scope,
            "iat": now.timestamp(), "nbf": now.timestamp(), "exp": (now + life).timestamp(),
        });
        let access = format!("{}.{}.{}", part(&head), part(&claims), URL_SAFE_NO_PAD.encode(draw()));
        let refresh = format!("def50200{}", hex::encode(draw()));
        let parent = parent.map(str::to_owned);
        let born = Access {
            grant,
            scope: scope.to_owned(),
            expires: now + life,
            revoked: false,
            used: false,
            parent: parent.clone(),
            with: refresh.clone(),
        };
        self.access.insert(access.clone(), born);
        let born = Refresh {
            grant,
            scope: scope.to_owned(),
            expires: now + REFRESH_LIFE,
            revoked: false,
            parent,
            tried: Vec::new(),
        };
        self.refresh.insert(refresh.clone(), born);
        (access, refresh)
    }

    pub(super) fn issued(&self) -> Vec<String> {
        self.access.keys().chain(self.refresh.keys()).cloned().collect()
    }

    pub(super) fn expire_access(&mut self, now: Instant) {
        self.access.values_mut().for_each(|access| access.expires = access.expires.min(now));
    }

    pub(super) fn revoke_all(&mut self) {
        self.access.values_mut().for_each(|access| access.revoked = true);
        self.refresh.values_mut().for_each(|refresh| refresh.revoked = true);
    }

    fn revoke_grant(&mut self, grant: u64) {
        self.access.values_mut().filter(|it| it.grant == grant).for_each(|it| it.revoked = true);
        self.refresh.values_mut().filter(|it| it.grant == grant).for_each(|it| it.revoked = true);
    }

    /// Lets a bearer in and gives its scope, or the hint of the 401 (section 1.11).
    fn admit(&mut self, now: Instant, token: &str, twins_die: bool) -> Result<String, &'static str> {
        let Some(access) = self.access.get_mut(token) else {
            return Err("Access token could not be verified");
        };
        if access.revoked {
            return Err("Access token has been revoked");
        }
        if access.expires <= now {
            return Err("Access token could not be verified");
        }
        let scope = access.scope.clone();
        let first_use = !std::mem::replace(&mut access.used, true);
        if let Some(parent) = access.parent.clone().filter(|_| first_use) {
            self.bury(&parent, token, twins_die);
        }
        Ok(scope)
    }

    /// The first use of `heir` revokes the refresh token it was born of (section 2.3) and, where the habit
    /// says so, the other pairs born of it.
    fn bury(&mut self, parent: &str, heir: &str, twins_die: bool) {
        if let Some(refresh) = self.refresh.get_mut(parent) {
            refresh.revoked = true;
        }
        if !twins_die {
            return;
        }
        for (token, access) in &mut self.access {
            let is_twin = token != heir && access.parent.as_deref() == Some(parent);
            access.revoked = access.revoked || is_twin;
        }
        let kept = self.access.get(heir).map(|access| access.with.clone()).unwrap_or_default();
        for (token, refresh) in &mut self.refresh {
            let is_twin = *token != kept && refresh.parent.as_deref() == Some(parent);
            refresh.revoked = refresh.revoked || is_twin;
        }
    }
}

impl State {
    /// As the merchant who consents at once: a code for this scope.
    pub(super) fn consent(&mut self, now: Instant, scope: &str) -> String {
        self.new_code(now, scope, None)
    }

    fn new_code(&mut self, now: Instant, scope: &str, challenge: Option<Challenge>) -> String {
        let mut bytes = [0_u8; 24];
        self.generator.fill_bytes(&mut bytes);
        let code = format!("def502{}", hex::encode(bytes));
        let issued = Code { scope: scope.to_owned(), challenge, expires: now + CODE_LIFE, used: false };
        self.tokens.codes.insert(code.clone(), issued);
        code
    }

    /// A pair of a new connection.
    pub(super) fn connect(&mut self, now: Instant, scope: &str) -> (String, String) {
        self.tokens.last_grant += 1;
        let life = TimeDelta::seconds(self.config.access_token_seconds);
        let grant = (self.tokens.last_grant, scope);
        let audience = (self.config.account_id, self.config.client_id.as_str());
        self.tokens.issue(now, &mut self.generator, life, grant, audience, None)
    }

    /// The scope of the request's bearer, or the hint of the 401.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        authorization: Option<&str>,
    ) -> Result<String, &'static str> {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or("Missing \"Authorization\" header")?;
        self.tokens.admit(now, token.trim(), self.config.habits.twin_tokens_die)
    }

    /// Answers a request below `/auth/oauth/`.
    pub(super) fn oauth(
        &mut self,
        now: Instant,
        method: &Method,
        path: &str,
        query: &Query,
        body: &[u8],
    ) -> OAuthAnswer {
        match (path, method) {
            ("/auth/oauth/authorize", &Method::GET) => self.authorize(now, query),
            ("/auth/oauth/token", &Method::POST) => self.token(now, &fields(body)),
            ("/auth/oauth/revoke", &Method::POST) => self.revoke(&fields(body)),
            ("/auth/oauth/authorize" | "/auth/oauth/token" | "/auth/oauth/revoke", _) => {
                let error = "invalid_request";
                OAuthAnswer::error(
                    StatusCode::METHOD_NOT_ALLOWED,
                    error,
                    describe(error),
                    "Check the HTTP method",
                )
            }
            _ => OAuthAnswer::error(StatusCode::NOT_FOUND, "not_found", "Not Found", ""),
        }
    }

    /// The merchant consents at once: the browser is sent to the registered address (section 2.2).
    fn authorize(&mut self, now: Instant, query: &Query) -> OAuthAnswer {
        if query.value("client_id") != Some(self.config.client_id.as_str()) {
            return OAuthAnswer::bad("invalid_client", "");
        }
        if query.value("response_type") != Some("code") {
            return OAuthAnswer::bad("invalid_request", "Check the `response_type` parameter");
        }
        let scope = query.value("scope").unwrap_or_default();
        let known = |scope: &str| scope.strip_prefix("employee:").is_some_and(|right| !right.is_empty());
        if scope.is_empty() || !scope.split(' ').all(known) {
            return OAuthAnswer::bad("invalid_scope", "Check the `scope` parameter");
        }
        let challenge = query.value("code_challenge").map(|text| Challenge {
            text: text.to_owned(),
            hashed: query.value("code_challenge_method") == Some("S256"),
        });
        let code = self.new_code(now, scope, challenge);
        let state = query.value("state").unwrap_or_default();
        let answer =
            serde_urlencoded::to_string([("code", code.as_str()), ("state", state)]).unwrap_or_default();
        let mark = if self.redirect_uri.contains('?') { '&' } else { '?' };
        let location = Some(format!("{}{mark}{answer}", self.redirect_uri));
        OAuthAnswer { status: StatusCode::FOUND, body: Value::Null, location }
    }

    fn token(&mut self, now: Instant, fields: &BTreeMap<String, String>) -> OAuthAnswer {
        if let Err(refused) = self.check_client(fields) {
            return refused;
        }
        match fields.get("grant_type").map(String::as_str) {
            Some("authorization_code") => self.code_grant(now, fields),
            Some("refresh_token") => self.refresh_grant(now, fields),
            _ => OAuthAnswer::bad("invalid_request", "Check the `grant_type` parameter"),
        }
    }

    fn check_client(&self, fields: &BTreeMap<String, String>) -> Result<(), OAuthAnswer> {
        for (name, wanted) in
            [("client_id", &self.config.client_id), ("client_secret", &self.config.client_secret)]
        {
            match fields.get(name) {
                None => {
                    return Err(OAuthAnswer::bad(
                        "invalid_request",
                        &format!("Check the `{name}` parameter"),
                    ));
                }
                Some(found) if found != wanted => return Err(OAuthAnswer::invalid_client()),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn code_grant(&mut self, now: Instant, fields: &BTreeMap<String, String>) -> OAuthAnswer {
        let Some(text) = fields.get("code") else {
            return OAuthAnswer::bad("invalid_request", "Check the `code` parameter");
        };
        let Some(code) = self.tokens.codes.get_mut(text) else {
            return OAuthAnswer::bad("invalid_grant", "Cannot decrypt the authorization code");
        };
        if code.used {
            return OAuthAnswer::bad("invalid_grant", "Authorization code has been revoked");
        }
        if code.expires <= now {
            return OAuthAnswer::bad("invalid_grant", "Authorization code has expired");
        }
        if let Some(challenge) = &code.challenge {
            let verifier = fields.get("code_verifier").map(String::as_str).unwrap_or_default();
            let shown = if challenge.hashed {
                URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
            } else {
                verifier.to_owned()
            };
            if shown != challenge.text {
                return OAuthAnswer::bad("invalid_grant", "Failed to verify `code_verifier`.");
            }
        }
        code.used = true;
        let scope = code.scope.clone();
        let pair = self.connect(now, &scope);
        self.pair(&pair)
    }

    fn refresh_grant(&mut self, now: Instant, fields: &BTreeMap<String, String>) -> OAuthAnswer {
        if fields.contains_key("scope") {
            return OAuthAnswer::bad("invalid_scope", "The scope of a refresh token cannot be changed");
        }
        let Some(old) = fields.get("refresh_token") else {
            return OAuthAnswer::bad("invalid_request", "Check the `refresh_token` parameter");
        };
        let Some(refresh) = self.tokens.refresh.get_mut(old) else {
            return OAuthAnswer::bad("invalid_grant", "Cannot decrypt the refresh token");
        };
        refresh.tried.retain(|at| *at > now - MINUTE);
        let most = self.config.habits.refreshes_per_minute.and_then(|most| usize::try_from(most).ok());
        if most.is_some_and(|most| refresh.tried.len() >= most) {
            // The status is not documented; section 2.3 says only that too many attempts are limited.
            let status = StatusCode::TOO_MANY_REQUESTS;
            return OAuthAnswer::error(status, "too_many_requests", "Too many token refreshes", "");
        }
        refresh.tried.push(now);
        if refresh.revoked {
            return OAuthAnswer::bad("invalid_grant", "Token has been revoked");
        }
        if refresh.expires <= now {
            return OAuthAnswer::bad("invalid_grant", "Token has expired");
        }
        refresh.revoked = self.config.habits.refresh_token_dies_at_once;
        let (grant, scope) = (refresh.grant, refresh.scope.clone());
        let tried = refresh.tried.clone();
        let life = TimeDelta::seconds(self.config.access_token_seconds);
        let audience = (self.config.account_id, self.config.client_id.as_str());
        let grant = (grant, scope.as_str());
        let pair = self.tokens.issue(now, &mut self.generator, life, grant, audience, Some(old));
        // The limit is per connection: the successor inherits the attempts.
        if let Some(heir) = self.tokens.refresh.get_mut(&pair.1) {
            heir.tried = tried;
        }
        self.pair(&pair)
    }

    /// `expires_in` is a number here: this is not the serializer of the resources.
    fn pair(&self, (access, refresh): &(String, String)) -> OAuthAnswer {
        OAuthAnswer::ok(json!({
            "token_type": "Bearer",
            "expires_in": self.config.access_token_seconds,
            "access_token": access,
            "refresh_token": refresh,
        }))
    }

    fn revoke(&mut self, fields: &BTreeMap<String, String>) -> OAuthAnswer {
        if let Err(refused) = self.check_client(fields) {
            return refused;
        }
        let grant = fields.get("refresh_token").and_then(|token| self.tokens.refresh.get(token));
        let Some(grant) = grant.map(|refresh| refresh.grant) else {
            return OAuthAnswer::bad("invalid_request", "Check the `refresh_token` parameter");
        };
        self.tokens.revoke_grant(grant);
        OAuthAnswer::ok(Value::Object(Map::new()))
    }
}

/// The fields of a body, JSON or urlencoded, told apart by what they are.
fn fields(body: &[u8]) -> BTreeMap<String, String> {
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return object.into_iter().map(|(name, value)| (name, text(value))).collect();
    }
    serde_urlencoded::from_bytes(body).unwrap_or_default()
}

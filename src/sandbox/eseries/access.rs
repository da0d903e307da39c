//! Who may call: tokens, scopes, the rate limit and the OAuth exchange (sections 1 and 2.3 of the E-Series reference).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};

use super::refusal::{Answer, Content, Refusal};
use super::store::Store;
use super::values::Query;
use super::webhook::Entity;
use crate::clock::{Instant, after, before};

/// Length of the rate limit's sliding window.
const WINDOW: Duration = Duration::from_mins(1);

/// How many calls within a minute a blocked token may make before it is blocked for longer.
const CALLS_WHILE_BLOCKED: usize = 20;

/// How long an authorisation code lives: "a few minutes".
const CODE_LIVES: Duration = Duration::from_mins(5);

/// The app's standing with the store.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub installed: bool,
    tokens: BTreeMap<String, Token>,
    codes: BTreeMap<String, Code>,
}

#[derive(Debug)]
struct Token {
    scopes: Vec<String>,
    alive: bool,
    served: VecDeque<Instant>,
    refused: VecDeque<Instant>,
    blocked_until: Option<Instant>,
}

#[derive(Debug)]
struct Code {
    scopes: Vec<String>,
    redirect_uri: Option<String>,
    made: Instant,
    /// The token that this code was exchanged for.
    token: Option<String>,
}

impl Access {
    /// The scopes of a living token.
    pub fn scopes(&self, token: &str) -> Result<Vec<String>, Refusal> {
        let living = self.tokens.get(token).filter(|token| token.alive && self.installed);
        living.map(|token| token.scopes.clone()).ok_or_else(Refusal::bad_token)
    }

    /// Counts one call against the limit: a sliding window (section 14).
    pub fn count(&mut self, token: &str, limit: usize, block: Duration, now: Instant) -> Result<(), Refusal> {
        let Some(token) = self.tokens.get_mut(token) else { return Ok(()) };
        let start = before(now, WINDOW);
        token.served.retain(|at| *at > start && *at <= now);
        token.refused.retain(|at| *at > start && *at <= now);
        let blocked = token.blocked_until.filter(|until| *until > now);
        if blocked.is_none() && token.served.len() < limit {
            token.served.push_back(now);
            return Ok(());
        }
        token.refused.push_back(now);
        if token.refused.len() > CALLS_WHILE_BLOCKED {
            token.blocked_until = Some(after(now, block));
        }
        // The slot that frees is the one whose going brings the window under the limit.
        let freed = token.served.len().checked_sub(limit).and_then(|place| token.served.get(place));
        let frees = freed.map_or(now, |oldest| after(*oldest, WINDOW));
        let until = token.blocked_until.filter(|until| *until > now).map_or(frees, |it| it.max(frees));
        let millis = u64::try_from((until - now).num_milliseconds()).unwrap_or_default();
        let mut refusal = Refusal::new(429, "RATE_LIMITED", "Too many requests");
        refusal.retry_after = Some(millis.div_ceil(1000).max(1));
        Err(refusal)
    }
}

impl Store {
    /// A new token with the app's scopes, as a custom app's own page shows it (section 1.2).
    pub fn issue_token(&mut self, scopes: Vec<String>) -> String {
        let token = format!("secret_{}", self.random_text());
        self.access.installed = true;
        let fresh = Token {
            scopes,
            alive: true,
            served: VecDeque::new(),
            refused: VecDeque::new(),
            blocked_until: None,
        };
        self.access.tokens.insert(token.clone(), fresh);
        token
    }

    /// The merchant removes the app: one last notice, and every token is dead (sections 1.2 and 12.3).
    pub fn uninstall(&mut self, now: Instant) {
        self.tell("application.uninstalled", &Entity::Text(self.config.store_id.to_string()), now);
        self.access.installed = false;
        for token in self.access.tokens.values_mut() {
            token.alive = false;
        }
    }

    /// The merchant lets the app in: a code to exchange. Without `scope` all of the app's scopes are granted.
    pub fn authorize(&mut self, scope: Option<&str>, redirect_uri: Option<String>, now: Instant) -> String {
        let asked: Option<Vec<&str>> = scope.map(|it| it.split_whitespace().collect());
        let granted = |it: &&String| asked.as_ref().is_none_or(|asked| asked.contains(&it.as_str()));
        let mut scopes: Vec<String> = self.config.scopes.iter().filter(granted).cloned().collect();
        // Always granted (section 1.4).
        if !scopes.iter().any(|it| it == "read_store_profile") {
            scopes.push("read_store_profile".to_owned());
        }
        let code = self.random_text();
        self.access.codes.insert(code.clone(), Code { scopes, redirect_uri, made: now, token: None });
        code
    }

    /// `GET /api/oauth/authorize`: the merchant's page, with a merchant who decides at once. Tells where the
    /// browser is sent.
    pub fn authorize_page(&mut self, query: &Query, now: Instant) -> Result<String, Refusal> {
        let client_id = query.text("client_id");
        let redirect = query.text("redirect_uri").and_then(|it| url::Url::parse(it).ok());
        let (true, Some(mut redirect)) = (client_id == Some(self.config.client_id.as_str()), redirect) else {
            return Err(Refusal::wrong_parameter("Unknown client_id or unusable redirect_uri"));
        };
        if self.config.habits.merchant_refuses {
            redirect.query_pairs_mut().append_pair("error", "access_denied");
        } else {
            let uri = query.text("redirect_uri").map(str::to_owned);
            let code = self.authorize(query.text("scope"), uri, now);
            redirect.query_pairs_mut().append_pair("code", &code);
        }
        if let (true, Some(state)) = (self.config.habits.echo_oauth_state, query.text("state")) {
            redirect.query_pairs_mut().append_pair("state", state);
        }
        Ok(redirect.into())
    }

    /// `/api/oauth/token`: a code becomes a token, once. A second exchange disables the first one's token
    /// (section 1.3). The shape of its errors is not documented; OAuth's own is taken.
    pub fn exchange(&mut self, form: &Query, now: Instant) -> Answer {
        let fail = |error: &str| Answer {
            status: 400,
            body: Content::Json(json!({"error": error, "error_description": error})),
            retry_after: None,
        };
        let is = |name: &str, value: &str| form.text(name) == Some(value);
        if !is("client_id", &self.config.client_id) || !is("client_secret", &self.config.client_secret) {
            return fail("invalid_client");
        }
        if !is("grant_type", "authorization_code") {
            return fail("unsupported_grant_type");
        }
        let key = form.text("code").unwrap_or_default().to_owned();
        let Some(code) = self.access.codes.get(&key) else { return fail("invalid_grant") };
        if let Some(first) = code.token.clone() {
            if let Some(token) = self.access.tokens.get_mut(&first) {
                token.alive = false;
            }
            return fail("invalid_grant");
        }
        let same_uri = code.redirect_uri.as_deref().is_none_or(|uri| is("redirect_uri", uri));
        if !same_uri || now >= after(code.made, CODE_LIVES) {
            return fail("invalid_grant");
        }
        let scopes = code.scopes.clone();
        let token = self.issue_token(scopes.clone());
        if let Some(code) = self.access.codes.get_mut(&key) {
            code.token = Some(token.clone());
        }
        self.tell("application.installed", &Entity::Text(self.config.store_id.to_string()), now);
        Answer::ok(json!({
            "access_token": token, "token_type": "bearer", "scope": scopes.join(" "),
            "store_id": self.config.store_id, "email": Value::from("merchant@example.com"),
        }))
    }

    fn random_text(&mut self) -> String {
        hex::encode(self.generator.random::<[u8; 16]>())
    }
}

/// 403 when a scope is missing (section 1.4).
pub(super) fn require(scopes: &[String], needed: &[&str]) -> Result<(), Refusal> {
    match needed.iter().find(|needed| !scopes.iter().any(|scope| scope == *needed)) {
        None => Ok(()),
        Some(missing) => {
            let message = format!("The app has no access scope '{missing}'");
            Err(Refusal::new(403, "INSUFFICIENT_APP_SCOPE", message))
        }
    }
}

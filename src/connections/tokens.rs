//! R-Series access tokens: kept sealed, renewed once for all who wait, stored before they are used.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tracing::debug;

use super::accounts::Wiring;
use crate::clock::{Instant, after};
use crate::ids::ConnectionId;
use crate::platforms::CallError;
use crate::platforms::rseries::Tokens;
use crate::platforms::rseries::client::TokenFuture;
use crate::platforms::rseries::oauth::{self, TokenPair};
use crate::platforms::transport::Transport;
use crate::store::{Db, StoreError, connections};

/// Kinds of secrets.
pub(super) const R_ACCESS: &str = "r_access_token";
pub(super) const R_REFRESH: &str = "r_refresh_token";
pub(super) const R_WEBHOOK: &str = "r_webhook_secret";
pub(super) const E_ACCESS: &str = "e_access_token";

/// The tokens of one stored connection.
#[derive(Debug)]
pub(super) struct StoredTokens {
    wiring: Arc<Wiring>,
    connection: ConnectionId,
    /// The lock makes a refresh single-flight within the process.
    access: Mutex<Option<SecretString>>,
    /// When a token that still works may be renewed again ahead of its end, after that has failed.
    early: std::sync::Mutex<Option<Instant>>,
}

/// So long before its end a token is renewed (r-series-api.md, section 2.3): longer than a visit takes.
const EARLY: Duration = Duration::from_secs(90);
/// How soon that is tried again when it has failed: at most five attempts a minute are allowed.
const EARLY_AGAIN: Duration = Duration::from_secs(20);

impl StoredTokens {
    pub(super) fn new(wiring: Arc<Wiring>, connection: ConnectionId) -> Self {
        Self { wiring, connection, access: Mutex::new(None), early: std::sync::Mutex::new(None) }
    }

    /// Is it time to renew a token that still works?
    fn ends_soon(&self, token: &SecretString) -> bool {
        let now = self.wiring.clock.now();
        let not_before = *self.early.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.is_none_or(|not_before| not_before <= now)
            && self.wiring.apps.r_series.is_some()
            && oauth::claims(token).expires.is_some_and(|end| end <= after(now, EARLY))
    }

    async fn current(&self) -> Result<SecretString, CallError> {
        let mut access = self.access.lock().await;
        if let Some(token) = access.as_ref() {
            return Ok(token.clone());
        }
        let token = self.stored(R_ACCESS).await?;
        let token = token.ok_or_else(|| attention("no R-Series access token is stored"))?;
        *access = Some(token.clone());
        Ok(token)
    }

    async fn stored(&self, kind: &str) -> Result<Option<SecretString>, CallError> {
        self.wiring.secret(self.connection, kind).await
    }
}

impl Tokens for StoredTokens {
    fn access(&self) -> TokenFuture<'_> {
        Box::pin(async move {
            let token = self.current().await?;
            if !self.ends_soon(&token) {
                return Ok(token);
            }
            match self.renew(&token).await {
                Ok(renewed) => Ok(renewed),
                Err(error) => {
                    // It may still work; if it does not, the platform says so, and it is renewed then.
                    debug!(connection = %self.connection, %error, "the access token was not renewed ahead of its end");
                    let again = after(self.wiring.clock.now(), EARLY_AGAIN);
                    *self.early.lock().unwrap_or_else(PoisonError::into_inner) = Some(again);
                    Ok(token)
                }
            }
        })
    }

    fn renew<'a>(&'a self, stale: &'a SecretString) -> TokenFuture<'a> {
        Box::pin(async move {
            let mut access = self.access.lock().await;
            let differs = |token: &SecretString| token.expose_secret() != stale.expose_secret();
            if let Some(token) = access.as_ref().filter(|token| differs(token)) {
                return Ok(token.clone());
            }
            // Alone among all processes: of two pairs born of one refresh token the platform lets only the
            // one live that is used first, which need not be the one that was stored last. The lock ends with
            // this transaction, so with the process too, and nobody else wants that row meanwhile.
            let wiring = &self.wiring;
            let mut db = wiring.store.begin().await.map_err(|error| wiring.later(&error))?;
            let refresh = connections::lock_secret(&mut db, self.connection, R_REFRESH).await;
            let refresh = refresh.map_err(|error| wiring.later(&error))?;
            // Another process may have renewed it.
            let stored = connections::get_secret(&mut db, self.connection, R_ACCESS).await;
            let stored = stored.map_err(|error| wiring.later(&error))?;
            let stored =
                stored.map(|sealed| wiring.unseal(self.connection, R_ACCESS, &sealed)).transpose()?;
            if let Some(token) = stored.filter(differs) {
                *access = Some(token.clone());
                return Ok(token);
            }
            let refresh = refresh.ok_or_else(|| {
                attention("R-Series refused the access token, and there is no refresh token to renew it with")
            })?;
            let refresh = wiring.unseal(self.connection, R_REFRESH, &refresh)?;
            let pair = renewed(wiring, &refresh).await?;
            let secrets = [(R_ACCESS, &pair.access), (R_REFRESH, &pair.refresh)];
            wiring
                .put_secrets_in(&mut db, self.connection, &secrets)
                .await
                .map_err(|error| wiring.later(&error))?;
            db.commit().await.map_err(|error| wiring.later(&error))?;
            *access = Some(pair.access.clone());
            Ok(pair.access)
        })
    }
}

/// What an operator should know about tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    /// Until when R-Series takes the refresh token if it is not used; using it makes a new one.
    pub r_unused_until: Option<Instant>,
    /// What to do, if anything.
    pub warning: Option<String>,
}

/// So long before a refresh token ends unused it is time to say so.
const WARN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How the tokens of a connection are.
pub async fn care(db: &mut Db, connection: ConnectionId, now: Instant) -> Result<Care, StoreError> {
    let since = connections::secret_since(db, connection, R_REFRESH).await?;
    let until = since.map(|since| after(since, oauth::REFRESH_LIFE));
    let warning = match until {
        None => {
            Some("there is no R-Series refresh token: the connection ends with its access token".to_owned())
        }
        Some(until) if until <= now => Some(format!(
            "the R-Series refresh token was not used for 30 days and ended at {}: connect the account again",
            until.format("%F %T UTC")
        )),
        Some(until) if until <= after(now, WARN) => Some(format!(
            "the R-Series refresh token ends at {} unless it is used: resume the connection, or connect the account \
             again",
            until.format("%F %T UTC")
        )),
        Some(_) => None,
    };
    Ok(Care { r_unused_until: until, warning })
}

/// Tokens of an account that is being connected and is not stored yet.
#[derive(Debug)]
pub(super) struct NewTokens {
    wiring: Arc<Wiring>,
    pub(super) pair: Mutex<(SecretString, Option<SecretString>)>,
}

impl NewTokens {
    pub(super) fn new(wiring: Arc<Wiring>, access: SecretString, refresh: Option<SecretString>) -> Self {
        Self { wiring, pair: Mutex::new((access, refresh)) }
    }
}

impl Tokens for NewTokens {
    fn access(&self) -> TokenFuture<'_> {
        Box::pin(async move { Ok(self.pair.lock().await.0.clone()) })
    }

    fn renew<'a>(&'a self, _stale: &'a SecretString) -> TokenFuture<'a> {
        Box::pin(async move {
            let mut pair = self.pair.lock().await;
            let refresh = pair.1.clone().ok_or_else(|| attention("R-Series refused the access token"))?;
            let renewed = renewed(&self.wiring, &refresh).await?;
            *pair = (renewed.access.clone(), Some(renewed.refresh));
            Ok(renewed.access)
        })
    }
}

async fn renewed(wiring: &Wiring, refresh: &SecretString) -> Result<TokenPair, CallError> {
    let app = wiring.apps.r_series.as_ref().ok_or_else(|| {
        attention(
            "R-Series refused the access token. To renew it, set CONCORD_R_SERIES_CLIENT_ID and \
             CONCORD_R_SERIES_CLIENT_SECRET",
        )
    })?;
    let transport = Transport::new(wiring.http.clone(), wiring.apps.r_series_auth_url.clone());
    oauth::refresh(&transport, app, refresh, &wiring.clock).await
}

fn attention(why: &str) -> CallError {
    CallError::Account { why: why.to_owned() }
}

//! Accounts by OAuth: a merchant is asked on the platform's own page, comes back with a code, and the code is traded
//! for tokens, once. The tokens lie sealed in a grant until a connection uses them.

mod words;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use tracing::{info, warn};
use url::Url;

pub(super) use self::words::access_kind;
use self::words::{call, grant_of, hash, in_words, missing, not_now, state_of};
pub use self::words::{redirect_uri, side_in_address};
use super::accounts::Accounts;
use super::connect::ConnectError;
use super::reconnect::{ReconnectError, Replacement};
use crate::catalog::Side;
use crate::clock::{Instant, after, before};
use crate::ids::ConnectionId;
use crate::platforms::transport::Transport;
use crate::platforms::{eseries, rseries};
use crate::store::grants::{self, Outcome};
use crate::store::{StoreError, connections};

/// How long a merchant may take to decide.
const DECIDE: Duration = Duration::from_secs(10 * 60);
/// How long a grant waits for its connection: less than R-Series' access tokens live (one sample in section 2.2 of
/// its reference says half an hour), so that none has to be renewed before it is used.
const GRANT_LIFE: Duration = Duration::from_secs(20 * 60);
/// So long after its end it can still be asked what became of a grant.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// Kinds of secrets of a grant.
pub(super) const VERIFIER: &str = "r_code_verifier";
pub(super) const REFRESH: &str = "r_granted_refresh_token";

/// A merchant is to be asked.
#[derive(Debug)]
pub struct Asked {
    /// Where to send the merchant's browser.
    pub authorize_url: Url,
    /// What the platform hands back with the code.
    pub state: String,
    /// Names the grant that comes of it.
    pub grant: ConnectionId,
    /// Until when the merchant may decide.
    pub expires_at: Instant,
}

/// What came of a merchant's answer.
#[derive(Debug)]
pub enum Finished {
    /// Tokens lie ready for a new connection.
    Granted {
        /// Names the grant.
        grant: ConnectionId,
        /// `accountID` or `storeId`.
        account: i64,
        /// The platform did not hand the state back, so the operator has to name the account.
        unbound: bool,
    },
    /// A connection has other tokens now.
    Reconnected(ConnectionId),
}

/// Why nothing came of it, in words for the person at the browser.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// Concord does not know its own application.
    #[error("{0}")]
    NotConfigured(&'static str),
    /// There is no such connection.
    #[error("there is no such connection")]
    NoConnection,
    /// Nobody was asked like this, or it is over.
    #[error("{0}")]
    NotAsked(&'static str),
    /// The merchant, or the platform, said no; or what was given does not suffice.
    #[error("{0}")]
    Refused(String),
    /// The grant is not, or no longer, one that a connection can be made with; no platform was asked.
    #[error("{0}")]
    Unfit(String),
    /// A connection was made with the grant.
    #[error("{0}: a connection was made with this grant already")]
    Spent(Side),
    /// The tokens belong to somebody else.
    #[error("{0}")]
    OtherAccount(String),
    /// The platform cannot be asked now.
    #[error("{0}")]
    NotNow(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the browser came back with.
#[derive(Debug, Default)]
pub struct Answer {
    /// To be traded.
    pub code: Option<SecretString>,
    /// As it was sent along.
    pub state: Option<String>,
    /// Such as `access_denied`.
    pub error: Option<String>,
}

/// An answer that belongs to something that was asked for. Its state is out of use.
#[derive(Debug)]
pub struct Taken {
    row: grants::Row,
    code: SecretString,
}

impl Taken {
    /// Names the grant.
    #[must_use]
    pub fn grant(&self) -> ConnectionId {
        self.row.connection_id
    }

    /// The connection that is to be connected anew, if it is for one that exists.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        self.row.reconnect.then_some(self.row.connection_id)
    }
}

/// Tokens out of a grant.
#[derive(Debug)]
pub struct Redeemed {
    /// `accountID` or `storeId`.
    pub account: i64,
    /// Access token.
    pub access: SecretString,
    /// Refresh token of R-Series.
    pub refresh: Option<SecretString>,
}

/// What a platform gave for a code.
struct Given {
    access: SecretString,
    refresh: Option<SecretString>,
    /// None when the platform did not say.
    account: Option<i64>,
    /// None when the platform did not say.
    scopes: Option<Vec<String>>,
}

impl Accounts {
    fn r_app(&self) -> Result<&rseries::oauth::App, OauthError> {
        self.wiring.apps.r_series.as_ref().ok_or(OauthError::NotConfigured(
            "set CONCORD_R_SERIES_CLIENT_ID and CONCORD_R_SERIES_CLIENT_SECRET to those of your R-Series application",
        ))
    }

    fn e_app(&self) -> Result<eseries::oauth::App, OauthError> {
        let apps = &self.wiring.apps;
        let app = apps.e_series_id.clone().zip(apps.e_series_secret.clone());
        let app = app.map(|(client_id, client_secret)| eseries::oauth::App { client_id, client_secret });
        app.ok_or(OauthError::NotConfigured(
            "set CONCORD_E_SERIES_CLIENT_ID and CONCORD_E_SERIES_CLIENT_SECRET to those of your E-Series application",
        ))
    }

    fn sign_in(&self, side: Side) -> Transport {
        let apps = &self.wiring.apps;
        let base = if side == Side::RSeries { &apps.r_series_auth_url } else { &apps.e_series_auth_url };
        Transport::new(self.wiring.http.clone(), base.clone())
    }

    /// Prepares to ask a merchant, for a new connection or, with `reconnect`, for one that exists.
    pub async fn ask(
        &self,
        side: Side,
        reconnect: Option<ConnectionId>,
        public_base: &str,
    ) -> Result<Asked, OauthError> {
        let wiring = &self.wiring;
        let now = wiring.clock.now();
        let grant = reconnect.unwrap_or_else(|| ConnectionId::new(&wiring.ids, now));
        let mut random = [0_u8; 32];
        wiring.ids.fill(&mut random);
        let state = state_of(grant, &random);
        wiring.ids.fill(&mut random);
        let verifier = SecretString::from(URL_SAFE_NO_PAD.encode(random));
        let transport = self.sign_in(side);
        let authorize_url = match side {
            Side::RSeries => rseries::oauth::authorize_url(&transport, self.r_app()?, &state, &verifier),
            Side::ESeries => {
                let back = redirect_uri(public_base, side);
                eseries::oauth::authorize_url(&transport, &self.e_app()?, &back, &state)
            }
        };
        let mut db = wiring.store.begin().await?;
        grants::forget_old(&mut db, before(now, REMEMBER)).await?;
        if reconnect.is_some() && connections::get(&mut db, grant).await?.is_none() {
            return Err(OauthError::NoConnection);
        }
        let row = grants::Row {
            connection_id: grant,
            side,
            reconnect: reconnect.is_some(),
            outcome: Outcome::Waiting,
            state_hash: Some(hash(&state)),
            verifier: Some(self.sealed(grant, VERIFIER, &verifier)?),
            bound: false,
            account: None,
            scopes: None,
            access: None,
            refresh: None,
            reason: None,
            started_at: now,
            expires_at: after(now, DECIDE),
        };
        grants::put(&mut db, &row).await?;
        db.commit().await?;
        Ok(Asked { authorize_url, state, grant, expires_at: row.expires_at })
    }

    /// Makes of an answer what was asked for.
    pub async fn finish(&self, taken: Taken, public_base: &str) -> Result<Finished, OauthError> {
        let Taken { row, code } = taken;
        let finished = self.trade(row.clone(), &code, public_base).await;
        if let Err(error) = &finished {
            warn!(grant = %row.connection_id, side = %row.side, %error, "a grant came to nothing");
            let failed = grants::Row {
                outcome: Outcome::Failed,
                reason: Some(error.to_string()),
                ..without_secrets(row)
            };
            let mut db = self.wiring.store.begin().await?;
            grants::put(&mut db, &failed).await?;
            db.commit().await?;
        }
        finished
    }

    /// A merchant's browser came back: finds out what the answer belongs to, and takes its state out of use, so that
    /// each answer is worked on once.
    pub async fn take_answer(&self, side: Side, answer: Answer) -> Result<Taken, OauthError> {
        const UNKNOWN: OauthError = OauthError::NotAsked(
            "this address does not belong to anything that Concord has asked for, was used already, or is more than 10 \
             minutes old: nothing was connected. Start anew.",
        );
        let now = self.wiring.clock.now();
        let mut db = self.wiring.store.begin().await?;
        let state = answer.state.as_deref().filter(|state| !state.is_empty());
        let grant = match state {
            Some(state) => grant_of(state),
            // E-Series is not known to hand the state back (section 1.3 of its reference). Without it, the answer can
            // only belong to the one that waits; and whoever uses the grant has to name the store.
            None if side == Side::ESeries => grants::only_waiting(&mut db, side, now).await?,
            None => None,
        };
        let Some(grant) = grant else { return Err(UNKNOWN) };
        let row = grants::lock(&mut db, grant, side).await?;
        let row = row.filter(|row| row.outcome == Outcome::Waiting && row.expires_at > now);
        let Some(mut row) = row else { return Err(UNKNOWN) };
        let proved = state.is_none_or(|state| {
            let known = row.state_hash.clone().unwrap_or_default();
            hash(state).as_bytes().ct_eq(known.as_bytes()).into()
        });
        if !proved {
            return Err(UNKNOWN);
        }
        row.bound = state.is_some();
        row.state_hash = None;
        let refused = match (answer.error, answer.code) {
            (Some(error), _) => Some(in_words(side, &error)),
            (None, None) => Some(in_words(side, "no code came back")),
            (None, Some(code)) => {
                row.outcome = Outcome::Exchanging;
                grants::put(&mut db, &row).await?;
                db.commit().await?;
                return Ok(Taken { row, code });
            }
        };
        (row.outcome, row.reason) = (Outcome::Failed, refused.clone());
        grants::put(&mut db, &without_secrets(row)).await?;
        db.commit().await?;
        Err(OauthError::Refused(refused.unwrap_or_default()))
    }

    async fn trade(
        &self,
        mut row: grants::Row,
        code: &SecretString,
        public_base: &str,
    ) -> Result<Finished, OauthError> {
        let (grant, side) = (row.connection_id, row.side);
        let given = self.exchange(&row, code, public_base).await?;
        if let Some(scopes) = &given.scopes {
            let missing = missing(side, scopes);
            if !missing.is_empty() {
                return Err(OauthError::Refused(format!(
                    "{side} did not grant {}, and without that nothing can be kept in step: nothing was connected. \
                     Let the application have it, then start anew.",
                    missing.join(" and ")
                )));
            }
        }
        // Kept before they are used.
        row.access = Some(self.sealed(grant, access_kind(side), &given.access)?);
        row.refresh =
            given.refresh.as_ref().map(|refresh| self.sealed(grant, REFRESH, refresh)).transpose()?;
        row.scopes = given.scopes.as_ref().map(|scopes| scopes.join(" "));
        row.account = given.account;
        row.verifier = None;
        row.expires_at = after(self.wiring.clock.now(), GRANT_LIFE);
        self.keep(&row).await?;
        let account = self.prove_grant(side, &given).await?;
        row.account = Some(account);
        if row.reconnect {
            self.use_for(grant, side, account, given).await?;
            return Ok(Finished::Reconnected(grant));
        }
        row.outcome = Outcome::Granted;
        self.keep(&row).await?;
        info!(%grant, %side, account, "granted");
        Ok(Finished::Granted { grant, account, unbound: !row.bound })
    }

    async fn exchange(
        &self,
        row: &grants::Row,
        code: &SecretString,
        public_base: &str,
    ) -> Result<Given, OauthError> {
        let wiring = &self.wiring;
        let transport = self.sign_in(row.side);
        match row.side {
            Side::RSeries => {
                let sealed = row.verifier.as_deref().unwrap_or_default();
                let verifier = wiring.unseal(row.connection_id, VERIFIER, sealed).map_err(call)?;
                let app = self.r_app()?;
                let pair = rseries::oauth::exchange(&transport, app, code, &verifier, &wiring.clock);
                let pair = pair.await.map_err(call)?;
                let claims = rseries::oauth::claims(&pair.access);
                Ok(Given {
                    access: pair.access,
                    refresh: Some(pair.refresh),
                    account: claims.account,
                    scopes: claims.scopes,
                })
            }
            Side::ESeries => {
                let back = redirect_uri(public_base, row.side);
                let app = self.e_app()?;
                let granted = eseries::oauth::exchange(&transport, &app, code, &back, &wiring.clock);
                let granted = granted.await.map_err(call)?;
                Ok(Given {
                    access: granted.access,
                    refresh: None,
                    account: Some(granted.store_id),
                    scopes: Some(granted.scopes),
                })
            }
        }
    }

    /// The tokens work, and whose they are.
    async fn prove_grant(&self, side: Side, given: &Given) -> Result<i64, OauthError> {
        match side {
            Side::RSeries => {
                // Asked without an account in the address, so that any will do.
                let named = given.account.unwrap_or_default();
                let (client, _) = self.new_r(named, given.access.clone(), None);
                let accounts = client.account_ids().await.map_err(call)?;
                let only = accounts.first().and_then(|account| account.parse().ok());
                only.ok_or_else(|| OauthError::Refused("R-Series names no account for these tokens.".into()))
            }
            Side::ESeries => {
                let store = given.account.unwrap_or_default();
                let profile = self.new_e(store, given.access.clone()).profile().await.map_err(call)?;
                Ok(profile.store_id)
            }
        }
    }

    /// The tokens take the place of those of the connection.
    async fn use_for(
        &self,
        connection: ConnectionId,
        side: Side,
        account: i64,
        given: Given,
    ) -> Result<(), OauthError> {
        let mut db = self.wiring.store.begin().await?;
        let row = connections::get(&mut db, connection).await?.ok_or(OauthError::NoConnection)?;
        drop(db);
        let wanted = if side == Side::RSeries { row.r_account_id } else { row.e_store_id };
        let other = |found: String| ReconnectError::OtherAccount { side, found, wanted };
        if account != wanted {
            let what = if side == Side::RSeries { "account" } else { "store" };
            return Err(OauthError::OtherAccount(other(format!("{what} {account}")).to_string()));
        }
        let mut replacement = Replacement { grants: vec![(connection, side)], ..Replacement::default() };
        match side {
            Side::RSeries => replacement.r = Some((given.access, given.refresh)),
            Side::ESeries => replacement.e = Some(given.access),
        }
        self.reconnect(&row, replacement).await.map_err(|error| match error {
            ReconnectError::Store(error) => OauthError::Store(error),
            error @ ReconnectError::OtherAccount { .. } => OauthError::OtherAccount(error.to_string()),
            ReconnectError::NotProved(ConnectError::NotNow { why, .. }) => not_now(&why),
            error @ ReconnectError::NotProved(_) => OauthError::Refused(error.to_string()),
        })
    }

    /// What became of a grant; none when there is, or was, no such one.
    pub async fn grant(&self, side: Side, grant: ConnectionId) -> Result<Option<grants::Row>, StoreError> {
        let mut db = self.wiring.store.begin().await?;
        Ok(grants::lock(&mut db, grant, side).await?.map(without_secrets))
    }

    /// Tokens out of a grant, for a connection. `named` is the account that the operator expects, if he says so.
    /// The grant stays until the connection is made.
    pub async fn redeem(
        &self,
        side: Side,
        grant: ConnectionId,
        named: Option<i64>,
    ) -> Result<Redeemed, OauthError> {
        let unfit = |words: &str| OauthError::Unfit(format!("{side}: {words}"));
        let mut db = self.wiring.store.begin().await?;
        let row = grants::lock(&mut db, grant, side).await?;
        drop(db);
        let row = row.filter(|row| !row.reconnect);
        let row = row.ok_or_else(|| {
            unfit("there is no such grant: take it from the answer of POST /v1/oauth/…/start")
        })?;
        let now = self.wiring.clock.now();
        match row.outcome {
            Outcome::Granted if row.expires_at > now => {}
            Outcome::Granted => return Err(unfit("the grant has run out: start anew")),
            Outcome::Waiting => {
                return Err(unfit("the merchant has not granted it yet: open authorize_url in a browser"));
            }
            Outcome::Exchanging => {
                return Err(unfit("the grant is being proved; if that takes more than a minute, start anew"));
            }
            Outcome::Failed => {
                return Err(OauthError::Refused(side.says(&row.reason.unwrap_or_default())));
            }
            Outcome::Done => return Err(OauthError::Spent(side)),
        }
        let account = row.account.ok_or_else(|| unfit("the grant names no account: start anew"))?;
        match named {
            Some(named) if named != account => {
                return Err(unfit(&format!("the grant is of {account}, and you name {named}")));
            }
            None if !row.bound => {
                return Err(unfit(&format!(
                    "the platform did not hand the state back, so it is not certain that it was you who granted this: \
                     if {account} is your store, send it along as store_id"
                )));
            }
            _ => {}
        }
        let open = |kind: &str, sealed: &[u8]| self.wiring.unseal(grant, kind, sealed).map_err(call);
        Ok(Redeemed {
            account,
            access: open(access_kind(side), row.access.as_deref().unwrap_or_default())?,
            refresh: row.refresh.as_deref().map(|sealed| open(REFRESH, sealed)).transpose()?,
        })
    }

    async fn keep(&self, row: &grants::Row) -> Result<(), StoreError> {
        let mut db = self.wiring.store.begin().await?;
        grants::put(&mut db, row).await?;
        db.commit().await
    }

    fn sealed(&self, grant: ConnectionId, kind: &str, secret: &SecretString) -> Result<Vec<u8>, StoreError> {
        let sealed = self.wiring.vault.seal(&self.wiring.ids, grant, kind, secret);
        sealed.map_err(|error| StoreError::Unreadable(error.to_string()))
    }
}

fn without_secrets(row: grants::Row) -> grants::Row {
    grants::Row { state_hash: None, verifier: None, access: None, refresh: None, ..row }
}

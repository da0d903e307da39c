//! Connecting anew: other tokens for a connection that exists, which keeps its links and everything else.

use std::sync::Arc;

use secrecy::SecretString;
use tracing::info;

use super::accounts::Accounts;
use super::connect::{ConnectError, Problem, not_proved, prove_e, prove_r};
use super::settings::{Settings, WebSales};
use super::shops::Shops;
use super::tokens::{E_ACCESS, NewTokens, R_ACCESS, R_REFRESH};
use crate::catalog::Side;
use crate::ids::ConnectionId;
use crate::platforms::transport::Transport;
use crate::platforms::{Gate, eseries, rseries};
use crate::store::{StoreError, connections, grants};

/// Tokens that take the place of those that are stored.
#[derive(Debug, Default)]
pub struct Replacement {
    /// R-Series access token, and refresh token if there is one.
    pub r: Option<(SecretString, Option<SecretString>)>,
    /// E-Series access token.
    pub e: Option<SecretString>,
    /// Grants that they come from: used up once they are stored.
    pub grants: Vec<(ConnectionId, Side)>,
}

/// Why a connection was not connected anew. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReconnectError {
    /// A platform did not accept the tokens.
    #[error(transparent)]
    NotProved(ConnectError),
    /// The tokens belong to somebody else: what is linked here is not there.
    #[error(
        "{side}: the tokens belong to {found}, and this connection is of {wanted}. Connect with the same account, or \
         make a connection of its own for the other one"
    )]
    OtherAccount {
        /// Which side.
        side: Side,
        /// Whose they are.
        found: String,
        /// Whose they had to be.
        wanted: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn refused(side: Side, problem: impl Into<Problem>) -> ReconnectError {
    ReconnectError::NotProved(not_proved(side, problem.into()))
}

impl Accounts {
    /// Proves the tokens, stores them, and has the connection worked on again. An operator's pause stays.
    pub async fn reconnect(
        &self,
        row: &connections::Row,
        replacement: Replacement,
    ) -> Result<(), ReconnectError> {
        let (mut r_pair, mut web_sale) = (None, None);
        if let Some((access, refresh)) = replacement.r {
            let (client, tokens) = self.new_r(row.r_account_id, access, refresh);
            let accounts = client.account_ids().await.map_err(|error| refused(Side::RSeries, error))?;
            if !accounts.contains(&row.r_account_id.to_string()) {
                let found = format!("account {}", accounts.join(", "));
                return Err(ReconnectError::OtherAccount {
                    side: Side::RSeries,
                    found,
                    wanted: row.r_account_id,
                });
            }
            let wanted = |open: &[i64]| Shops::first(open, &row.r_shop_ids, Some(row.r_primary_shop_id));
            let proved = prove_r(&client, row.r_account_id, wanted).await;
            proved.map_err(|problem| refused(Side::RSeries, problem))?;
            let settings: Settings = serde_json::from_value(row.settings.clone()).unwrap_or_default();
            if settings.web_sales == WebSales::Sale {
                let proved = super::booking::prove(&client, row.r_primary_shop_id).await;
                web_sale = proved.map_err(ReconnectError::NotProved)?;
            }
            r_pair = Some(tokens.pair.lock().await.clone());
        }
        if let Some(access) = &replacement.e {
            let client = self.new_e(row.e_store_id, access.clone());
            prove_e(&client, row.e_store_id).await.map_err(|problem| refused(Side::ESeries, problem))?;
        }

        let wiring = &self.wiring;
        let mut db = wiring.store.begin().await?;
        let mut secrets = Vec::new();
        // The refresh token first: whoever is trading it has that row.
        match &r_pair {
            Some((access, Some(refresh))) => secrets.extend([(R_REFRESH, refresh), (R_ACCESS, access)]),
            Some((access, None)) => {
                connections::drop_secret(&mut db, row.connection_id, R_REFRESH).await?;
                secrets.push((R_ACCESS, access));
            }
            None => {}
        }
        secrets.extend(replacement.e.as_ref().map(|access| (E_ACCESS, access)));
        wiring.put_secrets_in(&mut db, row.connection_id, &secrets).await?;
        for (grant, side) in &replacement.grants {
            if !grants::done(&mut db, *grant, *side).await? {
                let words = format!("the grant of {side} was used or has run out meanwhile");
                return Err(ReconnectError::NotProved(ConnectError::Invalid(words)));
            }
        }
        let now = wiring.clock.now();
        connections::tokens_replaced(&mut db, row.connection_id, web_sale.as_ref(), now).await?;
        db.commit().await?;
        info!(connection = %row.connection_id, "connected anew");
        self.hurry();
        Ok(())
    }

    pub(super) fn new_r(
        &self,
        account: i64,
        access: SecretString,
        refresh: Option<SecretString>,
    ) -> (rseries::Client, Arc<NewTokens>) {
        let wiring = &self.wiring;
        let tokens = Arc::new(NewTokens::new(wiring.clone(), access, refresh));
        let transport = Transport::new(wiring.http.clone(), wiring.apps.r_series_url.clone());
        let gate = Arc::new(Gate::r_series());
        (rseries::Client::new(transport, account, gate, tokens.clone(), wiring.clock.clone()), tokens)
    }

    pub(super) fn new_e(&self, store: i64, access: SecretString) -> eseries::Client {
        let wiring = &self.wiring;
        let transport = Transport::new(wiring.http.clone(), wiring.apps.e_series_url.clone());
        eseries::Client::new(transport, store, Arc::new(Gate::e_series()), access, wiring.clock.clone())
    }
}

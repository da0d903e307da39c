//! Connecting anew: other tokens for a connection that exists, which keeps its links and everything else.

use std::sync::Arc;

use secrecy::SecretString;
use tracing::info;

use super::accounts::Accounts;
use super::connect::{ConnectError, Problem, ProvedAccount, not_proved, prove_e, prove_r};
use super::settings::{Settings, WebSales};
use super::shops::Shops;
use super::tokens::{E_ACCESS, NewTokens, R_ACCESS, R_REFRESH};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::ids::ConnectionId;
use crate::platforms::transport::Transport;
use crate::platforms::{Gate, eseries, rseries};
use crate::store::connections::Row;
use crate::store::settings_history::{self as history, Author};
use crate::store::{Db, StoreError, connections, dirty, grants};

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
    /// A platform did not accept the tokens, or could not be asked.
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
    /// Proves the tokens, stores them, and has the connection worked on again. An operator's pause stays. Shops that were
    /// archived since are not connected any more, and the price level of the web is the one that the account has now.
    pub async fn reconnect(
        &self,
        row: &connections::Row,
        replacement: Replacement,
    ) -> Result<(), ReconnectError> {
        let (mut r_pair, mut proved) = (None, row.clone());
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
            let still_open = |open: &[i64]| Shops::of(row).still_open(open);
            let account = prove_r(&client, row.r_account_id, still_open).await;
            let ProvedAccount { shops, online_level } =
                account.map_err(|problem| refused(Side::RSeries, problem))?;
            shops.put(&mut proved);
            proved.r_online_level_id = online_level;
            let settings = Settings::of(row);
            if settings.web_sales == WebSales::Sale {
                let booking = super::booking::prove(&client, proved.r_primary_shop_id).await;
                proved.web_sale = booking.map_err(ReconnectError::NotProved)?;
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
                return Err(ReconnectError::NotProved(ConnectError::GrantSpent(*side)));
            }
        }
        let now = wiring.clock.now();
        self.put_proved(&mut db, row, proved, now).await?;
        db.commit().await?;
        info!(connection = %row.connection_id, "connected anew");
        self.hurry();
        Ok(())
    }

    /// Stores what the account has shown, with all that follows from it. Whoever has chosen other shops since `was` was
    /// read, or another way to book sales, has asked the account as well: that stays.
    async fn put_proved(&self, db: &mut Db, was: &Row, proved: Row, now: Instant) -> Result<(), StoreError> {
        let connection = was.connection_id;
        let reads = |row: &Row| (Shops::of(row), row.r_online_level_id);
        if reads(&proved) != reads(was) {
            // Before the row of the connection: a visit locks them in this order.
            dirty::mark_all(db, connection, false, now).await?;
        }
        let generation = history::generation(db, connection, true).await?;
        let Some((present, generation)) = connections::get(db, connection).await?.zip(generation) else {
            return Ok(());
        };
        let mut row = present.clone();
        row.r_online_level_id = proved.r_online_level_id;
        let chosen = |row: &Row| (Shops::of(row), row.web_sale.clone(), row.settings.clone());
        if chosen(&present) == chosen(was) {
            Shops::of(&proved).put(&mut row);
            row.web_sale = proved.web_sale;
        }
        let author = Author {
            name: "connecting anew",
            id: "reconnect",
            cause: "shops that were archived since are not connected any more",
        };
        history::tell(db, &self.wiring.ids, (&present, generation), &row, author, now).await?;
        connections::tokens_replaced(db, &row, now).await
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

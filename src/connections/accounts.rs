//! Opening a connection for work: its clients, gates and settings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::booking::Booking;
use super::grant::Grant;
use super::settings::{BornOnline, GoneOnline, Settings, WebSales, limits};
use super::tenure::Tenure;
use super::tokens::{E_ACCESS, R_WEBHOOK, StoredTokens};
use crate::catalog::{Caps, Limits, Rules, Tree};
use crate::clock::{Instant, SharedClock, after};
use crate::ids::{ConnectionId, SharedIds};
use crate::mapping::Context;
use crate::platforms::gate::Tally;
use crate::platforms::pictures::{PictureHost, StorePictures};
use crate::platforms::transport::{HttpClient, Transport};
use crate::platforms::{CallError, Gate, eseries, rseries};
use crate::store::{Store, StoreError, connections};
use crate::vault::Vault;

/// Drips that a visit may need on R-Series. A visit that runs dry half-way has paid for its look in vain.
const R_ROOM: f64 = 10.0;
/// Calls that a visit may need on E-Series.
const E_ROOM: f64 = 8.0;

/// Concord's applications as registered with the vendor, and where the platforms are.
#[derive(Debug, Clone)]
pub struct PlatformApps {
    /// Base of the R-Series API.
    pub r_series_url: Url,
    /// Base of R-Series' sign-in.
    pub r_series_auth_url: Url,
    /// The R-Series application, for renewing tokens.
    pub r_series: Option<rseries::oauth::App>,
    /// Where R-Series keeps its pictures: the only host from which any of the shop's are read.
    pub r_series_images_url: Url,
    /// E-Series can read pictures from there by itself.
    pub r_series_images_public: bool,
    /// Where E-Series keeps its pictures: what exists there alone is read from these hosts before it goes.
    pub e_series_images_urls: Vec<Url>,
    /// Base of the E-Series API.
    pub e_series_url: Url,
    /// Base of E-Series' sign-in.
    pub e_series_auth_url: Url,
    /// The E-Series application's `client_id`.
    pub e_series_id: Option<String>,
    /// The E-Series application's secret: the key of its webhooks.
    pub e_series_secret: Option<SecretString>,
}

/// What everything about accounts needs.
#[derive(Debug)]
pub struct Wiring {
    pub(super) store: Store,
    pub(super) vault: Vault,
    pub(super) apps: PlatformApps,
    pub(super) http: HttpClient,
    pub(super) clock: SharedClock,
    pub(super) ids: SharedIds,
}

impl Wiring {
    pub(super) async fn secret(
        &self,
        connection: ConnectionId,
        kind: &str,
    ) -> Result<Option<SecretString>, CallError> {
        let sealed = async {
            let mut db = self.store.begin().await?;
            connections::get_secret(&mut db, connection, kind).await
        };
        match sealed.await.map_err(|error| self.later(&error))? {
            None => Ok(None),
            Some(sealed) => self.unseal(connection, kind, &sealed).map(Some),
        }
    }

    pub(super) fn unseal(
        &self,
        connection: ConnectionId,
        kind: &str,
        sealed: &[u8],
    ) -> Result<SecretString, CallError> {
        let opened = self.vault.open(connection, kind, sealed);
        opened.map_err(|error| CallError::Account { why: error.to_string() })
    }

    pub(super) async fn put_secrets_in(
        &self,
        db: &mut crate::store::Db,
        connection: ConnectionId,
        secrets: &[(&str, &SecretString)],
    ) -> Result<(), StoreError> {
        for (kind, secret) in secrets {
            let sealed = self.vault.seal(&self.ids, connection, kind, secret);
            let sealed = sealed.map_err(|error| StoreError::Unreadable(error.to_string()))?;
            let now = self.clock.now();
            connections::put_secret(&mut *db, connection, kind, &sealed, self.vault.key_id(), now).await?;
        }
        Ok(())
    }

    fn pictures(&self) -> PictureHost {
        let PlatformApps { r_series_images_url, r_series_images_public, .. } = &self.apps;
        PictureHost::new(self.http.clone(), r_series_images_url.clone(), *r_series_images_public)
    }

    pub(super) fn later(&self, error: &StoreError) -> CallError {
        CallError::Later { until: after(self.clock.now(), Duration::from_secs(1)), why: error.to_string() }
    }
}

/// A connection, opened for work.
#[derive(Debug, Clone)]
pub struct Account {
    /// Id.
    pub connection_id: ConnectionId,
    /// For translation.
    pub context: Context,
    /// Way and rule per field.
    pub rules: Rules,
    /// How pieces sold on the web are booked as sales; none while they are booked as counts.
    pub booking: Option<Booking>,
    /// The shop's tree of categories as it was last read from the database by whoever needs it; empty otherwise.
    pub tree: Tree,
    /// How much the sweep may take away.
    pub caps: Caps,
    /// How much may be online.
    pub limits: Limits,
    /// How much of that is known to be free.
    pub grant: Arc<Grant>,
    /// Where the shop's pictures are.
    pub pictures: Arc<PictureHost>,
    /// Where those are that the store shows.
    pub store_pictures: StorePictures,
    /// What becomes of what is born on E-Series.
    pub born_online: BornOnline,
    /// What becomes of what is deleted there.
    pub gone_online: GoneOnline,
    /// R-Series.
    pub r: rseries::Client,
    /// E-Series.
    pub e: eseries::Client,
}

/// What a connection keeps between visits.
#[derive(Debug)]
struct Kept {
    r_gate: Arc<Gate>,
    e_gate: Arc<Gate>,
    tokens: Mutex<KeptTokens>,
    grant: Arc<Grant>,
    pictures: Arc<PictureHost>,
}

/// Tokens as they were when this generation of them was stored.
#[derive(Debug, Clone)]
struct KeptTokens {
    generation: i64,
    r: Arc<StoredTokens>,
    e: Option<SecretString>,
}

impl KeptTokens {
    fn new(wiring: &Arc<Wiring>, connection: ConnectionId, generation: i64) -> Self {
        Self { generation, r: Arc::new(StoredTokens::new(wiring.clone(), connection)), e: None }
    }
}

impl Kept {
    fn tokens<T>(&self, use_it: impl FnOnce(&mut KeptTokens) -> T) -> T {
        use_it(&mut self.tokens.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn closed_until(&self, now: Instant) -> Option<Instant> {
        let rooms = [self.r_gate.room_for(R_ROOM, now), self.e_gate.room_for(E_ROOM, now)];
        rooms.into_iter().filter_map(Result::err).max()
    }
}

/// All connections.
#[derive(Debug)]
pub struct Accounts {
    pub(super) wiring: Arc<Wiring>,
    pub(super) tenure: Tenure,
    kept: Mutex<HashMap<ConnectionId, Arc<Kept>>>,
}

impl Accounts {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(
        store: Store,
        vault: Vault,
        apps: PlatformApps,
        http: HttpClient,
        clock: SharedClock,
        ids: SharedIds,
    ) -> Self {
        let wiring = Arc::new(Wiring { store, vault, apps, http, clock, ids });
        Self { wiring, tenure: Tenure::default(), kept: Mutex::new(HashMap::new()) }
    }

    /// The applications and addresses.
    #[must_use]
    pub fn apps(&self) -> &PlatformApps {
        &self.wiring.apps
    }

    /// Opens a connection for work.
    pub async fn open(&self, row: &connections::Row) -> Result<Account, CallError> {
        let kept = self.kept(row.connection_id);
        let known = kept.tokens(|tokens| {
            if tokens.generation != row.token_generation {
                // Others were stored, perhaps by another process.
                *tokens = KeptTokens::new(&self.wiring, row.connection_id, row.token_generation);
            }
            tokens.clone()
        });
        let e_token = match known.e {
            Some(token) => token,
            None => {
                let token = self.wiring.secret(row.connection_id, E_ACCESS).await?;
                let missing = || CallError::Account { why: "no E-Series access token is stored".into() };
                let token = token.ok_or_else(missing)?;
                kept.tokens(|tokens| {
                    if tokens.generation == row.token_generation {
                        tokens.e = Some(token.clone());
                    }
                });
                token
            }
        };
        let settings = Settings::of(row);
        let wiring = &self.wiring;
        let r_transport = Transport::new(wiring.http.clone(), wiring.apps.r_series_url.clone());
        let e_transport = Transport::new(wiring.http.clone(), wiring.apps.e_series_url.clone());
        let clock = || wiring.clock.clone();
        Ok(Account {
            connection_id: row.connection_id,
            context: Context {
                shop_ids: row.r_shop_ids.clone(),
                primary_shop_id: row.r_primary_shop_id,
                online_level: row.r_online_level_id,
                sku_source: settings.sku_source,
                whole_prices: row.e_price_decimals == Some(0),
            },
            rules: settings.rules(),
            booking: row
                .web_sale
                .clone()
                .filter(|_| settings.web_sales == WebSales::Sale)
                .and_then(|json| serde_json::from_value(json).ok()),
            tree: Tree::default(),
            caps: settings.caps,
            limits: limits(row, &settings),
            grant: kept.grant.clone(),
            pictures: kept.pictures.clone(),
            store_pictures: StorePictures::new(&self.wiring.http, &self.wiring.apps.e_series_images_urls),
            born_online: settings.born_online,
            gone_online: settings.gone_online,
            r: rseries::Client::new(r_transport, row.r_account_id, kept.r_gate.clone(), known.r, clock()),
            e: eseries::Client::new(e_transport, row.e_store_id, kept.e_gate.clone(), e_token, clock()),
        })
    }

    /// The key with which notices at the R-Series door of this connection are signed.
    pub async fn r_webhook_secret(
        &self,
        connection: ConnectionId,
    ) -> Result<Option<SecretString>, CallError> {
        self.wiring.secret(connection, R_WEBHOOK).await
    }

    /// Connections whose gates have no room for a visit now, and when the first of them will.
    #[must_use]
    pub fn closed(&self, now: Instant) -> (Vec<ConnectionId>, Option<Instant>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let closed =
            kept.iter().filter_map(|(connection, kept)| Some((*connection, kept.closed_until(now)?)));
        let closed: Vec<(ConnectionId, Instant)> = closed.collect();
        let opens = closed.iter().map(|(_, until)| *until).min();
        (closed.into_iter().map(|(connection, _)| connection).collect(), opens)
    }

    /// Until when this connection's gates have no room for a visit, if they have none.
    #[must_use]
    pub fn closed_until(&self, connection: ConnectionId, now: Instant) -> Option<Instant> {
        self.kept(connection).closed_until(now)
    }

    pub(super) fn tally(&self, connection: ConnectionId, others: usize, now: Instant) -> Tally {
        self.kept(connection).e_gate.tally(others, now)
    }

    pub(super) fn lend(&self, connection: ConnectionId, tally: &Tally, until: Instant) {
        self.kept(connection).e_gate.lend(tally, until);
    }

    pub(super) fn take_back(&self, connection: ConnectionId, now: Instant) {
        self.kept(connection).e_gate.take_back(now);
    }

    pub(super) fn count_in(&self, connection: ConnectionId, before: &[(i64, u32)], now: Instant) {
        self.kept(connection).e_gate.count_in(before, now);
    }

    /// The share of the call quota that is left on R-Series and on E-Series, of the connections that are worst off;
    /// 1 while nobody has called.
    #[must_use]
    pub fn quota_left(&self, now: Instant) -> [f64; 2] {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values()
            .fold([1.0, 1.0], |[r, e], kept| [kept.r_gate.left(now).min(r), kept.e_gate.left(now).min(e)])
    }

    /// Forgets what is kept about a connection that is gone.
    pub fn forget(&self, connection: ConnectionId) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
    }

    fn kept(&self, connection: ConnectionId) -> Arc<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let e_gate = Arc::new(Gate::e_series());
            let now = self.wiring.clock.now();
            if self.tenure.is_elsewhere(connection, now) {
                e_gate.take_back(now);
            }
            Arc::new(Kept {
                r_gate: Arc::new(Gate::r_series()),
                e_gate,
                tokens: Mutex::new(KeptTokens::new(&self.wiring, connection, 0)),
                grant: Arc::new(Grant::default()),
                pictures: Arc::new(self.wiring.pictures()),
            })
        };
        kept.entry(connection).or_insert_with(new).clone()
    }
}

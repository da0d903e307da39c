//! `concord serve` and `concord migrate`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tracing::warn;

use super::database::Database;
use super::service::{Capacity, Parts, Running};
use super::{say, told_to_stop};
use crate::clock::{AgreedClock, Clock, SharedClock, SystemClock, after};
use crate::config::Config;
use crate::connections::PlatformApps;
use crate::http::auth::AdminToken;
use crate::http::limits::Rates;
use crate::http::listen;
use crate::ids::{GeneratedIds, SharedIds};
use crate::platforms::rseries::oauth::App;
use crate::platforms::transport::Limits;
use crate::store::{Store, StoreError, instance};
use crate::sweep::upkeep::{Retention, days};
use crate::telemetry;
use crate::turnstile::Turnstile;

/// Where the hash of a generated admin token is kept.
const TOKEN_HASH: &str = "admin_token_hash";

/// How often a process sets its clock by the database's: quartz goes wrong by far less than a second in between.
const AGREE_EVERY: Duration = Duration::from_secs(30);
/// The time is taken from an answer that came within this.
const EXACT: Duration = Duration::from_secs(1);

pub(super) async fn run(config: &Config, no_migrate: bool) -> anyhow::Result<u8> {
    telemetry::start_logging(&config.log, config.log_format).map_err(anyhow::Error::msg)?;
    warn_of_gaps(config);
    let agreed = AgreedClock::starting_at(SystemClock.now());
    let clock: SharedClock = Arc::new(agreed.clone());
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    // Whoever says stop while it starts is heard too.
    let mut told = std::pin::pin!(told_to_stop());
    // First the address: a service that cannot listen must not start a database.
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("{} cannot be listened on; choose another address with CONCORD_LISTEN", config.listen)
    })?;
    let (store, vault, cluster) = Database::open(config, &clock, &ids).await?.into_parts();
    let served = async {
        // Each migration is one transaction, so it can be left at any time.
        tokio::select! {
            migrated = migrate_or_refuse(&store, no_migrate) => migrated?,
            () = &mut told => return Ok(()),
        }
        agree(&agreed, &store).await?;
        let admin = admin_token(config, &store, &ids).await?;
        let public_base = config.public_base(listener.local_addr()?);
        let parts = Parts {
            store: store.clone(),
            vault,
            apps: apps(config),
            admin,
            rates: rates(config)?,
            sweep_interval: config.sweep_interval(),
            retention: retention(config),
            limits: Limits::default(),
            clock: clock.clone(),
            ids: ids.clone(),
            turnstile: Turnstile::default(),
        };
        let running = Running::start(parts, listener, &public_base, capacity(config))?;
        tokio::select! {
            () = told => {}
            () = keep_agreeing(&agreed, &store) => {}
        }
        running.stop().await;
        anyhow::Ok(())
    };
    let served = served.await;
    store.close().await;
    Database::close(cluster).await?;
    served.map(|()| 0)
}

/// Concord starts without its applications at the platforms, so that it can be looked at; but not without a word.
fn warn_of_gaps(config: &Config) {
    if config.e_series_client_secret.is_none() {
        warn!("CONCORD_E_SERIES_CLIENT_SECRET is not set: every notice of E-Series will be refused");
    }
    if config.r_series_client_id.is_none() || config.r_series_client_secret.is_none() {
        warn!(
            "CONCORD_R_SERIES_CLIENT_ID or CONCORD_R_SERIES_CLIENT_SECRET is not set: no token can be renewed"
        );
    }
}

pub(super) async fn migrate(config: &Config) -> anyhow::Result<u8> {
    telemetry::start_logging(&config.log, config.log_format).map_err(anyhow::Error::msg)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    let (store, _, cluster) = Database::open(config, &clock, &ids).await?.into_parts();
    let migrated = store.migrate().await;
    store.close().await;
    Database::close(cluster).await?;
    migrated?;
    say("All migrations are applied.");
    Ok(0)
}

/// Sets the clock by the database's. An answer that took long tells too little, and is left.
async fn agree(agreed: &AgreedClock, store: &Store) -> Result<(), StoreError> {
    let asked = agreed.now();
    let time = store.time().await?;
    let took = (agreed.now() - asked).to_std().unwrap_or_default();
    if took < EXACT {
        let behind = agreed.agree(after(time, took / 2));
        if behind.abs() > chrono::TimeDelta::seconds(1) {
            let seconds = behind.as_seconds_f64();
            warn!(seconds, "this process's clock was behind the database's; it is set by it");
        }
    }
    Ok(())
}

/// For as long as the service runs.
async fn keep_agreeing(agreed: &AgreedClock, store: &Store) {
    loop {
        agreed.sleep_until(after(agreed.now(), AGREE_EVERY)).await;
        // A database that is away is reported by those who need it.
        let _ = agree(agreed, store).await;
    }
}

async fn migrate_or_refuse(store: &Store, no_migrate: bool) -> anyhow::Result<()> {
    if !no_migrate {
        return Ok(store.migrate().await?);
    }
    let pending = store.pending_migrations().await?;
    if !pending.is_empty() {
        bail!("migrations are pending ({pending:?}): run `concord migrate`, or start without --no-migrate");
    }
    Ok(())
}

/// The admin token that is given; else the one that was generated before; else a new one, printed once.
async fn admin_token(config: &Config, store: &Store, ids: &SharedIds) -> anyhow::Result<AdminToken> {
    if let Some(token) = &config.admin_token {
        return Ok(AdminToken::new(token));
    }
    let mut db = store.begin().await?;
    if let Some(known) = instance::get(&mut db, TOKEN_HASH).await?.as_deref().and_then(AdminToken::from_hash)
    {
        return Ok(known);
    }
    let mut bytes = [0_u8; 24];
    ids.fill(&mut bytes);
    let token = format!("concord_{}", hex::encode(bytes));
    let admin = AdminToken::new(&SecretString::from(token.clone()));
    let kept = instance::put_once(&mut db, TOKEN_HASH, &admin.hash()).await?;
    db.commit().await?;
    if kept == admin.hash() {
        say(&format!("Access token for the REST interface and the console (shown once): {token}"));
    }
    AdminToken::from_hash(&kept).context("the stored hash of the access token is not readable")
}

/// How often one may ask.
fn rates(config: &Config) -> anyhow::Result<Rates> {
    let proxies = config.trusted_proxies.iter().map(|text| text.parse().map_err(anyhow::Error::msg));
    Ok(Rates {
        per_key: config.key_rate,
        per_address: config.address_rate,
        refused_notices: config.refused_notice_rate,
        proxies: proxies.collect::<anyhow::Result<_>>().context("CONCORD_TRUSTED_PROXIES")?,
    })
}

/// Files that are open besides connections at the front door: database, platforms, logs.
const OTHER_FILES: u64 = 256;

/// How much is done at once, within what the system allows.
fn capacity(config: &Config) -> Capacity {
    let mut door = listen::Limits { connections: config.max_connections, ..listen::Limits::default() };
    let wanted = (door.connections as u64).saturating_add(door.reserve as u64).saturating_add(OTHER_FILES);
    let files = open_files(wanted);
    if files < wanted {
        let fits = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
        door.connections = fits.saturating_sub(door.reserve).max(1);
        warn!(files, connections = door.connections, "the limit on open files allows fewer connections");
    }
    Capacity { workers: config.workers, door }
}

/// Raises this process's limit on open files to `wanted` if the system lets it; returns what it is then.
fn open_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is unlimited.
    let current = current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = wanted.min(maximum.unwrap_or(u64::MAX));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    }
}

/// How long ledger and inbox are kept.
fn retention(config: &Config) -> Retention {
    let keep = |number: u32| (number > 0).then(|| days(number));
    Retention { ledger: keep(config.ledger_days), inbox: keep(config.inbox_days) }
}

pub(super) fn apps(config: &Config) -> PlatformApps {
    let r_series = config.r_series_client_id.clone().zip(config.r_series_client_secret.clone());
    PlatformApps {
        r_series_url: config.r_series_api_url.clone(),
        r_series_auth_url: config.r_series_auth_url.clone(),
        r_series: r_series.map(|(client_id, client_secret)| App { client_id, client_secret }),
        // E-Series reads over HTTPS alone (e-series-api.md, section 6.2); from elsewhere it is given the bytes.
        r_series_images_public: config.r_series_images_url.scheme() == "https",
        r_series_images_url: config.r_series_images_url.clone(),
        e_series_images_urls: config.e_series_images_urls.clone(),
        e_series_url: config.e_series_api_url.clone(),
        e_series_auth_url: config.e_series_auth_url.clone(),
        e_series_id: config.e_series_client_id.clone(),
        e_series_secret: config.e_series_client_secret.clone(),
    }
}

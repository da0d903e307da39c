//! The database of a service: the one that is named, or a private cluster; and the key that seals secrets.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine as _;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::SharedClock;
use crate::config::Config;
use crate::ids::SharedIds;
use crate::store::Store;
use crate::store::cluster::{Cluster, Options};
use crate::vault::Vault;

/// Connections of the pool.
const CONNECTIONS: u32 = 16;
/// Name of the database in a private cluster.
const DATABASE: &str = "concord";

/// A database, and the cluster under it if it is ours.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) store: Store,
    pub(super) vault: Vault,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens the database that the configuration names, or starts the private one.
    pub(super) async fn open(config: &Config, clock: &SharedClock, ids: &SharedIds) -> anyhow::Result<Self> {
        if let Some(url) = &config.database_url {
            let Some(key) = &config.master_key else {
                bail!(
                    "CONCORD_MASTER_KEY is not set. With a database of your own, Concord does not invent the key \
                     that seals the merchants' tokens: make one with `head -c 32 /dev/urandom | base64` and keep it \
                     apart from the database."
                );
            };
            let store =
                Store::open(url.expose_secret(), connections(config)).context("CONCORD_DATABASE_URL")?;
            return Ok(Self { store, vault: Vault::new(key)?, cluster: None });
        }
        let data_dir = data_dir(config)?;
        let options = Options { data_dir: data_dir.clone(), durable: true };
        let cluster = Cluster::start(options, clock, ids).await?;
        cluster.ensure_database(DATABASE).await?;
        let key = match &config.master_key {
            Some(key) => key.clone(),
            None => own_key(&data_dir, ids)?,
        };
        let store = Store::open(&cluster.url(DATABASE), connections(config))?;
        Ok(Self { store, vault: Vault::new(&key)?, cluster: Some(cluster) })
    }

    /// Stops the private cluster, if there is one.
    pub(super) async fn close(cluster: Option<Cluster>) -> anyhow::Result<()> {
        match cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }

    /// The store and vault, and the cluster to be stopped at the end.
    pub(super) fn into_parts(self) -> (Store, Vault, Option<Cluster>) {
        (self.store, self.vault, self.cluster)
    }
}

/// Connections of the pool. A visit and a round may each hold one while a token is renewed, and the front door
/// needs some beside them.
pub(super) fn connections(config: &Config) -> u32 {
    let workers = u32::try_from(config.workers).unwrap_or(u32::MAX);
    CONNECTIONS.max(workers.saturating_mul(2).saturating_add(8))
}

/// Where the private cluster and the generated key live.
pub(super) fn data_dir(config: &Config) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &config.data_dir {
        return Ok(dir.clone());
    }
    let home =
        std::env::var_os("HOME").context("set CONCORD_DATA_DIR: there is no HOME to put the data under")?;
    Ok(Path::new(&home).join(".local/share/concord"))
}

/// The key of a private cluster: generated once, readable by its owner only.
pub(super) fn own_key(data_dir: &Path, ids: &SharedIds) -> anyhow::Result<SecretString> {
    let path = data_dir.join("master-key");
    if let Ok(key) = std::fs::read_to_string(&path) {
        return Ok(SecretString::from(key.trim().to_owned()));
    }
    let mut bytes = [0_u8; 32];
    ids.fill(&mut bytes);
    let key = base64::engine::general_purpose::STANDARD.encode(bytes);
    // Beside it first, then renamed: a crash must not leave half a key behind.
    let half = data_dir.join("master-key.new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&half, &path).with_context(|| format!("writing {}", path.display()))?;
    Ok(SecretString::from(key))
}

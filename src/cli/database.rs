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
use crate::store::cluster::{Cluster, Options};
use crate::store::{Store, reach};
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
            let url = url.expose_secret();
            reach::check(url).map_err(|reason| named(&reason))?;
            let store = Store::open(url, connections(config)).context("CONCORD_DATABASE_URL")?;
            // A database that only just starts is waited for a little; then whoever starts hears the reason.
            if store.ping().await.is_err() {
                reach::reach(url, clock).await.map_err(|reason| named(&reason))?;
            }
            return Ok(Self { store, vault: vault(config, key)?, cluster: None });
        }
        let data_dir = data_dir(config)?;
        let options = Options { data_dir: data_dir.clone(), durable: true };
        let cluster = Cluster::start(options, clock, ids).await?;
        cluster.ensure_database(DATABASE).await?;
        let vault = own_vault(config, &data_dir, ids)?;
        let store = Store::open(&cluster.url(DATABASE), connections(config))?;
        Ok(Self { store, vault, cluster: Some(cluster) })
    }

    /// The same for whoever only looks: makes nothing, and none when no cluster was made yet. One that another Concord
    /// runs is looked at while it runs.
    pub(super) async fn look(
        config: &Config,
        clock: &SharedClock,
        ids: &SharedIds,
    ) -> anyhow::Result<Option<Self>> {
        if config.database_url.is_some() {
            return Self::open(config, clock, ids).await.map(Some);
        }
        let data_dir = data_dir(config)?;
        if !Cluster::exists(&data_dir)? {
            return Ok(None);
        }
        let key = data_dir.join(KEY);
        if config.master_key.is_none() && read_key(&key)?.is_none() {
            bail!(
                "{} is missing: nothing that was sealed with it can be opened. Bring it back from a backup",
                key.display()
            );
        }
        let Some(url) = Cluster::visit(&data_dir, DATABASE, clock).await? else {
            return Self::open(config, clock, ids).await.map(Some);
        };
        let store = Store::open(&url, connections(config))?;
        Ok(Some(Self { store, vault: own_vault(config, &data_dir, ids)?, cluster: None }))
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

/// What is wrong with the address of the database, under the name of its setting.
fn named(reason: &str) -> anyhow::Error {
    anyhow::anyhow!("CONCORD_DATABASE_URL {reason}")
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

/// The vault under a key that is given.
fn vault(config: &Config, key: &SecretString) -> anyhow::Result<Vault> {
    let vault = Vault::new(key)?;
    Ok(match &config.old_master_key {
        Some(old) => vault.also(old).context("CONCORD_OLD_MASTER_KEY")?,
        None => vault,
    })
}

/// The vault of a private cluster: under the key that is given, or the generated one.
fn own_vault(config: &Config, data_dir: &Path, ids: &SharedIds) -> anyhow::Result<Vault> {
    if let Some(key) = &config.master_key {
        return vault(config, key);
    }
    let vault = Vault::new(&own_key(data_dir, ids)?)?;
    // A rotation that was broken off: either key may have sealed what is there.
    Ok(match read_key(&data_dir.join(NEXT_KEY))? {
        Some(next) => vault.also(&next)?,
        None => vault,
    })
}

/// Name of the file with the key of a private cluster.
const KEY: &str = "master-key";
/// Name of the file with the key that is to be the next one.
const NEXT_KEY: &str = "master-key.next";

/// The key of a private cluster: generated once, readable by its owner only.
pub(super) fn own_key(data_dir: &Path, ids: &SharedIds) -> anyhow::Result<SecretString> {
    find_or_make(data_dir, KEY, ids)
}

fn read_key(path: &Path) -> anyhow::Result<Option<SecretString>> {
    match std::fs::read_to_string(path) {
        Ok(key) => Ok(Some(SecretString::from(key.trim().to_owned()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn find_or_make(data_dir: &Path, name: &str, ids: &SharedIds) -> anyhow::Result<SecretString> {
    let path = data_dir.join(name);
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    let mut bytes = [0_u8; 32];
    ids.fill(&mut bytes);
    let key = base64::engine::general_purpose::STANDARD.encode(bytes);
    // Beside it first, then renamed: a crash must not leave half a key behind.
    let half = data_dir.join(format!("{name}.new"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&half, &path).with_context(|| format!("writing {}", path.display()))?;
    sync_folder(data_dir)?;
    Ok(SecretString::from(key))
}

/// What was renamed in a folder lasts only once the folder is written.
fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::File::open(folder)?.sync_all().with_context(|| format!("writing {}", folder.display()))
}

/// The keys of a private cluster while one takes the other's place. The next one lies beside the present one until all
/// is sealed under it, so that whatever a crash leaves behind can be opened.
pub(super) struct OwnKeys {
    data_dir: PathBuf,
    present: SecretString,
    next: SecretString,
}

impl OwnKeys {
    /// The present key, and a next one: that of a rotation that was broken off, else a new one.
    pub(super) fn prepare_next(data_dir: &Path, ids: &SharedIds) -> anyhow::Result<Self> {
        Ok(Self {
            present: own_key(data_dir, ids)?,
            next: find_or_make(data_dir, NEXT_KEY, ids)?,
            data_dir: data_dir.to_owned(),
        })
    }

    pub(super) fn present(&self) -> &SecretString {
        &self.present
    }

    pub(super) fn next(&self) -> &SecretString {
        &self.next
    }

    /// All is sealed under the next key: it takes the place of the present one.
    pub(super) fn adopt_next(&self) -> anyhow::Result<()> {
        std::fs::rename(self.data_dir.join(NEXT_KEY), self.data_dir.join(KEY))
            .context("the new key's file")?;
        sync_folder(&self.data_dir)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::ids::GeneratedIds;

    #[test]
    fn keys_take_each_others_place_and_a_broken_off_rotation_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(1));
        let first = own_key(folder.path(), &ids).unwrap();
        let begun = OwnKeys::prepare_next(folder.path(), &ids).unwrap();
        let again = OwnKeys::prepare_next(folder.path(), &ids).unwrap();
        assert_eq!(again.present().expose_secret(), first.expose_secret());
        assert_eq!(again.next().expose_secret(), begun.next().expose_secret());
        assert_ne!(again.next().expose_secret(), first.expose_secret());
        again.adopt_next().unwrap();
        assert_eq!(own_key(folder.path(), &ids).unwrap().expose_secret(), begun.next().expose_secret());
        assert!(read_key(&folder.path().join(NEXT_KEY)).unwrap().is_none());
    }
}

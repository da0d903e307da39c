//! What a demo runs in: a folder with a private Postgres, both sandboxes, and the service; taken down in order.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tracing::warn;

use super::super::database::own_key;
use super::super::service::{Capacity, Parts, Running};
use crate::clock::{SharedClock, SystemClock};
use crate::connections::PlatformApps;
use crate::http::auth::AdminToken;
use crate::http::limits::Rates;
use crate::ids::{GeneratedIds, SharedIds};
use crate::platforms::rseries::oauth::App;
use crate::platforms::transport::Limits;
use crate::sandbox::stage::{Setup, Stage};
use crate::sandbox::{eseries, rseries};
use crate::store::cluster::{Cluster, Options};
use crate::store::{Store, connections};
use crate::turnstile::Turnstile;
use crate::vault::Vault;

/// How the temporary folders are named.
const FOLDER: &str = "concord-demo-";
/// A database of its own: a data directory that a service uses too must keep its connections.
const DATABASE: &str = "concord_demo";
/// Between two polls of the service.
const SWEEP: Duration = Duration::from_secs(30);
/// Connections of the pool.
const CONNECTIONS: u32 = 8;

/// The folder and the Postgres in it.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) clock: SharedClock,
    pub(super) ids: SharedIds,
    folder: PathBuf,
    temporary: bool,
    cluster: Cluster,
}

impl Ground {
    /// Starts Postgres in `data_dir`, or in a fresh temporary folder. Not to be interrupted: what it has begun
    /// could not be taken back.
    pub(super) async fn open(data_dir: Option<PathBuf>) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let ids: SharedIds = Arc::new(GeneratedIds::from_system());
        clear_away_leftovers(&clock, &ids).await;
        let temporary = data_dir.is_none();
        let folder = data_dir.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("{FOLDER}{}", ids.uuid(clock.now()).simple()))
        });
        let options = Options { data_dir: folder.clone(), durable: true };
        match Cluster::start(options, &clock, &ids).await {
            Ok(cluster) => Ok(Self { clock, ids, folder, temporary, cluster }),
            Err(error) => {
                if temporary {
                    remove(&[&folder]);
                }
                Err(error).context("the demo's own Postgres")
            }
        }
    }

    /// A migrated, empty store, and the vault beside it.
    pub(super) async fn store(&self) -> anyhow::Result<(Store, Vault)> {
        self.cluster.ensure_database(DATABASE).await?;
        let vault = Vault::new(&own_key(&self.folder, &self.ids)?)?;
        let store = Store::open(&self.cluster.url(DATABASE), CONNECTIONS)?;
        store.migrate().await?;
        // Sandboxes forget everything when they close, so a connection to earlier ones is of no more use.
        let mut db = store.begin().await?;
        for row in connections::load(&mut db, None).await? {
            connections::delete(&mut db, row.connection_id).await?;
        }
        db.commit().await?;
        Ok((store, vault))
    }

    /// Stops Postgres, and removes the folder if it was ours alone.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        let home = self.cluster.home().to_owned();
        let stopped = self.cluster.stop().await;
        if self.temporary {
            remove(&[&home, &self.folder]);
        }
        Ok(stopped?)
    }
}

/// Both sandboxes and the service.
#[derive(Debug)]
pub(super) struct House {
    pub(super) stage: Stage,
    pub(super) base: String,
    /// How many items are in the shop.
    pub(super) items: usize,
    /// Whether the address is another one than was asked for, because that is taken.
    pub(super) moved: bool,
    pub(super) token: SecretString,
    pub(super) clock: SharedClock,
    running: Running,
}

impl House {
    /// Opens everything.
    pub(super) async fn open(ground: &Ground, options: &super::Options) -> anyhow::Result<Self> {
        let (listener, moved) = listener(options.listen).await?;
        let address = listener.local_addr()?;
        let (store, vault) = ground.store().await?;
        let mut setup = Setup { seed: options.seed, deliver: true, ..Setup::default() };
        if options.no_r_limit {
            (setup.r.bucket_size, setup.r.drip_rate, setup.r.burst_limit) = (1e6, 1e6, 1_000_000);
        }
        let stage = Stage::open(setup, ground.clock.clone()).await.context("opening the sandboxes")?;
        let items = super::fill(&stage, options.catalog.as_deref(), options.items, options.seed)?;

        let mut bytes = [0_u8; 24];
        ground.ids.fill(&mut bytes);
        let token = SecretString::from(format!("demo_{}", hex::encode(bytes)));
        let parts = Parts {
            store,
            vault,
            apps: apps(&stage)?,
            admin: AdminToken::new(&token),
            rates: Rates::default(),
            sweep_interval: SWEEP,
            retention: crate::sweep::upkeep::Retention::default(),
            limits: Limits::default(),
            clock: ground.clock.clone(),
            ids: ground.ids.clone(),
            turnstile: Turnstile::default(),
        };
        // Whoever listens everywhere is reached here too.
        let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        let base = format!("http://{}", SocketAddr::new(host, address.port()));
        let running = Running::start(parts, listener, &base, Capacity::default())?;
        Ok(Self { stage, base, items, moved, token, clock: ground.clock.clone(), running })
    }

    /// Ends the service, then the sandboxes.
    pub(super) async fn close(self) {
        self.running.stop().await;
        self.stage.close().await;
    }
}

fn apps(stage: &Stage) -> anyhow::Result<PlatformApps> {
    let (r, e) = (rseries::Config::default(), eseries::Config::default());
    Ok(PlatformApps {
        r_series_url: stage.r_url().parse()?,
        r_series_auth_url: stage.r_url().parse()?,
        r_series: Some(App { client_id: r.client_id, client_secret: r.client_secret.into() }),
        r_series_images_url: stage.r_url().parse()?,
        r_series_images_public: false,
        e_series_images_urls: vec![stage.e_url().parse()?],
        e_series_url: stage.e_url().parse()?,
        e_series_auth_url: stage.e_url().parse()?,
        e_series_id: Some(e.client_id),
        e_series_secret: Some(e.client_secret.into()),
    })
}

/// A listener on this address, or on any free port beside it; and whether it had to move.
async fn listener(listen: SocketAddr) -> anyhow::Result<(TcpListener, bool)> {
    let wanted = TcpListener::bind(listen).await;
    let (bound, moved) = match wanted {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            (TcpListener::bind(SocketAddr::new(listen.ip(), 0)).await, true)
        }
        other => (other, false),
    };
    let bound =
        bound.with_context(|| format!("{listen} cannot be listened on; choose another with --listen"))?;
    Ok((bound, moved))
}

/// A demo that was killed leaves a folder, and a Postgres that lives on in it. Nobody else would ever stop it.
async fn clear_away_leftovers(clock: &SharedClock, ids: &SharedIds) {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    let own = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let folder = entry.path();
        // Only what is ours: in a folder open to all, anybody can use the name.
        let ours = folder.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == own);
        if !(ours && entry.file_name().to_string_lossy().starts_with(FOLDER)) || in_use(&folder) {
            continue;
        }
        let made =
            folder.join("cluster-location").exists() || folder.join("postgres/data/PG_VERSION").exists();
        let mut home = folder.clone();
        if made {
            // Taking it over is the one safe way to stop a server whose parent is gone.
            let options = Options { data_dir: folder.clone(), durable: true };
            let stopped = match Cluster::start(options, clock, ids).await {
                Ok(cluster) => {
                    cluster.home().clone_into(&mut home);
                    cluster.stop().await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = stopped {
                warn!(folder = %folder.display(), %error, "an earlier demo's folder cannot be cleared away");
                continue;
            }
        }
        remove(&[&home, &folder]);
    }
}

/// Whether a living demo holds the folder. One that is just being made has no lock yet and is left alone too.
fn in_use(folder: &Path) -> bool {
    match fs::OpenOptions::new().read(true).write(true).open(folder.join("concord.lock")) {
        Ok(lock) => lock.try_lock().is_err(),
        Err(_) => true,
    }
}

fn remove(folders: &[&Path]) {
    for folder in folders {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                warn!(folder = %folder.display(), %error, "a temporary folder could not be removed");
            }
            _ => {}
        }
    }
}

//! The life of the service: door, worker and sweep in one process, started and stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::clock::{SharedClock, sleep};
use crate::connections::{Accounts, PlatformApps};
use crate::http::auth::AdminToken;
use crate::http::limits::{Limiter, Rates};
use crate::http::{self, Desk, Pulse, listen};
use crate::ids::SharedIds;
use crate::platforms::transport::{self, Limits};
use crate::queue::Worker;
use crate::receive::Inbox;
use crate::reconcile::Corridor;
use crate::store::Store;
use crate::sweep::Sweep;
use crate::sweep::upkeep::Retention;
use crate::telemetry;
use crate::turnstile::Turnstile;
use crate::vault::Vault;

/// How long running work may take to end after the word to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How long giving back what was dropped may take. Without a database there is nothing to wait for.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// What a service is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database, migrated.
    pub store: Store,
    /// For secrets.
    pub vault: Vault,
    /// Applications and addresses of the platforms.
    pub apps: PlatformApps,
    /// Who may use the REST interface.
    pub admin: AdminToken,
    /// How often one may ask.
    pub rates: Rates,
    /// Between two polls of one connection.
    pub sweep_interval: Duration,
    /// How long ledger and inbox are kept.
    pub retention: Retention,
    /// Time limits of calls to the platforms.
    pub limits: Limits,
    /// The clock.
    pub clock: SharedClock,
    /// Ids.
    pub ids: SharedIds,
    /// What the worker's transactions and all calls pass.
    pub turnstile: Turnstile,
}

/// How much a service does at once.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Groups of visits, each of another connection; as many jobs of the sweep beside them.
    pub workers: usize,
    /// Connections and requests at the front door.
    pub door: listen::Limits,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { workers: 4, door: listen::Limits::default() }
    }
}

/// Everything but the network: what tests step through by hand.
#[derive(Debug)]
pub struct Assembled {
    /// Visits and polls.
    pub worker: Worker,
    /// Handlers.
    pub desk: Desk,
    /// Writes notices down; has to be run.
    pub writer: crate::receive::accept::Writer,
}

/// Puts a service together.
pub fn assemble(parts: Parts, public_base: &str) -> anyhow::Result<Assembled> {
    let Parts { store, vault, apps, admin, rates, sweep_interval, retention, limits, clock, ids, turnstile } =
        parts;
    let desk_store = store.clone();
    let store = store.through(turnstile.clone());
    telemetry::metrics();
    let client = transport::client(limits, clock.clone(), turnstile).context("the HTTP client")?;
    let accounts = Arc::new(Accounts::new(store.clone(), vault, apps, client, clock.clone(), ids.clone()));
    let corridor = Corridor::new(store.clone(), accounts.clone(), clock.clone(), ids.clone());
    let sweep =
        Sweep::new(store.clone(), accounts.clone(), clock.clone(), ids.clone(), sweep_interval, retention);
    let (inbox, writer) = Inbox::new(desk_store.clone(), clock.clone(), ids.clone());
    let worker = Worker::new(corridor.clone(), sweep);
    let pulse = Pulse::default();
    pulse.beat(clock.now());
    let desk = Desk {
        store: desk_store,
        accounts,
        corridor,
        inbox,
        clock,
        ids,
        auth: admin,
        limiter: Arc::new(Limiter::new(rates)),
        public_base: public_base.into(),
        pulse,
        wake: Arc::new(Notify::new()),
        counted: http::Counted::default(),
    };
    Ok(Assembled { worker, desk, writer })
}

/// A running service.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    store: Store,
    clock: SharedClock,
    stop: CancellationToken,
    server: JoinHandle<()>,
    worker: JoinHandle<()>,
    writer: JoinHandle<()>,
    accounts: Arc<Accounts>,
    replica: Uuid,
    tenure: JoinHandle<()>,
    /// Its leases are not extended any more.
    end: CancellationToken,
    /// The same worker, for what it holds when it is dropped.
    hands: Worker,
}

impl Running {
    /// Starts serving on a bound listener.
    pub fn start(
        parts: Parts,
        listener: TcpListener,
        public_base: &str,
        capacity: Capacity,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let Assembled { worker, desk, writer } = assemble(parts, public_base)?;
        let console = format!("{public_base}/");
        let stop = CancellationToken::new();
        let (wake, pulse) = (desk.wake.clone(), desk.pulse.clone());
        let (store, clock) = (desk.store.clone(), desk.clock.clone());
        let (accounts, replica) = (desk.accounts.clone(), desk.ids.uuid(clock.now()));
        // Other processes may work on the same database: each connection is worked on by one of them.
        accounts.begin_tenure();
        let (tenant, leaving, changed) = (accounts.clone(), stop.clone(), wake.clone());
        let (place, end) = (place(address), CancellationToken::new());
        let ending = end.clone();
        let tenure = tokio::spawn(async move {
            let changed = || changed.notify_one();
            tenant.keep_tenure(replica, place.as_deref(), &leaving, &ending, changed).await;
        });
        let woken = wake.clone();
        let writer = tokio::spawn(writer.run(CancellationToken::new(), move || woken.notify_one()));
        let (working, hands) = (stop.clone(), worker.clone());
        let worker = tokio::spawn(async move {
            worker.run(capacity.workers, &wake, &working, |now| pulse.beat(now)).await;
        });
        let serving = listen::serve(listener, http::app(desk), capacity.door, clock.clone(), stop.clone());
        let server = tokio::spawn(serving);
        info!(%address, %console, "listening");
        Ok(Self {
            address,
            store,
            clock,
            stop,
            server,
            worker,
            writer,
            accounts,
            replica,
            tenure,
            end,
            hands,
        })
    }

    /// Takes no more work, finishes what runs, and ends; what does not end in time is dropped and given back, and
    /// found again by the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        let mut running = [self.server, self.worker];
        let ended = async {
            for task in &mut running {
                let _ = task.await;
            }
        };
        tokio::select! {
            () = ended => {}
            () = sleep(&self.clock, GRACE) => warn!("what still ran was dropped"),
        }
        for task in &running {
            task.abort();
        }
        let [_, worker] = &mut running;
        // Given back only once nobody works on it any more.
        if !worker.is_finished() {
            let _ = worker.await;
        }
        self.end.cancel();
        let give_back = async {
            let _ = self.tenure.await;
            self.hands.give_back().await?;
            self.accounts.end_tenure(self.replica).await
        };
        tokio::select! {
            given_back = give_back => {
                if let Err(error) = given_back {
                    warn!(%error, "leases were not given back: they run out by themselves");
                }
            }
            () = sleep(&self.clock, GIVE_BACK) => warn!("leases were not given back: they run out by themselves"),
        }
        self.writer.abort();
        self.store.close().await;
    }
}

/// Names where a process listens, if that can be told: this boot of this machine, its network namespace, and the
/// address. Nobody else can listen there, so the process that did so before is gone.
fn place(address: SocketAddr) -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let network = std::fs::read_link("/proc/self/ns/net").ok()?;
    let place = format!("{} {} {address}", boot.trim(), network.display());
    Some(hex::encode(Sha256::digest(place.as_bytes())))
}

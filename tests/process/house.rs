//! What the service runs in: a Postgres that can be killed and comes back, both platforms, and the real binary.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use concord::clock::{self, Clock, Instant, SharedClock, SystemClock};
use concord::ids::{GeneratedIds, SharedIds};
use concord::sandbox::stage::{Setup, Stage};
use concord::sandbox::visitor::Visitor;
use concord::sandbox::{eseries, rseries};
use concord::store::cluster::{Cluster, Options};
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

pub const ADMIN: &str = "process-admin-token-8f31";
pub const MASTER_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const DATABASE: &str = "concord";
/// Longest that a service may take until it is ready, the machine being busy.
const READY: Duration = Duration::from_secs(30);

pub fn system() -> SharedClock {
    Arc::new(SystemClock)
}

pub fn now() -> Instant {
    SystemClock.now()
}

pub fn since(start: Instant) -> Duration {
    (now() - start).to_std().unwrap_or_default()
}

pub async fn pause(span: Duration) {
    clock::sleep(&system(), span).await;
}

/// A port that is free now and that the kernel gives to nobody by itself.
pub fn free_port(dice: &mut ChaCha12Rng) -> u16 {
    loop {
        let port = dice.random_range(20_000..32_000);
        if StdListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A cluster of its own, behind a door whose address stays the same: a server that is started again may take
/// another port.
pub struct Postgres {
    cluster: Option<Cluster>,
    port: Arc<AtomicU16>,
    door: JoinHandle<()>,
    pub url: String,
    folder: PathBuf,
}

impl Postgres {
    pub async fn start(folder: &Path, dice: &mut ChaCha12Rng) -> Self {
        let folder = folder.join("postgres");
        let cluster = cluster(&folder).await;
        cluster.ensure_database(DATABASE).await.unwrap();
        let mut url = url::Url::parse(&cluster.url(DATABASE)).unwrap();
        let port = Arc::new(AtomicU16::new(url.port().unwrap()));
        let own = free_port(dice);
        url.set_port(Some(own)).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own)).await.unwrap();
        let door = tokio::spawn(pass_on(listener, port.clone()));
        Self { cluster: Some(cluster), port, door, url: url.to_string(), folder }
    }

    /// Another database in the same cluster, empty; its address.
    pub async fn another(&self, name: &str) -> String {
        self.cluster.as_ref().expect("it runs").ensure_database(name).await.unwrap();
        let mut url = url::Url::parse(&self.url).unwrap();
        url.set_path(name);
        url.to_string()
    }

    /// Kills the server with everything that belongs to it, or only tells the postmaster to end at once.
    pub fn kill(&mut self, signal: Signal) {
        let cluster = self.cluster.take().expect("it runs");
        let file = fs::read_to_string(cluster.home().join("data/postmaster.pid")).unwrap();
        let postmaster = pid(file.lines().next().unwrap());
        let number = postmaster.as_raw_nonzero();
        let children = format!("/proc/{number}/task/{number}/children");
        let children = fs::read_to_string(children).unwrap_or_default();
        kill_process(postmaster, signal).unwrap();
        if signal == Signal::KILL {
            for child in children.split_whitespace() {
                // Some end by themselves when the postmaster does.
                let _ = kill_process(pid(child), signal);
            }
        }
    }

    /// Starts it again after a kill; returns how long its recovery took.
    pub async fn revive(&mut self) -> Duration {
        let start = now();
        let cluster = cluster(&self.folder).await;
        let url = url::Url::parse(&cluster.url(DATABASE)).unwrap();
        self.port.store(url.port().unwrap(), Ordering::Relaxed);
        self.cluster = Some(cluster);
        since(start)
    }

    pub async fn connect(&self) -> PgConnection {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        options.connect().await.unwrap()
    }

    pub async fn count(&self, statement: &str) -> i64 {
        let mut db = self.connect().await;
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut db).await.unwrap()
    }

    pub async fn texts(&self, statement: &str) -> Vec<String> {
        let mut db = self.connect().await;
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_all(&mut db).await.unwrap()
    }

    pub async fn stop(mut self) {
        if let Some(cluster) = self.cluster.take() {
            let home = cluster.home().to_owned();
            cluster.stop().await.unwrap();
            // It may lie elsewhere when the folder was not reachable for Postgres' user.
            let _ = fs::remove_dir_all(home);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.door.abort();
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

async fn cluster(folder: &Path) -> Cluster {
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    // What is committed must outlive the kill, so this is not the fast and careless kind.
    let options = Options { data_dir: folder.to_owned(), durable: true };
    Cluster::start(options, &system(), &ids).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn pass_on(listener: TcpListener, port: Arc<AtomicU16>) {
    loop {
        let Ok((mut ours, _)) = listener.accept().await else { continue };
        let port = port.load(Ordering::Relaxed);
        tokio::spawn(async move {
            let Ok(mut theirs) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
            // Either end may break: that is what this is about.
            let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
        });
    }
}

/// Both platforms, with limits that are never met, and notices that are delivered as they come.
pub async fn open_stage(seed: u64, dice: &mut ChaCha12Rng) -> Arc<Stage> {
    limited_stage(seed, 1_000_000, dice).await
}

/// The same with so many calls to E-Series a minute.
pub async fn limited_stage(seed: u64, requests_per_minute: usize, dice: &mut ChaCha12Rng) -> Arc<Stage> {
    let r = rseries::Config {
        bucket_size: 1e6,
        drip_rate: 1e5,
        burst_limit: 1_000_000,
        ..rseries::Config::default()
    };
    let e = eseries::Config { requests_per_minute, max_product_limit: 100_000, ..eseries::Config::default() };
    let (r_port, e_port) = (free_port(dice), free_port(dice));
    let setup = Setup { r, e, r_port, e_port, seed, deliver: true };
    Arc::new(Stage::open(setup, system()).await.unwrap())
}

/// The binary that is tested.
pub fn binary() -> PathBuf {
    std::env::var_os("CONCORD_TEST_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_concord")), PathBuf::from)
}

/// How the binary is started, and where its log goes. The log stays when the test fails.
pub struct Recipe {
    pub log: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Recipe {
    pub fn new(folder: &Path, postgres: &Postgres, stage: &Stage) -> Self {
        let (r, e) = (rseries::Config::default(), eseries::Config::default());
        let environment = vec![
            ("CONCORD_DATABASE_URL", postgres.url.clone()),
            ("CONCORD_MASTER_KEY", MASTER_KEY.to_owned()),
            ("CONCORD_ADMIN_TOKEN", ADMIN.to_owned()),
            ("CONCORD_R_SERIES_API_URL", stage.r_url()),
            ("CONCORD_R_SERIES_IMAGES_URL", stage.r_url()),
            ("CONCORD_R_SERIES_AUTH_URL", stage.r_url()),
            ("CONCORD_R_SERIES_CLIENT_ID", r.client_id),
            ("CONCORD_R_SERIES_CLIENT_SECRET", r.client_secret),
            ("CONCORD_E_SERIES_API_URL", stage.e_url()),
            ("CONCORD_E_SERIES_AUTH_URL", stage.e_url()),
            ("CONCORD_E_SERIES_IMAGES_URLS", stage.e_url()),
            ("CONCORD_E_SERIES_CLIENT_ID", e.client_id),
            ("CONCORD_E_SERIES_CLIENT_SECRET", e.client_secret),
            ("CONCORD_SWEEP_SECONDS", "2".to_owned()),
            ("CONCORD_LOG", "info,concord=debug".to_owned()),
            ("RUST_BACKTRACE", "1".to_owned()),
        ];
        Self { log: folder.join("serve.log"), folder: folder.to_owned(), environment }
    }

    fn open_log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(&self.log).unwrap()
    }

    /// The same with another value of a setting.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The same with its log elsewhere.
    pub fn logging_to(mut self, name: &str) -> Self {
        self.log = self.folder.join(name);
        self
    }

    /// A command of the binary with these settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn start(&self, port: u16) -> Service {
        let mut command = self.command(&["serve"]);
        command.env("CONCORD_LISTEN", format!("127.0.0.1:{port}"));
        command.stdout(self.open_log()).stderr(self.open_log());
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        Service { child, base: format!("http://127.0.0.1:{port}"), started: now() }
    }
}

/// One process.
pub struct Service {
    child: Child,
    pub base: String,
    started: Instant,
}

impl Service {
    /// How long it took from the start until it was ready; none when it ended by itself before.
    pub async fn ready(&mut self) -> Option<Duration> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
        let url = format!("{}/health/ready", self.base);
        loop {
            if self.child.try_wait().unwrap().is_some() {
                return None;
            }
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Some(since(self.started));
            }
            assert!(since(self.started) < READY, "the service is not ready after {READY:?}");
            pause(Duration::from_millis(10)).await;
        }
    }

    pub async fn kill(mut self) {
        // It may have ended by itself, when the database was away.
        let _ = self.child.start_kill();
        self.child.wait().await.unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(id) = self.child.id() {
            kill_process(pid(&id.to_string()), signal).unwrap();
        }
    }

    /// Waits for its end. None when it is still there after `limit`.
    pub async fn end(&mut self, limit: Duration) -> Option<(ExitStatus, Duration)> {
        let start = now();
        tokio::select! {
            status = self.child.wait() => Some((status.unwrap(), since(start))),
            () = pause(limit) => None,
        }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.base, SecretString::from(ADMIN)).unwrap()
    }
}

/// A folder that is kept when the test fails, with its path told.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = tempfile::Builder::new().prefix(&format!("concord-{name}-")).tempdir().unwrap().keep();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the service: {}", self.0.join("serve.log").display());
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

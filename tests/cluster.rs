//! The private Postgres cluster, with real servers: made, stopped, killed, left behind.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use concord::clock::{self, SharedClock, SystemClock};
use concord::ids::{GeneratedIds, SharedIds};
use concord::store::cluster::{Cluster, ClusterError, Options, find_binaries};
use rustix::process::{Pid, Signal, getpgid, kill_process};
use sqlx::{Connection, PgConnection};

const HOLD: &str = "CONCORD_TEST_HOLD_CLUSTER";

fn system() -> (SharedClock, SharedIds) {
    (Arc::new(SystemClock), Arc::new(GeneratedIds::from_system()))
}

async fn start(data_dir: &Path) -> Result<Cluster, ClusterError> {
    let (clock, ids) = system();
    Cluster::start(Options { data_dir: data_dir.to_owned(), durable: false }, &clock, &ids).await
}

/// Starts where it must work.
async fn start_well(data_dir: &Path) -> Cluster {
    start(data_dir).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn refused(data_dir: &Path) -> (ClusterError, String) {
    let error = start(data_dir).await.expect_err("refused");
    let text = error.to_string();
    (error, text)
}

/// Adds a row and counts all of them.
async fn add_row(cluster: &Cluster) -> i64 {
    cluster.ensure_database("shop").await.expect("a database");
    let mut connection = PgConnection::connect(&cluster.url("shop")).await.expect("connected");
    for statement in ["create table if not exists kept (n int)", "insert into kept values (1)"] {
        sqlx::query(statement).execute(&mut connection).await.expect("done");
    }
    sqlx::query_scalar("select count(*) from kept").fetch_one(&mut connection).await.expect("counted")
}

async fn setting(cluster: &Cluster, name: &str) -> String {
    let mut connection = PgConnection::connect(&cluster.url("postgres")).await.expect("connected");
    sqlx::query_scalar("select current_setting($1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .expect("a setting")
}

fn postmaster(home: &Path) -> Pid {
    let file = fs::read_to_string(home.join("data/postmaster.pid")).expect("a server runs");
    let number = file.lines().next().and_then(|line| line.parse().ok());
    number.and_then(Pid::from_raw).expect("a process number")
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).expect("killed");
}

/// The server and all its processes, which are not in one process group.
fn kill_all(postmaster: Pid) {
    let number = postmaster.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap_or_default();
    kill(postmaster);
    for child in children.split_whitespace().filter_map(|text| text.parse().ok()).filter_map(Pid::from_raw) {
        // Some end by themselves when the postmaster does.
        let _ = kill_process(child, Signal::KILL);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A Concord of its own: this program again, holding a cluster until it is killed.
struct Holder {
    process: Child,
    home: PathBuf,
}

impl Holder {
    fn start(data_dir: &Path, uid: Option<u32>) -> Option<Self> {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["holds_a_cluster_for_the_other_tests", "--exact", "--nocapture"]);
        command.env(HOLD, data_dir).stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(uid) = uid {
            command.uid(uid).gid(uid).current_dir("/");
        }
        let mut process = match command.spawn() {
            Ok(process) => process,
            // This program lies where that user cannot reach it.
            Err(error) if uid.is_some() && error.kind() == std::io::ErrorKind::PermissionDenied => {
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let home = lines.map_while(Result::ok).find_map(|line| {
            let (_, home) = line.split_once("HOME ")?;
            Some(PathBuf::from(home))
        });
        Some(Self { process, home: home.expect("the holder has a cluster") })
    }

    fn kill(mut self) -> PathBuf {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
        self.home
    }
}

#[tokio::test]
async fn holds_a_cluster_for_the_other_tests() {
    let Some(data_dir) = std::env::var_os(HOLD) else { return };
    let cluster = start_well(Path::new(&data_dir)).await;
    add_row(&cluster).await;
    writeln!(std::io::stdout(), "\nHOME {}", cluster.home().display()).expect("told");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_cluster_stops_and_starts_again_with_its_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("not/there/yet");
    let cluster = start_well(&data_dir).await;
    assert!(!cluster.reused());
    assert!(cluster.major_version() >= 14);
    assert_eq!(add_row(&cluster).await, 1);
    cluster.ensure_database("odd \"name\"; x").await.expect("made");
    cluster.ensure_database("odd \"name\"; x").await.expect("known");
    PgConnection::connect(&cluster.url("odd \"name\"; x")).await.expect("connected");
    let name = "x".repeat(64);
    assert!(matches!(cluster.ensure_database(&name).await, Err(ClusterError::DatabaseName { .. })));

    assert_eq!(setting(&cluster, "server_encoding").await, "UTF8");
    assert_eq!(setting(&cluster, "lc_collate").await, "C");
    assert_eq!(setting(&cluster, "listen_addresses").await, "127.0.0.1");
    assert_eq!(setting(&cluster, "fsync").await, "off");
    let port: u16 = setting(&cluster, "port").await.parse().expect("a port");
    assert!(port < 32768);

    let pid = postmaster(cluster.home());
    assert_ne!(getpgid(Some(pid)), getpgid(None), "Ctrl-C must not reach the server");
    let password = cluster.home().join("password");
    assert_eq!(password.metadata().expect("there").mode() & 0o777, 0o600);
    assert!(!format!("{cluster:?}").contains(&fs::read_to_string(password).expect("readable")));
    let rules = fs::read_to_string(cluster.home().join("data/pg_hba.conf")).expect("readable");
    let rules: Vec<&str> = rules.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(rules.iter().all(|rule| rule.ends_with("scram-sha-256")), "{rules:?}");
    let wrong = cluster.url("postgres").replacen(':', ":x", 2).replacen(":x//", "://", 1);
    PgConnection::connect(&wrong).await.expect_err("a wrong password opens nothing");

    let home = cluster.home().to_owned();
    cluster.stop().await.expect("stopped");
    assert!(!home.join("data/postmaster.pid").exists(), "stopped in order");

    let cluster = start_well(&data_dir).await;
    assert!(!cluster.reused());
    assert_eq!(add_row(&cluster).await, 2);
    // Dropped, not stopped: the next start waits until the server is gone.
    drop(cluster);
    let cluster = start_well(&data_dir).await;
    assert!(!cluster.reused());
    assert_eq!(add_row(&cluster).await, 3);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn in_production_the_cluster_is_durable_and_a_fast_one_left_behind_is_not_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = Holder::start(folder.path(), None).expect("started");
    holder.kill();
    let (clock, ids) = system();
    let options = Options { data_dir: folder.path().to_owned(), durable: true };
    let cluster = Cluster::start(options, &clock, &ids).await.expect("started");
    assert!(!cluster.reused());
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(setting(&cluster, name).await, "on", "{name}");
    }
    assert_eq!(add_row(&cluster).await, 2);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_server_left_behind_by_a_killed_parent_is_taken_over_and_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Holder::start(folder.path(), None).expect("started").kill();
    let left_behind = postmaster(&home);
    let cluster = start_well(folder.path()).await;
    assert!(cluster.reused());
    assert_eq!(postmaster(&home), left_behind);
    assert_eq!(add_row(&cluster).await, 2);
    cluster.stop().await.expect("stopped");
    assert!(!home.join("data/postmaster.pid").exists());
}

#[tokio::test]
async fn a_second_start_on_the_same_directory_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = Holder::start(folder.path(), None).expect("started");
    let (error, text) = refused(folder.path()).await;
    assert!(matches!(error, ClusterError::InUse { holder: Some(pid), .. } if pid == holder.process.id()));
    assert!(text.starts_with("another Concord (process "), "{text}");
    assert!(text.contains("CONCORD_DATA_DIR"), "{text}");

    let home = holder.kill();
    let cluster = start_well(folder.path()).await;
    assert_eq!(cluster.home(), home);
    // The same within one process.
    assert!(matches!(refused(folder.path()).await.0, ClusterError::InUse { .. }));
    cluster.stop().await.expect("stopped");
}

/// What `concord doctor` does: it looks while another Concord works, and makes nothing where nothing is.
#[tokio::test]
async fn who_only_looks_finds_the_server_that_runs_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, _) = system();
    let nowhere = folder.path().join("not made");
    for data_dir in [folder.path(), &nowhere] {
        assert!(!Cluster::exists(data_dir).expect("looked"));
        assert_eq!(Cluster::visit(data_dir, "shop", &clock).await.expect("looked"), None);
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "looking made something");

    let cluster = start_well(folder.path()).await;
    assert_eq!(add_row(&cluster).await, 1);
    assert!(Cluster::exists(folder.path()).expect("looked"));
    let url = Cluster::visit(folder.path(), "shop", &clock).await.expect("looked").expect("it runs");
    let mut visitor = PgConnection::connect(&url).await.expect("connected");
    let rows: i64 =
        sqlx::query_scalar("select count(*) from kept").fetch_one(&mut visitor).await.expect("counted");
    assert_eq!(rows, 1);
    visitor.close().await.expect("closed");
    assert_eq!(add_row(&cluster).await, 2, "the visit disturbed nobody");
    cluster.stop().await.expect("stopped");
    assert!(Cluster::exists(folder.path()).expect("looked"));
    assert_eq!(Cluster::visit(folder.path(), "shop", &clock).await.expect("looked"), None, "nobody runs it");
}

#[tokio::test]
async fn two_first_starts_at_once_make_one_cluster() {
    // Callers may want to spawn it.
    fn sendable<F: Future + Send>(future: F) -> F {
        future
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = tokio::join!(sendable(start(folder.path())), sendable(start(folder.path())));
    let (cluster, refusal) = match (one, other) {
        (Ok(cluster), Err(refusal)) | (Err(refusal), Ok(cluster)) => (cluster, refusal),
        both => panic!("{both:?}"),
    };
    assert!(matches!(refusal, ClusterError::InUse { .. }), "{refusal}");
    assert_eq!(add_row(&cluster).await, 1);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn everything_killed_recovers_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = Holder::start(folder.path(), None).expect("started");
    let pid = postmaster(&holder.home);
    holder.kill();
    kill_all(pid);
    let cluster = start_well(folder.path()).await;
    assert!(!cluster.reused());
    assert_eq!(add_row(&cluster).await, 2);

    // The postmaster alone, while a backend is at work.
    let mut busy = PgConnection::connect(&cluster.url("postgres")).await.expect("connected");
    let query = sqlx::query("select count(*) from generate_series(1, 5000) a, generate_series(1, 5000) b")
        .execute(&mut busy);
    let pid = postmaster(cluster.home());
    let (clock, _) = system();
    tokio::select! {
        _ = query => panic!("the query must be running still"),
        () = clock::sleep(&clock, Duration::from_millis(100)) => kill(pid),
    }
    drop(cluster);
    let cluster = start_well(folder.path()).await;
    assert!(!cluster.reused());
    assert_eq!(add_row(&cluster).await, 3);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_process_number_given_out_anew_does_not_keep_the_cluster_shut() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = Holder::start(folder.path(), None).expect("started");
    let data = holder.home.join("data");
    let pid = postmaster(&holder.home);
    holder.kill();
    kill_all(pid);
    // The stranger is of the same user: only then Postgres would take it for a server.
    let owner = data.metadata().expect("there").uid();
    let mut command = Command::new("sleep");
    if is_root() {
        command.uid(owner);
    }
    let mut stranger = command.arg("60").current_dir("/").stdout(Stdio::null()).spawn().expect("started");
    let file = fs::read_to_string(data.join("postmaster.pid")).expect("left behind");
    let (_, rest) = file.split_once('\n').expect("lines");
    fs::write(data.join("postmaster.pid"), format!("{}\n{rest}", stranger.id())).expect("written");

    let cluster = start_well(folder.path()).await;
    assert!(!cluster.reused());
    assert_eq!(add_row(&cluster).await, 2);
    cluster.stop().await.expect("stopped");
    assert!(stranger.try_wait().expect("known").is_none(), "the stranger was left alone");
    stranger.kill().expect("killed");
    stranger.wait().expect("ended");

    // A file without a word in it, as after a power failure.
    fs::write(data.join("postmaster.pid"), "").expect("written");
    let cluster = start_well(folder.path()).await;
    assert_eq!(add_row(&cluster).await, 3);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_long_path_and_a_relative_path_and_a_path_with_odd_letters_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = folder.path().join("a long, odd \"path\"").join("x".repeat(120));
    let cluster = start_well(&long).await;
    assert_eq!(add_row(&cluster).await, 1);
    let socket = PathBuf::from(setting(&cluster, "unix_socket_directories").await);
    assert!(!socket.starts_with(folder.path()));
    assert_eq!(socket.metadata().expect("there").mode() & 0o777, 0o700);
    cluster.stop().await.expect("stopped");
    assert!(!socket.exists(), "nothing stays behind outside the data directory");

    // Relative without changing the directory of this process, which other tests share.
    let here = std::env::current_dir().expect("a directory");
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(long.strip_prefix("/").expect("absolute"));
    let cluster = start_well(&relative).await;
    assert!(cluster.home().is_absolute());
    assert_eq!(add_row(&cluster).await, 2);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_with_a_word_on_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = start_well(folder.path()).await;
    let home = cluster.home().to_owned();
    cluster.stop().await.expect("stopped");

    let version = home.join("data/PG_VERSION");
    let kept = fs::read_to_string(&version).expect("readable");
    fs::write(&version, "9.6\n").expect("written");
    let (error, text) = refused(folder.path()).await;
    assert!(matches!(error, ClusterError::OtherVersion { .. }));
    assert!(text.contains("was made by Postgres 9.6") && text.contains("pg_upgrade"), "{text}");
    fs::write(&version, kept).expect("written");

    let settings = home.join("data/postgresql.auto.conf");
    fs::write(&settings, "no_such_setting = 1\n").expect("written");
    let (error, text) = refused(folder.path()).await;
    assert!(matches!(error, ClusterError::Start { .. }));
    assert!(text.contains("unrecognized configuration parameter \"no_such_setting\""), "{text}");
    assert!(text.contains("postgres.log"), "{text}");
    fs::write(&settings, "").expect("written");

    fs::rename(home.join("password"), home.join("away")).expect("moved");
    let (error, text) = refused(folder.path()).await;
    assert!(matches!(error, ClusterError::PasswordMissing { .. }), "{text}");
    fs::rename(home.join("away"), home.join("password")).expect("moved");

    let cluster = start_well(folder.path()).await;
    cluster.stop().await.expect("stopped");
    fs::remove_file(&version).expect("removed");
    assert!(matches!(refused(folder.path()).await.0, ClusterError::NotACluster { .. }));
}

#[tokio::test]
async fn a_start_that_was_killed_half_way_is_begun_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("postgres");
    fs::create_dir_all(home.join("data.new-1/base")).expect("made");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).expect("set");
    fs::write(home.join("password.initdb"), "old").expect("written");
    let cluster = start_well(folder.path()).await;
    assert_eq!(add_row(&cluster).await, 1);
    assert!(!home.join("data.new-1").exists() && !home.join("password.initdb").exists());
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn root_gives_the_server_to_another_user_and_finds_it_a_place_that_user_can_reach() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // As a home of root's: closed, and not ours to open.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("closed");
    let data_dir = folder.path().join("data");
    let cluster = start_well(&data_dir).await;
    assert_eq!(folder.path().metadata().expect("there").mode() & 0o777, 0o700);
    let home = cluster.home().to_owned();
    assert!(!home.starts_with(folder.path()));
    let owner = home.join("data").metadata().expect("there").uid();
    assert_ne!(owner, 0);
    let pid = postmaster(&home).as_raw_nonzero();
    assert_eq!(fs::metadata(format!("/proc/{pid}")).expect("runs").uid(), owner);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).expect("a line");
    assert!(!groups.split_whitespace().any(|group| group == "0"), "root's groups are given up: {groups}");
    // In a container root may not be allowed to read it.
    if let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) {
        assert!(!String::from_utf8_lossy(&environment).contains("CARGO"), "our environment is not handed on");
    }
    assert_eq!(add_row(&cluster).await, 1);
    cluster.stop().await.expect("stopped");

    let cluster = start_well(&data_dir).await;
    assert_eq!(cluster.home(), home, "the place is kept");
    assert_eq!(add_row(&cluster).await, 2);
    cluster.stop().await.expect("stopped");
    fs::remove_dir_all(&home).expect("removed");
    // Only if no other cluster is there.
    let _ = fs::remove_dir("/var/lib/concord");
}

#[tokio::test]
async fn an_ordinary_user_runs_it_and_root_takes_it_over_as_that_user() {
    if !is_root() {
        return;
    }
    let nobody = 65534;
    let folder = tempfile::tempdir().expect("a folder");
    chown(folder.path(), Some(nobody), Some(nobody)).expect("given");
    let Some(holder) = Holder::start(folder.path(), Some(nobody)) else { return };
    assert_eq!(holder.home.join("data").metadata().expect("there").uid(), nobody);
    holder.kill();
    let cluster = start_well(folder.path()).await;
    assert!(cluster.reused());
    assert_eq!(add_row(&cluster).await, 2);
    cluster.stop().await.expect("stopped");
    let cluster = start_well(folder.path()).await;
    assert_eq!(add_row(&cluster).await, 3);
    let pid = postmaster(cluster.home()).as_raw_nonzero();
    assert_eq!(fs::metadata(format!("/proc/{pid}")).expect("runs").uid(), nobody);
    cluster.stop().await.expect("stopped");
}

#[test]
fn this_machine_has_a_postgres_new_enough() {
    let binaries = find_binaries().unwrap_or_else(|error| panic!("{error}"));
    assert!(binaries.major() >= 14);
    assert!(binaries.initdb().is_file() && binaries.postgres().is_file());
}

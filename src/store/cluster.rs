//! A private Postgres, so that Concord runs without any set-up.
//!
//! It is made in the data directory on the first start, runs as a child of Concord on a loopback
//! port and a socket folder of its own, and stops with it. If Concord is killed, the server lives
//! on and the next start takes it over; if both are killed, Postgres recovers by itself. A lock
//! keeps a second Concord away from the same data directory.

mod account;
mod binaries;
mod birth;
mod error;
mod place;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions};

pub use self::binaries::{Binaries, OLDEST_MAJOR, find_binaries};
pub use self::error::ClusterError;
use self::place::Place;
use self::server::Server;
use crate::clock::{self, SharedClock};
use crate::ids::SharedIds;

/// The superuser of the cluster.
const USER: &str = "concord";
/// What Postgres allows for a name.
const LONGEST_NAME: usize = 63;
/// How often a server that appears meanwhile sends us back to look again.
const START_TRIES: u32 = 3;
/// How Postgres says that another server lives in the same folder.
const SERVER_LIVES: &str = "\"postmaster.pid\" already exists";

/// How a cluster is to be run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it lives. Made when it is not there.
    pub data_dir: PathBuf,
    /// False gives up safety against power failure for speed: for tests.
    pub durable: bool,
}

/// A running private Postgres.
///
/// Dropped without [`Cluster::stop`], it tells the server to stop and does not wait for it.
#[derive(Debug)]
pub struct Cluster {
    // Before `place`: the server is told to stop while the lock is still held.
    server: Server,
    access: Access,
    reused: bool,
    place: Place,
    clock: SharedClock,
}

impl Cluster {
    /// Makes the cluster if there is none, and starts it or takes over the server left behind.
    pub async fn start(options: Options, clock: &SharedClock, ids: &SharedIds) -> Result<Self, ClusterError> {
        let Options { data_dir, durable } = options;
        let place = Place::claim(&data_dir, clock, ids).await?;
        let password = place.password(ids)?;
        if !place.inhabited {
            tracing::info!(
                cluster = %place.home.display(), version = place.binaries.major(),
                "making a private Postgres cluster"
            );
            birth::make(&place, &password, durable, ids.uuid(clock.now())).await?;
        }
        let mut tries = START_TRIES;
        let (server, access, reused) = loop {
            if let Some((server, access)) = Server::adopt(&place, &password, clock).await? {
                let asked = server::is_durable(&access).await;
                if asked.map_err(failed("asking for the settings", &place.log()))? == durable {
                    break (server, access, true);
                }
                server.stop(clock).await?;
            }
            tries -= 1;
            match Server::start(&place, &password, durable, clock, ids).await {
                Ok((server, access)) => break (server, access, false),
                // A server that a killed Concord had only just started has shown itself.
                Err(ClusterError::Start { tail, .. }) if tries > 0 && tail.contains(SERVER_LIVES) => {}
                Err(error) => return Err(error),
            }
        };
        tracing::info!(port = access.port, reused, "the private Postgres runs");
        Ok(Self { server, access, reused, place, clock: clock.clone() })
    }

    /// Is there a cluster under this data directory? Asking makes nothing.
    pub fn exists(data_dir: &Path) -> Result<bool, ClusterError> {
        Ok(place::inhabited(data_dir)?.is_some())
    }

    /// The address of a database in the cluster that another Concord runs at this moment, with the password; none when
    /// nobody runs it. For whoever only looks: nothing is claimed, made or stopped.
    pub async fn visit(
        data_dir: &Path,
        database: &str,
        clock: &SharedClock,
    ) -> Result<Option<String>, ClusterError> {
        let Some(home) = place::inhabited(data_dir)? else { return Ok(None) };
        let Some(password) = place::kept_password(&home)? else { return Ok(None) };
        let access = server::visit(&home.join("data"), &password, clock).await?;
        Ok(access.map(|access| access.url(database)))
    }

    /// The address of a database, with the password: not for log lines.
    pub fn url(&self, database: &str) -> String {
        self.access.url(database)
    }

    /// Makes the database if it is not there.
    pub async fn ensure_database(&self, name: &str) -> Result<(), ClusterError> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
            return Err(ClusterError::DatabaseName { name: name.to_owned() });
        }
        let quoted = name.replace('"', "\"\"");
        let make = async {
            let mut connection = self.access.connect("postgres").await?;
            let known = sqlx::query("select from pg_database where datname = $1")
                .bind(name)
                .fetch_optional(&mut connection)
                .await?;
            if known.is_none() {
                let statement = format!(r#"create database "{quoted}" encoding 'UTF8' template template0"#);
                let made = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await;
                // Somebody else was faster: the name is taken, which is what was wanted.
                if let Err(error) = made
                    && !is_duplicate(&error)
                {
                    return Err(error);
                }
            }
            Ok(())
        };
        make.await.map_err(failed("making the database", &self.place.log()))
    }

    /// Whether the server was left behind by an earlier run and taken over.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The folder of the cluster, its password and its log (`postgres.log`).
    pub fn home(&self) -> &Path {
        &self.place.home
    }

    /// The major version of the server.
    pub fn major_version(&self) -> u32 {
        self.place.binaries.major()
    }

    /// Ends all connections and stops the server in order; returns when it is gone.
    pub async fn stop(self) -> Result<(), ClusterError> {
        self.server.stop(&self.clock).await?;
        self.place.tidy();
        Ok(())
    }
}

/// What it takes to connect.
#[derive(Debug, Clone)]
struct Access {
    port: u16,
    password: SecretString,
}

impl Access {
    fn url(&self, database: &str) -> String {
        let database = utf8_percent_encode(database, NON_ALPHANUMERIC);
        let Self { port, password } = self;
        format!("postgres://{USER}:{}@127.0.0.1:{port}/{database}", password.expose_secret())
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(USER)
            .password(self.password.expose_secret())
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .connect()
            .await
    }
}

fn failed(doing: &'static str, log: &Path) -> impl FnOnce(sqlx::Error) -> ClusterError {
    let log = log.to_owned();
    move |source| ClusterError::Database { doing, log, source }
}

/// `duplicate_database`, or the unique index under it when two come at the same moment.
fn is_duplicate(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| ["42P04", "23505"].contains(&code.as_str()))
}

/// Looks at something again and again, but not for ever.
///
/// Counts its own pauses instead of reading the time, which may jump.
struct Patience<'a> {
    clock: &'a SharedClock,
    left: Duration,
    step: Duration,
}

impl<'a> Patience<'a> {
    fn new(clock: &'a SharedClock, limit: Duration) -> Self {
        Self { clock, left: limit, step: Duration::from_millis(10) }
    }

    /// For what is dear to look at.
    fn slow(clock: &'a SharedClock, limit: Duration) -> Self {
        Self { clock, left: limit, step: Duration::from_millis(200) }
    }

    /// Waits a moment; false when there is no patience left.
    async fn pause(&mut self) -> bool {
        if self.left.is_zero() {
            return false;
        }
        self.left = self.left.saturating_sub(self.step);
        clock::sleep(self.clock, self.step).await;
        true
    }
}

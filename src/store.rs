//! THE CELLAR: all SQL, and the private database under it. One file a table.
//!
//! Functions take a connection of a transaction that the caller began: what has to commit together is
//! decided by whoever walks the data, not here.

pub mod answers;
pub mod api_keys;
pub mod audit;
pub mod brakes;
pub mod categories;
pub mod cluster;
pub mod conflicts;
pub mod connections;
pub mod cursors;
pub mod decisions;
pub mod dirty;
pub mod edits;
pub mod figures;
pub mod foresight;
pub mod grants;
pub mod images;
pub mod inbox;
pub mod instance;
pub mod kept_pictures;
pub mod leases;
pub mod ledger;
pub mod links;
pub mod looks;
pub mod matching;
pub mod reach;
pub mod restored;
pub mod retention;
pub mod reviews;
pub mod room;
pub mod seals;
pub mod server;
pub mod settings_history;
pub mod shop_counts;
pub mod stock_marks;
pub mod sync_items;
pub mod syncs;
pub mod trees;
pub mod wishes;

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};

use crate::clock::Instant;
use crate::turnstile::{Passage, Point, Turnstile};

/// The migrations of this build.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// A transaction; dropped without [`Tx::commit`], it never happened.
#[derive(Debug)]
pub struct Tx {
    open: Transaction<'static, Postgres>,
    fate: Fate,
}

/// Tells the turnstile of a transaction that was dropped.
#[derive(Debug)]
struct Fate {
    turnstile: Turnstile,
    committed: bool,
}

impl Drop for Fate {
    fn drop(&mut self) {
        if !self.committed {
            self.turnstile.note(|| Point::RolledBack);
        }
    }
}

impl Tx {
    /// Makes everything that was written through it last. After an error nothing is known: it may be there or
    /// not.
    #[track_caller]
    pub fn commit(self) -> impl Future<Output = Result<()>> + Send {
        let place = Location::caller();
        async move {
            let Self { open, mut fate } = self;
            if fate.turnstile.pass(|| Point::Commit(place)).await == Passage::Broken {
                return Err(broken());
            }
            open.commit().await?;
            fate.committed = true;
            match fate.turnstile.pass(|| Point::Committed(place)).await {
                Passage::Free => Ok(()),
                Passage::Broken => Err(broken()),
            }
        }
    }
}

impl Deref for Tx {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.open
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Db {
        &mut self.open
    }
}

/// What a broken connection looks like.
fn broken() -> StoreError {
    StoreError::Unavailable(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))
}

/// What a store function works on: the connection of a transaction.
pub type Db = sqlx::PgConnection;

/// The database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or broke off: what was asked may be asked again later.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// It refused: a bug of ours, or data that breaks a constraint.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
    /// The claim ran out and somebody else may have the item: nothing was written.
    #[error("the lease on the item was lost")]
    LeaseLost,
    /// A stored value does not fit its type.
    #[error("a stored value is not readable: {0}")]
    Unreadable(String),
    /// The schema of the database is older or newer than this build.
    #[error("migrations: {0}")]
    Migration(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(said) => {
                // Classes 53 (resources), 57 (shutdown), 40 (rolled back), 25006 (read-only, after a fail-over).
                let code = said.code().unwrap_or_default();
                let passing = ["53", "57", "40", "08"].iter().any(|class| code.starts_with(class));
                if passing || code == "25006" { Self::Unavailable(error) } else { Self::Refused(error) }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Unreadable(error.to_string())
            }
            sqlx::Error::RowNotFound => Self::Refused(error),
            _ => Self::Unavailable(error),
        }
    }
}

impl StoreError {
    /// The violated constraint, if that is what happened.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Refused(sqlx::Error::Database(said)) => said.constraint(),
            _ => None,
        }
    }
}

impl StoreError {
    /// Somebody holds what was to be locked at once (Postgres: 55P03).
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(sqlx::Error::Database(said)) if said.code().as_deref() == Some("55P03"))
    }
}

/// Result of a store function.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    turnstile: Turnstile,
}

impl Store {
    /// Opens a pool of at most `connections`; connects on first use.
    pub fn open(url: &str, connections: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("concord");
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Ok(Self { pool, turnstile: Turnstile::default() })
    }

    /// The same database, whose transactions pass this turnstile.
    #[must_use]
    pub fn through(&self, turnstile: Turnstile) -> Self {
        Self { pool: self.pool.clone(), turnstile }
    }

    /// Begins a transaction.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Tx>> + Send {
        let place = Location::caller();
        async move {
            if self.turnstile.pass(|| Point::Begin(place)).await == Passage::Broken {
                return Err(broken());
            }
            let open = self.pool.begin().await?;
            Ok(Tx { open, fate: Fate { turnstile: self.turnstile.clone(), committed: false } })
        }
    }

    /// Is the database there?
    pub async fn ping(&self) -> Result<()> {
        sqlx::query_scalar!("select 1").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Applies pending migrations.
    pub async fn migrate(&self) -> Result<()> {
        MIGRATIONS.run(&self.pool).await.map_err(|error| StoreError::Migration(error.to_string()))
    }

    /// The time by the database's clock, which all processes that use it share.
    pub async fn time(&self) -> Result<Instant> {
        Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "time!""#).fetch_one(&self.pool).await?)
    }

    /// Versions of migrations that are not applied yet.
    pub async fn pending_migrations(&self) -> Result<Vec<i64>> {
        use sqlx::migrate::Migrate;
        let mut db = self.pool.acquire().await?;
        let table = "_sqlx_migrations";
        let problem = |error: sqlx::migrate::MigrateError| StoreError::Migration(error.to_string());
        let begun = sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "begun!""#);
        let applied = if begun.fetch_one(&mut *db).await? {
            db.list_applied_migrations(table).await.map_err(problem)?
        } else {
            Vec::new()
        };
        let known = MIGRATIONS.iter().map(|migration| migration.version);
        Ok(known.filter(|version| !applied.iter().any(|row| row.version == *version)).collect())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A stored word as its enum.
fn word<T>(parsed: Option<T>, column: &str, text: &str) -> Result<T> {
    parsed.ok_or_else(|| StoreError::Unreadable(format!("{column} = {text:?}")))
}

/// A stored JSON column as its type.
fn typed<T: serde::de::DeserializeOwned>(json: serde_json::Value, column: &str) -> Result<T> {
    serde_json::from_value(json).map_err(|error| StoreError::Unreadable(format!("{column}: {error}")))
}

/// A type as JSON for its column.
fn json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

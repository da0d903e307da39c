//! What can go wrong with the private cluster, each with a word on what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::binaries::OLDEST_MAJOR;

/// Why the private cluster cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no Postgres server on this machine.
    #[error(
        "no Postgres server is installed: neither PATH nor the usual folders hold `initdb` and `postgres`. \
         Install it (Debian, Ubuntu: `apt-get install postgresql`; Fedora, RHEL: `dnf install \
         postgresql-server`; macOS: `brew install postgresql@17`; or run deploy/install-postgres.sh), or set \
         CONCORD_DATABASE_URL to a Postgres {OLDEST_MAJOR} or newer that runs already"
    )]
    NoBinaries,

    /// There are Postgres servers, and all of them are too old.
    #[error(
        "Postgres {OLDEST_MAJOR} or newer is needed, and only {} is installed. Install a newer one (Debian, \
         Ubuntu: `apt-get install postgresql`; Fedora, RHEL: `dnf install postgresql-server`; macOS: `brew \
         install postgresql@17`), or set CONCORD_DATABASE_URL", .found.join(" and ")
    )]
    TooOld {
        /// The versions found and where.
        found: Vec<String>,
    },

    /// Another Concord lives on this data directory.
    #[error(
        "another Concord{} is running with the data directory {}. Stop it first, or give this one a data \
         directory of its own with CONCORD_DATA_DIR",
        .holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(), .data_dir.display()
    )]
    InUse {
        /// The directory both want.
        data_dir: PathBuf,
        /// The process that has it.
        holder: Option<u32>,
    },

    /// The cluster was made by a Postgres that is not installed (any more).
    #[error(
        "the cluster in {} was made by Postgres {made_by}, and the installed version is {installed}: one \
         major version cannot open the data of another. Install the server of Postgres {made_by} beside it, \
         or carry the data over with pg_upgrade (or pg_dump and restore), or choose a new data directory with \
         CONCORD_DATA_DIR", .data.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        data: PathBuf,
        /// The major version that made it.
        made_by: String,
        /// The major versions at hand.
        installed: String,
    },

    /// Run as root, and nobody is there to become.
    #[error(
        "Postgres refuses to run as root, and this machine has neither a user `postgres` nor `nobody` to run \
         it as. Start Concord as an ordinary user, or add one: `useradd --system postgres`"
    )]
    NoUser,

    /// A folder or program that the unprivileged user cannot get at.
    #[error(
        "Concord runs as root and starts Postgres as the user `{user}`, who cannot reach {}. Set \
         CONCORD_DATA_DIR to a place that user can reach, such as /var/lib/concord (every folder on the way \
         needs the search permission: `chmod o+x`), or start Concord as an ordinary user", .path.display()
    )]
    Unreachable {
        /// What is out of reach.
        path: PathBuf,
        /// For whom.
        user: String,
    },

    /// The cluster belongs to another user.
    #[error(
        "the cluster in {} belongs to the user with id {owner}, and Postgres starts only for its owner. Start \
         Concord as that user or as root, or choose another CONCORD_DATA_DIR", .path.display()
    )]
    OtherOwner {
        /// The cluster's folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },

    /// The place of the cluster is taken by something else.
    #[error(
        "{} exists and is not a Postgres cluster. Move it away, or choose another CONCORD_DATA_DIR",
        .path.display()
    )]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },

    /// The cluster is there and its password is not.
    #[error(
        "the password of the cluster is missing: {} is gone or empty. Bring the file back from a backup, or \
         move the whole folder {} away to begin with an empty database", .path.display(), folder(.path).display()
    )]
    PasswordMissing {
        /// Where the password is kept.
        path: PathBuf,
    },

    /// The folder for the socket cannot be used.
    #[error(
        "the folder {} for the Postgres socket belongs to somebody else. Remove it, or choose another \
         CONCORD_DATA_DIR", .path.display()
    )]
    SocketFolder {
        /// The folder.
        path: PathBuf,
    },

    /// `initdb` failed.
    #[error("making the Postgres cluster in {} failed: {output}\n{}", .path.display(), initdb_advice(.output))]
    Initdb {
        /// Where the cluster was to be.
        path: PathBuf,
        /// What it said.
        output: String,
    },

    /// The server ended or hung while starting.
    #[error(
        "Postgres did not start: {reason}. Mend what the last lines of {} say and start again:\n{tail}",
        .log.display()
    )]
    Start {
        /// What happened to the process.
        reason: String,
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// No port could be had.
    #[error(
        "no free port was found on 127.0.0.1 between {first} and {last}. Close some servers and start again"
    )]
    NoPort {
        /// The lowest port tried.
        first: u16,
        /// The highest port tried.
        last: u16,
    },

    /// The server does not stop.
    #[error(
        "Postgres (process {pid}) does not stop. End it by hand with `kill -QUIT {pid}` (its data is safe: it \
         recovers at the next start)"
    )]
    Stop {
        /// The postmaster.
        pid: i32,
    },

    /// A database name Postgres cannot take.
    #[error(
        "`{name}` cannot be the name of a database: it must have 1 to 63 bytes and no NUL. Choose another name"
    )]
    DatabaseName {
        /// The name.
        name: String,
    },

    /// The server is there and a query failed.
    #[error("{doing} failed: {source}. The server's log, {}, may say more", .log.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The server's log.
        log: PathBuf,
        /// The error from below.
        source: sqlx::Error,
    },

    /// The operating system refused.
    #[error("{doing} {} failed: {source}. Check that the path exists, is writable and has space left", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// The error from below.
        source: io::Error,
    },
}

impl ClusterError {
    /// For `map_err`: names the deed and the path.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The two failures of `initdb` that are about the machine and not about us.
fn initdb_advice(output: &str) -> &'static str {
    if output.contains("could not look up effective user ID") {
        "The user that runs Concord has no entry in /etc/passwd, which Postgres needs: run Concord (or the \
         container) as a user that has one"
    } else if output.contains("No space left") {
        "Free some disk space, or choose another CONCORD_DATA_DIR"
    } else {
        "Mend what it says and start again, or set CONCORD_DATABASE_URL to use another Postgres"
    }
}

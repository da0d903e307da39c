//! Where a cluster lives: the folders, the lock on them, the password.
//!
//! ```text
//! data directory/            CONCORD_DATA_DIR
//!   concord.lock             held by the living Concord, names its process
//!   cluster-location         only if the cluster had to go elsewhere: the path of its home
//!   postgres/                the home
//!     data/                  what initdb makes; belongs to the user Postgres runs as
//!     socket/                the same; elsewhere when its path is too long
//!     password               of the superuser `concord`, mode 0600
//!     postgres.log
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::Patience;
use super::account::{self, Account};
use super::binaries::{self, Binaries};
use super::error::ClusterError;
use crate::clock::SharedClock;
use crate::ids::SharedIds;

/// The kernel allows 107 bytes on Linux and 103 on macOS for the whole path of a socket.
const LONGEST_SOCKET_PATH: usize = 100;
/// What Postgres puts into the folder, at its longest.
const SOCKET_NAME: &str = "/.s.PGSQL.65535.lock";
const LARGEST_LOG: u64 = 16 * 1024 * 1024;
/// A Concord that was killed a moment ago may still be on its way out.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// A claimed data directory: while this lives, no other Concord gets it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) home: PathBuf,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
    /// Whether a cluster was here already.
    pub(super) inhabited: bool,
    /// Closed when the process ends, in whatever way, and not handed to child processes: the
    /// standard library opens every file close-on-exec.
    _locks: Vec<File>,
}

impl Place {
    /// Finds or makes the place under `data_dir` and locks it.
    pub(super) async fn claim(
        data_dir: &Path,
        clock: &SharedClock,
        ids: &SharedIds,
    ) -> Result<Self, ClusterError> {
        let data_dir = data_directory(data_dir)?;
        let mut locks = vec![lock(&data_dir.join("concord.lock"), &data_dir, clock).await?];

        let pointer = data_dir.join("cluster-location");
        let pointed = home_of(&data_dir)?;
        let inside = data_dir.join("postgres");
        let mut home = pointed.clone().unwrap_or_else(|| inside.clone());
        let made_by = version_of(&home.join("data"))?;
        let account = Account::choose(&data_dir, &home.join("data"))?;
        let installed = binaries::installed();
        let binaries = binaries::choose(&installed, made_by.as_deref(), &home.join("data"))?;

        if account.drops {
            if !account.reaches(Path::new("/"), &binaries.postgres()) {
                return Err(account.unreachable(&binaries.postgres()));
            }
            open_to_search(&data_dir)?;
            // An existing cluster is never left behind for a new, empty one.
            let settled = pointed.is_some() || made_by.is_some();
            if !settled && !account.reaches(&data_dir, &binaries.postgres()) {
                let elsewhere = account::reachable_folder();
                home = elsewhere.join(ids.uuid(clock.now()).simple().to_string());
                // One by one, so that both get the mode; and the operator knows the path inside.
                make_folder(&elsewhere, 0o711)
                    .and_then(|()| make_folder(&home, 0o711))
                    .map_err(|_| account.unreachable(&inside))?;
                if !account.reaches(&home, &binaries.postgres()) {
                    let _ = fs::remove_dir(&home);
                    return Err(account.unreachable(&inside));
                }
                let line = format!("{}\n", home.display());
                write_whole(&pointer, line.as_bytes())?;
                tracing::warn!(
                    cluster = %home.display(), data_dir = %data_dir.display(),
                    "the data directory is out of reach for the user that runs Postgres: the cluster is put elsewhere"
                );
            }
        }
        make_folder(&home, if account.drops { 0o711 } else { 0o700 })?;
        if !account.reaches(&home, &binaries.postgres()) {
            return Err(account.unreachable(&home));
        }
        if home != inside {
            locks.push(lock(&home.join("concord.lock"), &data_dir, clock).await?);
        }
        Ok(Self { home, account, binaries, inhabited: made_by.is_some(), _locks: locks })
    }

    /// What initdb makes.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// Opens the log at its end; a large one is set aside first.
    pub(super) fn open_log(&self) -> Result<File, ClusterError> {
        let log = self.log();
        if log.metadata().is_ok_and(|metadata| metadata.len() > LARGEST_LOG) {
            let _ = fs::rename(&log, self.home.join("postgres.log.1"));
        }
        private_file().append(true).create(true).open(&log).map_err(ClusterError::io("opening", &log))
    }

    /// The superuser's password, made on the first start.
    pub(super) fn password(&self, ids: &SharedIds) -> Result<SecretString, ClusterError> {
        let path = self.home.join("password");
        if let Some(kept) = kept_password(&self.home)? {
            return Ok(kept);
        }
        if self.inhabited {
            return Err(ClusterError::PasswordMissing { path });
        }
        let mut bytes = [0_u8; 32];
        ids.fill(&mut bytes);
        let made = hex::encode(bytes);
        write_whole(&path, made.as_bytes())?;
        Ok(made.into())
    }

    /// An empty folder for the socket. To be called only when no server lives here.
    pub(super) fn fresh_socket_folder(&self) -> Result<PathBuf, ClusterError> {
        let folder = self.socket_folder();
        let no_other = || ClusterError::SocketFolder { path: folder.clone() };
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // In a folder open to all, another user may have been here first.
                let found = folder.symlink_metadata().map_err(ClusterError::io("looking at", &folder))?;
                let ours = [self.account.uid, rustix::process::geteuid().as_raw()].contains(&found.uid());
                if !(found.is_dir() && ours) {
                    return Err(no_other());
                }
                // Sockets and their lock files, left behind by a server that was killed.
                for entry in fs::read_dir(&folder).map_err(ClusterError::io("reading", &folder))?.flatten() {
                    let socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
                    if socket || entry.file_name().as_bytes().starts_with(b".s.PGSQL.") {
                        let _ = fs::remove_file(entry.path());
                    }
                }
            }
            Err(source) => return Err(ClusterError::io("making", &folder)(source)),
        }
        self.account.own(&folder)?;
        Ok(folder)
    }

    /// Takes the socket folder away when it is not part of the home.
    pub(super) fn tidy(&self) {
        let folder = self.socket_folder();
        if !folder.starts_with(&self.home) {
            let _ = fs::remove_dir(folder);
        }
    }

    fn socket_folder(&self) -> PathBuf {
        let inside = self.home.join("socket");
        if fits(&inside) {
            return inside;
        }
        let name = format!("concord-{}", hex::encode(short_digest(self.home.as_os_str().as_bytes())));
        // Root's own temporary folder may be out of the other user's reach.
        let usual = (!self.account.drops).then(std::env::temp_dir).map(|folder| folder.join(&name));
        usual.filter(|folder| folder.is_absolute() && fits(folder)).unwrap_or(Path::new("/tmp").join(&name))
    }
}

/// The home of the cluster under a data directory, if one was made. Looking makes nothing.
pub(super) fn inhabited(data_dir: &Path) -> Result<Option<PathBuf>, ClusterError> {
    if !data_dir.try_exists().map_err(ClusterError::io("looking at", data_dir))? {
        return Ok(None);
    }
    let data_dir = data_dir.canonicalize().map_err(ClusterError::io("finding", data_dir))?;
    let home = home_of(&data_dir)?.unwrap_or_else(|| data_dir.join("postgres"));
    Ok(version_of(&home.join("data"))?.map(|_| home))
}

/// Where the cluster had to go, if it could not live inside its data directory.
fn home_of(data_dir: &Path) -> Result<Option<PathBuf>, ClusterError> {
    let kept = read_if_there(&data_dir.join("cluster-location"))?;
    Ok(kept.map(|path| PathBuf::from(path.trim_end_matches('\n'))))
}

/// The superuser's password, if it was made.
pub(super) fn kept_password(home: &Path) -> Result<Option<SecretString>, ClusterError> {
    let kept = read_if_there(&home.join("password"))?.map(|text| text.trim().to_owned());
    Ok(kept.filter(|text| !text.is_empty()).map(SecretString::from))
}

/// Whether a socket in this folder has a short enough path, and Postgres' list syntax needs no care.
fn fits(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@~".contains(byte);
    bytes.len() + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH && bytes.iter().all(plain)
}

fn short_digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).iter().copied().take(8).collect()
}

/// Makes the directory and its one true name: relative paths and links would differ between runs.
fn data_directory(given: &Path) -> Result<PathBuf, ClusterError> {
    let path = std::path::absolute(given).map_err(ClusterError::io("finding", given))?;
    if !path.exists() {
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        make_folder(&path, mode)?;
    }
    path.canonicalize().map_err(ClusterError::io("finding", &path))
}

/// Lets the unprivileged user walk through root's data directory (not read it).
fn open_to_search(data_dir: &Path) -> Result<(), ClusterError> {
    let metadata = data_dir.metadata().map_err(ClusterError::io("looking at", data_dir))?;
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() == 0 && mode & 0o001 == 0 && !account::is_home(data_dir) {
        fs::set_permissions(data_dir, Permissions::from_mode(mode | 0o011))
            .map_err(ClusterError::io("opening", data_dir))?;
    }
    Ok(())
}

fn make_folder(path: &Path, mode: u32) -> Result<(), ClusterError> {
    if !path.is_dir() {
        fs::create_dir_all(path).map_err(ClusterError::io("making", path))?;
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(ClusterError::io("closing to others", path))?;
    }
    Ok(())
}

/// Which Postgres made the cluster in `data`, if there is one.
fn version_of(data: &Path) -> Result<Option<String>, ClusterError> {
    if !data.try_exists().map_err(ClusterError::io("looking at", data))? {
        return Ok(None);
    }
    let version = read_if_there(&data.join("PG_VERSION"))?;
    let version = version.ok_or_else(|| ClusterError::NotACluster { path: data.to_owned() })?;
    Ok(Some(version.trim().to_owned()))
}

async fn lock(path: &Path, data_dir: &Path, clock: &SharedClock) -> Result<File, ClusterError> {
    let mut file = private_file()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(ClusterError::io("opening", path))?;
    let mut patience = Patience::new(clock, LOCK_PATIENCE);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if patience.pause().await => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(ClusterError::InUse {
                    data_dir: data_dir.to_owned(),
                    holder: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(ClusterError::io("locking", path)(source)),
        }
    }
    // Only for the word in the refusal; the lock itself is the kernel's.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(ClusterError::io("writing", path))?;
    Ok(file)
}

/// Mode 0600, and never through a link: root may be writing in a directory of another user.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// All or nothing, also when the power fails.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), ClusterError> {
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = private_file().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(ClusterError::io("writing", path))
}

/// Makes renames in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ClusterError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(ClusterError::io("writing", folder))
}

fn read_if_there(path: &Path) -> Result<Option<String>, ClusterError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::io("reading", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_must_be_short_and_plain() {
        for (folder, expected) in [
            ("/var/lib/concord/postgres/socket", true),
            ("/var/lib/with space/socket", false),
            ("/var/lib/a,b/socket", false),
            (&*format!("/{}", "x".repeat(79)), true),
            (&*format!("/{}", "x".repeat(80)), false),
        ] {
            assert_eq!(fits(Path::new(folder)), expected, "{folder}");
        }
    }
}

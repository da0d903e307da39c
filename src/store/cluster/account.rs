//! Whom Postgres runs as. It refuses root, so a Concord run by root becomes somebody else for it.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ClusterError;

/// The environment Postgres is given: ours may hold secrets, and `PG…` variables would bend it.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"];

/// The user that owns the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    gid: u32,
    name: String,
    /// Whether we are root and have to become this user.
    pub(super) drops: bool,
}

impl Account {
    /// An ordinary user stays who it is. Root becomes the owner of the cluster if there is one,
    /// else the owner of the data directory, else `postgres`, else `nobody`.
    pub(super) fn choose(data_dir: &Path, data: &Path) -> Result<Self, ClusterError> {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid = rustix::process::geteuid().as_raw();
        let cluster_owner = owner(data);
        if uid != 0 {
            if let Some((owner, _)) = cluster_owner.filter(|(owner, _)| *owner != uid) {
                return Err(ClusterError::OtherOwner { path: data.to_owned(), owner });
            }
            let gid = rustix::process::getegid().as_raw();
            return Ok(Self { uid, gid, name: name_of(&passwd, uid), drops: false });
        }
        let owner = cluster_owner.or_else(|| owner(data_dir)).filter(|(uid, _)| *uid != 0);
        if let Some((uid, gid)) = owner {
            return Ok(Self { uid, gid, name: name_of(&passwd, uid), drops: true });
        }
        ["postgres", "_postgres", "nobody"]
            .into_iter()
            .find_map(|wanted| users(&passwd).find(|user| user.name == wanted && user.uid != 0))
            .map(|user| Self { uid: user.uid, gid: user.gid, name: user.name.to_owned(), drops: true })
            .ok_or(ClusterError::NoUser)
    }

    /// A command that runs as this user, away from our terminal, our Ctrl-C and our environment.
    ///
    /// When a user id is set, the standard library also gives up root's supplementary groups.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let kept = KEPT_VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        // The C locale, because some of its messages are read by `server`.
        command.env_clear().envs(kept).env("LC_ALL", "C");
        // Our own directory may be out of this user's reach.
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        if self.drops {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives `path` to this user.
    pub(super) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        if self.drops {
            std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
                .map_err(ClusterError::io("giving away", path))?;
        }
        Ok(())
    }

    /// Tries, as this user, to stand in `folder` and run `program`. Permission bits alone do not
    /// tell: there are access lists, mount options and more.
    pub(super) fn reaches(&self, folder: &Path, program: &Path) -> bool {
        let mut command = self.command(program);
        command.arg("--version").current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        !self.drops || command.status().is_ok_and(|status| status.success())
    }

    /// What to say when it does not.
    pub(super) fn unreachable(&self, path: &Path) -> ClusterError {
        ClusterError::Unreachable { path: path.to_owned(), user: self.name.clone() }
    }
}

/// Whether `folder` is the home of some user, whose permissions are not ours to change.
pub(super) fn is_home(folder: &Path) -> bool {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users(&passwd).any(|user| Path::new(user.home) == folder)
}

fn owner(path: &Path) -> Option<(u32, u32)> {
    path.metadata().ok().map(|metadata| (metadata.uid(), metadata.gid()))
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
        Some(User { name, uid, gid, home: fields.nth(1)? })
    })
}

/// macOS writes `nobody` as -2.
fn id(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| text.parse().ok().map(i32::cast_unsigned))
}

fn name_of(passwd: &str, uid: u32) -> String {
    let found = users(passwd).find(|user| user.uid == uid);
    found.map_or_else(|| uid.to_string(), |user| user.name.to_owned())
}

/// The folder of last resort when root's data directory is out of the unprivileged user's reach.
pub(super) fn reachable_folder() -> PathBuf {
    PathBuf::from("/var/lib/concord")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_passwd_lines_and_broken_lines_are_passed_over() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n# comment\nnobody:*:-2:-2:Nobody:/var/empty:/bin/false\n";
        let all: Vec<_> = users(passwd).map(|user| (user.name, user.uid, user.gid, user.home)).collect();
        let nobody = u32::MAX - 1;
        assert_eq!(all, [("root", 0, 0, "/root"), ("nobody", nobody, nobody, "/var/empty")]);
        assert_eq!(name_of(passwd, nobody), "nobody");
        assert_eq!(name_of(passwd, 7), "7");
    }
}

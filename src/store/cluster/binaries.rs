//! Where the Postgres programs are. Distributions keep them off the PATH, one folder a version.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ClusterError;

/// The oldest major version Concord works with.
pub const OLDEST_MAJOR: u32 = 14;

/// Folders named after a version: where they are, what stands before the version, what below it.
const VERSIONED: [(&str, &str, &str); 7] = [
    // Debian, Ubuntu
    ("usr/lib/postgresql", "", "bin"),
    // Fedora, RHEL: the packages of the Postgres project
    ("usr", "pgsql-", "bin"),
    // Homebrew
    ("opt/homebrew/opt", "postgresql@", "bin"),
    ("usr/local/opt", "postgresql@", "bin"),
    // Postgres.app
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
    // openSUSE
    ("usr/lib", "postgresql", "bin"),
    // Alpine
    ("usr/libexec", "postgresql", ""),
];

const PLAIN: [&str; 4] = ["usr/bin", "usr/local/bin", "usr/local/pgsql/bin", "opt/homebrew/bin"];

/// The programs of one installed Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// The major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The server.
    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// The program that makes a cluster.
    pub fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }
}

/// The Postgres a new cluster is made with: the first on PATH, else the newest in the folders of
/// the distribution, that is new enough.
pub fn find_binaries() -> Result<Binaries, ClusterError> {
    choose(&installed(), None, Path::new(""))
}

/// Every Postgres on this machine, in the order of preference.
pub(super) fn installed() -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for folder in candidates(Path::new("/"), std::env::var_os("PATH").as_deref()) {
        if found.iter().all(|known| known.folder != folder)
            && let Some(major) = ask_version(&folder.join("postgres"))
        {
            found.push(Binaries { folder, major });
        }
    }
    found
}

/// The one to use: for a cluster that exists, the version that made it; else the first new enough.
pub(super) fn choose(
    installed: &[Binaries],
    made_by: Option<&str>,
    data: &Path,
) -> Result<Binaries, ClusterError> {
    if installed.is_empty() {
        return Err(ClusterError::NoBinaries);
    }
    if let Some(made_by) = made_by {
        let same = installed.iter().find(|binaries| binaries.major.to_string() == made_by);
        return same.cloned().ok_or_else(|| {
            let mut majors: Vec<String> = Vec::new();
            for major in installed.iter().map(|binaries| binaries.major.to_string()) {
                if !majors.contains(&major) {
                    majors.push(major);
                }
            }
            ClusterError::OtherVersion {
                data: data.to_owned(),
                made_by: made_by.to_owned(),
                installed: majors.join(", "),
            }
        });
    }
    installed.iter().find(|binaries| binaries.major >= OLDEST_MAJOR).cloned().ok_or_else(|| {
        let tell = |old: &Binaries| format!("{} in {}", old.major, old.folder.display());
        ClusterError::TooOld { found: installed.iter().map(tell).collect() }
    })
}

/// The folders that hold both programs, PATH first, then the known folders, newest first.
fn candidates(root: &Path, path: Option<&OsStr>) -> Vec<PathBuf> {
    let on_path = path.map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let mut versioned: Vec<(Reverse<u32>, PathBuf)> = Vec::new();
    for (parent, prefix, below) in VERSIONED {
        let entries = std::fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(leading_number);
            if let Some(version) = version {
                versioned.push((Reverse(version), entry.path().join(below)));
            }
        }
    }
    // Stable, so that among equals the order of the table stands.
    versioned.sort_by_key(|(version, _)| *version);
    let versioned = versioned.into_iter().map(|(_, folder)| folder);
    let plain = PLAIN.iter().map(|folder| root.join(folder));
    // A relative entry of PATH would mean another program after a change of directory.
    let on_path = on_path.into_iter().filter(|folder| folder.is_absolute());
    on_path.chain(versioned).chain(plain).filter_map(|folder| complete(&folder)).collect()
}

/// The folder where both programs are, following a link such as `/usr/local/bin/initdb`.
fn complete(folder: &Path) -> Option<PathBuf> {
    let initdb = folder.join("initdb").canonicalize().ok()?;
    let real = initdb.parent()?;
    [real, folder]
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .map(Path::to_owned)
}

/// Asks the program itself: folder names lie.
fn ask_version(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    parse_version(std::str::from_utf8(&output.stdout).ok()?)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `17beta1`, `19devel`.
fn parse_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    leading_number(version)
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_program_says() {
        for (text, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 17beta1", Some(17)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("something else 15", None),
        ] {
            assert_eq!(parse_version(text), major, "{text}");
        }
    }

    #[test]
    fn path_comes_first_then_the_newest_folder_and_half_installations_are_passed_over() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("exists");
        let put = |folder: &str, programs: &[&str]| {
            let folder = root.join(folder);
            std::fs::create_dir_all(&folder).expect("folder");
            for program in programs {
                std::fs::write(folder.join(program), "").expect("file");
            }
            folder
        };
        let both = ["initdb", "postgres"];
        let nine = put("usr/lib/postgresql/9.6/bin", &both);
        let fourteen = put("usr/lib/postgresql/14/bin", &both);
        let sixteen = put("usr/pgsql-16/bin", &both);
        let brew = put("opt/homebrew/opt/postgresql@17/bin", &both);
        put("usr/lib/postgresql/18/bin", &["initdb"]);
        let mine = put("mine", &both);
        let linked = put("linked", &[]);
        std::os::unix::fs::symlink(fourteen.join("initdb"), linked.join("initdb")).expect("link");

        let path = std::env::join_paths([&linked, &mine]).expect("a PATH");
        assert_eq!(
            candidates(&root, Some(&path)),
            [fourteen.clone(), mine, brew.clone(), sixteen.clone(), fourteen.clone(), nine.clone()]
        );
        assert_eq!(candidates(&root, None), [brew, sixteen, fourteen, nine]);
    }

    #[test]
    fn a_cluster_keeps_to_the_version_that_made_it() {
        let one = |major| Binaries { folder: PathBuf::from(format!("/pg/{major}")), major };
        let data = Path::new("/data");
        let choose = |majors: &[u32], made_by| {
            let all: Vec<Binaries> = majors.iter().copied().map(one).collect();
            choose(&all, made_by, data).map(|binaries| binaries.major)
        };
        assert_eq!(choose(&[13, 16, 15], None).expect("16"), 16);
        assert_eq!(choose(&[17, 15], Some("15")).expect("15"), 15);
        let refusal = choose(&[17, 16, 17], Some("15")).expect_err("refused").to_string();
        assert!(refusal.contains("made by Postgres 15"), "{refusal}");
        assert!(refusal.contains("installed version is 17, 16:"), "{refusal}");
        assert!(matches!(choose(&[], None), Err(ClusterError::NoBinaries)));
        let refusal = choose(&[13], None).expect_err("too old").to_string();
        assert!(refusal.contains("only 13 in /pg/13"), "{refusal}");
    }
}

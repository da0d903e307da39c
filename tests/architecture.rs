//! Holds the house together: which room may use which, and what may be spoken only where.
//!
//! Reads the `crate::…` paths in `src`. Tests inside a file may use what they like.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that meets something unforeseen fails, and that is what it is for"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rooms that anybody may use.
const WALLS: [&str; 5] = ["clock", "ids", "catalog", "planted", "turnstile"];

/// Who may use what, besides the walls and itself. `room/part` rows hold for that part alone.
const MAY_USE: &[(&str, &[&str])] = &[
    ("catalog", &[]),
    ("clock", &[]),
    ("ids", &[]),
    ("planted", &[]),
    ("turnstile", &[]),
    ("config", &[]),
    ("telemetry", &["config"]),
    ("vault", &[]),
    ("decide", &[]),
    // The wire types of either platform, not their clients: see `mapping_knows_wire_types_only`.
    ("mapping", &["platforms"]),
    // The target of spans.
    ("platforms", &["telemetry"]),
    ("act", &["platforms", "decide"]),
    ("ledger", &[]),
    ("store", &["ledger", "decide"]),
    ("receive", &["store"]),
    ("receive/verify", &[]),
    ("receive/hint", &[]),
    ("queue", &["store", "reconcile", "sweep"]),
    ("queue/backoff", &[]),
    ("connections", &["store", "platforms", "mapping", "vault"]),
    ("sweep", &["store", "platforms", "connections", "mapping", "telemetry"]),
    (
        "reconcile",
        &["queue", "platforms", "mapping", "decide", "act", "ledger", "store", "connections", "telemetry"],
    ),
    ("http", &["receive", "reconcile", "ledger", "decide", "connections", "store", "platforms", "telemetry"]),
    ("sandbox", &[]),
    (
        "cli",
        &[
            "act",
            "config",
            "connections",
            "decide",
            "http",
            "ledger",
            "mapping",
            "platforms",
            "queue",
            "receive",
            "reconcile",
            "sandbox",
            "store",
            "sweep",
            "telemetry",
            "vault",
        ],
    ),
];

struct Source {
    /// Path below `src` without `.rs`, such as `store/dirty`.
    name: String,
    /// Without comments and without tests.
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    fn may_use(&self) -> BTreeSet<&'static str> {
        let by_name: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
        let part: String = self.name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        let list = by_name.get(part.as_str()).or_else(|| by_name.get(self.room()));
        let list = list.unwrap_or_else(|| panic!("the room {} has no row in the table", self.room()));
        list.iter().copied().chain(WALLS).collect()
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 40, "only {} files were found", files.len());
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests stand at the end of a file, or in files of their own.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let uncommented = |line: &&str| !line.trim_start().starts_with("//");
            let code = code.lines().filter(uncommented).collect::<Vec<_>>().join("\n");
            let name = path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().into_owned();
            Source { name, code }
        })
        .filter(|source| !is_test(&source.name))
        .collect()
}

fn is_test(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    name.contains("/exhaustive")
        || last == "laws"
        || last == "tests"
        || name.contains("/tests/")
        || last.starts_with("test")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The rooms named by `crate::room` and `crate::{room, …}`.
fn used(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| -> String {
            text.trim()
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .collect()
        };
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            rooms.extend(list.split(',').map(word).filter(|room| !room.is_empty()));
        } else {
            rooms.insert(word(rest));
        }
    }
    rooms
}

#[test]
fn each_room_uses_only_what_the_table_allows() {
    let sources = sources();
    let rooms: BTreeSet<&str> = sources.iter().map(Source::room).collect();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !["main", "lib"].contains(&source.name.as_str())) {
        let allowed = source.may_use();
        for room in used(&source.code) {
            if rooms.contains(room.as_str()) && room != source.room() && !allowed.contains(room.as_str()) {
                wrong.push(format!("src/{}.rs uses {room}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by the table in tests/architecture.rs:\n{}", wrong.join("\n"));
}

#[test]
fn mapping_knows_wire_types_only() {
    for source in sources().iter().filter(|source| source.room() == "mapping") {
        for line in source.code.lines().filter(|line| line.contains("crate::platforms")) {
            assert!(line.contains("::wire::"), "src/{}.rs: {line}", source.name);
        }
    }
}

#[test]
fn what_may_be_spoken_only_where() {
    let rules: [(&str, &[&str]); 3] = [
        ("sqlx::", &["store"]),
        ("reqwest::", &["platforms", "sandbox"]),
        ("axum::", &["http", "sandbox", "cli"]),
    ];
    for source in sources() {
        for (word, rooms) in rules {
            let spoken = source.code.contains(word);
            assert!(!spoken || rooms.contains(&source.room()), "src/{}.rs speaks of {word}", source.name);
        }
        if ["catalog", "mapping", "decide"].contains(&source.room()) {
            assert!(!source.code.contains("async "), "src/{}.rs is not pure: it has async code", source.name);
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let says = text.starts_with("//!") || text.starts_with("#![doc");
        assert!(says, "{} does not begin with //!", file.display());
    }
}

#[test]
fn every_column_has_a_comment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut all = String::new();
    for entry in std::fs::read_dir(root).unwrap() {
        all.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let mut columns = 0;
    for table in all.split("create table ").skip(1) {
        let (name, rest) = table.split_once(" (").unwrap();
        let body = rest.split("\n);").next().unwrap();
        assert!(all.contains(&format!("comment on table {name} is")), "the table {name} has no comment");
        // A table like another one takes its columns over with their comments.
        if rest.starts_with("like ") {
            assert!(
                rest.split(')').next().unwrap().contains("including all"),
                "{name} leaves the comments behind"
            );
            continue;
        }
        for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let column = line.split_whitespace().next().unwrap();
            if ["primary", "constraint", "foreign", "check", "unique"]
                .iter()
                .any(|word| column.starts_with(word))
            {
                continue;
            }
            columns += 1;
            let comment = format!("comment on column {name}.{column} is");
            assert!(all.contains(&comment), "the column {name}.{column} has no comment");
        }
    }
    assert!(columns > 60, "only {columns} columns were found");
}

//! Holds what operators read together with the code: `deploy/METRICS.md`, `deploy/LOGS.md`, alerts and dashboard.
//!
//! Reads the sources; nothing is run.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that meets something unforeseen fails, and that is what it is for"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use concord::telemetry::{CATALOGUE, Kind};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every source file of the service, by path below `src`, without its tests.
fn sources() -> BTreeMap<String, String> {
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
    let mut files = Vec::new();
    let src = root().join("src");
    collect(&src, &mut files);
    let own = |name: &String| !name.starts_with("sandbox") && !name.starts_with("cli/demo");
    let read = files.into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        (path.strip_prefix(&src).unwrap().to_string_lossy().into_owned(), code)
    });
    read.filter(|(name, _)| own(name)).collect()
}

/// The arguments of every call of a macro, split at its commas.
fn calls<'a>(code: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    let opening = format!("{name}!(");
    let mut calls = Vec::new();
    for (at, _) in code.match_indices(&opening) {
        if at > 0 && (code.as_bytes()[at - 1].is_ascii_alphanumeric() || code.as_bytes()[at - 1] == b'_') {
            continue;
        }
        let inside = &code[at + opening.len()..];
        let (mut depth, mut text, mut escaped, mut start) = (0, false, false, 0);
        let mut arguments = Vec::new();
        for (at, letter) in inside.char_indices() {
            match letter {
                _ if escaped => escaped = false,
                '\\' if text => escaped = true,
                '"' => text = !text,
                _ if text => {}
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => {
                    arguments.push(inside[start..at].trim());
                    break;
                }
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    arguments.push(inside[start..at].trim());
                    start = at + 1;
                }
                _ => {}
            }
        }
        arguments.retain(|argument| !argument.is_empty());
        calls.push(arguments);
    }
    calls
}

fn literal(argument: &str) -> Option<&str> {
    argument.strip_prefix('"')?.strip_suffix('"')
}

/// Rows of the tables of a page, cell by cell, without their headings.
fn rows(page: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells =
        rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect());
    cells.filter(|cells: &Vec<String>| !["Name", "Level"].contains(&cells[0].as_str())).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_metric_that_is_emitted_stands_in_the_catalogue_and_the_other_way_round() {
    let mut emitted = BTreeMap::<String, (&str, BTreeSet<String>)>::new();
    for (file, code) in sources() {
        for kind in ["counter", "gauge", "histogram"] {
            for call in calls(&code, kind) {
                let name = literal(call[0]);
                let name = name.unwrap_or_else(|| panic!("src/{file}: a {kind} without a constant name"));
                let label = |pair: &&str| {
                    pair.split_once("=>").and_then(|(label, _)| literal(label.trim()).map(str::to_owned))
                };
                let labels: BTreeSet<String> = call[1..].iter().filter_map(label).collect();
                assert_eq!(labels.len(), call.len() - 1, "src/{file}: the labels of {name}");
                let known = emitted.entry(name.to_owned()).or_insert((kind, labels.clone()));
                assert_eq!(*known, (kind, labels), "src/{file}: {name} is emitted in two ways");
            }
        }
    }
    assert!(emitted.len() > 30, "only {} metrics were found", emitted.len());

    let word = |kind: Kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let described: BTreeMap<&str, &str> =
        CATALOGUE.iter().map(|metric| (metric.name, word(metric.kind))).collect();
    let in_code: BTreeMap<&str, &str> =
        emitted.iter().map(|(name, (kind, _))| (name.as_str(), *kind)).collect();
    assert_eq!(described, in_code, "left: src/telemetry/catalogue.rs, right: what the code emits");

    let mut documented = BTreeMap::new();
    for row in rows("deploy/METRICS.md") {
        let name = row[0].trim_matches('`').to_owned();
        assert!(row[3].len() > 2, "{name} has no meaning in deploy/METRICS.md");
        documented.insert(name, (row[1].clone(), quoted(&row[2])));
    }
    let emitted: BTreeMap<String, (String, BTreeSet<String>)> =
        emitted.into_iter().map(|(name, (kind, labels))| (name, (kind.to_owned(), labels))).collect();
    assert_eq!(documented, emitted, "left: deploy/METRICS.md, right: what the code emits");
}

/// A label that names a merchant or a product would make a series for each.
#[test]
fn no_label_grows_with_the_merchants() {
    for row in rows("deploy/METRICS.md") {
        for label in quoted(&row[2]) {
            let few = [
                "side", "door", "status", "what", "full", "code", "field", "act", "state", "outcome", "kind",
                "version",
            ];
            assert!(few.contains(&label.as_str()), "{} has the label {label}", row[0]);
        }
    }
}

#[test]
fn alerts_and_dashboard_speak_of_metrics_that_exist() {
    let known: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.name).collect();
    for page in [
        "deploy/prometheus/alerts.yaml",
        "deploy/prometheus/alerts_test.yaml",
        "deploy/grafana/dashboard.json",
        "deploy/METRICS.md",
        "deploy/README.md",
    ] {
        let text = read(page);
        for word in text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')) {
            if !word.starts_with("concord_") {
                continue;
            }
            let base = ["_bucket", "_count", "_sum"].into_iter().find_map(|end| word.strip_suffix(end));
            assert!(known.contains(word) || base.is_some_and(|base| known.contains(base)), "{page}: {word}");
        }
    }
    let shown = read("deploy/grafana/dashboard.json");
    for metric in CATALOGUE {
        assert!(shown.contains(metric.name), "the dashboard does not show {}", metric.name);
    }
}

#[test]
fn every_log_line_stands_in_the_contract_and_the_other_way_round() {
    let mut logged = BTreeMap::<(String, String), BTreeSet<String>>::new();
    for (file, code) in sources() {
        for level in ["info", "warn", "error"] {
            for call in calls(&code, level) {
                let message = literal(call[call.len() - 1]);
                let message = message
                    .unwrap_or_else(|| panic!("src/{file}: {level}! without a constant message: {call:?}"));
                assert!(
                    !message.contains('{'),
                    "src/{file}: “{message}” is not constant: give what varies as fields"
                );
                let field = |argument: &&str| {
                    let name = argument.split('=').next().unwrap();
                    name.trim().trim_start_matches(['%', '?']).to_owned()
                };
                let fields = call[..call.len() - 1].iter().map(field);
                logged.entry((level.to_owned(), message.to_owned())).or_default().extend(fields);
            }
        }
    }
    assert!(logged.len() > 30, "only {} log lines were found", logged.len());
    let documented: BTreeMap<(String, String), BTreeSet<String>> = rows("deploy/LOGS.md")
        .into_iter()
        .map(|row| ((row[0].clone(), row[1].clone()), quoted(&row[2])))
        .collect();
    let missing: Vec<_> = logged.iter().filter(|line| documented.get(line.0) != Some(line.1)).collect();
    assert!(missing.is_empty(), "deploy/LOGS.md lacks, or has other fields for: {missing:#?}");
    let stale: Vec<_> = documented.keys().filter(|line| !logged.contains_key(line)).collect();
    assert!(stale.is_empty(), "deploy/LOGS.md names what is not logged: {stale:#?}");
}

/// Documented settings exist, and every setting is documented for operators.
#[test]
fn settings_in_examples_exist() {
    let known: BTreeSet<String> = read("src/config.rs")
        .split("env = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert!(known.len() > 15, "{known:?}");
    let guide = read("deploy/README.md");
    for name in &known {
        assert!(guide.contains(&format!("`{name}`")), "deploy/README.md does not explain {name}");
    }
    for page in [
        "deploy/concord.env.example",
        "deploy/compose.yaml",
        "deploy/Dockerfile",
        "deploy/systemd/concord.service",
        "deploy/kubernetes/configmap.yaml",
        "deploy/kubernetes/secret.example.yaml",
        "README.md",
        "deploy/README.md",
        "deploy/WALKTHROUGH.md",
        "deploy/BEHAVIOUR.md",
        "deploy/BACKUP.md",
        "deploy/SECURITY.md",
    ] {
        for word in read(page).split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_')) {
            // CONCORD_IMAGE belongs to compose.yaml alone.
            let setting = word.starts_with("CONCORD_") && !word.ends_with('_') && word != "CONCORD_IMAGE";
            assert!(!setting || known.contains(word), "{page}: there is no setting {word}");
        }
    }
}

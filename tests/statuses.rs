//! Every status that `openapi/openapi.json` documents has been produced by a test. Run by `make test` after all others,
//! which write down what they were answered (`tests/support/statuses.rs`).

use std::collections::BTreeSet;

use serde_json::Value;

/// Does this path stand for that one of the document? How many of its parts are fixed, if so.
fn fits(documented: &str, path: &str) -> Option<usize> {
    let (documented, path): (Vec<&str>, Vec<&str>) =
        (documented.split('/').collect(), path.split('/').collect());
    let fixed = documented.iter().zip(&path).map(|(documented, part)| {
        if documented.starts_with('{') { Some(0) } else { (documented == part).then_some(1) }
    });
    (documented.len() == path.len()).then(|| fixed.sum::<Option<usize>>()).flatten()
}

#[test]
fn every_documented_status_was_produced() {
    let folder = std::env::var_os("CONCORD_TEST_STATUSES");
    let folder = folder.expect("CONCORD_TEST_STATUSES is not set: run the tests with `make test`");
    let text = include_str!("../openapi/openapi.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut seen: BTreeSet<(String, String, String)> = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let [method, path, status] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let documented =
                paths.keys().filter_map(|documented| Some((fits(documented, path)?, documented)));
            if let Some((_, documented)) = documented.max() {
                seen.insert((documented.clone(), method.to_lowercase(), status.to_owned()));
            }
        }
    }
    let mut missing = Vec::new();
    let mut documented = 0;
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else { continue };
            for status in responses.keys() {
                documented += 1;
                if !seen.contains(&(path.clone(), method.clone(), status.clone())) {
                    missing.push(format!("{status} {} {path}", method.to_uppercase()));
                }
            }
        }
    }
    missing.sort();
    assert!(documented > 400, "{documented} statuses are documented");
    assert!(
        missing.is_empty(),
        "{} of {documented} statuses no test has produced:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

//! What somebody sees who starts Concord for the first time: which setting is wrong and why, and what is missing.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::house::{Folder, binary};

async fn run(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().current_dir(&folder.0).stdin(Stdio::null()).kill_on_drop(true);
    command.env("CONCORD_LISTEN", "127.0.0.1:0");
    command.env("CONCORD_MASTER_KEY", crate::house::MASTER_KEY);
    // Nobody is there: the platforms are no matter of these tests.
    for side in ["R", "E"] {
        command.env(format!("CONCORD_{side}_SERIES_API_URL"), "http://127.0.0.1:1");
        command.env(format!("CONCORD_{side}_SERIES_AUTH_URL"), "http://127.0.0.1:1");
    }
    command.envs(environment.iter().copied());
    command.output().await.unwrap()
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_with_the_reason_and_never_with_its_password() {
    let folder = Folder::new("first-start");
    for (url, words) in [
        ("postgres://user:hush-4711@127.0.0.1:1/none", &["127.0.0.1", "port 1", "refused"][..]),
        (
            "postgres://user:hush-4711@no-such-host.invalid:5432/none",
            &["no-such-host.invalid", "5432", "host"],
        ),
        ("mysql://user:hush-4711@127.0.0.1/none", &["not a postgres:// address"]),
        ("127.0.0.1:hush-4711", &["not a postgres:// address"]),
    ] {
        for arguments in [&["serve"][..], &["doctor"]] {
            let said = run(&folder, arguments, &[("CONCORD_DATABASE_URL", url)]).await;
            let text = [said.stdout, said.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!said.status.success(), "{arguments:?} {url}: {text}");
            assert!(text.contains("CONCORD_DATABASE_URL"), "{arguments:?} {url}: {text}");
            for word in words {
                assert!(text.contains(word), "{word}: {arguments:?} {url}: {text}");
            }
            assert!(!text.contains("hush"), "the password: {text}");
            assert!(!text.contains('\u{1b}'), "colours in a pipe: {text}");
            if arguments == ["serve"] {
                for setting in
                    ["CONCORD_E_SERIES_CLIENT_SECRET is not set", "CONCORD_R_SERIES_CLIENT_SECRET is not set"]
                {
                    assert!(text.contains(setting), "{setting}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_doctor_makes_no_cluster() {
    let folder = Folder::new("first-look");
    let data_dir = folder.0.join("data");
    let set = [("CONCORD_DATA_DIR", data_dir.to_str().unwrap())];
    let said = run(&folder, &["doctor", "--json"], &set).await;
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let told = findings.iter().find(|it| it["group"] == "Database").unwrap();
    assert_eq!(told["level"], "note", "{report:#}");
    assert!(told["what"].as_str().unwrap().contains("no database yet"), "{report:#}");
    assert!(told["remedy"].as_str().unwrap().contains("concord serve"), "{report:#}");
    assert!(!data_dir.exists(), "looking made something");
}

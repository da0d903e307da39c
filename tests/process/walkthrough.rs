//! The walkthrough in the docs is run as it stands there: two sandbox accounts, a change that crosses, and why.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::house::{Folder, binary};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_gets_through_with_curl_alone() {
    let folder = Folder::new("walkthrough");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/walkthrough.sh");
    let mut command = Command::new("bash");
    command.arg(script).env("CONCORD", binary()).env("HOME", &folder.0).env("WALKTHROUGH_DIR", &folder.0);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONCORD_")) {
        command.env_remove(name);
    }
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("The walkthrough holds."), "{said}");
}

//! The making of a cluster.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use secrecy::{ExposeSecret, SecretString};

use super::USER;
use super::error::ClusterError;
use super::place::{Place, private_file, sync_folder};

const UNFINISHED: &str = "data.new-";
const PASSWORD_FOR_INITDB: &str = "password.initdb";

/// Runs initdb beside the final place and moves the result there: a start that is killed on the
/// way leaves no half cluster.
pub(super) async fn make(
    place: &Place,
    password: &SecretString,
    durable: bool,
    unique: uuid::Uuid,
) -> Result<(), ClusterError> {
    clear_leftovers(&place.home);
    let new = place.home.join(format!("{UNFINISHED}{}", unique.simple()));
    fs::create_dir(&new).map_err(ClusterError::io("making", &new))?;
    place.account.own(&new)?;

    // In the user's own file: a pipe of root's could not be opened again by that user.
    let password_file = place.home.join(PASSWORD_FOR_INITDB);
    private_file()
        .write(true)
        .create_new(true)
        .open(&password_file)
        .and_then(|mut file| writeln!(file, "{}", password.expose_secret()))
        .map_err(ClusterError::io("writing", &password_file))?;
    place.account.own(&password_file)?;

    let program = place.binaries.initdb();
    let mut command = place.account.command(&program);
    command.arg("-D").arg(&new).arg("--pwfile").arg(&password_file);
    command.args(["--username", USER, "--encoding=UTF8", "--locale=C", "--data-checksums"]);
    command.args(["--auth-local=scram-sha-256", "--auth-host=scram-sha-256"]);
    if !durable {
        command.arg("--no-sync");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
    let _ = fs::remove_file(&password_file);
    let output = output.map_err(ClusterError::io("running", &program))?;
    if !output.status.success() {
        let _ = fs::remove_dir_all(&new);
        // What it prints about its progress helps only when there is nothing else.
        let said = if output.stderr.is_empty() { output.stdout } else { output.stderr };
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(ClusterError::Initdb { path: place.data(), output: said });
    }
    let data = place.data();
    fs::rename(&new, &data).map_err(ClusterError::io("making", &data))?;
    sync_folder(&place.home)
}

/// What a killed start left. What cannot be removed is not in the way.
fn clear_leftovers(home: &Path) {
    let _ = fs::remove_file(home.join(PASSWORD_FOR_INITDB));
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

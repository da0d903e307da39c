//! `concord with-postgres -- command …`: a throw-away Postgres for tests.

use std::process::ExitStatus;
use std::sync::Arc;

use anyhow::Context;

use super::told_to_stop;
use crate::clock::{SharedClock, SystemClock};
use crate::ids::{GeneratedIds, SharedIds};
use crate::store::cluster::{Cluster, Options};

pub(super) async fn run(command: &[String]) -> anyhow::Result<u8> {
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    let (program, arguments) = command.split_first().context("name a command")?;
    let folder = std::env::temp_dir().join(format!("concord-test-{}", ids.uuid(clock.now()).simple()));
    std::fs::create_dir_all(&folder)?;
    let options = Options { data_dir: folder.clone(), durable: false };
    let cluster = Cluster::start(options, &clock, &ids).await?;
    let ran = async {
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env("CONCORD_TEST_DATABASE_URL", cluster.url("postgres"))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        tokio::select! {
            status = child.wait() => anyhow::Ok(status?),
            () = told_to_stop() => {
                child.kill().await?;
                Ok(child.wait().await?)
            }
        }
    };
    let ran = ran.await;
    let home = cluster.home().to_owned();
    cluster.stop().await?;
    // Thrown away; the home may lie elsewhere when the folder was not reachable for Postgres' user.
    for folder in [home, folder] {
        let _ = std::fs::remove_dir_all(folder);
    }
    let code = |status: ExitStatus| status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    ran.map(code)
}

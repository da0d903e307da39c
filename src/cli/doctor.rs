//! `concord doctor`: checks what can be checked, and says what to do about each fault.

mod connections;
mod database;
mod platforms;
mod settings;

use std::sync::Arc;

use serde::Serialize;

use super::database::{Database, data_dir};
use super::say;
use super::serve::apps;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::connections::Accounts;
use crate::ids::{GeneratedIds, SharedIds};
use crate::platforms::transport::{self, Limits};
use crate::store::cluster::find_binaries;
use crate::turnstile::Turnstile;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Ok,
    /// Works, but somebody should know.
    Note,
    /// Does not work, or will not for long.
    Fault,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    group: &'static str,
    level: Level,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Everything that was found, told as it is found unless it is to be read by a program.
#[derive(Debug)]
struct Report {
    json: bool,
    group: &'static str,
    findings: Vec<Finding>,
}

impl Report {
    fn begin(&mut self, group: &'static str) {
        self.group = group;
        if !self.json {
            say(group);
        }
    }

    fn good(&mut self, what: impl Into<String>) {
        self.tell(Level::Ok, what.into(), None);
    }

    fn note(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.tell(Level::Note, what.into(), Some(remedy.into()));
    }

    fn fault(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.tell(Level::Fault, what.into(), Some(remedy.into()));
    }

    fn tell(&mut self, level: Level, what: String, remedy: Option<String>) {
        if !self.json {
            let word = match level {
                Level::Ok => "ok   ",
                Level::Note => "note ",
                Level::Fault => "FAULT",
            };
            let remedy = remedy.as_ref().map(|remedy| format!("\n         {remedy}")).unwrap_or_default();
            say(&format!("  {word}  {what}{remedy}"));
        }
        self.findings.push(Finding { group: self.group, level, what, remedy });
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// The last line, or the whole as JSON; the exit code.
    fn end(self) -> anyhow::Result<u8> {
        let (faults, notes) = (self.count(Level::Fault), self.count(Level::Note));
        if self.json {
            let json = serde_json::json!({ "faults": faults, "notes": notes, "findings": self.findings });
            say(&serde_json::to_string_pretty(&json)?);
        } else {
            say(&match faults {
                0 => "No faults.".to_owned(),
                1 => "1 fault.".to_owned(),
                faults => format!("{faults} faults."),
            });
        }
        Ok(u8::from(faults > 0))
    }
}

/// Before the first start there is nothing to look at, and looking makes nothing.
fn no_cluster_yet(report: &mut Report, config: &Config) -> anyhow::Result<()> {
    let data_dir = data_dir(config)?;
    report.note(
        format!("there is no database yet: {} holds no private cluster", data_dir.display()),
        "The first start of `concord serve` makes one; or name a database of your own in CONCORD_DATABASE_URL.",
    );
    match find_binaries() {
        Ok(binaries) => report.good(format!("Postgres {} is installed for it", binaries.major())),
        Err(error) => report.fault(error.to_string(), "Until then `concord serve` does not start."),
    }
    Ok(())
}

/// Exit code 0 without faults, else 1.
pub(super) async fn run(config: &Config, json: bool) -> anyhow::Result<u8> {
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    let mut report = Report { json, group: "", findings: Vec::new() };

    report.begin("Configuration");
    settings::check(&mut report, config);

    report.begin("Platforms");
    let client = transport::client(Limits::default(), clock.clone(), Turnstile::default())?;
    platforms::check(&mut report, config, &client, &clock).await;

    report.begin("Database");
    let database = match Database::look(config, &clock, &ids).await {
        Ok(Some(database)) => database,
        Ok(None) => {
            no_cluster_yet(&mut report, config)?;
            return report.end();
        }
        Err(error) => {
            report.fault(format!("{error:#}"), "Everything else needs the database.");
            return report.end();
        }
    };
    let (store, vault, cluster) = database.into_parts();
    let key_id = vault.key_id().to_owned();
    if database::check(&mut report, config, &store, &clock).await {
        report.begin("Connections");
        let accounts = Accounts::new(store.clone(), vault, apps(config), client, clock.clone(), ids);
        connections::check(&mut report, &store, &accounts, &key_id, &clock).await;
    }
    store.close().await;
    Database::close(cluster).await?;
    report.end()
}

//! `concord doctor`: checks what can be checked, and says what to do about each fault.

use std::sync::Arc;

use super::database::Database;
use super::say;
use super::serve::apps;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::connections::{Accounts, care};
use crate::ids::{GeneratedIds, SharedIds};
use crate::platforms::transport::{self, Limits};
use crate::store::connections;
use crate::turnstile::Turnstile;

struct Report {
    faults: u32,
}

/// A check that found nothing wrong.
fn good(what: &str) {
    say(&format!("  ok     {what}"));
}

impl Report {
    fn fault(&mut self, what: &str, remedy: &str) {
        self.faults += 1;
        say(&format!("  FAULT  {what}\n         {remedy}"));
    }
}

pub(super) async fn run(config: &Config) -> anyhow::Result<u8> {
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    let mut report = Report { faults: 0 };

    say("Configuration");
    if config.e_series_client_secret.is_some() {
        good("CONCORD_E_SERIES_CLIENT_SECRET is set: notices of E-Series can be checked");
    } else {
        report.fault(
            "CONCORD_E_SERIES_CLIENT_SECRET is not set: every notice of E-Series is refused",
            "Set it to the client secret of your E-Series application; until then changes are found by polling only.",
        );
    }
    if config.r_series_client_id.is_some() && config.r_series_client_secret.is_some() {
        good("the R-Series application is set: access tokens can be renewed");
    } else {
        report.fault(
            "CONCORD_R_SERIES_CLIENT_ID or CONCORD_R_SERIES_CLIENT_SECRET is not set",
            "Without them a connection ends when its R-Series access token does, usually after an hour.",
        );
    }

    say("Database");
    let database = match Database::open(config, &clock, &ids).await {
        Ok(database) => database,
        Err(error) => {
            report.fault(&format!("{error:#}"), "Everything else needs the database.");
            return Ok(1);
        }
    };
    let (store, vault, cluster) = database.into_parts();
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => good("reachable, and all migrations are applied"),
        Ok(pending) => report.fault(
            &format!("migrations are pending: {pending:?}"),
            "Run `concord migrate`, or start `concord serve`, which applies them.",
        ),
        Err(error) => report.fault(&error.to_string(), "Check CONCORD_DATABASE_URL and that Postgres runs."),
    }

    say("Connections");
    let rows = async {
        let mut db = store.begin().await?;
        connections::load(&mut db, None).await
    };
    match rows.await {
        Err(error) => report.fault(&error.to_string(), "See above."),
        Ok(rows) if rows.is_empty() => good("none yet: make one with POST /v1/connections"),
        Ok(rows) => {
            let client = transport::client(Limits::default(), clock.clone(), Turnstile::default())?;
            let accounts = Accounts::new(store.clone(), vault, apps(config), client, clock.clone(), ids);
            for row in rows {
                let name = format!("“{}” ({})", row.name, row.connection_id);
                let asked = async {
                    let account = accounts.open(&row).await?;
                    account.r.account_ids().await.map_err(|error| error.about("R-Series"))?;
                    account.e.profile().await.map_err(|error| error.about("E-Series"))
                };
                match asked.await {
                    Ok(_) => good(&format!("{name}: both platforms accept the tokens")),
                    Err(error) => report.fault(
                        &format!("{name}: {error}"),
                        "Connect the account again, or check that the platform can be reached from here.",
                    ),
                }
                let care = async {
                    let mut db = store.begin().await?;
                    care(&mut db, row.connection_id, clock.now()).await
                };
                if let Ok(Some(warning)) = care.await.map(|care| care.warning) {
                    report.fault(&format!("{name}: {warning}"), "See POST /v1/oauth/r-series/start.");
                }
                if let Some(reason) = row.state_reason {
                    report.fault(&format!("{name} is not worked on: {reason}"), "Mend it, then resume it.");
                }
            }
        }
    }
    store.close().await;
    Database::close(cluster).await?;
    say(&match report.faults {
        0 => "No faults.".to_owned(),
        1 => "1 fault.".to_owned(),
        faults => format!("{faults} faults."),
    });
    Ok(u8::from(report.faults > 0))
}

//! The database: is it there, is it ours, and does it keep what it was given?

use chrono::TimeDelta;

use super::Report;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::store::{Store, StoreError, server};

/// Every process sets its clock by the database's, so more is only worth a word.
const APART: TimeDelta = TimeDelta::seconds(2);
/// Postgres 14.
const OLDEST: i32 = 140_000;

/// False when nothing more can be asked of it.
pub(super) async fn check(report: &mut Report, config: &Config, store: &Store, clock: &SharedClock) -> bool {
    let read = async {
        let asked = clock.now();
        let theirs = store.time().await?;
        let half = (clock.now() - asked) / 2;
        let mut db = store.begin().await?;
        Ok::<_, StoreError>((server::server(&mut db).await?, theirs - (asked + half)))
    };
    let (found, ahead) = match read.await {
        Ok(read) => read,
        Err(error) => {
            report.fault(error.to_string(), "Check CONCORD_DATABASE_URL and that Postgres runs.");
            return false;
        }
    };
    server_settings(report, config, &found);
    if ahead.abs() > APART {
        report.note(
            format!("the database's clock differs from this machine's by {} s", ahead.num_seconds()),
            "Concord goes by the database's. Set both by NTP: notices are judged by it.",
        );
    } else {
        report.good("the database has the same time");
    }
    migrations(report, store).await
}

fn server_settings(report: &mut Report, config: &Config, found: &server::Server) {
    let major = found.version / 10_000;
    if found.version < OLDEST {
        report.fault(format!("it is Postgres {major}"), "Concord needs Postgres 14 or newer.");
    } else {
        report.good(format!("reachable: Postgres {major}"));
    }
    if found.read_only {
        report.fault("it takes no writes", "This is a standby, or set read-only: name the primary.");
    }
    for (name, on) in [("fsync", found.fsync), ("full_page_writes", found.full_page_writes)] {
        if !on {
            report.fault(
                format!("{name} is off: a crash of the machine can lose or destroy what was acknowledged"),
                format!("Set {name} = on in postgresql.conf and reload."),
            );
        }
    }
    if found.synchronous_commit == "off" {
        report.fault(
            "synchronous_commit is off: a notice may be lost after it was answered with 200",
            "Set synchronous_commit = on (or local), at least for this role: ALTER ROLE … SET synchronous_commit = on.",
        );
    }
    if found.encoding != "UTF8" {
        report.fault(
            format!("its encoding is {}", found.encoding),
            "Make the database anew with ENCODING 'UTF8': names hold any letter.",
        );
    }
    let wanted = i32::try_from(super::super::database::connections(config)).unwrap_or(i32::MAX);
    if found.max_connections < wanted.saturating_mul(2) {
        report.note(
            format!("it takes {} connections; each replica uses up to {wanted}", found.max_connections),
            "Raise max_connections before adding a replica.",
        );
    }
}

async fn migrations(report: &mut Report, store: &Store) -> bool {
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => report.good("all migrations are applied"),
        Ok(pending) => {
            report.fault(
                format!("migrations are pending: {pending:?}"),
                "Run `concord migrate`, or start `concord serve`, which applies them.",
            );
            return false;
        }
        Err(error) => {
            report.fault(error.to_string(), "Check that the role owns the database.");
            return false;
        }
    }
    let newer = async {
        let mut db = store.begin().await?;
        server::unknown_migrations(&mut db).await
    };
    match newer.await {
        Ok(newer) if newer.is_empty() => {}
        Ok(newer) => report.note(
            format!("a newer Concord has worked on it (migrations {newer:?})"),
            "Fine during an upgrade; else install the newer version here too.",
        ),
        Err(error) => report.fault(error.to_string(), "See above."),
    }
    true
}

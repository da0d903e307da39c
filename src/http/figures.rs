//! Fills the gauges before they are shown: what they tell is in the database, and the same from every replica.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::Mutex;

use super::Desk;
use crate::catalog::Side;
use crate::clock::{Instant, after};
use crate::store::figures::{self, Figures};

/// Counted anew after this at the earliest, however often strangers ask.
const AGAIN: Duration = Duration::from_secs(10);

/// When it was last counted, and which labels were told of then.
#[derive(Debug, Clone, Default)]
pub struct Counted(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    at: Option<Instant>,
    labels: BTreeSet<(&'static str, String)>,
}

/// Brings the gauges up to date. Without a database they stay as they were, and `concord_database_up` says so.
pub(super) async fn count(desk: &Desk) {
    let now = desk.clock.now();
    let mut last = desk.counted.0.lock().await;
    if last.at.is_some_and(|at| now >= at && now < after(at, AGAIN)) {
        return;
    }
    last.at = Some(now);
    let read = async {
        let mut db = desk.store.begin().await?;
        figures::read(&mut db, now).await
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of seconds")]
    gauge!("concord_worker_idle_seconds").set(desk.pulse.age(now) as f64);
    for (side, left) in Side::BOTH.into_iter().zip(desk.accounts.quota_left(now)) {
        gauge!("concord_quota_left_ratio", "side" => side.as_str()).set(left);
    }
    match read.await {
        Ok(figures) => show(&figures, &mut last.labels),
        Err(error) => {
            gauge!("concord_database_up").set(0.0);
            tracing::debug!(%error, "nothing could be counted");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and seconds, far below 2^53")]
fn show(figures: &Figures, told: &mut BTreeSet<(&'static str, String)>) {
    gauge!("concord_database_up").set(1.0);
    gauge!("concord_waiting").set(figures.waiting as f64);
    gauge!("concord_running").set(figures.running as f64);
    gauge!("concord_oldest_unproven_seconds").set(figures.oldest_unproven_seconds as f64);
    gauge!("concord_linked").set(figures.linked as f64);
    let late = figures.late as f64 / figures.linked.max(1) as f64;
    gauge!("concord_proven_share").set((1.0 - late).clamp(0.0, 1.0));
    gauge!("concord_conflicts_open").set(figures.conflicts_open as f64);
    gauge!("concord_writes_open").set(figures.writes_open as f64);
    gauge!("concord_oldest_open_write_seconds").set(figures.oldest_open_write_seconds as f64);
    gauge!("concord_sweep_age_seconds").set(figures.sweep_age_seconds as f64);
    // States and acts are few and known; the codes of what is parked are those that occur.
    let always = [("state", "active"), ("state", "paused"), ("state", "needs_attention")];
    let always = always.into_iter().chain([("act", "removal"), ("act", "zero")]);
    told.extend(always.map(|(label, value)| (label, value.to_owned())));
    let kinds = [
        ("code", &figures.parked),
        ("act", &figures.braked),
        ("state", &figures.connections),
        ("kind", &figures.token_ages),
    ];
    for (label, rows) in kinds {
        told.extend(rows.iter().map(|(value, _)| (label, value.clone())));
    }
    // What was told of before and is no more is 0 now.
    for (label, value) in told.iter() {
        let rows = kinds.iter().find(|(known, _)| known == label).map(|(_, rows)| *rows);
        let number =
            rows.into_iter().flatten().find(|(known, _)| known == value).map_or(0, |(_, number)| *number);
        let gauge = match *label {
            "code" => gauge!("concord_parked", "code" => value.clone()),
            "act" => gauge!("concord_brake_held", "act" => value.clone()),
            "state" => gauge!("concord_connections", "state" => value.clone()),
            _ => gauge!("concord_token_age_seconds", "kind" => value.clone()),
        };
        gauge.set(number as f64);
    }
}

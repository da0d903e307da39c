//! Keeping the book in order: a month of the ledger ahead, and what is old goes. Every process does it now and then;
//! done twice it does nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::Sweep;
use crate::clock::{Instant, after, before};
use crate::store::{StoreError, kept_pictures, retention};

/// How long what was written down is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries of the ledger, by whole months; none is for ever.
    pub ledger: Option<Duration>,
    /// Notices that were explained; none is for ever.
    pub inbox: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { ledger: Some(days(400)), inbox: Some(days(30)) }
    }
}

/// So many days.
#[must_use]
pub fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

/// Between two times of upkeep, and before the first.
const EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// Until it is tried again when somebody was at work, or when there is more to do.
const SOON: Duration = Duration::from_secs(5 * 60);
/// Months whose partitions are there before their time.
const MONTHS_AHEAD: u32 = 3;
/// Most notices that are forgotten at a time.
const MOST_NOTICES: i64 = 10_000;
/// The same of pictures that were kept.
const MOST_PICTURES: i64 = 500;

/// When it is done again, in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Upkeep(Arc<Mutex<Option<Instant>>>);

impl Upkeep {
    /// When it is due.
    pub(super) fn due_at(&self, now: Instant) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(after(now, EVERY))
    }

    fn again(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

impl Sweep {
    /// Makes the months ahead and lets go of what is too old.
    pub(super) async fn upkeep(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.upkeep.again(after(now, EVERY));
        match self.keep_the_book(now).await {
            Ok(false) => {}
            Ok(true) => self.upkeep.again(after(now, SOON)),
            Err(error) if error.is_busy() => self.upkeep.again(after(now, SOON)),
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            // The service goes on without it.
            Err(error) => warn!(%error, "the ledger's upkeep failed"),
        }
        Ok(true)
    }

    /// True when there is more to do.
    async fn keep_the_book(&self, now: Instant) -> Result<bool, StoreError> {
        for ahead in 0..=MONTHS_AHEAD {
            let Some(month) = now.checked_add_months(chrono::Months::new(ahead)) else { break };
            let mut db = self.store.begin().await?;
            if retention::partition(&mut db, month).await? {
                info!(%month, "the ledger has a partition for this month");
            }
            db.commit().await?;
        }
        if let Some(keep) = self.retention.ledger {
            let mut db = self.store.begin().await?;
            let gone = retention::retire(&mut db, before(now, keep)).await?;
            db.commit().await?;
            if gone > 0 {
                info!(gone, "old months of the ledger are dropped");
            }
            let mut db = self.store.begin().await?;
            kept_pictures::forget(&mut db, before(now, keep), MOST_PICTURES).await?;
            db.commit().await?;
        }
        let Some(keep) = self.retention.inbox else { return Ok(false) };
        let mut db = self.store.begin().await?;
        let gone = retention::forget_notices(&mut db, before(now, keep), MOST_NOTICES).await?;
        db.commit().await?;
        Ok(gone >= u64::try_from(MOST_NOTICES).unwrap_or(u64::MAX))
    }
}

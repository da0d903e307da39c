//! THE ROUND: change polls of both platforms, and first and full looks over a whole catalogue. Only marks; what a
//! mark means is found out by the visit.
//!
//! R-Series has no webhooks, so its polls are its feed (r-series-api.md, section 5); for E-Series they are
//! the net under its notices. Feeds are read with overlap, because clocks, indexes and one-second stamps
//! hide rows; rows that were seen before, saying the same, are no news.

mod catalogue;
mod categories;
mod marking;
mod pictures;
mod polls;
mod room;
pub mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, info, warn};

use self::upkeep::{Retention, Upkeep};
use crate::catalog::Side;
use crate::clock::{Instant, SharedClock, after, before};
use crate::connections::{Account, Accounts, Settings};
use crate::ids::{ConnectionId, SharedIds, SyncId};
use crate::platforms::CallError;
use crate::store::{Store, StoreError, connections, syncs};
use crate::telemetry::SPANS;

/// Polls feeds and walks catalogues.
#[derive(Debug, Clone)]
pub struct Sweep {
    store: Store,
    accounts: Arc<Accounts>,
    clock: SharedClock,
    ids: SharedIds,
    interval: Duration,
    retention: Retention,
    upkeep: Upkeep,
}

/// What the sweep does at a time.
#[derive(Debug)]
pub enum Job {
    /// One page of a first look.
    Page(Box<syncs::Sync>),
    /// One step of a preview that has listed both sides: what would be done is for the corridor to say.
    Forecast(Box<syncs::Sync>),
    /// One poll of every feed of a connection.
    Round(Box<connections::Row>),
    /// Keeping the ledger and the inbox in order, for all connections.
    Upkeep,
}

impl Job {
    /// Whose.
    #[must_use]
    pub fn connection_id(&self) -> ConnectionId {
        match self {
            Self::Page(sync) | Self::Forecast(sync) => sync.connection_id,
            Self::Round(row) => row.connection_id,
            Self::Upkeep => NOBODY,
        }
    }
}

/// No connection in particular.
const NOBODY: ConnectionId = ConnectionId(uuid::Uuid::nil());

/// Why a round ended before its end.
#[derive(Debug)]
enum Broken {
    Call(Side, CallError),
    Store(StoreError),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Sweep {
    /// A round every `interval` for each connection.
    #[must_use]
    pub fn new(
        store: Store,
        accounts: Arc<Accounts>,
        clock: SharedClock,
        ids: SharedIds,
        interval: Duration,
        retention: Retention,
    ) -> Self {
        Self { store, accounts, clock, ids, interval, retention, upkeep: Upkeep::default() }
    }

    /// Up to `limit` jobs that are due, longest waiting first, none of a connection that is `busy`.
    pub async fn due(&self, busy: &[ConnectionId], limit: i64) -> Result<Vec<Job>, StoreError> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let mine = self.accounts.mine(now);
        let syncs = syncs::due(&mut db, mine.as_deref(), busy, limit, now).await?;
        let rounds = connections::sweep_due(&mut db, mine.as_deref(), busy, limit, now).await?;
        drop(db);
        let job = |sync: syncs::Sync| match sync.phase {
            syncs::Phase::Compare | syncs::Phase::CompareOnline => Job::Forecast(Box::new(sync)),
            _ => Job::Page(Box::new(sync)),
        };
        let syncs = syncs.into_iter().map(|sync| (sync.due_at, job(sync)));
        let rounds = rounds.into_iter().map(|row| (row.sweep_due_at, Job::Round(Box::new(row))));
        let mut jobs: Vec<(Instant, Job)> = syncs.chain(rounds).collect();
        let upkeep = self.upkeep.due_at(now);
        if upkeep <= now && !busy.contains(&NOBODY) {
            jobs.push((upkeep, Job::Upkeep));
        }
        jobs.sort_by_key(|(due_at, _)| *due_at);
        jobs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    /// Does one job, unless it is a forecast, which is not for the sweep to make. False when somebody else was first.
    pub async fn work(&self, job: Job) -> Result<bool, StoreError> {
        match job {
            Job::Page(sync) => self.step_sync(*sync).await,
            Job::Forecast(_) => Ok(false),
            Job::Round(row) => self.round(&row).await,
            Job::Upkeep => self.upkeep().await,
        }
    }

    /// When something is due again.
    pub async fn next_due(&self) -> Result<Option<Instant>, StoreError> {
        let mut db = self.store.begin().await?;
        let sync = syncs::next_due(&mut db).await?;
        let round = connections::next_sweep(&mut db).await?;
        Ok([sync, round].into_iter().flatten().min())
    }

    async fn round(&self, row: &connections::Row) -> Result<bool, StoreError> {
        let now = self.clock.now();
        // Until then nobody else begins the same round; a crash costs one interval.
        let settings = Settings::of(row);
        let next = after(now, settings.sweep_every().unwrap_or(self.interval));
        let mut db = self.store.begin().await?;
        let closed = self.accounts.closed_until(row.connection_id, now);
        let due = closed.map_or(next, |until| until.max(after(now, Duration::from_secs(1))));
        let taken = connections::take_sweep(&mut db, row.connection_id, row.sweep_due_at, due).await?;
        if taken && closed.is_none() {
            self.begin_full_look(&mut db, row, now).await?;
        }
        db.commit().await?;
        if !taken || closed.is_some() {
            return Ok(taken);
        }
        let done = match self.accounts.open(row).await {
            Ok(account) => {
                let span = tracing::trace_span!(target: SPANS, "round", connection = %row.connection_id);
                let look = async {
                    self.still_installed(&account, row).await?;
                    self.poll_all(&account, row).await
                };
                look.instrument(span).await
            }
            Err(error) => Err(Broken::Call(Side::RSeries, error)),
        };
        let mut db = self.store.begin().await?;
        match done {
            Ok(marked) => {
                connections::swept(&mut db, row.connection_id, self.clock.now()).await?;
                metrics::counter!("concord_sweeps_total").increment(1);
                if marked > 0 {
                    info!(connection = %row.connection_id, marked, "the sweep saw changes");
                }
            }
            Err(Broken::Store(error)) => return Err(error),
            Err(Broken::Call(side, error)) => {
                if let Some(until) = self.hindered(&mut db, row.connection_id, side, &error).await? {
                    connections::take_sweep(&mut db, row.connection_id, due, until).await?;
                }
            }
        }
        db.commit().await?;
        Ok(true)
    }

    /// Looks into a notice that the application was removed from the store. Anybody who has seen one genuine notice
    /// can forge its body, so the notice alone stops nothing.
    async fn still_installed(&self, account: &Account, row: &connections::Row) -> Result<(), Broken> {
        let Some(told_at) = row.e_uninstalled_at else { return Ok(()) };
        match account.e.profile().await {
            Ok(_) => {}
            Err(CallError::Account { why }) => {
                let why = format!(
                    "the application was removed from the store (E-Series told so at {}). Connect the store again. {why}",
                    told_at.format("%F %T UTC")
                );
                return Err(Broken::Call(Side::ESeries, CallError::Account { why }));
            }
            Err(error) => return Err(Broken::Call(Side::ESeries, error)),
        }
        let mut db = self.store.begin().await?;
        connections::not_uninstalled(&mut db, row.connection_id, told_at).await?;
        db.commit().await?;
        info!(connection = %row.connection_id, "the application is still in the store, whatever a notice said");
        Ok(())
    }

    /// Begins a full look if one is due. Whoever has taken the round asks, so it is begun once.
    async fn begin_full_look(
        &self,
        db: &mut crate::store::Db,
        row: &connections::Row,
        now: Instant,
    ) -> Result<(), StoreError> {
        let settings = Settings::of(row);
        let Some(every) = settings.full_look_every() else { return Ok(()) };
        let sync = SyncId::new(&self.ids, now);
        if syncs::start_full_look(db, row.connection_id, sync, before(now, every), now).await? {
            info!(connection = %row.connection_id, %sync, "a full look begins");
        }
        Ok(())
    }

    /// Deals with a call that failed; returns when to come back.
    async fn hindered(
        &self,
        db: &mut crate::store::Db,
        connection: ConnectionId,
        side: Side,
        error: &CallError,
    ) -> Result<Option<Instant>, StoreError> {
        let now = self.clock.now();
        warn!(%connection, %side, %error, "the round was broken off");
        Ok(match error {
            CallError::Later { until, .. } => Some(*until),
            CallError::Account { why } => {
                let reason = side.says(why);
                let state = connections::State::NeedsAttention;
                connections::set_state(db, connection, state, Some(&reason), now).await?;
                None
            }
            _ => Some(after(now, self.interval)),
        })
    }

    async fn poll_all(&self, account: &Account, row: &connections::Row) -> Result<usize, Broken> {
        let began = row.created_at;
        let mut marked = self.poll_r_categories(account, row).await?;
        marked += self.poll_r_items(account, began).await?;
        marked += self.poll_r_matrices(account, began).await?;
        marked += self.poll_r_item_shops(account, began).await?;
        marked += self.poll_r_inventory_log(account).await?;
        marked += self.poll_e_products(account, began).await?;
        marked += self.poll_e_deleted(account, began).await?;
        marked += self.poll_r_images(account).await?;
        marked += self.make_room(account, row).await?;
        Ok(marked)
    }
}

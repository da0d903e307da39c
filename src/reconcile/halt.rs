//! What becomes of a visit that ends before its end: it comes back later, waits for a person, or stops its connection.

use std::time::Duration;

use tracing::{info, warn};

use super::{Corridor, Visit};
use crate::catalog::Side;
use crate::clock::{Instant, after};
use crate::decide::brake;
use crate::decide::matching::Doubt;
use crate::ids::ConnectionId;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::queue::backoff;
use crate::store::dirty::{self, Claim};
use crate::store::links::Standing;
use crate::store::{StoreError, brakes, connections, links, reviews};

/// Why a visit ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Come back at this time; `failed` counts against the product.
    Later { until: Instant, why: String, failed: bool },
    /// What was seen has moved on: look again.
    Again(&'static str),
    /// Wait until its inputs change.
    Park { code: &'static str, reason: String },
    /// A person has to say which product it is.
    Review(Box<Doubt>),
    /// The account needs a person.
    Account { side: Side, why: String },
    /// Somebody else has the product now.
    Lost,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::Lost,
            // Another visit tied one of the halves meanwhile.
            error if error.constraint().is_some() => Self::Again("another visit was faster"),
            error => Self::Store(error),
        }
    }
}

impl Corridor {
    /// Ends a visit that stopped. Returns until when the whole connection has to wait, if it has to.
    pub(super) async fn stopped(&self, visit: &Visit<'_>, stop: Stop) -> Result<Option<Instant>, StoreError> {
        let now = self.clock.now();
        let claim = &visit.claim;
        let product = claim.product_id;
        let mut db = self.store.begin().await?;
        let mut hindrance = None;
        let given_back = match enough(stop, claim.attempts) {
            // What the visit learned on the way is not written down: it may be the very reason.
            Stop::Park { code: code @ brake::KEEPS_FAILING, reason } => {
                warn!(%product, code, reason, "parked");
                metrics::counter!("concord_parked_total", "code" => code).increment(1);
                dirty::park(&mut db, claim, code, &reason, now).await
            }
            Stop::Lost => {
                info!(%product, "the lease ran out during the visit: whoever has it now looks again");
                return Ok(None);
            }
            Stop::Store(error) => return Err(error),
            Stop::Later { until, why, failed } => {
                let failed = failed || planted(Mistake::RateLimitIsFailure);
                info!(%product, %until, why, "come back later");
                if !failed {
                    hindrance = self.accounts.closed_until(claim.connection_id, now);
                }
                let until = if failed { until.max(backoff::next(claim.attempts, now)) } else { until };
                dirty::give_back(&mut db, claim, until, failed).await
            }
            Stop::Again(why) => {
                info!(%product, why, "look again");
                dirty::give_back(&mut db, claim, backoff::next(claim.attempts - 1, now), true).await
            }
            Stop::Review(doubt) => {
                let Doubt { code, reason, .. } = doubt.as_ref();
                warn!(%product, code, reason, "for a person to decide");
                metrics::counter!("concord_parked_total", "code" => *code).increment(1);
                dirty::lock(&mut db, claim).await?;
                links::save(&mut db, &visit.link, now).await?;
                reviews::put(&mut db, claim.connection_id, product, &doubt, now).await?;
                self.explain(&mut db, visit).await?;
                dirty::park(&mut db, claim, code, reason, now).await
            }
            Stop::Park { code, reason } => {
                warn!(%product, code, reason, "parked");
                metrics::counter!("concord_parked_total", "code" => code).increment(1);
                dirty::lock(&mut db, claim).await?;
                links::save(&mut db, &visit.link, now).await?;
                if visit.in_doubt && visit.choice.is_none() {
                    reviews::done(&mut db, claim.connection_id, product, now).await?;
                }
                if visit.link.standing == Standing::GoneOnline {
                    self.let_twins_go(&mut db, visit).await?;
                }
                if visit.braked && code != brake::BRAKE {
                    brakes::done(&mut db, claim.connection_id, product).await?;
                }
                self.explain(&mut db, visit).await?;
                dirty::park(&mut db, claim, code, &reason, now).await
            }
            Stop::Account { side, why } => {
                self.needs_attention(&mut db, claim.connection_id, side, &why).await?;
                hindrance = Some(now);
                dirty::give_back(&mut db, claim, now, false).await
            }
        };
        match given_back {
            Ok(()) => db.commit().await?,
            Err(StoreError::LeaseLost) => {}
            Err(error) => return Err(error),
        }
        Ok(hindrance)
    }

    /// Nobody could be visited: everyone is given back, at no cost to them.
    pub(super) async fn all_stop(
        &self,
        claims: &[Claim],
        side: Side,
        error: CallError,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let until = match &error {
            CallError::Later { until, .. } => *until,
            CallError::Account { why } => {
                if let Some(claim) = claims.first() {
                    let mut db = self.store.begin().await?;
                    self.needs_attention(&mut db, claim.connection_id, side, why).await?;
                    db.commit().await?;
                }
                now
            }
            _ => after(now, Duration::from_secs(5)),
        };
        info!(%until, why = %error, "nobody was visited");
        self.give_all_back(claims, until).await
    }

    pub(super) async fn give_all_back(&self, claims: &[Claim], until: Instant) -> Result<(), StoreError> {
        // In the order in which everybody locks rows of the dirty set.
        let mut claims = claims.to_vec();
        claims.sort_unstable_by_key(|claim| claim.product_id);
        let mut db = self.store.begin().await?;
        for claim in &claims {
            let failed = planted(Mistake::RateLimitIsFailure);
            let until =
                if failed { until.max(backoff::next(claim.attempts, self.clock.now())) } else { until };
            match dirty::give_back(&mut db, claim, until, failed).await {
                Ok(()) | Err(StoreError::LeaseLost) => {}
                Err(error) => return Err(error),
            }
        }
        db.commit().await
    }

    pub(super) async fn needs_attention(
        &self,
        db: &mut crate::store::Db,
        connection: ConnectionId,
        side: Side,
        why: &str,
    ) -> Result<(), StoreError> {
        let reason = side.says(why);
        let now = self.clock.now();
        let state = connections::State::NeedsAttention;
        if connections::set_state(db, connection, state, Some(&reason), now).await? {
            warn!(%connection, reason, "the connection needs attention");
        }
        Ok(())
    }

    /// A call's error as a reason to stop. A refusal has to be dealt with before.
    pub(super) fn stop(&self, side: Side, error: CallError) -> Stop {
        match error {
            CallError::Later { until, why } => Stop::Later { until, why, failed: false },
            CallError::Busy { why } => Stop::Later { until: self.in_seconds(2), why, failed: true },
            CallError::Unclear { why } => {
                metrics::counter!("concord_unclear_total", "side" => side.as_str()).increment(1);
                Stop::Later { until: self.in_seconds(1), why: format!("unclear: {why}"), failed: false }
            }
            CallError::Gone { .. } => Stop::Again("the record is gone"),
            CallError::Refused { why, .. } => Stop::Park { code: "refused", reason: why },
            CallError::Account { why } => Stop::Account { side, why },
        }
    }
}

/// A visit that failed is tried again, but not for ever.
fn enough(stop: Stop, attempts: i32) -> Stop {
    let why = match &stop {
        Stop::Later { why, failed: true, .. } => why.as_str(),
        Stop::Again(why) => *why,
        _ => return stop,
    };
    match brake::gives_up(attempts, why) {
        Some(reason) => Stop::Park { code: brake::KEEPS_FAILING, reason },
        None => stop,
    }
}

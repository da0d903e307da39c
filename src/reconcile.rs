//! THE CORRIDOR: claim → look at both sides → observe → merge → plan → intend → execute → settle.
//!
//! A visit takes no input but the product's id: a notice says only where to look. Everything it learns it
//! learns by looking, so a lost notice costs time and nothing else.
//!
//! The order of commits is what makes a crash harmless. Before a call: the intent. After it: the result,
//! the shadow and, at the end, the release of the product. A visit that finds an open intent closes it
//! by what it sees (`observe`) before it merges anything.

mod born;
mod braking;
mod carry;
mod category;
mod create;
mod doubt;
mod due;
pub mod edits;
mod forecast;
mod gone;
mod halt;
mod images;
mod intend;
mod look;
mod looks;
mod mass;
mod matching;
mod moves;
mod observe;
mod planning;
mod preview;
mod removal;
mod room;
mod sell;
mod settle;
mod sight;
mod stock;
mod swaps;
mod together;
mod tree;
pub mod undo;
mod variants;
mod write;

pub use preview::{Preview, PreviewError};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::due::Due;
use self::edits::Wanted;
pub use self::forecast::{Forecast, ForecastChange, seconds_for};
use self::halt::Stop;
use self::sight::{InShop, Sight, Sights};
use crate::catalog::{Field, Side, Value};
use crate::clock::{Instant, SharedClock, after};
use crate::connections::{Account, Accounts};
use crate::decide::plan::Change;
use crate::ids::{EntryId, SharedIds};
use crate::ledger::Entry;
use crate::ledger::origin::Notice;
use crate::mapping::OptionNames;
use crate::planted::{Mistake, planted};
use crate::platforms::eseries::client::BatchOutcome;
use crate::platforms::eseries::wire::Product;
use crate::store::decisions::{Choice, Decision};
use crate::store::dirty::Claim;
use crate::store::links::{Link, Parent, Standing};
use crate::store::matching::Listing;
use crate::store::reviews;
use crate::store::shop_counts::ShopCounts;
use crate::store::stock_marks::StockMark;
use crate::store::wishes::Wish;
use crate::store::{Store, StoreError};
use crate::telemetry::SPANS;

/// How long after its intent a write may still be sent. Who was held up longer may have lost the lease, and
/// somebody else may have judged the write by then.
pub const SEND_WITHIN: Duration = Duration::from_secs(3);

/// How long after its intent a write is given to show up before it is judged not to have landed. Longer
/// than it may take to send (3 s) and to answer (20 s) together, and for a difference of the clocks of
/// two processes, so a request that is still on its way cannot arrive after the verdict.
pub const SETTLE: Duration = Duration::from_secs(30);

/// How long E-Series is sure to remember a batch's key (e-series-api.md, section 2.4: one hour).
pub const KEY_LIFE: Duration = Duration::from_secs(50 * 60);

/// Walks products through the house.
#[derive(Debug, Clone)]
pub struct Corridor {
    pub(crate) store: Store,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) clock: SharedClock,
    pub(crate) ids: SharedIds,
}

/// One product on its way through the corridor.
struct Visit<'a> {
    account: &'a Account,
    claim: Claim,
    link: Link,
    /// The product it is a variant of.
    parent: Option<Parent>,
    /// What its options are taken to be called until they are tied.
    assumed: Option<OptionNames>,
    notices: Vec<Notice>,
    /// The SKU as it was known before this visit.
    known_sku: String,
    /// Whose news was found, for the meaning of notices.
    changed: [bool; 2],
    /// Newest row of the inventory log that the sweep had read before the look.
    log_cursor: Option<i64>,
    /// The same before any look that may follow.
    log_now: Option<i64>,
    /// What R-Series shows is what a run has listed.
    listed_shop: bool,
    /// How much of E-Series a run has listed.
    listing: Listing,
    /// What the group saw of the product that it is to become a variant of.
    parent_online: Option<Product>,
    /// Its match is in doubt, or was.
    in_doubt: bool,
    /// What a person said about that.
    choice: Option<reviews::Choice>,
    /// How the shop's stock was found, to be kept when the visit settles.
    mark: Option<StockMark>,
    /// What each shop was seen to have, to be kept likewise.
    shop_counts: Option<ShopCounts>,
    /// What the shops show by which its stock was last told, where the operator has chosen others since.
    in_old_shops: Option<doubt::OldShops>,
    /// The brake holds it, or has let it through.
    braked: bool,
    /// What an operator wants of it.
    wish: Option<Wish>,
    /// The shop's pictures of it.
    pictures: images::Pictures,
    edits: Vec<Wanted>,
    /// An operator has taken it off the web.
    withdrawn: bool,
    /// What an operator decided about it while it is on one side alone.
    decision: Option<Decision>,
    /// A product of E-Series that is known to be gone: an index may show it for some seconds more.
    gone: Option<i64>,
    /// The field that takes a stand-in for a moment, so that another record can have its value.
    stands_in: Option<Field>,
    /// What became of its availability, which was written together with that of others.
    batched: Option<BatchOutcome>,
}

impl Visit<'_> {
    fn changed(&self, side: Side) -> bool {
        let [r, e] = self.changed;
        if side == Side::RSeries { r } else { e }
    }

    /// Does an operator decide this field?
    fn wishes(&self, field: Field) -> bool {
        field == Field::Enabled && self.wish.is_some() || self.edited(field).is_some()
    }

    /// Which value of the other side is accounted for by this change. A wish is no news of that side, and behind a
    /// stand-in nothing is: what it shows stays news.
    fn news_behind<'a>(&self, change: &'a Change, shown: Option<&'a Value>) -> Option<&'a Value> {
        let stands_in = self.stands_in == Some(change.field);
        if stands_in { Some(&change.after) } else { shown.filter(|_| !self.wishes(change.field)) }
    }

    /// Has an operator decided so?
    fn decides(&self, choice: Choice) -> bool {
        self.decision.is_some_and(|decision| decision.choice == choice)
    }

    /// What led to a change of `side`, for the ledger.
    fn cause(&self, side: Side) -> Option<String> {
        let notice = self.notices.iter().rev().find(|notice| notice.side == side);
        match notice {
            Some(notice) => Some(format!("notice {}", notice.event_id)),
            None if self.claim.swept => Some("sweep".into()),
            None => None,
        }
    }
}

impl Corridor {
    /// A corridor over these rooms.
    #[must_use]
    pub fn new(store: Store, accounts: Arc<Accounts>, clock: SharedClock, ids: SharedIds) -> Self {
        Self { store, accounts, clock, ids }
    }

    /// Visits products of one connection, one after the other. Both sides are looked at in one call each
    /// for all of them; a product that has to be written is looked at again by itself.
    pub async fn visit(&self, claims: Vec<Claim>) -> Result<(), StoreError> {
        self.visit_until(claims, &CancellationToken::new()).await
    }

    /// The same, giving back at `stop` whatever has not been begun: a process that ends need not let its
    /// leases run out.
    pub async fn visit_until(&self, claims: Vec<Claim>, stop: &CancellationToken) -> Result<(), StoreError> {
        let Some(connection_id) = claims.first().map(|claim| claim.connection_id) else { return Ok(()) };
        let Some(mut known) = self.known(connection_id, &claims).await? else { return Ok(()) };
        let account = match self.accounts.open(&known.connection).await {
            Ok(account) => Account { tree: std::mem::take(&mut known.tree), ..account },
            Err(error) => return self.all_stop(&claims, Side::RSeries, error).await,
        };
        let Some(mut due) = self.first_look(&account, known, claims).await? else { return Ok(()) };
        self.enable_together(&account, &mut due).await?;

        let mut due = VecDeque::from(due);
        while let Some(Due { mut visit, intents, sights, stop: ended }) = due.pop_front() {
            let rest =
                |due: &VecDeque<Due<'_>>| due.iter().map(|due| due.visit.claim).collect::<Vec<Claim>>();
            if stop.is_cancelled() {
                let all: Vec<Claim> = std::iter::once(visit.claim).chain(rest(&due)).collect();
                return self.give_all_back(&all, self.clock.now()).await;
            }
            let sights = match (ended, sights) {
                (Some(stop), _) => Err(stop),
                (None, Some(sights)) => Ok(sights),
                (None, None) => {
                    visit.link.r_seen_at = Some(looks::later_than(self.clock.now()));
                    self.look_at_one(&account, &visit.link).await
                }
            };
            let ended = match sights {
                Ok(sights) => {
                    let product = visit.claim.product_id;
                    let span =
                        tracing::trace_span!(target: SPANS, "visit", connection = %connection_id, %product);
                    Box::pin(self.walk(&mut visit, intents, sights)).instrument(span).await
                }
                Err(stop) => Err(stop),
            };
            if visit.pictures.busy {
                self.keep(&rest(&due)).await?;
            }
            let stop = match ended {
                Ok(()) => continue,
                Err(stop) => stop,
            };
            if let Some(hindrance) = self.stopped(&visit, stop).await? {
                // A closed gate or a dead account stops everyone behind as well, at no cost to them.
                return self.give_all_back(&rest(&due), hindrance).await;
            }
        }
        Ok(())
    }

    /// One product, from observing to settling. What follows is deep, so each way is kept off the stack.
    async fn walk(&self, visit: &mut Visit<'_>, intents: Vec<Entry>, mut sights: Sights) -> Result<(), Stop> {
        if planted(Mistake::IntentClosedAfterMerging) {
            for intent in &intents {
                self.close(visit, intent, crate::ledger::Outcome::Superseded).await?;
            }
        } else if !intents.is_empty() {
            let seen_since = visit.batched == Some(BatchOutcome::Applied) && intents.len() == 1;
            Box::pin(self.observe(visit, intents, &sights)).await?;
            // What was looked at may be older than what has just been closed.
            if !seen_since {
                visit.looks_in_shop(self.clock.now());
                sights = self.look_at_one(visit.account, &visit.link).await?;
            }
        }
        if let Sight::Here(InShop::Item(item)) = &sights.r
            && visit.is_elsewhere(item)
        {
            if !visit.waits_to_be_called(item, &sights.e) {
                let item = item.clone();
                return Box::pin(self.moved(visit, &item, sights)).await;
            }
            self.ask_to_be_called(visit, item.matrix_id).await?;
        }
        match (sights.r, sights.e) {
            (Sight::NoHalf, Sight::Here(online)) => Box::pin(self.only_online(visit, &online)).await,
            (Sight::NoHalf | Sight::Gone, Sight::NoHalf | Sight::Gone) => self.nothing_left(visit).await,
            (Sight::Gone, Sight::Here(online)) => Box::pin(self.gone_in_shop(visit, &online)).await,
            (Sight::Here(shop), Sight::Gone) => Box::pin(self.gone_online(visit, &shop)).await,
            (Sight::Here(shop), Sight::NoHalf)
                if !shop.archived() && (visit.withdrawn || visit.removal().is_some()) =>
            {
                self.stays_withdrawn(visit).await
            }
            (Sight::Here(shop), Sight::NoHalf) => Box::pin(self.match_or_create(visit, &shop)).await,
            (Sight::Here(shop), Sight::Here(online)) if visit.removal().is_some() => {
                Box::pin(self.withdraw(visit, &shop, online)).await
            }
            (Sight::Here(shop), Sight::Here(online)) if shop.archived() => {
                Box::pin(self.archived(visit, &shop, &online)).await
            }
            (Sight::Here(shop), Sight::Here(online)) => {
                visit.link.standing = Standing::Linked;
                Box::pin(self.carry(visit, shop, online, [sights.fresh, sights.fresh])).await
            }
        }
    }

    fn entry_id(&self) -> EntryId {
        EntryId::new(&self.ids, self.clock.now())
    }

    fn in_seconds(&self, seconds: u64) -> Instant {
        after(self.clock.now(), Duration::from_secs(seconds))
    }
}

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
mod together;
mod tree;
pub mod undo;
mod variants;
mod write;

pub use preview::{Preview, PreviewError};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::edits::Wanted;
pub use self::forecast::{Forecast, ForecastChange, seconds_for};
use self::halt::Stop;
use self::sight::{InShop, Sight, Sights};
use crate::catalog::{Field, Side};
use crate::clock::{Instant, SharedClock, after, before};
use crate::connections::{Account, Accounts};
use crate::ids::{EntryId, ProductId, SharedIds};
use crate::ledger::Entry;
use crate::ledger::origin::Notice;
use crate::mapping::OptionNames;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::eseries::client::BatchOutcome;
use crate::platforms::eseries::wire::Product;
use crate::store::decisions::{self, Choice, Decision};
use crate::store::dirty::Claim;
use crate::store::links::{self, Link, Parent, Standing};
use crate::store::matching as matching_store;
use crate::store::reviews;
use crate::store::shop_counts::ShopCounts;
use crate::store::stock_marks::StockMark;
use crate::store::wishes::{self, Wish};
use crate::store::{self, Store, StoreError, brakes, categories, connections, cursors, inbox, ledger};
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
    /// A run has listed E-Series: what is not among it was not there.
    online_is_listed: bool,
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
    /// What became of its availability, which was written together with that of others.
    batched: Option<BatchOutcome>,
}

/// A visit that is about to begin.
struct Due<'a> {
    visit: Visit<'a>,
    /// Writes whose outcome nobody knows.
    intents: Vec<Entry>,
    /// What the common look showed; without it, it is looked at when its turn comes.
    sights: Option<Sights>,
    /// It ends before it has begun.
    stop: Option<Stop>,
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
        let products: Vec<ProductId> = claims.iter().map(|claim| claim.product_id).collect();
        let mut db = self.store.begin().await?;
        let row = connections::get(&mut db, connection_id).await?;
        let mut links = links::load(&mut db, connection_id, &products).await?;
        let mut parents = links::parents(&mut db, connection_id, &products).await?;
        self.lift_released(&mut db, connection_id, &mut links).await?;
        let braked = brakes::concerned(&mut db, connection_id, &products).await?;
        let online_is_listed = {
            let oldest = before(self.clock.now(), looks::LOOK_LIFE);
            matching_store::is_listed(&mut db, connection_id, oldest).await?
        };
        let mut listed = self.listed(&mut db, connection_id, &links).await?;
        let mut reviews = reviews::of(&mut db, connection_id, &products).await?;
        let mut wishes = wishes::of(&mut db, connection_id, &products).await?;
        let mut edits = store::edits::of(&mut db, connection_id, &products).await?;
        let withdrawn = store::edits::withdrawn(&mut db, connection_id, &products).await?;
        let mut decisions = decisions::of(&mut db, connection_id, &products).await?;
        let mut intents = BTreeMap::<ProductId, Vec<_>>::new();
        for entry in ledger::open(&mut db, connection_id, &products).await? {
            if let Some(product) = entry.product_id {
                intents.entry(product).or_default().push(entry);
            }
        }
        let mut notices = inbox::open(&mut db, connection_id, &products).await?;
        let cursor = cursors::get(&mut db, connection_id, "r_inventory_log").await?;
        let log_cursor = cursor.and_then(|position| position.get("id")?.as_i64());
        let tree = categories::tree(&mut db, connection_id).await?;
        drop(db);
        let Some(row) = row else { return Ok(()) };
        // What a write that is open has done can only be seen by looking.
        listed.retain(|product, _| !intents.contains_key(product));

        let account = match self.accounts.open(&row).await {
            Ok(account) => Account { tree, ..account },
            Err(error) => return self.all_stop(&claims, Side::RSeries, error).await,
        };
        let mut links: BTreeMap<ProductId, Link> =
            links.into_iter().map(|link| (link.product_id, link)).collect();
        let mut besides: Vec<i64> = links
            .values()
            .filter(|link| link.e_product_id.is_none())
            .filter_map(|link| parents.get(&link.product_id)?.e_product_id)
            .collect();
        besides.sort_unstable();
        besides.dedup();
        let began = self.clock.now();
        let (mut sights, online) = match self.look_at_all(&account, links.values(), listed, &besides).await {
            Ok(seen) => seen,
            // Somebody in the group is refused: each is looked at by itself, so that only that one stops.
            Err((_, CallError::Refused { .. } | CallError::Gone { .. })) => {
                (BTreeMap::new(), BTreeMap::new())
            }
            Err((side, error)) => return self.all_stop(&claims, side, error).await,
        };
        let mut pictures = self.pictures_due(&account, links.values()).await?;

        let mut due = Vec::new();
        for claim in claims {
            let product = claim.product_id;
            // A link that is gone took its place in the dirty set with it.
            let Some(mut link) = links.remove(&product) else { continue };
            let sights = sights.remove(&product);
            let listed = sights.as_ref().and_then(|sights| sights.listed);
            link.r_seen_at = Some(listed.map_or(looks::later_than(began), |(asked_at, _)| asked_at));
            let parent_online = parents
                .get(&product)
                .filter(|_| link.e_product_id.is_none())
                .and_then(|parent| online.get(&parent.e_product_id?).cloned());
            let notices = notices.remove(&product).unwrap_or_default();
            let known_sku = link.sku.clone();
            let changed = [false, false];
            let account = &account;
            let (mark, braked) = (None, braked.contains(&product));
            let (parent, assumed) = (parents.remove(&product), None);
            let visit = Visit {
                account,
                claim,
                link,
                parent,
                assumed,
                notices,
                known_sku,
                changed,
                log_cursor: listed.map_or(log_cursor, |(_, log_id)| log_id),
                log_now: log_cursor,
                listed_shop: listed.is_some(),
                online_is_listed,
                parent_online,
                in_doubt: reviews.contains_key(&product),
                choice: reviews.remove(&product).flatten(),
                mark,
                shop_counts: None,
                in_old_shops: None,
                braked,
                wish: wishes.remove(&product),
                pictures: pictures.remove(&product).unwrap_or_default(),
                edits: edits.remove(&product).unwrap_or_default().into_iter().map(Wanted::from).collect(),
                withdrawn: withdrawn.contains(&product),
                decision: decisions.remove(&product),
                gone: None,
                batched: None,
            };
            let intents = intents.remove(&product).unwrap_or_default();
            due.push(Due { visit, intents, sights, stop: None });
        }
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
                    self.walk(&mut visit, intents, sights).instrument(span).await
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

    /// One product, from observing to settling.
    async fn walk(&self, visit: &mut Visit<'_>, intents: Vec<Entry>, mut sights: Sights) -> Result<(), Stop> {
        if planted(Mistake::IntentClosedAfterMerging) {
            for intent in &intents {
                self.close(visit, intent, crate::ledger::Outcome::Superseded).await?;
            }
        } else if !intents.is_empty() {
            let seen_since = visit.batched == Some(BatchOutcome::Applied) && intents.len() == 1;
            self.observe(visit, intents, &sights).await?;
            // What was looked at may be older than what has just been closed.
            if !seen_since {
                visit.looks_in_shop(self.clock.now());
                sights = self.look_at_one(visit.account, &visit.link).await?;
            }
        }
        if let Sight::Here(InShop::Item(item)) = &sights.r {
            let home = visit.parent.as_ref().and_then(|parent| parent.r_matrix_id).unwrap_or(0);
            if item.matrix_id != home && !item.archived {
                let item = item.clone();
                return self.moved(visit, &item, sights).await;
            }
        }
        match (sights.r, sights.e) {
            (Sight::NoHalf, Sight::Here(online)) => self.only_online(visit, &online).await,
            (Sight::NoHalf | Sight::Gone, Sight::NoHalf | Sight::Gone) => self.nothing_left(visit).await,
            (Sight::Gone, Sight::Here(online)) => self.gone_in_shop(visit, &online).await,
            (Sight::Here(shop), Sight::Gone) => self.gone_online(visit, &shop).await,
            (Sight::Here(shop), Sight::NoHalf)
                if !shop.archived() && (visit.withdrawn || visit.removal().is_some()) =>
            {
                self.stays_withdrawn(visit).await
            }
            (Sight::Here(shop), Sight::NoHalf) => self.match_or_create(visit, &shop).await,
            (Sight::Here(shop), Sight::Here(online)) if visit.removal().is_some() => {
                self.withdraw(visit, &shop, online).await
            }
            (Sight::Here(shop), Sight::Here(online)) if shop.archived() => {
                self.archived(visit, &shop, &online).await
            }
            (Sight::Here(shop), Sight::Here(online)) => {
                visit.link.standing = Standing::Linked;
                self.carry(visit, shop, online, [sights.fresh, sights.fresh]).await
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

//! The shop's tree of categories on E-Series: names, parents and order are the shop's, and new ones arrive disabled.
//! Picture, description, SEO and the flag of a category are the store's, and so are categories that exist online only.
//!
//! One look compares both trees whole: stamps of R-Series' categories move in bulk, and deletions leave no trace
//! (r-series-api.md, section 4.5). It walks from the root down, siblings by siblings (`decide::tree`), and is
//! bound by the same promises as a visit: a lease with a token, the intent committed before each call, open
//! intents closed by looking before anything else. One category that cannot be brought in step is held with its
//! reason, and holds nobody back but what is below it.
//!
//! Renamed or moved on E-Series: set back, with an entry that says so. Deleted there: created again, disabled, since
//! the tree is the shop's; what the store alone knew of it is gone with it.

mod closing;
mod look;
mod removal;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tracing::{info, warn};

use super::{Corridor, Stop};
use crate::catalog::{Hold, Looks, ShelfState, Side};
use crate::clock::Instant;
use crate::connections::Account;
use crate::decide::tree::{self, By, InShop, Known, Online};
use crate::ledger::{Detail, Entry, Kind, Origin};
use crate::mapping::category::marker;
use crate::queue::backoff;
use crate::store::categories::{self, Category};
use crate::store::dirty::Asker;
use crate::store::trees::Claim;
use crate::store::{self, StoreError, connections, dirty, trees};

/// How long a refused category rests before it is tried again although nothing else is wanted of it.
const REST: Duration = Duration::from_secs(24 * 3_600);

/// One look at both trees.
struct Look<'a> {
    account: &'a Account,
    claim: Claim,
    began: Instant,
    rows: BTreeMap<i64, Category>,
    online: BTreeMap<i64, Online>,
    /// Every category of the store could be read.
    legible: bool,
    /// Categories of the shop with a write that may still be on its way.
    busy: BTreeSet<i64>,
    /// Whose news was found, for the meaning of notices: ids of either side.
    changed: [BTreeSet<i64>; 2],
    /// The store said that it takes no more.
    full: Option<String>,
    /// Products may wait for what has changed.
    moved: bool,
    /// Categories of the shop that are gone from E-Series.
    removed: Vec<i64>,
    /// When to look again.
    again: Option<Instant>,
}

impl Look<'_> {
    fn again_at(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    fn row(&self, id: i64) -> Category {
        self.rows.get(&id).cloned().unwrap_or_else(|| Category::new(id))
    }

    fn links(&self) -> BTreeMap<i64, i64> {
        self.rows.values().filter_map(|row| Some((row.r_id, row.e_id?))).collect()
    }
}

fn known(row: &Category) -> Known {
    Known { wanted: row.wanted.clone(), shown: row.shown.clone() }
}

impl Corridor {
    /// Brings the tree of a connection in step.
    pub async fn tend(&self, claim: Claim) -> Result<(), StoreError> {
        let stop = match self.tend_tree(claim).await {
            Ok(()) => return Ok(()),
            Err(stop) => stop,
        };
        let now = self.clock.now();
        let connection = claim.connection_id;
        let mut db = self.store.begin().await?;
        let paused = backoff::next(claim.attempts, now);
        let given_back = match stop {
            Stop::Lost => return Ok(()),
            Stop::Store(error) => return Err(error),
            Stop::Later { until, why, failed } => {
                info!(%connection, %until, why, "the tree of categories: come back later");
                let until = if failed { until.max(paused) } else { until };
                trees::give_back(&mut db, &claim, until, failed).await
            }
            Stop::Again(why) => trees::give_back(&mut db, &claim, paused, true).await.inspect(|()| {
                info!(%connection, why, "the tree of categories: look again");
            }),
            Stop::Park { reason, .. } => {
                trees::give_back(&mut db, &claim, paused, true).await.inspect(|()| {
                    warn!(%connection, reason, "the tree of categories cannot be brought in step");
                })
            }
            // No product is judged here.
            Stop::Review(doubt) => trees::give_back(&mut db, &claim, paused, true).await.inspect(|()| {
                warn!(%connection, reason = doubt.reason, "the tree of categories waits");
            }),
            Stop::Account { side, why } => {
                self.needs_attention(&mut db, connection, side, &why).await?;
                trees::give_back(&mut db, &claim, now, false).await
            }
        };
        match given_back {
            Ok(()) => db.commit().await,
            Err(StoreError::LeaseLost) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn tend_tree(&self, claim: Claim) -> Result<(), Stop> {
        let began = self.clock.now();
        let connection = claim.connection_id;
        let mut db = self.store.begin().await?;
        let row = connections::get(&mut db, connection).await?;
        let rows = categories::load(&mut db, connection).await?;
        let intents = categories::open_writes(&mut db, connection).await?;
        drop(db);
        let Some(row) = row else { return Ok(()) };
        let account = self.accounts.open(&row).await.map_err(|error| self.stop(Side::RSeries, error))?;
        let shop = self.shop_tree(&account).await?;
        // A shop without categories, of which nothing is left online, has nothing to be compared with.
        let nothing =
            shop.categories.is_empty() && intents.is_empty() && rows.values().all(|row| row.e_id.is_none());
        let (online, legible) =
            if nothing { (BTreeMap::new(), true) } else { self.online_tree(&account).await? };
        let mut look = Look {
            account: &account,
            claim,
            began,
            rows,
            online,
            legible,
            busy: BTreeSet::new(),
            changed: [BTreeSet::new(), BTreeSet::new()],
            full: None,
            moved: false,
            removed: Vec::new(),
            again: None,
        };
        for intent in intents {
            self.close_category(&mut look, &intent).await?;
        }
        self.note_shop(&mut look, &shop.categories).await?;
        self.walk_down(&mut look, &shop.categories).await?;
        if shop.whole {
            self.remove_gone(&mut look, &shop.categories).await?;
        }
        self.looked(&look).await
    }

    /// From the root down: each parent is in its place before its children are seen to.
    async fn walk_down(&self, look: &mut Look<'_>, shop: &[InShop]) -> Result<(), Stop> {
        let families = tree::families(shop);
        let mut reached = BTreeSet::new();
        let mut parents = VecDeque::from([(0, 0)]);
        while let Some((parent, below)) = parents.pop_front() {
            let Some(siblings) = families.get(&parent) else { continue };
            let mut found = tree::recognise(siblings, below, &look.links(), &look.online, &marker);
            for sibling in siblings {
                if let Some((id, By::Link)) = found.get(&sibling.id).copied()
                    && !self.still_online(look, sibling.id, id).await?
                {
                    found.remove(&sibling.id);
                }
            }
            let order_now = |sibling: &&InShop| {
                let online = look.online.get(&found.get(&sibling.id)?.0)?;
                let known = look.rows.get(&sibling.id).map(known);
                (online.looks.parent == below).then(|| tree::standing_order(known.as_ref(), &online.looks))
            };
            let now: Vec<Option<i64>> = siblings.iter().map(order_now).collect();
            for (sibling, order) in siblings.iter().zip(tree::orders(&now)) {
                reached.insert(sibling.id);
                let wanted = Looks { name: sibling.name.clone(), parent: below, order };
                let busy = look.busy.contains(&sibling.id);
                let there = match found.get(&sibling.id) {
                    Some((id, _)) if busy => Some(*id),
                    None if busy => None,
                    Some((id, by)) => self.keep_category(look, sibling.id, (*id, *by), wanted).await?,
                    None => self.create_category(look, sibling.id, wanted).await?,
                };
                if let Some(there) = there {
                    parents.push_back((sibling.id, there));
                }
            }
        }
        for orphan in shop.iter().filter(|category| !reached.contains(&category.id)) {
            self.wait_for_parent(look, orphan, shop).await?;
        }
        Ok(())
    }

    /// A category whose parent is not on E-Series, or could not be read.
    async fn wait_for_parent(
        &self,
        look: &mut Look<'_>,
        category: &InShop,
        shop: &[InShop],
    ) -> Result<(), Stop> {
        let mut row = look.row(category.id);
        let parent = shop.iter().find(|parent| parent.id == category.parent_id);
        // What its parent only waits for passes soon; products need not be created without their category for that.
        let soon = std::iter::successors(parent, |it| shop.iter().find(|above| above.id == it.parent_id))
            .take(shop.len())
            .all(|above| look.busy.contains(&above.id) || look.row(above.id).state != ShelfState::Held);
        row.state = if parent.is_some() && soon { ShelfState::Waiting } else { ShelfState::Held };
        let name = parent.map_or("it is in", |parent| parent.name.as_str());
        row.hold = Some(Hold::new(
            "waits_for_parent",
            format!("The category “{name}” above it is not on E-Series yet; this one follows by itself."),
        ));
        self.save_category(look, row).await
    }

    /// What the shop says of each category: name and place. A category that is new gets a row.
    async fn note_shop(&self, look: &mut Look<'_>, shop: &[InShop]) -> Result<(), Stop> {
        let by_id: BTreeMap<i64, &InShop> = shop.iter().map(|category| (category.id, category)).collect();
        let path = |category: &InShop| {
            let up = |it: &&InShop| by_id.get(&it.parent_id).copied();
            let mut names: Vec<String> = std::iter::successors(Some(category), up)
                .take(shop.len())
                .map(|category| category.name.clone())
                .collect();
            names.reverse();
            names
        };
        for (position, category) in (0..).zip(shop) {
            let mut row = look.row(category.id);
            if (row.name.as_str(), row.parent_id) != (category.name.as_str(), category.parent_id) || row.gone
            {
                look.changed[0].insert(category.id);
            }
            if row.gone {
                (row.gone, row.state) = (false, ShelfState::Waiting);
            }
            row.name.clone_from(&category.name);
            row.path = path(category);
            (row.parent_id, row.position) = (category.parent_id, Some(position));
            self.save_category(look, row).await?;
        }
        Ok(())
    }

    /// Writes a row down where it has changed; a new reason to hold it is told in the ledger.
    async fn save_category(&self, look: &mut Look<'_>, row: Category) -> Result<(), Stop> {
        let before = look.rows.get(&row.r_id);
        if before == Some(&row) {
            return Ok(());
        }
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        trees::fence(&mut db, &look.claim, now).await?;
        self.note_category(&mut db, look, row, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// The same in the caller's transaction.
    async fn note_category(
        &self,
        db: &mut store::Db,
        look: &mut Look<'_>,
        row: Category,
        now: Instant,
    ) -> Result<(), StoreError> {
        let before = look.rows.get(&row.r_id);
        let connection = look.claim.connection_id;
        let was = before.map(|before| (before.state, before.e_id, before.gone));
        look.moved |= was != Some((row.state, row.e_id, row.gone));
        let held = row.hold.as_ref().filter(|_| row.state == ShelfState::Held);
        if let Some(hold) = held.filter(|hold| before.and_then(|before| before.hold.as_ref()) != Some(*hold))
        {
            let mut entry = self.told_of_category(look, &row, Kind::Hold, Origin::Sweep);
            entry.detail = Some(serde_json::json!({
                "of": "category", "category_id": row.r_id, "path": row.path, "code": hold.code, "reason": hold.reason,
            }));
            store::ledger::insert(&mut *db, &entry).await?;
            warn!(category = row.r_id, code = hold.code, reason = hold.reason, "a category is held");
        }
        categories::save(db, connection, &row, now).await?;
        look.rows.insert(row.r_id, row);
        Ok(())
    }

    /// An entry about a category that needs no result.
    fn told_of_category(&self, look: &Look<'_>, row: &Category, kind: Kind, origin: Origin) -> Entry {
        let now = self.clock.now();
        let mut entry = Entry::about_all(look.claim.connection_id, self.entry_id(), now, kind, origin);
        entry.side = Some(Side::ESeries);
        entry.cause = Some("the trees of categories were compared".into());
        entry.detail = serde_json::to_value(Detail::Category {
            category_id: row.r_id,
            path: row.path.clone(),
            online_id: row.e_id,
            wanted: None,
        })
        .ok();
        entry
    }

    /// The look has come to its end: products that wait for what has changed are marked, notices explained.
    async fn looked(&self, look: &Look<'_>) -> Result<(), Stop> {
        let now = self.clock.now();
        let connection = look.claim.connection_id;
        let mut db = self.store.begin().await?;
        if look.moved || !look.removed.is_empty() {
            let concerned = categories::concerned(&mut db, connection, &look.removed).await?;
            dirty::mark(&mut db, connection, &concerned, Asker::Other, now, now).await?;
        }
        let [r, e] = look.changed.each_ref().map(|ids| ids.iter().copied().collect::<Vec<i64>>());
        categories::explain(&mut db, connection, [&r, &e], look.began, now).await?;
        trees::complete(&mut db, &look.claim, look.again, now).await?;
        db.commit().await?;
        metrics::counter!("concord_tree_looks_total").increment(1);
        Ok(())
    }
}

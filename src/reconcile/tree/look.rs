//! Reading both trees whole.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::{Corridor, Look};
use crate::catalog::{Hold, Looks, Side};
use crate::connections::Account;
use crate::decide::tree::{InShop, Online};
use crate::ledger::{Kind, Origin};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Category;
use crate::reconcile::Stop;

use super::REST;
use super::write::UNREADABLE;

/// More pages than any tree has.
const MOST_PAGES: usize = 1_000;

/// The shop's tree.
pub(super) struct ShopTree {
    /// In display order.
    pub(super) categories: Vec<InShop>,
    /// Everything could be read: what is missing may be gone.
    pub(super) whole: bool,
}

/// A category of the store in the words of the study.
pub(super) fn online(category: &Category) -> Online {
    Online {
        id: category.id,
        looks: Looks { name: category.name.clone(), parent: category.parent_id, order: category.order },
        own: category.own,
        reference: category.external_reference_id.clone(),
    }
}

impl Corridor {
    pub(super) async fn shop_tree(&self, account: &Account) -> Result<ShopTree, Stop> {
        let mut found = BTreeMap::new();
        let (mut next, mut whole) = (None, true);
        let mut seen = BTreeSet::new();
        loop {
            let page = account.r.categories(next).await.map_err(|error| self.stop(Side::RSeries, error))?;
            for unreadable in &page.unreadable {
                warn!(%unreadable, "a category of R-Series is passed over");
                whole = false;
            }
            // One that moved between two pages stands on both: the later one counts.
            found.extend(page.rows.into_iter().map(|category| (category.id, category)));
            next = page.next;
            let Some(url) = &next else { break };
            if !seen.insert(url.to_string()) || seen.len() > MOST_PAGES {
                return Err(Stop::Again("the pages of categories of R-Series go round in a circle"));
            }
        }
        let mut categories: Vec<_> = found.into_values().collect();
        categories.sort_by_key(|category| (category.left, category.id));
        let categories = categories
            .into_iter()
            .map(|it| InShop { id: it.id, parent_id: it.parent_id, name: it.name })
            .collect();
        Ok(ShopTree { categories, whole })
    }

    /// The store's tree, and whether all of it could be read.
    pub(super) async fn online_tree(&self, account: &Account) -> Result<(BTreeMap<i64, Online>, bool), Stop> {
        let (mut found, mut passed_over) = (BTreeMap::new(), 0);
        let mut offset = 0;
        for _ in 0..MOST_PAGES {
            let page = account.e.categories(offset).await;
            let page = page.map_err(|error| self.stop(Side::ESeries, error))?;
            for unreadable in &page.unreadable {
                warn!(%unreadable, "a category of E-Series is passed over");
            }
            passed_over += page.unreadable.len();
            found.extend(page.rows.iter().map(|category| (category.id, online(category))));
            match page.next {
                Some(next) if next > offset => offset = next,
                // One that slipped to a page that was read already would be created a second time.
                _ if ((found.len() + passed_over) as u64) < page.total => {
                    return Err(Stop::Again("the categories of E-Series moved while they were read"));
                }
                _ => return Ok((found, passed_over == 0)),
            }
        }
        Err(Stop::Again("the pages of categories of E-Series have no end"))
    }

    /// Is the category of the store that belongs to this one of the shop still there? Absence from the list is no proof.
    pub(super) async fn still_online(
        &self,
        look: &mut Look<'_>,
        id: i64,
        online_id: i64,
    ) -> Result<bool, Stop> {
        if look.online.contains_key(&online_id) {
            return Ok(true);
        }
        match look.account.e.category(online_id).await {
            Ok((category, _)) => {
                look.online.insert(online_id, online(&category));
                Ok(true)
            }
            Err(CallError::Gone { .. }) => {
                let mut row = look.row(id);
                look.changed[1].insert(online_id);
                let mut entry = self.told_of_category(look, &row, Kind::Verdict, Origin::ESeries);
                entry.before = serde_json::to_value(&row.shown).ok();
                entry.cause =
                    Some("the category was deleted on E-Series, where the shop still has it".into());
                let now = self.clock.now();
                (row.e_id, row.wanted, row.shown, row.tried) = (None, None, None, None);
                row.state = crate::catalog::ShelfState::Waiting;
                let mut db = self.store.begin().await?;
                crate::store::trees::fence(&mut db, &look.claim, now).await?;
                crate::store::ledger::insert(&mut db, &entry).await?;
                self.note_category(&mut db, look, row, now).await?;
                db.commit().await?;
                Ok(false)
            }
            // There, and nothing can be said of it: nobody else waits for that.
            Err(CallError::Refused { why, .. }) => {
                let row = look.row(id);
                self.hold_category(look, row, Hold::new(UNREADABLE, why), REST).await?;
                Ok(true)
            }
            Err(error) => Err(self.stop(Side::ESeries, error)),
        }
    }
}

//! What the pages of a run showed of the shop, in place of a look of one's own.
//!
//! A visit believes such a page only if nothing newer was ever seen of the product, if nobody has said since that it
//! changed, and if no write is open. What came since is news, and is told like any other. What is to be replaced is
//! looked at again, as always.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sight::InShop;
use super::{Corridor, Visit};
use crate::clock::{Instant, after, before};
use crate::ids::{ConnectionId, ProductId};
use crate::platforms::rseries::wire::{Item, Matrix};
use crate::store::links::Link;
use crate::store::looks::{self, Kept};
use crate::store::{Db, StoreError};

/// How old what a run has listed may be: longer than the visits of a large catalogue take.
pub(super) const LOOK_LIFE: Duration = Duration::from_secs(4 * 3_600);

/// What a page showed of a product.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) shop: InShop,
    /// When the first of its pages was asked for.
    pub(super) asked_at: Instant,
    /// Place in the inventory log that was read before.
    pub(super) log_id: Option<i64>,
}

impl Corridor {
    /// What the pages of the run under way showed of these products, as far as it may be believed.
    pub(super) async fn listed(
        &self,
        db: &mut Db,
        connection: ConnectionId,
        links: &[Link],
    ) -> Result<BTreeMap<ProductId, Listed>, StoreError> {
        let oldest = before(self.clock.now(), LOOK_LIFE);
        let products: Vec<ProductId> = links.iter().map(|link| link.product_id).collect();
        let kept = looks::of_shop(db, connection, &products, oldest).await?;
        Ok(assemble(links, kept, true))
    }
}

/// Puts records together: of a matrix all of them, or none.
pub(super) fn assemble(links: &[Link], kept: Vec<Kept>, sure: bool) -> BTreeMap<ProductId, Listed> {
    let mut of_product = BTreeMap::<ProductId, Vec<Kept>>::new();
    for kept in kept {
        of_product.entry(kept.product_id).or_default().push(kept);
    }
    let listed = |link: &Link| {
        let kept = of_product.remove(&link.product_id)?;
        if sure && kept.iter().any(|kept| !kept.holds) {
            return None;
        }
        let (own, items): (Vec<&Kept>, Vec<&Kept>) = kept.iter().partition(|kept| kept.own);
        let own = own.first()?;
        let record = |kept: &Kept| serde_json::from_str::<serde_json::Value>(&kept.record).ok();
        let item = |kept: &Kept| Item::read(&record(kept)?).ok();
        let shop = if link.r_matrix_id.is_some() {
            let items = items.iter().map(|kept| item(kept)).collect::<Option<Vec<Item>>>()?;
            InShop::Matrix { matrix: Matrix::read(&record(own)?).ok()?, items }
        } else {
            InShop::Item(Box::new(item(own)?))
        };
        let asked_at = kept.iter().map(|kept| kept.asked_at).min()?;
        Some((link.product_id, Listed { shop, asked_at, log_id: own.log_id }))
    };
    links.iter().filter_map(listed).collect()
}

/// A look of one's own is newer than a page that was asked for in the same moment.
pub(super) fn later_than(at: Instant) -> Instant {
    after(at, Duration::from_micros(1))
}

impl Visit<'_> {
    /// The shop is looked at, or written to, at this time: nothing that was asked for before is believed any more.
    pub(super) fn looks_in_shop(&mut self, at: Instant) {
        self.link.r_seen_at = Some(later_than(at));
        self.log_cursor = self.log_now;
        self.listed_shop = false;
    }
}

//! Items that change their place in the shop: into a matrix, to another one, or out of one.

use super::carry::remember;
use super::sight::{Online, Sight, Sights};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Stock};
use crate::mapping;
use crate::platforms::rseries::wire::Item;
use crate::store::dirty::Asker;
use crate::store::links::{Half, Met, Standing};
use crate::store::{dirty, links};

/// How often what is sold meanwhile is carried before it is left to the next visit.
const TRIES: usize = 3;

impl Corridor {
    /// An item that belongs to another matrix than Concord knew, to one for the first time, or to none any more:
    /// what it was on E-Series goes from where it was, and the item is met where it belongs now.
    pub(super) async fn moved(&self, visit: &mut Visit<'_>, item: &Item, sights: Sights) -> Result<(), Stop> {
        let simple = mapping::rseries::facts(item, &visit.account.context);
        remember(visit, &item.description, &simple);
        visit.changed = [true, false];
        if let Sight::Here(online) = sights.e {
            self.leave(visit, &simple, online).await?;
        }
        let now = self.clock.now();
        let link = &mut visit.link;
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        let mut home = None;
        if item.matrix_id != 0 {
            let met = Met { id: item.matrix_id, name: String::new(), sku: String::new() };
            let homes =
                links::homes(&mut db, link.connection_id, Half::RMatrices, &[met], &self.ids, now).await?;
            home = homes.first().copied();
        }
        link.parent_id = home;
        (link.e_product_id, link.e_combination_id) = (None, None);
        link.standing = Standing::New;
        link.shadow = crate::decide::Shadow::default();
        link.holds.clear();
        links::save(&mut db, link, now).await?;
        db.commit().await?;
        if let Some(home) = home {
            let mut db = self.store.begin().await?;
            dirty::mark(&mut db, visit.link.connection_id, &[home], Asker::Other, now, now).await?;
            db.commit().await?;
        }
        Err(Stop::Later { until: now, why: "its product has to be seen to first".into(), failed: false })
    }

    /// Takes a product, or a variation, off the web whose item is sold elsewhere from now on. What it had is kept in
    /// the ledger, and what was sold of it and not carried yet is carried before: the pieces are the same ones.
    async fn leave(&self, visit: &mut Visit<'_>, r: &Facts, online: Online) -> Result<(), Stop> {
        let mut online = online;
        for _ in 0..TRIES {
            let known = visit.link.shadow.e_series.stock().and_then(Stock::tracked);
            let sold =
                known.zip(online.stock().tracked()).map_or(0, |(known, now)| now.saturating_sub(known));
            if sold == 0 || !visit.account.rules.way(Field::Stock).carries_from(Side::ESeries) {
                return self.remove_as_seen(visit, &online, "the item belongs to another product now").await;
            }
            match visit.account.booking.filter(|_| sold < 0) {
                Some(booking) => self.sell_on_r(visit, sold, booking, r).await?,
                None => {
                    let before = r.stock().and_then(Stock::tracked).unwrap_or_default();
                    self.add_stock_on_r(visit, sold, before, None).await?;
                }
            }
            online = match self.look_online(visit.account, &visit.link).await? {
                Some(online) => online,
                None => return Ok(()),
            };
        }
        Err(Stop::Again("it is sold faster than it can be carried"))
    }
}

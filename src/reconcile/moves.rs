//! Items that change their place in the shop: into a matrix, to another one, or out of one.

use super::carry::remember;
use super::sight::{Online, Sight, Sights};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Stock};
use crate::decide::Shadow;
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
            self.leave(visit, &simple, online, "the item belongs to another product now").await?;
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
        link.shadow = Shadow::default();
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

    /// Takes a product, or a variation, off the web whose item stays in the shop. What it had is kept in the ledger, and
    /// what was sold of it and not carried yet is carried before: the pieces are the same ones.
    pub(super) async fn leave(
        &self,
        visit: &mut Visit<'_>,
        r: &Facts,
        online: Online,
        why: &str,
    ) -> Result<(), Stop> {
        let mut online = online;
        for _ in 0..TRIES {
            let sold = visit.not_carried(&online);
            if sold == 0 {
                return self.remove_as_seen(visit, &online, why).await;
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

    /// Has each variant carry first what was sold of it on the web: with the product that goes as well.
    pub(super) async fn variants_carry_first(&self, visit: &Visit<'_>, online: &Online) -> Result<(), Stop> {
        let link = &visit.link;
        if link.r_matrix_id.is_none() || !visit.carries_sales() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let variants = links::of_parent(&mut db, link.connection_id, link.product_id).await?;
        let behind = variants.iter().filter(|variant| {
            let shown = variant.e_combination_id.and_then(|id| online.product.variation(id));
            shown.is_some_and(|shown| beyond(&variant.shadow, shown.stock) != 0)
        });
        let behind: Vec<_> = behind.map(|variant| variant.product_id).collect();
        if behind.is_empty() {
            return Ok(());
        }
        dirty::mark(&mut db, link.connection_id, &behind, Asker::Other, now, now).await?;
        db.commit().await?;
        let why = "what was sold of its variants has to be carried before it goes".into();
        Err(Stop::Later { until: self.in_seconds(1), why, failed: true })
    }
}

impl Visit<'_> {
    fn carries_sales(&self) -> bool {
        self.account.rules.way(Field::Stock).carries_from(Side::ESeries)
    }

    /// Pieces that came or went on the web since they were last carried to the shop.
    pub(super) fn not_carried(&self, online: &Online) -> i64 {
        if self.carries_sales() { beyond(&self.link.shadow, online.stock()) } else { 0 }
    }
}

fn beyond(shadow: &Shadow, shown: Stock) -> i64 {
    let known = shadow.e_series.stock().and_then(Stock::tracked);
    known.zip(shown.tracked()).map_or(0, |(known, now)| now.saturating_sub(known))
}

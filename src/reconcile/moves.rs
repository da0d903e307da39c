//! Items that change their place in the shop: into a matrix, to another one, or out of one.
//!
//! What is a product by itself on the web stays one, in step like any other, until its matrix *calls* it: when that has a
//! product which it can join, or could have one but for the items that hold their SKUs (`links.parent_id` says so from
//! then on). Where the matrix cannot be online, because the plan has no room for it or its match is in doubt, nothing goes.

use std::collections::BTreeSet;

use super::carry::remember;
use super::sight::{InShop, Online, Sight, Sights};
use super::together::fitting;
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Hold, PLAN_FEATURE, Side, Stock};
use crate::decide::{Plan, Shadow};
use crate::ids::ProductId;
use crate::mapping;
use crate::platforms::rseries::wire::Item;
use crate::store::dirty::Asker;
use crate::store::links::{Alone, Half, Met, Standing};
use crate::store::{self, dirty, links};

/// How often what is sold meanwhile is carried before it is left to the next visit.
const TRIES: usize = 3;

impl Corridor {
    /// An item that belongs to another matrix than Concord knew, to one for the first time, or to none any more:
    /// what it was on E-Series goes from where it was, and the item is met where it belongs now.
    pub(super) async fn moved(&self, visit: &mut Visit<'_>, item: &Item, sights: Sights) -> Result<(), Stop> {
        let simple = mapping::rseries::facts(item, &visit.account.context);
        remember(visit, &item.description, &simple);
        visit.changed = [true, false];
        let homeless = visit.account.limits.lacks_variations().filter(|_| item.matrix_id != 0);
        if let (Sight::Here(_), Some(reason)) = (&sights.e, homeless) {
            return Err(Stop::Park { code: PLAN_FEATURE, reason });
        }
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
        // In this order: a variation has a product at any time.
        links::save(&mut db, link, now).await?;
        links::move_to(&mut db, link.connection_id, link.product_id, home).await?;
        db.commit().await?;
        if let Some(home) = home {
            let mut db = self.store.begin().await?;
            dirty::mark(&mut db, visit.link.connection_id, &[home], Asker::Other, now, now).await?;
            db.commit().await?;
        }
        Err(Stop::Later { until: now, why: "its product has to be seen to first".into(), failed: false })
    }

    /// Has the matrix visited that an item was put into: it calls the item once it can have it. One that waits itself is
    /// left in peace, and calls when it goes on.
    pub(super) async fn ask_to_be_called(&self, visit: &Visit<'_>, matrix_id: i64) -> Result<(), Stop> {
        let now = self.clock.now();
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        let met = Met { id: matrix_id, name: String::new(), sku: String::new() };
        let homes = links::homes(&mut db, connection, Half::RMatrices, &[met], &self.ids, now).await?;
        if let Some(home) = homes.first()
            && !dirty::is_parked(&mut db, connection, *home).await?
        {
            dirty::mark(&mut db, connection, &[*home], Asker::Other, now, now).await?;
        }
        db.commit().await?;
        Ok(())
    }

    /// Calls the items of a matrix that are still products by themselves, once.
    pub(super) async fn call_items(&self, visit: &Visit<'_>, items: &[Item]) -> Result<(), Stop> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let (alone, _) = self.still_alone(visit, items).await?;
        let new = alone.into_iter().filter(|alone| !alone.called);
        let new: Vec<ProductId> = new.map(|alone| alone.product_id).collect();
        if !new.is_empty() {
            let mut db = self.store.begin().await?;
            dirty::mark(&mut db, connection, &new, Asker::Other, now, now).await?;
            links::called(&mut db, connection, product, &new).await?;
            db.commit().await?;
        }
        Ok(())
    }

    /// Those of the items of a matrix that are still products by themselves: which can be variations of its product,
    /// and which have to stay what they are.
    async fn still_alone(&self, visit: &Visit<'_>, items: &[Item]) -> Result<(Vec<Alone>, Vec<Alone>), Stop> {
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let live: Vec<i64> = items.iter().filter(|item| !item.archived).map(|item| item.id).collect();
        let mut db = self.store.begin().await?;
        let alone = links::alone(&mut db, connection, product, &live).await?;
        if alone.is_empty() {
            return Ok((alone, Vec::new()));
        }
        let variants = links::of_parent(&mut db, connection, product).await?;
        let there = variants.iter().filter(|variant| variant.e_combination_id.is_some());
        let there: BTreeSet<i64> = there.filter_map(|variant| variant.r_item_id).collect();
        let fitting: BTreeSet<i64> =
            fitting(visit, items, &there).into_iter().map(|fitting| fitting.item.id).collect();
        Ok(alone.into_iter().partition(|alone| fitting.contains(&alone.r_item_id)))
    }

    /// Says, at a matrix, which of its items stay products by themselves, because they cannot be variations.
    pub(super) async fn tell_of_those_who_stay(
        &self,
        visit: &Visit<'_>,
        items: &[Item],
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let (_, staying) = self.still_alone(visit, items).await?;
        if staying.is_empty() {
            return Ok(());
        }
        let name = |alone: &Alone| {
            let item = items.iter().find(|item| item.id == alone.r_item_id);
            item.map_or_else(
                || alone.r_item_id.to_string(),
                |item| format!("\u{201c}{}\u{201d}", item.description),
            )
        };
        let names: Vec<String> = staying.iter().map(name).collect();
        let reason = format!(
            "Of its items {} cannot be a variation: each needs attributes of its own, that no other item of the \
             matrix has. Until they are given some on R-Series, they stay products by themselves, in step as before.",
            names.join(", ")
        );
        plan.holds.push((Field::OptionValues, Hold::new("options_twice", reason)));
        Ok(())
    }

    /// A matrix whose product is about to be created has the items first that are products by themselves: the store takes
    /// their SKUs once.
    pub(super) async fn items_come_first(&self, visit: &Visit<'_>, shop: &InShop) -> Result<(), Stop> {
        let InShop::Matrix { items, .. } = shop else { return Ok(()) };
        let alone = self.still_alone(visit, items).await?.0.len();
        if alone == 0 {
            return Ok(());
        }
        self.has_room_without(visit, shop, alone).await?;
        self.call_items(visit, items).await?;
        Err(Stop::Later {
            until: self.in_seconds(1),
            why: format!(
                "{alone} of its items are products by themselves on E-Series, and have to leave those first"
            ),
            failed: true,
        })
    }

    /// Was all that goes into this new product on offer as it was? Then so is that.
    pub(super) async fn were_on_offer(&self, visit: &Visit<'_>, shop: &InShop) -> Result<bool, Stop> {
        let InShop::Matrix { items, .. } = shop else { return Ok(false) };
        // One that cannot go into it stays what it was, and says nothing of those that go.
        let items = fitting(visit, items, &BTreeSet::new()).into_iter().map(|fitting| fitting.item.id);
        let items: Vec<i64> = items.collect();
        let mut db = self.store.begin().await?;
        Ok(store::ledger::were_on_offer(&mut db, visit.link.connection_id, &items).await?)
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
    /// Is it on the web somewhere else than where its item belongs in the shop?
    pub(super) fn is_elsewhere(&self, item: &Item) -> bool {
        let home = self.parent.as_ref().and_then(|parent| parent.r_matrix_id).unwrap_or(0);
        let called = self.parent.is_some() && self.link.stands_alone();
        !item.archived && (item.matrix_id != home || called)
    }

    /// Is it a product by itself that its matrix has not called yet?
    pub(super) fn waits_to_be_called(&self, item: &Item, online: &Sight<Online>) -> bool {
        item.matrix_id != 0
            && self.parent.is_none()
            && self.link.stands_alone()
            && matches!(online, Sight::Here(_))
    }

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

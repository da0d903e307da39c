//! From two sights to two sides in step: merge, and carry out the plan step by step.

use std::collections::{BTreeSet, VecDeque};

use tracing::error;

use super::create::has_variations;
use super::planning::plan_for;
use super::sight::{InShop, Online};
use super::swaps::is_taken;
pub(super) use super::write::written;
use super::{Corridor, SEND_WITHIN, Stop, Visit};
use crate::catalog::{Facts, Field, Hold, Side, Value, Way};
use crate::clock::after;
use crate::decide::plan::Change;
use crate::decide::{Plan, Step, check, observe};
use crate::ledger::{Entry, Kind, Origin, Outcome};
use crate::mapping;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::store::{self, StoreError, dirty, links};

impl Corridor {
    /// Two sides that are both there: merge, then do what follows.
    pub(super) async fn carry(
        &self,
        visit: &mut Visit<'_>,
        mut shop: InShop,
        mut online: Online,
        mut looked: [bool; 2],
    ) -> Result<(), Stop> {
        if let Some(stop) = has_variations(visit, &online) {
            return Err(stop);
        }
        // What is replaced is looked at again right before, because the list may be some calls old. What is
        // only read may be old: the shadow keeps what was carried, and what came later is news. Stock is
        // added to, so it needs no second look here.
        visit.assume_names(&shop);
        let (r, e) = (shop.facts(&visit.reading()), online.facts(&visit.reading()));
        self.add_wanted(visit, &r, &e).await?;
        let mut plan = loop {
            let reading = visit.reading();
            let (mut plan, changed) = plan_for(visit.account, &visit.link, &reading, &shop, &online);
            if let Some(wish) = visit.wish {
                let shown = (&shop.facts(&reading), &online.facts(&reading));
                plan.wish(wish.enabled, shown, &visit.account.rules);
            }
            visit.edit(&mut plan, &shop, &online);
            visit.changed = changed;
            let replaces = |side: Side| {
                plan.steps.iter().any(|step| matches!(step, Step::Update { side: at, .. } if *at == side))
            };
            if replaces(Side::RSeries) && !looked[0] {
                visit.looks_in_shop(self.clock.now());
                shop = match self.look_in_shop(visit.account, &visit.link).await? {
                    Some(shop) if !shop.archived() => shop,
                    _ => return Err(Stop::Again("the item vanished before the write")),
                };
                looked[0] = true;
            } else if replaces(Side::ESeries) && !looked[1] {
                online = match self.look_online(visit.account, &visit.link).await? {
                    Some(online) => online,
                    None => return Err(Stop::Again("the product vanished before the write")),
                };
                looked[1] = true;
            } else {
                break plan;
            }
        };
        self.freeze_swinging(visit, &mut plan).await?;
        if let InShop::Matrix { items, .. } = &shop {
            self.tell_of_those_who_stay(visit, items, &mut plan).await?;
        }
        allow(&plan, visit)?;
        self.sure_of_category(visit, &plan, &shop, &online).await?;
        let (r, e) = (shop.facts(&visit.reading()), online.facts(&visit.reading()));
        remember(visit, shop.name(), &r);
        visit.link.enabled = online.product.enabled;
        let in_step = plan.is_empty() && plan.holds.is_empty();
        visit.count_in_old_shops(&shop);
        let doubt = self.doubt_stock(visit, &r, &online, &mut plan).await?;
        self.absorb(visit, &plan, &r, &e).await?;

        let mut steps: VecDeque<Step> = plan.steps.into();
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Update { changes, .. } if changes.is_empty() => {}
                Step::Update { side, changes } => {
                    self.update(visit, side, changes, (&shop, &online), &mut steps).await?;
                }
                Step::AddStock { side: Side::ESeries, delta, before, .. } => {
                    self.add_stock_on_e(visit, delta, before, None).await?;
                }
                Step::AddStock { side: Side::RSeries, delta, before, .. } => {
                    match visit.account.booking.filter(|_| delta < 0) {
                        Some(booking) => self.sell_on_r(visit, delta, booking, &r).await?,
                        None => self.add_stock_on_r(visit, delta, before, None).await?,
                    }
                    if visit.link.owed_on_r != 0 {
                        let owed = visit.link.owed_on_r;
                        steps.push_front(Step::AddStock { side: Side::RSeries, delta: 0, owed, before: 0 });
                    }
                }
                Step::CreateOnE { .. } | Step::CreateVariationOnE { .. } | Step::CreateOnR { .. } => {
                    return Err(Stop::Again("a creation among updates"));
                }
            }
        }
        Box::pin(self.carry_pictures(visit)).await?;
        self.put_back_wanted(visit).await?;
        if let Some(reason) = doubt {
            return Err(self.still_in_doubt(visit, reason).await?);
        }
        visit.refused_edits();
        visit.mark(&r);
        visit.count_by_shop(&shop);
        self.note_flag(visit, &r).await?;
        if let InShop::Matrix { items, .. } = &shop {
            self.see_to_variants(visit, items, Some(&online.product)).await?;
        }
        self.settle(visit, in_step).await
    }

    /// Writes down, before any call, what the merge learned without one: agreement, holds, conflicts that wait.
    async fn absorb(&self, visit: &mut Visit<'_>, plan: &Plan, r: &Facts, e: &Facts) -> Result<(), Stop> {
        let now = self.clock.now();
        let holds: links::Holds = plan.holds.iter().cloned().collect();
        let news = visit.link.shadow != plan.shadow || visit.link.holds != holds;
        if !news {
            return Ok(());
        }
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        for (field, left_alone) in &plan.absorbed {
            // Tying a product settles every field at once; that is told by the entry of the tie.
            let was = visit.link.shadow.r_series.get(*field);
            if was.is_none() || *field == Field::Stock && left_alone.is_none() {
                continue;
            }
            let (side, facts) = match left_alone {
                Some(Side::ESeries) => (Side::ESeries, e),
                _ => (Side::RSeries, r),
            };
            let mut entry =
                Entry::told(connection, self.entry_id(), now, Kind::Verdict, side.into(), product);
            entry.side = Some(side);
            entry.field = Some(*field);
            entry.before = was.map(Value::to_json);
            entry.after = facts.get(*field).map(Value::to_json);
            entry.cause = visit.cause(side);
            entry.detail = Some(serde_json::json!(match left_alone {
                None => "both sides agree",
                Some(_) => "not carried, by the field's setting",
            }));
            store::ledger::insert(&mut db, &entry).await?;
        }
        for (field, hold) in &plan.holds {
            if visit.link.holds.get(field) != Some(hold) {
                self.tell_hold(&mut db, visit, *field, hold).await?;
            }
            if hold.code == "ask" {
                let value = |facts: &Facts| facts.get(*field).map(Value::to_json).unwrap_or_default();
                let conflict = store::conflicts::Conflict {
                    conflict_id: crate::ids::ConflictId::new(&self.ids, now),
                    product_id: product,
                    field: *field,
                    r_value: value(r),
                    e_value: value(e),
                    state: store::conflicts::State::Open,
                    winner: None,
                    at: now,
                    entry_id: None,
                };
                store::conflicts::insert(&mut db, connection, &conflict).await?;
            }
        }
        let asked: Vec<Field> =
            plan.holds.iter().filter(|(_, hold)| hold.code == "ask").map(|(field, _)| *field).collect();
        store::conflicts::settle(&mut db, connection, product, &asked).await?;
        if visit.link.shadow.r_series.stock() != plan.shadow.r_series.stock() {
            visit.counted_in_present_shops();
        }
        visit.link.shadow = plan.shadow.clone();
        visit.link.holds = holds;
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        Ok(())
    }

    pub(super) async fn tell_hold(
        &self,
        db: &mut store::Db,
        visit: &Visit<'_>,
        field: Field,
        hold: &Hold,
    ) -> Result<(), StoreError> {
        let link = &visit.link;
        let now = self.clock.now();
        let mut entry =
            Entry::told(link.connection_id, self.entry_id(), now, Kind::Hold, Origin::Sweep, link.product_id);
        entry.field = Some(field);
        entry.detail = serde_json::to_value(hold).ok();
        store::ledger::insert(db, &entry).await
    }

    /// Replaces fields on one side.
    async fn update(
        &self,
        visit: &mut Visit<'_>,
        side: Side,
        changes: Vec<Change>,
        (shop, online): (&InShop, &Online),
        steps: &mut VecDeque<Step>,
    ) -> Result<(), Stop> {
        let (r, e) = (shop.facts(&visit.reading()), online.facts(&visit.reading()));
        let source_side = side.other();
        let source = |field: Field| if source_side == Side::RSeries { r.get(field) } else { e.get(field) };
        let call_id = self.ids.uuid(self.clock.now());
        let mut intents = Vec::new();
        for change in &changes {
            let source = visit.news_behind(change, source(change.field));
            let mut intent = self.write_intent(visit, side, change, source);
            intent.call_id = Some(call_id);
            intents.push((intent, change.conflict));
        }
        let by = after(self.clock.now(), SEND_WITHIN);
        self.intend_update(visit, side, &intents).await?;
        let done = match side {
            Side::RSeries => self.write_on_r(visit, (shop, Some(online)), &changes, by).await,
            Side::ESeries => self.write_on_e(visit, (shop, online), &changes, by).await,
        };
        if let Err(CallError::Refused { status: 402, code: None, why }) = &done {
            let intents: Vec<Entry> = intents.into_iter().map(|(intent, _)| intent).collect();
            return Err(self.update_without_room(visit, &intents, why).await?);
        }
        let (outcome, error) = match &done {
            Ok(_) => (Outcome::Landed, None),
            Err(error @ CallError::Unclear { .. }) => return Err(self.stop(side, error.clone())),
            Err(error @ CallError::Refused { .. }) => (Outcome::Refused, Some(error.clone())),
            Err(error) => (Outcome::NotLanded, Some(error.clone())),
        };
        let mut ignored = BTreeSet::new();
        if let Ok(read_back) = &done {
            for change in &changes {
                let now = read_back.get(change.field);
                if now.is_some_and(|now| observe::ignored(&change.before, &change.after, now)) {
                    visit.link.holds.insert(change.field, change.ignored(side));
                    ignored.insert(change.field);
                    continue;
                }
                // What was read back, not what was sent: platforms trim and round.
                let read_back = read_back.get(change.field);
                let read_back = read_back.filter(|_| !planted(Mistake::ShadowIsWhatWasSent));
                let target = match (read_back.unwrap_or(&change.after), &change.after) {
                    // An option that has come meanwhile is news.
                    (Value::List(shown), Value::List(sent))
                        if change.field == Field::Options && shown.len() != sent.len() =>
                    {
                        change.after.clone()
                    }
                    // The n-th name here is the n-th name there.
                    (Value::List(shown), Value::List(sent)) if change.field == Field::Options => {
                        Value::List(mapping::reshape::in_order_of(sent, shown))
                    }
                    (shown, _) => shown.clone(),
                };
                visit.link.shadow.side_mut(side).set(change.field, target);
                if let Some(source) = visit.news_behind(change, source(change.field)) {
                    visit.link.shadow.side_mut(source_side).set(change.field, source.clone());
                }
            }
            if let (Side::ESeries, Some(Value::Flag(flag))) = (side, read_back.get(Field::Enabled)) {
                visit.link.enabled = *flag;
            }
        }
        self.perhaps_category(visit, &changes, error.as_ref()).await?;
        let refused = matches!(&error, Some(CallError::Refused { .. }));
        let changes_before: Vec<(Field, Value)> =
            changes.iter().map(|change| (change.field, change.before.clone())).collect();
        let only = <[Change; 1]>::try_from(changes);
        if let (true, Ok([change]), Some(CallError::Refused { code, why, .. })) = (refused, &only, &error) {
            let code = code.clone().unwrap_or_else(|| "refused".into()).to_ascii_lowercase();
            let reason = format!("{side} refuses {} as the {}: {why}", change.after, change.field);
            visit.link.holds.insert(change.field, Hold { code, reason });
        }
        let free: Vec<(Field, Value)> = match (side, &error) {
            (Side::ESeries, None) => {
                changes_before.iter().filter(|(field, _)| !ignored.contains(field)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let (none, all): (Vec<&Entry>, Vec<&Entry>) = intents
            .iter()
            .map(|(intent, _)| intent)
            .partition(|intent| intent.field.is_some_and(|field| ignored.contains(&field)));
        if !none.is_empty() {
            self.close_all(visit, side, none.iter().map(|intent| intent.entry_id), Outcome::Refused).await?;
        }
        self.close_all(visit, side, all.iter().map(|intent| intent.entry_id), outcome).await?;
        match (error, only) {
            (None, _) => {
                written(side, "update");
                visit.stands_in = None;
                for (field, value) in &free {
                    self.now_free(visit, *field, value).await?;
                }
                Ok(())
            }
            // One bad field must not hold back the others: each is tried by itself.
            (Some(CallError::Refused { .. }), Err(changes)) => {
                for change in changes.into_iter().rev() {
                    steps.push_front(Step::Update { side, changes: vec![change] });
                }
                Ok(())
            }
            (Some(error @ CallError::Refused { .. }), Ok([change])) => {
                visit.leave_the_rest(change.field, steps);
                if is_taken(side, change.field, &error) {
                    self.step_aside(visit, shop, &change, steps).await?;
                }
                Ok(())
            }
            (Some(error), _) => Err(self.stop(side, error)),
        }
    }
}

/// A plan that must never be is a bug of ours: the product is parked, not harmed.
pub(super) fn allow(plan: &Plan, visit: &Visit<'_>) -> Result<(), Stop> {
    let mut rules = visit.account.rules.clone();
    if let Some((way, _)) = rules.0.get_mut(&Field::Enabled).filter(|_| visit.wish.is_some()) {
        // An operator's wish goes against any way.
        *way = Way::Both;
    }
    visit.free_ways(&mut rules);
    check::check(plan, &rules).map_err(|broken| {
        error!(product = %visit.link.product_id, broken, "a plan that must never be");
        Stop::Park { code: "bug", reason: format!("Concord stopped itself: {broken}. Please report this.") }
    })
}

/// What lists show of a product.
pub(super) fn remember(visit: &mut Visit<'_>, name: &str, facts: &Facts) {
    name.clone_into(&mut visit.link.name);
    facts.sku().clone_into(&mut visit.link.sku);
}

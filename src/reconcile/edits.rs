//! What an operator wants of a product: an undo, or a choice in a conflict. A visit sees to it like to anything else:
//! it looks, writes the intent down, writes, reads back; and where somebody has edited the field since, it leaves it.

use std::collections::VecDeque;

use super::sight::{InShop, Online};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Stock, Way};
use crate::decide::{Plan, Step};
use crate::ledger::{Entry, Kind, Origin, Outcome};
use crate::store::edits::{Edit, What};
use crate::store::{self, Db, StoreError, conflicts, dirty, edits, links};

/// Why a product stays off the web that is in the shop.
pub const WITHDRAWN: &str = "withdrawn";

/// An edit on its way.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) edit: Edit,
    /// What this visit has found out about it.
    pub(super) fate: Option<Fate>,
}

/// What becomes of an edit.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is carried out, or what is left of it follows by itself.
    Done,
    /// It is left undone, for this reason.
    Left(String),
}

impl From<Edit> for Wanted {
    fn from(edit: Edit) -> Self {
        Self { edit, fate: None }
    }
}

impl Visit<'_> {
    /// The edit that this visit carries out on a field.
    pub(super) fn edited(&self, field: Field) -> Option<&Edit> {
        let mut done = self.edits.iter().filter(|wanted| matches!(wanted.fate, Some(Fate::Done)));
        done.find(|wanted| wanted.edit.what.field() == Some(field)).map(|wanted| &wanted.edit)
    }

    /// The removal that an operator wants.
    pub(super) fn removal(&self) -> Option<&Edit> {
        self.edits.iter().map(|wanted| &wanted.edit).find(|edit| edit.what == What::Remove)
    }

    /// Names the operator as where a write came from, if that is so.
    pub(super) fn attribute(&self, entry: &mut Entry) {
        let edit = match (entry.kind, entry.side) {
            (Kind::Write, _) => entry.field.and_then(|field| self.edited(field)),
            (Kind::Remove, _) => self.removal(),
            // Pieces that were added on the other side reach this one.
            (Kind::Stock, Some(side)) => self
                .edited(Field::Stock)
                .filter(|edit| matches!(edit.what, What::Stock { side: at, .. } if at == side.other())),
            _ => None,
        };
        if let Some(edit) = edit {
            (entry.origin, entry.cause) = (Origin::Operator, Some(edit.cause()));
        }
    }

    /// Fields that an operator decides may be written against their way.
    pub(super) fn free_ways(&self, rules: &mut crate::catalog::Rules) {
        for wanted in self.edits.iter().filter(|wanted| matches!(wanted.fate, Some(Fate::Done))) {
            if let What::Values(values) = &wanted.edit.what
                && let Some((way, _)) = rules.0.get_mut(&values.field)
            {
                *way = Way::Both;
            }
        }
    }

    /// Puts values that an operator wants in place of what the merge says of their fields.
    pub(super) fn edit(&mut self, plan: &mut Plan, shop: &InShop, online: &Online) {
        if self.edits.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.edits);
        let reading = self.reading();
        let shown = (&shop.facts(&reading), &online.facts(&reading));
        let refuses = super::planning::refusal(self.account, &reading, shop, online);
        for wanted in &mut all {
            let What::Values(values) = &wanted.edit.what else { continue };
            wanted.fate = Some(match values.fits(shown, &refuses) {
                Ok(()) => {
                    plan.edit(values, &self.link.shadow, shown);
                    Fate::Done
                }
                Err(unfit) => Fate::Left(unfit.words(values.field)),
            });
        }
        drop(refuses);
        self.edits = all;
    }

    /// A side did not take what an operator wants.
    pub(super) fn refused_edits(&mut self) {
        for wanted in &mut self.edits {
            let What::Values(values) = &wanted.edit.what else { continue };
            if let (Some(Fate::Done), Some(hold)) = (&wanted.fate, self.link.holds.get(&values.field)) {
                wanted.fate = Some(Fate::Left(hold.reason.clone()));
                // Where one side has taken it, that is news of that side from here on, and the reason stays visible.
                for side in [Side::RSeries, Side::ESeries] {
                    let known = self.link.shadow.side(side).get(values.field);
                    let took = known.zip(values.want.side(side)).is_some_and(|(now, want)| now.same(want));
                    if let Some(before) = values.expected.side(side).filter(|_| took) {
                        self.link.shadow.side_mut(side).set(values.field, before.clone());
                    }
                }
            }
        }
    }

    /// A side does not take what an operator wants of a field: the other one, if it was not written yet, is left as it is.
    pub(super) fn leave_the_rest(&self, field: Field, steps: &mut VecDeque<Step>) {
        if self.edited(field).is_none() {
            return;
        }
        for step in steps {
            if let Step::Update { changes, .. } = step {
                changes.retain(|change| change.field != field);
            }
        }
    }
}

impl Corridor {
    /// Adds the pieces that an operator wants, before anything is merged: from then on they are news of their side, and
    /// reach the other one as its way has it. Each is sent once, and judged like any other change of stock.
    pub(super) async fn add_wanted(&self, visit: &mut Visit<'_>, r: &Facts, e: &Facts) -> Result<(), Stop> {
        for at in 0..visit.edits.len() {
            let Some(edit) = visit.edits.get(at).map(|wanted| wanted.edit.clone()) else { break };
            let What::Stock { side, delta } = edit.what else { continue };
            let fate = match self.outcome_of(visit, &edit).await? {
                Some(Outcome::Landed | Outcome::Superseded) => Fate::Done,
                Some(Outcome::Refused) => Fate::Left(format!("{side} refuses the change of the stock.")),
                Some(Outcome::NotLanded) | None => {
                    let shown = if side == Side::RSeries { r } else { e };
                    match shown.stock().and_then(Stock::tracked) {
                        None => Fate::Left(format!("{side} does not count the stock of this product.")),
                        Some(before) => {
                            match side {
                                Side::ESeries => {
                                    self.add_stock_on_e(visit, delta, before, Some(&edit)).await?;
                                }
                                Side::RSeries => {
                                    self.add_stock_on_r(visit, delta, before, Some(&edit)).await?;
                                }
                            }
                            return Err(Stop::Later {
                                until: self.clock.now(),
                                why: "an operator's pieces were added: what follows is seen at the next look"
                                    .into(),
                                failed: false,
                            });
                        }
                    }
                }
            };
            if let Some(wanted) = visit.edits.get_mut(at) {
                wanted.fate = Some(fate);
            }
        }
        Ok(())
    }

    pub(super) async fn outcome_of(&self, visit: &Visit<'_>, edit: &Edit) -> Result<Option<Outcome>, Stop> {
        let mut db = self.store.begin().await?;
        let connection = visit.link.connection_id;
        let Some(write) = edits::of(&mut db, connection, &[visit.link.product_id])
            .await?
            .remove(&visit.link.product_id)
            .and_then(|all| all.into_iter().find(|other| other.edit_id == edit.edit_id))
            .and_then(|edit| edit.write_id)
        else {
            return Ok(None);
        };
        Ok(edits::outcome(&mut db, connection, write).await?)
    }

    /// Commits the intent of adding an operator's pieces, or of showing a picture again, and under which write it goes.
    pub(super) async fn intend_edit(
        &self,
        visit: &Visit<'_>,
        intent: &mut Entry,
        edit: &Edit,
    ) -> Result<(), Stop> {
        (intent.origin, intent.cause) = (Origin::Operator, Some(edit.cause()));
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
        store::ledger::insert(&mut db, intent).await?;
        edits::sent(&mut db, visit.link.connection_id, edit, intent.entry_id).await?;
        db.commit().await?;
        Ok(())
    }

    /// Takes a product off the web whose creation was undone. Everything it had is kept in the ledger.
    /// The shop goes on selling the item, so what was sold of it on the web is carried before.
    pub(super) async fn withdraw(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        online: Online,
    ) -> Result<(), Stop> {
        let why = visit.removal().map(Edit::cause).unwrap_or_default();
        self.variants_carry_first(visit, &online).await?;
        let facts = shop.facts(&visit.reading());
        self.leave(visit, &facts, online, &why).await?;
        self.stays_withdrawn(visit).await
    }

    /// A product whose creation was undone is not created again until somebody asks for it.
    pub(super) async fn stays_withdrawn(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        if let Some(order) = visit.removal().map(|edit| edit.order_id) {
            edits::withdraw(&mut db, connection, product, order, now).await?;
        }
        for wanted in &mut visit.edits {
            wanted.fate = Some(Fate::Done);
        }
        self.finish_edits(&mut db, visit).await?;
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        Err(Stop::Park {
            code: WITHDRAWN,
            reason: "An operator has undone its creation on E-Series, so it is not created there again. Retry, and it is."
                .into(),
        })
    }

    /// Writes down what became of every edit that this visit knew of. Those that no look could see to are left.
    pub(super) async fn finish_edits(&self, db: &mut Db, visit: &Visit<'_>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        for Wanted { edit, fate } in &visit.edits {
            let left = match fate {
                Some(Fate::Done) => None,
                Some(Fate::Left(why)) => Some(why.as_str()),
                None => Some("The product is no longer there on both sides."),
            };
            edits::done(&mut *db, connection, edit, left.is_some()).await?;
            match (left, edit.conflict) {
                (None, Some((conflict, choice))) => {
                    conflicts::resolve(&mut *db, connection, conflict, choice, edit.order_id).await?;
                }
                (None, None) => {}
                (Some(why), _) => {
                    let id = self.entry_id();
                    let mut entry =
                        Entry::told(connection, id, now, Kind::Operator, Origin::Operator, product);
                    entry.call_id = Some(edit.order_id.0);
                    entry.field = edit.what.field();
                    entry.cause = Some(edit.cause());
                    entry.detail = Some(serde_json::json!({ "act": "left", "reason": why }));
                    entry.result = Some(Outcome::Superseded);
                    store::ledger::insert(&mut *db, &entry).await?;
                }
            }
        }
        Ok(())
    }
}

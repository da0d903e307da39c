//! Intents, which are committed before the calls they tell of, and closed after them.

use super::{Corridor, Stop, Visit};
use crate::catalog::{Field, Side, Value};
use crate::decide::plan::Change;
use crate::ids::EntryId;
use crate::ledger::{Detail, Entry, Kind, Origin, Outcome};
use crate::store::{self, dirty, links};

impl Corridor {
    /// A write about to be made.
    pub(super) fn intent(&self, visit: &Visit<'_>, kind: Kind, side: Side, detail: &Detail) -> Entry {
        let link = &visit.link;
        let source = side.other();
        let now = self.clock.now();
        let mut entry =
            Entry::told(link.connection_id, self.entry_id(), now, kind, source.into(), link.product_id);
        entry.side = Some(side);
        entry.cause = visit.cause(source);
        entry.detail = serde_json::to_value(detail).ok();
        visit.attribute(&mut entry);
        entry.result = None;
        entry.closed_at = None;
        entry
    }

    pub(super) fn write_intent(
        &self,
        visit: &Visit<'_>,
        side: Side,
        change: &Change,
        source: Option<&Value>,
    ) -> Entry {
        let link = &visit.link;
        let now = self.clock.now();
        let origin = Origin::from(side.other());
        let mut entry =
            Entry::told(link.connection_id, self.entry_id(), now, Kind::Write, origin, link.product_id);
        entry.side = Some(side);
        entry.field = Some(change.field);
        entry.before = Some(change.before.to_json());
        entry.after = Some(change.after.to_json());
        entry.source = source.map(Value::to_json);
        entry.cause = visit.cause(side.other());
        if visit.stands_in == Some(change.field) {
            entry.cause =
                Some("a stand-in, until the record that has the wanted value has let go of it".into());
        }
        if let Some(wish) = visit.wish.filter(|_| change.field == Field::Enabled) {
            entry.origin = Origin::Operator;
            entry.cause = Some(format!("order {}", wish.entry_id));
        }
        visit.attribute(&mut entry);
        entry.result = None;
        entry.closed_at = None;
        entry
    }

    /// Commits intents. Without this commit no call is made, and a worker that lost its lease stops here.
    pub(super) async fn intend(&self, visit: &Visit<'_>, intents: &[Entry]) -> Result<(), Stop> {
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
        for intent in intents {
            store::ledger::insert(&mut db, intent).await?;
        }
        db.commit().await?;
        Ok(())
    }

    /// The same for replaced fields; a losing value is written down before it is overwritten.
    pub(super) async fn intend_update(
        &self,
        visit: &Visit<'_>,
        side: Side,
        intents: &[(Entry, bool)],
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        for (intent, conflict) in intents {
            store::ledger::insert(&mut db, intent).await?;
            let Some(field) = intent.field.filter(|_| *conflict) else { continue };
            let winner = side.other();
            let mut entry =
                Entry::told(connection, self.entry_id(), now, Kind::Conflict, winner.into(), product);
            entry.side = Some(side);
            entry.field = Some(field);
            entry.before.clone_from(&intent.before);
            entry.after.clone_from(&intent.after);
            entry.cause = Some(format!("write {}", intent.entry_id));
            entry.detail =
                Some(serde_json::json!({ "winner": winner, "loser": side, "losing_value": intent.before }));
            store::ledger::insert(&mut db, &entry).await?;
            let (won, lost) = (intent.after.clone(), intent.before.clone());
            let (r_value, e_value) = if winner == Side::RSeries { (won, lost) } else { (lost, won) };
            let conflict = store::conflicts::Conflict {
                conflict_id: crate::ids::ConflictId::new(&self.ids, now),
                product_id: product,
                field,
                r_value: r_value.unwrap_or_default(),
                e_value: e_value.unwrap_or_default(),
                state: store::conflicts::State::Decided,
                winner: Some(winner),
                at: now,
                entry_id: Some(intent.entry_id),
            };
            store::conflicts::insert(&mut db, connection, &conflict).await?;
            metrics::counter!("concord_conflicts_total", "field" => field.as_str()).increment(1);
        }
        db.commit().await?;
        Ok(())
    }

    /// Closes several writes that travelled in one call.
    pub(super) async fn close_all(
        &self,
        visit: &mut Visit<'_>,
        side: Side,
        entries: impl Iterator<Item = EntryId>,
        outcome: Outcome,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        for entry in entries {
            store::ledger::close(&mut db, visit.link.connection_id, entry, outcome, now).await?;
        }
        if side == Side::RSeries {
            visit.looks_in_shop(now);
        }
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        Ok(())
    }
}

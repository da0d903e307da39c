//! Closing writes of categories whose answer was lost, by what the store shows.

use super::{Corridor, Look};
use crate::catalog::{Looks, ShelfState, Side};
use crate::clock::after;
use crate::decide::tree;
use crate::ledger::{Detail, Entry, Kind, Outcome};
use crate::mapping::category::marker;
use crate::platforms::CallError;
use crate::reconcile::{SETTLE, Stop};
use crate::store::{self, trees};

impl Corridor {
    /// Closes a write that stands open. One that may still be on its way keeps its category out of this look.
    pub(super) async fn close_category(&self, look: &mut Look<'_>, intent: &Entry) -> Result<(), Stop> {
        let Some(Detail::Category { category_id, online_id, wanted, .. }) = intent.recovery() else {
            // Nothing tells what it was about: the comparison of the trees sees to whatever it did.
            let now = self.clock.now();
            let mut db = self.store.begin().await?;
            trees::fence(&mut db, &look.claim, now).await?;
            let outcome = Outcome::Superseded;
            store::ledger::close(&mut db, intent.connection_id, intent.entry_id, outcome, now).await?;
            db.commit().await?;
            return Ok(());
        };
        let mut row = look.row(category_id);
        let landed = match (intent.kind, online_id) {
            (Kind::Create, _) => {
                let marker = marker(category_id);
                let taken =
                    |id: i64| look.rows.values().any(|row| row.e_id == Some(id) && row.r_id != category_id);
                let found = look.online.values().find(|it| it.reference.as_ref() == Some(&marker));
                let found =
                    found.filter(|found| !taken(found.id)).map(|found| (found.id, found.looks.clone()));
                if let Some((id, _)) = &found {
                    row.e_id = Some(*id);
                }
                found.map(|(_, looks)| looks)
            }
            (Kind::Remove, Some(online_id)) => match look.account.e.category(online_id).await {
                Ok(_) | Err(CallError::Refused { .. }) => None,
                Err(CallError::Gone { .. }) => {
                    (row.e_id, row.wanted, row.shown) = (None, None, None);
                    row.state = if row.gone { ShelfState::Gone } else { ShelfState::Waiting };
                    row.hold = None;
                    look.online.remove(&online_id);
                    look.removed.push(category_id);
                    return self.close_with(look, row, intent, Outcome::Landed).await;
                }
                Err(error) => return Err(self.stop(Side::ESeries, error)),
            },
            (_, Some(online_id)) => {
                let meant = intent.after.clone().and_then(|json| serde_json::from_value::<Looks>(json).ok());
                let now = look.online.get(&online_id).map(|online| online.looks.clone());
                now.zip(meant).filter(|(now, meant)| tree::landed(meant, now)).map(|(now, _)| now)
            }
            (_, None) => None,
        };
        if let (Some(shown), Some(wanted)) = (landed, wanted) {
            row.shown = Some(tree::shown_since(&wanted, &shown));
            (row.wanted, row.tried, row.retry_at) = (Some(wanted), None, None);
            return self.close_with(look, row, intent, Outcome::Landed).await;
        }
        let settled = after(intent.at, SETTLE);
        if self.clock.now() < settled {
            look.busy.insert(category_id);
            look.again_at(settled);
            return Ok(());
        }
        self.close_with(look, row, intent, Outcome::NotLanded).await
    }
}

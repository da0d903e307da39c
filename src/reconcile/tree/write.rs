//! Writing one category, and what to do when the store will not have it.

use std::time::Duration;

use tracing::info;

use super::look::online;
use super::{Corridor, Look, REST, known};
use crate::catalog::{Hold, Looks, ShelfState, Side};
use crate::clock::{after, before};
use crate::decide::brake::ALTERNATES;
use crate::decide::tree::{self, By, Online};
use crate::ledger::{Detail, Entry, Kind, Origin, Outcome};
use crate::mapping::category::marker;
use crate::platforms::CallError;
use crate::platforms::eseries::wire::CategoryWrite;
use crate::queue::backoff;
use crate::reconcile::{SEND_WITHIN, Stop};
use crate::store::categories::Category;
use crate::store::{self, trees};

/// The store's plan takes no more categories (e-series-api.md, section 2.2); asked again after an hour.
const LIMIT: &str = "category_limit";
const LIMIT_REST: Duration = Duration::from_secs(3_600);
/// The category came from another system and cannot be changed (section 9.3).
pub(super) const LOCKED: &str = "category_locked";
/// It is there, and Concord cannot read it.
pub(super) const UNREADABLE: &str = "category_unreadable";
/// It was answered as done, and nothing of it was.
const IGNORED: &str = "ignored";
/// So many edits on E-Series are set back within an hour; then a person has to find out who makes them.
const MOST_SET_BACKS: i32 = 5;
const SET_BACK_WINDOW: Duration = Duration::from_secs(3_600);
/// So often a category that is turned away for now counts as on its way; later it is held, and still tried.
const MOST_FAILURES: i32 = 6;

impl Corridor {
    /// A category that is there: written where it is not as the shop has it. Returns its number on E-Series.
    pub(super) async fn keep_category(
        &self,
        look: &mut Look<'_>,
        id: i64,
        (online_id, by): (i64, By),
        wanted: Looks,
    ) -> Result<Option<i64>, Stop> {
        let Some(there) = look.online.get(&online_id).cloned() else { return Ok(None) };
        let mut row = look.row(id);
        if by != By::Link {
            self.tie_category(look, &mut row, online_id, by).await?;
        }
        let changes = tree::changes(Some(&known(&row)), &wanted, &there.looks);
        if row.shown.as_ref().is_some_and(|shown| *shown != there.looks) {
            look.changed[1].insert(online_id);
        }
        let now = self.clock.now();
        if changes.is_empty() {
            (row.state, row.hold, row.tried, row.retry_at) = (ShelfState::InStep, None, None, None);
            (row.wanted, row.shown, row.failures) = (Some(wanted), Some(there.looks), 0);
            self.save_category(look, row).await?;
            return Ok(Some(online_id));
        }
        if rests(look, &row, &wanted, now) {
            return Ok(Some(online_id));
        }
        if !there.own {
            let reason = "The category came to E-Series from another system and is locked there, so it cannot be \
                          renamed, moved or sorted. Disconnect that system, or change the category there.";
            row.tried = Some(wanted);
            self.hold_category(look, row, Hold::new(LOCKED, reason), REST).await?;
            return Ok(Some(online_id));
        }
        if changes.set_back {
            let fresh = row.set_back_at.is_none_or(|at| at < before(now, SET_BACK_WINDOW));
            (row.set_backs, row.set_back_at) =
                if fresh { (1, Some(now)) } else { (row.set_backs + 1, row.set_back_at) };
            if row.set_backs > MOST_SET_BACKS {
                let reason = format!(
                    "Name, place or order of the category keep being changed on E-Series and were set back \
                     {MOST_SET_BACKS} times within an hour. An app, a person or another integration does that: find \
                     out which and stop it. It is tried again in an hour."
                );
                row.tried = Some(wanted);
                self.hold_category(look, row, Hold::new(ALTERNATES, reason), SET_BACK_WINDOW).await?;
                return Ok(Some(online_id));
            }
        }
        let target = Looks {
            name: changes.name.clone().unwrap_or_else(|| there.looks.name.clone()),
            parent: changes.parent.unwrap_or(there.looks.parent),
            order: changes.order.unwrap_or(there.looks.order),
        };
        let mut intent = self.category_intent(look, &row, Kind::Write, Some(&wanted));
        intent.before = serde_json::to_value(&there.looks).ok();
        intent.after = serde_json::to_value(&target).ok();
        let mut verdict = None;
        if changes.set_back {
            let mut entry = self.told_of_category(look, &row, Kind::Verdict, Origin::ESeries);
            entry.before.clone_from(&intent.before);
            entry.after.clone_from(&intent.after);
            entry.cause = Some(format!(
                "changed on E-Series, where name, place and order of a category are the shop's: set back by write {}",
                intent.entry_id
            ));
            verdict = Some(entry);
        }
        let by = after(intent.at, SEND_WITHIN);
        self.intend_category(look, &mut row, &intent, verdict).await?;
        let write = CategoryWrite {
            name: changes.name.clone(),
            parent_id: changes.parent,
            order: changes.order,
            ..CategoryWrite::default()
        };
        let written = match look.account.e.update_category(online_id, &write, by).await {
            Ok(()) => {
                let shown = self.read_back(look, online_id).await?;
                if tree::ignored(&changes, &there.looks, &shown.looks) {
                    look.online.insert(online_id, shown);
                    let why = "it answered that this was done, and shows the category as before".into();
                    Err(CallError::Refused { status: 200, code: Some(IGNORED.into()), why })
                } else {
                    Ok(shown)
                }
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(shown) => self.category_landed(look, row, &intent, shown, wanted).await?,
            Err(error) => self.turned_away(look, row, &intent, wanted, error).await?,
        }
        Ok(Some(online_id))
    }

    /// A category that E-Series does not have: created disabled. Returns its number there.
    pub(super) async fn create_category(
        &self,
        look: &mut Look<'_>,
        id: i64,
        wanted: Looks,
    ) -> Result<Option<i64>, Stop> {
        let now = self.clock.now();
        let mut row = look.row(id);
        if rests(look, &row, &wanted, now) {
            return Ok(None);
        }
        if !look.legible {
            let reason = "A category of E-Series cannot be read (the log names it), and it may be this one: it is not \
                          created before that is mended. It is looked at again every hour.";
            row.tried = Some(wanted);
            self.hold_category(look, row, Hold::new(UNREADABLE, reason), LIMIT_REST).await?;
            return Ok(None);
        }
        if let Some(reason) = look.full.clone() {
            row.tried = Some(wanted);
            self.hold_category(look, row, Hold::new(LIMIT, reason), LIMIT_REST).await?;
            return Ok(None);
        }
        let mut intent = self.category_intent(look, &row, Kind::Create, Some(&wanted));
        intent.after = serde_json::to_value(&wanted).ok();
        let by = after(intent.at, SEND_WITHIN);
        self.intend_category(look, &mut row, &intent, None).await?;
        let write = CategoryWrite {
            name: Some(wanted.name.clone()),
            parent_id: Some(wanted.parent).filter(|parent| *parent != 0),
            order: Some(wanted.order),
            enabled: Some(false),
            external_reference_id: Some(marker(id)),
        };
        match look.account.e.create_category(&write, by).await {
            Ok(online_id) => {
                let shown = self.read_back(look, online_id).await?;
                self.category_landed(look, row, &intent, shown, wanted).await?;
                info!(category = id, e_series = online_id, "a category was created on E-Series");
                Ok(Some(online_id))
            }
            Err(error) => {
                self.turned_away(look, row, &intent, wanted, error).await?;
                Ok(None)
            }
        }
    }

    async fn tie_category(
        &self,
        look: &mut Look<'_>,
        row: &mut Category,
        online_id: i64,
        by: By,
    ) -> Result<(), Stop> {
        row.e_id = Some(online_id);
        let now = self.clock.now();
        let mut entry = self.told_of_category(look, row, Kind::Link, Origin::Sweep);
        entry.after = Some(serde_json::json!({ "r_series": row.r_id, "e_series": online_id }));
        entry.cause = Some(
            match by {
                By::Marker => "the marker of its creation",
                _ => "the same names from the root down",
            }
            .into(),
        );
        let mut db = self.store.begin().await?;
        trees::fence(&mut db, &look.claim, now).await?;
        store::ledger::insert(&mut db, &entry).await?;
        self.note_category(&mut db, look, row.clone(), now).await?;
        db.commit().await?;
        Ok(())
    }

    /// A write about to be made.
    pub(super) fn category_intent(
        &self,
        look: &Look<'_>,
        row: &Category,
        kind: Kind,
        wanted: Option<&Looks>,
    ) -> Entry {
        let mut entry = self.told_of_category(look, row, kind, Origin::RSeries);
        entry.detail = serde_json::to_value(Detail::Category {
            category_id: row.r_id,
            path: row.path.clone(),
            online_id: row.e_id,
            wanted: wanted.cloned(),
        })
        .ok();
        (entry.result, entry.closed_at) = (None, None);
        entry
    }

    /// Commits an intent. Without this commit no call is made, and a worker that lost its lease stops here.
    pub(super) async fn intend_category(
        &self,
        look: &mut Look<'_>,
        row: &mut Category,
        intent: &Entry,
        verdict: Option<Entry>,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        trees::fence(&mut db, &look.claim, now).await?;
        store::ledger::insert(&mut db, intent).await?;
        if let Some(verdict) = verdict {
            store::ledger::insert(&mut db, &verdict).await?;
        }
        self.note_category(&mut db, look, row.clone(), now).await?;
        db.commit().await?;
        Ok(())
    }

    /// What E-Series has made of a write. Where it cannot be read the intent stays open: the next look closes it by
    /// what it sees.
    async fn read_back(&self, look: &Look<'_>, online_id: i64) -> Result<Online, Stop> {
        match look.account.e.category(online_id).await {
            Ok((category, _)) => Ok(online(&category)),
            Err(error) => {
                let why = format!("a category could not be read back: {error}");
                Err(self.stop(Side::ESeries, CallError::Unclear { why }))
            }
        }
    }

    /// A write landed, and this is what E-Series shows since.
    async fn category_landed(
        &self,
        look: &mut Look<'_>,
        mut row: Category,
        intent: &Entry,
        shown: Online,
        wanted: Looks,
    ) -> Result<(), Stop> {
        row.e_id = Some(shown.id);
        (row.state, row.hold, row.tried, row.retry_at) = (ShelfState::InStep, None, None, None);
        let since = tree::shown_since(&wanted, &shown.looks);
        if since != shown.looks {
            // Changed in between, and perhaps told before this look began.
            look.again_at(backoff::next(1, self.clock.now()));
        }
        (row.wanted, row.shown, row.failures) = (Some(wanted), Some(since), 0);
        look.online.insert(shown.id, shown);
        metrics::counter!("concord_writes_total", "side" => "e_series", "what" => "category").increment(1);
        self.close_with(look, row, intent, Outcome::Landed).await
    }

    /// Writes down what became of a write, together with the category as it is now.
    pub(super) async fn close_with(
        &self,
        look: &mut Look<'_>,
        row: Category,
        intent: &Entry,
        outcome: Outcome,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        trees::fence(&mut db, &look.claim, now).await?;
        store::ledger::close(&mut db, intent.connection_id, intent.entry_id, outcome, now).await?;
        self.note_category(&mut db, look, row, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// The store did not do it. What concerns the connection stops the look; what concerns this category holds it.
    pub(super) async fn turned_away(
        &self,
        look: &mut Look<'_>,
        mut row: Category,
        intent: &Entry,
        wanted: Looks,
        error: CallError,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let (outcome, rest) = match &error {
            CallError::Unclear { .. } => return Err(self.stop(Side::ESeries, error)),
            CallError::Later { .. } | CallError::Busy { .. } => {
                self.close_with(look, row, intent, Outcome::NotLanded).await?;
                return Err(self.stop(Side::ESeries, error));
            }
            CallError::Account { .. } => {
                self.close_with(look, row, intent, Outcome::Refused).await?;
                return Err(self.stop(Side::ESeries, error));
            }
            CallError::Gone { .. } => (Outcome::NotLanded, None),
            CallError::Refused { .. } => (Outcome::Refused, refusal(&error)),
        };
        let why = error.to_string();
        let passing = rest.is_none();
        let (hold, rest) = if let Some(refusal) = rest {
            row.failures = 0;
            refusal
        } else {
            row.failures = row.failures.saturating_add(1);
            let until = backoff::next(row.failures.saturating_add(1), now);
            let reason = format!(
                "E-Series does not take the change of the category now ({why}). It may be edited there, or have been \
                 changed meanwhile; it is tried again by itself."
            );
            let rest = (until - now).to_std().unwrap_or_default();
            (Hold::new("category_busy", reason), rest)
        };
        if hold.code == LIMIT {
            look.full = Some(hold.reason.clone());
        }
        row.tried = Some(wanted);
        row.retry_at = Some(after(now, rest));
        row.state = if passing && row.failures < MOST_FAILURES {
            look.again_at(after(now, rest));
            ShelfState::Waiting
        } else {
            ShelfState::Held
        };
        row.hold = Some(hold);
        self.close_with(look, row, intent, outcome).await
    }

    /// A category that is left as it is for some time.
    pub(super) async fn hold_category(
        &self,
        look: &mut Look<'_>,
        mut row: Category,
        hold: Hold,
        rest: Duration,
    ) -> Result<(), Stop> {
        (row.state, row.hold) = (ShelfState::Held, Some(hold));
        row.retry_at = Some(after(self.clock.now(), rest));
        self.save_category(look, row).await
    }
}

/// The same was refused before, and its time has not come. One that is only waiting is come back to by itself; for one
/// that is held the sweep calls.
fn rests(look: &mut Look<'_>, row: &Category, wanted: &Looks, now: crate::clock::Instant) -> bool {
    let Some(retry_at) = row.retry_at.filter(|at| *at > now && row.tried.as_ref() == Some(wanted)) else {
        return false;
    };
    if row.state == ShelfState::Waiting {
        look.again_at(retry_at);
    }
    true
}

/// What a refusal means, and how long it rests; none for those that pass by themselves.
fn refusal(error: &CallError) -> Option<(Hold, Duration)> {
    let CallError::Refused { status, code, why } = error else { return None };
    let too_long = why.to_ascii_lowercase().contains("long");
    match (status, code.as_deref()) {
        (402, _) => Some((
            Hold::new(
                LIMIT,
                format!(
                    "The E-Series plan takes no more categories ({why}). Upgrade the plan or remove categories there; \
                     it is tried again every hour."
                ),
            ),
            LIMIT_REST,
        )),
        (409, Some("NOT_ALLOWED_TO_UPDATE_EXTERNAL_CATEGORIES")) => Some((
            Hold::new(
                LOCKED,
                format!("The category came to E-Series from another system and is locked there ({why})."),
            ),
            REST,
        )),
        // Somebody edits it elsewhere, or another creation of ours is on its way: that passes (section 2.2).
        (409, None | Some("EXTERNAL_ID_ALREADY_USED")) if !too_long => None,
        (_, Some(IGNORED)) => None,
        _ => Some((Hold::new("refused", format!("E-Series refuses the category: {why}")), REST)),
    }
}

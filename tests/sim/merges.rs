//! Items that are merged into another one in the shop. Their pieces lie on that one then; what was sold of them on the
//! web and not booked before, a person is told, once, and books it there.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use concord::sandbox::rseries::MatrixView;
use serde_json::Value;

use super::storm::Storm;
use super::walls::Owner;

/// What is remembered of them.
#[derive(Debug, Default)]
pub struct Merges {
    /// Into which item each went.
    heirs: BTreeMap<i64, i64>,
    /// Those whose heir's count began anew since: what is told of them is told of a count that is no more.
    moot: BTreeSet<i64>,
    /// Pieces of which a person was told, by the item that is left.
    told: BTreeMap<i64, i64>,
}

impl Merges {
    /// The count of this item begins anew.
    pub(super) fn begin_anew(&mut self, id: i64) {
        let went_there: Vec<i64> =
            self.heirs.keys().copied().filter(|old| self.heir_of(*old) == id).collect();
        self.moot.extend(went_there);
        self.told.remove(&id);
    }

    fn heir_of(&self, id: i64) -> i64 {
        let mut heir = id;
        while let Some(next) = self.heirs.get(&heir) {
            heir = *next;
        }
        heir
    }

    /// Items of a matrix that were not merged into others.
    pub(super) fn living(&self, matrix: &MatrixView) -> usize {
        matrix.variants.iter().filter(|(id, _)| !self.heirs.contains_key(id)).count()
    }
}

impl Storm {
    pub(super) fn merge(&mut self, one: usize, other: usize) {
        let [losing, winning] = [one, other].map(|number| self.items[number % self.items.len()]);
        let r = &self.world.stage.r;
        let [from, into] = [losing, winning].map(|id| r.item(id).unwrap());
        // A matrix without items is another story, and one without a piece leaves no word of its merge.
        let last = r.matrix(from.matrix_id).is_some_and(|matrix| self.merges.living(&matrix) < 2);
        let wordless = from.stock.values().all(|pieces| *pieces == 0);
        if losing == winning || from.archived || into.archived || last || wordless || self.items.len() < 3 {
            return;
        }
        for id in [losing, winning] {
            self.see_removal(id);
        }
        let sure = |id: &i64| {
            self.world.goods(*id).is_some()
                && !self.shifted.contains(id)
                && !self.births.forgotten.contains(id)
        };
        let sure = [losing, winning].iter().all(sure);
        self.forget_wall(Owner::Item(losing));
        self.world.stage.r.merge_items(losing, winning);
        self.items.retain(|id| *id != losing);
        self.typed.remove(&losing);
        self.online.remove(&losing);
        self.shifted.remove(&losing);
        self.births.forgotten.remove(&losing);
        self.alone.forget(losing);
        for book in [&mut self.truth, &mut self.elsewhere] {
            let moved = book.remove(&losing).unwrap_or_default();
            *book.get_mut(&winning).unwrap() += moved;
        }
        if !sure {
            self.births.forgotten.insert(winning);
        }
        self.merges.heirs.insert(losing, winning);
    }

    /// Pieces of this item of which a person was told instead of having them booked.
    pub(super) fn told_of(&self, id: i64) -> i64 {
        self.merges.told.get(&id).copied().unwrap_or_default()
    }

    /// Waits until the shop has been looked at as a whole: what left no other trace is found by that. Then a person
    /// notes what is told of items that were merged, and says so.
    pub(super) async fn answer_merges(&mut self) {
        if self.merges.heirs.is_empty() {
            return;
        }
        self.world.clock.advance(std::time::Duration::from_secs(25 * 3_600));
        self.settle(true).await;
        let parked = self.world.get("/parked").await;
        for row in parked["items"].as_array().unwrap() {
            let reason = row["reason"].as_str().unwrap_or_default();
            let Some((_, pieces)) = reason.split_once("merged into another one on R-Series before ") else {
                continue;
            };
            let pieces: i64 = pieces.split(' ').next().unwrap().parse().unwrap();
            let merged = row["r_series"]["id"].as_str().unwrap().parse().unwrap();
            if !self.merges.moot.contains(&merged) {
                *self.merges.told.entry(self.merges.heir_of(merged)).or_default() += pieces;
            }
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let path = format!("/v1/connections/{}/parked/{}/retry", self.world.connection, text(&row["id"]));
            let (status, answer) = self.world.call("POST", &path, None).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        }
        self.settle(true).await;
    }
}
